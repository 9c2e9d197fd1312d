"""The committed notebooks: every code cell was run without an error, and the file is normalised."""

import nbformat
from notebooks import normalised, text_of

from lint.book import on, paths


def of_notebook(raw):
    """What keeps a notebook from being committed."""
    book = nbformat.reads(raw, 4)
    for place, cell in enumerate(book.cells):
        if cell.cell_type != "code":
            continue
        if cell.source.strip() and cell.execution_count is None:
            yield f"code cell {place} was never run"
        if any(out.output_type == "error" for out in cell.outputs):
            yield f"code cell {place} holds an error"
    if raw != text_of(normalised(book)):
        yield "is not normalised (make execute)"


def problems(root):
    """What is wrong with the committed notebooks; nothing when all is well."""
    return [
        on(path.stem, what)
        for path in paths(root)
        for what in of_notebook(path.read_bytes().decode("utf-8"))
    ]
