"""Every check of the book, in order; fails at the end if any part failed: `make test`.

`--quick` runs the fast tests of the library alone: `make quick`.
"""

import os
import subprocess
import sys
import time

from execute import ONE_THREAD, ROOT

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
TWO = ["-n", "2"]
QUICK = [*PYTEST, *TWO, "tests/library", "-m", "not slow"]
COVERAGE = "--cov dpss --cov-branch --cov-fail-under 95 --cov-report term:skip-covered".split()
NBVAL = [*PYTEST, "-p", "nbval_pages", "--nbval", "--nbval-current-env"]
NBVAL += ["--nbval-sanitize-with", "tools/sanitize.cfg", "chapters"]
PAGES = ["tests/pages", "tests/coursework", "tests/tools"]
OLDER = {"OPENBLAS_CORETYPE": "Nehalem", "ATEN_CPU_CAPABILITY": "default"}
PARTS = [  # heading, command, additional environment
    ("rules for code and pages", [sys.executable, "-m", "lint"], {}),
    ("every page runs, the site builds without a warning", [sys.executable, "tools/build.py"], {}),
    ("every page prints what it printed", [*NBVAL, "--executed"], {}),
    ("and on an emulated older processor", [*NBVAL, *TWO, "--dist", "loadfile"], OLDER),
    ("the library, fast tests", [*QUICK, *COVERAGE], {}),
    ("the library, slow tests", [*PYTEST, *TWO, "tests/library", "-m", "slow"], {}),
    ("a tenth of the sabotages", [sys.executable, "tools/sabotage.py", "--tenth"], {}),
    ("pages, coursework and tools", [*PYTEST, *TWO, *PAGES], {}),
    ("the site, in a browser as well", [*PYTEST, *TWO, "tests/site"], {}),
]


def run(command, extra):
    """Whether a command succeeds, from the root and with tools/ on the path; and what it prints."""
    path = os.pathsep.join(filter(None, [str(ROOT / "tools"), os.environ.get("PYTHONPATH")]))
    told = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    environment, lines = {**os.environ, **ONE_THREAD, **extra, **told}, []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, encoding="utf-8", errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as child:  # fmt: skip
        for line in child.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return child.returncode == 0, "".join(lines)


def in_order(parts, keep=lambda heading, output, seconds: None):
    """Run all parts, `keep` what those print that succeed, tell the others; whether any failed."""
    failed = []
    for heading, command, extra in parts:
        print(f"\n==== {heading}", flush=True)
        start = time.perf_counter()
        succeeded, output = run(command, extra)
        seconds = time.perf_counter() - start
        print(f"==== {seconds:.0f} s", flush=True)
        if succeeded:
            keep(heading, output, seconds)
        else:
            failed.append(heading)
    if failed:
        print("\nFAILED: " + "; ".join(failed))
    return bool(failed)


def main(*options):
    if options == ("--quick",):
        return not run(QUICK, {})[0]
    return in_order(PARTS)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
