"""Every rule that needs no execution: `make lint` for all files, `make lint PAGE=12` for a page."""

import pathlib
import subprocess
import sys

from lint import checks, claims, crosswalk, exercises, notation, notebooks, pages, predictions

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKERS = (checks, claims, crosswalk, exercises, notation, notebooks, pages, predictions)
RUFF = (
    ("check", "--quiet", "--output-format=concise"),
    ("format", "--check", "--quiet", "--output-format=concise"),
)


def main(page=""):
    page = page.zfill(2) if page.isdigit() else page
    if page and not list((ROOT / "chapters").glob(f"{page}*.ipynb")):
        print(f"there is no page {page}")
        return 1
    faults = [fault for checker in CHECKERS for fault in checker.problems(ROOT)]
    wanted = [fault for fault in faults if not fault.page or fault.page.startswith(page)]
    print("\n".join(map(str, wanted)) or "The pages hold to the rules.", flush=True)
    failed = bool(wanted)
    if not page:
        for arguments in RUFF:
            command = [sys.executable, "-m", "ruff", *arguments, ROOT]
            failed |= bool(subprocess.run(command).returncode)
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
