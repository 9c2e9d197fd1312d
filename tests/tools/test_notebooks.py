"""Notebooks are normalised; their checker sees what is not."""

import nbformat
import notebooks
import pytest
from lint.notebooks import problems
from nbformat.v4 import new_code_cell, new_notebook, new_output


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
    path = tmp_path / "chapters" / "01-page.ipynb"
    path.parent.mkdir()
    path.write_text(
        notebooks.text_of(notebooks.normalised(new_notebook(cells=[cell]))), newline="\n"
    )
    assert problems(tmp_path) == []
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
    found = [str(fault) for fault in problems(page.parents[1])]
    assert any(f.startswith("chapters/01-page.ipynb: ") and word in f for f in found), found
