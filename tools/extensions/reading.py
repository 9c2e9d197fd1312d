"""Sphinx extension: how long a page takes to read and to run, in a line under its title."""

from docutils import nodes

WORDS_PER_MINUTE = 150  # text with formulas; 20 seconds more for each display, 10 for a code cell


def minutes(doctree):
    words = sum(len(p.astext().split()) for p in doctree.findall(nodes.paragraph))
    displays = sum(1 for _ in doctree.findall(nodes.math_block))
    cells = sum(1 for b in doctree.findall(nodes.literal_block))
    return max(1, round(words / WORDS_PER_MINUTE + displays / 3 + cells / 6))


def add_times(app, doctree):
    section = next(doctree.findall(nodes.section), None)
    data = (
        app.env.nb_metadata.get(app.env.docname, {}).get("exec_data")
        if hasattr(app.env, "nb_metadata")
        else None
    )
    if section is None or not data or data.get("runtime") is None:
        return
    text = f"Reading about {minutes(doctree)} min · runs in {max(1, round(data['runtime']))} s"
    line = nodes.paragraph("", text, classes=["dpss-times"])
    section.insert(section.first_child_matching_class(nodes.title) + 1, line)


def setup(app):
    app.connect("doctree-read", add_times)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
