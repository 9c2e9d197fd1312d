"""Predictions: three to five a page, options with feedback, decided by what cells print."""

import re

from lint.book import cells, on, page_number, paths, spoken
from lint.claims import printed

FEWEST, MOST = 3, 5
BOX = re.compile(
    r"^(:{3,})\{prediction\} *(\S*)\n((?::\w+:[^\n]*\n)*)(.*?)^\1$", re.MULTILINE | re.DOTALL
)
LINE = re.compile(r"^(\d\d-[a-z]\S*)  (.+)$", re.MULTILINE)
NUMBER = ["right", "too small", "too large"]


def options(body):
    """(words, feedback) of each item of the list in a box."""
    for item in re.split(r"^- ", body, flags=re.MULTILINE)[1:]:
        words, _, feedback = item.partition("\n\n")
        yield " ".join(re.sub(r"[$*]", "", words).split()), feedback.strip()


def without_feedback(said):
    """Text without the feedback of predictions, of which a reader unfolds a part."""
    return BOX.sub(lambda box: re.sub(r"^ {2,}.*\n", "", box[0], flags=re.MULTILINE), said)


def boxes(page):
    """Name -> (settings, options), for the predictions of a page, a list of cells."""
    said = spoken(page)
    return {
        name: (dict(re.findall(r":(\w+): *(.*)", settings)), list(options(body)))
        for _, name, settings, body in BOX.findall(said)
    }


def of_page(name, page, earlier):
    """What is wrong with the predictions of a page; `earlier`: the names on the pages before."""
    number = page_number(name)
    asked = boxes(page)
    outcomes = dict(LINE.findall("\n".join(map(printed, page))))
    if not FEWEST <= len(asked) <= MOST:
        yield f"has {len(asked)} predictions; needed: {FEWEST} to {MOST}"
    for key, (settings, choice) in asked.items():
        words = [said for said, _ in choice]
        if not re.fullmatch(rf"{number}-[a-z][a-z-]*", key):
            yield f"the prediction {key!r} is not called {number}-word"
        if not all(feedback for _, feedback in choice):
            yield f"the prediction {key} has an option without feedback"
        if settings.get("again", key) not in {*earlier, key}:
            yield f"the prediction {key} comes back from {settings['again']}, on no page before"
        if key not in outcomes:
            yield f"no cell prints the outcome of the prediction {key}"
        elif "within" in settings:
            if words != NUMBER:
                yield f"the prediction {key} asks for a number; needed: the items {NUMBER}"
        elif len(choice) < 2 or words.count(outcomes[key]) != 1:
            yield f"the prediction {key} came out as {outcomes[key]!r}; its options: {words}"
    for key in sorted(set(outcomes) - set(asked)):
        yield f"prints the outcome of {key}, which it never asked"


def problems(root):
    """What is wrong with the predictions of all pages; nothing when all is well."""
    found, earlier = [], set()
    for path in paths(root):
        page = cells(path)
        found += [on(path.stem, what) for what in of_page(path.stem, page, earlier)]
        earlier |= set(boxes(page))
    return found
