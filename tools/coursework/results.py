"""What grading found: one result for each student and assignment, and points given by hand.

A result is a dict, stored as JSON: `student`, `id`, `assignment`, `title`, `file`, `late`, `flags`
for the instructor, and a row for each question, whose points are None while somebody has yet to
grade it by hand. These points are filled into by-hand.csv, and read from there. Its column `answer`
tells which answer they were given for; after another one, they move to the column `earlier`.
"""

import csv
import hashlib
import io
import json

from dpss import _files

FOLDER, BY_HAND = "results", "by-hand.csv"
COLUMNS = "student id assignment question points of kind hint reason flags".split()
FILLED = "student id assignment question of points comment answer earlier".split()
OPEN = "by hand"  # the kind of a row that people grade
OVERRULED = "overruled"  # of one whose points by tests somebody has changed


class Refused(ValueError):
    """Something that the instructor gave is not right; the message says what is needed."""


def path(folder, result):
    """Where a result is stored: a student's name may be anything, so not under it."""
    return folder / FOLDER / f"{_digest(*_who(result))[:20]}.json"


def store(folder, result):
    text = json.dumps(result, ensure_ascii=False, indent=1)
    _files.write(path(folder, result), text.encode("utf-8", "replace"))


def stored(folder, result):
    """The stored result of the same student and assignment, or None."""
    try:
        return json.loads(path(folder, result).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def finished(folder, results):
    """(results in the order of students, lines of by-hand.csv that belong to none of them).

    A line gives the points of a derivation, or overrules what the tests gave.
    """
    lines = _by_hand(folder / BY_HAND)
    for result in results:
        for row in result["rows"]:
            if line := lines.pop((*_who(result), row["question"]), None):
                _fill(result, row, line)
    return sorted(results, key=_who), [line for line in lines.values() if line["points"]]


def _fill(result, row, line):
    """Give a row the points and the comment of its line."""
    points, name = _points(line, row["of"]), row["question"]
    if line["answer"] not in ("", row["digest"]) and (line["points"] or line["comment"]):
        given = f"{points:g} points" if points is not None else "none"
        line = line | {"comment": "", "earlier": f"{given}: {line['comment']}".rstrip(": ")}
        points = None
    if row["kind"] == OPEN:
        row |= {"points": points, "hint": line["comment"]}
    elif points is not None:
        before = f"the tests gave {row['points']:g} ({row['kind']}). {row['reason']}"
        row |= {"points": points, "kind": OVERRULED, "reason": before.strip()}
        row["hint"] = line["comment"] or row["hint"]
    if points is None and line["earlier"]:
        row["earlier"] = line["earlier"]
        result["flags"].append(f"{name}: another answer since it was given {line['earlier']}")


def write(folder, to, results, kept):
    """grades.csv, a row for each student and question; and by-hand.csv, with the lines `kept`."""
    rows = [result | row for result in results for row in result["rows"]]
    graded = [row | {"flags": "; ".join(row["flags"])} for row in rows]
    _files.write(to, table(COLUMNS, graded))
    hand = [row for row in rows if row["kind"] in (OPEN, OVERRULED) or "earlier" in row]
    filled = [{"earlier": ""} | row | _line(row) for row in hand]
    _files.write(folder / BY_HAND, table(FILLED, [*filled, *kept]))


def _line(row):
    """What by-hand.csv says of a row: of one that is no longer overruled, only what it was."""
    by_tests = row["kind"] not in (OPEN, OVERRULED)
    said = {"points": None, "comment": ""} if by_tests else {"comment": row["hint"]}
    return said | {"answer": row["digest"]}


def table(columns, rows):
    """A CSV file of dicts, in bytes; what a spreadsheet would take for a formula is text."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({column: plain(row[column]) for column in columns})
    return file.getvalue().encode("utf-8-sig", "replace")


def plain(value):
    """A value as one line of text that is no formula."""
    if value is None or not isinstance(value, str):
        return "" if value is None else f"{value:g}"
    text = " ".join(value.split())
    return f"'{text}" if text[:1] in tuple("=+-@") else text


def _by_hand(file):
    """(student, id, assignment, question) -> line of by-hand.csv."""
    if not file.exists():
        return {}
    try:
        text = file.read_text("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text), dialect=_dialect(text)))
    except (UnicodeError, csv.Error) as error:
        raise Refused(f"{file}: {error}; needed: CSV in UTF-8") from None
    lacking = {*FILLED} - {*(rows[0] if rows else FILLED)}
    if lacking:
        raise Refused(f"{file} has no column {sorted(lacking)[0]}; needed: {', '.join(FILLED)}")
    kept = {}
    for number, row in enumerate(rows, 2):
        row = {key: (row[key] or "").strip() for key in FILLED}
        where = f"{file}, line {number}"
        who = tuple(row[key] for key in ("student", "id", "assignment", "question"))
        if who in kept:
            raise Refused(f"{where}: the same question as {kept[who]['where']}; needed: one line")
        kept[who] = row | {"where": where}
    return kept


def _dialect(text):
    """Spreadsheets of some countries separate by semicolons."""
    first = text.partition("\n")[0]
    return type("Dialect", (csv.excel,), {"delimiter": max(",;\t", key=first.count)})


def _points(line, of):
    """The points of a line; None where there are none yet."""
    if not line["points"]:
        return None
    try:
        points = float(line["points"].replace(",", "."))
    except ValueError:
        points = -1
    if not 0 <= points <= of:
        needed = f"a number from 0 to {of:g}"
        raise Refused(f"{line['where']}: points is {line['points']!r}; needed: {needed}")
    return points


def _who(result):
    return tuple(plain(result[key]) for key in ("student", "id", "assignment"))


def digest(text):
    """A few letters that tell another answer; digits a spreadsheet would take for a number."""
    letters = str.maketrans("0123456789", "ghijklmnop")
    return _digest(text)[:8].translate(letters)


def _digest(*parts):
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
