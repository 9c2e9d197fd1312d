"""Submissions: whose they are, by the names that platforms give, and nothing odd does harm."""

import io
import os
import struct
import zipfile

import pytest

from coursework import submissions

MOODLE = "Ada Lovelace_1234567_assignsubmission_file_"
BOB = "Bob_7_assignsubmission_file_"


def zipped(files, **options):
    """A zip of name (or ZipInfo) -> content, a file or a zip again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, zipped(content) if isinstance(content, dict) else content)
    return buffer.getvalue()


def laid_out(folder, files):
    """A folder of name -> content; what is a dict becomes a zip."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zipped(content) if isinstance(content, dict) else content)
    return folder


def who(made):
    return [(one.student, one.id, one.name, one.late) for one in made]


ADA = ("Ada Lovelace", "1234567", "x.ipynb", False)
CANVAS = ("lovelaceada", "12", "x.ipynb", False)
NAMES = {  # as they lie in a folder or zip -> student, id, name, late
    "Moodle, folders": ({f"{MOODLE}/x.ipynb": b"1"}, [ADA]),
    "Moodle, folders of a newer one": ({f"{MOODLE[:-1]}/x.ipynb": b"1"}, [ADA]),
    "Moodle, folders in folders": ({f"{MOODLE}/a/b/x.ipynb": b"1"}, [ADA]),
    "Moodle, flat": ({f"{MOODLE}x.ipynb": b"1"}, [ADA]),
    "Moodle, a zip": ({f"{MOODLE}/hw.zip": {"a/x.ipynb": b"1"}}, [ADA]),
    "Moodle, a flat zip": ({f"{MOODLE}hw.ZIP": {"a/x.ipynb": b"1"}}, [ADA]),
    "Moodle, a group without a number": (
        {"Default group_assignsubmission_file_/x.ipynb": b"1"},
        [("Default group", "", "x.ipynb", False)],
    ),
    "Moodle, digits in a name": (
        {"Ada 2 B 3_45_assignsubmission_file_/1-2.IPYNB": b"1"},
        [("Ada 2 B 3", "45", "1-2.IPYNB", False)],
    ),
    "Canvas": ({"lovelaceada_12_34_x.ipynb": b"1"}, [CANVAS]),
    "Canvas, late": ({"lovelaceada_LATE_12_34_x.ipynb": b"1"}, [(*CANVAS[:3], True)]),
    "Canvas, words in a name": (
        {"o_neill_renée_12_34_my_5_6_x.ipynb": b"1"},
        [("o_neill_renée", "12", "my_5_6_x.ipynb", False)],
    ),
    "Canvas, anonymous": ({"anon_9q7fE_34_x.ipynb": b"1"}, [("anon", "9q7fE", "x.ipynb", False)]),
    "Canvas, anonymous and late": (
        {"LATE_anon_9q7fE_34_x.ipynb": b"1"},
        [("anon", "9q7fE", "x.ipynb", True)],
    ),
    "Canvas, a zip": ({"lovelaceada_12_34_hw.zip": {"x.ipynb": b"1"}}, [CANVAS]),
    "Canvas, a zip that is unpacked": ({"lovelaceada_12_34_hw/x.ipynb": b"1"}, [CANVAS]),
    "nbgrader": ({"ada/2-osmosis/x.ipynb": b"1"}, [("ada", "", "x.ipynb", False)]),
    "a folder each": ({"ada/x.ipynb": b"1"}, [("ada", "", "x.ipynb", False)]),
    "a folder with a zip": ({"ada/hw.zip": {"x.ipynb": b"1"}}, [("ada", "", "x.ipynb", False)]),
    "a file each": ({"ada.ipynb": b"1"}, [("ada", "", "ada.ipynb", False)]),
    "a zip each": ({"ada.zip": {"hw/x.ipynb": b"1"}}, [("ada", "", "x.ipynb", False)]),
    "endless numbers": (
        {f"a_1_{'7' * 5000}_x.ipynb"[:240] + ".ipynb": b"1"},
        [(f"a_1_{'7' * 236}", "", f"a_1_{'7' * 236}.ipynb", False)],
    ),
    "two of one name": (
        {f"{MOODLE}/x.ipynb": b"1", "Ada Lovelace_9_assignsubmission_file_/x.ipynb": b"2"},
        [ADA, ("Ada Lovelace", "9", "x.ipynb", False)],
    ),
    "two notebooks": (
        {f"{MOODLE}/y.ipynb": b"1", f"{MOODLE}/x.ipynb": b"2"},
        [ADA, (*ADA[:2], "y.ipynb", False)],
    ),
    "Canvas, a file that looks like one of Moodle": (
        {"lovelaceada_12_34_Bob_7_assignsubmission_file_x.ipynb": b"1"},
        [(*CANVAS[:2], "Bob_7_assignsubmission_file_x.ipynb", False)],
    ),
    "Moodle, a file that looks like one of Canvas": (
        {"Ada_12_assignsubmission_file_bob_7_8_x.ipynb": b"1"},
        [("Ada", "12", "bob_7_8_x.ipynb", False)],
    ),
    "Canvas, anonymous, a file that looks like another": (
        {"anon_9q7fE_34_7_x.ipynb": b"1"},
        [("anon", "9q7fE", "7_x.ipynb", False)],
    ),
    "a platform's names are the student's choice further inside": (
        {f"{MOODLE}/{BOB}/bob_12_34_x.ipynb": b"1"},
        [(*ADA[:2], "bob_12_34_x.ipynb", False)],
    ),
}


