"""Grade a folder, or a zip file, of submissions: `make grade FROM=submissions TO=grades.csv`

    python -m coursework.grade FROM TO.csv [--seed FILE] [--private FOLDER] [--shard 1/10] …

Beside TO.csv, in a folder of its name, lie one result of each submission, a feedback page for each
student, by-hand.csv to fill in, and the secret seed of the hidden tests, made at the first run. A
run that was interrupted goes on, and what has not changed since is not graded again.

Many machines: give each the same seed and `--shard i/n`, copy the folders into one, and run once
more without `--shard`. It finds every result there, and writes the same TO.csv as one run.
"""

import argparse
import concurrent.futures
import hashlib
import multiprocessing
import pathlib
import secrets
import signal
import sys
import time

from execute import ROOT
from tqdm import tqdm

from dpss import _files

from . import answers, feedback, results, sandbox, source, submissions
from .isolation import why_no_bubblewrap
from .results import Refused

SECONDS = 300  # for one submission
CODE = "tools/coursework", "dpss"  # what grades hang on, beside sources and seed
RISK = """\
WARNING: the code of students runs without bubblewrap, as you: with limits, but it can read your
files, among them the tests and other submissions, and use the network."""
CONSENT = """\
The code of students would run as you, with limits; but it could read the tests and other
submissions, and use the network. On a machine that holds nothing that they must not see, say so:
--guarded (with make: GUARDED=yes)."""


def graded(assignment, cells, seed, isolation):
    """(rows, flags) of the cells of one submission of an assignment."""
    found, flags = answers.answers(cells, assignment)
    end, rows = time.monotonic() + SECONDS, []
    with sandbox.Sandbox(_cells(assignment, found), isolation=isolation) as box:
        for name in assignment.points:
            row = _row(assignment, name, found.get(name))
            if name in assignment.by_hand:
                row |= _derivation(found.get(name))
            elif name not in found:
                row |= _nothing("missing", "The cell of this question is missing.")
            elif name in box.faults:
                row |= _nothing("fails", box.faults[name])
            elif time.monotonic() > end:
                row |= _nothing("fails", "Answers before this one used up all the time.")
            else:
                row |= _marked(assignment.questions[name], box.answer(name), seed)
            rows.append(row)
    return rows, flags


def _cells(assignment, found):
    """What the student's process executes: the given cells of the source, and the answers."""
    for part in assignment.parts:
        if part.kind == "code" and part.role == "given":
            yield sandbox.Cell(part.text, None)
        elif part.kind == "code" and part.role == "answer" and part.name in found:
            yield sandbox.Cell(found[part.name]["source"], part.name)


def _row(assignment, name, cell=None):
    """What is known of a question before an answer is judged."""
    question = assignment.questions.get(name)
    row = {"question": name, "asks": "", "tests": [], "of": assignment.points[name]}
    row["digest"] = results.digest(cell["source"].strip() + repr(cell["pictures"]) if cell else "")
    if question is None:
        return row | {"hint": "", "reason": "", "rubric": assignment.text_of(name)}
    return row | {"asks": question.asks, "tests": _tests(question, {})}


def _tests(question, earned):
    return [
        {"about": test.about, "points": earned.get(test.name, 0), "of": test.points}
        for test in question.tests
    ]


def _derivation(cell):
    """What somebody is to grade."""
    row = {"points": None, "kind": results.OPEN, "pictures": cell["pictures"] if cell else []}
    text = cell["source"] if cell else ""
    return row | {"answer": text if answers.is_done(text) else ""}


def _nothing(kind, reason):
    return {"points": 0, "kind": kind, "hint": reason, "reason": reason}


def _marked(question, answer, seed):
    marks = question.grade(answer, seed)
    told = {"points": marks.points, "kind": marks.kind, "tests": _tests(question, marks.earned)}
    return told | {"hint": marks.hint, "reason": marks.reason}


def plan(found, assignments):
    """[(result without rows, content, cells or None)]: one for a student and assignment.

    Which assignment a notebook answers, its cells say; its file name may be anything.
    """
    planned = {}
    for submission in found:
        result, content, cells, size = _recognised(submission, assignments)
        who = results.path(pathlib.Path(), result)
        other = planned.get(who)
        if other and other[-1] > size:
            other[0]["flags"].append(f"{submission.name} was left out: fewer answers")
            continue
        if other:
            result["flags"].append(f"{other[0]['file']} was left out: not the last by name")
        planned[who] = result, content, cells, size
    return [(result, content, cells) for result, content, cells, _ in planned.values()]


