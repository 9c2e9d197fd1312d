r"""The notation registry: no page uses a symbol before it is registered and introduced.

A symbol is a letter, a Greek letter, a decorated alphabet (`\mathcal N`, `\mathbb R`) or a name
(`\mathrm{KL}`, `\operatorname{Cov}`). An entry of chapters/notation.toml registers all letters in
its TeX from its page on, `[[common]]` for all pages, `[[local]]` for one page.
"""

import re
import tomllib

from lint.book import Fault, on, paths, text

FILE = "chapters/notation.toml"
GREEK = set(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "pi varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta "
    "Lambda Xi Pi Sigma Upsilon Phi Psi Omega nabla ell hbar Re Im aleph".split()
)
NAMED = r"\\(?:mathrm|operatorname\*?|mathit|mathsf)\s*\{((?:[^{}\\]|\\[,;: ])*)\}"
STYLED = r"\\(mathcal|mathbb|mathbf|mathfrak)\s*(?:\{\s*([A-Za-z])\s*\}|([A-Za-z]))"
WORDS = r"\\(?:text|label|begin|end|tag|eqref|ref|mbox|textbf|textit)\s*\{[^{}]*\}(?:\{[lcr|]+\})?"
ORDINARY = {"d", "e", "T"}  # set upright: differential, Euler's number, transposition
MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$((?:[^$\\]|\\.)+?)\$", re.DOTALL)


def letters(tex):
    """The symbols of a formula."""
    found = set()

    def named(match):
        found.add(re.sub(r"\\[,;: ]|\s", "", match[1]))
        return " "

    def styled(match):
        found.add(f"{match[1].removeprefix('math')} {match[2] or match[3]}")
        return " "

    rest = re.sub(STYLED, styled, re.sub(NAMED, named, re.sub(WORDS, " ", tex)))
    found -= ORDINARY
    found |= {f"\\{command}" for command in GREEK & set(re.findall(r"\\([A-Za-z]+)", rest))}
    return found | set(re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", rest)))


def formulas(said):
    """The formulas of a page in MyST, code blocks and spans left out."""
    said = re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", " ", said)
    return [display or inline for display, inline in MATH.findall(said)]


def symbols_of(path):
    """Symbol -> a formula in which the page uses it first."""
    found = {}
    for formula in formulas(text(path)):
        for letter in letters(formula):
            found.setdefault(letter, " ".join(formula.split()))
    return found


def problems(root):
    """What is wrong with symbols and registry; nothing when all is well."""
    registry = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    pages = {path.stem: symbols_of(path) for path in paths(root)}
    order = list(pages)
    since, local, found = {}, set(), []
    for entry in registry.get("symbol", []):
        page = entry["page"]
        if page not in pages:
            found.append(Fault("", FILE, f"{entry['symbol']}: there is no page {page!r}"))
            continue
        for letter in letters(entry["symbol"]):
            since[letter] = min(since.get(letter, page), page, key=order.index)
            if letter not in pages[page]:
                found.append(Fault(page, FILE, f"{entry['symbol']}: {page} does not use {letter}"))
        if not entry.get("meaning", "").strip():
            found.append(Fault(page, FILE, f"{entry['symbol']} has no meaning"))
    for entry in registry.get("common", []):
        since |= {letter: order[0] for tex in entry["symbols"] for letter in letters(tex)}
    for entry in registry.get("local", []):
        page = entry["page"]
        for letter in (letter for tex in entry["symbols"] for letter in letters(tex)):
            if (page, letter) in local:
                found.append(Fault(page, FILE, f"{letter} is local to {page} twice"))
            local.add((page, letter))
            if letter not in pages.get(page, {}):
                found.append(
                    Fault(page, FILE, f"{letter} is local to {page}, which does not use it")
                )
        if not entry.get("meaning", "").strip():
            found.append(Fault(page, FILE, f"{entry['symbols']} of {page} have no meaning"))
    for page in order:
        for letter, formula in sorted(pages[page].items()):
            shown = f"${formula[:60]}$"
            if (page, letter) in local:
                continue
            if letter not in since:
                found.append(on(page, f"uses {letter}, which is not registered: {shown}"))
            elif order.index(since[letter]) > order.index(page):
                found.append(
                    on(page, f"uses {letter} before its first page {since[letter]}: {shown}")
                )
    return found
