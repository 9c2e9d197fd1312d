"""Submissions: who handed in which notebooks, in a folder or zip as a platform delivers them.

Who it is, only the outermost name says, which a platform or an instructor gave:

    First Last_1234567_assignsubmission_file_/…   Moodle, a folder each
    First Last_1234567_assignsubmission_file_x.ipynb     Moodle, without folders
    lastfirst_LATE_12345_678901_x-1.ipynb         Canvas; -1 is added to a resubmission
    LATE_anon_9q7fE_678901_x.ipynb                Canvas, anonymous
    STUDENT/ASSIGNMENT/x.ipynb, STUDENT/x.ipynb, STUDENT.ipynb    nbgrader, and by hand

Names further inside are the student's choice, and nobody is found by them.
"""

import collections
import dataclasses
import functools
import io
import os
import pathlib
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable

LIMIT = 20_000_000  # bytes of a notebook, or of a zip inside a zip
ENTRIES = 50_000  # of a zip
NOTEBOOKS = 50  # in one student's zip
SHOWN = 3  # names in a sentence
NUMBER = "[0-9]{1,20}"
MOODLE = re.compile(
    rf"(?P<student>.+?)(_(?P<id>{NUMBER}))?_assignsubmission_file(_(?P<name>.*))?", re.I
)
CANVAS = re.compile(
    rf"(?P<student>\w+?)(?P<late>_LATE)?_(?P<id>{NUMBER})_(?P<file>{NUMBER})_(?P<name>.+)"
)
ANONYMOUS = re.compile(
    rf"(?P<late>LATE_)?(?P<student>anon)_(?P<id>[0-9A-Za-z]{{5}})_(?P<file>{NUMBER})_(?P<name>.+)"
)
FORMS = MOODLE, CANVAS, ANONYMOUS
VERSION = re.compile(rf"(?P<name>.+?)(-(?P<number>{NUMBER}))?(?P<suffix>\.\w+)")
SILENT = "__macosx", "timestamp.txt"  # of macOS and of nbgrader
STREAMED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED  # other kinds unpack all that they are given
ENCRYPTED, UTF_8 = 1 << 0, 1 << 11  # flags of an entry
FAULTS = (  # what zipfile raises at damaged files
    *(OSError, EOFError, RuntimeError, ValueError, IndexError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
NO_NOTEBOOK = "no notebook"
INSIDE = "named like a whole class's files; needed: grade that folder or zip by itself"


@dataclasses.dataclass(frozen=True)
class Submission:
    """A notebook that somebody handed in. `id`: the platform's number, or ""; `read()`: its bytes,
    or ValueError that says why not."""

    student: str
    id: str
    name: str
    read: Callable
    late: bool = False


@dataclasses.dataclass(frozen=True)
class _File:
    """A file: names from the folder or zip that it is in, and how to get at it. What `opened`
    returns a ZipFile can be made of."""

    label: str
    pieces: tuple
    read: Callable
    opened: Callable

    def is_a(self, suffix):
        return self.pieces[-1].casefold().endswith(suffix)


@dataclasses.dataclass(frozen=True)
class _Handed:
    """A notebook or zip, and whose it is."""

    student: str
    id: str
    by_platform: bool
    name: str
    file: _File
    late: bool = False
    version: tuple = ()  # of Canvas: the name, then what orders versions of it

    @property
    def who(self):
        return f"{self.student} ({self.id})" if self.id else self.student


def found(path):
    """(submissions, sentences) of a folder or zip: sorted, and what was left out, and why."""
    path, left = pathlib.Path(path), {}  # (where, why) -> names
    files, may_hold_classes = _root(path, left)
    handed = list(_handed(files, may_hold_classes, left))
    notebooks = list(_notebooks(_latest(handed, left), left))
    notebooks = sorted(_own(notebooks, left), key=_order)
    if not notebooks:
        _tell(left, _printable(str(path)), "no notebook was found in it")
    made = [Submission(h.student, h.id, h.name, h.file.read, h.late) for h in notebooks]
    return made, _sentences(left)


def _tell(left, where, why, *names):
    left.setdefault((where, why), set()).update(names)


def _order(handed):
    who = handed.student.casefold(), handed.student, handed.id
    return *who, handed.name, handed.file.label


def _sentences(left):
    told = []
    for (where, why), names in sorted(left.items()):
        some = ", ".join(name[:80] for name in sorted(names)[:SHOWN])
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        told.append(f"{where}: left out {some}{more}: {why}" if names else f"{where}: {why}")
    return told


# ---- whose they are


def _handed(files, of_classes, left):
    """What was handed in. With `of_classes`, a zip among the files may be of a whole class."""
    for file in files:
        one = _owned(file)
        if of_classes and file.is_a(".zip") and len(file.pieces) == 1 and not one.by_platform:
            inside = _in_zip(file.opened, file.label, left)
            handed_in = [each for each in inside if each.is_a(".ipynb") or each.is_a(".zip")]
            if len(handed_in) > 1 or any(_owned(each).by_platform for each in inside):
                _tell(left, file.label, "read as a zip of a whole class")
                yield from _handed(inside, False, left)
                continue
        yield one


def _owned(file):
    top, name = file.pieces[0], file.pieces[-1]
    alone = len(file.pieces) == 1
    forms = filter(None, (form.fullmatch(top) for form in FORMS))
    # what looks like another platform's further on is the student's
    by = min(forms, key=lambda found: found.end("student"), default=None)
    if not by:
        return _Handed(pathlib.PurePath(top).stem if alone else top, "", False, name, file)
    name = alone and by["name"] or name
    who = by["student"], by["id"] or "", True, name, file
    if by.re is MOODLE:
        return _Handed(*who)
    return _Handed(*who, bool(by["late"]), _version(by) if alone else ())


def _version(by):
    """Canvas hands out x-2.ipynb where x.ipynb and x-1.ipynb were handed in before."""
    name = VERSION.fullmatch(by["name"])
    if not name:
        return ()
    first = by["student"], by["id"], name["name"].casefold(), name["suffix"].casefold()
    return first, int(name["number"] or 0), int(by["file"])


def _latest(handed, left):
    """Without what its own student replaced."""
    last = {}
    for one in sorted(filter(lambda one: one.version, handed), key=lambda one: one.version):
        last[one.version[0]] = one
    for one in handed:
        newest = last[one.version[0]] if one.version else one
        if newest is one:
            yield one
        else:
            _tell(left, one.who, f"{newest.name} counts instead", one.name)


def _notebooks(handed, left):
    """The notebooks of everybody; those that are in zips, out of these."""
    for one in handed:
        if one.file.is_a(".ipynb"):
            yield one
        elif not one.file.is_a(".zip"):
            _tell(left, one.who, NO_NOTEBOOK, one.name)
        else:
            yield from _unpacked(one, left)


def _unpacked(one, left):
    inside = _in_zip(one.file.opened, one.file.label, left)
    notebooks = [file for file in inside if file.is_a(".ipynb")]
    for file in inside:
        if not file.is_a(".ipynb"):
            why = "a zip inside of a student's zip" if file.is_a(".zip") else NO_NOTEBOOK
            _tell(left, one.who, why, file.pieces[-1])
    if len(notebooks) > NOTEBOOKS:
        _tell(left, one.who, f"it holds more than {NOTEBOOKS} notebooks", one.name)
        return
    for file in notebooks:
        pieces = *one.file.pieces, *file.pieces
        whole = dataclasses.replace(file, pieces=pieces)
        yield dataclasses.replace(one, name=pieces[-1], file=whole)


def _own(notebooks, left):
    """Without those in a folder of one student whose names are a platform's for many: the folder
    of a class in a wrong place, or somebody who hands in under another name."""
    ids = collections.defaultdict(set)
    named = [(one, None if one.by_platform else _platform_name(one)) for one in notebooks]
    for one, name in named:
        if name:
            ids[one.student].add(name["id"])
    for one, name in named:
        if name and (name.re is MOODLE or len(ids[one.student]) > 1):
            _tell(left, one.who, INSIDE, one.name)
        else:
            yield one


def _platform_name(one):
    found = (MOODLE.fullmatch(piece) or CANVAS.fullmatch(piece) for piece in one.file.pieces)
    return next(filter(None, found), None)


# ---- files


def _root(path, left):
    """The files of what is graded, and whether it is a folder: that may hold zips of classes."""
    label = _printable(str(path))
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError) as error:
        _tell(left, label, f"cannot be read: {_words(error)}")
        return [], False
    if stat.S_ISDIR(kind):
        return sorted(_on_disk(path, label, left), key=lambda file: file.label), True
    if not stat.S_ISREG(kind):
        _tell(left, label, "neither a folder nor a zip")
        return [], False
    return _in_zip(lambda: path, _printable(path.name), left), False


def _on_disk(root, called, left):
    """Regular files below a folder; links are not followed."""
    waiting = [(root, ())]
    while waiting:
        folder, pieces = waiting.pop()
        where = "/".join(pieces) or called
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            _tell(left, where, f"cannot be read: {_words(error)}")
            continue
        for entry in entries:
            inside = *pieces, _printable(_decoded(os.fsencode(entry.name), "latin-1"))
            if _silent(inside):
                continue
            if entry.is_symlink():
                _tell(left, where, "a symbolic link", inside[-1])
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, inside))
            elif entry.is_file(follow_symlinks=False):
                label, path = "/".join(inside), entry.path
                read = functools.partial(_whole, path, label)
                yield _File(label, inside, read, lambda path=path: path)
            else:
                _tell(left, where, "no regular file", inside[-1])


