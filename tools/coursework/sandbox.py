"""The student's code in a process of its own; its answers are judged from outside.

    with Sandbox([Cell("import numpy as np"), Cell("def step(u): …", "step")]) as box:
        box.faults                          # grade_id -> what is wrong with an answer cell
        judge(exercise, box.answer("step"))

A function of the student's comes as a proxy: a call sends plain values and arrays to the process
(`wire`, `child`), and raises what makes the judge say what it would have said of the function
itself. No test is ever in that process, and nothing that comes from it is executed. What else it
may do or not is for `isolation` to say.
"""

import contextlib
import itertools
import signal
import time
from typing import NamedTuple

from dpss.exercises.judge import Late, Unfit

from . import wire
from .isolation import NoSandbox, best, bubblewrap, guarded, told, why_no_bubblewrap
from .process import Ended, Process

__all__ = ["Cell", "NoSandbox", "Sandbox", "best", "bubblewrap", "guarded"]
ISOLATION = bubblewrap
GIVEN = 60  # seconds until a given cell is given up: it imports what is large
FETCH = 5  # seconds for the value of a name
SHARE = 0.9  # of the time of a call: then the process stops it, later the grader the process
SPARE = 10  # starts, beside one for each cell
PRINTED = 8192  # characters


class Cell(NamedTuple):
    """Code of a notebook; `grade_id` is None for the cells that students are given."""

    code: str
    grade_id: str | None = None


class Sandbox:
    """Runs cells in order; then `answer(name)` is what a name is bound to.

    `faults`: a sentence for each answer cell that failed. `printed`: the beginning of what the
    cells and calls print, and which of the given cells fail. A cell has so many `seconds`; a call
    what is left on the alarm clock (`judge` sets it), else as much as a cell.

    A process that ends, or that no alarm stops, is replaced by one that runs all cells again but
    those that ended or stopped one. After a number of these calls are refused.
    """

    def __init__(self, cells, seconds=20.0, isolation=ISOLATION):
        if isolation not in (bubblewrap, guarded):
            raise ValueError(f"isolation is {isolation!r}; needed: {bubblewrap!r} or {guarded!r}")
        self.cells, self.seconds, self.isolation = list(cells), seconds, isolation
        self.faults, self.printed = {}, ""
        self._process, self._left_out, self._reached = None, set(), 0
        self._starts, self._numbers = len(self.cells) + SPARE, itertools.count()

    def __enter__(self):
        if self.isolation == bubblewrap and best() is None:
            raise NoSandbox(why_no_bubblewrap())
        try:
            self._start()
        except BaseException:
            self._drop()
            raise
        return self

    def __exit__(self, *_):
        self._drop()

    def answer(self, name):
        """The value of a name after all cells; a proxy if it is a function; None for `...`."""
        try:
            if self._asked(["callable", name], FETCH, "answer") is True:
                return self._proxy(name)
            value = self._asked(["value", name], FETCH, "answer")
            return None if value is ... else value
        except Late:
            return wire.Stranger("nothing, since it takes too long to look at it")
        except Unfit as error:
            return wire.Stranger(f"nothing, since {error}")

    # -- inside

    def _proxy(self, name):
        def answer(*values):
            left = signal.getitimer(signal.ITIMER_REAL)[0] or self.seconds
            return self._asked(["call", name, list(values), SHARE * left], left, "function")

        answer.__name__ = name
        return answer

    def _asked(self, request, seconds, what):
        """The reply to a request, of a new process where the last has ended or left its place."""
        if self._process and not self._process.waits():
            self._drop()
        if self._process is None:
            with _paused():
                self._start()
        return self._exchange(request, seconds, what)

    def _start(self):
        """A process in which all cells have run but those that are left out."""
        while self._process is None:
            if not self._starts:
                raise Unfit("not tried: your code has ended its process too often")
            self._starts -= 1
            self._process = Process(self.isolation)
            for place, cell in enumerate(self.cells):
                if place not in self._left_out:
                    self._run(place, cell)
                if self._process is None:
                    break

    def _run(self, place, cell):
        name = f"answer {cell.grade_id}" if cell.grade_id else f"given cell {place + 1}"
        fault, before = None, self.printed
        try:
            request = ["run", name, cell.code, SHARE * self.seconds]
            self._exchange(request, self.seconds if cell.grade_id else GIVEN, "cell")
        except Late:
            fault = f"no end within {self.seconds:g} s: is there a loop that never ends?"
            self._left_out.add(place)
        except Unfit as error:
            fault = str(error)
            if self._process is None:
                self._left_out.add(place)
        if fault and cell.grade_id:
            self.faults.setdefault(cell.grade_id, fault)
        elif fault:
            self._print(f"[{name}: {fault}]\n")
        if place < self._reached:  # run again
            self.printed = before
        self._reached = max(self._reached, place + 1)

    def _exchange(self, request, seconds, what):
        """The reply to a request. Unless all goes well on the line, its process is given up."""
        process, end, functions = self._process, time.monotonic() + seconds, []
        number = next(self._numbers)
        try:
            process.send([number, *request], functions, end)
            while True:
                match process.reply(number, end):
                    case ["ask", int() as place, list() as names, list() as values] if (
                        -1 < place < len(functions) and _are_names(names, values)
                    ):
                        process.send(_returned(functions[place], names, values), functions, end)
                    case ["done", value, str() as printed]:
                        self._print(printed)
                        return value
                    case ["failed", str() as text, str() as printed]:
                        self._print(printed)
                        error = Unfit(told(text))
                        break
                    case ["late", str() as printed]:
                        self._print(printed)
                        error = Late()
                        break
                    case _:
                        raise wire.Malformed
        except Ended as ended:
            self._drop()
            raise Unfit(f"your {what} {ended}") from None
        except wire.Malformed:
            self._drop()
            raise Unfit(f"your {what} disturbs the line to the grader") from None
        except BaseException:
            self._drop()
            raise
        raise error

    def _print(self, text):
        text = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
        self.printed += text[: PRINTED - len(self.printed)]

    def _drop(self):
        with _paused():
            process, self._process = self._process, None
            if process:
                process.end()


def _are_names(names, values):
    return len(names) <= len(values) and all(isinstance(name, str) for name in names)


def _returned(function, names, values):
    """What a function of the grader makes of the values that the student's code passes to it.

    The last ones are passed by the names.
    """
    first = len(values) - len(names)
    try:
        return ["returned", function(*values[:first], **dict(zip(names, values[first:])))]
    except Exception as error:
        return ["raised", type(error).__name__, told(str(error))]


@contextlib.contextmanager
def _paused():
    """The alarm clock stands still: processes are started and stopped to the end."""
    left, again = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, again)
