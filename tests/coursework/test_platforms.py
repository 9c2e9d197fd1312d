"""Exports: grades come to the right rows of what Moodle and Canvas gave out, and nothing else."""

import csv
import json
import re

import pytest

from coursework import platforms

WORKSHEET = """\
Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",\
"Last modified (grade)","Feedback comments"
"Participant 12","Ada ""A."" Lovelace",ada@example.org,"Submitted for grading",,100.00,Yes,-,
"Participant 7","Bob, B.",bob@example.org,"No submission",,100.00,Yes,-,"old
comment"
"Participant 123",Cy,cy@example.org,"Submitted",50.00,100.00,Yes,-,""
"""
FILLED = (
    WORKSHEET
    .replace("grading\",,100", "grading\",70.00,100")
    .replace("Yes,-,\n", "Yes,-,step: 3 of 5. Is A right?<br>mean: 4 of 5.\n", 1)
    .replace("50.00,100", "100.00,100")
    .replace("Yes,-,\"\"", "Yes,-,\"step: 5 of 5.<br>mean: 5 of 5.\"")
)  # fmt: skip
GERMAN = {
    "Identifier": "ID", '"Full name"': '"Vollständiger Name"', "Grade,": "Bewertung,",
    '"Maximum Grade"': "Bestwertung", "Feedback comments": "Feedback als Kommentar",
    '"Grade can be changed"': '"Bewertung kann geändert werden"',
    "Participant ": "Teilnehmer/in",
}  # fmt: skip
GRADEBOOK = """\
Student,ID,SIS User ID,SIS Login ID,Section,Osmosis (55),Proof (56),Current Score,Final Score
,,,,,Manual Posting,,(read only),(read only)
    Points Possible,,,,,10.00,4.00,(read only),(read only)
"Lovelace, ""Ada"" A.",12,s1,ada,"A ""and"" B",,3.00,70.1,60.2
"B, Bob",7,s2,bob,A,2.00,,1,1
"=""=cmd"" ",123,s3,cy,A,,,,
"Student, Test",99,,x,A,,,,
"""
COLUMN = ["--assignment", "2-osmosis", "--column", "Osmosis (55)"]


def row(question, points, of, hint=""):
    kind = "by hand" if points is None else "differs"
    return {"question": question, "kind": kind, "points": points, "of": of, "hint": hint}


def result(student, number, *rows, assignment="2-osmosis"):
    return {"student": student, "id": number, "assignment": assignment, "rows": list(rows)}


ADA = result("Ada Lovelace", "12", row("step", 3, 5, "Is A\nright?"), row("mean", 4, 5))
BOB = result("Bob", "7", row("step", 1, 5), row("proof", None, 5))
CY = result("Cy", "123", row("step", 5, 5), row("mean", 5, 5))


@pytest.fixture
def export(tmp_path, capsys):
    """Exports results with a template; (status, what is told or why not, what came out)."""

    def run(platform, results, template, *options):
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        for number, one in enumerate(results):
            (folder / f"{number}.json").write_text(json.dumps(one), "utf-8")
        content = template.encode("utf-8") if isinstance(template, str) else template
        (tmp_path / "T.csv").write_bytes(content)
        out = tmp_path / "OUT.csv"
        status = platforms.main([platform, str(folder), str(tmp_path / "T.csv"), str(out),
                                 *options])  # fmt: skip
        printed = capsys.readouterr()
        told = (printed.out or printed.err).replace(f"{tmp_path}/", "").splitlines()
        return status, told, out.read_bytes() if out.exists() else None

    return run


