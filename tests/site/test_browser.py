"""The site in a browser: no foreign hosts, no errors, sliders that move, no sideways scrolling.

Each page is opened twice: as a file on a desktop, and from a server on a phone. Without a browser
this fails with instructions; it never skips.
"""

import fcntl
import functools
import http.server
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

import pytest
from build import SITE
from execute import ROOT

PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.glob("chapters/*.html"))

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
def browser(tmp_path_factory):
    from playwright.sync_api import sync_playwright

    with open(tmp_path_factory.getbasetemp().parent / "browser.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers would install it at the same time
        path = find_browser()
    with sync_playwright() as play:
        try:
            window = play.chromium.launch(
                executable_path=path,
                args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
            )
        except Exception as error:
            pytest.fail(f"{ADVICE}\n{error}")
        yield window
        window.close()


DESKTOP = 1200  # pixels: the theme shows both sidebars from here on


class Visit:
    """One page opened with foreign hosts blocked; collects what goes wrong."""

    def __init__(self, browser, address, root, width):
        self.foreign, self.errors = [], []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="light"
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
            self.page.wait_for_selector("[role=slider]", state="attached", timeout=60000)

    def _seen(self, root, request):
        if not request.url.startswith((root, "data:", "blob:", "about:")):
            self.foreign.append(request.url)


@pytest.fixture(params=["file", "http"])
def visit(request, browser, http_root):
    """Opens a page as a file on a desktop (with the least room beside two sidebars), or from a
    server on a phone."""
    root, width = (SITE.as_uri() + "/", DESKTOP) if request.param == "file" else (http_root, 390)
    made = []

    def opened(name):
        made.append(Visit(browser, root + name, root, width))
        return made[-1]

    yield opened
    for one in made:
        one.context.close()


UNNAMED = """() => [...document.images]
  .filter(i => !i.hasAttribute('alt') || (i.closest('.cell_output') && !i.alt.trim()))
  .map(i => i.src.slice(0, 80))"""
TEXT = """() => { const article = document.querySelector('article').cloneNode(true);
  article.querySelectorAll('pre, code, mjx-container, script, style').forEach(e => e.remove());
  return article.textContent }"""
WIDER = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [document.documentElement.scrollWidth, ...[...document.querySelectorAll('article *')]
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
  .slice(0, 5).map(e => e.outerHTML.slice(0, 100))]"""
CUT = """() => { const right = e => e.getBoundingClientRect().right;
  return [...document.querySelectorAll('article :not(mjx-assistive-mml, mjx-assistive-mml *)')]
    .filter(e => getComputedStyle(e).overflowX === 'hidden' && e.checkVisibility()
      && [...e.children].some(c => right(c) > right(e) + 1))
    .map(e => e.outerHTML.slice(0, 100)) }"""
LONG = """() => [...document.querySelectorAll('.cell_input pre')]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText.slice(0, 100))"""
SHOWN = """() => [...document.querySelectorAll('.cell_output img')]
  .filter(i => i.offsetParent !== null)"""
REMEMBER = f"() => {{ window.shown = ({SHOWN})().map(i => i.src) }}"
CHANGED = f"""() => {{ const now = ({SHOWN})();
  return now.length && now.every(i => i.naturalWidth > 0) &&
    (now.length !== shown.length || now.some((i, k) => i.src !== shown[k])) }}"""
NAMED = """e => { const box = e.closest('.widget-inline-hbox');
  const [label, readout] = ['.widget-label', '.widget-readout']
    .map(part => box.querySelector(part).textContent);
  return label && readout && e.getAttribute('aria-label') === label
    && e.getAttribute('aria-valuetext') === readout }"""
AT_THE_END = "e => e.getAttribute('aria-valuenow') === e.getAttribute('aria-valuemax')"


@pytest.mark.parametrize("name", PAGES)
def test_page(visit, name):
    one = visit(name)
    page = one.page
    assert page.locator("mjx-merror").count() == 0
    assert page.evaluate(UNNAMED) == [], "pictures without alternative text"
    raw = re.findall(r":::|\{prf:|\{cite|\{eq\}|\$\$|\\begin\{", page.evaluate(TEXT))
    assert raw == [], "raw markup"
    assert page.locator('mjx-container[tabindex="0"]').count() == 0, "formulas are stops of Tab"
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert page.evaluate(CUT) == [], "cut off, and no way to scroll there"
    if page.viewport_size["width"] == DESKTOP:
        assert page.evaluate(LONG) == [], "code wider than its column"
    for slider in page.locator("[role=slider]").all():
        slider.focus()
        page.evaluate(REMEMBER)
        page.keyboard.press("ArrowLeft" if slider.evaluate(AT_THE_END) else "ArrowRight")
        page.wait_for_function(CHANGED)  # the slider changes its picture
        page.wait_for_function(NAMED, arg=slider.element_handle())  # and says its name and value
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("s => document.documentElement.dataset.theme === s", arg=scheme)
        assert page.evaluate(WIDER) == [], "wider than the screen"
    assert (one.foreign, one.errors) == ([], [])


# predictions, each on a small page of its own
CHOICE = """<div class="dpss-prediction" id="predict-x" role="group">
  <details><summary>few</summary><p>No.</p></details>
  <details><summary>many</summary><p>Right.</p></details></div>"""
NUMBER = """<div class="dpss-prediction" id="predict-y" role="group"
  data-outcome="0.26" data-within="0.05"><details><summary>Answer</summary>
  <div class="dpss-right">It is 0.26.</div><div class="dpss-less">Less.</div>
  <div class="dpss-more">More.</div></details></div>"""


@pytest.fixture
def predict(browser, tmp_path):
    """Opens a page with one prediction, again with the same memory, or without scripts."""
    contexts = {}

    def opened(box, scripts=True):
        if scripts not in contexts:
            contexts[scripts] = browser.new_context(java_script_enabled=scripts)
        script = (ROOT / "tools" / "static" / "predictions.js").as_uri()
        (tmp_path / "page.html").write_text(f'{box}<script src="{script}"></script>', "utf-8")
        page = contexts[scripts].new_page()
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield opened
    for context in contexts.values():
        context.close()


def test_the_first_option_opened_is_the_guess_and_is_remembered_until_forgotten(predict):
    page = predict(CHOICE)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("summary", has_text="few (your guess)").wait_for()
    assert page.get_by_text("No.").is_visible() and not page.get_by_text("Right.").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.get_by_text("Right.").wait_for()
    assert page.locator("summary").all_inner_texts() == ["few (your guess)", "many"]
    page = predict(CHOICE)  # another day
    assert page.locator("summary").all_inner_texts() == ["few (your guess)", "many"]
    page.get_by_role("button", name="Forget").press("Enter")
    assert page.locator("summary").all_inner_texts() == ["few", "many"]
    assert predict(CHOICE).locator("summary").all_inner_texts() == ["few", "many"]


@pytest.mark.parametrize(
    "said, verdict, feedback",
    [
        ("0.3", "That is right.", ()),
        ("0,22", "That is right.", ()),
        ("0.1", "That is too small.", ("Less.",)),
        ("-3e2", "That is too small.", ("Less.",)),
        ("1", "That is too large.", ("More.",)),
    ],
)
def test_a_number_is_compared_and_remembered(predict, said, verdict, feedback):
    page = predict(NUMBER)
    page.get_by_label("Your number").fill(said)
    page.keyboard.press("Enter")
    assert verdict in page.get_by_role("status").inner_text()
    for text in ("Less.", "More."):
        assert page.get_by_text(text).is_visible() == (text in feedback)
    assert page.get_by_text("It is 0.26.").is_visible()
    page = predict(NUMBER)
    assert verdict in page.get_by_role("status").inner_text()
    page.get_by_role("button", name="Forget").click()
    assert page.get_by_label("Your number").input_value() == ""
    assert predict(NUMBER).get_by_role("status").inner_text() == ""


@pytest.mark.parametrize("said", ["", "many", "1/0"])
def test_what_is_no_number_is_said_to_be_none(predict, said):
    page = predict(NUMBER)
    page.get_by_label("Your number").fill(said)
    page.get_by_role("button", name="Compare").click()
    assert "Write a number" in page.get_by_role("status").inner_text()
    assert not page.get_by_text("It is 0.26.").is_visible()


@pytest.mark.parametrize("box, answer", [(CHOICE, "few"), (NUMBER, "Answer")])
def test_without_scripts_options_are_folded_answers(predict, box, answer):
    page = predict(box, scripts=False)
    assert not page.get_by_text(re.compile("No.|It is 0.26.")).is_visible()
    page.locator("summary", has_text=answer).press("Enter")
    assert page.get_by_text(re.compile("No.|It is 0.26.")).is_visible()
