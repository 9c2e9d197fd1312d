"""A broken library is tried to an end, whatever the change does."""

import subprocess
import sys

import pytest
from execute import ROOT

PROGRAM = """\
import sys, broken
broken.LIMIT = 8
text = (broken.ROOT / "dpss/clock.py").read_text()
assert text.count(sys.argv[1]) == 1
task = "dpss/clock.py", text.replace(*sys.argv[1:3]), ["tests/library/test_clock.py"]
print(*broken.outcomes([task]))
"""
LINE = "    return torch.atan(torch.exp(-0.5 * ell))\n"


@pytest.mark.parametrize(
    "instead, end",
    [
        (LINE + "# the same\n", "passed"),
        ("    return torch.atan(torch.exp(0.5 * ell))\n", "assertion"),
        ("    return torch.no_such_function(ell)\n", "AttributeError"),
        ("    while True:\n        pass\n", "TimeoutError"),
    ],
)
def test_how_the_tests_of_a_change_end(instead, end):
    command = [sys.executable, "-c", PROGRAM, LINE, instead]
    done = subprocess.run(command, cwd=ROOT / "tools", capture_output=True, text=True, timeout=400)
    assert done.stdout.split() == [end], done.stderr
