"""Sphinx extension: a comma after a formula stays on its line; browsers would break it off."""

import re

from docutils import nodes

MARKS = re.compile(r"[,.;:!?)\]’”]+")


def join(_app, doctree):
    for formula in list(doctree.findall(nodes.math)):
        after = formula.next_node(descend=False, siblings=True)
        marks = MARKS.match(after) if isinstance(after, nodes.Text) else None
        if marks:
            place = formula.parent.index(formula)
            joined = nodes.inline("", "", formula, nodes.Text(marks[0]), classes=["dpss-joined"])
            formula.parent[place : place + 2] = [joined, nodes.Text(after[marks.end() :])]


def setup(app):
    app.connect("doctree-read", join)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
