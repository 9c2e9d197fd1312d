"""Sources of assignments: versions without solutions, keys with all points, planted mistakes."""

import ast
import os
import pathlib
import re
import sys

import nbformat
import pytest
from execute import ROOT

from coursework import source, versions

HERE = pathlib.Path(__file__).parent
SAMPLE = HERE / "sample.md"
ASSIGNMENTS = {"sample": SAMPLE, **source.sources(os.environ.get("PRIVATE"))}


@pytest.fixture(params=ASSIGNMENTS, scope="module")
def assignment(request):
    return source.read(ASSIGNMENTS[request.param])


def code(notebook):
    """Code cells of a notebook, by name of nbgrader."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return {cell.metadata.get("nbgrader", {}).get("grade_id", cell.id): cell for cell in cells}


def test_the_student_version_has_no_solution_no_test_and_no_marker(assignment):
    notebook = assignment.student()
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert not re.search(r"BEGIN |END |Question\(|\{\{|Rubric|mistake", text)
    for part in assignment.parts:
        if part.role == "answer" and part.kind == "code":
            shown = code(notebook)[part.name].source
            assert source.STUB in shown and len(shown) < len(part.text)
        elif part.role == "answer":
            assert [c.source for c in notebook.cells if c.id == part.name] == [source.BLANK]


def test_no_line_of_code_that_students_see_is_cut_off_in_the_book(assignment):
    lines = [line for c in code(assignment.student()).values() for line in c.source.split("\n")]
    assert not [line for line in lines if len(line) > 80]


def test_the_student_version_runs_and_answers_nothing(assignment):
    namespace = {}
    for cell in code(assignment.student()).values():
        ast.parse(cell.source)
        exec(cell.source, namespace)
    for name, question in assignment.questions.items():
        marks = question.grade(namespace[name], seed=1)
        assert (marks.points, marks.kind) == (0, "open"), name


def test_the_key_gets_every_point_for_any_seed(assignment):
    for question in assignment.questions.values():
        for seed in range(5):
            marks = question.grade(question.function if question.by_function
                                   else question.function(), seed)  # fmt: skip
            assert marks.kind == "right" and marks.points == question.points > 0, marks


def test_every_planted_mistake_fails_its_tests_and_gets_its_hint(assignment):
    for name, question in assignment.questions.items():
        tests = {test.name for test in question.tests}
        for mistake in question.mistakes:
            assert set(mistake.fails) <= tests and mistake.fails, (name, mistake.function.__name__)
            for seed in range(5):
                answer = mistake.function if question.by_function else mistake.function()
                marks = question.grade(answer, seed)
                failed = {test for test, points in marks.earned.items() if not points}
                told = name, mistake.function.__name__, marks
                assert failed == set(mistake.fails), told
                assert marks.hint == " ".join(mistake.hints), told


def test_the_instructor_version_executes_and_gives_every_point(assignment, monkeypatch, capsys):
    """Each cell of tests ends in the points, which nbgrader takes, whatever the seed."""
    monkeypatch.setenv("COURSEWORK_SEED", "a secret")
    notebook = assignment.instructor()
    nbformat.validate(notebook)
    namespace = {}
    for name, cell in code(notebook).items():
        *body, last = ast.parse(cell.source).body
        exec(compile(ast.Module(body, []), name, "exec"), namespace)
        if not name.endswith("-tests"):
            exec(compile(ast.Module([last], []), name, "exec"), namespace)
            continue
        found = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        assert found == cell.metadata["nbgrader"]["points"] > 0
        assert capsys.readouterr().out.endswith("right\n")


def test_nbgrader_finds_solutions_in_answers_alone(assignment):
    """It refuses a notebook in which another cell has their markers."""
    for cell in assignment.instructor().cells:
        marks = cell.metadata.get("nbgrader", {})
        assert ("### BEGIN SOLUTION" in cell.source) <= marks.get("solution", False)
        assert ("### BEGIN HIDDEN" in cell.source) == marks.get("grade_id", "").endswith("-tests")


def test_an_answer_that_warns_leaves_no_warning_under_the_tests(monkeypatch, capsys):
    """nbgrader gives 0 points where a cell of tests writes to the stream of errors."""
    monkeypatch.setenv("COURSEWORK_SEED", "a secret")
    cells = code(source.read(SAMPLE).instructor())
    namespace = {}
    exec(cells["setup"].source + "\n" + cells["smooth"].source, namespace)
    right = namespace["smooth"]
    namespace["smooth"] = lambda u: (print("!", file=sys.stderr), right(u))[1]
    exec(cells["smooth-tests"].source, namespace)
    said = capsys.readouterr()
    assert said.err == "" and said.out == "right\n"


def test_the_committed_student_versions_are_those_of_the_sources():
    committed = {path.stem: path.read_text("utf-8") for path in versions.STUDENT.glob("*.ipynb")}
    made = {name: source.read(path).student() for name, path in source.sources().items()}
    assert committed == {name: versions.text(notebook) for name, notebook in made.items()}


def test_the_page_about_coursework_lists_every_assignment():
    page = (ROOT / "chapters" / "coursework.md").read_text("utf-8")
    row = (
        r"^\| \[(.*?)\]\(\.\./coursework/student/(.*?)\.ipynb\) \|.*?\| (\d+) \| (\d+) \| (\d+) \|$"
    )
    made = [source.read(path) for path in source.sources().values()]
    assert re.findall(row, page, re.M) == [
        (one.title.removeprefix("Assignment "), one.name, *(
            str(number) for number in (len(one.points), sum(one.points.values()), one.hours)))
        for one in made
    ]  # fmt: skip


FAULTS = {
    "answer: smooth\n": ("answer: smoother\n", "smooth.* has not one answer"),
    "given: setup": ("gives: setup", "a cell has the metadata .*gives"),
    "### END SOLUTION\n```\n\n```{code-cell} python\nfrom": (
        "### END\n```\n\n```{code-cell} python\nfrom", "answer smooth: no solution"),
    "{{ smooth }}": ("{{ smoothie }}", "smoothie }} is the name of no question"),
    '"answer": "proof", "points": 4': ('"answer": "proof"', "proof has not one answer"),
    'Question("limit"': ('Question("limits"', "needed: a Question 'limit' called question"),
    "### BEGIN HIDDEN TESTS\nquestion": ("question", "tests of smooth: no ### BEGIN HIDDEN"),
}  # fmt: skip


@pytest.mark.parametrize("old", FAULTS)
def test_a_source_that_is_none_is_refused_with_its_cell(old, tmp_path):
    new, message = FAULTS[old]
    text = SAMPLE.read_text("utf-8")
    assert old in text
    (tmp_path / "own.md").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=message):
        source.read(tmp_path / "own.md")


def test_private_sources_add_to_those_of_the_book_and_replace_them(tmp_path):
    names = list(source.sources())
    for name in ("9-own", *names[:1]):
        (tmp_path / f"{name}.md").write_bytes(SAMPLE.read_bytes())
    found = source.sources(tmp_path)
    assert list(found) == [*names, "9-own"]
    assert [path.parent for path in found.values()].count(tmp_path) == 1 + len(names[:1])
