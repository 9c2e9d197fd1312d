"""Sphinx extension: the built site asks no foreign host for anything.

Scripts and fonts come from tools/vendor, styles and pictures from tools/static. (A folder called
`_static` would not do: Jupyter Book adds every script in it to every page.)
"""

import pathlib
import re

TOOLS = pathlib.Path(__file__).resolve().parents[1]
# ipywidgets 8 asks for the queue of MathJax 2; whatever becomes MathJax here is given one
SHIM = """(function () {
  const hub = {Queue: function () {
    for (const item of arguments)
      if (Array.isArray(item) && item[0] === "Typeset" && window.MathJax.typesetPromise)
        window.MathJax.typesetPromise([item[2]]);
  }};
  let current;
  Object.defineProperty(window, "MathJax", {configurable: true, get: () => current,
    set: value => { current = value; if (value && !value.Hub) value.Hub = hub; }});
})();"""


def prepare(app):
    app.config.html_static_path += [str(TOOLS / "vendor"), str(TOOLS / "static")]
    app.add_css_file("dpss.css")
    app.add_js_file("sliders.js", loading_method="defer")
    app.add_js_file("predictions.js", loading_method="defer")
    app.add_js_file(None, body=SHIM, priority=100)


def clean(_app, _pagename, _templatename, context, _doctree):
    """Drop scripts of foreign hosts, sphinx-thebe's, and what extensions add twice."""
    seen, kept = set(), []
    for script in context.get("script_files", []):
        body = (getattr(script, "attributes", None) or {}).get("body") or ""
        name = str(getattr(script, "filename", None) or script)
        if (
            (name, body) in seen
            or "thebe" in name
            or "THEBE_JS_URL" in body
            or name.startswith(("http:", "https:"))
        ):
            continue
        seen.add((name, body))
        kept.append(script)
    context["script_files"][:] = kept


def finish(app, error):
    """Drop the early loading of fonts: from file:// browsers refuse it and report an error."""
    if error is None and app.builder.format == "html":
        for path in pathlib.Path(app.outdir).rglob("*.html"):
            text = path.read_text("utf-8")
            clear = re.sub(r'<link rel="preload" as="font"[^>]*>\n?', "", text)
            if clear != text:
                path.write_text(clear, "utf-8", newline="\n")


def setup(app):
    app.connect("build-finished", finish)
    app.connect("builder-inited", prepare)
    app.connect("html-page-context", clean, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
