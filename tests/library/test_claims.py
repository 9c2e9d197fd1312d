"""`dpss.check` and `dpss.outcome`, which print what the pages show."""

import re

import pytest
import torch

import dpss


def test_check_prints_the_bound_and_not_the_digits(capsys):
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
    with pytest.raises(AssertionError, match="X1"):
        dpss.check("X1", "mean is kept", value, **bounds)
    assert "<" not in capsys.readouterr().out  # nothing that a reader could take for success


def test_check_takes_tensors():
    dpss.check("X1", "mean is kept", torch.tensor([1e-14, -1e-14]), below=1e-12)
    with pytest.raises(AssertionError):
        dpss.check("X1", "mean is kept", torch.tensor([0.0, float("nan")]), below=1e-12)


def test_outcome_prints_words_and_safe_digits(capsys):
    dpss.outcome("05-half", "the cosine schedule")
    dpss.outcome("05-noon", torch.tensor(0.25871))
    dpss.outcome("05-noon", 0.25871, digits=3)
    dpss.outcome("05-many", 12)
    assert capsys.readouterr().out.splitlines() == [
        "05-half  the cosine schedule",
        "05-noon  0.26",
        "05-noon  0.259",
        "05-many  12",
    ]


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (("05-half", float("nan")), ValueError, "result is nan"),
        (("05-half", None), TypeError, "result is None"),
        (("05-half", [1.0, 2.0]), TypeError, "result is"),
        (("05-half", 1.0, 0), ValueError, "digits is 0"),
    ],
)
def test_outcome_refuses_what_is_neither_words_nor_a_number(arguments, error, words):
    with pytest.raises(error, match=words):
        dpss.outcome(*arguments)
