"""Keep the pages executed and normalised: texts stay, pictures and widget states are left out.

python tools/notebooks.py execute [PAGE…]    write what the pages print now, normalised
python tools/notebooks.py normalise [PAGE…]  only normalise
"""

import pathlib
import sys

import nbformat
from execute import PAGES, result, run
from recorder import merged

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
NOISE = {"execution", "collapsed", "scrolled", "ExecuteTime", "jupyter", "widgets", "trusted"}


def kept(mime, text):
    """Whether an output of this kind stays in the committed notebook."""
    if mime.startswith("image/") or "widget" in mime:
        return False
    return mime == "text/plain" or (
        mime == "text/html" and "data:" not in text and "widget" not in text
    )


def normalised(book):
    """The notebook in the one form that is committed."""
    book = nbformat.from_dict(book)
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    metadata["sizes"] = book.metadata.get("sizes", {})
    book.metadata = nbformat.from_dict(metadata)
    book.nbformat, book.nbformat_minor, count = 4, 5, 0
    for cell in book.cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.strip("\n").split("\n"))
        for key in NOISE & set(cell.metadata):
            del cell.metadata[key]
        if cell.cell_type != "code":
            continue
        ran = cell.execution_count is not None
        count += bool(cell.source)
        cell.execution_count = count if ran and cell.source else None
        cell.outputs = merged(cell.outputs)
        for out in cell.outputs:
            if "data" in out:
                out.data = {mime: text for mime, text in out.data.items() if kept(mime, text)}
                out.metadata = {}
            if out.output_type == "execute_result":
                out.execution_count = cell.execution_count
        cell.outputs = [
            o
            for o in cell.outputs
            if o.output_type not in ("display_data", "execute_result") or o.data
        ]
    return book


def text_of(book):
    return nbformat.writes(book, indent=1).rstrip("\n") + "\n"


def main(action, *names):
    paths = [pathlib.Path(name).resolve() for name in names] or PAGES
    if action not in ("execute", "normalise"):
        raise SystemExit(__doc__)
    failed = run(paths) if action == "execute" else []
    if failed:
        print("\n\n".join(failed))
        return 1
    for path in paths:
        book = result(path) if action == "execute" else nbformat.read(path, 4)
        path.write_text(text_of(normalised(book)), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ["help"]))
