"""A sabotage is noticed by a failed assertion; a crash, or nothing, is not enough."""

import broken
import pytest
import sabotage

TEST = """
import pytest
from dpss import a

def test_value():
    assert a.value() == 1

def test_refusal():
    with pytest.raises(ValueError):
        a.refuse()

def test_crash():
    a.value() + a.refuse
"""
LIBRARY = "def value():\n    return 1\n\n\ndef refuse():\n    raise ValueError\n"


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    for name in ("dpss", "tests", "data", "chapters"):
        (tmp_path / name).mkdir()
    (tmp_path / "pyproject.toml").write_text("", "utf-8")
    (tmp_path / "dpss" / "__init__.py").write_text("", "utf-8")
    (tmp_path / "dpss" / "a.py").write_text(LIBRARY, "utf-8")
    (tmp_path / "tests" / "test_a.py").write_text(TEST, "utf-8")
    monkeypatch.setattr(sabotage, "ROOT", tmp_path)
    monkeypatch.setattr(sabotage, "LEDGER", tmp_path / "chapters" / "claims.toml")
    monkeypatch.setattr(broken, "ROOT", tmp_path)
    return sabotage.LEDGER


@pytest.mark.parametrize(
    "old, new, test, end",
    [
        ("return 1", "return 2", "test_value", "assertion"),
        ("raise ValueError", "pass", "test_refusal", "assertion"),
        ("return 1", "return 1.0", "test_value", "passed"),
        ("raise ValueError", "raise TypeError", "test_refusal", "TypeError"),
        ("return 1", "return 1", "test_crash", "TypeError"),
        ("return 2", "return 3", "test_value", "passed"),
    ],
)
def test_how_a_sabotage_ends(ledger, capsys, old, new, test, end):
    change = f'{{ what = "w", file = "dpss/a.py", old = "{old}", new = "{new}" }}'
    entry = f'[A1]\ntests = ["tests/test_a.py::{test}"]\nsabotage = [\n    {change},\n]\n'
    ledger.write_text(entry, "utf-8")
    assert sabotage.main("A1") == (end != "assertion")
    assert end in capsys.readouterr().out


def test_a_tenth_is_drawn_and_an_unknown_claim_is_said(ledger, capsys, monkeypatch):
    change = '{ what = "w", file = "dpss/a.py", old = "return 1", new = "return 2" }'
    entry = '[A{}]\ntests = ["tests/test_a.py::test_value"]\nsabotage = [\n    {},\n]\n'
    ledger.write_text("".join(entry.format(k, change) for k in range(21)), "utf-8")
    tried = []
    monkeypatch.setattr(sabotage, "task", lambda sabotage: sabotage[0])
    monkeypatch.setattr(
        sabotage, "outcomes", lambda tasks: tried.extend(t := list(tasks)) or ["assertion"] * len(t)
    )
    for commit in ("a", "b", "c"):
        monkeypatch.setattr(sabotage, "commit", lambda commit=commit: commit)
        assert sabotage.main("--tenth") == 0
    assert len(tried) == 9 and len(set(tried)) > 3
    assert sabotage.main("A99") == 1 and "no sabotage of A99" in capsys.readouterr().out