def _in_zip(opened, label, left):
    """Files in a zip, of which the directory alone is read."""
    try:
        with zipfile.ZipFile(opened()) as archive:
            entries = archive.infolist()
    except FAULTS as error:
        _tell(left, label, f"no zip that can be read: {_words(error)}")
        return []
    if len(entries) > ENTRIES:
        _tell(left, label, f"more than {ENTRIES} entries")
        return []
    files = {}
    for number, entry in enumerate(entries):
        name = entry.filename
        if not entry.flag_bits & UTF_8:  # then zipfile takes cp437, and macOS writes UTF-8
            name = _decoded(name.encode("cp437", "replace"), "cp437")
        name = name.replace("\\", "/")  # as Windows writes them
        pieces = tuple(_printable(piece) for piece in name.split("/") if piece not in ("", "."))
        if name.endswith("/") or not pieces or _silent(pieces):
            continue
        inside = f"{label}/{'/'.join(pieces)}"
        if why := _refused(entry, name):
            _tell(left, label, why, "/".join(pieces))
            continue
        if pieces in files:
            _tell(left, label, f"{'/'.join(pieces)} stands there twice; the last one counts")
        read = functools.partial(_entry, opened, number, inside)
        files[pieces] = _File(inside, pieces, read, lambda read=read: io.BytesIO(read()))
    return list(files.values())


