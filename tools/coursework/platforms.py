"""Grades for Moodle and Canvas: the table that a platform gave out, with the grades filled in.

    python -m coursework.platforms moodle RESULTS WORKSHEET.csv OUT.csv [--assignment NAME]
    python -m coursework.platforms canvas RESULTS GRADEBOOK.csv OUT.csv
        --assignment NAME --column "Osmosis (12345)"

RESULTS is the folder that `make grade` writes beside its table, with results and points given by
hand. Students are found by number, not by
name; every cell but those that are filled in stays as it was, to the quotation mark.
"""

import argparse
import codecs
import json
import math
import pathlib
import re
import sys

from dpss import _files

from . import feedback
from .results import finished, plain

COLUMNS = {  # of Moodle's grading worksheet, in English and in German
    "identifier": ("Identifier", "ID"),
    "grade": ("Grade", "Bewertung"),
    "maximum": ("Maximum Grade", "Bestwertung"),
    "comments": ("Feedback comments", "Feedback als Kommentar"),
    "name": ("Full name", "Vollständiger Name"),
    "changeable": ("Grade can be changed", "Bewertung kann geändert werden"),
}
NEEDED = "identifier", "grade", "maximum"
LOCKED = "no", "nein"
TEST_STUDENT = "Student, Test"  # of Canvas
KEPT = "EX", "N/A"  # of Canvas: excused, not assigned
QUOTED = re.compile('"[^"]*(?:""[^"]*)*"')
RESULT = {"student": str, "id": str, "assignment": str, "rows": list}
ROW = {"question": str, "kind": str, "hint": str}
ROW |= {"points": int | float | None, "of": int | float}


class Sheet:
    """A table as text, of which cells can be changed: separator, quotation marks, ends of lines and
    byte order mark stay. `rows` are of raw cells, each with the end of its line as the last."""

    def __init__(self, path):
        self.name, content = pathlib.Path(path).name, _read(path)
        self.mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        try:
            text = content[len(self.mark) :].decode("utf-8")
        except UnicodeDecodeError:
            needed = "needed: the file as the platform gave it out"
            raise ValueError(f"{self.name} is no text in UTF-8; {needed}") from None
        self.separator = max(",;\t", key=lambda separator: len(next(_split(text, separator))))
        self.rows = list(_split(text, self.separator))
        for number, row in enumerate(self.rows, 1):
            where = f"{self.name}: row {number} has"
            if any(raw.startswith('"') and not QUOTED.fullmatch(raw) for raw in row):
                raise ValueError(f"{where} a quotation mark that is not closed")
            if len(row) != len(self.rows[0]) and any(map(str.strip, row)):
                cells = f"{len(row) - 1} cells, and its header {len(self.rows[0]) - 1}"
                raise ValueError(f"{where} {cells}; needed: as many")
        self.body = [row for row in self.rows[1:] if len(row) == len(self.rows[0])]

    def column(self, *names, needed=True):
        """The number of the column of one of these names; None if there is none, nor needed."""
        header = [_value(raw) for raw in self.rows[0][:-1]]
        wanted = {name.strip().casefold() for name in names}
        places = [place for place, name in enumerate(header) if name.casefold() in wanted]
        if len(places) > 1:
            raise ValueError(f"{self.name} has two columns {names[0]}; needed: one")
        if needed and not places:
            there = ", ".join(name[:40] for name in header)
            raise ValueError(f"{self.name} has no column {names[0]}; needed: one among {there}")
        return places[0] if places else None

    def by_number(self, column, pattern):
        """Number of a student -> row."""
        found = {}
        for row in self.body:
            if number := re.search(pattern, _value(row[column])):
                if number[0] in found:
                    raise ValueError(f"{self.name} has two rows of {number[0]}; needed: one")
                found[number[0]] = row
        return found

    def put(self, row, column, text):
        """Quoted if the cell was before, or has to be."""
        if row[column].startswith('"') or re.search(rf'["\r\n{self.separator}]', text):
            text = '"{}"'.format(text.replace('"', '""'))
        row[column] = text

    def write(self, path):
        lines = (self.separator.join(row[:-1]) + row[-1] for row in self.rows)
        try:
            _files.write(pathlib.Path(path), self.mark + "".join(lines).encode("utf-8"))
        except OSError as error:
            raise ValueError(f"{path} cannot be written: {error.strerror}") from None


