"""README, CONTRIBUTING and the description of the data say what is there."""

import ast
import re

import pytest
from execute import ROOT
from mutate import imported

README, CONTRIBUTING, DATA = (
    (ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md", "data/README.md")
)
DIAGRAM = CONTRIBUTING.partition("```text\n")[2].partition("```")[0]
MODULES = {path.stem for path in (ROOT / "dpss").glob("*.py")} - {"__init__"}
PUBLIC = {name for name in MODULES if name[0] != "_"}


def places():
    """Every path of the README's map; the first of a row says the folder of those after it."""
    for cell in re.findall(r"^\| (`.*?) \|", README.partition("## Where things are")[2], re.M):
        first, *others = re.findall(r"`([^`]+)`", cell)
        folder = first.partition("/")[0] + "/" if "/" in first else ""
        yield first
        for other in others:
            yield other if other.startswith(folder) else folder + other


@pytest.mark.parametrize("path", list(places()))
def test_the_map_of_the_readme_points_to_what_exists(path):
    assert list(ROOT.glob(path.rstrip("/")))


def test_the_map_of_the_readme_leaves_nothing_out():
    found = {path.rstrip("/") for path in places()}
    assert {f"dpss/{name}.py" for name in PUBLIC} <= found
    tools = {f"tools/{path.name}" for path in (ROOT / "tools").iterdir()}
    assert tools - {"tools/__pycache__", "tools/vendor.py"} <= found
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert {name for name in folders if not name.endswith(".egg-info")} <= {
        path.partition("/")[0] for path in found
    }


def test_the_table_of_the_preface_has_every_page():
    preface = (ROOT / "chapters" / "index.ipynb").read_text("utf-8")
    rows = re.findall(r'^ *"\| .*\]\((\d\d-[\w-]+)\.ipynb\)', preface, re.MULTILINE)
    assert rows == sorted(path.stem for path in (ROOT / "chapters").glob("[0-9][0-9]-*.ipynb"))


def test_the_diagram_of_imports_has_every_module():
    assert set(re.findall(r"\w+", DIAGRAM)) >= PUBLIC
    rows = re.findall(r"^\| (`_.*?) \|", CONTRIBUTING, re.MULTILINE)
    assert set(re.findall(r"`(_\w+)`", " ".join(rows))) == MODULES - PUBLIC


def imports(module):
    """All modules of dpss that a module imports, directly or through others."""
    direct = imported(module) & MODULES
    return direct.union(*map(imports, direct))


def test_the_arrows_of_the_diagram_are_imports():
    arrows = re.findall(r"(\w+) (?=─+► (\w+))", DIAGRAM)
    assert len(arrows) >= 4 and [a for a in arrows if a[0] not in imports(a[1])] == []


def test_the_description_of_the_weights_agrees_with_their_script():
    script = ast.parse((ROOT / "data" / "classifier.py").read_text("utf-8"))
    line = next(node for node in script.body if isinstance(node, ast.Assign))
    values = {name.id: v.value for name, v in zip(line.targets[0].elts, line.value.elts)}
    assert f"{values['EPOCHS']} epochs" in DATA