def _recognised(submission, assignments):
    """(result without rows, content, cells or None, how many answers there are)."""
    result = {"student": submission.student, "id": submission.id, "late": submission.late}
    result |= {"file": submission.name, "flags": ["late"] * submission.late, "rows": []}
    only = next(iter(assignments)) if len(assignments) == 1 else "(unknown)"
    try:
        content = submission.read()
        cells, flags = answers.cells_of(content)
    except ValueError as error:
        return result | {"assignment": only, "title": only, "why": str(error)}, b"", None, -1
    sizes = {name: answers.matches(cells, made) for name, made in assignments.items()}
    best = max(sizes, key=sizes.get)
    if not sizes[best]:
        why = "the notebook has no cell of an assignment; needed: the one that was handed out"
        return result | {"assignment": only, "title": only, "why": why}, b"", None, -1
    result |= {"assignment": best, "title": assignments[best].title}
    return result | {"flags": result["flags"] + flags}, content, cells, sizes[best]


def _unreadable(result, assignments):
    """Rows of a submission that cannot be graded: each has a reason."""
    why, made = result.pop("why"), assignments.get(result["assignment"])
    rows = [_row(made, name) for name in made.points] if made else []
    rows = rows or [{"question": "", "asks": "", "tests": [], "of": 0, "digest": ""}]
    return [row | _nothing("unreadable", f"Not graded: {why}.") for row in rows]


# -- many submissions

_at_work = {}  # of a process: sources by name, and what is the same for all submissions


def _begin(paths, seed, isolation):
    _at_work.update(paths=paths, seed=seed, isolation=isolation, read={})


def _work(job):
    """The rows and flags of one submission, whatever happens on the way."""
    result, cells = job
    name = result["assignment"]
    if name not in _at_work["read"]:
        _at_work["read"][name] = source.read(_at_work["paths"][name])
    made = _at_work["read"][name]
    try:
        rows, flags = graded(made, cells, _at_work["seed"], _at_work["isolation"])
    except Exception as error:  # a fault of ours must not end the grading of all others
        why = f"the grader failed ({type(error).__name__}: {str(error)[:200]}); tell its authors"
        result = result | {"key": "", "why": why}
        return result | {"rows": _unreadable(result, {name: made})}
    return result | {"rows": rows, "flags": result["flags"] + flags}


def all_graded(jobs, paths, seed, isolation, folder, processes):
    """Grade what is not stored in the folder yet, and store it."""
    spawn = multiprocessing.get_context("spawn")
    at_work = concurrent.futures.ProcessPoolExecutor(
        processes, spawn, _begin, (paths, seed, isolation)
    )
    bar = tqdm(total=len(jobs), unit=" submissions", file=sys.stderr)
    try:
        # what is started while Ctrl-C is blocked does not hear it; this process does, a bit later
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        waiting = [at_work.submit(_work, job) for job in jobs]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for one in concurrent.futures.as_completed(waiting):
            results.store(folder, one.result())
            bar.update()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # to the end, however often it is pressed
        print("\nstopping", file=sys.stderr)
        for process in multiprocessing.active_children():
            process.kill()  # and the student's process with it
        raise
    except concurrent.futures.process.BrokenProcessPool:
        needed = "the same command goes on from here; with --processes 1 it needs less memory"
        raise Refused(f"a process of the grader was killed from outside; {needed}") from None
    finally:
        bar.close()
        at_work.shutdown(wait=True, cancel_futures=True)


def _seed(given, kept):
    """The secret seed: that of a file that is given, which is kept; else the kept one, or new."""
    if given is None and not kept.exists():
        _files.write(kept, f"{secrets.token_hex(16)}\n".encode())
        print(f"{kept} is new: keep it secret, and keep it, so that grades can be made again")
    seed = (given or kept).read_text("utf-8").strip()
    if not seed:
        raise Refused(f"{given or kept} is empty; needed: a line of text that nobody can guess")
    if not kept.exists():
        _files.write(kept, f"{seed}\n".encode())
    if kept.read_text("utf-8").strip() != seed:
        why = f"with another seed, {kept}"
        raise Refused(f"{given}: grades were made {why}; needed: the same, or another TO")
    return seed


