"""What every page of the book is made of: objectives, a guess before a figure, sliders, captions, exercises with hints and solutions.

`problems` lists what a notebook lacks; the tests below it spoil a small complete page, one part at a time.
"""

import json
import re
from pathlib import Path

import pytest

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"
KINDS = {"by hand", "by code", "by hand, then by code", "open"}
EXERCISE = re.compile(
    r"^(:{3,})\{exercise\} ([^\n]+)\n:label: (ex-\S+)\n(.*?)^\1$", re.MULTILINE | re.DOTALL
)
LONGEST = 16  # lines of a code cell; a function and what it is tried on


def problems(book, name):
    """What the notebook `book` lacks, one sentence each."""
    found, cells = [], book["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    exercises = {label: (title, body) for _, title, label, body in EXERCISE.findall(text)}
    for part in (
        "{admonition} What you will learn",
        "{admonition} Before you start",
        "{admonition} Predict first",
        "{container} dpss-caption",
        "## Main take-away",
        "## To go further",
    ):
        if part not in text:
            found.append(f"{name}: has no {part!r}")
    objectives = re.search(r"What you will learn.*?\n:{3,}\n", text, re.DOTALL)
    aims = re.findall(r"^\d+\. .*$", objectives[0], re.MULTILINE) if objectives else []
    if not 3 <= len(aims) <= 7:
        found.append(f"{name}: has {len(aims)} objectives; needed: 3 to 7")
    taken = set()
    for aim in aims:
        named = set(re.findall(r"<?(ex-\d\d-\d+)>?`", aim))
        taken |= named
        if not named or not named <= set(exercises):
            found.append(f"{name}: objective {aim[:40]!r} is taken up by no exercise")
    if not any("figures.explore(" in source for source in code):
        found.append(f"{name}: has no interactive figure")
    kinds = set()
    if len(exercises) < 5:
        found.append(f"{name}: has {len(exercises)} exercises; needed: 5")
    for label, (title, body) in exercises.items():
        kind = re.search(r"\(([^()]+)\)$", title)
        if not kind or kind[1] not in KINDS:
            found.append(f"{name}: {label} does not say whether it is by hand, by code or open")
            continue
        kinds |= set(kind[1].split(", then "))
        if len(re.findall(r"\{dropdown\} Hint \d", body)) < 2:
            found.append(f"{name}: {label} has no hints in stages")
        solved = re.search(rf"\{{(solution|solution-start)\}} {label}\n:class: dropdown", text)
        if not solved:
            found.append(f"{name}: {label} has no folded solution")
        elif "by code" in kind[1] and not checks_itself(cells, label, solved[1]):
            found.append(f"{name}: {label} is by code, but no cell after its solution checks it")
    for kind in ("by hand", "by code", "open"):
        if exercises and kind not in kinds:
            found.append(f"{name}: has no exercise {kind!r}")
    for source in code:
        if source.count("\n") + 1 > LONGEST:
            found.append(
                f"{name}: the cell {source[:30]!r} has {source.count(chr(10)) + 1} lines; needed: at most {LONGEST}"
            )
    if re.search(r"Reading takes|runs? in about \d", text):
        found.append(f"{name}: states a time that the build measures")
    return found


def checks_itself(cells, label, kind):
    """Whether the code between a solution and what comes next calls dpss.check or prints a comparison."""
    inside = False
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            if f"{{{kind}}} {label}\n" in source:
                inside = True
            elif inside and re.search(r"\{exercise\}|^## ", source, re.MULTILINE):
                return False
        elif inside and re.search(r"dpss\.check\(|print\(.*[<=]", source):
            return True
    return False


@pytest.mark.parametrize("path", sorted(CHAPTERS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_page_is_complete(path):
    assert problems(json.loads(path.read_text(encoding="utf-8")), path.stem) == []


# --- the checker itself ---------------------------------------------------------------------------------------------


def exercise(n, kind, code=""):
    cells = [
        f"::::{{exercise}} Title ({kind})\n:label: ex-09-{n}\n\nDo it.\n\n:::{{dropdown}} Hint 1\nOne.\n:::\n"
        f":::{{dropdown}} Hint 2\nTwo.\n:::\n::::\n\n:::{{solution}} ex-09-{n}\n:class: dropdown\n\nSo.\n:::"
    ]
    return [("markdown", cells[0])] + ([("code", code)] if code else [])


def page():
    aims = "\n".join(f"{n}. Learn ({{ref}}`exercise {n} <ex-09-{n}>`)." for n in (1, 2, 3))
    cells = [
        (
            "markdown",
            f"# Title\n\n:::{{admonition}} What you will learn\n:class: tip\n{aims}\n:::\n\n:::{{admonition}} Before you start\nx\n:::",
        ),
        ("markdown", "::::{admonition} Predict first\n:class: important\nGuess.\n::::"),
        ("code", "figures.explore(figure_of, t=[0.0])"),
        ("markdown", ":::{container} dpss-caption\n**Seen.** It.\n:::"),
        *exercise(1, "by hand"),
        *exercise(2, "by code", 'dpss.check("A1", "x", 0, below=1)'),
        *exercise(3, "open"),
        *exercise(4, "by hand"),
        *exercise(5, "by hand, then by code", 'dpss.check("A1", "x", 0, below=1)'),
        ("markdown", "## Main take-away\n\nOne.\n\n## To go further\n\nRead."),
    ]
    return {"cells": [{"cell_type": kind, "source": [source]} for kind, source in cells]}


def test_a_complete_page_has_no_problems():
    assert problems(page(), "09") == []


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("What you will learn", "Aims", "What you will learn"),
        ("Before you start", "Needs", "Before you start"),
        ("Predict first", "Look", "Predict first"),
        ("dpss-caption", "figure", "dpss-caption"),
        ("## Main take-away", "## End", "Main take-away"),
        ("## To go further", "## More", "To go further"),
        ("<ex-09-3>", "<ex-09-8>", "is taken up by no exercise"),
        ("figures.explore(", "figures.show(", "no interactive figure"),
        ("(open)", "(by hand)", "no exercise 'open'"),
        ("Title (by hand)\n:label: ex-09-4", "Title\n:label: ex-09-4", "ex-09-4 does not say"),
        ("Hint 2", "Hint", "no hints in stages"),
        ("{solution} ex-09-3", "{solution} ex-09-9", "ex-09-3 has no folded solution"),
        ("dpss.check", "compute", "no cell after its solution checks it"),
        ("Do it.", "Reading takes 5 minutes.", "states a time"),
        ("figures.explore(", "\n" * 20 + "figures.explore(", "lines; needed"),
    ],
)
def test_each_fault_is_seen(old, new, expected):
    book = page()
    assert any(old in cell["source"][0] for cell in book["cells"])
    for cell in book["cells"]:
        cell["source"] = [cell["source"][0].replace(old, new)]
    found = problems(book, "09")
    assert any(expected in sentence for sentence in found), found
