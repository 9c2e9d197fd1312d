"""One process of every family, for tests that hold for all of them."""

from functools import lru_cache

import torch
from reference import T_MAX, image, positive

from dpss import families
from dpss.bases import Cosines, Pixels
from dpss.processes import Process

# As the library makes them; `reference.schedule` has the formulas under the same names.
DEFAULT = {
    "vp": lambda shape: families.vp(),
    "vp_cosine": lambda shape: families.vp_cosine(),
    "sub_vp": lambda shape: families.sub_vp(),
    "ve": lambda shape: families.ve(),
    "heat": families.heat,
    "blurring": families.blurring,
    "gaussian_scale_space": lambda shape: families.gaussian_scale_space(shape, T_MAX),
}

# With noise and blur so mild that no mode is lost: dense algebra keeps its digits.
MILD = {
    "vp": lambda shape: families.vp(),
    "vp_cosine": lambda shape: families.vp_cosine(),
    "vp_discrete": lambda shape: families.vp_discrete([0.1, 0.2, 0.3, 0.4]),
    "sub_vp": lambda shape: families.sub_vp(),
    "ve": lambda shape: families.ve(0.1, 5.0),
    "heat": lambda shape: families.heat(shape, 1.5, sigma=0.3),
    "blurring": lambda shape: families.blurring(shape, 1.5),
    "flow_matching": lambda shape: families.flow_matching(),
    "osmotic": lambda shape: families.osmotic(positive(shape, 4, 5.0), 1.0, 0.3),
    "by hand": lambda shape: by_hand(shape),
    "pixelwise by hand": lambda shape: pixelwise_by_hand(shape),
}


def level(shape):
    return torch.as_tensor(0.2 + 0.5 * image(shape, 3) ** 2)


def by_hand(shape):
    """Gain and noise both differ from mode to mode."""
    basis, std = Cosines(shape), level(shape)
    return Process(basis, lambda t: -basis.eigenvalues * t, lambda t: std * torch.sqrt(t))


def pixelwise_by_hand(shape):
    """Gain and noise both differ from pixel to pixel."""
    rate = level(shape)
    return Process(Pixels(), lambda t: -rate * t, lambda t: (1 + rate) * t)


@lru_cache(maxsize=None)  # a process never changes: one of each serves all tests
def default(name, shape):
    return DEFAULT[name](shape)


@lru_cache(maxsize=None)
def mild(name, shape):
    return MILD[name](shape)
