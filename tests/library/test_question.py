"""Graded exercises: points, hints and reasons for answers of every kind."""

import numpy as np
import pytest

from dpss.exercises import Question, examples

HINT = "What is the square root of a square?"


def root(u):
    return np.sqrt(u)


def question():
    made = Question("root", root, "square roots", seconds=0.3)

    @made.test(points=2)
    def small(rng):
        """small numbers"""
        return [(rng.uniform(0.1, 0.9, 2),), (rng.uniform(0.1, 0.9, 1),)]

    @made.test(points=3, tolerance=0.2)
    def large(rng):
        """large numbers, roughly"""
        return (rng.uniform(10, 20, 3),)

    @made.requirement(points=1)
    def inverse(root, rng):
        """squares lead back"""
        u = rng.uniform(1, 2, 4)
        return None if np.allclose(root(u) ** 2, u) else "Square your result: what should come out?"

    @made.mistake(HINT, fails=["small", "large", "inverse"])
    def squared(u):
        return u**2

    return made


def loop(_):
    while True:
        pass


def breaks_when_large(u):
    return np.sqrt(u) if u.max() < 3 else u.nothing


@pytest.mark.parametrize(
    "answer, earned, kind, hint, reason",
    [
        (root, 6, "right", "", ""),
        (lambda u: np.sqrt(u).tolist(), 6, "right", "", ""),
        (lambda u: u**2, 0, "mistake", HINT, HINT),
        (lambda u: 1.1 * np.sqrt(u), 3, "differs", "Everywhere it is 1.1 times what is expected. "
         "Not as expected: small numbers, squares lead back.", "for u = ["),
        (lambda u: np.where(u > 3, 0, np.sqrt(u)), 3, "differs", "expected: large", "for u"),
        (lambda u: np.where((u > 1) & (u < 2), 0, np.sqrt(u)), 5, "mistake", "Square y", ""),
        (breaks_when_large, 3, "fails", "AttributeError in the line", "; for u = "),
        (loop, 0, "fails", "no answer within 0.3 s", "no answer"),
        (lambda u: None, 0, "open", "not done yet", "not done yet"),
        (None, 0, "open", "not done yet: square roots", "not done"),
        (..., 0, "open", "not done yet", "not done yet"),
        (3.0, 0, "fails", "a function of (u)", "a function of (u)"),
        (lambda u: "a word", 0, "fails", "no number", "no number"),
        (lambda u, v: u + v, 0, "fails", "TypeError", "TypeError"),
    ],
)  # fmt: skip
def test_each_answer_gets_what_it_earns_and_is_told_why(answer, earned, kind, hint, reason):
    for seed in range(3):
        marks = question().grade(answer, seed)
        assert (marks.points, marks.of, marks.kind) == (earned, 6, kind), marks
        assert hint in marks.hint and reason in marks.reason, marks
        assert "; for u" not in marks.hint  # hidden inputs stay hidden


def test_inputs_hang_on_the_seed_and_on_nothing_else():
    made = question()
    draw = lambda seed, name: made._inputs(next(t for t in made.tests if t.name == name), seed)
    first = draw(5, "large")
    draw(5, "small")
    np.testing.assert_array_equal(first, draw(5, "large"))
    assert not np.array_equal(first, draw(6, "large"))


def number():
    made = Question("half", 0.5, "a half")

    @made.test(points=1, tolerance=0.3)
    def roughly(_):
        """roughly"""
        return ()

    @made.test(points=1)
    def exactly(_):
        """exactly"""
        return ()

    @made.mistake("The other way round.", fails=["roughly", "exactly"])
    def two():
        return 2.0

    return made


@pytest.mark.parametrize(
    "answer, earned, kind, hint",
    [
        (0.5, 2, "right", ""),
        (np.array([0.5]), 2, "right", ""),
        (0.6, 1, "differs", "Not as expected: exactly."),
        (2, 0, "mistake", "The other way round."),
        (7, 0, "differs", "Not as expected: roughly, exactly."),
        (..., 0, "open", "not done yet: a half"),
        (lambda: 0.5, 0, "fails", "a number or an array, not a function"),
        ([[1], [2, 3]], 0, "fails", "no array"),
    ],
)
def test_a_number_may_be_worth_points_by_how_near_it_is(answer, earned, kind, hint):
    marks = number().grade(answer, 0)
    assert (marks.points, marks.kind) == (earned, kind) and hint in marks.hint, marks


@pytest.mark.parametrize(
    "answer, said",
    [
        (lambda u: 2 * u, "2 examples are as expected; the grading has others"),
        (lambda u: 3 * u, "3, expected 2; for u = 1"),
        (lambda u: None, "not done yet"),
        (..., "not done yet"),
        (lambda u: 1 / 0, "ZeroDivisionError"),
        (4.0, "needed: a function"),
    ],
)
def test_examples_say_that_they_are_only_examples(answer, said, capsys):
    examples(answer, ((1.0,), 2.0), ((np.array([0.5]),), np.array([1.0])))
    assert said in capsys.readouterr().out
