"""A page is executed once for each state of what it runs on; what fails is named; nbval works."""

import os
import subprocess
import sys

import build
import execute
import nbformat
import notebooks
import pytest
from nbformat.v4 import new_code_cell, new_notebook

TICK = "from pathlib import Path; Path('ticks').open('a').write('x'); print('seen')"


def write(path, *sources):
    """A page that was executed elsewhere and is to be executed here."""
    cells = [new_code_cell(source, id=f"c{place}") for place, source in enumerate(sources)]
    path.write_text(notebooks.text_of(notebooks.normalised(new_notebook(cells=cells))), "utf-8")
    return path


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page that leaves a tick at each execution, in a tree of its own."""
    (tmp_path / "dpss").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "dpss" / "a.py").write_text("A = 1")
    (tmp_path / "data" / "a.txt").write_text("1")
    (tmp_path / "requirements.lock").write_text("numpy==1")
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.setattr(execute, "CACHE", tmp_path / "_build" / ".jupyter_cache")
    return write(tmp_path / "page.ipynb", TICK)


def ticks(page):
    return len((page.parent / "ticks").read_text())


def test_a_page_is_executed_again_when_its_code_changes_or_what_it_runs_on(page):
    assert execute.run([page]) == [] and ticks(page) == 1
    assert execute.run([page]) == [] and ticks(page) == 1
    for change in ("dpss/a.py", "data/a.txt", "requirements.lock"):
        before = ticks(page)
        (page.parent / change).write_text("changed")
        assert execute.run([page]) == [] and ticks(page) == before + 1, change
    (page.parent / "unrelated.md").write_text("new")
    write(page, TICK + "  # the same, in other words")
    assert execute.run([page]) == [] and ticks(page) == 5


def test_pages_run_side_by_side(page, monkeypatch):
    """Each waits for the other: one after the other, the first would run out of time."""
    monkeypatch.setattr(execute, "TIMEOUT", 60)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    meet = (
        "import time; from pathlib import Path; Path('{}').touch()\n"
        "while not Path('{}').exists(): time.sleep(0.05)"
    )
    both = [write(page.with_name(f"{a}.ipynb"), meet.format(a, b)) for a, b in ("ab", "ba")]
    assert execute.run(both) == []


def test_what_fails_is_named_and_does_not_stop_the_others(page, capsys):
    bad = write(page.with_name("bad.ipynb"), "1", "2", "1 / 0", "3")
    dead = write(page.with_name("dead.ipynb"), "import os", "os._exit(1)")
    failures = execute.run([bad, dead, page])
    assert len(failures) == 2 and ticks(page) == 1
    assert failures[0].startswith("bad.ipynb: cell 2 failed:") and "ZeroDivision" in failures[0]
    assert failures[1].startswith("dead.ipynb: cell 1 failed:")
    before = bad.read_bytes(), page.read_bytes()
    assert notebooks.main("execute", str(page), str(bad)) == 1
    assert "ZeroDivision" in capsys.readouterr().out
    assert (bad.read_bytes(), page.read_bytes()) == before


def test_a_failing_page_stops_the_build(monkeypatch, capsys):
    monkeypatch.setattr(build, "run", lambda: ["bad.ipynb: cell 2 failed:"])
    monkeypatch.setattr(build.subprocess, "run", None)  # Sphinx is not started
    assert build.main() == 1 and "bad.ipynb: cell 2" in capsys.readouterr().out


def test_executing_writes_what_the_page_prints_in_the_committed_form(page):
    assert notebooks.main("execute", str(page)) == 0
    cell = nbformat.read(page, 4).cells[0]
    assert cell.execution_count == 1 and cell.outputs[0].text == "seen\n"


COMPARE = """
import execute, pathlib, pytest, sys
execute.CACHE = pathlib.Path("_build/.jupyter_cache")
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "nbval_pages", "--nbval",
                      "--nbval-current-env", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("option", ["--executed", "--color=no"], ids=["as executed", "anew"])
def test_nbval_compares_with_the_committed_page(option, page):
    """Text counts; HTML that holds data is in the executed page only."""
    write(page, "print('seen')", "from IPython.display import HTML; HTML('<p data:>')")
    notebooks.main("execute", str(page))
    spoiled = page.with_name("spoiled.ipynb")
    spoiled.write_text(page.read_text().replace("seen\\n", "saw\\n"))
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, option, page.name, spoiled.name],
        cwd=page.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert "FAILED spoiled.ipynb::Cell 0" in done.stdout and "Cell outputs differ" in done.stdout
    assert "1 failed, 3 passed" in done.stdout
