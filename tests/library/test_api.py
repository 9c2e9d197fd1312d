"""The public interface: all of it is documented, its examples run, it is on the API page."""

import doctest
import importlib
import inspect
import pathlib
import pkgutil
import re

import pytest

import dpss

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = [name for _, name, _ in pkgutil.iter_modules(dpss.__path__) if not name.startswith("_")]


def module(name):
    return importlib.import_module(f"dpss.{name}")


def members(thing, owner):
    exported = getattr(thing, "__all__", vars(thing))
    return {
        name: m
        for name, m in vars(thing).items()
        if (not name.startswith("_") or name in ("__call__", "__matmul__"))
        and name in exported
        and getattr(m, "__module__", owner) == owner
    }


def described():
    """(name, object, the text that may describe its parameters) for each public callable."""
    for name in MODULES:
        for key, thing in members(module(name), f"dpss.{name}").items():
            if not (inspect.isfunction(thing) or inspect.isclass(thing)):
                continue
            yield f"{name}.{key}", thing, inspect.getdoc(thing) or ""
            for method, function in (
                members(thing, f"dpss.{name}").items() if inspect.isclass(thing) else ()
            ):
                function = getattr(function, "fget", None) or getattr(
                    function, "__func__", function
                )
                if inspect.isfunction(function):
                    # where a method overrides another, that one describes it;
                    # the class describes what its methods share
                    base = next(
                        (
                            vars(c)[method]
                            for c in thing.__mro__
                            if method in vars(c) and inspect.getdoc(vars(c)[method])
                        ),
                        function,
                    )
                    yield (
                        f"{name}.{key}.{method}",
                        function,
                        (inspect.getdoc(base) or "") + "\n" + (inspect.getdoc(thing) or ""),
                    )


DESCRIBED = {name: (thing, text) for name, thing, text in described()}


def test_the_interface_is_that_of_the_modules():
    assert {
        "families.vp",
        "processes.Process.kernel",
        "osmosis.clone",
        "certificate.certify",
        "laws.Kernel.__matmul__",
    } <= set(DESCRIBED)
    for name in ("bases", "processes", "families", "priors"):  # at top level as well
        for key, thing in members(module(name), f"dpss.{name}").items():
            if inspect.isfunction(thing) or inspect.isclass(thing):
                assert getattr(dpss, key) is thing and key in dpss.__all__


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_public_name_has_a_docstring_that_names_its_parameters(name):
    thing, text = DESCRIBED[name]
    first = text.strip().splitlines()[0] if text.strip() else ""
    assert first.endswith((".", ":", ",", ";")) or len(text.splitlines()) > 1, (
        f"{name}: {first!r} is no sentence"
    )
    if inspect.isclass(thing) and (
        thing.__init__ is object.__init__
        or hasattr(thing, "_fields")
        or issubclass(thing, Exception)
    ):
        return
    try:
        parameters = inspect.signature(thing).parameters
    except ValueError:
        return
    for other in re.findall(r"as in `(\w+)`", text):  # of the same module
        text += next(
            (
                about
                for key, (_, about) in DESCRIBED.items()
                if key.startswith(name.split(".")[0]) and key.endswith(f".{other}")
            ),
            "",
        )
    words = set(re.findall(r"\w+", text))
    unnamed = [
        p
        for p in parameters
        if p not in ("self", "cls", "args", "options", "parameters") and p not in words
    ]
    assert not unnamed, f"{name} does not say what {', '.join(unnamed)} is"


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_runs(name):
    result = doctest.testmod(module(name))
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert sum(len(test.examples) for name in MODULES for test in finder.find(module(name))) >= 25


def test_the_api_page_has_every_module_and_the_table_of_contents_has_the_page():
    page = (ROOT / "chapters" / "api.md").read_text("utf-8")
    assert sorted(re.findall(r"^\.\. automodule:: dpss\.(\w+)$", page, re.M)) == sorted(MODULES)
    assert "file: chapters/api" in (ROOT / "_toc.yml").read_text("utf-8")


def test_imports_point_one_way():
    """bases → processes → families, priors → reverse; diffusion, osmosis; measures → certificate.

    Clock → network → training; figures come last.
    """
    order = (
        "_arrays _data _files images _osmosis _nonlinear _cosines osmosis trajectories bases "
        "_coefficients laws diffusion processes families priors clock reverse network "
        "features measures training _geometry _conditions _witnesses _symmetries certificate "
        "claims _words figures"
    ).split()
    present = {path.stem for path in (ROOT / "dpss").glob("*.py")} - {"__init__"}  # not exercises
    assert present == set(order)
    for place, name in enumerate(order):
        source = (ROOT / "dpss" / f"{name}.py").read_text("utf-8")
        used = set(re.findall(r"^from \.(\w+) import", source, re.M))
        for line in re.findall(r"^from \. import (.+)$", source, re.M):
            used |= {part.split(" as ")[0].strip() for part in line.split(",")}
        assert used <= set(order[:place]), f"{name} imports {used - set(order[:place])}"


def test_the_tour_of_the_readme_runs(capsys):
    tour = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S).group(1)
    names = {}
    exec(compile(tour, "README.md", "exec"), names)
    assert names["made"].shape == (8, 28, 28) and names["cloned"].shape == (3, 256, 256)
    assert "kl to normal           FAILS" in capsys.readouterr().out