def separated(text, separator):
    """With another separator than the comma, where it is not quoted."""
    return re.sub(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', separator, text)


def german(text):
    for old, new in GERMAN.items():
        text = text.replace(old, new)
    return re.sub(r"(\d)\.(\d\d)", r"\1,\2", separated(text, ";"))


FORMS = {  # how a platform or a spreadsheet wrote the file
    "as Moodle writes it": lambda text: text,
    "byte order mark": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "no end of line": lambda text: text.removesuffix("\n"),
    "blank lines": lambda text: text + "\n\n",
    "tabs": lambda text: separated(text, "\t"),
    "semicolons": lambda text: separated(text, ";"),
    "German": german,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_worksheet_of_moodle_is_filled_in(form, export):
    write = FORMS[form]
    expected = write(FILLED)
    status, told, out = export("moodle", [ADA, CY], write(WORKSHEET))
    assert out.decode("utf-8") == expected and status == 0
    assert told == ["Bob, B. (7): no result", "grades are scaled from 10 to 100 points",
                    "2 of 2 results are in OUT.csv"]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_one_column_of_a_gradebook_of_canvas_is_filled_in(form, export):
    write = FORMS[form]
    filled = GRADEBOOK.replace(' B",,', ' B",7.00,').replace("cy,A,,", "cy,A,10.00,")
    status, told, out = export("canvas", [ADA, CY], write(GRADEBOOK), *COLUMN)
    assert out.decode("utf-8") == write(filled) and status == 0
    assert told == ["B, Bob (7): no result", "2 of 2 results are in OUT.csv"]


@pytest.mark.parametrize("maximum, told", [
    ("10,0", "7,00"), ("20", "14.00"), ('"20,5"', "14,35"), ("10", "7.00"), ("1", "0.70"),
])  # fmt: skip
def test_grades_are_scaled_and_written_as_the_platform_writes_numbers(maximum, told, export):
    decimal = told.replace(",", ".")
    raw = f'"{told}"' if "," in told else decimal
    quoted = maximum if '"' in maximum or "," not in maximum else f'"{maximum}"'
    template = WORKSHEET.replace("100.00", quoted)
    assert raw in export("moodle", [ADA], template)[2].decode().splitlines()[1]
    gradebook = GRADEBOOK.replace(",10.00", f",{quoted}").replace("4.00", "4")
    assert f",{raw},3.00" in export("canvas", [ADA], gradebook, *COLUMN)[2].decode()


def test_a_column_without_points_gets_them_as_they_are(export):
    for none in (",", ",0.00"):
        _, told, out = export("canvas", [ADA], GRADEBOOK.replace(",10.00", none), *COLUMN)
        assert ",7.00,3.00" in out.decode() and not any("scaled" in each for each in told)


def test_what_is_not_all_graded_is_exported_on_request_only(export):
    for platform, template, options in (("moodle", WORKSHEET, []), ("canvas", GRADEBOOK, COLUMN)):
        _, told, out = export(platform, [BOB], template, *options)
        assert out.decode() == template and told[-1] == "0 of 1 results are in OUT.csv"
        assert told[0] == "Bob (7): not exported, still to be graded: proof"
        _, told, out = export(platform, [BOB], template, *options, "--partial")
        assert (
            told[0] == "Bob (7): exported without proof"
            and told[-1] == "1 of 1 results are in OUT.csv"
        )
        assert ("10.00,100.00" if platform == "moodle" else "bob,A,1.00,") in out.decode()
    comment = '"step: 1 of 5.<br>proof: graded by hand: open."'
    assert comment in export("moodle", [BOB], WORKSHEET, "--partial")[2].decode()


def test_who_is_not_in_the_template_is_told(export):
    others = result("Dan", "5", row("step", 1, 5)), result("Eve", "", row("step", 1, 5))
    status, told, out = export("moodle", [ADA, BOB, CY, *others], WORKSHEET)
    assert status == 0 and told == [
        "Bob (7): not exported, still to be graded: proof", "Dan (5): not in T.csv",
        "Eve: not in T.csv", "grades are scaled from 10 to 100 points",
        "2 of 5 results are in OUT.csv",
    ]  # fmt: skip


def test_numbers_decide_and_other_names_are_told(export):
    swapped = ADA | {"student": "Group A", "id": "123"}
    _, told, out = export("moodle", [swapped], WORKSHEET)
    assert 'cy@example.org,"Submitted",70.00' in out.decode()
    assert "Group A (123): in T.csv it is Cy; is it right?" in told


def test_locked_and_excused_are_told(export):
    locked = WORKSHEET.replace("Yes,-,\n", "No,-,\n", 1)
    assert "Ada Lovelace (12): Moodle keeps another grade, which is locked" in export(
        "moodle", [ADA], locked)[1]  # fmt: skip
    for kept in ("EX", "N/A"):
        template = GRADEBOOK.replace(' B",,', f' B",{kept},')
        _, told, out = export("canvas", [ADA], template, *COLUMN)
        assert out.decode() == template and told[-1] == "0 of 1 results are in OUT.csv"
        assert f"Ada Lovelace (12): {kept} was kept in Osmosis (55)" in told


@pytest.mark.parametrize("first", ["=", "+", "-", "@"])
def test_no_comment_is_a_formula(first, export):
    evil = result("Ada", "12", row(f"{first}cmd|A0", 1, 5, "<script>alert(1)</script>"))
    out = export("moodle", [evil], WORKSHEET)[2].decode()
    comment = list(csv.reader(out.splitlines()))[1][-1]
    assert comment == f"'{first}cmd|A0: 1 of 5. &lt;script&gt;alert(1)&lt;/script&gt;"


def test_one_assignment_of_many_is_exported(export):
    other = ADA | {"assignment": "1-a", "rows": [row("one", 1, 4)]}
    _, told, out = export("moodle", [other, ADA], WORKSHEET, "--assignment", "1-a")
    assert ",25.00,100.00" in out.decode() and told[-1] == "1 of 1 results are in OUT.csv"


def test_files_that_are_no_results_are_told(export, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    wrong = {"a": "{", "b": "[]", "c": '{"rows": 1}', "d": json.dumps(ADA | {"id": 12}),
             "e": json.dumps(ADA | {"rows": [{"question": "x"}]})}  # fmt: skip
    for name, text in wrong.items():
        (folder / f"{name}.json").write_text(text)
    _, told, _ = export("moodle", [CY], WORKSHEET)
    assert told[:5] == [f"{n}.json is no result of grading, and was left out" for n in wrong]
    assert told[-1] == "1 of 1 results are in OUT.csv"


WRONG = {  # platform, results, template, options -> why not
    "no column": (
        "moodle", [ADA], WORKSHEET.replace("Identifier", "Number"), [],
        "T.csv has no column Identifier; needed: one among Number, Full name, Email address, "
        "Status, Grade, Maximum Grade, Grade can be changed, Last modified (grade), "
        "Feedback comments",
    ),
    "no maximum": ("moodle", [ADA], WORKSHEET.replace("Maximum Grade", "Scale"), [],
                   "T.csv has no column Maximum Grade; needed: one among Identifier,"),
    "two columns": ("moodle", [ADA], WORKSHEET.replace("Status", "GRADE"), [],
                    "T.csv has two columns Grade; needed: one"),
    "two rows": ("moodle", [ADA], WORKSHEET.replace("Participant 7", "Participant 12"), [],
                 "T.csv has two rows of 12; needed: one"),
    "no number": ("moodle", [ADA], WORKSHEET.replace("100.00", "good"), [],
                  "T.csv: the maximum of Ada Lovelace (12) is 'good'; needed: a number"),
    "two results": ("moodle", [ADA, ADA], WORKSHEET, [],
                    "Ada Lovelace (12) has two results; needed: one"),
    "cut": ("moodle", [ADA], WORKSHEET[:-40], [], "T.csv: row 4 has "),
    "open quotation": ("moodle", [ADA], WORKSHEET.replace('"old', '"old"x"'), [],
                       "T.csv: row 3 has"),
    "empty": ("moodle", [ADA], "", [], "T.csv has no column Identifier; needed: one among "),
    "Latin": ("moodle", [ADA], "Identität".encode("latin-1"), [],
              "T.csv is no text in UTF-8; needed: the file as the platform gave it out"),
    "UTF-16": ("moodle", [ADA], WORKSHEET.encode("utf-16"), [], "T.csv is no text in UTF-8"),
    "a picture": ("moodle", [ADA], bytes(range(256)), [], "T.csv is no text in UTF-8"),
    "no results": ("moodle", [], WORKSHEET, [],
                   "results has no result; needed: one of some assignment"),
    "another assignment": ("moodle", [ADA], WORKSHEET, ["--assignment", "1-a"],
                           "results has no result of 1-a; needed: one of 2-osmosis"),
    "many assignments": ("moodle", [ADA, ADA | {"assignment": "1-a"}], WORKSHEET, [],
                         "results has results of 1-a, 2-osmosis; needed: --assignment NAME"),
    "not an assignment": ("canvas", [ADA], GRADEBOOK, [*COLUMN[:3], "Section"],
                          "Section is no column of an assignment; needed: as in Osmosis (12345)"),
    "read only": ("canvas", [ADA], GRADEBOOK.replace("Current Score", "Score (1)"),
                  [*COLUMN[:3], "Score (1)"],
                  "Score (1) is (read only); needed: a column that can be filled in"),
    "another column": ("canvas", [ADA], GRADEBOOK, [*COLUMN[:3], "Osmosis (57)"],
                       "T.csv has no column Osmosis (57); needed: one among Student, ID,"),
    "no gradebook": ("canvas", [ADA], GRADEBOOK.replace("Possible", ""), COLUMN,
                     "T.csv has no row Points Possible; needed: a gradebook of Canvas"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_exported_is_told(case, export):
    platform, results, template, options, why = WRONG[case]
    status, told, out = export(platform, results, template, *options)
    assert status == 2 and out is None and len(told) == 1 and told[0].startswith(why), told


@pytest.mark.parametrize("results, template, out, why", [
    ("gone", "T.csv", "O.csv", "gone is no folder; needed: the one of results"),
    ("R", "gone.csv", "O.csv", "gone.csv cannot be read: No such file or directory"),
    ("R", "R", "O.csv", "R cannot be read: Is a directory"),
    ("R", "T.csv", "gone/O.csv", "gone/O.csv cannot be written: No such file or directory"),
])  # fmt: skip
def test_paths_that_lead_nowhere_are_told(results, template, out, why, tmp_path, monkeypatch,
                                          capsys):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "1.json").write_text(json.dumps(ADA))
    (tmp_path / "T.csv").write_text(WORKSHEET)
    assert platforms.main(["moodle", results, template, out]) == 2
    assert capsys.readouterr().err.startswith(why)
