"""What checks print: bounds beside the measured sizes, not too many lines.

Both rules are ours for committed pages; `dpss.check` itself is as forgiving as its caller wants.
"""

import json
import re

from lint.book import on, paths
from lint.claims import printed

LINE = re.compile(r"^(\S+)  (.*): (defect <|violation >) (\S+)$", re.MULTILINE)
MOST = 45  # lines a page
SLACK = 10  # a defect is at least this part of its bound,
ROUNDING = 1e-9  # unless it is below this: then so is the bound
HALF = 2  # a violation is at most so many times its bound


def loose(kind, bound, size):
    """Whether a bound says too little about a size."""
    if kind == "defect <":
        return bound > max(SLACK * size, ROUNDING)
    return size > HALF * bound


def of_page(book):
    """What is wrong with the checks of a notebook."""
    sizes, count = book["metadata"].get("sizes", {}), 0
    for cell in book["cells"]:
        lines = LINE.findall(printed(cell))
        measured = [float(size) for size in sizes.get(cell["id"], "").split()]
        count += len(lines)
        if len(lines) != len(measured):
            yield f"cell {cell['id']} prints {len(lines)} checks, {len(measured)} sizes are kept"
            continue
        for (claim, what, kind, bound), size in zip(lines, measured):
            if loose(kind, float(bound), size):
                yield f"{claim}  {what}: {kind} {bound} is loose; measured: {size:g}"
    if count > MOST:
        yield f"prints {count} checks; needed: at most {MOST}"


def problems(root):
    """What is wrong with the checks of all pages; nothing when all is well."""
    return [
        on(path.stem, what)
        for path in paths(root)
        for what in of_page(json.loads(path.read_text(encoding="utf-8")))
    ]
