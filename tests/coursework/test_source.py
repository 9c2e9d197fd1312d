"""Sources of assignments: versions without solutions, keys with all points, planted mistakes."""

import ast
import pathlib
import re

import nbformat
import pytest

from coursework import source

HERE = pathlib.Path(__file__).parent
SAMPLE = HERE / "sample.md"
ASSIGNMENTS = {"sample": SAMPLE, **source.sources()}


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
    assert not re.search(r"BEGIN|END|Question|\{\{|Rubric|mistake", text)
    for part in assignment.parts:
        if part.role == "answer" and part.kind == "code":
            shown = code(notebook)[part.name].source
            assert source.STUB in shown and len(shown) < len(part.text)
        elif part.role == "answer":
            assert [c.source for c in notebook.cells if c.id == part.name] == [source.BLANK]


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
