"""Diffusion models as scale-spaces: forward processes, classical diffusion and osmosis on images.

Names of `bases`, `processes`, `families` and `priors` are also here: `dpss.vp()`, `dpss.Process`.
The samplers, filters, measures and networks stay in their modules: `dpss.reverse.sample`,
`dpss.osmosis.clone`, `dpss.measures.entropy`, `dpss.network.load`. What takes SciPy, Matplotlib or
Pillow is loaded when it is first used.
"""

import importlib

from . import bases, claims, families, laws, priors, processes
from .bases import Basis, Cosines, Osmotic, Pixels
from .claims import check, outcome
from .families import (
    blurring,
    flow_matching,
    gaussian_scale_space,
    heat,
    osmotic,
    sub_vp,
    ve,
    vp,
    vp_cosine,
    vp_discrete,
)
from .priors import Empirical, GaussianPrior, Mixture
from .processes import Gaussian, Kernel, Process

_LATER = (
    "certificate",
    "clock",
    "diffusion",
    "exercises",
    "features",
    "figures",
    "images",
    "measures",
    "network",
    "osmosis",
    "reverse",
    "training",
    "trajectories",
)

__all__ = [
    "Basis",
    "Cosines",
    "Empirical",
    "Gaussian",
    "GaussianPrior",
    "Kernel",
    "Mixture",
    "Osmotic",
    "Pixels",
    "Process",
    "bases",
    "blurring",
    "certificate",
    "check",
    "claims",
    "clock",
    "diffusion",
    "exercises",
    "families",
    "features",
    "figures",
    "flow_matching",
    "gaussian_scale_space",
    "heat",
    "images",
    "laws",
    "measures",
    "network",
    "osmosis",
    "osmotic",
    "outcome",
    "priors",
    "processes",
    "reverse",
    "sub_vp",
    "training",
    "trajectories",
    "ve",
    "vp",
    "vp_cosine",
    "vp_discrete",
]


def __getattr__(name):
    if name in _LATER:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return {*globals(), *__all__}
