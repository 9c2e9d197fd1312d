"""The built site in a browser: nothing from foreign hosts, no errors, sliders that move, no sideways scrolling.

`make test` runs this after the build. Without a browser it fails with instructions; it never skips."""

import functools
import http.server
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse

import pytest

SITE = pathlib.Path(__file__).resolve().parents[2] / "_build" / "html"
PAGES = sorted(
    str(p.relative_to(SITE))
    for p in SITE.rglob("*.html")
    if "_static" not in p.parts and p.parent != SITE
)  # index.html beside them only leads to the first page
ADVICE = (
    "no browser: install Chromium or Chrome (Debian: apt-get install chromium), "
    "or run: .venv/bin/python -m playwright install chromium"
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

pytestmark = pytest.mark.site


def installed_browser():
    found = next((shutil.which(name) for name in NAMES if shutil.which(name)), None)
    mac = pathlib.Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
    return found or (str(mac) if mac.exists() else None)


def find_browser():
    """Path of a browser; None means the browser that playwright installed itself."""
    found = installed_browser()
    if not found and shutil.which("apt-get") and os.geteuid() == 0:
        for line in (["update", "-q"], ["install", "-y", "-q", "chromium"]):
            subprocess.run(["apt-get", *line], capture_output=True)
        found = installed_browser()
    if not found:
        done = subprocess.run(
            [sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True
        )
        if done.returncode:
            pytest.fail(ADVICE)
    return found


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def http_root():
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        try:
            window = play.chromium.launch(
                executable_path=find_browser(),
                args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
            )
        except Exception as error:
            pytest.fail(f"{ADVICE}\n{error}")
        yield window
        window.close()


class Visit:
    """One page opened with foreign hosts blocked; collects what goes wrong."""

    def __init__(self, browser, address, root, width=1280, scheme="light"):
        self.foreign, self.errors = [], []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.page.on("request", functools.partial(self._seen, root))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("requestfailed", lambda r: self.errors.append(f"failed: {r.url[:200]}"))
        self.page.on(
            "response",
            lambda r: self.errors.append(f"{r.status}: {r.url}") if r.status >= 400 else None,
        )
        self.page.goto(address, wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        if self.page.query_selector('script[type="application/vnd.jupyter.widget-view+json"]'):
            self.page.wait_for_selector("[role=slider]", state="attached", timeout=20000)
        self.page.wait_for_timeout(300)

    def _seen(self, root, request):
        if not request.url.startswith((root, "data:", "blob:", "about:")):
            self.foreign.append(request.url)


@pytest.fixture
def visit(browser):
    made = []

    def open_page(*args, **kwargs):
        made.append(Visit(browser, *args, **kwargs))
        return made[-1]

    yield open_page
    for one in made:
        one.context.close()


@pytest.fixture(params=["file", "http"])
def root(request):
    return SITE.as_uri() + "/" if request.param == "file" else request.getfixturevalue("http_root")


def test_the_site_is_built():
    assert (SITE / "index.html").exists() and len(PAGES) >= 5, (
        f"{SITE}: run make book first; pages found: {PAGES}"
    )


PICTURES = """() => [...document.querySelectorAll('.cell_output img')].filter(i => i.offsetParent !== null)
  .map(i => [i.src, i.naturalWidth])"""


@pytest.mark.parametrize("name", PAGES)
def test_page(visit, root, name):
    one = visit(root + name, root)
    page = one.page
    assert page.locator("mjx-merror").count() == 0
    bad = page.evaluate(
        "() => [...document.images].filter(i => !i.hasAttribute('alt') || "
        "(i.closest('.cell_output') && !i.alt.trim())).map(i => i.src.slice(0, 80))"
    )
    assert bad == [], "pictures without alternative text"
    text = page.evaluate("""() => { const a = document.querySelector('article').cloneNode(true);
        a.querySelectorAll('pre, code, mjx-container, script, style').forEach(e => e.remove()); return a.textContent }""")
    assert re.findall(r":::|\{prf:|\{cite|\{eq\}|\$\$|\\begin\{", text) == [], "raw markup"
    for slider in page.locator("[role=slider]").all():
        if not slider.is_visible():
            slider.evaluate("e => e.closest('details')?.setAttribute('open', '')")
        slider.focus()
        before = page.evaluate(PICTURES)
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(250)
        after = page.evaluate(PICTURES)
        if before == after:  # the slider may have started at its right end
            page.keyboard.press("ArrowLeft")
            page.wait_for_timeout(250)
            after = page.evaluate(PICTURES)
        assert before != after, "a slider does not change its picture"
        assert after and all(width > 0 for _, width in after)
        told, shown = slider.evaluate("""e => { const box = e.closest('.widget-inline-hbox');
            return [[e.getAttribute('aria-label'), e.getAttribute('aria-valuetext')],
                    [box.querySelector('.widget-label').textContent, box.querySelector('.widget-readout').textContent]] }""")
        assert told == shown and all(told), "a slider does not say its name and value"
    assert (one.foreign, one.errors) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_phone(visit, http_root, name, scheme):
    one = visit(http_root + name, http_root, width=390, scheme=scheme)
    wide = one.page.evaluate("""() => document.documentElement.scrollWidth <= innerWidth ? [] :
      [...document.querySelectorAll('article *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
      .slice(0, 5).map(e => e.outerHTML.slice(0, 100))""")
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390, (
        f"wider than a phone: {wide}"
    )
    assert one.page.evaluate("document.documentElement.dataset.theme") == scheme
    assert (one.foreign, one.errors) == ([], [])


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
        if not target.exists() or target in ids and anchor not in ids[target] and anchor != "":
            broken.add(f"{path.name} -> {link}")
    assert not broken


@pytest.mark.parametrize("name", PAGES)
def test_weight(name):
    assert (SITE / name).stat().st_size < 4e6


def test_the_api_page_has_an_entry_for_every_public_name():
    from test_api import DESCRIBED

    entries = set(
        re.findall(r'\bid="dpss\.([\w.]+)"', (SITE / "chapters" / "api.html").read_text("utf-8"))
    )
    # a method that overrides another is described where it comes from
    missing = {
        name for name, (thing, _) in DESCRIBED.items() if name not in entries and thing.__doc__
    }
    assert not missing and len(entries) > 80
