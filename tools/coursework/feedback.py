"""Pages that are complete in themselves, without a script or anything from elsewhere.

One for each student tells points, hints and what each test is about; never an input or a value that
was expected. One for each derivation shows all answers, with the rubric, to those who grade it.
"""

import hashlib
import html
import pathlib
import re

from dpss import _files

LINE, TEXT, ANSWER = 200, 4000, 40_000  # characters of what comes from students
SHELL = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --text: #1c1c1c; --ground: #fff; --line: #767676;
  --shade: #f3f3f3; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --text: #e6e6e6; --ground: #181818; --line: #8c8c8c; --shade: #262626; }} }}
body {{ color: var(--text); background: var(--ground); font: 1rem/1.5 system-ui, sans-serif;
  max-width: 46rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }}
h1, h2 {{ line-height: 1.2; }}
h2 {{ font-size: 1.15rem; margin: 2rem 0 .5rem; }}
table {{ border-collapse: collapse; width: 100%; }}
caption {{ text-align: start; padding: .25rem 0; }}
th, td {{ border: 1px solid var(--line); padding: .35rem .6rem; text-align: start;
  vertical-align: top; }}
tbody th {{ width: 8rem; }}
th {{ background: var(--shade); font-weight: 600; }}
.points {{ width: 5rem; }}
.hint {{ white-space: pre-line; overflow-wrap: anywhere; }}
.answer {{ white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }}
img {{ max-width: 100%; }}
.total {{ font-size: 1.15rem; }}
@media print {{
  :root {{ --text: #000; --ground: #fff; --shade: #fff; }}
  body {{ max-width: none; padding: 0; }}
  tr, section {{ break-inside: avoid; }} }}
</style>
</head>
<body>
<main>
{main}
</main>
</body>
</html>
"""
PAGE = """\
<h1>{title}</h1>
<p><bdi>{student}</bdi>{id}<br>handed in: <bdi>{file}</bdi>{late}</p>
<p class="total"><strong>{total}</strong></p>
<table>
<caption>All questions</caption>
<thead>
<tr><th scope="col">Question</th><th scope="col">Points and hint</th></tr>
</thead>
<tbody>
{rows}
</tbody>
</table>
{tests}
"""
DERIVATION = """\
<h1>{title}: {question}</h1>
<p>{of} points each; they go into by-hand.csv.</p>
<h2>Model answer and rubric</h2>
<div class="answer">{rubric}</div>
{answers}
"""
ANSWERED = """\
<section>
<h2><bdi>{student}</bdi>{id}</h2>
<div class="answer">{answer}</div>{pictures}
<p>{file}</p>
</section>
"""
PICTURE = """
<p><img src="{data}" alt="{name}, attached"></p>"""
ROW = """\
<tr><th scope="row">{question}</th><td>{points}<div class="hint">{hint}</div></td></tr>
"""
TESTS = """\
<section>
<h2>{question}</h2>
<table>
<caption>{asks}</caption>
<thead>
<tr><th scope="col">Test</th><th scope="col" class="points">Points</th></tr>
</thead>
<tbody>
{rows}
</tbody>
</table>
</section>
"""
TEST = '<tr><td>{about}</td><td class="points">{points}</td></tr>\n'


def page(result):
    """The page of one result, as HTML."""
    rows = result["rows"]
    main = PAGE.format(
        title=line(result["title"]),
        student=line(result["student"]),
        id=f", {line(result['id'])}" if result["id"] else "",
        file=line(result["file"]),
        late=" (late)" if result["late"] else "",
        total=_total(rows),
        rows="".join(map(_row, rows)).rstrip(),
        tests="".join(map(_tests, rows)).rstrip(),
    ).rstrip()
    return SHELL.format(title=f"{line(result['title'])}: {line(result['student'])}", main=main)


def derivation(pairs):
    """The page of one question that is graded by hand, of (result, row) of all students."""
    (result, row), *_ = pairs
    answers = [
        ANSWERED.format(
            student=line(result["student"]),
            id=f", {line(result['id'])}" if result["id"] else "",
            answer=html.escape(seen(row["answer"], ANSWER)) or "(nothing is filled in)",
            file=line(result["file"]),
            pictures="".join(PICTURE.format(name=line(n), data=d) for n, d in row["pictures"]),
        )
        for result, row in pairs
    ]
    title, question = line(result["title"]), line(row["question"])
    main = DERIVATION.format(
        title=title,
        question=question,
        of=f"{row['of']:g}",
        rubric=html.escape(row["rubric"]),
        answers="".join(answers).rstrip(),
    ).rstrip()
    return SHELL.format(title=f"{title}: {question}", main=main)


def write_derivations(results, folder):
    """Write a page for each question that has answers to be graded by hand; the files."""
    asked = {}
    for result in results:
        for row in result["rows"]:
            if "answer" in row:
                asked.setdefault((result["assignment"], row["question"]), []).append((result, row))
    folder.mkdir(parents=True, exist_ok=True)
    written = {folder / f"{_safe(name)}-{_safe(of)}.html": x for (name, of), x in asked.items()}
    for file, pairs in written.items():
        _files.write(file, derivation(pairs).encode("utf-8"))
    return list(written)


def _total(rows):
    graded = [row for row in rows if row["points"] is not None]
    earned, of = sum(row["points"] for row in graded), sum(row["of"] for row in rows)
    total = f"{earned:g} of {of:g} points"
    if len(graded) < len(rows):
        still = of - sum(row["of"] for row in graded)
        total += f" so far; {still:g} are graded by hand and still open"
    return total


def _row(row):
    hint = html.escape(seen(row["hint"], TEXT))
    return ROW.format(question=line(row["question"]), points=points(row), hint=hint)


def _tests(row):
    if not row["tests"]:
        return ""
    rows = [TEST.format(about=line(test["about"]), points=points(test)) for test in row["tests"]]
    question, asks = line(row["question"]), line(row["asks"]) or "Its tests"
    return TESTS.format(question=question, asks=asks, rows="".join(rows).rstrip())


def points(row):
    """Of a question or test, in words."""
    if row["points"] is None:
        return "graded by hand: open"
    return f"{row['points']:g} of {row['of']:g}"


def line(text, limit=LINE):
    """Text for HTML, in one line."""
    return html.escape(seen(" ".join(str(text).split()), limit))


def seen(text, limit=LINE):
    """Text of bounded length, without characters that nobody sees."""
    kept = (c if c.isprintable() or c == "\n" else " " * c.isspace() for c in str(text))
    whole = "".join(kept).strip()
    return whole if len(whole) <= limit else f"{whole[:limit]}…"


def write(results, folder):
    """Write the page of each result into a folder; the files, in this order.

    A file is named by the platform's number and the assignment; where there is none, by a digest
    of the name. ValueError for two results of one student and assignment.
    """
    named = {}
    for result in results:
        name = _name(result)
        if name in named:
            who, what = result["student"], result["assignment"]
            raise ValueError(f"{who} has two results of {what}; needed: one")
        named[name] = result
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in named.items():
        _files.write(folder / name, page(result).encode("utf-8"))
    return [folder / name for name in named]


def _name(result):
    """The same at each run, and another one on file systems that do not tell A from a."""
    who = result["id"]
    if not re.fullmatch("[0-9]{1,20}", who):
        whole = f"{result['student']}/{who}".encode("utf-8", "surrogatepass")
        who = f"{_safe(result['student'])}-{hashlib.sha256(whole).hexdigest()[:12]}"
    return f"{who}-{_safe(result['assignment'])}.html"


def _safe(text):
    return re.sub("[^a-z0-9]+", "-", text.casefold()).strip("-")[:60] or "x"
