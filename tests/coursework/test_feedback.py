"""Feedback: a page tells a student what it may, and nothing that a student wrote can run in it."""

import html.parser
import re

import pytest

from coursework import feedback

STEP = {
    "question": "step", "asks": "one implicit step", "points": 3, "of": 5, "kind": "mistake",
    "hint": "Is the matrix\ntransposed?", "reason": "SECRET u = [[1, 2]], expected [[3]]",
    "tests": [{"about": "random images", "points": 0, "of": 2},
              {"about": "small images", "points": 3, "of": 3}],
}  # fmt: skip
PROOF = {
    "question": "proof", "asks": "", "points": None, "of": 4, "kind": "by hand", "hint": "",
    "reason": "", "tests": [], "answer": "SECRET answer", "rubric": "SECRET rubric",
}  # fmt: skip
RESULT = {
    "student": "Ada Lovelace", "id": "1234567", "assignment": "2-osmosis", "title": "Osmosis",
    "file": "x.ipynb", "late": False, "flags": ["SECRET flag"], "rows": [STEP, PROOF],
}  # fmt: skip


class Page(html.parser.HTMLParser):
    """Tags with attributes, text, and whether every tag is closed in order."""

    VOID = {"meta", "br"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(" ".join(data.split()))

    @property
    def words(self):
        return " | ".join(filter(None, self.text))


def test_a_page_tells_points_hints_and_what_tests_are_about():
    words = Page(feedback.page(RESULT)).words
    assert words.startswith(
        "Osmosis: Ada Lovelace | Osmosis | Ada Lovelace | , 1234567 | handed in: | x.ipynb | "
        "3 of 9 points so far; 4 are graded by hand and still open | All questions | "
        "Question | Points and hint | step | 3 of 5 | Is the matrix transposed? | "
        "proof | graded by hand: open | step | one implicit step | Test | Points | "
        "random images | 0 of 2 | small images | 3 of 3"
    ), words
    assert "SECRET" not in feedback.page(RESULT)


@pytest.mark.parametrize("change, told", [
    ({"late": True}, "x.ipynb | (late)"), ({"id": ""}, "Ada Lovelace | handed in"),
    ({"rows": [STEP]}, "3 of 5 points | All"),
    ({"rows": [STEP, PROOF | {"points": 2.5}]}, "5.5 of 9 points | All"),
    ({"rows": []}, "0 of 0 points"),
    ({"rows": [STEP | {"points": 0, "tests": [], "kind": "unreadable", "hint": "no notebook"}]},
     "step | 0 of 5 | no notebook"),
], ids=["late", "nameless", "graded", "by hand", "empty", "unreadable"])  # fmt: skip
def test_what_else_a_page_tells(change, told):
    assert told in Page(feedback.page(RESULT | change)).words


EVIL = "</td></style><script>alert(1)</script>\"' onload=x <img src=//evil.example/a.png>{rows}%s"


def test_nothing_that_a_student_wrote_is_more_than_text():
    row = {key: EVIL if isinstance(value, str) else value for key, value in STEP.items()}
    row["tests"] = [{"about": EVIL, "points": 0, "of": 1}]
    result = RESULT | {key: EVIL for key in ("student", "id", "title", "file")} | {"rows": [row]}
    harmless, evil = Page(feedback.page(RESULT | {"rows": [STEP | {"tests": row["tests"]}]})), \
        Page(feedback.page(result))  # fmt: skip
    assert evil.tags == harmless.tags and not evil.open
    assert not {tag for tag, _ in evil.tags} & {"script", "img", "link", "iframe", "a"}
    assert EVIL in evil.words


def test_a_page_is_complete_in_itself_and_can_be_heard():
    text = feedback.page(RESULT)
    page = Page(text)
    assert not re.search(r"https?:|//|url\(|@import|<script", text)
    assert ("html", {"lang": "en"}) in page.tags and "<title>Osmosis: Ada Lovelace</title>" in text
    scopes = [attributes.get("scope") for tag, attributes in page.tags if tag == "th"]
    assert scopes == ["col"] * 2 + ["row"] * 2 + ["col"] * 2
    tables = [tag for tag, _ in page.tags if tag in ("table", "caption")]
    assert tables == ["table", "caption"] * 2
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_what_students_wrote_is_bounded_and_visible():
    row = STEP | {"hint": "x" * 10**6 + "end"}
    text = feedback.page(RESULT | {"student": "y" * 10**6, "rows": [row]})
    assert len(text) < 10**4 and "x" * feedback.TEXT + "…" in text and "end" not in text
    hidden = "A\u202eda\x00 \ud800Love\u200blace\nB\xa0C"
    assert "Ada Lovelace B C" in Page(feedback.page(RESULT | {"student": hidden})).words


def test_pages_are_written_under_safe_and_different_names(tmp_path):
    students = [
        ("Ada", "1234567"), ("Ada", "1234568"), ("Ada", ""), ("ada", ""), ("../../etc/passwd", ""),
        ("/abs", "../x"), ("anon", "aB1cD"), ("anon", "Ab1Cd"), ("\x00", ""), ("\ud800", ""),
        ("ä" * 500, ""), ("con", "1" * 50),
    ]  # fmt: skip
    results = [RESULT | {"student": student, "id": number} for student, number in students]
    folder = tmp_path / "feedback"
    written = feedback.write(results + [RESULT | {"assignment": "../1"}], folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in written)
    assert len({path.name.casefold() for path in written}) == len(students) + 1
    assert written[0].name == "1234567-2-osmosis.html" and written[-1].name == "1234567-1.html"
    for path in written:
        assert path.parent == folder and re.fullmatch(r"[a-z0-9][a-z0-9-]{2,150}\.html", path.name)
    assert [p.read_text("utf-8") for p in written[:2]] == list(map(feedback.page, results[:2]))
    assert feedback.write(results[::-1], folder) == written[-2::-1]


def test_two_results_of_one_student_and_assignment_are_refused(tmp_path):
    with pytest.raises(ValueError, match="^Ada Lovelace has two results of 2-osmosis; needed: one"):
        feedback.write([RESULT, RESULT], tmp_path / "new")
    assert not (tmp_path / "new").exists()
