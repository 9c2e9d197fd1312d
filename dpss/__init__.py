"""Diffusion models as scale-spaces: forward processes, classical diffusion and osmosis on images.

Names of `bases`, `processes` and `families` are also here: `dpss.vp()`, `dpss.Process`. The filters and measures
stay in their modules: `dpss.osmosis.clone`, `dpss.measures.entropy`, `dpss.figures.show`.
"""
from . import bases, claims, diffusion, families, figures, images, laws, measures, osmosis, processes
from .bases import Basis, Cosines, Pixels
from .claims import check
from .families import gaussian_scale_space, heat, vp, vp_cosine
from .processes import Gaussian, Kernel, Process

__all__ = ["Basis", "Cosines", "Gaussian", "Kernel", "Pixels", "Process", "bases", "check", "claims", "diffusion",
           "families", "figures", "gaussian_scale_space", "heat", "images", "laws", "measures", "osmosis", "processes", "vp",
           "vp_cosine"]
