"""Judging an answer: is it right, is it a mistake that is known, where does it differ first?"""

import contextlib
import copy
import dataclasses
import os
import signal
import sys
import threading
import time
import traceback

import numpy as np


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What `judge` found. `kind`: "open", "right", "mistake", "differs" or "fails"."""

    kind: str
    texts: tuple
    mistake: str = ""  # the name of the one that was recognised
    told: str = ""  # the text without an input or what is expected there, where it has them

    def said(self, count=0):
        """What to tell somebody who has been told `count` times before."""
        return self.texts[min(count, len(self.texts) - 1)]


NEARLY = 0.01  # of the largest magnitude: a difference that looks like one of precision


class Unfit(Exception):
    """An answer that cannot be compared; the message says why."""


class Late(BaseException):
    """An answer takes too long. No Exception, so that `except Exception` lets it through."""


@np.errstate(all="ignore")  # an answer may be infinite or NaN: that is said, not warned of
def judge(exercise, answer):
    """The verdict on an answer; nothing that the answer does is raised."""
    if answer is None or answer is ...:
        return Verdict("open", (f"not done yet: {exercise.asks}",))
    if exercise.by_function != callable(answer):
        needed = f"a function of ({', '.join(exercise.arguments)})"
        needed = needed if exercise.by_function else "a number or an array, not a function"
        return Verdict("fails", (f"needed: {needed}",))
    expected = [results(exercise.function(*copy.deepcopy(v))) for v in exercise.inputs]
    found = []
    for values, right in zip(exercise.inputs, expected, strict=True):
        try:
            given = answer
            if exercise.by_function:
                given = called(answer, values, exercise.seconds)
            if given is None or given is ...:
                return Verdict("open", (f"not done yet (nothing is returned): {exercise.asks}",))
            found.append(results(given, len(right)))
        except Late:
            text = f"no answer within {exercise.seconds:g} s: is there a loop that never ends?"
            return Verdict("fails", (text,))
        except Unfit as error:
            return Verdict("fails", (f"{error}{where(exercise, values)}",), told=str(error))
        except (Exception, SystemExit) as error:
            text = stopped(error)
            return Verdict("fails", (text + where(exercise, values),), told=text)
    agree = [close(exercise, *pair) for pair in zip(found, expected, strict=True)]
    if all(agree):
        return Verdict("right", ("right",))
    for mistake in exercise.mistakes:
        if all(repeats(exercise, mistake, *pair) for pair in zip(exercise.inputs, found)):
            return Verdict("mistake", mistake.hints, mistake.function.__name__)
    first = agree.index(False)
    text = difference(exercise, found[first], expected[first])
    text += where(exercise, exercise.inputs[first])
    likeness = pattern(exercise, found, expected)
    return Verdict("differs", (text + likeness,), told=likeness.removeprefix(". "))


def called(answer, values, seconds):
    """answer(*values), with tensors in place of arrays and numbers if it cannot do without."""
    try:
        return limited(answer, copy.deepcopy(values), seconds)
    except (TypeError, AttributeError) as error:
        torch = sys.modules.get("torch")  # no reader can need tensors who has not imported it
        if torch is None:
            raise
        try:
            return limited(answer, [as_tensor(torch, value) for value in values], seconds)
        except Exception as second:
            raise second if "Tensor" in str(error) else error from None


def as_tensor(torch, value):
    if isinstance(value, np.ndarray | np.floating | float):
        return torch.as_tensor(np.array(value))
    return copy.deepcopy(value)


def results(value, count=None):
    """A value as a list of arrays of numbers; `count` is how many there should be."""
    several = isinstance(value, tuple) if count is None else count > 1
    if not several:
        return [numbers(value)]
    if count is not None and (not hasattr(value, "__len__") or len(value) != count):
        raise Unfit(f"{count} results are needed, separated by commas; found {short(value)}")
    return [numbers(part) for part in value]


def numbers(value):
    """An array of numbers, of what NumPy, PyTorch or plain Python make."""
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().resolve_conj().resolve_neg().numpy()
    try:
        array = np.asarray(value)
    except ValueError:
        raise Unfit(f"the result is no array: {short(value)}") from None
    if array.dtype.kind not in "biufc":
        raise Unfit(f"the result is {short(value)}, no number and no array of numbers")
    return array.astype(complex if array.dtype.kind == "c" else float)


def close(exercise, found, expected, tolerance=None):
    """Whether results agree, up to the tolerance times their largest magnitude (1 if all are 0)."""
    tolerance = tolerance or exercise.tolerance
    return all(
        (x.shape == y.shape or x.size == y.size == 1)
        and not differs(tolerance, x.reshape(y.shape), y).any()
        for x, y in zip(found, expected, strict=True)
    )


def differs(tolerance, x, y):
    same = (x == y) | np.isnan(x) & np.isnan(y)  # a mistake may divide by 0, as an answer does
    scale = np.abs(y[np.isfinite(y)]).max(initial=0) or 1.0
    return ~(same | (np.abs(x - y) <= tolerance * scale))


def repeats(exercise, mistake, values, found):
    """Whether an answer says what the mistake says; one that cannot be computed says nothing."""
    try:
        wrong = results(mistake.function(*copy.deepcopy(values)), len(found))
    except (ValueError, ArithmeticError, Unfit):
        return False
    found = [x.reshape(()) if x.size == 1 else x for x in found]
    try:  # one number where an array is asked for makes the same mistake
        found = [np.broadcast_to(x, y.shape) for x, y in zip(found, wrong, strict=True)]
    except ValueError:
        return False
    return close(exercise, found, wrong)


def difference(exercise, found, expected):
    """The first difference of two lists of results, in words."""
    for place, (x, y) in enumerate(zip(found, expected, strict=True)):
        if close(exercise, [x], [y]):
            continue
        which = f"result {place + 1}: " if len(expected) > 1 else ""
        if x.shape != y.shape and not x.size == y.size == 1:
            return f"{which}the shape is {x.shape}, expected {y.shape}"
        if y.size <= 6:
            return "{}{}, expected {}".format(which, *unlike(x, y))
        at = tuple(int(i) for i in np.argwhere(differs(exercise.tolerance, x, y))[0])
        one, other = unlike(x[at], y[at])
        return f"{which}{one} at {list(at)}, expected {other}"


def unlike(x, y):
    """Two different values in a few characters, with as many digits as show the difference."""
    for digits in (4, 8, 17):
        texts = short(x, digits), short(y, digits)
        if texts[0] != texts[1]:
            break
    return texts


def where(exercise, values):
    """The input on which something was found, in words."""
    if not exercise.by_function:
        return ""
    pairs = zip(exercise.arguments, values, strict=True)
    return "; for " + ", ".join(f"{name} = {short(value)}" for name, value in pairs)


def pattern(exercise, found, expected):
    """What a wrong answer has in common with the right one: a factor, transposed, nearly right."""
    if exercise.by_function and all(
        close(exercise, *case, NEARLY) for case in zip(found, expected, strict=True)
    ):
        return f". Everywhere it is right to {NEARLY:.0%}: which step of yours is inexact?"
    pairs = [pair for case in zip(found, expected, strict=True) for pair in zip(*case)]
    if all(x.ndim == 2 and x.shape == y.T.shape for x, y in pairs):
        if all(close(exercise, [x.T], [y]) for x, y in pairs):
            return ". It is the transpose of what is expected."
    if any(x.shape != y.shape for x, y in pairs) or not any(y.any() for _, y in pairs):
        return ""
    x, y = (np.concatenate([part.ravel() for part in parts]) for parts in zip(*pairs))
    factor = np.vdot(y, x) / np.vdot(y, y)
    if exercise.by_function and factor and close(exercise, [x], [factor * y]):
        return f". Everywhere it is {short(factor)} times what is expected."
    return ""


def stopped(error):
    """What an error says, and in which line of the answer it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if os.path.dirname(frame.filename) != os.path.dirname(__file__)
    ]
    line = f" in the line `{own[0].line}`" if own and own[0].line else ""
    text = " ".join(str(error).split())[:200]
    return f"your function stops with {type(error).__name__}{line}{': ' + text if text else ''}"


