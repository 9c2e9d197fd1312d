"""Sphinx extension: `{claims}` and `{notation}` tables, from chapters/claims.toml and chapters/notation.toml."""
import pathlib
import tomllib

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from sphinx_proof.nodes import proof_node


class Table(SphinxDirective):
    """A MyST table made from the registry's entries."""
    source = head = None

    def run(self):
        path = pathlib.Path(self.env.srcdir) / "chapters" / self.source
        self.env.note_dependency(str(path))
        if not path.exists():
            raise self.error(f"chapters/{self.source} is missing")
        lines = ["| " + " | ".join(self.head) + " |", "|" + "---|" * len(self.head)]
        for row in self.rows(tomllib.loads(path.read_text("utf-8"))):
            lines.append("| " + " | ".join(str(x).replace("\n", " ").replace("|", "\\|") for x in row) + " |")
        box = nodes.container(classes=["dpss-table"])
        self.state.nested_parse(StringList(lines, str(path)), 0, box)
        return [box]


class Claims(Table):
    source = "claims.toml"
    head = ["Claim", "Title", "Statement and proof", "Test", "What fails without a hypothesis"]

    def rows(self, table):
        for key, entry in table.items():
            yield (key, entry["title"],
                   f"{{prf:ref}}`claim-{key}`, [proof](#proof-{key}); page {{doc}}`/chapters/{entry['page']}`",
                   f"`{entry['test']}`" if entry.get("test") else "", entry.get("counterexample", ""))


class Notation(Table):
    source = "notation.toml"
    head = ["Symbol", "Meaning", "Shape", "In code", "First on"]

    def rows(self, table):
        for entry in table["symbol"]:
            code, page = entry.get("code", ""), entry.get("page", "")
            yield (f"${entry['symbol']}$", entry["meaning"], entry.get("shape", ""),
                   f"`{code}`" if code else "", f"{{doc}}`/chapters/{page}`" if page else "")


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
