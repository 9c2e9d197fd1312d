"""Build the site, executing the pages again if anything they depend on changed: `make book`."""

import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
INPUTS = [
    "dpss",
    "data",
    "tools",
    "requirements.lock",
    "_config.yml",
]  # what the cache of executed pages cannot see


def digest():
    sum_ = hashlib.sha256()
    for name in INPUTS:
        top = ROOT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                sum_.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return sum_.hexdigest()


def reason(log):
    """What went wrong, without colours and without the rest of the log."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines()
    return "\n".join(
        [
            line
            for line in lines
            if re.search("WARNING|ERROR|Error", line) and "IPKernelApp" not in line
        ][:20]
    )


def main():
    state, now = BUILD / "inputs.sha256", digest()
    if not state.exists() or state.read_text() != now:
        shutil.rmtree(BUILD, ignore_errors=True)
    print("Building the book; minutes if pages have to be executed.", flush=True)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from jupyter_book.cli.main import main; main()",
            "build",
            ".",
            "-W",
            "--keep-going",
        ],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        BUILD.mkdir(exist_ok=True)
        (BUILD / "build.log").write_text(done.stdout, "utf-8")
        print(
            f"{reason(done.stdout)}\n\nThe book was not built. The whole log: {BUILD / 'build.log'}"
        )
        shutil.rmtree(
            BUILD / ".doctrees", ignore_errors=True
        )  # else the next build would not warn again
        return 1
    state.write_text(now)
    print(f"The book is built. Open {BUILD / 'html' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
