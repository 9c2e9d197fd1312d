"""The sandbox: the judge says what it would have said of the function itself, and attacks fail."""

import contextlib
import gc
import io
import linecache
import os
import pathlib
import random
import signal
import socket
import sys
import time

import numpy as np
import pytest
from coursework.sandbox import Cell, NoSandbox, Sandbox, best, bubblewrap, guarded

from coursework import isolation as levels
from coursework import wire
from dpss.exercises import Exercise, judge
from dpss.exercises.judge import Late, Unfit

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMPY = Cell("import os, sys, time\nimport numpy as np")
SECRET = "the answer is forty" + "-two"  # no constant of any code, so that only we hold it


@pytest.fixture(params=[guarded, bubblewrap])
def isolation(request):
    if request.param == bubblewrap and best() is None:
        pytest.skip(levels.why_no_bubblewrap())
    return request.param


def opened(isolation, *codes, seconds=20.0):
    """A sandbox with one answer cell for each code, called a, b, c, …"""
    cells = [Cell(code, name) for code, name in zip(codes, "abcdefghijkl", strict=False)]
    return Sandbox([NUMPY, *cells], seconds, isolation)


def asking(reference, *inputs, seconds=5.0):
    exercise = Exercise("a", asks="a function", inputs=inputs, seconds=seconds)
    exercise.reference(reference)
    return exercise


double = asking(lambda u: 2 * u, (np.array([1.0, 2.0]),), (np.array([[0.5], [3.0]]),))
brief = asking(lambda u: 2 * u, (np.array([1.0, 2.0]),), seconds=0.5)


# -- as in the same process

ANSWERS = {
    "right": "return 2 * u",
    "wrong": "return 2 * u + (u > 2)",
    "factor": "return 3 * u",
    "transposed": "return 2 * u.T",
    "shape": "return u[:1]",
    "error": "v = u + 1\n    return v / undefined",
    "deeper": "def inner(v):\n        return v[99, 99]\n    return inner(u)",
    "in numpy": "return np.linalg.inv(u)",
    "in numpy, by python": "return np.array(u).reshape(7, 7)",
    "unicode": "raise ValueError('größer als Ω\\n\\tund 🙂')",
    "long": "raise ValueError('x' * 10**7)",
    "own error": "class Mine(Exception): pass\n    raise Mine(u.shape)",
    "exit": "sys.exit(3)",
    "input": "return float(input())",
    "recursion": "def g(v):\n        return g(v)\n    return g(u)",
    "assertion": "assert u is None, 'none?'",
    "nothing": "pass",
    "dots": "return ...",
    "a string": "return 'abc'",
    "a long string": "return 'abc' * 10**5",
    "a dictionary": "return {'u': 1}",
    "a set of functions": "return [np.sin, 1]",
    "itself": "return f",
    "a generator that yields": "return np.fromiter((2 * x for x in u.ravel()), float)",
    "objects": "return np.array([1, None], dtype=object)",
    "ragged": "return [[1, 2], [3]]",
    "two results": "return u, u",
    "a list": "return (2 * u).tolist()",
    "a matrix": "return np.asmatrix(2 * u)",
    "a memoryview": "return memoryview(2 * u)",
    "an array interface": "return type('A', (), {'__array__': lambda *_, **__: 2 * u})()",
    "a failing array interface": "return type('A', (), {'__array__': lambda *_, **__: 1 / 0})()",
    "a huge number": "return 10**400",
    "infinite": "return u / 0 * np.array([1, -1])",
    "changes its argument": "u *= 2\n    return u",
}
HEAD = "def f(u):\n    "


def in_process(code):
    """The function that a cell defines, in this process, its lines known as in the other."""
    file, names = f"<answer {len(code)}>", {"np": np, "sys": sys}
    linecache.cache[file] = len(code), None, code.splitlines(True), file
    exec(compile(code, file, "exec"), names)
    return names["f"]


