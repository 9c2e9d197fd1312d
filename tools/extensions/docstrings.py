"""Sphinx extension: the API page from the docstrings of dpss, by autodoc.

Docstrings are written to be read in a terminal: formulas indented, names in single backticks, |x|
for magnitudes. Here they become reStructuredText: an indented block is a literal one, and no
character outside of backticks is markup.
"""

import re


def to_rest(_app, _what, _name, _obj, _options, lines):
    result, literal, doctest = [], False, False
    for line in lines:
        doctest = line.startswith(">>>") or doctest and bool(line.strip())
        indented = line.startswith("    ") and not doctest
        if indented and not literal:
            result += ["::", ""]
        literal = indented or literal and not line.strip()
        result.append(line if literal or doctest else escaped(line))
    lines[:] = result


def escaped(line):
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*|\\]|(?<=\w)_(?!\w))", r"\\\1", part)
        for part in parts
    )


def skip(_app, _what, name, obj, _skipped, _options):
    """Leave out undocumented fields of a NamedTuple, and what other packages put into a class."""
    foreign = not getattr(obj, "__module__", "dpss").startswith("dpss")
    field = (getattr(obj, "__doc__", None) or "").startswith("Alias for field")
    made = name == "set"  # Figure.set is made by matplotlib
    return True if foreign or field or made else None


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", to_rest)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
