"""Answers are found in notebooks that students have treated in every way."""

import json
import pathlib

import handed_in
import pytest

from coursework import answers, source

SAMPLE = source.read(pathlib.Path(__file__).parent / "sample.md")
RIGHT = "def smooth(u):\n    return u\n"


def notebook(change=lambda cells: None, **answered):
    """The bytes of a student's notebook, with answers to questions filled in."""
    return handed_in.notebook(SAMPLE, change, answered)


def found(content):
    """({name: text}, flags) of a submission."""
    cells, flags = answers.answers(answers.cells_of(content)[0], SAMPLE)
    return {name: cell["source"] for name, cell in cells.items()}, flags


def test_every_answer_is_found_as_it_was_handed_out():
    texts, flags = found(notebook(smooth=RIGHT, proof="Because."))
    assert list(texts) == list(SAMPLE.points) and not flags
    assert texts["smooth"] == RIGHT and texts["proof"] == "Because."


def stripped(cells):
    for cell in cells:
        cell["metadata"] = {}


def nameless(cells):
    for number, cell in enumerate(cells):
        cell["metadata"], cell["id"] = {}, f"a{number}"


def odd(cells):
    return [None, 3, {}, {"cell_type": "code", "source": 5}, *cells]


def copied(cells):
    """A copy of the answer below its own stub, as the menu of Jupyter makes it."""
    cell = next(cell for cell in cells if cell["id"] == "smooth")
    return [*cells, {**cell, "id": "copy", "source": RIGHT}]


def copied_empty(cells):
    cell = next(cell for cell in cells if cell["id"] == "smooth")
    stub = next(part for part in SAMPLE.student().cells if part.id == "smooth").source
    return [*cells, {**cell, "id": "copy", "source": stub}]


@pytest.mark.parametrize(
    "change, answered, flag",
    [
        (stripped, RIGHT, "smooth: the cell was recognised by its id"),
        (nameless, RIGHT, "smooth: the cell was recognised by the name that it defines"),
        (odd, RIGHT, None),
        (copied, None, "smooth: 2 cells; the last one that is filled in counts"),
        (copied_empty, RIGHT, "smooth: 2 cells; the last one that is filled in counts"),
        (lambda cells: cells[::-1], RIGHT, None),
    ],
)
def test_a_treated_notebook_has_its_answer_and_a_flag(change, answered, flag):
    texts, flags = found(notebook(change, **({"smooth": answered} if answered else {})))
    assert texts["smooth"] == RIGHT
    assert (flag in flags) if flag else not flags


def test_a_locked_cell_that_was_changed_is_not_an_answer():
    def tampered(cells):
        for cell in cells:
            if cell["metadata"].get("nbgrader", {}).get("locked"):
                cell["source"] = "raise SystemExit"

    texts, _ = found(notebook(tampered, smooth=RIGHT))
    assert set(texts) == set(SAMPLE.points) and "raise SystemExit" not in texts.values()


def test_a_cell_that_is_gone_is_no_answer():
    gone = lambda cells: [cell for cell in cells if cell["id"] not in ("smooth", "proof")]
    texts, _ = found(notebook(gone))
    assert {"smooth", "proof"}.isdisjoint(texts) and "limit" in texts


def test_a_derivation_without_a_cell_is_a_flag():
    _, flags = found(notebook(nameless, smooth=RIGHT))
    assert "proof: there is no cell for this derivation; look into the file" in flags


@pytest.mark.parametrize(
    "attached, names",
    [
        ({"a.png": {"image/png": "QUJD\nRA=="}}, ["a.png"]),
        ({"a.png": {"image/svg+xml": "QUJD"}, "b.jpg": {"image/jpeg": "QQ=="}}, ["b.jpg"]),
        ({"a.png": {"image/png": '"><script>'}}, []),
        ({"a.png": 3}, []),
        ([1], []),
        (None, []),
    ],
)
def test_pictures_of_a_derivation_are_taken_if_they_are_pictures(attached, names):
    def attach(cells):
        for cell in cells:
            cell["attachments"] = attached

    cells, _ = answers.answers(answers.cells_of(notebook(attach))[0], SAMPLE)
    pictures = cells["proof"]["pictures"]
    assert [name for name, _ in pictures] == names
    assert all(data.startswith("data:image/") and "\n" not in data for _, data in pictures)


def test_text_may_be_one_string_and_in_utf_16():
    def joined(cells):
        for cell in cells:
            cell["source"] = "".join(cell["source"])

    content = notebook(joined, smooth=RIGHT + "# γ\n").decode()
    assert found(content.encode())[0]["smooth"] == RIGHT + "# γ\n"
    cells, flags = answers.cells_of(json.dumps(json.loads(content)).encode("utf-16"))
    assert answers.answers(cells, SAMPLE)[0]["smooth"]["source"] == RIGHT + "# γ\n"
    assert "utf-16" in flags[0]
    assert not answers.cells_of("\ufeff".encode() + content.encode())[1]


@pytest.mark.parametrize("length", [0, 1])
def test_a_sign_that_no_other_encoding_knows_does_not_end_the_grading(length):
    text = "def smooth(u):\n    return u  # caf\n" + "#" * length
    content = notebook(smooth=text).replace(b"caf", b"caf\xe9")
    cells, flags = answers.cells_of(content)
    assert "café" in answers.answers(cells, SAMPLE)[0]["smooth"]["source"] and "latin-1" in flags[0]


@pytest.mark.parametrize(
    "content, why",
    [
        (b"", "no JSON"),
        (b"not json", "no JSON"),
        (b"%PDF-1.7 \xff\xfe", "no JSON"),
        (notebook()[:200], "no JSON"),
        (b"[" * 100_000, "too deeply nested|no JSON"),
        (b"[]", "no list of cells"),
        (b'{"cells": 3}', "no list of cells"),
        (b'{"worksheets": []}', "save it in format 4"),
        (b"\x00" * 64, "no JSON"),
    ],
)
def test_what_is_no_notebook_has_a_reason(content, why):
    with pytest.raises(answers.Unreadable, match=why):
        answers.cells_of(content)