def _refused(entry, name):
    if re.match(r"/|[A-Za-z]:", name) or ".." in name.split("/"):
        return "a name that leads out of the zip"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a symbolic link"
    if entry.flag_bits & ENCRYPTED:
        return "encrypted; needed: a zip without a password"
    if entry.compress_type not in STREAMED:
        return "compressed in an unusual way; needed: an ordinary zip"
    return ""


def _whole(path, label):
    try:
        with open(path, "rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise ValueError(f"{label} cannot be read: {_words(error)}") from None
    return _capped(content, label)


def _entry(opened, number, label):
    try:
        with zipfile.ZipFile(opened()) as archive:
            with archive.open(archive.infolist()[number]) as file:
                content = file.read(LIMIT + 1)  # no more of a zip bomb is unpacked
    except FAULTS as error:
        raise ValueError(f"{label} cannot be read: {_words(error)}") from None
    return _capped(content, label)


def _capped(content, label):
    if len(content) > LIMIT:
        raise ValueError(f"{label} has more than {LIMIT // 10**6} MB")
    return content


def _silent(pieces):
    hidden = any(piece.startswith(".") and piece != ".." for piece in pieces)
    return hidden or any(piece.casefold() in SILENT for piece in pieces)


def _decoded(name, otherwise):
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode(otherwise)


def _printable(name):
    """A name that can be shown anywhere, and is another one where names differ."""
    name = unicodedata.normalize("NFC", name)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)


def _words(error):
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
