"""Exercises by code: each has a stub that waits for an answer, mistakes with hints, a solution.

The package `dpss.exercises` is loaded by itself, as a browser would.
"""

import importlib.util
import sys

from lint.book import cells, on, paths, spoken
from lint.claims import checked, printed
from lint.pages import EXERCISE

BY_CODE, MISTAKES, HINTS = 2, 3, 2  # at least: on a page, of an exercise, of a mistake
MOST = 8  # mistakes of an exercise: those that readers make
STUB = {"exercise", "remove-output"}  # tags of the cell that waits for the reader


def loaded(root):
    """Name -> exercise, for all in `dpss/exercises`."""
    folder = root / "dpss" / "exercises"
    spec = importlib.util.spec_from_file_location(
        "exercises", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules["exercises"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    return package.catalogue()


def of_source(exercise):
    """What is wrong with the source of an exercise."""
    if exercise.function is None:
        yield "has no reference"
    if not MISTAKES <= len(exercise.mistakes) <= MOST:
        yield f"has {len(exercise.mistakes)} mistakes; needed: {MISTAKES} to {MOST}"
    for mistake in exercise.mistakes:
        if len(mistake.hints) < HINTS:
            yield f"the mistake {mistake.function.__name__} has no hints in stages"


def of_page(page, sources):
    """What is wrong with the exercises by code on a page, a list of cells."""
    said = spoken(page)
    by_code = [
        label.removeprefix("ex-")
        for _, title, label, _ in EXERCISE.findall(said)
        if "by code" in title
    ]
    if len(by_code) < BY_CODE:
        yield f"has {len(by_code)} exercises by code; needed: {BY_CODE}"
    asked, solved = {}, {}
    for cell in page:
        if cell["cell_type"] == "code":
            waits = "exercise" in cell["metadata"].get("tags", [])
            for name in checked(cell["source"], exercises=True):
                (asked if waits else solved).setdefault(name, cell)
    for name in by_code:
        if name not in sources:
            yield f"ex-{name} is by code and has no source in dpss/exercises"
            continue
        yield from (f"ex-{name} {what}" for what in of_source(sources[name]))
        if name not in asked:
            yield f"ex-{name} has no cell to fill"
        elif not STUB <= set(asked[name]["metadata"].get("tags", [])):
            yield f"ex-{name}: the cell to fill needs the tags {' and '.join(sorted(STUB))}"
        elif "not done yet" not in printed(asked[name]):
            yield f"ex-{name}: the cell to fill is filled"
        if name not in solved:
            yield f"ex-{name}: the solution does not pass through the check"
        elif f"{name}  right" not in printed(solved[name]):
            yield f"ex-{name}: the solution is not right"
    for name in sorted({*asked, *solved} - set(by_code)):
        yield f"checks {name}, which is no exercise by code of this page"


def problems(root):
    """What is wrong with the exercises of all pages; nothing when all is well."""
    sources, found = loaded(root), []
    for path in paths(root):
        found += [on(path.stem, what) for what in of_page(cells(path), sources)]
    return found
