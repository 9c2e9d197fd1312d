"""Build the site from executed pages, after executing those that have to be: `make book`."""

import re
import shutil
import subprocess
import sys

from execute import INPUTS, ROOT, digest, plain, run

BUILD = ROOT / "_build"
SITE = BUILD / "html"
SHOWN = [*INPUTS, "tools/extensions", "tools/static", "_config.yml"]  # what Sphinx does not compare
BOOK = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "."]


def reason(log):
    """What went wrong, without the rest of the log."""
    return "\n".join([line for line in plain(log) if re.search("WARNING|ERROR|Error", line)][:20])


def main():
    failed = run()
    if failed:
        print("\n\n".join(failed) + "\n\nThe book was not built.")
        return 1
    stamp, now = BUILD / "site.sha256", digest(SHOWN)
    if not stamp.exists() or stamp.read_text() != now:
        for folder in (SITE, BUILD / ".doctrees"):
            shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [*BOOK, "-W", "--keep-going"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        (BUILD / "build.log").write_text(done.stdout, "utf-8")
        print(f"{reason(done.stdout)}\n\nThe book was not built. The log: {BUILD / 'build.log'}")
        shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)  # else the next build does not warn
        return 1
    stamp.write_text(now)
    print(f"The book is built. Open {SITE / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
