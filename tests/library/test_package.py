"""The package itself: what its import loads, what it offers, and `check` with any numbers."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import dpss

HEAVY = {"scipy", "matplotlib", "PIL", "ipywidgets", "IPython", "tqdm.auto", "tqdm.notebook"}


def fresh(code):
    """What a new Python process prints."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.slow
def test_import_takes_neither_scipy_nor_what_draws():
    loaded = fresh(
        "import sys, torch; before = set(sys.modules); import dpss\n"
        "dpss.heat((28, 28)), dpss.blurring((28, 28)), dpss.Pixels(), dpss.ve()\n"
        "u, vp = torch.rand(2, 3, 8, 8), dpss.vp()\n"
        "dpss.Empirical(u).denoiser(vp)(vp.sample(u, 0.5), 0.5)\n"
        "print(*sys.modules.keys() - before)"
    )
    assert "dpss.priors" in loaded
    assert not HEAVY & ({name.split(".")[0] for name in loaded} | set(loaded))


@pytest.mark.slow
@pytest.mark.parametrize(
    "use",  # each names modules that the lines before it have not loaded
    [
        "import dpss; dpss.figures.show; dpss.features.features; dpss.reverse.sample",
        "from dpss.certificate import certify; from dpss import images, osmosis; osmosis.clone",
        "from dpss import *; vp(), diffusion.homogeneous, measures.entropy, certificate.certify",
    ],
)
def test_every_way_to_a_module_works_in_a_new_process(use):
    fresh(use)


def test_every_name_is_offered_and_there():
    assert sorted(dpss.__all__) == sorted(set(dpss.__all__)) and set(dpss.__all__) <= set(dir(dpss))
    for name in dpss.__all__:
        assert getattr(dpss, name) is not None
    with pytest.raises(AttributeError, match="dpss.*no attribute 'nothing'"):
        dpss.nothing  # noqa: B018, reading it is the test
    with pytest.raises(ImportError, match="nothing"):
        from dpss import nothing  # noqa: F401, the import is the test


SMALL = 1e-3
KINDS = {
    "number": SMALL,
    "boolean": False,
    "half": np.float16(SMALL),
    "long": np.longdouble(SMALL),
    "list": [0, -SMALL],
    "list of arrays": [np.full(2, SMALL), np.zeros(2)],
    "list of tensors": [torch.tensor(SMALL), torch.tensor(-SMALL)],
    "big-endian": np.array([SMALL, 0], ">f8"),
    "flipped": np.array([0, SMALL])[::-1],
    "complex": np.array([1j * SMALL]),
    "unsigned": np.zeros(3, np.uint16),
    "bfloat16": torch.tensor([SMALL], dtype=torch.bfloat16),
    "with a gradient": torch.tensor([SMALL], requires_grad=True),
    "conjugate view": torch.tensor([1j * SMALL]).conj(),
    "booleans": torch.zeros(3, dtype=torch.bool),
}


@pytest.mark.parametrize("kind", KINDS)
def test_check_takes_numbers_of_any_kind(kind, capsys):
    dpss.check("X1", "it is small", KINDS[kind], below=2 * SMALL)
    assert "defect < 0.002" in capsys.readouterr().out
    if "bool" not in kind and kind != "unsigned":
        with pytest.raises(AssertionError, match="X1"):
            dpss.check("X1", "it is smaller", KINDS[kind], below=SMALL / 2)


@pytest.mark.parametrize(
    "error, name, value",
    [
        (TypeError, "masked", np.ma.masked_array([9.0, 0.0], [True, False])),
        (TypeError, "value has dtype", "small"),
        (TypeError, "value has dtype", None),
        (ValueError, "value is empty", []),
        (ValueError, "value is empty", torch.zeros(0)),
    ],
)
def test_check_refuses_by_name_what_has_no_size(error, name, value):
    with pytest.raises(error, match=name):
        dpss.check("X1", "it is small", value, below=1)
