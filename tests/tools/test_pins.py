"""The files that pin packages agree, and name every package that is imported."""

import ast
import importlib.metadata
import re
import sys
import tomllib

import nbformat
import pytest
from execute import PAGES, ROOT

ONLY_IN_BINDER = {"jupyterlab-myst"}  # renders theorems in JupyterLab; nothing here imports it
DISTRIBUTIONS = importlib.metadata.packages_distributions()


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file):
    """Package -> version; `+cpu` is another build of the same."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    found = [line.split("==") for line in lines if line and line[0] not in "#-"]
    return {normal(name): version.partition("+")[0] for name, version in found}


def named_in_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in project["dependencies"]}


def imported(*sources):
    """The packages from elsewhere that these texts import, wherever in them."""
    modules = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module.partition(".")[0])
    modules -= set(sys.stdlib_module_names) | {"dpss"}
    return {normal(DISTRIBUTIONS[name][0]) for name in modules if name in DISTRIBUTIONS}


def sources(folder):
    return [path.read_text("utf-8") for path in (ROOT / folder).rglob("*.py")]


def test_what_is_pinned_is_pinned_alike():
    lock = pins("requirements.lock")
    assert pins("requirements.txt").items() <= lock.items()
    binder = pins("binder/requirements.txt")
    assert {name: binder[name] for name in set(binder) - ONLY_IN_BINDER}.items() <= lock.items()


def test_the_library_names_what_it_imports_and_binder_installs_it():
    assert imported(*sources("dpss")) == named_in_pyproject()
    assert named_in_pyproject() <= set(pins("binder/requirements.txt"))


def test_pages_import_what_the_library_does():
    cells = [cell for page in PAGES for cell in nbformat.read(page, 4).cells]
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert imported(*code) <= named_in_pyproject()


@pytest.mark.parametrize("folder", ["dpss", "tools", "tests", "data"])
def test_what_is_imported_is_named(folder):
    found = imported(*sources(folder))
    assert found and found <= set(pins("requirements.txt"))


def test_imports_are_found_wherever_they_stand():
    code = "import numpy.linalg, re\ndef f():\n    from PIL import Image\n    from . import torch"
    assert imported(code, "import scipy as sp") == {"numpy", "pillow", "scipy"}
