"""Write the versions of all assignments: `make coursework`, `make coursework PRIVATE=folder`

    coursework/student/NAME.ipynb            what students get, shown in the book
    _build/coursework/source/NAME/NAME.ipynb     with solutions and tests, for nbgrader

What students get of a private folder is in _build/coursework/student. nbgrader makes
`release` itself; its commands run in _build/coursework, with the secret seed in the environment
as COURSEWORK_SEED.
"""

import argparse
import pathlib
import sys

import nbformat
from execute import ROOT

from dpss import _files

from .source import BLANK, FOLDER, STUB, read, sources

STUDENT, BUILT = ROOT / "coursework" / "student", ROOT / "_build" / "coursework"
CONFIG = f"""\
c = get_config()
c.CourseDirectory.course_id = "dpss"
c.ClearSolutions.code_stub = {{"python": {STUB!r}}}
c.ClearSolutions.text_stub = {BLANK!r}
"""


def text(notebook):
    return nbformat.writes(notebook) + "\n"


def main(*arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--private", type=pathlib.Path, help="a folder of sources of your own")
    options = parser.parse_args(arguments or None)
    for name, path in sources(options.private).items():
        made = read(path)
        student, instructor = text(made.student()), text(made.instructor())
        written = {BUILT / "source" / name / f"{name}.ipynb": instructor}
        folder = STUDENT if path.parent == FOLDER else BUILT / "student"
        written[folder / f"{name}.ipynb"] = student
        for file, content in written.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            _files.write(file, content.encode())
        total = sum(made.points.values())
        print(f"{name}: {len(made.points)} questions, {total:g} points, {made.hours} hours")
    _files.write(BUILT / "nbgrader_config.py", CONFIG.encode())


if __name__ == "__main__":
    sys.exit(main())