@pytest.mark.parametrize("in_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("case", NAMES)
def test_who_it_is_say_the_names_that_platforms_give(case, in_zip, tmp_path):
    files, expected = NAMES[case]
    path = tmp_path / "all.zip"
    if in_zip:
        path.write_bytes(zipped(files))
    else:
        path = laid_out(tmp_path / "all", files)
    made, told = submissions.found(path)
    assert who(made) == expected and not told
    assert sorted(one.read() for one in made) == [b"1", b"2"][: len(made)]


def test_a_folder_may_hold_zips_of_classes(tmp_path):
    laid_out(tmp_path, {
        "moodle.zip": {f"{MOODLE}/x.ipynb": b"1", f"{BOB}/hw.zip": {"y.ipynb": b"2"}},
        "canvas.zip": {"c_1_2_x.ipynb": b"3", "d_2_3_x.ipynb": b"4"},
        "ours.zip": {"eve/1-a/x.ipynb": b"5", "fay/1-a/x.ipynb": b"6"},
        "small.zip": {"Gil_8_assignsubmission_file_/x.ipynb": b"7"},
    })  # fmt: skip
    made, told = submissions.found(tmp_path)
    assert [(one.student, one.read()) for one in made] == [
        ("Ada Lovelace", b"1"), ("Bob", b"2"), ("c", b"3"), ("d", b"4"), ("eve", b"5"),
        ("fay", b"6"), ("Gil", b"7"),
    ]  # fmt: skip
    assert told == [f"{name}.zip: read as a zip of a whole class"
                    for name in ("canvas", "moodle", "ours", "small")]  # fmt: skip


def test_of_what_was_handed_in_again_the_last_one_counts(tmp_path):
    names = "a_1_20_x a_1_31_x-2 a_1_30_x-10 a_1_9_y b_2_5_x-1 b_2_6_x"
    names = [f"{name}.ipynb" for name in names.split()]
    laid_out(tmp_path, {name: name.encode() for name in names})
    made, told = submissions.found(tmp_path)
    assert [one.read().decode() for one in made] == [
        "a_1_30_x-10.ipynb", "a_1_9_y.ipynb", "b_2_5_x-1.ipynb"
    ]  # fmt: skip
    assert told == ["a (1): left out x-2.ipynb, x.ipynb: x-10.ipynb counts instead",
                    "b (2): left out x.ipynb: x-1.ipynb counts instead"]  # fmt: skip


def test_zips_that_were_handed_in_again_count_once(tmp_path):
    laid_out(tmp_path, {
        "a_1_2_hw.zip": {"x.ipynb": b"old"}, "a_LATE_1_3_hw-1.zip": {"x.ipynb": b"new"},
    })  # fmt: skip
    made, told = submissions.found(tmp_path)
    assert [(one.read(), one.late) for one in made] == [(b"new", True)]
    assert told == ["a (1): left out hw.zip: hw-1.zip counts instead"]


@pytest.mark.parametrize("files, left", [
    ({f"ada/{BOB}/x.ipynb": b"1"}, ["x.ipynb"]),
    ({f"ada/{BOB}x.ipynb": b"1"}, [f"{BOB}x.ipynb"]),
    ({"ada/hw.zip": {f"{BOB}/x.ipynb": b"1"}}, ["x.ipynb"]),
    ({"ada/b_7_8_x.ipynb": b"1", "ada/c_9_8_x.ipynb": b"2"}, ["b_7_8_x.ipynb", "c_9_8_x.ipynb"]),
    ({"ada/b_7_8_x.ipynb": b"1"}, []),
], ids=["folder", "file", "zip", "Canvas", "a name that looks like it"])  # fmt: skip
def test_nobody_hands_in_under_another_name(files, left, tmp_path):
    made, told = submissions.found(laid_out(tmp_path, {"eve/x.ipynb": b"0", **files}))
    assert not any(one.id for one in made) and {one.student for one in made} <= {"ada", "eve"}
    names = ", ".join(left)
    assert told == ([f"ada: left out {names}: {submissions.INSIDE}"] if left else [])


def test_silently_left_out_is_what_no_student_made(tmp_path):
    names = ".ipynb_checkpoints/x-checkpoint.ipynb __MACOSX/._x.ipynb .x.ipynb timestamp.txt"
    files = {f"ada/{name}": b"1" for name in names.split()} | {"ada/x.ipynb": b"2"}
    for path in (laid_out(tmp_path / "all", files), tmp_path / "all.zip"):
        if path.suffix:
            path.write_bytes(zipped(files))
        made, told = submissions.found(path)
        assert [one.read() for one in made] == [b"2"] and not told


def test_what_is_no_notebook_is_left_out_in_one_sentence(tmp_path):
    names = "a.pdf b.png c.txt d.ipynb.txt"
    files = {f"{MOODLE}/{name}": b"1" for name in names.split()}
    files |= {f"{BOB}/x.ipynb": b"2", "e_1_2_x.py": b"", "fay.zip": {"x.ipynb": b"", "y": b""}}
    made, told = submissions.found(laid_out(tmp_path, files))
    assert [one.student for one in made] == ["Bob", "fay"]
    assert told == [
        "Ada Lovelace (1234567): left out a.pdf, b.png, c.txt and 1 more: no notebook",
        "e (1): left out x.py: no notebook",
        "fay: left out y: no notebook",
    ]


def test_names_of_any_encoding(tmp_path):
    composed, apart = "Jürg", "Ju\u0308rg"
    content = zipped({"XXXXrg/x.ipynb": b"1", "YYrg/x.ipynb": b"2", "Ægir Œ/x.ipynb": b"3"})
    content = content.replace(b"XXXX", "Jü".encode() + b"_").replace(
        b"YY", "J\x81".encode("latin-1")
    )
    (tmp_path / "all.zip").write_bytes(content)
    made, told = submissions.found(tmp_path / "all.zip")
    assert {one.student for one in made} == {"Jü_rg", composed, "Ægir Œ"} and not told
    assert sorted(one.read() for one in made) == [b"1", b"2", b"3"]

    folder = laid_out(tmp_path / "all", {f"{apart}/x.ipynb": b"1", "a\nb/x.ipynb": b"2"})
    os.mkdir(os.fsencode(folder) + b"/J\xfc")
    (folder / os.fsdecode(b"J\xfc") / "x.ipynb").write_bytes(b"3")
    made, told = submissions.found(folder)
    assert [one.student for one in made] == [r"a\u000ab", "Jü", composed] and not told


def test_links_and_devices_are_left_alone(tmp_path):
    secret = tmp_path / "secret"
    laid_out(secret, {"x.ipynb": b"secret"})
    folder = laid_out(tmp_path / "all", {"ada/x.ipynb": b"1"})
    (folder / "bob").symlink_to(secret)
    (folder / "ada" / "y.ipynb").symlink_to(secret / "x.ipynb")
    (folder / "ada" / "gone.ipynb").symlink_to(secret / "y.ipynb")
    os.mkfifo(folder / "ada" / "z.ipynb")
    made, told = submissions.found(folder)
    assert [one.read() for one in made] == [b"1"]
    assert told == sorted([
        f"{folder}: left out bob: a symbolic link",
        "ada: left out gone.ipynb, y.ipynb: a symbolic link",
        "ada: left out z.ipynb: no regular file",
    ])  # fmt: skip


def entry(name, mode=0o644, **attributes):
    made = zipfile.ZipInfo(name)
    made.external_attr = (0o120000 | mode) << 16 if mode == 0o777 else mode << 16
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize("name, why", [
    (entry("../x.ipynb"), "leads out"), (entry("ada/../../x.ipynb"), "leads out"),
    (entry("/etc/x.ipynb"), "leads out"), (entry("..\\x.ipynb"), "leads out"),
    (entry("C:\\x.ipynb"), "leads out"), (entry("ada/x.ipynb", 0o777), "a symbolic link"),
    (entry("ada/x.ipynb", compress_type=zipfile.ZIP_BZIP2), "in an unusual way"),
    (entry("ada/x.ipynb", compress_type=zipfile.ZIP_LZMA), "in an unusual way"),
], ids=lambda value: value if isinstance(value, str) else value.filename)  # fmt: skip
def test_entries_that_could_do_harm_are_left_out(name, why, tmp_path):
    path = tmp_path / "all.zip"
    path.write_bytes(zipped({name: b"1", "eve/x.ipynb": b"2"}))
    made, told = submissions.found(path)
    assert [one.read() for one in made] == [b"2"]
    assert len(told) == 1 and "all.zip: left out" in told[0] and why in told[0]


def test_no_more_is_unpacked_than_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "LIMIT", 10**6)
    long, packed = bytes(10**6 + 1), {"compression": zipfile.ZIP_DEFLATED}
    laid_out(tmp_path, {
        "ada/x.ipynb": long, "ada/y.ipynb": bytes(10**6),
        "bob/hw.zip": zipped({"x.ipynb": long}, **packed),
    })  # fmt: skip
    (tmp_path / "all.zip").write_bytes(
        zipped({"cyd/hw.zip": long, "dan/hw.zip": {"x.ipynb": b"1"}}, **packed)
    )
    made, told = submissions.found(tmp_path)
    assert [(one.student, one.name) for one in made] == [
        ("ada", "x.ipynb"), ("ada", "y.ipynb"), ("bob", "x.ipynb"), ("dan", "x.ipynb")
    ]  # fmt: skip
    for one, label in ((made[0], "ada/x.ipynb"), (made[2], "bob/hw.zip/x.ipynb")):
        with pytest.raises(ValueError, match=f"^{label} has more than 1 MB$"):
            one.read()
    assert len(made[1].read()) == 10**6 and made[3].read() == b"1"
    assert (
        "all.zip/cyd/hw.zip: no zip that can be read: all.zip/cyd/hw.zip has more than 1 MB" in told
    )


