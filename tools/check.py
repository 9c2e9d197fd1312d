"""Every check of the book, in order; fails at the end if any part failed: `make test`."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
NBVAL = PYTEST + [
    "--nbval",
    "--nbval-current-env",
    "--nbval-sanitize-with",
    "tools/sanitize.cfg",
    "-p",
    "stripped",
    "-n",
    "2",
    "--dist",
    "loadfile",
    "chapters",
]
COVERAGE = [
    "--cov",
    "dpss",
    "--cov-branch",
    "--cov-fail-under",
    "95",
    "--cov-report",
    "term:skip-covered",
]
OTHER = {"OPENBLAS_CORETYPE": "Nehalem", "ATEN_CPU_CAPABILITY": "default"}
PARTS = [  # heading, command, additional environment
    (
        "the library and the notebooks",
        PYTEST + ["tests", "-n", "2", "--ignore", "tests/site/test_browser.py"] + COVERAGE,
        {},
    ),
    ("every page runs and prints what it printed", NBVAL, {}),
    ("the same on an emulated older processor", NBVAL, OTHER),
    ("the site builds without a warning", [sys.executable, "tools/build.py"], {}),
    ("the site in a browser", PYTEST + ["tests/site/test_browser.py"], {}),
]


def main():
    failed = []
    for heading, command, extra in PARTS:
        print(f"\n==== {heading}", flush=True)
        if subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "book"), **extra}
        ).returncode:
            failed.append(heading)
    if failed:
        print("\nFAILED: " + "; ".join(failed))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
