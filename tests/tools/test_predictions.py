"""The rules for predictions see each part that a small page lacks; feedback is no text to read."""

import pytest
from lint import pages, predictions

BOX = """::::{{prediction}} 09-{word}
{settings}Which one?

- the *first* one

  Because of $x$.

- the second one

  Because.

  Twice.
::::"""


def page(*words, settings="", prints=None, **changes):
    boxes = "\n\nText.\n\n".join(BOX.format(word=word, settings=settings) for word in words)
    for old, new in changes.values():
        assert old in boxes
        boxes = boxes.replace(old, new)
    lines = [f"09-{word}  the second one" for word in words] if prints is None else prints
    output = {"output_type": "stream", "name": "stdout", "text": ["\n".join(lines)]}
    return [
        {"cell_type": "markdown", "source": boxes},
        {"cell_type": "code", "source": "", "metadata": {}, "outputs": [output]},
    ]


def test_a_page_with_three_predictions_has_no_problems():
    assert list(predictions.of_page("09-bayes", page("a", "b", "c"), set())) == []


NUMBER = "\n\n".join(f"- {item}\n\n  Why." for item in ("right", "too small", "too large"))


def test_a_number_is_no_option():
    number = f"::::{{prediction}} 09-c\n:within: 0.1\n\nHow many?\n\n{NUMBER}\n::::"
    cells = page("a", "b", prints=["09-a  the second one", "09-b  the second one", "09-c  3"])
    cells[0]["source"] += "\n\n" + number
    assert list(predictions.of_page("09-bayes", cells, set())) == []


@pytest.mark.parametrize(
    "cells, expected",
    [
        (page("a", "b"), "has 2 predictions"),
        (page(*"abcdef"), "has 6 predictions"),
        (page("a", "b", "c", prints=[]), "no cell prints the outcome of the prediction 09-a"),
        (page("a", "b", "c", prints=["09-a  a third one"]), "09-a came out as 'a third one'"),
        (
            page("a", "b", "c", prints=["09-d  the second one"]),
            "the outcome of 09-d, which it never",
        ),
        (page("a", "b", "c", one=("  Because of $x$.\n", "")), "an option without feedback"),
        (page("a", "b", "c", one=("09-a", "08-a")), "'08-a' is not called 09-word"),
        (page("a", "b", "c", settings=":again: 08-z\n"), "comes back from 08-z, on no page"),
        (page("a", "b", "c", settings=":within: 0.1\n"), "asks for a number; needed: the items"),
        (page("a", "b", "c", one=("the second one", "the *first* one")), "its options"),
    ],
)
def test_what_a_page_lacks(cells, expected):
    found = list(predictions.of_page("09-bayes", cells, {"05-half"}))
    assert any(expected in fault for fault in found), found


def test_a_prediction_comes_back_from_a_page_before():
    cells = page("a", "b", "c", settings=":again: 05-half\n")
    assert list(predictions.of_page("09-bayes", cells, {"05-half"})) == []


def test_feedback_is_not_counted_as_text():
    said = page("a")[0]["source"] + "\n\n  Indented text elsewhere."
    assert pages.prose(said).split() == (
        "Which one? - the *first* one - the second one Indented text elsewhere.".split()
    )