@pytest.fixture(scope="module")
def answers():
    """All of ANSWERS in one guarded box, each as a function of its own name."""
    cells = [
        Cell(HEAD + body + f"\nf{place} = f", f"f{place}")
        for place, body in enumerate(ANSWERS.values())
    ]
    with Sandbox([NUMPY, *cells], isolation=guarded) as box:
        yield box


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", ANSWERS)
def test_the_verdict_is_that_of_the_function_itself(answers, name, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    here = judge(double, in_process(HEAD + ANSWERS[name]))
    there = judge(double, answers.answer(f"f{list(ANSWERS).index(name)}"))
    assert there == here


# -- cells


def test_a_cell_that_fails_is_told_and_the_others_count(isolation):
    codes = {
        "first": "print('hello')",
        "syntax": "def f(u)\n    return u",
        "name": "x = 1\nf = undefined",
        "exit": "sys.exit('enough')",
        "ended": "os._exit(0)",
        "killed": "os.kill(os.getpid(), 11)",
        "memory": "many = np.ones(20 << 27)",
        "list": "many = [0] * (20 << 27)",
        "magic": "import math\n%time x = 1",
        "shell": "files = !ls",
        "null": "x = '\0'",
        "closed": "os.closerange(3, 256)",
        "right": "%matplotlib inline\nf = lambda u: 2 * u\nprint('there')",
    }
    told = {
        "syntax": "your cell is no Python in the line `def f(u)`: expected ':'",
        "name": "your cell stops with NameError in the line `f = undefined`: "
        "name 'undefined' is not defined",
        "exit": "your cell stops with SystemExit in the line `sys.exit('enough')`: enough",
        "ended": "your cell ends the process, with status 0",
        "killed": "your cell ends the process: Segmentation fault",
        "memory": "your cell stops with MemoryError in the line `many = np.ones(20 << 27)`",
        "list": "your cell stops with MemoryError in the line `many = [0] * (20 << 27)`",
        "magic": "your cell has the line magic `%time x = 1`; needed: plain Python",
        "shell": "your cell has the line magic `files = !ls`; needed: plain Python",
        "null": "your cell is no Python: source code string cannot contain null bytes",
        "closed": "your cell ends the process",
    }
    cells = [NUMPY, *(Cell(code, name) for name, code in codes.items())]
    with Sandbox(cells, isolation=isolation) as box:
        assert judge(double, box.answer("f")).kind == "right"
        assert box.answer("x") == 1 and box.answer("y") is None
    assert box.faults.keys() == told.keys()
    for name, text in told.items():
        assert box.faults[name].startswith(text), box.faults[name]
    assert box.printed == "hello\nthere\n"


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: sum(range(99))\n    except BaseException: pass",
    ],
)
def test_a_cell_without_an_end_is_left_out(isolation, code):
    with opened(isolation, "f = lambda u: 2 * u", code, "g = f", seconds=0.5) as box:
        assert box.faults == {"b": "no end within 0.5 s: is there a loop that never ends?"}
        assert judge(double, box.answer("g")).kind == "right"


def test_a_cell_that_comes_back_twice_counts_once(isolation):
    with opened(isolation, "os.fork()", "f = lambda u: 2 * u", "undefined", "g = f") as box:
        assert box.faults.keys() == {"c"} and judge(double, box.answer("g")).kind == "right"


def test_a_given_cell_that_fails_is_the_teachers_affair(isolation):
    cells = [NUMPY, Cell("f = ...", "a"), Cell("f(1)"), Cell("f = lambda u: 2 * u", "b")]
    with Sandbox(cells, isolation=isolation) as box:
        assert box.faults == {} and judge(double, box.answer("f")).kind == "right"
    assert "given cell 3: your cell stops with TypeError" in box.printed


def test_what_a_name_is_bound_to(isolation):
    codes = [
        "n = 3; x = -0.5; b = True; z = 1 + 2j; t = (1, np.arange(3)); nothing = None",
        "dots = ...; text = 'é\\ud800'; g = (i for i in 'abc'); big = np.ones(10**7)",
        "class C:\n    def __call__(self, u):\n        return 2 * u\nc = C()",
        "class E:\n    def __eq__(self, other):\n        return True\ne = E()",
        "class R:\n    def __repr__(self):\n        os._exit(0)\nr = R()",
    ]
    with opened(isolation, *codes) as box:
        assert [box.answer(name) for name in ("n", "x", "b", "z")] == [3, -0.5, True, 1 + 2j]
        assert type(box.answer("n")) is int and type(box.answer("b")) is bool
        assert box.answer("t")[0] == 1 and box.answer("t")[1].tolist() == [0, 1, 2]
        assert box.answer("nothing") is box.answer("dots") is box.answer("missing") is None
        assert box.answer("text") == "é?"
        assert repr(box.answer("g")).startswith("<generator object")
        assert "is too large: more than 64 MB" in repr(box.answer("big"))
        assert judge(double, box.answer("c")).kind == "right"
        number = Exercise("a", asks="a number")
        number.reference(lambda: 2.0)
        verdict = judge(number, box.answer("e"))
        assert verdict.kind == "fails" and "E object at" in verdict.said()
        assert "ends the process" in judge(number, box.answer("r")).said()
        assert judge(number, box.answer("c")).kind == "fails"


