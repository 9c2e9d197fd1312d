"""Break the library as the ledger says: an assertion of the named tests must fail.

    python tools/sabotage.py [ID…]      the sabotages of these claims, or of all: `make sabotage`
    python tools/sabotage.py --tenth    a tenth of them, drawn by the commit: `make test`

Each entry of chapters/claims.toml names changes of `dpss` that a hasty author might make. A change
that no assertion notices, or that only makes the tests crash, is printed, and the exit status is 1.
"""

import random
import subprocess
import sys
import tomllib

from broken import ROOT, outcomes

LEDGER = ROOT / "chapters" / "claims.toml"


def sabotages():
    """(claim, change, tests) for every change that the ledger names."""
    ledger = tomllib.loads(LEDGER.read_text(encoding="utf-8"))
    return [
        (claim, change, entry["tests"])
        for claim, entry in ledger.items()
        for change in entry.get("sabotage", [])
    ]


def commit():
    """The commit's hash, or "" where there is no repository."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def task(sabotage):
    """File, its text after the change, and the tests that are to notice."""
    _, change, tests = sabotage
    text = (ROOT / change["file"]).read_text(encoding="utf-8")
    return change["file"], text.replace(change["old"], change["new"]), tests


def main(*options):
    chosen = sabotages()
    if options == ("--tenth",):
        chosen = random.Random(commit()).sample(chosen, -(-len(chosen) // 10))
    elif options:
        chosen = [sabotage for sabotage in chosen if sabotage[0] in options]
    if not chosen:
        print(f"no sabotage of {', '.join(options)} in {LEDGER.name}")
        return 1
    noticed = 0
    for (claim, change, _), end in zip(chosen, outcomes(map(task, chosen))):
        noticed += end == "assertion"
        print(f"{claim:4} {change['what']}: {end}", flush=True)
    print(f"{noticed} of {len(chosen)} sabotages end in a failed assertion")
    return noticed < len(chosen)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
