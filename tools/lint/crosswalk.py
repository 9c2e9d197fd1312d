"""The crosswalk: what title and abstract of the paper promise is here, or said to be open."""

import importlib
import tomllib

from lint.book import Fault

FILE = "chapters/crosswalk.toml"
SUBJECT = (
    "FRTB"  # identifiers of the statements that the paper's subject is made of begin with these
)


def exists(name):
    """Whether `dpss.<module>.<names>` can be imported."""
    module, *names = name.split(".")
    try:
        found = importlib.import_module(f"dpss.{module}")
        for part in names:
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return True


def of_promise(entry, ledger):
    """What an entry lacks."""
    if not entry.get("words") or entry.get("of") not in ("title", "abstract"):
        yield "needs words, and of = title or abstract"
    for claim in entry["claims"]:
        if claim not in ledger:
            yield f"there is no statement {claim}"
    for name in entry["functions"]:
        if not exists(name):
            yield f"there is no dpss.{name}"
    if not entry["functions"]:
        yield "names no function"
    if not entry["claims"] and not entry.get("open"):
        yield "has neither statements nor an open point"


def problems(root):
    """What is wrong with the crosswalk; nothing when all is well."""
    promises, ledger = (
        tomllib.loads((root / name).read_text(encoding="utf-8"))
        for name in (FILE, "chapters/claims.toml")
    )
    found = [
        Fault("", FILE, f"{entry.get('words', '')!r}: {what}")
        for entry in promises["promise"]
        for what in of_promise(entry, ledger)
    ]
    named = {claim for entry in promises["promise"] for claim in entry["claims"]}
    for claim, entry in ledger.items():
        if claim[0] in SUBJECT and claim not in named:
            found.append(Fault(entry["page"], FILE, f"{claim} is promised nowhere"))
    return found