def test_zips_lie_in_zips_once_and_hold_few_notebooks(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "NOTEBOOKS", 2)
    monkeypatch.setattr(submissions, "ENTRIES", 5)
    many = {f"{k}.ipynb": b"1" for k in range(3)}
    path = tmp_path / "all.zip"
    path.write_bytes(zipped({
        "ada/a.zip": {"b.zip": {"x.ipynb": b"1"}, "y.ipynb": b"2"}, "bob/hw.zip": many,
        "cyd/hw.zip": {**many, "a": b"", "b": b"", "c": b""},
        "dan/hw.zip": {"1.ipynb": b"3", "2.ipynb": b"4", "a": b"", "b": b"", "c": b""},
        "eve": b"",
    }))  # fmt: skip
    made, told = submissions.found(path)
    assert [one.read() for one in made] == [b"2", b"3", b"4"]
    assert told == [
        "ada: left out b.zip: a zip inside of a student's zip",
        "all.zip/cyd/hw.zip: more than 5 entries",
        "bob: left out hw.zip: it holds more than 2 notebooks",
        "dan: left out a, b, c: no notebook",
        "eve: left out eve: no notebook",
    ]


def test_the_last_of_two_entries_of_one_name_counts(tmp_path):
    path = tmp_path / "all.zip"
    path.write_bytes(zipped({entry("ada/x.ipynb"): b"1", entry("./ada/x.ipynb"): b"2"}))
    made, told = submissions.found(path)
    assert [one.read() for one in made] == [b"2"]
    assert told == ["all.zip: ada/x.ipynb stands there twice; the last one counts"]


