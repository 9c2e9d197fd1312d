"""What checks said when they were last run, for page *How it is checked*: `make record`.

    python tools/record.py checks              `make test`, with every sabotage (half an hour)
    python tools/record.py pages [PAGE…]       mutate_page.py (five minutes a page)
    python tools/record.py library [MODULE…]   mutate.py, 4 changes of each module (an hour)

Writes chapters/record.json after each of them, so that a stopped run goes on: what was found of
this very text is not made again, unless it is named. What fails is not written down.
"""

import argparse
import datetime
import json
import re
import sys

import check
from execute import ROOT, digest
from lint.book import paths

from dpss import _files

RECORD = ROOT / "chapters" / "record.json"
EVERYTHING = ["dpss", "data", "tests", "tools", "requirements.lock", "chapters/claims.toml"]
PAGE = r"(\d+) checks, (\d+) changes, (\d+) never red"
MODULE = r"(\d+) of (\d+) mutants tried, (\d+) survived"
NUMBERS = r"(\d+) passed", r"(\d+) of (\d+) sabotages", PAGE, MODULE  # what a run says of itself


def jobs():
    """(kind, name) -> command, additional environment, what its result is about."""
    found, pages = {}, [f"chapters/{path.name}" for path in paths(ROOT)]
    for heading, command, extra in check.PARTS:
        heading = heading.replace("a tenth of", "all")
        command = [word for word in command if word != "--tenth"]
        found["checks", heading] = command, extra, EVERYTHING + pages
    for path in paths(ROOT):
        command = [sys.executable, "tools/mutate_page.py", path.stem[:2]]
        if path.stem[0].isdigit():
            found["pages", path.stem] = command, {}, ["dpss", f"chapters/{path.name}"]
    for path in sorted((ROOT / "dpss").glob("*.py")):
        command = [sys.executable, "tools/mutate.py", "--limit", "4", path.stem]
        if path.stem != "__init__":
            found["library", path.stem] = command, {}, ["dpss", "tests/library"]
    return found


def known():
    """What is written down: kind -> name -> entry."""
    return json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}


def numbers(output):
    """The numbers in the last line in which a run sums itself up."""
    for line in reversed(output.splitlines()):
        for pattern in NUMBERS:
            if found := re.search(pattern, line):
                return [int(number) for number in found.groups()]
    return []


def about(inputs):
    """A checksum of what a result is about."""
    return digest(inputs)[:16]


def main(*arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("checks", "pages", "library"))
    parser.add_argument("names", nargs="*", help="all that have changed, if none is named")
    options = parser.parse_args(arguments or None)
    kind, old, parts, texts = options.kind, known().get(options.kind, {}), [], {}
    for (of, name), (command, extra, inputs) in jobs().items():
        if of != kind or options.names and not {name, name[:2]} & {*options.names}:
            continue
        texts[name] = about(inputs)  # before the run: a result is about what it began with
        if options.names or old.get(name, {}).get("of") != texts[name]:
            parts.append((name, command, extra))

    def keep(name, output, seconds):
        record = known()
        record.setdefault(kind, {})[name] = {
            "of": texts[name],
            "date": datetime.date.today().isoformat(),
            "seconds": round(seconds),
            "numbers": numbers(output),
        }
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        _files.write(RECORD, text.encode())

    return check.in_order(parts, keep)


if __name__ == "__main__":
    sys.exit(main())
