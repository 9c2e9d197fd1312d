"""Diffusion models as scale-spaces: forward processes, classical diffusion and osmosis on images.

Names of `bases`, `processes`, `families` and `priors` are also here: `dpss.vp()`, `dpss.Process`. The samplers, filters
and measures stay in their modules: `dpss.reverse.sample`, `dpss.osmosis.clone`, `dpss.measures.entropy`.
"""

from . import (
    bases,
    certificate,
    claims,
    diffusion,
    families,
    figures,
    images,
    laws,
    measures,
    osmosis,
    priors,
    processes,
    reverse,
)
from .bases import Basis, Cosines, Osmotic, Pixels
from .claims import check
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
    "diffusion",
    "families",
    "figures",
    "flow_matching",
    "gaussian_scale_space",
    "heat",
    "images",
    "laws",
    "measures",
    "osmosis",
    "osmotic",
    "priors",
    "processes",
    "reverse",
    "sub_vp",
    "ve",
    "vp",
    "vp_cosine",
    "vp_discrete",
]
