"""The checker of the pages sees each part that a small complete page lacks."""

import json

import pytest
from lint import __main__ as lint
from lint.pages import problems


def exercise(n, kind, code=""):
    text = (
        f"::::{{exercise}} Title ({kind})\n:label: ex-09-{n}\n\nDo it.\n\n"
        ":::{dropdown} Hint 1\nOne.\n:::\n:::{dropdown} Hint 2\nTwo.\n:::\n::::\n\n"
        f":::{{solution}} ex-09-{n}\n:class: dropdown\n\nSo.\n:::"
    )
    return [("markdown", text)] + ([("code", code)] if code else [])


def stated(*claims):
    return "\n".join(f"\n:::{{prf:theorem}} {c} · T\n:label: claim-{c}\n:::" for c in claims)


def page():
    aims = "\n".join(f"{n}. Learn ({{ref}}`exercise {n} <ex-09-{n}>`)." for n in (1, 2, 3))
    cells = [
        (
            "markdown",
            f"# Title\n\n:::{{admonition}} What you will learn\n:class: tip\n{aims}\n:::\n\n"
            ":::{admonition} Before you start\nx\n:::",
        ),
        ("markdown", "Guess."),
        ("code", "figures.explore(figure_of, t=[0.0])"),
        ("markdown", ":::{container} dpss-caption\n**Seen.** It.\n:::"),
        *exercise(1, "by hand"),
        *exercise(2, "by code", 'dpss.check("A1", "x", 0, below=1)'),
        *exercise(3, "open"),
        *exercise(4, "by hand"),
        *exercise(5, "by hand, then by code", 'dpss.check("A1", "x", 0, below=1)'),
        ("markdown", "## Main take-away\n\nOne.\n\n## To go further\n\nRead {cite}`peter2024`."),
    ]
    return [{"cell_type": kind, "source": [source]} for kind, source in cells]


def book(root, cells, name="09-a", contents="root: chapters/09-a\n"):
    (root / "chapters").mkdir()
    (root / "chapters" / f"{name}.ipynb").write_text(json.dumps({"cells": cells}), "utf-8")
    (root / "_toc.yml").write_text(contents, "utf-8")
    return root


def test_a_complete_page_has_no_problems(tmp_path):
    assert problems(book(tmp_path, page())) == []


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("metadata", {"tags": ["hide-cell"]}, "is folded; needed: the tag hide-input"),
        ("outputs", [{"data": {"text/plain": ["Text(0, 1)"]}}], "what a plotting function returns"),
    ],
)
def test_what_is_wrong_with_the_cell_of_a_figure(key, value, expected, tmp_path):
    cells = page()
    cells[2][key] = value
    (found,) = problems(book(tmp_path, cells))
    assert expected in found.what


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("What you will learn", "Aims", "What you will learn"),
        ("Before you start", "Needs", "Before you start"),
        ("dpss-caption", "figure", "dpss-caption"),
        ("## Main take-away", "## End", "Main take-away"),
        ("## To go further", "## More", "To go further"),
        ("<ex-09-3>", "<ex-09-8>", "is taken up by no exercise"),
        ("figures.explore(", "figures.show(", "no interactive figure"),
        ("(open)", "(by hand)", "no exercise 'open'"),
        ("Title (by hand)\n:label: ex-09-4", "Title\n:label: ex-09-4", "ex-09-4 does not say"),
        ("Hint 2", "Hint", "no hints in stages"),
        ("{solution} ex-09-3", "{solution} ex-09-9", "ex-09-3 has no folded solution"),
        ("dpss.check", "compute", "no cell after its solution checks it"),
        ("Do it.", "Reading takes 5 minutes.", "states a time"),
        ("# Title", "Title", "does not begin with its title"),
        ("One.\n\n", "# One\n\n", "or has a second one"),
        ("Read {cite}`peter2024`.", "Read.", "cites nothing"),
        ("ex-09-4", "ex-09-7", "ex-09-7 is exercise 4; needed: the label ex-09-4"),
        (":::{admonition} Before", "```{admonition} Before", "fenced by colons"),
        ("{cite}`peter2024`", "Theorem 2 of {cite}`peter2024`", "numbering of the paper"),
        ("{cite}`peter2024`", "{cite:t}`peter2024`, Section 4", "numbering of the paper"),
        ("figures.explore(", "\n" * 20 + "figures.explore(", "lines; needed"),
        ("t=[0.0])", "t=[0.0])" + " " * 60 + "# all", "columns; needed: 80"),
        ("Guess.", "Guess. " * 8000, "words; needed: at most 8000"),
        ("Guess.", "\n:::{prf:definition} D\n:label: def-a\n:::", "needed: def-09-…"),
        ("Guess.", "\n:::{prf:definition} D\n\nText.\n:::", "has no label"),
        ("Guess.", "\n:::{prf:lemma} L\n:label: lemma-1\n:::", "is not in the ledger"),
        ("Guess.", "\n:::{prf:proof}\n:class: dropdown\n\nSo.\n:::", "folds a proof by its class"),
        ("figures.explore(figure_of, t=[0.0])", "pass", "does not follow its figure"),
        ("Guess.", stated("A2", "A1"), "states A1 after A2"),
        ("Guess.", stated("A1b", "A1a"), "states A1a after A1b"),
        ("Guess.", stated(*(f"A{n}" for n in range(11))), "has 11 statements"),
    ],
)
def test_each_fault_is_seen(old, new, expected, tmp_path):
    cells = page()
    assert any(old in cell["source"][0] for cell in cells)
    for cell in cells:
        cell["source"] = [cell["source"][0].replace(old, new)]
    found = [str(fault) for fault in problems(book(tmp_path, cells))]
    assert any(f.startswith("chapters/09-a.ipynb: ") and expected in f for f in found), found


@pytest.mark.parametrize(
    "contents, name, expected",
    [
        ("root: chapters/index\n", "09-a", "_toc.yml: lists []"),
        ("root: chapters/09-a\n  - file: chapters/10-b\n", "09-a", "_toc.yml: lists ['09-a', '10-"),
        ("root: chapters/9-a\n", "9-a", "is not called by two digits and words"),
    ],
)
def test_names_and_contents_are_checked(contents, name, expected, tmp_path):
    found = problems(book(tmp_path, page(), name, contents))
    assert any(expected in str(fault) for fault in found), found


def test_the_linter_tells_of_all_pages_or_of_one(tmp_path, monkeypatch, capsys):
    cells = page()
    cells[0]["source"] = ["Nothing."]
    monkeypatch.setattr(lint, "ROOT", book(tmp_path, cells))
    monkeypatch.setattr(lint, "CHECKERS", [lint.pages])
    monkeypatch.setattr(lint, "RUFF", [])
    assert lint.main() == 1 and "chapters/09-a.ipynb: does not begin" in capsys.readouterr().out
    (tmp_path / "chapters" / "08-b.ipynb").write_text(json.dumps({"cells": page()}), "utf-8")
    (tmp_path / "_toc.yml").write_text("root: chapters/08-b\n  - file: chapters/09-a\n", "utf-8")
    assert lint.main("09") == 1 and "09-a" in capsys.readouterr().out
    assert lint.main("08") == 1 and "09-a" not in capsys.readouterr().out  # labels are ex-09-*
    assert lint.main("07") == 1 and "no page 07" in capsys.readouterr().out
