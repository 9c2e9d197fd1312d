"""Run tests on a copy of the library that has been changed in one place; also a pytest plugin."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

TOOLS = pathlib.Path(__file__).resolve().parent
ROOT = TOOLS.parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "broken"]
TIMEOUT = 300  # seconds; a change that makes a loop endless counts as noticed
WHERE = "DPSS_BROKEN_OUTCOME"


def outcome(file, text, tests):
    """How `tests` end with `text` in the place of `file`: "passed", "assertion", a crash's name.

    They run until the first failed assertion; an exception of another kind counts as a crash only
    if no assertion fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "tree"
        copy.mkdir()
        for name in ("dpss", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("data", "pyproject.toml", "chapters"):
            (copy / name).symlink_to(ROOT / name)
        (copy / file).write_text(text, encoding="utf-8")
        log = copy / "outcome"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(copy), str(TOOLS)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            WHERE: str(log),
        }
        command = [*PYTEST, *tests]
        try:
            done = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, timeout=TIMEOUT, text=True
            )
        except subprocess.TimeoutExpired:
            return "timeout"
        kinds = log.read_text(encoding="utf-8").split() if log.exists() else []
        if "assertion" in kinds:
            return "assertion"
        return "passed" if done.returncode == 0 else kinds[0] if kinds else done.stdout[-1000:]


def pytest_runtest_makereport(item, call):
    """Write down what ended a test; stop where that is an assertion."""
    if WHERE not in os.environ or not call.excinfo:
        return
    failed = call.excinfo.errisinstance((AssertionError, pytest.fail.Exception))
    with open(os.environ[WHERE], "a", encoding="utf-8") as file:
        file.write(("assertion" if failed else call.excinfo.typename) + "\n")
    if failed:
        item.session.shouldstop = "an assertion failed"
