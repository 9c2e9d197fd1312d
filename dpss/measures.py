"""Measures of information: what an evolution of images, or of their laws, gains and loses.

NumPy in, NumPy out; tensors in, tensors out. Results are float64 and batch-shaped.
"""
import math

import numpy as np
import scipy.special
import torch

from . import _arrays
from .processes import Process


def entropy(u, bins=256, range=(-1, 1)):
    """Shannon entropy −Σ p log₂ p of the grey-value histogram, in bits per image.

    `u` `(..., H, W)` with values in `range`, which is cut into `bins` equal bins: fixed, not fitted to the image,
    so that images compare. It does not depend on where the grey values are. Not a Lyapunov functional of
    diffusion. Raises TypeError or ValueError for values outside the range, bins < 1 or an empty range.
    """
    values, bins = _arrays.Bridge.to(_arrays.image(u)), _arrays.count(bins, "bins")
    low, high = (_arrays.number(end, "range") for end in range)
    if not low < high:
        raise ValueError(f"range is ({low:g}, {high:g}); needed: low < high")
    rounding = 16 * _precision(u) * (high - low)   # filters exceed the range by as much
    if values.min() < low - rounding or values.max() > high + rounding:
        raise ValueError(f"u has values in [{values.min():g}, {values.max():g}]; needed: inside range = ({low:g}, {high:g})")
    values = values.clip(low, high)
    bits = np.empty(values.shape[:-2])
    for index in np.ndindex(bits.shape):
        share = np.histogram(values[index], bins=bins, range=(low, high))[0] / values[index].size
        bits[index] = scipy.special.entr(share).sum() / math.log(2)
    return _like(u, bits)


def conditional_entropy(process, t, shape):
    """H(U_t | U_0) = ½ Σ_k log(2πe σ_t(k)²) + log|det B⁻¹| in nats, for images of `shape` (H, W).

    The same for every u_0; −∞ where σ_t = 0 in a mode. A tensor of the shape of t. Non-decreasing for VP and VE,
    constant for heat at t > 0; the Markov property alone does not make it so.
    """
    if not isinstance(process, Process):
        raise TypeError(f"process is {process!r}; needed: a dpss.Process")
    shape = _arrays.grid(shape)
    process.basis.check(shape, "shape")
    std = process.noise(t)
    volume = torch.log(std).expand(*std.shape[:-2], *shape).sum((-2, -1)) + process.basis.log_abs_det
    return volume + shape[0] * shape[1] / 2 * math.log(2 * math.pi * math.e)


def kl_grid(p, q, cell):
    """Kullback–Leibler divergence Σ p log(p/q)·cell in nats of two densities sampled on a grid.

    `p`, `q` ≥ 0 `(..., H, W)` on the same grid, each with Σ·cell = 1; `cell` > 0: the volume of a grid cell.
    Zeros are limits: 0 log 0 = 0, and +∞ where q = 0 < p.
    """
    first, second = (_arrays.Bridge.to(_arrays.image(d, name)) for d, name in ((p, "p"), (q, "q")))
    for density, name in ((first, "p"), (second, "q")):
        if density.min() < 0:
            raise ValueError(f"{name} has minimum {density.min():g}; needed: a density >= 0")
    _same_grid(first, second, "q")
    return _like(p, scipy.special.rel_entr(first, second).sum((-2, -1)) * _arrays.number(cell, "cell", above=0))


def lyapunov(u, w, phi):
    """Σ_i w_i φ(u_i / w_i): an f-divergence of the image `u` from the steady state `w` where φ is convex.

    `u` `(..., H, W)`, `w` > 0 on the same grid; `phi`: a function that acts on each number of an array of the
    kind of u. Osmosis with steady state w never lets it rise (w constant: homogeneous diffusion).
    """
    _arrays.image(u)
    _arrays.image(w, "w", positive=True)
    if not callable(phi):
        raise TypeError(f"phi is {phi!r}; needed: a function")
    u64, w64 = (_like(u, _arrays.Bridge.to(x)) for x in (u, w))
    _same_grid(u64, w64, "w")
    return (w64 * phi(u64 / w64)).sum((-2, -1))


def _precision(u):
    return torch.finfo(u.dtype).eps if isinstance(u, torch.Tensor) else np.finfo(u.dtype).eps


def _same_grid(u, other, name):
    if u.shape[-2:] != other.shape[-2:]:
        raise ValueError(f"{name} has grid {tuple(other.shape[-2:])}; needed: {tuple(u.shape[-2:])}")


def _like(u, result):
    """float64 `result` as the kind of `u`."""
    return torch.as_tensor(result, device=u.device) if isinstance(u, torch.Tensor) else np.asarray(result)[()]
