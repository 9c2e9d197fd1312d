"""The crosswalk: what title and abstract of the paper promise points to statements and functions that exist, or is said to be open."""

import importlib
import tomllib
from pathlib import Path

import pytest

CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"


def exists(name):
    """Whether `dpss.<module>.<names>` can be imported."""
    module, *names = name.split(".")
    try:
        found = importlib.import_module(f"dpss.{module}")
        for part in names:
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return True


def problems(promises, ledger):
    """What is wrong, one sentence each."""
    found = []
    for entry in promises:
        words = entry.get("words", "")
        if not words or entry.get("of") not in ("title", "abstract"):
            found.append(f"{words!r}: needs words, and of = title or abstract")
        found += [
            f"{words}: there is no statement {claim}"
            for claim in entry["claims"]
            if claim not in ledger
        ]
        found += [
            f"{words}: there is no dpss.{name}" for name in entry["functions"] if not exists(name)
        ]
        if not entry["functions"]:
            found.append(f"{words}: names no function")
        if not entry["claims"] and not entry.get("open"):
            found.append(f"{words}: has neither statements nor an open point")
    named = {claim for entry in promises for claim in entry["claims"]}
    for prefix in "FRTB":  # the statements that the paper's subject is made of
        found += [
            f"{claim} is promised nowhere"
            for claim in ledger
            if claim.startswith(prefix) and claim not in named
        ]
    return found


def load(name):
    return tomllib.loads((CHAPTERS / name).read_text(encoding="utf-8"))


def test_the_crosswalk_points_to_what_exists():
    assert problems(load("crosswalk.toml")["promise"], load("claims.toml")) == []


GOOD = {"of": "title", "words": "Noise", "claims": ["F1"], "functions": ["families.vp"]}


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"of": "section 3"}, "title or abstract"),
        ({"claims": ["F9"]}, "no statement F9"),
        ({"functions": ["families.vq"]}, "no dpss.families.vq"),
        ({"functions": []}, "names no function"),
        ({"claims": []}, "neither statements nor an open point"),
        ({"claims": []}, "F1 is promised nowhere"),
    ],
)
def test_each_fault_is_seen(change, expected):
    assert problems([GOOD], {"F1": {}}) == []
    assert any(expected in sentence for sentence in problems([GOOD | change], {"F1": {}}))
