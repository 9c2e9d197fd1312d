"""What a page is made of: objectives, sliders, captions, exercises, hints, solutions."""

import re

from lint.book import Fault, cells, on, page_number, paths, spoken
from lint.predictions import without_feedback

NAME = re.compile(r"\d\d(-[a-z]+)+|index")
PARTS = (
    "{admonition} What you will learn",
    "{admonition} Before you start",
    "{container} dpss-caption",
    "## Main take-away",
    "## To go further",
)
KINDS = {"by hand", "by code", "by hand, then by code", "open"}
EXERCISE = re.compile(
    r"^(:{3,})\{exercise\} ([^\n]+)\n:label: (ex-\S+)\n(.*?)^\1$", re.MULTILINE | re.DOTALL
)
LONGEST = 15  # lines of a code cell; a function and what it is tried on
WIDEST = 80  # columns of code: what the text column holds
WORDS = 8000  # of text on a page; one sitting
STATEMENTS = 10
LABELLED = re.compile(r"^:{3,}\{prf:(?!proof)(\w+)\}.*\n(?:[ \t]*:.*\n)*", re.MULTILINE)
PAPER = r"\{cite\S*\}`peter"
PLACE = (
    r"(?:Sections?|Theorems?|Propositions?|Definitions?|Tables?|Fig(?:ures?|s?\.)|Eqs?\.) *\(?\d"
)
NUMBERING = re.compile(rf"{PLACE}[^.]{{0,20}}(?:of|in) {PAPER}|{PAPER}[^`]*`[,( ]+{PLACE}")


def of_page(name, page):
    """What a page, a list of cells, lacks."""
    said = spoken(page)
    code = [cell["source"] for cell in page if cell["cell_type"] == "code"]
    exercises = EXERCISE.findall(said)
    if not NAME.fullmatch(name):
        yield "is not called by two digits and words"
    if not said.startswith("# ") or len(re.findall(r"^# ", said, re.MULTILINE)) > 1:
        yield "does not begin with its title, or has a second one"
    for part in PARTS:
        if part not in said:
            yield f"has no {part!r}"
    further = said.partition("## To go further")[2]
    if further and "{cite" not in further:
        yield "cites nothing to go further"
    yield from of_objectives(said, {label for _, _, label, _ in exercises})
    if not any("figures.explore(" in source for source in code):
        yield "has no interactive figure"
    yield from of_exercises(name, page, said, exercises)
    for source in code:
        lines = source.count("\n") + 1
        if lines > LONGEST:
            yield f"the cell {source[:30]!r} has {lines} lines; needed: at most {LONGEST}"
        for line in source.splitlines():
            if len(line) > WIDEST:
                yield f"the line {line.strip()[:30]!r} has {len(line)} columns; needed: {WIDEST}"
    for before, cell in zip(page, page[1:]):
        if "{container} dpss-caption" in cell["source"] and "fig" not in before["source"]:
            title = cell["source"].partition("\n")[2][:30]
            yield f"the caption {title!r} does not follow its figure"
        closed = "hide-cell" in before.get("metadata", {}).get("tags", ())
        if "{container} dpss-caption" in cell["source"] and closed:
            yield f"the figure of {before['source'][:30]!r} is folded; needed: the tag hide-input"
    for cell in page:
        found = [o["data"].get("text/plain", "") for o in cell.get("outputs", ()) if "data" in o]
        if any(
            "".join(text).startswith(("Text(", "<matplotlib", "[<matplotlib")) for text in found
        ):
            yield f"the cell {cell['source'][:30]!r} prints what a plotting function returns"
    yield from of_statements(name, said)
    words = len(prose(said).split())
    if words > WORDS:
        yield f"has {words} words; needed: at most {WORDS}"
    if re.search(r"Reading takes|runs? in about \d", said):
        yield "states a time that the build measures"
    if re.search(r"\{prf:proof\}.*\n(:\w+:.*\n)*:class: dropdown", said):
        yield "folds a proof by its class, which has no title; needed: a {dropdown} inside it"
    for fence in re.findall(r"^`{3,}\{.*", said, re.MULTILINE):
        yield f"{fence!r}: directives are fenced by colons, which plain viewers show as text"
    for place in NUMBERING.finditer(said):
        yield f"quotes the numbering of the paper: {place[0]!r}"


