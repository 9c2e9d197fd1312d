"""The claims ledger: every numbered statement has a proof, a check that ran on its page, and a test.

`problems` reads chapters/claims.toml, the notebooks and the test files and lists what is missing; the tests
below feed it small broken books, one fault at a time, to make sure that each fault is seen.
"""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LABEL = re.compile(r"^\s*:label:\s*claim-(\S+)\s*$", re.MULTILINE)
PROOF = re.compile(r"^\(proof-([^)\s]+)\)=[ \t]*\n(?:[ \t]*\n)*[:`]{3,}\{prf:proof\}", re.MULTILINE)


def cells(page, kind):
    return [
        cell
        for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == kind
    ]


def source(cell):
    return "".join(cell["source"])


def printed(cell):
    """All text that a code cell printed when it was executed."""
    return "".join(
        "".join(out["text"])
        for out in cell.get("outputs", [])
        if out["output_type"] == "stream" and out.get("name") == "stdout"
    )


def tree(cell):
    """The cell's syntax tree; lines for IPython (% and !) are not Python and left out."""
    return ast.parse(
        "\n".join(
            "" if line.lstrip()[:1] in ("%", "!") else line for line in source(cell).splitlines()
        )
    )


def checked(cell):
    """IDs for which the cell calls check("ID", …), by any spelling: check, dpss.check, claims.check."""
    found = set()
    for node in ast.walk(tree(cell)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            if name == "check" and isinstance(node.args[0].value, str):
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


def read_page(page):
    text = "\n\n".join(source(cell) for cell in cells(page, "markdown"))
    code = [(checked(cell), printed(cell)) for cell in cells(page, "code")]
    checks = set().union(*(ids for ids, _ in code)) if code else set()
    ran = {
        claim
        for ids, output in code
        for claim in ids
        if re.search(rf"^{re.escape(claim)} ", output, re.MULTILINE)
    }
    seen = {
        line.split()[0]
        for _, output in code
        for line in output.splitlines()
        if ": violation > " in line
    }
    return {
        "labels": LABEL.findall(text),
        "proofs": PROOF.findall(text),
        "checks": checks,
        "ran": ran,
        "refuted": seen & checks,
    }


def problems(root):
    """What is wrong with the book's claims: a list of sentences, empty when all is well."""
    found = []
    try:
        ledger = tomllib.loads((root / "chapters" / "claims.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ["chapters/claims.toml is missing"]
    except tomllib.TOMLDecodeError as error:  # a repeated [ID] ends here too
        return [f"chapters/claims.toml: {error}"]
    pages = {page.stem: read_page(page) for page in sorted((root / "chapters").glob("*.ipynb"))}

    home = {}
    for name, page in pages.items():
        for claim in page["labels"]:
            if claim in home:
                found.append(f"claim {claim} is stated twice: in {home[claim]} and in {name}")
            home[claim] = name
            if claim not in ledger:
                found.append(f"claim {claim} in {name} has no entry in the ledger")
        for claim in sorted(page["checks"] - set(ledger)):
            found.append(f"check {claim} in {name} belongs to no entry of the ledger")
        for claim in page["proofs"]:
            if claim not in ledger:
                found.append(f"proof {claim} in {name} belongs to no entry of the ledger")

    for claim, entry in ledger.items():
        for key in ("title", "page", "covers", "test"):
            if not str(entry.get(key, "")).strip():
                found.append(f"entry {claim} has no {key}")
        page = pages.get(entry.get("page"))
        if page is None:
            found.append(f"entry {claim}: there is no page {entry.get('page')!r}")
        else:
            where = entry["page"]
            if claim not in page["labels"]:
                found.append(f"entry {claim}: {where} has no statement labelled claim-{claim}")
            if claim not in page["proofs"]:
                found.append(
                    f"entry {claim}: {where} has no proof behind a target (proof-{claim})="
                )
            if claim not in page["checks"]:
                found.append(f"entry {claim}: no cell of {where} calls check({claim!r}, …)")
            elif claim not in page["ran"]:
                found.append(f"entry {claim}: the check in {where} has not run")
            if entry.get("counterexample") and claim not in page["refuted"]:
                found.append(
                    f"entry {claim}: no cell of {where} computes the violation of its counterexample"
                )
            if claim in page["refuted"] and not entry.get("counterexample", "").strip():
                found.append(
                    f"entry {claim}: {where} computes a violation, but no counterexample is named"
                )
        file, _, function = entry.get("test", "").partition("::")
        path = root / file
        if not (file and path.is_file()):
            found.append(f"entry {claim}: test file {file!r} does not exist")
        elif function not in functions_in(path):
            found.append(f"entry {claim}: {file} has no test {function!r}")
    return found


def test_every_claim_of_the_book_has_a_proof_a_check_that_ran_and_a_test():
    assert problems(ROOT) == []


def test_the_ledger_holds_the_claims_of_the_finished_pages():
    """Statements cannot vanish from page and ledger together."""
    ledger = tomllib.loads((ROOT / "chapters" / "claims.toml").read_text(encoding="utf-8"))
    expected = [f"I{k}" for k in range(1, 5)] + [f"S{k}" for k in range(1, 7)]
    expected += [f"O{k}" for k in range(1, 11)] + [f"V{k}" for k in range(1, 10)]
    expected += [f"E{k}" for k in range(1, 9)]
    assert [claim for claim in expected if claim not in ledger] == []


# --- the checker itself -------------------------------------------------------------------------------------------

STATEMENT = ":::{prf:proposition} Mean\n:label: claim-X1\n\nThe mean is kept.\n:::"
PROOF_TEXT = "(proof-X1)=\n:::{prf:proof}\nSum over the pixels.\n:::"
CODE = 'import dpss\ndpss.check("X1", "mean is kept", 1e-16, below=1e-12)'
OUTPUT = "X1  mean is kept: defect < 1e-12\n"
ENTRY = (
    '[X1]\ntitle = "Mean"\npage = "01-tiny"\ncovers = "5"\ntest = "tests/test_tiny.py::test_mean"\n'
)


def book(
    root,
    statement=STATEMENT,
    proof=PROOF_TEXT,
    code=CODE,
    output=OUTPUT,
    ledger=ENTRY,
    tests="def test_mean():\n    pass\n",
):
    """A book of one page and one claim, with parts exchanged."""
    stream = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    page = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": statement},
            {"cell_type": "markdown", "id": "b", "metadata": {}, "source": proof},
            {
                "cell_type": "code",
                "id": "c",
                "metadata": {},
                "execution_count": 1,
                "source": code,
                "outputs": stream,
            },
        ],
    }
    (root / "chapters").mkdir()
    (root / "tests").mkdir()
    (root / "chapters" / "01-tiny.ipynb").write_text(json.dumps(page), encoding="utf-8")
    if ledger is not None:
        (root / "chapters" / "claims.toml").write_text(ledger, encoding="utf-8")
    (root / "tests" / "test_tiny.py").write_text(tests, encoding="utf-8")
    return root


def test_a_complete_book_has_no_problems(tmp_path):
    assert problems(book(tmp_path)) == []


def test_lists_of_lines_magics_and_other_spellings_are_understood(tmp_path):
    code = '%matplotlib inline\nfrom dpss import check\nfor _ in range(2):\n    check("X1", "mean is kept", 0.0, below=1e-12)'
    root = book(
        tmp_path,
        code=code.splitlines(keepends=True),
        output=["X0 x\n", "X1  mean is kept: defect < 1e-12\n"],
    )
    assert problems(root) == []


FAULTS = {
    "no ledger": (dict(ledger=None), "chapters/claims.toml is missing"),
    "no entry": (dict(ledger=""), "claim X1 in 01-tiny has no entry"),
    "check without entry": (
        dict(ledger="", statement="", proof=""),
        "check X1 in 01-tiny belongs to no entry",
    ),
    "proof without entry": (
        dict(ledger="", statement="", code=""),
        "proof X1 in 01-tiny belongs to no entry",
    ),
    "entry twice": (dict(ledger=ENTRY + ENTRY), "chapters/claims.toml"),
    "stated twice": (dict(statement=STATEMENT + "\n\n" + STATEMENT), "claim X1 is stated twice"),
    "no statement": (dict(statement="The mean is kept."), "has no statement labelled claim-X1"),
    "another label": (
        dict(statement=STATEMENT.replace("claim-X1", "claim-X10")),
        "has no statement labelled claim-X1",
    ),
    "no proof": (dict(proof=""), "has no proof behind a target"),
    "proof without target": (
        dict(proof=PROOF_TEXT.replace("(proof-X1)=\n", "")),
        "has no proof behind a target",
    ),
    "target without proof": (
        dict(proof="(proof-X1)=\nIt is clear."),
        "has no proof behind a target",
    ),
    "target before something else": (
        dict(proof=PROOF_TEXT.replace("prf:proof", "note")),
        "has no proof behind a target",
    ),
    "text between target and proof": (
        dict(proof=PROOF_TEXT.replace(")=\n", ")=\nNow.\n")),
        "has no proof behind a target",
    ),
    "no check": (dict(code="1 + 1", output=""), "no cell of 01-tiny calls check"),
    "check in a comment": (
        dict(code='# check("X1", "mean", 0, below=1)'),
        "no cell of 01-tiny calls check",
    ),
    "check in a string": (dict(code="'check(\"X1\")'"), "no cell of 01-tiny calls check"),
    "check of another claim": (
        dict(code=CODE.replace("X1", "X2")),
        "no cell of 01-tiny calls check",
    ),
    "check never run": (dict(output=""), "has not run"),
    "check printed another claim": (dict(output="X10 mean: defect < 1\n"), "has not run"),
    "check mentioned, not printed": (dict(output="see X1 above\n"), "has not run"),
    "counterexample only told": (
        dict(ledger=ENTRY + 'counterexample = "Shift."\n'),
        "computes the violation of its counterexample",
    ),
    "violation without a name": (
        dict(output=OUTPUT + "X1  shifted: violation > 1\n"),
        "no counterexample is named",
    ),
    "no such page": (
        dict(ledger=ENTRY.replace("01-tiny", "02-tiny")),
        "there is no page '02-tiny'",
    ),
    "no title": (dict(ledger=ENTRY.replace('"Mean"', '" "')), "entry X1 has no title"),
    "no page": (dict(ledger=ENTRY.replace('page = "01-tiny"\n', "")), "entry X1 has no page"),
    "covers nothing": (dict(ledger=ENTRY.replace('covers = "5"\n', "")), "entry X1 has no covers"),
    "no test": (dict(ledger=ENTRY.replace("test = ", "tset = ")), "entry X1 has no test"),
    "no test file": (
        dict(ledger=ENTRY.replace("test_tiny.py", "test_huge.py")),
        "test file 'tests/test_huge.py' does not exist",
    ),
    "no test function": (dict(tests="def test_other():\n    pass\n"), "has no test 'test_mean'"),
    "test commented out": (dict(tests="# def test_mean():\n"), "has no test 'test_mean'"),
    "test only a variable": (dict(tests="test_mean = None\n"), "has no test 'test_mean'"),
    "test inside a function": (
        dict(tests="def helper():\n    def test_mean():\n        pass\n"),
        "has no test 'test_mean'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_seen(fault, tmp_path):
    changes, expected = FAULTS[fault]
    found = problems(book(tmp_path, **changes))
    assert any(expected in sentence for sentence in found), found


def test_a_claim_stated_on_two_pages_is_seen(tmp_path):
    root = book(tmp_path)
    text = (root / "chapters" / "01-tiny.ipynb").read_text(encoding="utf-8")
    (root / "chapters" / "02-copy.ipynb").write_text(text, encoding="utf-8")
    assert any("stated twice: in 01-tiny and in 02-copy" in sentence for sentence in problems(root))


# --- dpss.check, which prints what the pages show -----------------------------------------------------------------


def test_check_prints_the_bound_and_not_the_digits(capsys):
    import dpss

    dpss.check("X1", "mean is kept", 3.217e-16, below=1e-12)
    out = capsys.readouterr().out
    assert re.match(r"^X1 +mean is kept: defect < 1e-12\n$", out) and "3.217" not in out
    dpss.check("X1", "all means are kept", [[-1e-14, 2e-14], [0, 1e-15]], below=1e-12)
    assert "all means are kept: defect < 1e-12" in capsys.readouterr().out
    dpss.check("X2", "a negative value appears", 0.2, above=0.01)
    assert re.match(r"^X2 +a negative value appears: violation > 0.01\n$", capsys.readouterr().out)


@pytest.mark.parametrize(
    "value, bounds",
    [
        (1e-11, {"below": 1e-12}),
        (1e-12, {"below": 1e-12}),
        (-1e-3, {"below": 1e-12}),
        ([0.0, -0.5], {"below": 0.1}),
        (float("nan"), {"below": 1e-12}),
        (float("inf"), {"below": 1e-12}),
        (float("nan"), {"above": 0.01}),
        (0.009, {"above": 0.01}),
        (0.01, {"above": 0.01}),
    ],
)
def test_check_raises_when_the_bound_is_missed(value, bounds, capsys):
    import dpss

    with pytest.raises(AssertionError, match="X1"):
        dpss.check("X1", "mean is kept", value, **bounds)
    assert "<" not in capsys.readouterr().out  # nothing that a reader could take for success


def test_check_takes_tensors(capsys):
    import torch

    import dpss

    dpss.check("X1", "mean is kept", torch.tensor([1e-14, -1e-14]), below=1e-12)
    with pytest.raises(AssertionError):
        dpss.check("X1", "mean is kept", torch.tensor([0.0, float("nan")]), below=1e-12)
