"""The rules for exercises by code see each part that a small page and its source lack."""

import copy

import pytest
from lint import exercises

from dpss.exercises.exercise import Exercise, Mistake


def source(mistakes=3, hints=2):
    made = Exercise("09-1", "x", [(1.0,), (2.0,)])
    made.reference(abs)
    made.mistakes = [Mistake(abs, tuple("abc"[:hints]))] * mistakes
    return made


def code(text, tags, said):
    output = {"output_type": "stream", "name": "stdout", "text": [said]}
    return {"cell_type": "code", "source": text, "metadata": {"tags": tags}, "outputs": [output]}


def parts(name):
    """Box, cell to fill and solution of an exercise."""
    box = f"::::{{exercise}} T (by hand, then by code)\n:label: ex-{name}\n\nDo.\n::::"
    stub, solution = f'f = ...\nexercises.check("{name}", f)', f'exercises.check("{name}", abs)'
    return [
        {"cell_type": "markdown", "source": box},
        code(stub, ["exercise", "remove-output"], f"{name}  not done yet: x"),
        code(solution, ["hide-cell"], f"{name}  right\n"),
    ]


PAGE = parts("09-1") + parts("09-2")


def test_a_complete_exercise_has_no_problems():
    assert list(exercises.of_page(PAGE, {"09-1": source(), "09-2": source()})) == []


@pytest.mark.parametrize(
    "made, expected",
    [
        (source(mistakes=2), "2 mistakes; needed: 3 to 8"),
        (source(mistakes=9), "9 mistakes; needed: 3 to 8"),
        (source(hints=1), "no hints in stages"),
        (Exercise("09-1", "x", [(1.0,)]), "no reference"),
        (None, "no source"),
    ],
)
def test_what_a_source_lacks(made, expected):
    found = list(exercises.of_page(PAGE, {"09-1": made} if made else {}))
    assert any("ex-09-1" in fault and expected in fault for fault in found)


@pytest.mark.parametrize(
    "cell, key, value, expected",
    [
        (1, "source", "pass", "no cell to fill"),
        (1, "tags", ["exercise"], "needs the tags"),
        (1, "said", "09-1  right", "is filled"),
        (1, "source", 'exercises.check("09-7", f)', "09-7, which is no exercise"),
        (2, "source", "pass", "does not pass through the check"),
        (2, "said", "09-1  differs", "the solution is not right"),
        (0, "source", PAGE[0]["source"].replace(", then by code", ""), "09-1, which is no"),
        (0, "source", "", "has 1 exercises by code; needed: 2"),
    ],
)
def test_what_a_page_lacks(cell, key, value, expected):
    page = copy.deepcopy(PAGE)
    if key == "tags":
        page[cell]["metadata"]["tags"] = value
    elif key == "said":
        page[cell]["outputs"][0]["text"] = [value]
    else:
        page[cell][key] = value
    found = list(exercises.of_page(page, {"09-1": source(), "09-2": source()}))
    assert any(expected in fault for fault in found)
