"""The one source of an assignment, coursework/source/NAME.md, and the versions made from it.

A source is a MyST text notebook. What a cell is for, its metadata say:

    given: NAME          code that is the same for everybody and runs before the answers
    answer: NAME         code with a solution between ### BEGIN SOLUTION and ### END SOLUTION, that
                         gives the name NAME a value: a function, a number or an array
    tests: NAME          below ### BEGIN HIDDEN TESTS a `Question` called `question`; it sees what
                         is given and answered before, not what other cells of tests define
    answer: NAME, points: P   in a markdown cell: a model answer with its rubric, graded by hand

In text, {{ NAME }} is how many points NAME is worth, and {{ total }} how many all of them are.
Versions carry the metadata and markers of nbgrader, and each cell its name as id as well.
"""

import dataclasses
import pathlib
import re
import textwrap

import nbformat
from execute import ROOT
from myst_nb.core.read import read_myst_markdown_notebook

from dpss.exercises.question import Question

FOLDER = ROOT / "coursework" / "source"
ROLES = "given", "answer", "tests"
SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION\n?", re.M | re.S)
MARKERS = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION\n", re.M)
HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n(.*?)^### END HIDDEN TESTS\n?", re.M | re.S)
POINTS = re.compile(r"\{\{ *([\w-]+) *\}\}")
STUB, BLANK = "# your code here", "*Your answer here.*"
ALONE = "# graded by hidden tests"
RULES = f"""\
**How to hand in.** Only the cells that say `{STUB}` or *Your answer here* are read, and given
cells that do nothing but import and define. What cells define that draw figures or show examples,
an answer cannot use. So all that it needs stands in its own cell, or in that of an earlier answer:
plain Python, no line that begins with `!` or `%`. Try whatever you like in cells of
your own. Questions in the text that have no cell for an answer are for you, and earn no points.
Examples under a question are not the grading, which has other inputs. Hand in this notebook, under
any name."""
GRADED = """\
### BEGIN HIDDEN TESTS
def marks_of(answer):
    import contextlib
    import io
    import os

    from dpss.exercises import Question

{key}
    with contextlib.redirect_stderr(io.StringIO()):  # nbgrader gives 0 points where a warning is
        return question.grade(answer, os.environ["COURSEWORK_SEED"])


marks = marks_of(globals().get("{name}"))
print(marks.hint or "right")
marks.points
### END HIDDEN TESTS
"""


@dataclasses.dataclass(frozen=True)
class Part:
    """A cell: `role` is one of ROLES, or "" of what is shown only."""

    role: str
    name: str
    kind: str  # code or markdown
    text: str
    points: float = 0  # of an answer that is graded by hand


@dataclasses.dataclass(frozen=True)
class Assignment:
    """An assignment: its parts in order, the questions that are graded by tests, and the points of
    those that are graded by hand."""

    name: str
    hours: int
    parts: tuple
    questions: dict
    by_hand: dict

    @property
    def title(self):
        return self.parts[0].text.split("\n")[0].lstrip("# ")

    def text_of(self, name):
        """The text of an answer: a solution, or a model answer with its rubric."""
        return next(part.text for part in self.parts if (part.role, part.name) == ("answer", name))

    @property
    def points(self):
        """Name of a question -> points, in order."""
        order = [part.name for part in self.parts if part.role == "answer"]
        graded = {name: question.points for name, question in self.questions.items()}
        return {name: (graded | self.by_hand)[name] for name in order}

    def student(self):
        """The notebook that students get: no solution, no hidden test; and how to hand it in."""
        return self._notebook(_for_students)

    def instructor(self):
        """The notebook with everything, a source for `nbgrader generate_assignment`."""
        before = []

        def text(part):
            if part.role in ("given", "answer") and part.kind == "code":
                before.append(MARKERS.sub("", part.text))  # nbgrader allows them in answers alone
            if part.role != "tests":
                return part.text
            key = "\n".join([*before, HIDDEN.search(part.text)[1]])
            graded = GRADED.format(key=textwrap.indent(key, "    "), name=part.name)
            alone = "" if HIDDEN.sub("", part.text) else f"{ALONE}\n"
            return alone + HIDDEN.sub(lambda _: graded, part.text)

        return self._notebook(text)

    def _notebook(self, text):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
        for number, part in enumerate(self.parts):
            new = getattr(nbformat.v4, f"new_{part.kind}_cell")
            shown = text(part).strip("\n")
            if part.kind == "markdown":
                shown = POINTS.sub(self._worth, shown)
            cell = new(shown, id=f"text-{number}")
            if part.role:
                cell.metadata["nbgrader"] = self._nbgrader(part)
                cell.id = cell.metadata["nbgrader"]["grade_id"]
            notebook.cells.append(cell)
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(RULES, id="how-to-hand-in"))
        return notebook

    def _worth(self, found):
        points = self.points | {"total": sum(self.points.values())}
        number = points[found[1]]
        return f"{number:g} point{'s' if number != 1 else ''}"

    def _nbgrader(self, part):
        """The metadata by which nbgrader knows what a cell is."""
        graded = part.role == "tests" or part.name in self.by_hand
        name = f"{part.name}-tests" if part.role == "tests" else part.name
        of = {"grade_id": name, "grade": graded, "solution": part.role == "answer"}
        points = {"points": self.points[part.name]} if graded else {}
        locked = part.role != "answer"
        return of | points | {"locked": locked, "task": False, "schema_version": 3}


