"""The checker of the crosswalk sees each fault of a small one."""

import pytest
from lint.crosswalk import problems

GOOD = {"of": "title", "words": "Noise", "claims": ["F1"], "functions": ["families.vp"]}


def crosswalk(root, **change):
    """A crosswalk of one promise, beside a ledger of one claim."""
    (root / "chapters").mkdir(exist_ok=True)
    entry = "\n".join(f"{key} = {value!r}" for key, value in (GOOD | change).items())
    (root / "chapters" / "crosswalk.toml").write_text(f"[[promise]]\n{entry}\n", "utf-8")
    (root / "chapters" / "claims.toml").write_text('[F1]\npage = "01-a"\n', "utf-8")
    return root


def test_a_complete_crosswalk_has_no_problems(tmp_path):
    assert problems(crosswalk(tmp_path)) == []


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"of": "section 3"}, "title or abstract"),
        ({"claims": ["F9"]}, "no statement F9"),
        ({"functions": ["families.vq"]}, "no dpss.families.vq"),
        ({"functions": []}, "names no function"),
        ({"claims": []}, "neither statements nor an open point"),
        ({"claims": []}, "F1 is promised nowhere"),
    ],
)
def test_each_fault_is_seen(change, expected, tmp_path):
    found = problems(crosswalk(tmp_path, **change))
    assert any(expected in str(fault) for fault in found), found
