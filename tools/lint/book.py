"""What the page checkers read, and how they say what is wrong."""

import json
from typing import NamedTuple


class Fault(NamedTuple):
    """What is wrong with a file; `page` is the page that it concerns, "" if it is all of them."""

    page: str
    file: str
    what: str

    def __str__(self):
        return f"{self.file}: {self.what}"


def on(page, what):
    """A fault of the page itself."""
    return Fault(page, f"chapters/{page}.ipynb", what)


def paths(root):
    """The pages of the book in the order of reading; the preface has no number and comes first."""
    found = (root / "chapters").glob("*.ipynb")
    return sorted(found, key=lambda path: path.stem if path.stem[0].isdigit() else "")


def cells(path, kind=None):
    """The cells of a page, of one kind or all, each with its source as one string."""
    return [
        {**cell, "source": "".join(cell["source"])}
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if kind in (None, cell["cell_type"])
    ]


def text(path):
    """All that the page of a file says, its code left out."""
    return spoken(cells(path))


def spoken(page):
    """All that a page, a list of cells, says, its code left out."""
    return "\n\n".join(cell["source"] for cell in page if cell["cell_type"] == "markdown")


def page_number(name):
    """The number of a page in the names of what it holds: two digits, 00 for the preface."""
    return name[:2] if name[0].isdigit() else "00"
