"""The committed notebooks are executed and normalised; the tool that says so can fail."""

import pathlib

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = pathlib.Path(__file__).resolve().parents[2]
import notebooks


def test_there_are_pages():
    assert list((ROOT / "chapters").glob("*.ipynb"))


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem)
def test_page_is_normalised_and_executed(path):
    assert notebooks.problems(path) == []


@pytest.fixture
def page(tmp_path):
    """A normalised page with one cell that printed twice and showed a picture."""
    cell = new_code_cell(
        "print(1)",
        execution_count=7,
        id="one",
        metadata={"collapsed": True},
        outputs=[
            new_output("stream", name="stdout", text="1\n"),
            new_output("stream", name="stdout", text="2\n"),
            new_output(
                "display_data",
                data={
                    "text/plain": "Figure(a)",
                    "image/png": "AAAA",
                    "text/html": "<img src='data:image/png;base64,AA'>",
                },
            ),
        ],
    )
    path = tmp_path / "page.ipynb"
    path.write_text(
        notebooks.text_of(notebooks.normalised(new_notebook(cells=[cell]))), newline="\n"
    )
    assert notebooks.problems(path) == []
    return path


def test_normalising_keeps_text_and_drops_pictures(page):
    cell = nbformat.read(page, 4).cells[0]
    assert cell.execution_count == 1 and "collapsed" not in cell.metadata
    assert [o.get("text") for o in cell.outputs] == ["1\n2\n", None]
    assert dict(cell.outputs[1].data) == {"text/plain": "Figure(a)"}


def spoil(change):
    def spoiled(page):
        book = nbformat.read(page, 4)
        change(book)
        page.write_text(notebooks.text_of(book), newline="\n")

    return spoiled


@pytest.mark.parametrize(
    "damage, word",
    [
        (spoil(lambda b: b.cells[0].update(execution_count=None)), "never run"),
        (spoil(lambda b: b.cells[0].update(execution_count=3)), "normalised"),
        (spoil(lambda b: b.cells[0].outputs[1].data.update({"image/png": "AA"})), "normalised"),
        (
            spoil(
                lambda b: b.cells[0].outputs.append(
                    new_output("error", ename="E", evalue="", traceback=[])
                )
            ),
            "error",
        ),
        (lambda p: p.write_bytes(p.read_bytes().replace(b"\n", b"\r\n")), "normalised"),
    ],
)
def test_damage_is_found(page, damage, word):
    damage(page)
    assert any(word in problem for problem in notebooks.problems(page))


def test_a_failing_page_stops_the_tool(page, capsys):
    spoil(lambda b: b.cells[0].update(source="1 / 0"))(page)
    before = page.read_bytes()
    assert notebooks.main("execute", str(page)) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out and page.read_bytes() == before