def encrypted(content):
    """A zip whose entries say that they are encrypted."""
    return b"PK\1\2".join(
        part[:4] + struct.pack("<H", part[4] | 1) + part[6:] if number else part
        for number, part in enumerate(content.split(b"PK\1\2"))
    )


GOOD = zipped({"ada/x.ipynb": b"12345"})
BROKEN = {  # content of all.zip -> what is said of it
    "text": (b"no zip", "no zip that can be read: File is not a zip file"),
    "empty": (b"", "no zip that can be read: File is not a zip file"),
    "cut": (GOOD[:-30], "no zip that can be read: File is not a zip file"),
    "directory": (GOOD.replace(b"PK\1\2", b"PK\1\3"), "no zip that can be read: Bad magic number"),
    "encrypted": (encrypted(GOOD), "left out ada/x.ipynb: encrypted"),
    "nothing": (zipped({}), "no notebook was found in it"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_zip_is_told(case, tmp_path):
    content, why = BROKEN[case]
    path = tmp_path / "all.zip"
    path.write_bytes(content)
    made, told = submissions.found(path)
    assert not made and any(why in sentence for sentence in told), told
    made, told = submissions.found(laid_out(tmp_path / "all", {"bob/hw.zip": content}))
    assert not made and all("Traceback" not in sentence for sentence in told) and told


def test_a_damaged_entry_is_told_when_it_is_read(tmp_path):
    for damaged in (GOOD.replace(b"12345", b"12346"), GOOD.replace(b"PK\3\4", b"PK\3\5")):
        (tmp_path / "all.zip").write_bytes(damaged)
        (only,), told = submissions.found(tmp_path / "all.zip")
        with pytest.raises(ValueError, match="^all.zip/ada/x.ipynb cannot be read: "):
            only.read()


def test_every_damage_of_a_byte_is_told(tmp_path):
    path = tmp_path / "all.zip"
    for place in range(len(GOOD)):
        for change in (0xFF, 0x01):
            path.write_bytes(GOOD[:place] + bytes([GOOD[place] ^ change]) + GOOD[place + 1 :])
            for one in submissions.found(path)[0]:
                try:
                    one.read()
                except ValueError as error:
                    assert str(error).startswith("all.zip/"), (place, change)


@pytest.mark.parametrize("make, why", [
    (lambda path: None, "cannot be read: No such file or directory"),
    (lambda path: path.mkdir(), "no notebook was found in it"),
    (os.mkfifo, "neither a folder nor a zip"),
    (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
], ids=["nothing", "empty", "FIFO", "loop"])  # fmt: skip
def test_no_submissions_are_told(make, why, tmp_path):
    path = tmp_path / "all"
    make(path)
    made, told = submissions.found(path)
    assert not made and f"{path}: {why}" in told


def test_what_vanished_or_may_not_be_read_is_told(tmp_path):
    (only,), _ = submissions.found(laid_out(tmp_path, {"ada/x.ipynb": b"1"}))
    (tmp_path / "ada" / "x.ipynb").unlink()
    with pytest.raises(ValueError, match="^ada/x.ipynb cannot be read: No such file"):
        only.read()


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    laid_out(tmp_path, {"ada/x.ipynb": b"1", "bob/x.ipynb": b"2"})
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("bob"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    made, told = submissions.found(tmp_path)
    assert [one.student for one in made] == ["ada"]
    assert told == ["bob: cannot be read: Permission denied"]
