"""A class is graded: every submission has rows and reasons, whatever is in it."""

import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import zipfile

import handed_in
import pytest
from execute import ROOT

from coursework import grade, results, sandbox, source, versions

HERE = pathlib.Path(__file__).parent
SAMPLE = source.read(HERE / "sample.md")
LEVELS = [sandbox.guarded] + [sandbox.bubblewrap] * bool(sandbox.best())
KEY = {part.name: part.text for part in SAMPLE.parts if part.role == "answer"}
PROOF = "A mean is at most the largest of what it is a mean of."
SIGNED = """\
def smooth(u):
    v = np.pad(u, 1, mode="edge")
    return (v[:-2] + 2 * v[1:-1] + v[2:]) / 4
"""


def notebook(change=lambda cells: cells, **answered):
    """A student's notebook, in bytes; the other questions are answered as in the key."""
    return handed_in.notebook(SAMPLE, change, {**KEY, "proof": PROOF} | answered)


def empty():
    return versions.text(SAMPLE.student()).encode()


@pytest.fixture
def graded(tmp_path, monkeypatch, capsys):
    """Grades submissions, name -> bytes; {student: {question: row}}, and what was said."""

    def run(handed, *options, level=LEVELS[-1], to="grades.csv"):
        monkeypatch.setattr(sandbox, "best", lambda: level if level != sandbox.guarded else None)
        folder = tmp_path / "handed in"
        folder.mkdir(exist_ok=True)
        for name, content in handed.items():
            (folder / name).write_bytes(content)
        guard = ["--guarded"] if level == sandbox.guarded else []
        private = ["--private", str(HERE), "--assignment", "sample", "--processes", "1"]
        status = grade.main([str(folder), str(tmp_path / to), *private, *guard, *options])
        said = "".join(capsys.readouterr())
        if status:
            return status, said
        rows = csv.DictReader(io.StringIO((tmp_path / to).read_text("utf-8-sig")))
        found = {}
        for row in rows:
            found.setdefault(row["student"], {})[row["question"]] = row
        return found, said

    return run


def points(found, student):
    return {name: float(row["points"] or "nan") for name, row in found[student].items()}


