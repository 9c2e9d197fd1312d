"""The built site as files: complete, light, without a broken link."""

import functools
import re
import urllib.parse

import pytest
from bs4 import BeautifulSoup
from build import SITE
from execute import PAGES
from library.test_api import DESCRIBED
from lint.book import cells
from lint.claims import printed
from lint.predictions import LINE, boxes

pytestmark = pytest.mark.site


def test_the_site_has_every_page():
    missing = [page.stem for page in PAGES if not (SITE / f"chapters/{page.stem}.html").exists()]
    assert not missing, f"{SITE}: run make book first"


def test_internal_links():
    ids, links = {}, []
    for path in SITE.rglob("*.html"):
        text = path.read_text("utf-8")
        ids[path.resolve()] = set(re.findall(r'\bid="([^"]+)"', text)) | {""}
        links += [(path, link) for link in re.findall(r'<a\b[^>]*\bhref="([^"]+)"', text)]
    broken = set()
    for path, link in links:
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = urllib.parse.unquote(link.replace("&amp;", "&")).partition("#")
        target = (path.parent / file.partition("?")[0]).resolve() if file else path.resolve()
        if not target.exists() or target in ids and anchor not in ids[target]:
            broken.add(f"{path.name} -> {link}")
    assert len(links) > 1000 and not broken


def test_a_folded_box_has_a_title_for_its_button_and_an_id_of_its_own():
    for path in (SITE / "chapters").glob("*.html"):
        soup = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        boxes = soup.select("div.admonition.dropdown")
        untitled = [box for box in boxes if not box.find("p", "admonition-title", recursive=False)]
        ids = [box["id"] for box in boxes if box.get("id")]
        assert not untitled and len(ids) == len(set(ids)), path.name


def test_a_comma_or_bracket_beside_a_formula_stays_with_it():
    joined = 0
    for path in sorted((SITE / "chapters").glob("*.html")):
        soup = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        for formula in soup.select("article span.math"):
            before, after = str(formula.previous_sibling or ""), str(formula.next_sibling or "")
            if re.search(r"[(\[]$", before) or re.match(r"[,.;:!?)]", after):
                assert "dpss-joined" in formula.parent.get("class", []), (path.name, formula)
                joined += 1
    assert joined > 1000


EMPTY = re.compile(r"panel \d+: *(?:;|$)|(?:^|[:;] )over |, *;|: *;|\([-.: ]*\):|: *$")


def test_alt_texts_say_something_of_each_part():
    """Those of the frames of sliders too, which the committed pages do not hold."""
    for path in sorted((SITE / "chapters").glob("*.html")):
        for alt in set(re.findall(r'alt=\\?"(.*?)\\?"', path.read_text(encoding="utf-8"))):
            assert not EMPTY.search(alt), (path.name, alt)


def test_each_prediction_is_marked_by_what_its_page_printed():
    for path in PAGES:
        page = cells(path)
        lines = dict(LINE.findall("\n".join(map(printed, page))))
        soup = BeautifulSoup(
            (SITE / f"chapters/{path.stem}.html").read_text("utf-8"), "html.parser"
        )
        found = soup.select(".dpss-prediction")
        assert {box["id"] for box in found} == {f"predict-{name}" for name in boxes(page)}
        for box in found:
            outcome, answers = lines[box["id"].removeprefix("predict-")], box.select("details")
            if "data-outcome" in box.attrs:
                assert box["data-outcome"] == outcome
                assert answers[0].find("p").text.startswith(f"It is {outcome}. ")
            else:
                words = [re.sub(r"\\[()]", "", a.summary.text).strip() for a in answers]  # TeX
                verdicts = dict(zip(words, [a.find("p").text.split()[0] for a in answers]))
                expected = dict.fromkeys(verdicts, "No.") | {outcome: "Right."}
                assert verdicts == expected, (path.stem, outcome)


def test_no_page_is_heavy():
    assert [p.name for p in SITE.rglob("*.html") if p.stat().st_size > 4e6] == []


def test_the_api_page_has_an_entry_for_every_public_name():
    text = (SITE / "chapters" / "api.html").read_text("utf-8")
    entries = set(re.findall(r'\bid="dpss\.([\w.]+)"', text))
    # a method that overrides another is described where it comes from
    missing = {name for name, (thing, _) in DESCRIBED.items() if thing.__doc__} - entries
    assert not missing and len(entries) > 80


NUMBERED = [(page.stem, int(page.stem[:2])) for page in PAGES if page.stem[0].isdigit()]


@functools.cache
def soup(page):
    return BeautifulSoup((SITE / "chapters" / f"{page}.html").read_text("utf-8"), "html.parser")


def text(node):
    return " ".join(node.get_text().split()).removesuffix("#").strip()


def captions(page):
    """id -> number with its kind, of all that a page numbers."""
    found = {}
    for number in page.select("span.caption-number"):
        found[number.find_parent("div")["id"]] = text(number)
    for equation in page.select("div.math[id]"):
        found[equation["id"]] = text(equation.select_one("span.eqno"))
    return found


def test_readers_see_the_number_of_the_file_wherever_a_page_is_named():
    titles = {page: f"{number} · " for page, number in NUMBERED}
    for page, number in NUMBERED:
        built = soup(page)
        title = text(built.select_one("article h1"))
        titles[page] = title
        assert title.startswith(f"{number} · ")
        assert text(built.select_one("#jb-print-docs-body h1")) == title
        assert all(not re.match(r"\d", text(h)) for h in built.select("article h2, article h3"))
    for page in [path.stem for path in PAGES]:
        built, told = soup(page), 0
        for link in built.select(".bd-sidebar-primary li a, .prev-next-area a"):
            target = "" if link["href"].startswith("#") else link["href"].removesuffix(".html")
            if target in titles:
                told += 1
                shown = text(link.select_one(".prev-next-title") or link)
                assert shown == titles[target], (page, target)
        assert told >= len(titles) - 1 and set(built.select("h2 .section-number")) == set()


@pytest.mark.parametrize("page, number", NUMBERED)
def test_what_a_page_numbers_is_counted_from_1_on_it(page, number):
    found = captions(soup(page))
    kinds = {
        "exercise": [n for key, n in found.items() if key.startswith("ex-")],
        "equation": [n for key, n in found.items() if key.startswith("equation-")],
        "statement": [n for key, n in found.items() if key.startswith(("claim-", "def-"))],
    }
    assert sum(map(len, kinds.values())) == len(found) and all(kinds.values())
    for kind, numbers in kinds.items():
        counted = [re.search(r"[\d.]+", n)[0] for n in numbers]
        assert counted == [f"{number}.{k}" for k in range(1, len(numbers) + 1)], kind
    for label in (key for key in found if key.startswith("ex-")):
        assert found[label] == f"Exercise {number}.{label.split('-')[2]}"


def test_references_show_the_number_of_what_they_point_to():
    found = {path.stem: captions(soup(path.stem)) for path in PAGES}
    shown = 0
    for path in SITE.glob("chapters/*.html"):
        for link in soup(path.stem).select("article a.reference.internal"):
            file, _, anchor = link["href"].partition("#")
            target = found.get(file.removesuffix(".html") or path.stem, {}).get(anchor)
            if target and re.search(r"\d\.\d", text(link)):
                shown += 1
                assert target in text(link), (path.stem, text(link), target)
            assert not re.fullmatch(r"(Theorem|Proposition|Definition) \d+", text(link)), path.stem
    assert shown > 300
