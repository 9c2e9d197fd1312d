"""Execute the pages, one on each core, into the cache from which the site is built.

A page runs again when its code has changed, or what it runs on: dpss, data, packages, Python.
"""

import asyncio
import hashlib
import os
import pathlib
import re
import shutil
import sys
import time

import nbformat
import recorder
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient

TOOLS = pathlib.Path(__file__).resolve().parent
ROOT = TOOLS.parent
PAGES = sorted((ROOT / "chapters").glob("*.ipynb"))
ASSIGNMENTS = sorted((ROOT / "coursework" / "student").glob("*.ipynb"))
CACHE = ROOT / "_build" / ".jupyter_cache"  # where Jupyter Book looks
INPUTS = [
    "dpss",
    "data",
    "requirements.lock",
    "tools/recorder.py",
]  # what the cache does not look at
TIMEOUT = 300  # seconds for a cell
RECORD = "import recorder; recorder.start(); del recorder"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # pages share the cores; no result depends on their number


def digest(names):
    """A checksum of files and folders."""
    total = hashlib.sha256(sys.version.encode())
    for name in names:
        for path in sorted([ROOT / name, *(ROOT / name).rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def cache():
    """The cache of executed pages, empty if what they run on has changed."""
    stamp, now = CACHE / "inputs.sha256", digest(INPUTS)
    if not stamp.exists() or stamp.read_text() != now:
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        stamp.write_text(now)
    return get_cache(CACHE)


def result(path):
    """A page as it was executed, pictures and widgets included."""
    kept = ("kernelspec", "language_info", "widgets", "sizes")
    return get_cache(CACHE).merge_match_into_file(str(path), nb_meta=kept)[1]


async def execute(path, store, slot):
    """Execute a page and store it; returns what failed, or nothing."""
    book, places = nbformat.read(path, 4), []
    client = NotebookClient(
        book,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,  # times in the cells would make it another notebook for the cache
        extra_arguments=["--log-level=ERROR"],
        on_notebook_start=lambda notebook: client.kc.execute(RECORD, silent=True),
        on_cell_start=lambda cell, cell_index: places.append(cell_index),
        resources={"metadata": {"path": path.parent}},
    )
    async with slot:
        start = time.perf_counter()
        try:
            await client.async_execute(env=kernels())
        except Exception as error:  # whatever stops a page is that page's failure
            where = f"cell {places[-1]}" if places else "the kernel"
            return f"{path.name}: {where} failed:\n" + "\n".join(plain(str(error))[-15:])
        seconds = time.perf_counter() - start
    recorder.keep(book)
    data = {"execution_seconds": seconds}
    store.cache_notebook_bundle(
        CacheBundleIn(book, str(path), data=data), check_validity=False, overwrite=True
    )
    print(f"executed {path.name} in {seconds:.0f} s", flush=True)


def kernels():
    """The environment of a kernel: one thread, and tools/ on the path for the recorder."""
    path = os.pathsep.join(filter(None, [str(TOOLS), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path}


def plain(log):
    """The lines of a log, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines()


def run(paths=(*PAGES, *ASSIGNMENTS)):
    """Execute the pages that the cache does not hold; returns what failed, one text each."""
    store = cache()

    def waits(path):
        try:
            return not store.match_cache_file(str(path))
        except KeyError:
            return True

    async def together():
        slot = asyncio.Semaphore(os.cpu_count() or 1)
        return await asyncio.gather(*(execute(path, store, slot) for path in paths if waits(path)))

    return [what for what in asyncio.run(together()) if what]