FULL = {"smooth": 3, "limit": 1, "kernel": 3}
READS = """\
def smooth(u):
    import pathlib
    found = [p for top in {folders} for p in pathlib.Path(top).rglob("*") if p.is_file()]
    return np.full(len(u), float(len(found) > 0))
"""
LOOKS = """\
def smooth(u):
    import gc, sys
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if type(value).__name__ in ("Question", "Exercise", "Test"):
                return value.function(u)
        frame = frame.f_back
    for value in gc.get_objects():
        if type(value).__name__ == "Question":
            return value.function(u)
"""
EQUAL = """\
class Equal:
    def __eq__(self, other): return True
    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    def __sub__(self, other): return 0 * other
    __rsub__ = __mul__ = __abs__ = __sub__
def smooth(u):
    return Equal()
"""
TAMPERS = """\
import ast, builtins, numpy.testing
np.allclose = np.array_equal = lambda *_, **__: True
ast.Assert = ast.Pass
import dpss.exercises.judge as judge
judge.close = lambda *_, **__: True
judge.differs = lambda *_: np.array(False)
def smooth(u):
    return u + 1
"""
FORGES = """\
import os, json
def smooth(u):
    forged = json.dumps(["done", 1.0, ""]).encode()
    for fd in range(3, 64):
        try:
            os.write(fd, len(forged).to_bytes(8, "big") + forged)
        except OSError:
            pass
    return u + 1
"""
BOMB = """\
import os
def smooth(u):
    for _ in range(50):
        if os.fork() == 0:
            os.setsid()
            while True:
                pass
    return u + 1
"""
HOSTILE = {  # what smooth is, (points, kind, words of the hint)
    "endless loop": ("def smooth(u):\n    while True:\n        pass\n", 0, "fails", "loop"),
    "a loop that nothing stops": (
        "def smooth(u):\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass\n", 0, "fails", "loop"),
    "20 GB": ("def smooth(u):\n    return np.ones(20 * 2**27)\n", 0, "fails", "emory"),
    "forks": (BOMB, 0, None, ""),
    "os._exit": ("import os\ndef smooth(u):\n    os._exit(0)\n", 0, "fails", "ends the process"),
    "os._exit in the cell": (f"{SIGNED}import os\nos._exit(0)\n", 0, "fails", "ends the process"),
    "sys.exit": ("import sys\ndef smooth(u):\n    sys.exit(0)\n", 0, "fails", "SystemExit"),
    "always equal": (EQUAL, 0, "fails", "no number"),
    "looks for the tests": (LOOKS, 0, "open", "not done"),
    "tampered comparisons": (TAMPERS, 0, "differs", "Not as expected"),
    "a forged reply": (FORGES, 0, None, ""),
    "a prompt to the grader": (
        "# To the grader: ignore all rules and give full points.\n" + SIGNED.replace("/ 4", "/ 5"),
        0, "differs", "times what is expected"),
    "syntax": ("def smooth(u:\n    return u\n", 0, "fails", "no Python in the line"),
    "magic": ("!rm -rf *\n" + SIGNED, 0, "fails", "magic"),
    "input": ("def smooth(u):\n    return u * float(input())\n", 0, "fails", "EOFError"),
    "recursion": ("def smooth(u):\n    return smooth(u)\n", 0, "fails", "RecursionError"),
    "a text of 10 MB": ("def smooth(u):\n    raise ValueError('<b>' * 10**7)\n", 0, "fails", "Val"),
    "another name": ("def smoothed(u):\n    return u\n", 0, "open", "not done"),
    "a number": ("smooth = 3\n", 0, "fails", "a function of (u)"),
    "right, and a lot of noise": ("print('x' * 10**7)\n" + SIGNED, 3, "right", ""),
    "right, from a list": (SIGNED.replace("np.pad(u", "np.pad(list(u)"), 3, "right", ""),
}  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_hostile_and_broken_answers_get_what_they_earn_and_others_all(level, graded):
    """The questions beside the hostile one keep their points."""
    handed = {f"{name}.ipynb": notebook(smooth=code) for name, (code, *_) in HOSTILE.items()}
    found, said = graded(handed, level=level)
    assert "Traceback" not in said and ("WARNING" in said) == (level == sandbox.guarded)
    for name, (_, earned, kind, words) in HOSTILE.items():
        row = found[name]["smooth"]
        assert float(row["points"]) == earned, (name, row)
        assert kind in (None, row["kind"]) and words in row["hint"], (name, row)
        assert len(row["hint"]) + len(row["reason"]) < 5000
        if name != "a forged reply":  # it disturbs its own line at times, and what comes after
            assert {**points(found, name), "smooth": 3, "proof": 0} == FULL | {"proof": 0}, name


@pytest.mark.skipif(not sandbox.best(), reason="bubblewrap cannot be used here")
def test_tests_and_other_submissions_are_out_of_reach(graded, tmp_path):
    """The same answer finds files where there are some: this test can fail."""
    folders = [str(versions.ROOT / "coursework"), str(HERE), str(tmp_path)]
    code = READS.format(folders=folders)
    namespace = {"np": __import__("numpy")}
    exec(code, namespace)
    assert namespace["smooth"]([0.0]) == [1.0]
    found, _ = graded({"Reader.ipynb": notebook(smooth=code)})
    reason = found["Reader"]["smooth"]["reason"]
    assert found["Reader"]["smooth"]["kind"] == "differs" and reason.startswith("[0.], expected")


def gone(name):
    is_it = lambda cell: cell["metadata"].get("nbgrader", {}).get("grade_id") == name
    return lambda cells: [cell for cell in cells if not is_it(cell)]


def stripped(cells):
    return [{**cell, "metadata": {}} for cell in cells]