def prose(said):
    """The words that are read: without fences, options and labels of directives, and feedback."""
    said = without_feedback(said)
    return re.sub(r"^(:{3,}.*|:\w+:.*|\([\w-]+\)=)$", "", said, flags=re.MULTILINE)


def of_statements(name, said):
    """What is wrong with the labels of definitions and theorems, and with their order."""
    claims = []
    for place in LABELLED.finditer(said):
        label = re.search(r":label:[ \t]*(\S+)", place[0])
        if not label:
            yield f"{place[0].splitlines()[0]!r} has no label"
        elif place[1] == "definition":
            if not label[1].startswith(f"def-{name[:2]}-"):
                yield f"a definition is labelled {label[1]}; needed: def-{name[:2]}-…"
        elif not label[1].startswith("claim-"):
            yield f"the {place[1]} {label[1]} is not in the ledger; needed: a label claim-…"
        else:
            claims.append(label[1].removeprefix("claim-"))
    if len(claims) > STATEMENTS:
        yield f"has {len(claims)} statements; needed: at most {STATEMENTS}"
    parts = [re.fullmatch(r"([A-Z]+)(\d+)(\w*)", claim) for claim in claims]
    for before, after in zip(parts, parts[1:]):
        if before[1] == after[1] and (int(before[2]), before[3]) > (int(after[2]), after[3]):
            yield f"states {after[0]} after {before[0]}"


def of_objectives(said, labels):
    """What is wrong with the objectives of a page whose exercises have these labels."""
    box = re.search(r"What you will learn.*?\n:{3,}\n", said, re.DOTALL)
    aims = re.findall(r"^\d+\. .*$", box[0], re.MULTILINE) if box else []
    if not 3 <= len(aims) <= 5:
        yield f"has {len(aims)} objectives; needed: 3 to 5"
    for aim in aims:
        named = set(re.findall(r"<?(ex-\d\d-\d+)>?`", aim))
        if not named or not named <= labels:
            yield f"objective {aim[:40]!r} is taken up by no exercise"


def of_exercises(name, page, said, exercises):
    """What is wrong with the exercises of a page."""
    number = page_number(name)
    if len(exercises) < 5:
        yield f"has {len(exercises)} exercises; needed: 5"
    kinds = set()
    for place, (_, title, label, body) in enumerate(exercises, 1):
        if label != f"ex-{number}-{place}":
            yield f"{label} is exercise {place}; needed: the label ex-{number}-{place}"
        kind = re.search(r"\(([^()]+)\)$", title)
        if not kind or kind[1] not in KINDS:
            yield f"{label} does not say whether it is by hand, by code or open"
            continue
        kinds |= set(kind[1].split(", then "))
        if len(re.findall(r"\{dropdown\} Hint \d", body)) < 2:
            yield f"{label} has no hints in stages"
        solved = re.search(rf"\{{(solution|solution-start)\}} {label}\n:class: dropdown", said)
        if not solved:
            yield f"{label} has no folded solution"
        elif "by code" in kind[1] and not checks_itself(page, label, solved[1]):
            yield f"{label} is by code, but no cell after its solution checks it"
    for kind in ("by hand", "by code", "open"):
        if exercises and kind not in kinds:
            yield f"has no exercise {kind!r}"


def checks_itself(page, label, kind):
    """Whether the code between a solution and what comes next checks or prints a comparison."""
    inside = False
    for cell in page:
        if cell["cell_type"] == "markdown":
            if f"{{{kind}}} {label}\n" in cell["source"]:
                inside = True
            elif inside and re.search(r"\{exercise\}|^## ", cell["source"], re.MULTILINE):
                return False
        elif inside and re.search(r"(dpss|exercises)\.check\(|print\(.*[<=]", cell["source"]):
            return True
    return False


def problems(root):
    """What pages and the table of contents lack; nothing when all is well."""
    found = [
        on(path.stem, what) for path in paths(root) for what in of_page(path.stem, cells(path))
    ]
    contents = (root / "_toc.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^(?:root:| *- file:) chapters/(\S+)$", contents, re.MULTILINE)
    named = {path.stem for path in paths(root)}
    listed = [page for page in listed if page in named or page[0].isdigit()]
    if listed != [path.stem for path in paths(root)]:
        found.append(Fault("", "_toc.yml", f"lists {listed}; needed: every page, in order"))
    return found
