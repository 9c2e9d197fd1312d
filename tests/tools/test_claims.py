"""The ledger keeps its claims; its checker sees each fault of small broken books."""

import json
import tomllib
from pathlib import Path

import pytest
from lint.claims import problems

ROOT = Path(__file__).resolve().parents[2]


def test_the_ledger_holds_the_claims_of_the_finished_pages():
    """Statements cannot vanish from page and ledger together."""
    ledger = tomllib.loads((ROOT / "chapters" / "claims.toml").read_text(encoding="utf-8"))
    counts = dict(I=5, S=17, O=10, V=9, E=8, H=9, D=6, N=14, L=4, R=7, T=6, B=3)
    expected = [f"{letter}{k}" for letter, count in counts.items() for k in range(1, count + 1)]
    expected += "F1 F2 F3a F3b F3c F3d F3e F4 F5 F6".split()
    expected += [f"B6{letter}" for letter in "abcdefghij"] + [f"B7{letter}" for letter in "abcde"]
    expected += "B4a B4b B4c B4d B4e B4f B5".split()
    expected += [f"X1{letter}" for letter in "abcdef"]
    assert sorted(ledger) == sorted(expected)


STATEMENT = ":::{prf:proposition} X1 · Mean\n:label: claim-X1\n\nThe mean is kept.\n:::"
PROOF_TEXT = "(proof-X1)=\n:::{prf:proof}\nSum over the pixels.\n:::"
CODE = 'import dpss\ndpss.check("X1", "mean is kept", 1e-16, below=1e-12)'
OUTPUT = "X1  mean is kept: defect < 1e-12\n"
ENTRY = """[X1]
title = "Mean"
page = "01-tiny"
covers = "5"
tests = ["tests/test_tiny.py::test_mean"]
sabotage = [
    { what = "half", file = "dpss/tiny.py", old = "1 / n", new = "2 / n" },
]
"""


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
    (root / "dpss").mkdir()
    (root / "dpss" / "tiny.py").write_text("mean = 1 / n * total\nboth = total\n", "utf-8")
    (root / "chapters" / "01-tiny.ipynb").write_text(json.dumps(page), encoding="utf-8")
    if ledger is not None:
        (root / "chapters" / "claims.toml").write_text(ledger, encoding="utf-8")
    (root / "tests" / "test_tiny.py").write_text(tests, encoding="utf-8")
    return root


def test_a_complete_book_has_no_problems(tmp_path):
    assert problems(book(tmp_path)) == []


def test_lists_of_lines_magics_and_other_spellings_are_understood(tmp_path):
    code = """%matplotlib inline
from dpss import check
for _ in range(2):
    check("X1", "mean is kept", 0.0, below=1e-12)"""
    root = book(
        tmp_path,
        code=code.splitlines(keepends=True),
        output=["X0 x\n", "X1  mean is kept: defect < 1e-12\n"],
    )
    assert problems(root) == []