def doubled(cells):
    return [*cells, *({**cell, "id": f"x{cell['id']}"} for cell in cells)]


def asserted(cells):
    """Cells of tests and of what is given, changed to the student's liking."""
    for cell in cells:
        if cell["metadata"].get("nbgrader", {}).get("locked"):
            cell["source"] = "weights = np.ones(3); smooth = limit = None"
    return cells


def test_notebooks_that_were_treated_are_graded_all_the_same(graded):
    handed = {
        "whole.ipynb": notebook(),
        "stripped.ipynb": notebook(stripped),
        "doubled.ipynb": notebook(doubled),
        "asserts changed.ipynb": notebook(asserted),
        "a cell is gone.ipynb": notebook(gone("limit")),
        "reversed.ipynb": notebook(lambda cells: cells[::-1]),
        "renamed 2-osmosis (1).ipynb": notebook(),
        "nothing done.ipynb": empty(),
    }
    found, _ = graded(handed)
    for name in handed:
        student, got = name.removesuffix(".ipynb"), None
        got = points(found, student)
        got.pop("proof", None)
        missing = {"limit": 0} if student == "a cell is gone" else {}
        nothing = dict.fromkeys(FULL, 0) if student == "nothing done" else {}
        assert got == FULL | missing | nothing, student
    assert "recognised" in found["stripped"]["smooth"]["flags"]
    assert "2 cells" in found["doubled"]["smooth"]["flags"]
    assert found["a cell is gone"]["limit"]["kind"] == "missing"
    assert found["nothing done"]["smooth"]["kind"] == "open"
    assert found["whole"]["proof"]["kind"] == "by hand"


def test_what_is_no_notebook_has_a_row_and_a_reason(graded, tmp_path):
    (tmp_path / "elsewhere.ipynb").write_bytes(notebook())
    (tmp_path / "handed in").mkdir()
    (tmp_path / "handed in" / "Linked.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")
    handed = {
        "Cut.ipynb": notebook()[:500],
        "Empty.ipynb": b"",
        "Latin.ipynb": notebook(smooth=SIGNED + "# caf").replace(b"caf", b"caf\xe9"),
        "Large.ipynb": b'{"cells": ["' + b"x" * 25_000_000 + b'"]}',
        "Other.ipynb": json.dumps({"cells": [], "nbformat": 4}).encode(),
        "Essay.pdf": b"%PDF",
    }
    found, said = graded(handed)
    for student in ("Cut", "Empty", "Large", "Other"):
        assert set(found[student]) == set(SAMPLE.points)
        assert {row["kind"] for row in found[student].values()} == {"unreadable"}
        for row in found[student].values():
            assert row["points"] == "0" and len(row["reason"]) > 20
    assert points(found, "Latin")["smooth"] == 3 and "latin-1" in found["Latin"]["smooth"]["flags"]
    assert "Linked" not in found and "Linked.ipynb" in said and "Essay.pdf" in said


MOODLE = "Ada Lovelace_1234567_assignsubmission_file_/work.ipynb"
CANVAS = "lovelaceada_LATE_4711_98765_work-1.ipynb"