def _shard(text):
    part, _, of = text.partition("/")
    if not (part.isdigit() and of.isdigit() and 1 <= int(part) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r}; needed: i/n with 1 <= i <= n")
    return int(part), int(of)


def _count(text):
    if not (text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}; needed: a whole number >= 1")
    return int(text)


def _digest(*parts):
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("FROM", type=pathlib.Path, help="a folder or a zip file of submissions")
    parser.add_argument("TO", type=pathlib.Path, help="the table to write, grades.csv")
    parser.add_argument("--assignment", help="which one it is, if all are of one")
    parser.add_argument("--private", type=pathlib.Path, help="a folder of sources of your own")
    parser.add_argument("--seed", type=pathlib.Path, help="a file with the secret seed")
    parser.add_argument("--shard", type=_shard, default=(1, 1), help="i/n: the i-th of n parts")
    parser.add_argument("--processes", type=_count, default=2, help="at a time")
    parser.add_argument("--guarded", action="store_true", help="without bubblewrap, if need be")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (Refused, OSError, sandbox.NoSandbox) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _run(options):
    folder = options.TO.with_suffix("")
    isolation = sandbox.best() or (sandbox.guarded if options.guarded else None)
    if isolation is None:
        raise Refused(f"{why_no_bubblewrap()}\n{CONSENT}")
    if isolation == sandbox.guarded:
        print(RISK, file=sys.stderr)
    if options.TO.suffix != ".csv":
        raise Refused(f"TO is {options.TO}; needed: a name that ends in .csv")
    try:
        paths = source.sources(options.private)
    except ValueError as error:
        raise Refused(f"--private: {error}") from None
    if options.assignment:
        if options.assignment not in paths:
            needed = f"one of {', '.join(paths)}"
            raise Refused(f"--assignment is {options.assignment!r}; needed: {needed}")
        paths = {options.assignment: paths[options.assignment]}
    try:
        assignments = {name: source.read(path) for name, path in paths.items()}
    except Exception as error:  # the source is the instructor's own: name it
        raise Refused(f"a source cannot be read: {error}") from None
    found, left_out = submissions.found(options.FROM)
    for sentence in left_out:
        print(sentence)
    (folder / results.FOLDER).mkdir(parents=True, exist_ok=True)
    seed = _seed(options.seed, folder / "seed")
    part, of = options.shard
    planned, jobs = plan(found, assignments), []
    planned = [x for x in planned if int(results.path(folder, x[0]).stem, 16) % of == part - 1]
    files = [file for folder in CODE for file in sorted((ROOT / folder).rglob("*.py"))]
    code = _digest(*(file.read_bytes() for file in files)).encode()  # on each machine the same
    for result, content, cells in planned:
        name = result["assignment"]
        text = paths[name].read_bytes() if name in paths else b""
        about = repr(sorted(result.items()))  # flags and the reason of what is unreadable, too
        result["key"] = _digest(content, text, seed.encode(), code, about.encode())
        if (results.stored(folder, result) or {}).get("key") == result["key"]:
            continue
        if cells is None:
            results.store(folder, result | {"rows": _unreadable(result, assignments)})
        else:
            jobs.append((result, cells))
    if jobs:
        all_graded(jobs, paths, seed, isolation, folder, min(options.processes, len(jobs)))
    stored = [results.stored(folder, result) for result, *_ in planned]
    done, kept = results.finished(folder, stored)
    results.write(folder, options.TO, done, kept)
    feedback.write(done, folder / "feedback")
    feedback.write_derivations(done, folder / "by-hand")
    waiting = sum(row["points"] is None for result in done for row in result["rows"])
    by_hand = folder / results.BY_HAND
    print(f"{options.TO}: {len(done)} submissions, isolation: {isolation}")
    print(f"{by_hand}: {waiting} derivations wait for points")
    if kept:
        print(f"{by_hand}: {len(kept)} lines belong to nobody of this run; they are kept")
    print(f"{folder / 'feedback'}: a page for each student")
    return 0


if __name__ == "__main__":
    sys.exit(main())