# -- calls


def test_arrays_of_every_kind_pass_both_ways(isolation):
    arrays = [
        np.array(kind([0, 1, 5]), dtype=dtype)
        for kind, dtype in [(np.array, d) for d in "?bBhHiIlLefdgFDG"]
    ]
    arrays += [
        np.array(3.5), np.zeros((0, 3)), np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10)[::-3], np.array([np.nan, np.inf, -np.inf, -0.0]), np.array([2.5], ">f8"),
        np.float32(0.1), np.int8(-3), np.bool_(True), np.complex128(1j),
    ]  # fmt: skip
    with opened(isolation, "f = lambda *u: u") as box:
        back = box.answer("f")(*arrays)
        assert box.answer("f")(None, True, 3, -0.0, "ö", [1, (2.5, 1j)]) == (
            None, True, 3, -0.0, "ö", [1, (2.5, 1j)]
        )  # fmt: skip
    for one, other in zip(back, arrays, strict=True):
        assert type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape
        assert np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
        assert one.tobytes() == other.tobytes()
    assert all(array.flags.writeable for array in back if isinstance(array, np.ndarray))


def test_functions_of_the_grader_can_be_called(isolation):
    seen = []

    def D(u, t):
        seen.append((u, t))
        if t > 1:
            raise ValueError("t is 2; needed: at most 1")
        return u / (1 + t)

    codes = [
        "def f(D, u): return D(u, 0.5) + D(D(u, 1), 0)",
        "def g(D, u):\n    try:\n        return D(u, 2)\n    except ValueError as e:\n"
        "        return str(e), D.__name__",
        "def h(D, u): return D(u, 2)",
        "def k(D, u): return D({}, 0)",
        "def l(D, u): return D(u, t=0.5) + D(t=0, u=D(u=u, t=1))",
        "def m(D, u): return D(u, s=1)",
    ]
    u = np.array([3.0, 6.0])
    with opened(isolation, *codes) as box:
        assert box.answer("f")(D, u).tolist() == [3.5, 7.0]
        assert len(seen) == 3 and type(seen[0][0]) is np.ndarray and seen[0][1] == 0.5
        assert box.answer("g")(D, u) == ("t is 2; needed: at most 1", "D")
        with pytest.raises(Unfit, match="with ValueError in the line `def h.*: t is 2; needed"):
            box.answer("h")(D, u)
        with pytest.raises(Unfit, match="with TypeError in the line `def k"):
            box.answer("k")(D, u)
        assert box.answer("l")(D, u).tolist() == [3.5, 7.0]
        with pytest.raises(Unfit, match="unexpected keyword argument 's'"):
            box.answer("m")(D, u)


def test_a_function_of_the_student_is_passed_to_another(isolation):
    codes = ["def D(u, t): return u * t", "def f(D, u): return D(u, 2) + 1",
             "def bad(u, t): return u.none", "def dead(u, t): os._exit(0)"]  # fmt: skip
    with opened(isolation, *codes) as box:
        f, D = box.answer("f"), box.answer("D")
        assert f(D, 3) == 7 and f(lambda u, t: D(u, t) + D(u, 1), 3) == 10
        with pytest.raises(Unfit, match="no attribute 'none'"):
            f(box.answer("bad"), 3)
        with pytest.raises(Unfit, match="ends the process"):
            f(box.answer("dead"), 3)
        assert f(D, 3) == 7


