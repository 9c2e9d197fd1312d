"""Diffusion filters: evolutions ∂u/∂t = div(g ∇u) of an image with reflecting boundary."""
import torch

from . import _arrays
from .bases import Cosines


def homogeneous(u, t):
    """Homogeneous diffusion ∂u/∂t = Δu, exactly: c_k(t) = exp(−λ_k t) c_k(0) in the cosine basis.

    `u`: image `(..., H, W)`, NumPy or torch (gradients pass through tensors). `t` ≥ 0: a diffusion time in
    squared pixels, or an array of them with the shape of the leading batch axes (one image at m times gives
    `(m, H, W)`). On an infinite grid time t is Gaussian blur of standard deviation √(2t) pixels.
    Axioms: semigroup, mean, max–min, even central moments, flips, flat steady state all hold.
    Raises TypeError, ValueError for what is not an image and for negative or non-finite t.
    Source: Iijima 1962; Lindeberg 1990.
    """
    _arrays.image(u)
    basis = Cosines(u.shape[-2:])
    t = _arrays.times(t, latest=float("inf"))
    gain = _arrays.spread(torch.exp(-basis.eigenvalues * t[..., None, None]), u.shape)
    gain = gain.to(u) if isinstance(u, torch.Tensor) else gain.detach().numpy().astype(u.dtype)
    return basis.synthesise(gain * basis.analyse(u))


def step_limit(largest_diffusivity=1.0):
    """Largest step of the explicit scheme u + τ A(u) u in 2-D: 1/(4 g), g the largest diffusivity.

    Up to it I + τA is doubly stochastic, so mean and max–min principle hold; beyond it they fail.
    Raises ValueError unless `largest_diffusivity` > 0.
    """
    return 1 / (4 * _arrays.number(largest_diffusivity, "largest_diffusivity", above=0))
