"""The mechanism of `dpss.exercises`: what is said to answers of every kind."""

import sys
import threading
import time

import numpy as np
import pytest
import torch

from dpss import exercises
from dpss.exercises.exercise import Exercise
from dpss.exercises.judge import judge

sums = Exercise("00-1", "sums", [(np.array([1.0, 2.0]), 3.0), (np.arange(12.0).reshape(4, 3), 2.0)])


@sums.reference
def running(u, a):
    return a * u.cumsum(0)


@sums.mistake("first", "second", "third")
def along_the_other_axis(u, a):
    return a * u.cumsum(-1) if u.ndim > 1 else a * u.cumsum() + 1


half = Exercise("00-2", "one half")
half.reference(lambda: 0.5)
pair = Exercise("00-3", "sum and shape", [(np.ones((2, 3)),)])
pair.reference(lambda u: (u.sum(), np.array(u.shape)))


def fortran(u, a):
    return np.asfortranarray(running(u, a))


RIGHT = [
    running,
    fortran,
    lambda u, a: running(u, a).tolist(),
    lambda u, a: torch.from_numpy(running(u, a)),
    lambda u, a: torch.from_numpy(running(u, a)).float().requires_grad_(),
    lambda u, a: running(u, a).astype(np.float32),
    lambda u, a: running(u, a).astype(">f8"),
    lambda u, a: np.flip(np.flip(running(u, a), 0).copy(), 0),
    lambda u, a: running(u, a).astype(complex),
    lambda u, a: torch.mul(torch.cumsum(u, 0), a),  # takes tensors only
    lambda u, a: torch.exp(torch.log(a)) * u.cumsum(0),  # and no plain numbers
    lambda u, a: a * u.double().cumsum(0),
]


@pytest.mark.parametrize("answer", RIGHT)
def test_arrays_of_any_kind_are_right(answer):
    assert judge(sums, answer).kind == "right"


def spoils(u, a):
    u *= a
    return u.cumsum(0)


def test_an_answer_may_change_its_argument():
    assert judge(sums, spoils).kind == "right" and judge(sums, running).kind == "right"
    assert sums.inputs[0][0].tolist() == [1.0, 2.0]


def nothing(u, a):
    """Not written yet."""
    ...


def never(*_):
    while True:
        pass


def never_and_stubborn(u, a):
    while True:
        try:
            never(u, a)
        except BaseException:
            if time.monotonic() > stubborn_until:
                raise


stubborn_until = 0.0

SAID = [  # answer, kind, words
    (None, "open", "not done yet: sums"),
    (..., "open", "not done yet"),
    (nothing, "open", "nothing is returned"),
    (3.0, "fails", r"needed: a function of \(u, a\)"),
    (lambda u: u, "fails", "TypeError.*; for u = "),
    (lambda u, a: u.nothing, "fails", "'numpy.ndarray' object has no attribute 'nothing'"),
    (lambda u, a: torch.cumsum(u), "fails", "cumsum.* missing|cumsum.* combination"),
    (lambda u, a: torch.cumsum(u, 1), "fails", "Dimension out of range"),
    (lambda u, a: 1 / 0, "fails", "ZeroDivisionError.*division by zero"),
    (lambda u, a: never, "fails", "no number"),
    (lambda u, a: "sum", "fails", "'sum'"),
    (lambda u, a: [[1], [2, 3]], "fails", "no array"),
    (lambda u, a: {}, "fails", "no number"),
    (lambda u, a: sys.exit(), "fails", "SystemExit"),
    (lambda u, a: running(u, a)[:1], "differs", r"shape is \(1,\), expected \(2,\)"),
    (lambda u, a: running(u, a) * np.nan, "differs", "nan"),
    (lambda u, a: running(u, a) + (u.size > 2), "differs", r"1 at \[0, 0\], expected 0"),
    (lambda u, a: running(u, a) + 1e-4, "differs", r"3.0001, 9.0001\], expected \[3., 9.\]"),
    (lambda u, a: running(u, a) * 1.004, "differs", "right to 1%: which step of yours is inexact"),
    (lambda u, a: -running(u, a), "differs", "-1 times what is expected"),
    (lambda u, a: running(u, a) / 2, "differs", "0.5 times"),
    (lambda u, a: running(u, 2 * a) if u.ndim == 1 else running(u, a), "differs", r"\[ 6., 18.\]"),
]


@pytest.mark.parametrize("answer, kind, words", SAID)
def test_what_is_said(answer, kind, words, capsys):
    verdict = judge(sums, answer)
    assert verdict.kind == kind
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(verdict.said())
    assert "\n" not in verdict.said() and capsys.readouterr().out == ""


def test_a_transposed_matrix_is_named():
    square = Exercise("00-4", "a matrix", [(2.0,)])
    square.reference(lambda x: np.array([[0, x], [1, 3.0]]))
    verdict = judge(square, lambda x: [[0, 1], [x, 3]])
    assert verdict.said().endswith("It is the transpose of what is expected.")