def short(value, digits=4):
    """A value in a few characters."""
    if callable(value):
        return getattr(value, "__name__", "a function")
    if isinstance(value, np.ndarray | np.generic | float | complex):
        value = np.asarray(value)
        if value.ndim == 0:
            return f"{value[()]:.{digits}g}"
        text = np.array2string(value, precision=digits, threshold=12, edgeitems=2, separator=", ")
        return " ".join(text.split())
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def limited(function, arguments, seconds):
    """function(*arguments), stopped by `Late` after so many seconds.

    By the alarm clock of the system where it can be used, and it rings until the function gives up;
    elsewhere (another thread, Windows, a browser) by looking at the time before each instruction.
    An import is never stopped, since half a module would stay behind: the time begins again.
    """
    main = threading.current_thread() is threading.main_thread()
    watch = alarm if main and hasattr(signal, "setitimer") else look
    with watch(seconds):
        return function(*arguments)


@contextlib.contextmanager
def alarm(seconds):
    def ring(_, frame):
        if not importing(frame):
            raise Late
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def look(seconds):
    end, before = time.monotonic() + seconds, sys.gettrace()

    def watch(frame, *_):
        frame.f_trace_opcodes = True  # a line that jumps to itself has no other events
        nonlocal end
        if time.monotonic() > end:
            if not importing(frame):
                raise Late
            end = time.monotonic() + seconds
        return watch

    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


def importing(frame):
    """Whether what the answer does at the moment is to load a module."""
    while frame and frame.f_code.co_filename != __file__:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
