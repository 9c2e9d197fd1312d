"""All exercises by code: right answers pass, mistakes get their own hints, references matter."""

import ast
import importlib
import inspect
import pathlib
import textwrap

import numpy as np
import pytest
from mutate import changes

from dpss import exercises

ALL = exercises.catalogue()
ANSWERS = {
    path.stem: importlib.import_module(f"answers.{path.stem}")
    for path in (pathlib.Path(__file__).parents[1] / "answers").glob("page_*.py")
}


def given(name, kind):
    return getattr(ANSWERS[f"page_{name[:2]}"], kind).get(name, [])


def value(exercise, function):
    """The answer that a function stands for: itself, or its value where a number is asked for."""
    return function if exercise.by_function else function()


@pytest.mark.parametrize("name", ALL)
def test_right_answers_pass(name):
    exercise = ALL[name]
    assert given(name, "RIGHT")
    for function in (exercise.function, *given(name, "RIGHT")):
        assert exercises.judge(exercise, value(exercise, function)).kind == "right"


@pytest.mark.parametrize("name", ALL)
def test_single_precision_is_precise_enough(name):
    exercise = ALL[name]

    def rounded(*arguments):
        found = exercise.function(*arguments)
        several = isinstance(found, tuple)
        parts = [np.float32(part) for part in (found if several else [found])]
        return tuple(parts) if several else parts[0]

    assert exercises.judge(exercise, value(exercise, rounded)).kind == "right"


@pytest.mark.parametrize("name", ALL)
def test_every_mistake_gets_its_own_hints(name):
    exercise = ALL[name]
    hints = [hint for mistake in exercise.mistakes for hint in mistake.hints]
    assert len(set(hints)) == len(hints)
    for mistake in exercise.mistakes:
        verdict = exercises.judge(exercise, value(exercise, mistake.function))
        assert (verdict.kind, verdict.mistake) == ("mistake", mistake.function.__name__)
        assert verdict.texts == mistake.hints


@pytest.mark.parametrize("name", ALL)
def test_wrong_answers_that_were_met_get_what_they_need(name):
    exercise = ALL[name]
    for wanted, function in dict(given(name, "WRONG")).items():
        verdict = exercises.judge(exercise, value(exercise, function))
        assert wanted in (verdict.kind, verdict.mistake)


@pytest.mark.parametrize("name", ALL)
def test_a_changed_reference_is_not_right(name):
    """For each line of the reference that can be changed, some change of it is found out."""
    exercise = ALL[name]
    tree = ast.parse(textwrap.dedent(inspect.getsource(exercise.function)))
    tree.body[0].decorator_list.clear()
    lines = {}
    for node in ast.walk(tree.body[0]):
        for attribute, new in changes(node):
            old = getattr(node, attribute)
            setattr(node, attribute, new)
            space = dict(exercise.function.__globals__)
            exec(compile(tree, "<changed>", "exec"), space)
            setattr(node, attribute, old)
            changed = space[exercise.function.__name__]
            try:
                found = exercises.judge(exercise, value(exercise, changed)).kind
            except Exception:  # of a number, whose function is called here
                found = "fails"
            lines.setdefault(node.lineno, []).append(found)
    assert lines
    for kinds in lines.values():
        assert set(kinds) - {"right"}


@pytest.mark.parametrize("name", ALL)
def test_a_check_is_quick(name):
    """By the number of inputs and their size; the time itself is not tested."""
    exercise = ALL[name]
    sizes = [sum(np.size(x) for x in case if not callable(x)) for case in exercise.inputs]
    assert sizes == sorted(sizes) and len(sizes) <= 6 and max(sizes) <= 5000
