"""Takes the answers out of a submitted notebook, and nothing else.

A cell is known by nbgrader's metadata; where these are gone, by its id; where that is gone, too, by
the name that it defines. Every such guess is a flag for the instructor.
"""

import ast
import codecs
import json
import re

from .source import BLANK, STUB

PICTURES, BASE64 = ("image/png", "image/jpeg"), re.compile(r"[A-Za-z0-9+/=\s]+")
SIGNS = "the metadata of nbgrader", "its id", "the name that it defines"


class Unreadable(ValueError):
    """A submission that is no notebook; the message says why."""


def cells_of(content):
    """(cells, flags) of a notebook in bytes: a dict each, see `_cell`."""
    text, encoding = _decoded(content)
    flags = [] if encoding == "utf-8-sig" else [f"the file was read as {encoding}, not as UTF-8"]
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise Unreadable(f"the file is no notebook: no JSON ({reason[:80]})") from None
    found = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(found, list):
        old = isinstance(notebook, dict) and "worksheets" in notebook
        needed = "save it in format 4 or newer" if old else "there is no list of cells"
        raise Unreadable(f"the file is no notebook of today: {needed}")
    return [cell for cell in map(_cell, found) if cell], flags


def _decoded(content):
    """The text of a file, and the encoding that fits it."""
    marked = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if marked else "utf-8-sig"
    try:
        return content.decode(encoding), encoding
    except UnicodeError:
        return content.decode("latin-1"), "latin-1"  # which reads anything


def _cell(cell):
    if not isinstance(cell, dict):
        return None
    source, about = cell.get("source"), cell.get("metadata")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    marks = about.get("nbgrader") if isinstance(about, dict) else None
    name = marks.get("grade_id") if isinstance(marks, dict) else None
    name, kind = name if isinstance(name, str) else None, cell.get("cell_type")
    return {
        "kind": kind,
        "source": source,
        "id": cell.get("id"),
        "grade_id": name,
        "names": _names(source) if kind == "code" and name is None else set(),
        "pictures": list(_pictures(cell.get("attachments"))),
    }


def _pictures(attached):
    """Pictures that are attached to a cell, as addresses of their data."""
    for name, kinds in attached.items() if isinstance(attached, dict) else ():
        for kind, data in kinds.items() if isinstance(kinds, dict) else ():
            if kind in PICTURES and isinstance(data, str) and BASE64.fullmatch(data):
                yield str(name), f"data:{kind};base64,{''.join(data.split())}"


def matches(cells, assignment):
    """How many answers of an assignment are there, by metadata, id or name."""
    return len(answers(cells, assignment)[0])


def answers(cells, assignment):
    """({name of a question: its cell}, flags) of the cells of a submission."""
    found, flags = {}, []
    for name in assignment.points:
        kind = "markdown" if name in assignment.by_hand else "code"
        for sign, known in zip(SIGNS, _known(cells, name, kind), strict=True):
            if not known:
                continue
            if sign != SIGNS[0]:
                flags.append(f"{name}: the cell was recognised by {sign}")
            done = [cell for cell in known if is_done(cell["source"])]
            if len(known) > 1:
                flags.append(f"{name}: {len(known)} cells; the last one that is filled in counts")
            found[name] = (done or known)[-1]
            break
        if name in assignment.by_hand and name not in found:
            flags.append(f"{name}: there is no cell for this derivation; look into the file")
    return found, flags


def is_done(text):
    """Whether something is filled in."""
    return STUB not in text and text.strip() not in ("", BLANK)


def _known(cells, name, kind):
    """The cells that may answer a question, by each of the SIGNS."""
    alike = [cell for cell in cells if cell["kind"] == kind]
    for key in ("grade_id", "id"):
        yield [cell for cell in alike if cell[key] == name]
    yield [cell for cell in alike if name in cell["names"]]


def _names(code):
    """Names that the code of a cell gives a value at its top level."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names = set()
    for node in body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            of = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {x.id for target in of for x in ast.walk(target) if hasattr(x, "id")}
    return names
