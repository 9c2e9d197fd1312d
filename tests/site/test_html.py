"""The built site as files: complete, light, without a broken link."""

import re
import urllib.parse

import pytest
from build import SITE
from execute import PAGES
from library.test_api import DESCRIBED

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


def test_no_page_is_heavy():
    assert [p.name for p in SITE.rglob("*.html") if p.stat().st_size > 4e6] == []


def test_the_api_page_has_an_entry_for_every_public_name():
    text = (SITE / "chapters" / "api.html").read_text("utf-8")
    entries = set(re.findall(r'\bid="dpss\.([\w.]+)"', text))
    # a method that overrides another is described where it comes from
    missing = {name for name, (thing, _) in DESCRIBED.items() if thing.__doc__} - entries
    assert not missing and len(entries) > 80
