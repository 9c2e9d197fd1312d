"""The claims ledger: every statement has a proof, a check that ran on its page, and a test."""

import ast
import re
import tomllib

from lint.book import Fault, cells, on, paths, text

FILE = "chapters/claims.toml"
STATEMENT = re.compile(
    r"^:{3,}\{prf:\w+\} ?(.*)\n(?:[ \t]*:(?!label)\S+:.*\n)*[ \t]*:label:[ \t]*claim-(\S+)[ \t]*$",
    re.MULTILINE,
)
PROOF = re.compile(r"^\(proof-([^)\s]+)\)=[ \t]*\n(?:[ \t]*\n)*[:`]{3,}\{prf:proof\}", re.MULTILINE)


def printed(cell):
    """All text that a code cell printed when it was executed."""
    return "".join(
        "".join(out["text"])
        for out in cell.get("outputs", [])
        if out["output_type"] == "stream" and out.get("name") == "stdout"
    )


def checked(source, exercises=False):
    """IDs for which code calls check("ID", …) by any spelling; of exercises or of claims."""
    lines = ["" if line.lstrip()[:1] in ("%", "!") else line for line in source.splitlines()]
    found = set()  # lines for IPython (% and !) are not Python and left out
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            owner = getattr(getattr(node.func, "value", None), "id", "")
            told = name == "check" and (owner == "exercises") == exercises
            if told and isinstance(node.args[0].value, str):
                found.add(node.args[0].value)
    return found


def functions_in(path):
    """Names of the test functions of a file, without importing it."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def read_page(path):
    """What a page states, proves, checks, has checked and has refuted."""
    said = text(path)
    code = [(checked(cell["source"]), printed(cell)) for cell in cells(path, "code")]
    checks = {claim for claims, _ in code for claim in claims}
    ran = {
        claim
        for claims, output in code
        for claim in claims
        if re.search(rf"^{re.escape(claim)} ", output, re.MULTILINE)
    }
    violated = {
        line.split()[0]
        for _, output in code
        for line in output.splitlines()
        if ": violation > " in line
    }
    return {
        "statements": [(claim, title) for title, claim in STATEMENT.findall(said)],
        "proofs": PROOF.findall(said),
        "checks": checks,
        "ran": ran,
        "refuted": violated & checks,
    }


def of_pages(pages, ledger):
    """What pages hold and the ledger does not."""
    home = {}
    for name, page in pages.items():
        for claim, title in page["statements"]:
            if claim in home:
                yield on(name, f"{claim} is stated twice: in {home[claim]} and here")
            home[claim] = name
            if claim not in ledger:
                yield on(name, f"{claim} has no entry in {FILE}")
            if not title.startswith(f"{claim} · "):
                yield on(name, f"the title {title!r} of {claim} does not begin with '{claim} · '")
        for kind in ("checks", "proofs"):
            for claim in sorted(set(page[kind]) - set(ledger)):
                yield on(name, f"its {kind[:-1]} of {claim} belongs to no entry of {FILE}")


def of_entry(claim, entry, page):
    """What the page of an entry lacks."""
    if claim not in {stated for stated, _ in page["statements"]}:
        yield f"has no statement labelled claim-{claim}"
    if claim not in page["proofs"]:
        yield f"has no proof of {claim} behind a target (proof-{claim})="
    if claim not in page["checks"]:
        yield f"no cell calls check({claim!r}, …)"
    elif claim not in page["ran"]:
        yield f"the check of {claim} has not run"
    if entry.get("counterexample") and claim not in page["refuted"]:
        yield f"no cell computes the violation of the counterexample to {claim}"
    if claim in page["refuted"] and not entry.get("counterexample", "").strip():
        yield f"computes a violation of {claim}, of which {FILE} names no counterexample"


def of_sabotage(root, entry):
    """What is wrong with the changes of the library that the tests of an entry are to notice."""
    for change in entry.get("sabotage", []):
        if set(change) != {"what", "file", "old", "new"}:
            yield f"a sabotage has {sorted(change)}; needed: file, new, old, what"
            continue
        source = root / change["file"]
        if not (change["file"].startswith("dpss/") and source.is_file()):
            yield f"there is no file {change['file']!r} of the library to sabotage"
        elif source.read_text(encoding="utf-8").count(change["old"]) != 1:
            yield f"{change['old']!r} does not occur once in {change['file']}"
        elif change["old"] == change["new"]:
            yield f"the sabotage {change['what']!r} changes nothing"


def problems(root):
    """What is wrong with the book's claims; nothing when all is well."""
    try:
        ledger = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [Fault("", FILE, "is missing")]
    except tomllib.TOMLDecodeError as error:  # a repeated [ID] ends here too
        return [Fault("", FILE, str(error))]
    pages = {path.stem: read_page(path) for path in paths(root)}
    found = list(of_pages(pages, ledger))
    for claim, entry in ledger.items():
        name = str(entry.get("page", ""))
        for key in ("title", "page", "covers", "tests", "sabotage"):
            if not entry.get(key) or not str(entry[key]).strip():
                found.append(Fault(name, FILE, f"{claim} has no {key}"))
        if name in pages:
            found += [on(name, what) for what in of_entry(claim, entry, pages[name])]
        else:
            found.append(Fault(name, FILE, f"{claim}: there is no page {name!r}"))
        found += [Fault(name, FILE, f"{claim}: {what}") for what in of_sabotage(root, entry)]
        for test in entry.get("tests", []):
            file, _, function = test.partition("::")
            if not (root / file).is_file():
                found.append(Fault(name, FILE, f"{claim}: there is no test file {file!r}"))
            elif function not in functions_in(root / file):
                found.append(Fault(name, FILE, f"{claim}: {file} has no test {function!r}"))
    return found
