"""Run tests on copies of the library, each changed in one place."""

import contextlib
import multiprocessing
import os
import pathlib
import shutil
import signal
import sys
import tempfile

os.environ["OMP_NUM_THREADS"] = "1"
import hypothesis  # noqa: F401  what the tests need is imported once, and inherited by every fork
import pytest
import torch  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parent.parent
QUIETLY = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "-p", "no:nbval"]
LIMIT = 300  # seconds of computing; a change that makes a loop endless ends in a TimeoutError


class Outcome:
    """A pytest plugin: what failed; the first failed assertion ends the tests."""

    def __init__(self):
        self.kinds = []

    def pytest_runtest_makereport(self, item, call):
        if call.excinfo:
            failed = call.excinfo.errisinstance((AssertionError, pytest.fail.Exception))
            self.kinds.append("assertion" if failed else call.excinfo.typename)
            if failed or call.excinfo.errisinstance(TimeoutError):  # the clock rings once
                item.session.shouldstop = self.kinds[-1]


def outcome(task):
    """How `tests` end with `text` in place of `file`: "passed", "assertion" or a crash's name."""
    file, text, tests = task
    signal.signal(signal.SIGPROF, _late)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder).resolve()
        for name in ("dpss", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in ROOT.iterdir():
            if not (copy / path.name).exists():
                (copy / path.name).symlink_to(path)
        (copy / file).write_text(text, encoding="utf-8")
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        sys.dont_write_bytecode = True
        for name in [name for name in sys.modules if name.partition(".")[0] == "dpss"]:
            del sys.modules[name]
        seen = Outcome()
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            status = pytest.main([*QUIETLY, *tests], plugins=[seen])
        os.chdir(ROOT)
    if "assertion" in seen.kinds:
        return "assertion"
    return "passed" if status == 0 else seen.kinds[0] if seen.kinds else f"pytest said {status!r}"


def outcomes(tasks):
    """`outcome` of each task, in their order, one process each, as many at a time as cores."""
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        yield from pool.imap(outcome, tasks, chunksize=1)


def _late(*_):
    raise TimeoutError