def test_tensors_where_an_answer_needs_them(isolation):
    codes = ["import torch\ndef f(u): return u.clone() + u.mul(1)"]
    codes += ["def g(D, u): return D(u.clone()).mul(2)"]
    codes += ["x = torch.ones(2, requires_grad=True)", "n = torch.get_num_threads()"]
    codes += ["z = torch.tensor([1j]).conj()"]
    with opened(isolation, *codes) as box:
        assert judge(double, box.answer("f")).kind == "right"
        result = box.answer("g")(lambda u: u + 1, np.array([1.0, 2.0]))
        assert result.tolist() == [4, 6]
        assert box.answer("x").tolist() == [1, 1] and box.answer("n") == 1
        assert box.answer("z").tolist() == [-1j]
        import torch

        assert box.answer("f")(torch.ones(2)).tolist() == [2, 2]


ENDLESS = {
    "plain": "    while True: pass",
    "deaf": "    while True:\n        try:\n            while True: sum(range(99))\n"
    "        except BaseException: pass",
    "without alarm": "    import signal\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
    "    while True: pass",
    "in C": "    return sum(range(10**12))",
    "asleep": "    time.sleep(100)",
    "looks like nothing": "    class R:\n        def __repr__(self):\n"
    "            while True: pass\n    return R()",
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
def test_a_call_without_an_end_is_late(isolation, body):
    code = "def f(u):\n" + body
    with opened(isolation, "g = lambda u: 2 * u", code, "p = os.getpid") as box:
        f, before, start = box.answer("f"), box.answer("p")(), time.monotonic()
        verdict = judge(brief, f)
        assert verdict.said() == "no answer within 0.5 s: is there a loop that never ends?"
        assert time.monotonic() - start < 3
        if body == ENDLESS["plain"]:  # the alarm in the process is enough
            assert box.answer("p")() == before
        assert judge(double, box.answer("g")).kind == "right"
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_without_an_alarm_a_call_has_the_time_of_a_cell(isolation):
    codes = [f"def {name}(u):\n{ENDLESS[body]}" for name, body in [("f", "plain"), ("g", "deaf")]]
    with opened(isolation, *codes, seconds=0.5) as box:
        for name in "fg":
            with pytest.raises(Late):
                box.answer(name)(1)


def test_a_function_of_the_grader_without_an_end_is_late(isolation):
    slow = asking(lambda D: 1.0, (time.sleep,), seconds=0.5)
    with opened(isolation, "def f(D): return D(99)", "g = lambda u: 2 * u") as box:
        assert "no answer within" in judge(slow, box.answer("f")).said()
        assert judge(double, box.answer("g")).kind == "right"


ENDS = {
    "os._exit(0)": "ends the process, with status 0",
    "os.kill(os.getpid(), 9)": "it was killed",
    "os.closerange(3, 300)": "ends the process, with status",
    "sys.modules['gc'] = None; os.abort()": "ends the process: Aborted",
    "many = [np.empty(1 << 27) for _ in range(20)]": "with MemoryError in the line `many",
    "np.ones(20 << 27)": "with MemoryError in the line `",
    "return np.zeros(1 << 27)": "the result is too large: more than 64 MB",
}


def test_a_call_that_ends_the_process(isolation):
    codes = [f"def f{k}(u):\n    {line}" for k, line in enumerate(ENDS)]
    with opened(isolation, "g = lambda u: 2 * u", *codes) as box:
        for k, said in enumerate(ENDS.values()):
            verdict = judge(double, box.answer(f"f{k}"))
            assert verdict.kind == "fails" and said in verdict.said(), verdict
            assert verdict.said().endswith("; for u = [1., 2.]")
        assert judge(double, box.answer("g")).kind == "right" and not box.faults


def test_too_many_ends_are_refused(isolation, monkeypatch):
    monkeypatch.setattr("coursework.sandbox.SPARE", 1)
    with opened(isolation, "def f(u): os._exit(0)") as box:
        f = box.answer("f")
        said = [judge(double, f).said() for _ in range(5)]
    assert "ends the process, with" in said[1] and "too often" in said[3]
    assert said[3] == said[4]
    assert "too often" in repr(box.answer("f"))


def test_what_is_printed_is_cut(isolation):
    codes = ["for _ in range(100): print('x' * 10**6)", "print('\\x1b[31mred\\0', file=sys.stderr)",
             "def f(u):\n    print('called', u)\n    return u + u"]  # fmt: skip
    with opened(isolation, *codes) as box:
        assert not box.faults and judge(double, box.answer("f")).kind == "right"
        assert "�[31mred�" in box.printed and "called [1. 2.]" in box.printed
        for _ in range(3):
            box.answer("f")("x" * 4000)
        assert len(box.printed) == 8192


# -- attacks


def alive(name):
    """How many processes call themselves so."""
    count = 0
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            count += (folder / "comm").read_text().strip() == name and state != "Z"
    return count


def gone(name):
    end = time.monotonic() + 3
    while alive(name) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(name)


NAMED = "import ctypes\nctypes.CDLL(None).prctl(15, b'{}', 0, 0, 0)\n"  # PR_SET_NAME
STARTS = {
    "daemon": "if not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
    "    time.sleep(300)",
    "bomb": "for _ in range(3):\n    if not os.fork():\n        os.setsid()\n"
    "        for _ in range(5): os.fork()\n        time.sleep(300)\n        os._exit(0)",
    "deaf": "import signal\nfor n in set(signal.Signals) - {9, 19}:\n"
    "    signal.signal(n, signal.SIG_IGN)\nif not os.fork(): time.sleep(300)",
    "comes back": "os.fork(); time.sleep(0.1)",
    "holds the line": "if os.fork(): os._exit(0)\ntime.sleep(300)",
    "orphan": "try: os.kill(os.getppid(), 9)\nexcept OSError: pass\n"
    "if not os.fork(): time.sleep(300)",
}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the group is stopped")
@pytest.mark.parametrize("name", STARTS)
def test_nothing_that_is_started_survives(isolation, name):
    mark = f"dpss{os.getpid()}{list(STARTS).index(name)}"
    body = STARTS[name].replace("\n", "\n    ")
    call = f"def f(u):\n    {body}\n    return 2 * u"
    with opened(isolation, NAMED.format(mark) + call, "g = lambda u: 2 * u") as box:
        verdict = judge(double, box.answer("f"))
        if name == "holds the line":
            assert "ends the process, with status 0" in verdict.said()
        else:
            assert alive(mark) >= 1
        assert judge(double, box.answer("g")).kind == "right"
    assert gone(mark)


@pytest.mark.skipif(os.getuid() == 0, reason="no limit of processes binds root")
def test_a_fork_bomb_is_stopped_by_the_limit_of_processes(isolation):
    code = "def f():\n    for n in range(200):\n        try:\n            if not os.fork():\n"
    code += "                time.sleep(300)\n        except OSError: return n\n    return 200"
    with opened(isolation, code) as box:
        assert 10 < box.answer("f")() < 200


def test_the_parent_is_not_the_grader(isolation):
    code = "def f(u):\n    for n in range(3):\n        try: os.kill(os.getppid(), 9)\n"
    code += "        except OSError: pass\n    os.killpg(0, 9)\n    return 2 * u"
    with opened(isolation, code, "p = os.getppid()", "g = lambda u: 2 * u") as box:
        assert box.answer("p") != os.getpid()
        judge(double, box.answer("f"))
        assert judge(double, box.answer("g")).kind == "right"


HUNT = """
def f(u):
    import gc
    def has(thing):
        return type(thing) is str and "the answer is " + "forty-two" == thing
    places = [m.__dict__ for m in list(sys.modules.values()) if hasattr(m, "__dict__")]
    places += [o for o in gc.get_objects() if type(o) is dict]
    frame = sys._getframe()
    while frame:
        places += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    return float(any(has(v) for place in places for v in list(place.values())))
"""


def test_the_tests_are_not_in_the_process(isolation):
    assert in_process(HUNT)(0) == 1  # here they are
    with opened(isolation, HUNT) as box:
        assert box.answer("f")(0) == 0


def line(message):
    write = f"try: os.write(d, {message!r})"
    return f"for d in range(3, 40):\n        {write}\n        except OSError: pass"


FORGED = {
    "garbage": b"\0" * 100,
    "words": b"done" * 100,
    "too long": wire.LENGTHS.pack(1 << 60, 0),
    "too large": wire.LENGTHS.pack(2, 1 << 60),
    "half a message": wire.LENGTHS.pack(100, 0) + b'["done"',
    "another reply": wire.pack(["done", np.ones(2), ""]),
    "no reply": wire.pack(["done"]),
    "another number": wire.pack([0, "done", np.ones(2), ""]),
    "a question": wire.pack([4, "ask", 5, []]),
    "a wrong type": wire.pack([4, "failed", 3, None]),
    "code": wire.LENGTHS.pack(34, 0) + b'["function", 0, "__import__(\'os\')"]'[:34],
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_replies_harm_nobody_else(name):
    code = f"def f(u):\n    {line(FORGED[name])}\n    return 2 * u"
    with opened(guarded, code, "g = lambda u: 2 * u", seconds=1) as box:
        assert judge(brief, box.answer("f")).kind in ("fails", "differs")
        assert judge(double, box.answer("g")).kind == "right"
        assert not box.faults


def test_broken_libraries_are_the_students_own_affair(isolation):
    codes = ["f = lambda u: 2 * u", "import json, builtins\nnp.asarray = None\n"
             "json.dumps = json.loads\nbuiltins.callable = lambda _: True"]  # fmt: skip
    with opened(isolation, *codes, seconds=1) as box:
        assert judge(double, box.answer("f")).kind in ("fails", "right")
    with opened(isolation, codes[0]) as box:
        assert judge(double, box.answer("f")).kind == "right"


# -- what bubblewrap hides


@pytest.fixture
def hidden():
    """A sandbox under bubblewrap, whose f(code) says what the code's last line is, or an error."""
    if best() is None:
        pytest.skip(levels.why_no_bubblewrap())
    code = "def f(code):\n    try: return str(eval(code))\n"
    code += "    except Exception as e: return type(e).__name__"
    with opened(bubblewrap, code) as box:
        yield box.answer("f")


def test_bubblewrap_shows_the_library_and_the_data_alone(hidden, tmp_path):
    (tmp_path / "other.txt").write_text("another submission", "utf-8")
    assert hidden("1 + 1") == "2"
    for path in (__file__, ROOT / "coursework", ROOT / "tests", ROOT / "Makefile",
                 levels.HERE / "sandbox.py", tmp_path / "other.txt", "/etc/passwd",
                 os.path.expanduser("~/.bashrc"), "/proc/1/environ"):  # fmt: skip
        assert hidden(f"os.path.exists({str(path)!r})") == "False", path
    for path in (ROOT / "dpss" / "images.py", ROOT / "data" / "sources.toml"):
        assert hidden(f"len(open({str(path)!r}).read()) > 100") == "True"
    assert hidden("os.listdir('.')") == "[]"
    assert set(hidden("list(os.environ)")[2:-2].split("', '")) <= {*levels.ENVIRONMENT, "HOME",
        "MPLCONFIGDIR", "TMPDIR", "PWD", "LC_CTYPE"}  # fmt: skip


def test_bubblewrap_lets_nothing_be_written_but_a_little(hidden):
    for path in (ROOT / "dpss" / "images.py", ROOT / "dpss" / "new.py", "/new", "/dev/shm/new"):
        assert hidden(f"open({str(path)!r}, 'a')") in ("OSError", "PermissionError")
    assert hidden("open('small', 'wb').write(bytes(1 << 20))") == str(1 << 20)
    assert hidden("[open(f'large{n}', 'wb').write(bytes(1 << 24)) for n in range(9)]") == "OSError"


def test_bubblewrap_has_no_network(hidden):
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = server.getsockname()
        socket.create_connection(where).close()  # from here it can be reached
        code = f"__import__('socket').create_connection({where!r}, 2)"
        assert hidden(code) in ("OSError", "ConnectionRefusedError")


def test_bubblewrap_hides_processes(hidden):
    assert hidden(f"os.kill({os.getpid()}, 0)") == "ProcessLookupError"
    assert int(hidden("os.getpid()")) < 10
    assert hidden("os.kill(1, 9)") == "None"  # its own first process, which does not listen
    assert hidden("os.setuid(1)") in ("None", "OSError", "PermissionError")
    assert hidden("2 + 2") == "4"


def test_without_bubblewrap_it_is_said_what_is_needed(monkeypatch):
    levels._trial.cache_clear()
    monkeypatch.setenv("PATH", "")
    try:
        assert best() is None
        with pytest.raises(NoSandbox, match="bwrap is not installed.*needed: .*or the isolation"):
            Sandbox([NUMPY]).__enter__()
        with Sandbox([NUMPY], isolation=guarded) as box:
            assert box.answer("nothing") is None
    finally:
        monkeypatch.undo()
        levels._trial.cache_clear()
    with pytest.raises(ValueError, match="isolation is 'none'; needed: 'bubblewrap' or 'guarded'"):
        Sandbox([NUMPY], isolation="none")


def test_a_guarded_sandbox_leaves_no_folder_and_not_the_graders_environment(monkeypatch):
    monkeypatch.setenv("DPSS_SECRET", "seed")
    code = "home = os.getcwd(); e = dict(os.environ); open('file', 'w').write('x'); text = str(e)"
    with opened(guarded, code) as box:
        home = box.answer("home")
        assert os.path.exists(home) and "seed" not in box.answer("text")
    assert not os.path.exists(home)


# -- the wire


def test_damaged_messages_are_malformed_and_nothing_else():
    rng = random.Random(5)
    whole = wire.pack(
        ["done", (np.arange(6.0).reshape(2, 3), np.float32(2), 1j, [None, ..., "ö"]), np.zeros(0)]
    )

    def read(content):
        stream = io.BytesIO(content)

        def exactly(count):
            part = stream.read(count)
            if len(part) < count:
                raise EOFError
            return part

        return wire.unpack(exactly)

    assert read(whole)[1][0].shape == (2, 3)
    ends = {"value": 0, "malformed": 0, "short": 0}
    for _ in range(5000):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.choice(b'[]",0123456789-abf<|\0\xff')
        try:
            read(damaged)
            ends["value"] += 1
        except wire.Malformed:
            ends["malformed"] += 1
        except EOFError:
            ends["short"] += 1
    assert min(ends.values()) > 100


@pytest.mark.parametrize(
    "header",
    ["{}", "3", '[{"a": 1}]', '[["array", "O", [1]]]', '[["array", "<f8", [-1]]]', "[" * 10**5,
     '[["array", "<f8", [1000000000000000000, 0, 1000000000000000000]]]', '[["array", "<f8", [9]]]',
     '[["array", "<M8[s]", [0]]]', '[["array", "V8", [0]]]', '[["scalar", "<f8", [0]]]',
     '[["function", 0, "f"]]', '[["tuple", 3]]', '[["complex", "1", 2.0]]', "[1" + "0" * 5000 + "]",
     '[["array", "<f8", [true]]]', '[["list", []], ["eval", "1"]]', "[1e5"],
)  # fmt: skip
def test_forged_headers_are_malformed(header):
    content = io.BytesIO(wire.LENGTHS.pack(len(header), 0) + header.encode())
    with pytest.raises(wire.Malformed):
        wire.unpack(content.read)


@pytest.mark.parametrize(
    "header, body",
    [("[]", b"x"), ('[["array", "|i1", [true]]]', b"x"), ('[["array", "<f8", [1]]]', b"1234567")],
)
def test_bytes_that_are_no_arrays_are_malformed(header, body):
    content = wire.LENGTHS.pack(len(header), len(body)) + header.encode() + body
    with pytest.raises(wire.Malformed):
        wire.unpack(io.BytesIO(content).read)


@pytest.mark.parametrize("lengths", [(wire.HEADER + 1, 0), (2, wire.BODY + 1), (1 << 63, 1 << 63)])
def test_what_is_too_long_is_not_read(lengths):
    content = io.BytesIO(wire.LENGTHS.pack(*lengths) + b"[]")
    with pytest.raises(wire.Malformed):
        wire.unpack(content.read)
    assert content.tell() == wire.LENGTHS.size


def test_what_cannot_pass_comes_as_what_it_looks_like():
    kept = []
    content = wire.pack([{"a": 1}, SECRET, gc.collect], kept)
    back = wire.unpack(io.BytesIO(content).read, lambda number, name: (number, name))
    assert repr(back[0]) == "{'a': 1}" and back[1:] == [SECRET, (0, "collect")]
    assert kept == [gc.collect]
