"""The notation registry: no page uses a symbol that is not registered, or that is introduced on a later page.

A symbol is a letter, a Greek letter, a decorated alphabet (`\\mathcal N`, `\\mathbb R`) or a name (`\\mathrm{KL}`, `\\operatorname{Cov}`).
An entry of chapters/notation.toml registers all letters in its TeX from its page on, `[[common]]` for all pages, `[[local]]` for one page.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho sigma varsigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega nabla ell hbar Re Im aleph"
).split()
NAMED = r"\\(?:mathrm|operatorname\*?|mathit|mathsf)\s*\{((?:[^{}\\]|\\[,;: ])*)\}"
STYLED = r"\\(mathcal|mathbb|mathbf|mathfrak)\s*(?:\{\s*([A-Za-z])\s*\}|([A-Za-z]))"
ORDINARY = {
    "d",
    "e",
    "T",
}  # \mathrm{d}, \mathrm{e}, \mathrm{T}: differential, Euler's number, transposition
MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$((?:[^$\\]|\\.)+?)\$", re.DOTALL)


def letters(tex):
    """The symbols of a formula."""
    found = set()

    def named(match):
        name = re.sub(r"\\[,;: ]|\s", "", match[1])
        if name not in ORDINARY:
            found.add(name)
        return " "

    def styled(match):
        found.add(f"{match[1][4:]} {match[2] or match[3]}")
        return " "

    tex = re.sub(
        r"\\(?:text|label|begin|end|tag|eqref|ref|mbox|textbf|textit)\s*\{[^{}]*\}(?:\{[lcr|]+\})?",
        " ",
        tex,
    )
    tex = re.sub(STYLED, styled, re.sub(NAMED, named, tex))
    for command in re.findall(r"\\([A-Za-z]+)", tex):
        if command in GREEK:
            found.add("\\" + command)
    return found | set(re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", tex)))


def formulas(text):
    """The formulas of a page in MyST, code blocks and spans left out."""
    text = re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", " ", text)
    return [display or inline for display, inline in MATH.findall(text)]


def symbols_of(page):
    """Symbol -> a formula in which it is used first."""
    found = {}
    for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            for formula in formulas("".join(cell["source"])):
                for letter in letters(formula):
                    found.setdefault(letter, " ".join(formula.split()))
    return found


def problems(root):
    """What is wrong with symbols and registry: a list of sentences, empty when all is well."""
    registry = tomllib.loads((root / "chapters" / "notation.toml").read_text(encoding="utf-8"))
    pages = {page.stem: symbols_of(page) for page in sorted((root / "chapters").glob("*.ipynb"))}
    order = sorted(
        pages, key=lambda name: name if name[0].isdigit() else "00"
    )  # the preface comes first
    since, local, found = {}, {}, []
    for entry in registry.get("symbol", []):
        page = entry["page"]
        if page not in pages:
            found.append(f"{entry['symbol']}: there is no page {page!r}")
            continue
        for letter in letters(entry["symbol"]):
            since[letter] = min(since.get(letter, page), page)
            if letter not in pages[page]:
                found.append(f"{entry['symbol']}: page {page} does not use {letter}")
        for field in ("meaning",):
            if not entry.get(field, "").strip():
                found.append(f"{entry['symbol']}: has no {field}")
    for entry in registry.get("common", []):
        since.update({letter: order[0] for tex in entry["symbols"] for letter in letters(tex)})
    for entry in registry.get("local", []):
        page = entry["page"]
        for tex in entry["symbols"]:
            for letter in letters(tex):
                if (page, letter) in local:
                    found.append(f"{letter} is local to {page} twice")
                local[page, letter] = entry.get("meaning", "")
                if letter not in pages.get(page, {}):
                    found.append(f"{letter} is local to {page}, which does not use it")
        if not entry.get("meaning", "").strip():
            found.append(f"{entry['symbols']} on {page}: has no meaning")
    for page in order:
        for letter, formula in sorted(pages[page].items()):
            if (page, letter) in local:
                continue
            if letter not in since:
                found.append(f"{page} uses {letter}, which is not registered: ${formula[:60]}$")
            elif order.index(since[letter]) > order.index(page):
                found.append(
                    f"{page} uses {letter} before its first page {since[letter]}: ${formula[:60]}$"
                )
    return found


def test_every_symbol_is_registered_and_introduced_before_it_is_used():
    assert problems(ROOT) == []


# --- the checker itself ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tex, expected",
    [
        (r"\alpha_{t|s}u", {r"\alpha", "t", "s", "u"}),
        (r"\frac{\mathrm{d}}{\mathrm dt}\mathrm{KL}(p\|q)", {"t", "KL", "p", "q"}),
        (r"\mathcal N(0,I)\in\mathbb{R}^n", {"cal N", "I", "bb R", "n"}),
        (r"\operatorname{tr}\operatorname{Cov}U", {"tr", "Cov", "U"}),
        (r"\begin{aligned}a&=\sin x\text{ if }b\end{aligned}", {"a", "x", "b"}),
        (r"\hat p\le\tilde\varphi", {"p", r"\varphi"}),
        (r"e^{-\lambda t}\log\max", {"e", r"\lambda", "t"}),
    ],
)
def test_letters_of_a_formula(tex, expected):
    assert letters(tex) - {"d"} == expected


def test_formulas_are_found_outside_code():
    text = "A $x+1$ and `$y$`, costs \\$5 and\n\n$$\na\n$$ (eq-1)\n\nthen ``$z$`` and $b$."
    assert formulas(text) == ["x+1", "\na\n", "b"]


PAGE = r"Let $u$ be an image and $\lambda_k$ a number."
REGISTRY = (
    '[[symbol]]\nsymbol = \'u\'\nmeaning = "image"\npage = "01-a"\n[[symbol]]\nsymbol = \'\\lambda\'\nmeaning = "rate"\npage = "01-a"\n'
    '[[local]]\npage = "01-a"\nsymbols = ["k"]\nmeaning = "index"\n'
)


def book(root, registry=REGISTRY, page=PAGE, later=""):
    (root / "chapters").mkdir()
    for name, text in (("01-a", page), ("02-b", later)):
        cells = [
            {"cell_type": "markdown", "source": [text]},
            {"cell_type": "code", "source": ["x = '$q$'"]},
        ]
        (root / "chapters" / f"{name}.ipynb").write_text(
            json.dumps({"cells": cells}), encoding="utf-8"
        )
    (root / "chapters" / "notation.toml").write_text(registry, encoding="utf-8")
    return root


def test_a_complete_registry_has_no_problems(tmp_path):
    assert problems(book(tmp_path, later=r"$\lambda u$")) == []


@pytest.mark.parametrize(
    "changes, expected",
    [
        (dict(page=PAGE + " $w$"), "01-a uses w, which is not registered"),
        (dict(later="$k$"), "02-b uses k, which is not registered"),
        (
            dict(registry=REGISTRY.replace('"01-a"', '"02-b"', 1), later="$u$"),
            "01-a uses u before its first page 02-b",
        ),
        (dict(page=r"$\lambda_k$"), "u: page 01-a does not use u"),
        (dict(page=r"$u\lambda$"), "k is local to 01-a, which does not use it"),
        (dict(registry=REGISTRY.replace('"image"', '""')), "u: has no meaning"),
        (dict(registry=REGISTRY.replace('"01-a"', '"03-c"', 1)), "u: there is no page '03-c'"),
    ],
)
def test_each_fault_is_seen(changes, expected, tmp_path):
    found = problems(book(tmp_path, **changes))
    assert any(expected in sentence for sentence in found), found
