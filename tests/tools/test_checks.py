"""The rules for what checks print: tight bounds, sizes beside them, not too many."""

import pytest
from lint.checks import of_page


def page(*checks, sizes=None):
    """A page of one cell that printed (kind, bound) for each check, whose sizes were kept."""
    text = "".join(f"A1  words: and more: {kind} {bound}\n" for kind, bound, _ in checks)
    kept = sizes or " ".join(size for *_, size in checks)
    output = [{"output_type": "stream", "name": "stdout", "text": text}]
    cell = {"cell_type": "code", "id": "a", "source": "", "outputs": output}
    return {"metadata": {"sizes": {"a": kept} if kept else {}}, "cells": [cell]}


@pytest.mark.parametrize(
    "kind, bound, size, tight",
    [
        ("defect <", "1e-3", "2e-4", True),
        ("defect <", "1e-3", "9e-5", False),
        ("defect <", "1e-9", "0", True),
        ("defect <", "1e-12", "0", True),
        ("defect <", "1e-8", "0", False),
        ("defect <", "1", "0", False),
        ("violation >", "0.5", "0.9", True),
        ("violation >", "0.5", "1.1", False),
    ],
)
def test_a_loose_bound_is_seen(kind, bound, size, tight):
    found = list(of_page(page((kind, bound, size))))
    assert found == [] if tight else "is loose" in found[0]


def test_checks_without_sizes_and_too_many_are_seen():
    one = ("defect <", "1e-9", "0")
    assert list(of_page(page(*[one] * 45))) == []
    assert "prints 46 checks" in list(of_page(page(*[one] * 46)))[0]
    assert "prints 2 checks, 1 sizes" in list(of_page(page(one, one, sizes="0")))[0]
    assert "prints 0 checks, 1 sizes" in list(of_page(page(sizes="0")))[0]