def _split(text, separator):
    cell = re.compile(rf"({QUOTED.pattern}|[^{separator}\r\n]*)({separator}|\r\n|[\r\n]|\Z)")
    row = []
    for found in cell.finditer(text):
        row.append(found[1])
        if found[2] != separator:
            yield [*row, found[2]]
            row = []
        if found.end() == len(text) and not row:
            return


def _value(raw):
    return (raw[1:-1].replace('""', '"') if QUOTED.fullmatch(raw) else raw).strip()


def _number(text):
    """A number with point or comma; NaN for anything else."""
    plain = re.fullmatch(r"[0-9]+([.,][0-9]+)?", text)
    return float(text.replace(",", ".")) if plain else math.nan


def moodle(results, sheet, partial):
    """Fill in a grading worksheet of Moodle; how many grades, and what there is to tell."""
    column = {key: sheet.column(*names, needed=key in NEEDED) for key, names in COLUMNS.items()}
    rows = sheet.by_number(column["identifier"], "[0-9]+$")
    maxima = {number: _value(row[column["maximum"]]) for number, row in rows.items()}
    names = {number: _named(row, column["name"]) for number, row in rows.items()}
    pairs, told = _pairs(results, rows, names, sheet, partial)
    for result, row in pairs:
        text, name = maxima[result["id"]], names[result["id"]]
        if math.isnan(maximum := _number(text)):
            raise ValueError(
                f"{sheet.name}: the maximum of {_who(result)} is {text!r}; needed: a number"
            )
        sheet.put(row, column["grade"], _grade(result, maximum, _comma(sheet, maxima.values())))
        if column["comments"] is not None:
            sheet.put(row, column["comments"], _comment(result))
        if _named(row, column["changeable"]).casefold() in LOCKED:
            told.append(f"{_who(result)}: Moodle keeps another grade, which is locked")
        if name and not _words(name) & _words(result["student"]):
            told.append(
                f"{_who(result)}: in {sheet.name} it is {feedback.seen(name)}; is it right?"
            )
        told += _scaling(result, maximum)
    return len(pairs), told


def canvas(results, sheet, partial, column):
    """Fill in one column of a gradebook of Canvas; how many grades, and what there is to tell."""
    if not re.search(r"\([0-9]+\)$", column.strip()):
        raise ValueError(f"{column} is no column of an assignment; needed: as in Osmosis (12345)")
    place, identifier = sheet.column(column), sheet.column("ID")
    possible = [row for row in sheet.body if _value(row[0]).startswith("Points Possible")]
    if len(possible) != 1:
        raise ValueError(f"{sheet.name} has no row Points Possible; needed: a gradebook of Canvas")
    numbers = [_value(raw) for raw in possible[0][:-1]]
    if numbers[place] and math.isnan(_number(numbers[place])):
        raise ValueError(f"{column} is {numbers[place]}; needed: a column that can be filled in")
    rows = sheet.by_number(identifier, "^[0-9]+$")
    names = {number: _named(row, 0) for number, row in rows.items()}
    pairs, told = _pairs(results, rows, names, sheet, partial)
    kept = 0
    for result, row in pairs:
        if (before := _value(row[place])) in KEPT:
            told.append(f"{_who(result)}: {before} was kept in {column}")
            kept += 1
            continue
        maximum = _number(numbers[place])
        sheet.put(row, place, _grade(result, maximum, _comma(sheet, numbers)))
        told += _scaling(result, maximum)
    return len(pairs) - kept, told


def _pairs(results, rows, names, sheet, partial):
    """(result, row) of what is exported, and what is told of everybody else."""
    pairs, told, numbers = [], [], set()
    for result in results:
        open_ = ", ".join(row["question"] for row in result["rows"] if row["points"] is None)
        if result["id"] not in rows:
            told.append(f"{_who(result)}: not in {sheet.name}")
            continue
        if result["id"] in numbers:
            raise ValueError(f"{_who(result)} has two results; needed: one")
        numbers.add(result["id"])
        if open_:
            how = "exported without" if partial else "not exported, still to be graded:"
            told.append(f"{_who(result)}: {how} {open_}")
        if any(row["kind"] == "unreadable" for row in result["rows"]):
            told.append(f"{_who(result)}: exported as 0, as the file is unreadable")
        if partial or not open_:
            pairs.append((result, rows[result["id"]]))
    for number in rows:
        if number not in numbers and names[number] != TEST_STUDENT:
            told.append(f"{feedback.seen(names[number])} ({number}): no result")
    return pairs, told


