"""A graded exercise: tests with points, on inputs that are drawn from a secret seed.

    question = Question("blur", blur, "homogeneous diffusion by the cosine transform")

    @question.test(points=2)
    def random(rng):
        \"\"\"random images\"\"\"
        return [(rng.normal(size=(5, 4)), 1.5), (rng.normal(size=(1, 1)), 2.0)]

    @question.mistake("Which image is left for t → ∞?", fails=["random"])
    def decays(u, t):
        return np.exp(-t) * u

    question.grade(answer, seed=2718).points

The right answer is a function, or the number or array that is asked for. A *test* draws inputs, for
which an answer has to agree with the right one; what it says of itself is told to students, the
inputs are not. Where many answers are right, a *requirement* judges what an answer computes.
"""

import dataclasses
import functools
import hashlib

import numpy as np

from .exercise import Exercise, Mistake
from .judge import Late, Unfit, Verdict, called, judge, results, stopped


def plain(value):
    """A value as an array, or a tuple as a tuple of arrays."""
    arrays = results(value)
    return tuple(arrays) if isinstance(value, tuple) else arrays[0]


class Open(Exception):
    """An answer returns nothing: it is not done yet."""


@dataclasses.dataclass(frozen=True)
class Test:
    """Something that an answer is tried on, for `points`; `about` it students are told."""

    __test__ = False  # no test of pytest's

    function: object
    points: float
    tolerance: float | None = None
    is_requirement: bool = False

    @property
    def name(self):
        return self.function.__name__

    @property
    def about(self):
        return " ".join(self.function.__doc__.split())


@dataclasses.dataclass(frozen=True)
class Marks:
    """What `Question.grade` found. `earned`: points of each test, by its name; `of`: the points
    that could be had; `kind`: as of a `Verdict`; `hint`: what the student is told; `reason`: the
    same for the instructor, with an input and the value expected there."""

    earned: dict
    of: float
    kind: str
    hint: str = ""
    reason: str = ""

    @property
    def points(self):
        return sum(self.earned.values())


class Question(Exercise):
    """A graded exercise `name`, that `asks` something in a few words, with its right `answer`.

    `tolerance` and `seconds` as of an `Exercise`; a test may have a tolerance of its own.
    """

    def __init__(self, name, answer, asks, tolerance=1e-6, seconds=5.0):
        super().__init__(name, asks, ((),), tolerance, seconds)
        self.function = answer if callable(answer) else lambda: answer
        self.takes_arguments, self.tests = callable(answer), []

    def test(self, points, tolerance=None):
        """A function of a generator, that returns the arguments of a call, or a list of such."""
        return self._added(points, tolerance, False)

    def requirement(self, points):
        """A function of an answer and a generator, that returns None or what is wrong in words.

        What it asks a function comes as an array, or as a tuple of arrays.
        """
        return self._added(points, None, True)

    def _added(self, *how):
        def add(function):
            self.tests.append(Test(function, *how))
            return function

        return add

    def mistake(self, *hints, fails):
        """A wrong answer that many give, its hints, and the names of the tests that it fails."""

        def wrong(function):
            self.mistakes.append(Mistake(function, hints, tuple(fails)))
            return function

        return wrong

    @property
    def by_function(self):
        return self.takes_arguments

    @property
    def points(self):
        return sum(test.points for test in self.tests)

    def grade(self, answer, seed):
        """The `Marks` of an answer; nothing that the answer does is raised."""
        verdicts = {test: self._verdict(test, answer, seed) for test in self.tests}
        earned = {t.name: t.points if v.kind == "right" else 0 for t, v in verdicts.items()}
        wrong = {test: verdict for test, verdict in verdicts.items() if verdict.kind != "right"}
        if not wrong:
            return Marks(earned, self.points, "right")
        verdict = self._worst(wrong, answer, seed)
        hint = verdict.told or " ".join(verdict.texts)
        if verdict.kind == "differs":
            where = ", ".join(test.about for test in wrong)
            hint = f"{verdict.told} Not as expected: {where}.".strip()
        return Marks(earned, self.points, verdict.kind, hint, " ".join(verdict.texts))

    def _worst(self, wrong, answer, seed):
        """The verdict that says most of what is wrong."""
        for verdict in wrong.values():
            if verdict.kind in ("open", "fails"):
                return verdict
        drawn = [test for test in self.tests if not test.is_requirement]
        if not any(test in wrong for test in drawn):
            return next(iter(wrong.values()))
        inputs = [values for test in drawn for values in self._inputs(test, seed)]
        verdict = judge(self._on(inputs), answer)
        # right by the tolerance of the question, and not by that of a test
        return next(iter(wrong.values())) if verdict.kind == "right" else verdict

    def _verdict(self, test, answer, seed):
        if not test.is_requirement:
            return judge(self._on(self._inputs(test, seed), test.tolerance), answer)
        if answer is None or answer is ... or self.by_function != callable(answer):
            return judge(self, answer)
        try:
            found = functools.partial(self._asked, answer) if self.by_function else plain(answer)
            wrong = test.function(found, self._generator(test, seed))
        except Open:
            return Verdict("open", (f"not done yet (nothing is returned): {self.asks}",))
        except Late:
            return Verdict("fails", (f"no answer within {self.seconds:g} s",))
        except Unfit as error:
            return Verdict("fails", (str(error),))
        except Exception as error:  # what was returned fits in no computation of the test
            said = f"{type(error).__name__}: {error}"
            return Verdict("fails", (f"what you return cannot be used here ({said})",))
        return Verdict("mistake", (wrong,)) if wrong else Verdict("right", ("right",))

    def _asked(self, answer, *values):
        """What an answer returns for these values, an array or a tuple of arrays."""
        try:
            found = called(answer, values, self.seconds)
        except (Exception, SystemExit) as error:
            raise error if isinstance(error, Unfit) else Unfit(stopped(error)) from None
        if found is None or found is ...:
            raise Open
        count = len(results(self.function(*values)))
        return tuple(results(found, count)) if count > 1 else plain(found)

    def _on(self, inputs, tolerance=None):
        """The exercise with these inputs; a number or an array is asked for once."""
        inputs = inputs if self.by_function else ((),)
        one = Exercise(self.name, self.asks, inputs, tolerance or self.tolerance, self.seconds)
        one.function, one.mistakes = self.function, self.mistakes
        return one

    def _inputs(self, test, seed):
        drawn = test.function(self._generator(test, seed))
        return drawn if isinstance(drawn, list) else [drawn]

    def _generator(self, test, seed):
        """One for each test and seed, the same whatever else is graded."""
        digest = hashlib.sha256(f"{seed}/{self.name}/{test.name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest))
