"""Sphinx extension: a comma or bracket beside a formula stays on its line.

Browsers may break a line between a formula and the mark that follows or opens it.
"""

import re

from docutils import nodes

OPENING = re.compile(r"[(\[“‘]+$")
CLOSING = re.compile(r"^[,.;:!?)\]’”]+")


def join(_app, doctree):
    for formula in list(doctree.findall(nodes.math)):
        parent, place = formula.parent, formula.parent.index(formula)
        joined = nodes.inline(classes=["dpss-joined"])
        for beside, marks in ((place - 1, OPENING), (place, None), (place + 1, CLOSING)):
            part = parent[beside] if 0 <= beside < len(parent) else None
            if marks is None:
                joined += formula.deepcopy()
            elif isinstance(part, nodes.Text) and (found := marks.search(part)):
                joined += nodes.Text(found[0])
                parent[beside] = nodes.Text(marks.sub("", part))
        if len(joined) > 1:
            parent[place] = joined


def setup(app):
    app.connect("doctree-read", join)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
