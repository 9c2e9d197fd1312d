"""What the checks said is written down for the page that tells it, and nothing else is."""

import json
import sys

import check
import pytest
import record
from execute import ROOT
from lint.book import paths


def test_every_check_page_and_module_is_a_job():
    names = {kind: [n for k, n in record.jobs() if k == kind] for kind, _ in record.jobs()}
    assert len(names["checks"]) == len(check.PARTS)
    assert names["pages"] == [path.stem for path in paths(ROOT) if path.stem[0].isdigit()]
    modules = {path.stem for path in (ROOT / "dpss").glob("*.py")}
    assert set(names["library"]) == modules - {"__init__"}
    commands = [command for (kind, _), (command, *_) in record.jobs().items() if kind == "checks"]
    assert not any("--tenth" in command for command in commands)


@pytest.mark.parametrize(
    "output, found",
    [
        ("a\n959 passed, 2 skipped in 60.1s\n", [959]),
        ("B1 x: assertion\n27 of 28 sabotages end in a failed assertion\n", [27, 28]),
        ("never red (3 changes)  B1  x\n03-x: 45 checks, 60 changes, 2 never red\n", [45, 60, 2]),
        (
            "survived  laws.py:3  1  ->  2\nlaws: 10 of 310 mutants tried, 1 survived\n",
            [10, 310, 1],
        ),
        ("3 passed in 1s\n4 passed in 2s\n", [4]),
        ("The pages hold to the rules.\n", []),
    ],
)
def test_the_numbers_of_a_run_are_those_of_its_last_line_with_a_sum(output, found):
    assert record.numbers(output) == found


def test_what_fails_is_not_written_and_what_is_known_is_not_made_again(
    monkeypatch, tmp_path, capfd
):
    monkeypatch.setattr(record, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(record, "about", lambda inputs: "now")

    def part(name, code):
        return name, [sys.executable, "-c", f"print('7 passed'); raise SystemExit({code})"], {}

    monkeypatch.setattr(check, "PARTS", [part("good", 0), part("bad", 1)])
    assert record.main("checks")
    written = json.loads(record.RECORD.read_text("utf-8"))
    assert list(written) == ["checks"] and list(written["checks"]) == ["good"]
    assert written["checks"]["good"]["numbers"] == [7] and written["checks"]["good"]["of"] == "now"
    capfd.readouterr()
    monkeypatch.setattr(check, "PARTS", [part("good", 0)])
    assert not record.main("checks") and "7 passed" not in capfd.readouterr().out
    assert not record.main("checks", "good") and "7 passed" in capfd.readouterr().out
    monkeypatch.setattr(record, "about", lambda inputs: "later")
    assert not record.main("checks") and "7 passed" in capfd.readouterr().out


def test_the_record_holds_nothing_that_is_no_check():
    found = {(kind, name) for kind, entries in record.known().items() for name in entries}
    assert found <= set(record.jobs())
