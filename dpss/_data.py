"""The files of `data/`: each is read here, whole, and its checksum compared with sources.toml."""

import hashlib
import io
import pathlib
import tomllib
from functools import lru_cache

import numpy as np

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"


@lru_cache(maxsize=1)
def registry():
    path = DATA / "sources.toml"
    if not path.exists():
        raise FileNotFoundError(
            "data/sources.toml is missing; needed: the folder data/ of the book's checkout "
            "(install with `pip install -e .` from there)"
        )
    return tomllib.loads(path.read_text("utf-8"))["file"]


def read(name):
    """The bytes of a file of data/, its checksum verified."""
    path = DATA / name
    if not path.exists():
        raise FileNotFoundError(
            f"data/{name} is missing; restore it with `git checkout data/{name}`"
        )
    if name not in registry():
        needed = f'a table [file."{name}"] with its checksum'
        raise ValueError(f"data/{name} is not in data/sources.toml; needed: {needed}")
    content, needed = path.read_bytes(), registry()[name]["sha256"]
    found = hashlib.sha256(content).hexdigest()
    if found != needed:
        restore = f"Restore it with `git checkout data/{name}`"
        raise ValueError(f"data/{name} has sha256 {found}; needed: {needed}. {restore}")
    return content


def arrays(name):
    """The arrays of an .npz file of data/, name -> array; none of them can execute code."""
    with np.load(io.BytesIO(read(name)), allow_pickle=False) as stored:
        return dict(stored)
