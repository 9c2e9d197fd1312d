"""Files are written whole or not at all, and arrays are stored so that reading runs no code."""

import io
import json
import os
import pathlib
import uuid
import zipfile

import numpy as np

SIGNATURE = b"PK\x03\x04"  # of an archive with an entry
ABOUT = "about"  # the one entry of an archive that is text: what the arrays are


def path(value: str | os.PathLike, name: str, needed: str | None = None) -> pathlib.Path:
    """The `value` of the argument `name` as a path; else TypeError."""
    try:
        return pathlib.Path(value)
    except TypeError:
        needed = needed or "a str or a pathlib.Path"
        raise TypeError(f"{name} is {value!r}; needed: {needed}") from None


def write(path: pathlib.Path, content: bytes) -> None:
    """Write the file `path`; whatever happens, it is the old or the new one, never a part."""
    target = path.resolve()  # through a link, not in its place
    unfinished = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except OSError as error:
        error.filename, error.filename2 = str(target), None  # what the caller knows of
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def packed(arrays: dict[str, np.ndarray], about: dict) -> bytes:
    """The bytes of an .npz of `arrays` and of `about`, as JSON; they depend on nothing else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, array in {ABOUT: np.array(json.dumps(about, sort_keys=True)), **arrays}.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), entry.getvalue())
    return buffer.getvalue()


def unpacked(content: bytes, name: str) -> tuple[dict[str, np.ndarray], dict]:
    """(arrays, about) of what `packed` made. ValueError, naming the file, for anything else.

    The archive's own checksums are compared, and arrays that hold Python objects are refused: to
    make one of them can run any code.
    """
    needed = "needed: a whole file that dpss.training wrote"
    try:
        if not content.startswith(SIGNATURE):  # NumPy would take it for a pickle
            raise ValueError("it is no archive")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = dict(stored)
        about = json.loads(str(arrays.pop(ABOUT)))
        if odd := [key for key, x in arrays.items() if not isinstance(x, np.ndarray)]:
            raise ValueError(f"{odd[0]} is no array")
    except KeyError:
        raise ValueError(f"{name} says nothing of what it holds; {needed}") from None
    except Exception as error:  # zipfile and NumPy raise what they like at damaged files
        raise ValueError(f"{name} is damaged or of another kind ({error}); {needed}") from error
    if not isinstance(about, dict):
        raise ValueError(f"{name} describes itself as {about!r}; {needed}")
    return arrays, about
