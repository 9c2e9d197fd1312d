"""The checker of the notation registry reads formulas, and sees each fault of a small book."""

import json

import pytest
from lint.notation import formulas, letters, problems


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
REGISTRY = r"""
[[symbol]]
symbol = 'u'
meaning = "image"
page = "01-a"
[[symbol]]
symbol = '\lambda'
meaning = "rate"
page = "01-a"
[[local]]
page = "01-a"
symbols = ["k"]
meaning = "index"
"""


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
        (dict(page=PAGE + " $w$"), "chapters/01-a.ipynb: uses w, which is not registered"),
        (dict(later="$k$"), "chapters/02-b.ipynb: uses k, which is not registered"),
        (
            dict(registry=REGISTRY.replace('"01-a"', '"02-b"', 1), later="$u$"),
            "chapters/01-a.ipynb: uses u before its first page 02-b",
        ),
        (dict(page=r"$\lambda_k$"), "chapters/notation.toml: u: 01-a does not use u"),
        (dict(page=r"$u\lambda$"), "k is local to 01-a, which does not use it"),
        (dict(registry=REGISTRY.replace('"image"', '""')), "u has no meaning"),
        (dict(registry=REGISTRY.replace('"01-a"', '"03-c"', 1)), "u: there is no page '03-c'"),
    ],
)
def test_each_fault_is_seen(changes, expected, tmp_path):
    found = problems(book(tmp_path, **changes))
    assert any(expected in str(fault) for fault in found), found
