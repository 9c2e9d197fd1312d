"""The mutation check of the library asks the tests that are to notice."""

import mutate
import pytest
from execute import ROOT

MODULES = sorted(path.stem for path in (ROOT / "dpss").glob("*.py"))


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])
def test_every_module_has_tests_beyond_those_that_all_modules_share(module):
    assert len(mutate.tests_of(module)) > 2 and len(set(mutate.tests_of(module))) == len(
        mutate.tests_of(module)
    )


def test_a_private_module_is_tested_by_those_who_use_it_even_through_others():
    assert mutate.users("_geometry") == {"certificate"}  # by way of _symmetries, too
    assert {"bases", "diffusion"} <= mutate.users("_cosines")
    assert "tests/library/test_certificate.py" in mutate.tests_of("_witnesses")


def test_each_operator_and_number_is_changed_alone():
    source = "def f(x):\n    return -x * 2 + 0.5 < 3"
    lines = [(before, after) for _, before, after, _ in mutate.mutants(source)]
    assert ("-x * 2 + 0.5 < 3", "-x * 2 + 0.5 > 3") in lines and ("-x", "+x") in lines
    assert len(lines) == 7 and all(text.count("\n") == 1 for *_, text in mutate.mutants(source))
