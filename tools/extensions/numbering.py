"""Sphinx extension: a page has the number of its file, and what it holds that of page and place.

`chapters/09-bayes` is page 9 in its title, the sidebar, the table of contents and under "next",
however many pages come before it. Its exercises are 9.1, 9.2, …; so are its figures, its equations
and its statements. A page whose name has no number has none.
"""

import re

from docutils import nodes
from sphinx.environment.collectors.toctree import TocTreeCollector


def page_number(name):
    """The number in the name of a page, or None."""
    found = re.match(r"(?:chapters/)?(\d\d)-", name)
    return int(found[1]) if found else None


def with_number(name, title):
    """The title of a page as readers see it."""
    number = page_number(name)
    return f"{number} · {title}" if number else title


def by_file_name(_collector, env):
    """In place of Sphinx's count through the build; returns the pages whose number has changed."""
    before, env.toc_secnumbers = env.toc_secnumbers, {}
    for docname, contents in env.tocs.items():
        number = page_number(docname)
        if number:
            page, *sections = contents.findall(nodes.reference)
            page["secnumber"] = env.titles[docname]["secnumber"] = (number,)
            env.toc_secnumbers[docname] = {section["anchorname"]: None for section in sections}
            env.toc_secnumbers[docname][page["anchorname"]] = (number,)
    return [name for name, found in env.toc_secnumbers.items() if found != before.get(name)]


def number_print(_app, pagename, _templatename, context, _doctree):
    """The theme's title of the printed page."""
    if "pagetitle" in context:
        context["pagetitle"] = with_number(pagename, context["pagetitle"])


def setup(app):
    TocTreeCollector.assign_section_numbers = by_file_name
    app.connect("html-page-context", number_print, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
