"""`make test` runs everything, and tells what failed."""

import sys

import check
from execute import ROOT


def test_every_folder_of_tests_is_run_with_its_slow_tests():
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    commands = [command for _, command, _ in check.PARTS]
    named = [word for command in commands for word in command if word.startswith("tests/")]
    assert {ROOT / folder for folder in named} == folders
    library = [" ".join(command) for command in commands if "tests/library" in command]
    assert ["-m not slow" in line for line in library] == [True, False]
    assert "-m slow" in library[1]


def test_what_fails_is_told_at_the_end_and_does_not_stop_the_rest(monkeypatch, capfd):
    def part(code):
        return f"part {code}", [sys.executable, "-c", f"print('ran'); raise SystemExit({code})"], {}

    monkeypatch.setattr(check, "PARTS", [part(0), part(3), part(0)])
    assert check.main()
    out = capfd.readouterr().out
    assert out.count("ran\n") == 3 and out.endswith("FAILED: part 3\n")
    monkeypatch.setattr(check, "PARTS", [part(0)])
    assert not check.main() and "FAILED" not in capfd.readouterr().out


def test_commands_find_the_tools_and_what_they_are_to_be_told():
    code = "import execute, os; raise SystemExit(os.environ['OTHER'] != 'x')"
    assert check.run([sys.executable, "-c", code], {"OTHER": "x"}) == (True, "")
    assert check.run([sys.executable, "-c", code], {"OTHER": "y"}) == (False, "")


def test_what_a_command_prints_is_shown_and_returned(capfd):
    code = "import sys; print('α'); print('wrong', file=sys.stderr)"
    assert check.run([sys.executable, "-c", code], {}) == (True, "α\nwrong\n")
    assert capfd.readouterr().out == "α\nwrong\n"
