"""Sphinx extension: a proof with `:class: dropdown` is folded behind its title.

sphinx-proof writes "Proof." before the first word, makes no title, and gives all proofs the id
"proof". The button that folds a box is put into its title and finds the box by its id: without a
title it would stop all buttons of the page, and with one id for all it would fold the first proof.
"""

from docutils import nodes

WORD = "Proof. "


def give_title(_app, doctree):
    for box in doctree.findall(nodes.admonition):
        if {"proof", "dropdown"} <= set(box["classes"]) and not isinstance(box[0], nodes.title):
            first = next(box.findall(nodes.Text), None)
            if first is not None and first.startswith(WORD.strip()):
                first.parent.replace(first, nodes.Text(first.removeprefix(WORD.strip()).lstrip()))
            box.insert(0, nodes.title("", WORD.strip(" .")))
            box["ids"] = []


def setup(app):
    app.connect("doctree-read", give_title)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