FAULTS = {
    "no ledger": (dict(ledger=None), "chapters/claims.toml: is missing"),
    "no entry": (
        dict(ledger=""),
        "chapters/01-tiny.ipynb: X1 has no entry in chapters/claims.toml",
    ),
    "check without entry": (
        dict(ledger="", statement="", proof=""),
        "01-tiny.ipynb: its check of X1 belongs to no entry",
    ),
    "proof without entry": (
        dict(ledger="", statement="", code=""),
        "01-tiny.ipynb: its proof of X1 belongs to no entry",
    ),
    "entry twice": (dict(ledger=ENTRY + ENTRY), "chapters/claims.toml"),
    "stated twice": (dict(statement=STATEMENT + "\n\n" + STATEMENT), "X1 is stated twice"),
    "no statement": (dict(statement="The mean is kept."), "has no statement labelled claim-X1"),
    "statement without its identifier": (
        dict(statement=STATEMENT.replace("X1 · ", "")),
        "the title 'Mean' of X1 does not begin with 'X1 · '",
    ),
    "label on something else": (
        dict(statement=STATEMENT.replace("prf:proposition", "note")),
        "has no statement labelled claim-X1",
    ),
    "another label": (
        dict(statement=STATEMENT.replace("claim-X1", "claim-X10")),
        "has no statement labelled claim-X1",
    ),
    "no proof": (dict(proof=""), "has no proof of X1 behind a target"),
    "proof without target": (
        dict(proof=PROOF_TEXT.replace("(proof-X1)=\n", "")),
        "has no proof of X1 behind a target",
    ),
    "target without proof": (
        dict(proof="(proof-X1)=\nIt is clear."),
        "has no proof of X1 behind a target",
    ),
    "target before something else": (
        dict(proof=PROOF_TEXT.replace("prf:proof", "note")),
        "has no proof of X1 behind a target",
    ),
    "text between target and proof": (
        dict(proof=PROOF_TEXT.replace(")=\n", ")=\nNow.\n")),
        "has no proof of X1 behind a target",
    ),
    "no check": (dict(code="1 + 1", output=""), "01-tiny.ipynb: no cell calls check"),
    "check in a comment": (
        dict(code='# check("X1", "mean", 0, below=1)'),
        "01-tiny.ipynb: no cell calls check",
    ),
    "check in a string": (dict(code="'check(\"X1\")'"), "01-tiny.ipynb: no cell calls check"),
    "check of another claim": (
        dict(code=CODE.replace("X1", "X2")),
        "01-tiny.ipynb: no cell calls check",
    ),
    "check never run": (dict(output=""), "the check of X1 has not run"),
    "check printed another claim": (
        dict(output="X10 mean: defect < 1\n"),
        "the check of X1 has not run",
    ),
    "check mentioned, not printed": (dict(output="see X1 above\n"), "the check of X1 has not run"),
    "counterexample only told": (
        dict(ledger=ENTRY + 'counterexample = "Shift."\n'),
        "computes the violation of the counterexample to X1",
    ),
    "violation without a name": (
        dict(output=OUTPUT + "X1  shifted: violation > 1\n"),
        "names no counterexample",
    ),
    "no such page": (
        dict(ledger=ENTRY.replace("01-tiny", "02-tiny")),
        "there is no page '02-tiny'",
    ),
    "no title": (dict(ledger=ENTRY.replace('"Mean"', '" "')), "claims.toml: X1 has no title"),
    "no page": (dict(ledger=ENTRY.replace('page = "01-tiny"\n', "")), "X1 has no page"),
    "covers nothing": (dict(ledger=ENTRY.replace('covers = "5"\n', "")), "X1 has no covers"),
    "no test": (dict(ledger=ENTRY.replace("tests = ", "tset = ")), "X1 has no tests"),
    "no sabotage": (dict(ledger=ENTRY.partition("sabotage")[0]), "X1 has no sabotage"),
    "sabotage without words": (
        dict(ledger=ENTRY.replace('what = "half", ', "")),
        "a sabotage has ['file', 'new', 'old']",
    ),
    "sabotage of a test": (
        dict(ledger=ENTRY.replace("dpss/tiny.py", "tests/test_tiny.py")),
        "there is no file 'tests/test_tiny.py' of the library",
    ),
    "sabotage of what is not there": (
        dict(ledger=ENTRY.replace("1 / n", "1 / m")),
        "'1 / m' does not occur once in dpss/tiny.py",
    ),
    "sabotage of what is there twice": (
        dict(ledger=ENTRY.replace("1 / n", "total")),
        "'total' does not occur once in dpss/tiny.py",
    ),
    "sabotage that changes nothing": (
        dict(ledger=ENTRY.replace("2 / n", "1 / n")),
        "the sabotage 'half' changes nothing",
    ),
    "no test file": (
        dict(ledger=ENTRY.replace("test_tiny.py", "test_huge.py")),
        "there is no test file 'tests/test_huge.py'",
    ),
    "no test function": (dict(tests="def test_other():\n    pass\n"), "has no test 'test_mean'"),
    "test commented out": (dict(tests="# def test_mean():\n"), "has no test 'test_mean'"),
    "test only a variable": (dict(tests="test_mean = None\n"), "has no test 'test_mean'"),
    "test inside a function": (
        dict(tests="def helper():\n    def test_mean():\n        pass\n"),
        "has no test 'test_mean'",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_seen(name, tmp_path):
    changes, expected = FAULTS[name]
    found = problems(book(tmp_path, **changes))
    assert any(expected in str(fault) for fault in found), found


def test_a_claim_stated_on_two_pages_is_seen(tmp_path):
    root = book(tmp_path)
    text = (root / "chapters" / "01-tiny.ipynb").read_text(encoding="utf-8")
    (root / "chapters" / "02-copy.ipynb").write_text(text, encoding="utf-8")
    found = [str(fault) for fault in problems(root)]
    assert "chapters/02-copy.ipynb: X1 is stated twice: in 01-tiny and here" in found
