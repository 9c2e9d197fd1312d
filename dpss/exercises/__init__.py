"""Exercises that answer: whether a reader's own solution is right, and if not, what is wrong.

    from dpss import exercises
    exercises.check("04-3", my_function)

`check` says *not done yet*, *right*, a hint where the answer is a mistake that many make (asked
again, the next hint), or the smallest input on which the answer differs, with the value expected
and the value found. Each exercise has one source, a module of this package for each page: what is
asked, a reference, inputs, mistakes and their hints (`exercise.Exercise`). NumPy alone is imported
here, so that the same code can run in a browser.
"""

import functools
import importlib
import pkgutil

from .exercise import Exercise
from .judge import Verdict, judge
from .question import Marks, Question

__all__ = [
    "Exercise", "Marks", "Question", "Verdict", "catalogue", "check", "examples", "find", "judge"
]  # fmt: skip

_told = {}  # name -> (mistake, how often it was met in a row)


def catalogue() -> dict[str, Exercise]:
    """All exercises by their names, in the order of the pages."""
    return {name: exercise for page in _pages() for name, exercise in _of_page(page).items()}


def _pages():
    names = (part.name for part in pkgutil.iter_modules(__path__))
    return [name for name in names if name.startswith("page_")]


def _of_page(page):
    """Name -> exercise, for one page, whose module is loaded only now."""
    module = importlib.import_module(f".{page}", __name__)
    return {e.name: e for e in vars(module).values() if isinstance(e, Exercise)}


def find(name: str) -> Exercise:
    """The exercise called `name`, page and number. ValueError where there is none.

    >>> find("04-3").asks
    'one implicit step of osmosis on a line of pixels'
    """
    page = f"page_{str(name).partition('-')[0]}"
    found = _of_page(page) if page in _pages() else {}
    if name not in found:
        raise ValueError(f"name is {name!r}; needed: one of {', '.join(catalogue())}")
    return found[name]


def check(name: str, answer) -> None:
    """Print whether `answer` solves the exercise `name`, and if not, what is wrong with it.

    `answer`: a function of what the exercise names, or the number or array that it asks for; lists,
    arrays and tensors of any kind and layout. Errors and endless loops of the answer become a
    sentence. Nothing is raised but ValueError for a name that is none.
    """
    verdict = judge(find(name), answer)
    before, count = _told.get(name, (None, 0))
    count = count + 1 if verdict.mistake and verdict.mistake == before else 0
    _told[name] = (verdict.mistake, count)
    print(f"{name}  {verdict.said(count)}")


def examples(answer, *cases: tuple) -> None:
    """Print whether `answer` gives what is expected in `cases`, of an assignment.

    `cases`: pairs of the arguments, a tuple, and what is expected. The grading has other inputs.
    Errors and endless loops of the answer become a sentence.

    >>> examples(lambda x: 2 * x, ((1.0,), 2.0), ((0.5,), 1.0))
    2 examples are as expected; the grading has others
    """
    expected = iter([value for _, value in cases])
    shown = Exercise("", "the examples", [arguments for arguments, _ in cases])
    shown.function = lambda *_: next(expected)
    if callable(answer):
        functools.update_wrapper(shown.function, answer)  # for the names of its arguments
    verdict = judge(shown, answer)
    right = f"{len(cases)} examples are as expected; the grading has others"
    print(right if verdict.kind == "right" else verdict.said())