@pytest.mark.parametrize("answer, kind", [(0.5, "right"), ([0.5], "right"), (0.4, "differs")])
def test_numbers(answer, kind):
    assert judge(half, answer).kind == kind
    assert judge(half, lambda: answer).kind == "fails"


def test_numbers_that_look_alike_are_shown_with_more_digits():
    assert judge(half, 0.500003).said() == "0.500003, expected 0.5"
    assert judge(half, 0.50000300001).kind == "differs"


def test_several_results():
    assert judge(pair, lambda u: (6, (2, 3))).kind == "right"
    assert judge(pair, lambda u: [torch.tensor(6), [2, 3]]).kind == "right"
    assert "result 2: [3., 2.]" in judge(pair, lambda u: (6, (3, 2))).said()
    assert "2 results are needed" in judge(pair, lambda u: 6).said()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["main thread", "other thread"])
def test_an_endless_loop_is_stopped(elsewhere, monkeypatch):
    monkeypatch.setattr(sums, "seconds", 0.2)
    said = []
    if elsewhere:
        traces = []

        def elsewhere_judged():
            traces.append(sys.gettrace())
            said.append(judge(sums, never).said())
            traces.append(sys.gettrace())

        thread = threading.Thread(target=elsewhere_judged)
        thread.start()
        thread.join(20)
    else:
        monkeypatch.setitem(globals(), "stubborn_until", time.monotonic() + 0.5)
        said += [judge(sums, never).said(), judge(sums, never_and_stubborn).said()]
    assert said and all("no answer within 0.2 s" in text for text in said)
    assert not elsewhere or traces[0] is traces[1]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["main thread", "other thread"])
def test_an_import_is_not_stopped(elsewhere, monkeypatch, tmp_path):
    (tmp_path / "large_and_slow.py").write_text(
        "import time\nfor _ in range(30):\n    time.sleep(0.02)\nready = 1\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sums, "seconds", 0.2)
    said = []

    def patient(u, a):
        import large_and_slow

        return running(u, a) * large_and_slow.ready

    def late(u, a):
        patient(u, a)
        never()

    def judged():
        said.extend(judge(sums, answer).said() for answer in (late, patient))

    if elsewhere:
        thread = threading.Thread(target=judged)
        thread.start()
        thread.join(20)
    else:
        judged()
    sys.modules.pop("large_and_slow", None)
    assert said[1:] == ["right"] and "no answer within 0.2 s" in said[0]


def test_hints_come_in_stages(monkeypatch, capsys):
    monkeypatch.setattr(exercises, "find", {"00-1": sums}.get)
    other = lambda u, a: u
    for answer in (along_the_other_axis,) * 4 + (other, along_the_other_axis, nothing, running):
        exercises.check("00-1", answer)
    lines = [line.removeprefix("00-1  ") for line in capsys.readouterr().out.splitlines()]
    assert lines[:4] == ["first", "second", "third", "third"]
    assert lines[5] == "first" and lines[6].startswith("not done") and lines[7] == "right"


@pytest.mark.parametrize("name", ["04", "04-99", "99-1", 4, None, "", "x"])
def test_a_name_that_is_none(name):
    with pytest.raises(ValueError, match="name is .*04-3"):
        exercises.check(name, None)


def test_numpy_is_all_that_is_imported():
    """The mechanism runs where PyTorch does not: in a fresh interpreter without it."""
    import pathlib
    import subprocess

    folder = pathlib.Path(exercises.__file__).parents[1]
    code = (
        "import sys; sys.modules['torch'] = sys.modules['scipy'] = None\n"
        f"sys.path.insert(0, {str(folder)!r})\n"
        "import exercises; exercises.check('04-3', None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("04-3  not done yet"), done.stderr


@pytest.mark.filterwarnings("error")
def test_infinite_and_missing_numbers_are_said_without_a_warning():
    for answer in (lambda u, a: running(u, a) / 0 * 1.0, lambda u, a: u * np.inf):
        assert judge(sums, answer).kind in ("differs", "fails")


def test_one_number_for_an_array_is_the_same_mistake():
    ones = Exercise("00-5", "ones", [(np.zeros(3),)])
    ones.reference(lambda u: 1 + u)
    ones.mistake("a", "b")(lambda u: 2 + u)
    assert judge(ones, lambda u: 2.0).kind == "mistake"
    assert "shape is (), expected (3,)" in judge(ones, lambda u: 1.0).said()
    assert judge(ones, lambda u: [1.0, 2.0]).kind == "differs"


def test_a_number_of_any_shape_is_the_same_mistake():
    one = Exercise("00-6", "one", [(1.0,)])
    one.reference(lambda u: u)
    one.mistake("a", "b")(lambda u: 2 * u)
    for shape in ((), (1,), (1, 1)):
        assert judge(one, lambda u, shape=shape: np.full(shape, u)).kind == "right"
        assert judge(one, lambda u, shape=shape: np.full(shape, 2 * u)).kind == "mistake"