def _for_students(part):
    if part.role == "answer" and part.kind == "markdown":
        return BLANK
    if part.role == "tests":
        return HIDDEN.sub("", part.text) or ALONE
    return SOLUTION.sub(lambda found: f"{found[1]}{STUB}\n", part.text)


def sources(private=None):
    """Name -> path of all sources; those of the folder `private` add to the book's, or replace.

    ValueError for a folder without one.
    """
    folders = [FOLDER] if private is None else [FOLDER, pathlib.Path(private)]
    if not list(folders[-1].glob("*.md")):
        raise ValueError(f"{folders[-1]} holds no .md file; needed: a folder of sources")
    found = {path.stem: path for folder in folders for path in sorted(folder.glob("*.md"))}
    return dict(sorted(found.items()))


def read(path):
    """The `Assignment` in a file. ValueError, naming the cell, for what is no source.

    Executes what the source holds, solutions and tests: it is the instructor's own.
    """
    path = pathlib.Path(path)
    notebook = read_myst_markdown_notebook(path.read_text("utf-8"))
    parts = tuple(_part(cell, path.name) for cell in notebook.cells)
    namespace, questions = {"__name__": path.stem, "Question": Question}, {}
    for part in parts:
        if part.kind != "code" or not part.role:
            continue
        hidden = HIDDEN.search(part.text)
        if part.role == "tests" and not hidden:
            raise ValueError(f"{path.name}, tests of {part.name}: no ### BEGIN HIDDEN TESTS")
        code = hidden[1] if hidden else part.text
        exec(compile(code, f"<{path.name}, {part.role} {part.name}>", "exec"), namespace)
        if part.role == "tests":
            question = namespace.pop("question", None)
            if not isinstance(question, Question) or question.name != part.name:
                needed = f"a Question {part.name!r} called question"
                raise ValueError(f"{path.name}, tests of {part.name}: needed: {needed}")
            questions[part.name] = question
    by_hand = {part.name: part.points for part in parts if part.points}
    made = Assignment(
        path.stem, notebook.metadata["assignment"]["hours"], parts, questions, by_hand
    )
    _refuse(made, path.name)
    return made


def _part(cell, where):
    roles = [role for role in ROLES if role in cell.metadata]
    extra = {*cell.metadata} - {*ROLES, "points"}
    if len(roles) > 1 or extra:
        needed = f"one of {', '.join(ROLES)}, and nothing else but points"
        raise ValueError(
            f"{where}: a cell has the metadata {dict(cell.metadata)}; needed: {needed}"
        )
    role = roles[0] if roles else ""
    name, points = cell.metadata.get(role, ""), cell.metadata.get("points", 0)
    return Part(role, name, cell.cell_type, cell.source + "\n", points)


def _refuse(made, where):
    """ValueError for what does not fit together."""
    names = [part.name for part in made.parts if part.role == "answer"]
    graded = [*made.questions, *made.by_hand]
    for name in {*names, *graded}:
        if names.count(name) != 1 or graded.count(name) != 1:
            needed = "one answer, and either tests or points by hand"
            raise ValueError(f"{where}: {name} has not {needed}")
    for part in made.parts:
        text = part.text
        if part.role == "answer" and part.kind == "code" and not SOLUTION.search(text):
            raise ValueError(f"{where}, answer {part.name}: no solution between its two markers")
        if part.kind == "markdown":
            for name in POINTS.findall(text):
                if name not in {*made.points, "total"}:
                    raise ValueError(f"{where}: {{{{ {name} }}}} is the name of no question")