def _grade(result, maximum, comma):
    """In points of the platform, if it has a maximum."""
    points, of = _points(result)
    grade = points * maximum / of if maximum > 0 and of > 0 else points
    return f"{grade:.2f}".replace(".", "," if comma else ".")


def _scaling(result, maximum):
    of = _points(result)[1]
    scaled = maximum > 0 and maximum != of
    return [f"grades are scaled from {of:g} to {maximum:g} points"] if scaled else []


def _points(result):
    rows = result["rows"]
    return sum(row["points"] or 0 for row in rows), sum(row["of"] for row in rows)


def _comment(result):
    """A line for each question, in HTML, which is what Moodle shows."""
    lines = [f"{row['question']}: {feedback.points(row)}. {row['hint']}" for row in result["rows"]]
    return plain("<br>".join(feedback.line(each, feedback.TEXT) for each in lines))


def _comma(sheet, numbers):
    """Whether numbers of a sheet have a decimal comma."""
    signs = "".join(numbers)
    return "," in signs or ("." not in signs and sheet.separator == ";")


def _named(row, column):
    return "" if column is None else _value(row[column])


def _words(name):
    return set(re.findall(r"\w+", name.casefold()))


def _who(result):
    number = f" ({result['id']})" if result["id"] else ""
    return f"{feedback.seen(result['student'])}{number}"


def results_in(folder, assignment=None):
    """The results in a folder, all of one assignment, and what is told about other files."""
    folder, results, told = pathlib.Path(folder), [], []
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; needed: the one of results that was graded into")
    for path in sorted(folder.rglob("*.json")):
        try:
            result = json.loads(_read(path))
        except ValueError:
            result = None
        if _is_result(result):
            results.append(result)
        else:
            told.append(f"{path.relative_to(folder)} is no result of grading, and was left out")
    there = sorted({result["assignment"] for result in results})
    if assignment is None and len(there) > 1:
        raise ValueError(f"{folder} has results of {', '.join(there)}; needed: --assignment NAME")
    if not there or assignment not in (None, *there):
        raise ValueError(f"{folder} has no result{f' of {assignment}' if assignment else ''}; "
                         f"needed: one of {', '.join(there) or 'some assignment'}")  # fmt: skip
    wanted = [r for r in results if assignment in (None, r["assignment"])]
    return finished(folder, wanted)[0], told


def _is_result(value):
    return _has(value, RESULT) and all(_has(row, ROW) for row in value["rows"])


def _has(value, kinds):
    return isinstance(value, dict) and all(
        key in value and isinstance(value[key], kind) for key, kind in kinds.items()
    )


def _read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m coursework.platforms", description=__doc__.splitlines()[0]
    )
    kinds = parser.add_subparsers(dest="platform", required=True)
    for name, template in (("moodle", "the grading worksheet"), ("canvas", "the gradebook")):
        kind = kinds.add_parser(name)
        kind.add_argument("results", help="the folder of results")
        kind.add_argument("template", help=f"{template} as the platform gave it out")
        kind.add_argument("out", help="the same with grades, to be uploaded")
        kind.add_argument("--assignment", required=name == "canvas")
        kind.add_argument("--partial", action="store_true", help="also what is not all graded yet")
    kind.add_argument("--column", required=True, help='as in "Osmosis (12345)"')
    given = vars(parser.parse_args(arguments))
    try:
        results, told = results_in(given["results"], given["assignment"])
        sheet = Sheet(given["template"])
        if given["platform"] == "moodle":
            number, more = moodle(results, sheet, given["partial"])
        else:
            number, more = canvas(results, sheet, given["partial"], given["column"])
        sheet.write(given["out"])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    done = f"{number} of {len(results)} results are in {given['out']}"
    print(*dict.fromkeys(told + more), done, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