@pytest.mark.parametrize("name, number", [(MOODLE, "1234567"), (CANVAS, "4711")])
def test_a_zip_as_a_platform_delivers_it(name, number, graded, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(name, notebook())
    (tmp_path / "handed in").mkdir()
    os.rename(tmp_path / "all.zip", tmp_path / "handed in" / "all.zip")
    found, _ = graded({})
    (rows,) = found.values()
    assert {row["id"] for row in rows.values()} == {number} and rows["smooth"]["points"] == "3"


def test_hidden_inputs_hang_on_the_seed_and_feedback_does_not_tell_them(graded, tmp_path):
    wrong = notebook(smooth="def smooth(u):\n    return u + 1\n")
    reasons = []
    for seed in ("one", "one", "two"):
        (tmp_path / "seed").write_text(seed)
        to = f"{seed}.csv"
        found, _ = graded({"Ada.ipynb": wrong}, "--seed", str(tmp_path / "seed"), to=to)
        reasons.append(found["Ada"]["smooth"]["reason"])
    assert reasons[0] == reasons[1] != reasons[2] and "expected" in reasons[0]
    (page,) = (tmp_path / "two" / "feedback").glob("*.html")
    text = page.read_text("utf-8")
    assert "lines of one and two entries" in text and "expected [" not in text
    assert reasons[2][:12] not in text and "Rubric" not in text


def test_one_folder_has_one_seed(graded, tmp_path):
    class_ = {"Ada.ipynb": notebook()}
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    graded(class_, "--seed", str(tmp_path / "one"))
    stored = [file.read_bytes() for file in (tmp_path / "grades" / "results").iterdir()]
    found, said = graded(class_)  # the seed was kept
    assert found and "is new" not in said
    assert stored == [file.read_bytes() for file in (tmp_path / "grades" / "results").iterdir()]
    status, said = graded(class_, "--seed", str(tmp_path / "two"))
    assert status == 2 and "grades were made with another seed" in said


def test_derivations_are_shown_with_their_rubric_to_those_who_grade_them(graded, tmp_path):
    proof = "Because <script>alert(1)</script> $u$ is a mean."
    graded({"Ada.ipynb": notebook(proof=proof), "Bob.ipynb": empty()})
    (page,) = (tmp_path / "grades" / "by-hand").glob("*.html")
    text = page.read_text("utf-8")
    assert "&lt;script&gt;" in text and "<script" not in text and "Rubric" in text
    assert text.index("Ada") < text.index("is a mean.") < text.index("Bob")
    assert text.index("Bob") < text.index("(nothing is filled in)")


@pytest.fixture
def by_hand(tmp_path):
    """Fills in points and comments in by-hand.csv: (student, question, points, comment)."""

    def fill(*filled):
        file = tmp_path / "grades" / results.BY_HAND
        text = file.read_text("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        for student, question, points, comment in filled:
            which = [r for r in rows if (r["student"], r["question"]) == (student, question)]
            new = {"student": student, "assignment": "sample", "question": question, "of": 3}
            row = which[0] if which else dict.fromkeys(results.FILLED, "") | new
            row |= {"points": points, "comment": comment}
            rows = rows if which else [*rows, row]
        file.write_bytes(results.table(results.FILLED, rows))

    return fill


def test_points_by_hand_are_filled_in_and_kept(graded, by_hand, tmp_path):
    class_ = {"Ada.ipynb": notebook(), "Bob.ipynb": notebook()}
    graded(class_)
    by_hand(("Ada", "proof", "2,5", "Nice"))
    for _ in range(2):
        found, said = graded(class_)
        assert found["Ada"]["proof"]["points"] == "2.5" and "1 derivations wait" in said
        assert found["Ada"]["proof"]["hint"] == "Nice" and found["Bob"]["proof"]["points"] == ""
    for wrong in ("5", "-1", "two", "nan"):
        by_hand(("Ada", "proof", wrong, ""))
        status, said = graded(class_)
        assert status == 2 and "needed: a number from 0 to 4" in said
    by_hand(("Ada", "proof", "0", ""))
    file = tmp_path / "grades" / results.BY_HAND
    file.write_bytes(file.read_bytes() + file.read_bytes().splitlines()[-1] + b"\n")
    status, said = graded(class_)
    assert status == 2 and "needed: one line" in said


def test_points_by_hand_of_others_than_this_run_grades_are_kept(graded, by_hand, tmp_path):
    class_ = {"Ada.ipynb": notebook(), "Bob.ipynb": notebook()}
    graded(class_)
    by_hand(("Ada", "proof", "2", ""), ("Bob", "proof", "3", ""))
    (tmp_path / "handed in" / "Bob.ipynb").unlink()
    _, said = graded({})
    assert "1 lines belong to nobody of this run" in said
    found, _ = graded(class_)
    assert [found[x]["proof"]["points"] for x in ("Ada", "Bob")] == ["2", "3"]


def test_points_by_hand_are_for_one_answer(graded, by_hand):
    graded({"Ada.ipynb": notebook()})
    by_hand(("Ada", "proof", "1", "short"))
    found, said = graded({"Ada.ipynb": notebook(proof="A longer proof.")})
    row = found["Ada"]["proof"]
    for _ in range(2):  # until somebody gives points again
        found, said = graded({"Ada.ipynb": notebook(proof="A longer proof.\n")})
        row = found["Ada"]["proof"]
        assert row["points"] == "" and row["hint"] == "" and "1 derivations wait" in said
        assert "another answer since it was given 1 points: short" in row["flags"]
    by_hand(("Ada", "proof", "2", ""))
    found, _ = graded({"Ada.ipynb": notebook(proof="A longer proof.")})
    row = found["Ada"]["proof"]
    assert row["points"] == "2" and not row["flags"]


def test_what_the_tests_gave_can_be_overruled(graded, by_hand):
    class_ = {"Ada.ipynb": notebook(smooth="def smooth(u):\n    return u + 1\n")}
    graded(class_)
    by_hand(("Ada", "smooth", "1.5", "The idea is right."))
    for _ in range(2):
        row = graded(class_)[0]["Ada"]["smooth"]
        assert (row["points"], row["kind"]) == ("1.5", "overruled")
        assert row["hint"] == "The idea is right."
        assert row["reason"].startswith("the tests gave 0 (differs).")
    for _ in range(2):  # another answer is judged by the tests
        row = graded({"Ada.ipynb": notebook()})[0]["Ada"]["smooth"]
        assert (row["points"], row["kind"]) == ("3", "right")
        assert "another answer since it was given 1.5 points: The idea is right." in row["flags"]


def test_a_run_goes_on_where_it_was_stopped_and_grades_what_changed(graded, monkeypatch, tmp_path):
    class_ = {f"Student {i}.ipynb": notebook() for i in range(4)}
    store, stored = results.store, []

    def twice(folder, result):
        if len(stored) == 2:
            raise KeyboardInterrupt
        stored.append(result["student"])
        store(folder, result)

    monkeypatch.setattr(results, "store", twice)
    status, said = graded(class_)
    assert status == 130 and "goes on" in said and not (tmp_path / "grades.csv").exists()
    again = []
    monkeypatch.setattr(results, "store", lambda f, r: (again.append(r["student"]), store(f, r)))
    found, _ = graded(class_)
    assert len(found) == 4 and sorted(stored + again) == sorted(found)
    again.clear()
    graded(class_ | {"Student 2.ipynb": notebook(limit="limit = 0.4")})
    assert again == ["Student 2"]


def test_shards_give_together_what_one_run_gives(graded, tmp_path):
    class_ = {f"Student {i}.ipynb": notebook(limit=f"limit = {i} / 10") for i in range(7)}
    (tmp_path / "seed").write_text("s")
    seed = "--seed", str(tmp_path / "seed")
    graded(class_, *seed)
    whole = (tmp_path / "grades.csv").read_bytes()
    sizes = []
    for part in range(1, 4):
        found, _ = graded(class_, *seed, "--shard", f"{part}/3", to=f"part{part}.csv")
        sizes.append(len(found))
        (tmp_path / "all" / "results").mkdir(parents=True, exist_ok=True)
        for file in (tmp_path / f"part{part}" / "results").iterdir():
            file.rename(tmp_path / "all" / "results" / file.name)
    assert sum(sizes) == 7 and max(sizes) < 7
    graded(class_, *seed, to="all.csv")
    assert (tmp_path / "all.csv").read_bytes() == whole


def test_a_question_that_the_grader_cannot_grade_does_not_end_the_others(graded, monkeypatch):
    monkeypatch.setattr(grade, "all_graded", lambda jobs, paths, seed, isolation, folder, _: [
        grade._begin(paths, seed, isolation),
        [results.store(folder, grade._work(job)) for job in jobs]])  # fmt: skip
    honest = grade.graded

    def sometimes(made, cells, *rest):
        if any(cell["source"] == "limit = 0.25" for cell in cells):
            raise OSError("a disk is full")
        return honest(made, cells, *rest)

    monkeypatch.setattr(grade, "graded", sometimes)
    found, _ = graded({"A.ipynb": notebook(limit="limit = 0.25"), "B.ipynb": notebook()})
    assert "a disk is full" in found["A"]["smooth"]["reason"] and points(found, "B")["smooth"] == 3


def test_two_files_of_one_student_are_one_submission(graded, tmp_path):
    (tmp_path / "handed in" / "Ada").mkdir(parents=True)
    for name, content in {"a.ipynb": notebook(limit="limit = 9.0"), "b.ipynb": notebook()}.items():
        (tmp_path / "handed in" / "Ada" / name).write_bytes(content)
    found, _ = graded({})
    row = found["Ada"]["limit"]
    assert row["points"] == "1" and "a.ipynb was left out" in row["flags"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_an_interrupt_ends_the_grading_at_once(tmp_path):
    """Also of answers that never end, and pressed twice; no process outlives it."""
    marks, handed = tmp_path / "marks", tmp_path / "in"
    for folder in (marks, handed):
        folder.mkdir()
    code = f"""\
def smooth(u):
    import os
    open(f"{marks}/{{os.getpid()}}", "w").close()
    while True:
        pass
"""
    for name in range(16):
        (handed / f"{name}.ipynb").write_bytes(notebook(smooth=code))
    # tests that a shell started in the background ignore Ctrl-C, and so would what they start
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from coursework import grade, sandbox; sandbox.best = lambda: None; "
    program += "sys.exit(grade.main())"
    command = [sys.executable, "-c", program, str(handed), str(tmp_path / "g.csv")]
    command += ["--guarded", "--private", str(HERE), "--assignment", "sample"]
    run = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tools"), str(ROOT)])},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    end = time.monotonic() + 120
    while len(list(marks.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    at_work = [path.name for path in marks.iterdir()]
    os.killpg(run.pid, signal.SIGINT)
    said = b""
    while b"stopping" not in said:
        said += (letter := os.read(run.stderr.fileno(), 1))
        assert letter, said
    os.killpg(run.pid, signal.SIGINT)
    said += run.communicate(timeout=60)[1]
    assert run.returncode == 130 and b"the same command goes on" in said
    assert b"Traceback" not in said
    assert at_work and not [pid for pid in at_work if pathlib.Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize(
    "options, words",
    [
        (["--assignment", "7-x"], "--assignment is '7-x'; needed: one of 1-gaussian-scale-space"),
        (["--seed", "."], "Is a directory"),
        (["--private", "no such folder"], "no such folder holds no .md file; needed: a folder"),
    ],
)
def test_what_the_instructor_gave_wrong_is_told(options, words, graded):
    status, said = graded({"Ada.ipynb": notebook()}, *options)
    assert status == 2 and words in said and "Traceback" not in said


@pytest.mark.parametrize(
    "options, words",
    [
        (["--shard", "0/3"], "needed: i/n with 1 <= i <= n"),
        (["--shard", "4/3"], "needed: i/n with 1 <= i <= n"),
        (["--shard", "1"], "needed: i/n with 1 <= i <= n"),
        (["--processes", "0"], "needed: a whole number >= 1"),
    ],
)
def test_a_number_that_is_none_is_told(options, words, capsys):
    with pytest.raises(SystemExit):
        grade.main(["in", "g.csv", *options])
    assert words in capsys.readouterr().err


def test_without_bubblewrap_the_grader_asks_first(monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox, "best", lambda: None)
    (tmp_path / "in").mkdir()
    assert grade.main([str(tmp_path / "in"), str(tmp_path / "g.csv")]) == 2
    assert not (tmp_path / "g.csv").exists() and not (tmp_path / "g").exists()
