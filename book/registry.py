"""Sphinx extension: `{claims}` and `{notation}`, made from chapters/claims.toml and chapters/notation.toml."""
import pathlib
import tomllib

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from sphinx_proof.nodes import proof_node


class Registry(SphinxDirective):
    """Text made from a file of entries in chapters/."""
    source = None

    def run(self):
        path = pathlib.Path(self.env.srcdir) / "chapters" / self.source
        self.env.note_dependency(str(path))
        if not path.exists():
            raise self.error(f"chapters/{self.source} is missing")
        box = nodes.container(classes=["dpss-table"])
        self.state.nested_parse(StringList(list(self.lines(tomllib.loads(path.read_text("utf-8")))), str(path)), 0, box)
        return [box]


class Claims(Registry):
    """The statements of each page as a list."""
    source = "claims.toml"

    def lines(self, table):
        page = None
        for key, entry in table.items():
            if entry["page"] != page:
                page = entry["page"]
                yield from ("", f"**Page** {{doc}}`/chapters/{page}`", "")
            lost = f" *Without a hypothesis:* {entry['counterexample']}" if entry.get("counterexample") else ""
            yield (f"- **{key}** {entry['title']}. {{prf:ref}}`claim-{key}`, [proof](#proof-{key}).{lost} "
                   f"*Test:* `{entry['test']}`")


class Notation(Registry):
    """The symbols as a table."""
    source = "notation.toml"

    def lines(self, table):
        yield "| Symbol | Meaning | Shape | In code | First on |"
        yield "|---|---|---|---|---|"
        for entry in table["symbol"]:
            code = f"`{entry['code']}`" if entry.get("code") else ""
            yield (f"| ${entry['symbol']}$ | {entry['meaning']} | {entry.get('shape', '')} | {code} "
                   f"| {{doc}}`{entry['page'][3:].replace('-', ' ')} </chapters/{entry['page']}>` |")


def keep_proof_targets(app, doctree):
    """sphinx-proof writes one fixed id for all proofs: put the target of `(proof-ID)=` before the proof."""
    for proof in list(doctree.findall(proof_node)):
        names = [name for name in proof["ids"] if name.startswith("proof-")]
        if names:
            proof["ids"] = [name for name in proof["ids"] if name not in names]
            proof.parent.insert(proof.parent.index(proof), nodes.target("", "", ids=names))


def setup(app):
    app.connect("doctree-read", keep_proof_targets)
    app.add_directive("claims", Claims)
    app.add_directive("notation", Notation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
