"""Sphinx extension: `{claims}`, `{notation}`, `{crosswalk}`, `{checked}`, made from chapters/*.toml
and what tools/record.py wrote down."""

import json
import pathlib
import tomllib

from docutils import nodes
from docutils.statemachine import StringList
from numbering import with_number
from sphinx.util.docutils import SphinxDirective
from sphinx_proof.nodes import proof_node


def link(page, title=None):
    """A link to a page, with its number."""
    target = f"{title} </chapters/{page}>" if title else f"/chapters/{page}"
    return with_number(page, f"{{doc}}`{target}`")


class Registry(SphinxDirective):
    """Text made from a file of entries in chapters/."""

    source, read = None, staticmethod(tomllib.loads)

    def run(self):
        path = pathlib.Path(self.env.srcdir) / "chapters" / self.source
        self.env.note_dependency(str(path))
        if not path.exists():
            raise self.error(f"chapters/{self.source} is missing")
        box = nodes.container(classes=["dpss-table"])
        self.state.nested_parse(
            StringList(list(self.lines(self.read(path.read_text("utf-8")))), str(path)), 0, box
        )
        return [box]

    def ledger(self):
        """The ledger of claims, for what is made from another file and from it."""
        path = pathlib.Path(self.env.srcdir) / "chapters" / Claims.source
        self.env.note_dependency(str(path))
        return tomllib.loads(path.read_text("utf-8"))


class Claims(Registry):
    """The statements of each page as a list."""

    source = "claims.toml"

    def lines(self, table):
        page = None
        for key, entry in table.items():
            if entry["page"] != page:
                page = entry["page"]
                yield from ("", f"**{link(page)}**", "")
            lost = (
                f" *Without a hypothesis:* {entry['counterexample']}"
                if entry.get("counterexample")
                else ""
            )
            tests = ", ".join(f"`{test}`" for test in entry["tests"])
            broken = "; ".join(change["what"] for change in entry["sabotage"])
            yield (
                f"- **{key}** {entry['title']}. {{prf:ref}}`claim-{key}`, "
                f"[proof](#proof-{key}).{lost} *Tests:* {tests}. "
                f"*They fail with:* {broken}."
            )


class Notation(Registry):
    """The symbols as tables: those that stay, those that are common, those of a single page."""

    source = "notation.toml"

    def lines(self, table):
        yield from ("| Symbol | Meaning | Shape | In code | First on |", "|---|---|---|---|---|")
        for entry in table["symbol"]:
            code = f"`{entry['code']}`" if entry.get("code") else ""
            cells = entry["meaning"], entry.get("shape", ""), code, self.linked(entry)
            yield f"| ${entry['symbol']}$ | {' | '.join(cells)} |"
        yield from ("", "The same on every page:", "", "| Symbols | Meaning |", "|---|---|")
        for entry in table["common"]:
            yield f"| {self.listed(entry)} | {entry['meaning']} |"
        yield from (
            "",
            "Letters with a meaning of their own on one page only:",
            "",
            "| Page | Symbols | Meaning |",
            "|---|---|---|",
        )
        for entry in table["local"]:
            yield f"| {self.linked(entry)} | {self.listed(entry)} | {entry['meaning']} |"

    @staticmethod
    def listed(entry):
        return ", ".join(f"${symbol}$" for symbol in entry["symbols"])

    @staticmethod
    def linked(entry):
        page = entry["page"]
        return link(page, page[3:].replace("-", " ") if page[0].isdigit() else "preface")


class Crosswalk(Registry):
    """What the paper promises, and where it stands; pages and tests are looked up in the ledger."""

    source = "crosswalk.toml"

    def lines(self, table):
        ledger = self.ledger()
        for entry in table["promise"]:
            claims = {key: ledger[key] for key in entry["claims"]}
            yield from (f"**{entry['words']}** (from the {entry['of']})", "")
            pages = dict.fromkeys(claim["page"] for claim in claims.values())
            for page in pages:
                stated = "; ".join(
                    f"{{prf:ref}}`claim-{key}`"
                    for key, claim in claims.items()
                    if claim["page"] == page
                )
                yield f"- {link(page)}: {stated}"
            tests = dict.fromkeys(
                name.split("::")[0] for claim in claims.values() for name in claim["tests"]
            )
            yield f"- *Library:* {', '.join(f'`dpss.{name}`' for name in entry['functions'])}"
            if tests:
                yield f"- *Tests:* {', '.join(f'`{name}`' for name in tests)}"
            if entry.get("open"):
                yield f"- *Open:* {entry['open']}"
            yield ""


class Checked(Registry):
    """What one kind of check said when it was last run; pages also have what they hold."""

    source, read = "record.json", staticmethod(json.loads)
    required_arguments = 1

    def lines(self, record):
        kind = self.arguments[0]
        entries = record.get(kind, {})
        if entries or kind == "pages":
            yield from getattr(self, f"of_{kind}")(entries)
        else:
            yield "Not run yet."

    def of_checks(self, entries):
        yield from ("| Check | It said | Minutes | On |", "|---|---|---|---|")
        for name, entry in entries.items():
            total = " of ".join(f"{number:,}" for number in entry["numbers"]) or "no fault"
            yield f"| {name} | {total} | {entry['seconds'] / 60:.1f} | {entry['date']} |"

    def of_pages(self, entries):
        ledger, chapters = self.ledger(), pathlib.Path(self.env.srcdir) / "chapters"
        columns = "Page", "Statements", "Tests", "Sabotages", "Checks", "Changes", "Never red", "On"
        yield from (f"| {' | '.join(columns)} |", "|---" * len(columns) + "|")
        for path in sorted(chapters.glob("[0-9]*.ipynb")):
            self.env.note_dependency(str(path))
            claims = [claim for claim in ledger.values() if claim["page"] == path.stem]
            tests = {test for claim in claims for test in claim["tests"]}
            changes = sum(len(claim["sabotage"]) for claim in claims)
            sizes = json.loads(path.read_text("utf-8"))["metadata"].get("sizes", {}).values()
            printed = sum(len(found.split()) for found in sizes)
            held = f"{len(claims)} | {len(tests)} | {changes} | {printed}"
            found = "| |"
            if entry := entries.get(path.stem):
                _, changes, never = entry["numbers"]
                found = f"{changes} | {never} | {entry['date']}"
            yield f"| {link(path.stem)} | {held} | {found} |"

    def of_library(self, entries):
        yield from ("| Module | Changes | Of | Not noticed | On |", "|---|---|---|---|---|")
        for name, entry in entries.items():
            tried, every, alive = entry["numbers"]
            yield f"| `{name}` | {tried} | {every:,} | {alive} | {entry['date']} |"


def keep_proof_targets(_app, doctree):
    """sphinx-proof gives all proofs one id: put the target of `(proof-ID)=` before the proof."""
    for proof in list(doctree.findall(proof_node)):
        names = [name for name in proof["ids"] if name.startswith("proof-")]
        if names:
            proof["ids"] = [name for name in proof["ids"] if name not in names]
            proof.parent.insert(proof.parent.index(proof), nodes.target("", "", ids=names))


def setup(app):
    app.connect("doctree-read", keep_proof_targets)
    app.add_directive("claims", Claims)
    app.add_directive("notation", Notation)
    app.add_directive("crosswalk", Crosswalk)
    app.add_directive("checked", Checked)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
