"""Measures of information: what an evolution of images, or of their laws, gains and loses.

NumPy in, NumPy out; tensors in, tensors out. Results are float64 and batch-shaped.
"""

import math

import numpy as np
import scipy.special
import torch

from . import _arrays
from .bases import Cosines
from .features import features as classifier_features
from .priors import GaussianPrior
from .processes import Process

LARGEST_LOSS = 1e-2  # of mass, by which a density may miss its grid


def entropy(u, bins=256, range=(-1, 1)):
    """Shannon entropy −Σ p log₂ p of the grey-value histogram, in bits per image.

    `u` `(..., H, W)` with values in `range`, which is cut into `bins` equal bins: fixed, not fitted to the image,
    so that images compare. It does not depend on where in the image the grey values are. Not a Lyapunov functional of
    diffusion. Raises TypeError or ValueError for values outside the range, bins < 1 or an empty range. Source: Shannon 1948.

    >>> float(entropy(np.array([[-1.0, -1.0, 1.0, 1.0]])))
    1.0
    """
    values, bins = _arrays.Bridge.to(_arrays.image(u)), _arrays.count(bins, "bins")
    if not isinstance(range, (tuple, list)) or len(range) != 2:
        raise TypeError(f"range is {range!r}; needed: a pair (low, high)")
    low, high = (_arrays.number(end, "range") for end in range)
    if not low < high:
        raise ValueError(f"range is ({low:g}, {high:g}); needed: low < high")
    rounding = _arrays.rounding(u) * (high - low)
    if values.min() < low - rounding or values.max() > high + rounding:
        raise ValueError(
            f"u has values in [{values.min():g}, {values.max():g}]; needed: inside range = ({low:g}, {high:g})"
        )
    values = values.clip(low, high)
    bits = np.empty(values.shape[:-2])
    for index in np.ndindex(bits.shape):
        share = np.histogram(values[index], bins=bins, range=(low, high))[0] / values[index].size
        bits[index] = scipy.special.entr(share).sum() / math.log(2)
    return _like(u, bits)


def conditional_entropy(process, t, shape):
    """H(U_t | U_0) = ½ Σ_k log(2πe σ_t(k)²) + log|det B⁻¹| in nats, for images of `shape` (H, W).

    The same for every u_0 from which the `process` starts; −∞ where σ_t = 0 in a mode. A tensor of the shape of t. Non-decreasing for
    VP and VE, constant for heat at t > 0; the Markov property alone does not make it so. Raises TypeError, ValueError. Source: Peter
    2024.
    """
    if not isinstance(process, Process):
        raise TypeError(f"process is {process!r}; needed: a dpss.Process")
    shape = _arrays.grid(shape)
    process.basis.check(shape, "shape")
    std = process.noise(t)
    volume = (
        torch.log(std).expand(*std.shape[:-2], *shape).sum((-2, -1)) + process.basis.log_abs_det
    )
    return volume + shape[0] * shape[1] / 2 * math.log(2 * math.pi * math.e)


def mutual_information(process, prior, t):
    """I(U_0; U_t) = ½ Σ_k log(1 + SNR_k(t) c_k) in nats, for Gaussian data with the mode variances c_k.

    `prior`: a `GaussianPrior`, in a basis that fits the process. Non-increasing in t for every Markov process (data
    processing); +∞ where σ_t = 0 and c > 0. A tensor of the shape of t. Raises TypeError, ValueError. Source: Shannon 1948.
    """
    if not isinstance(prior, GaussianPrior):
        raise TypeError(f"prior is a {type(prior).__name__}; needed: a GaussianPrior")
    prior.marginal(process, t)  # refuses bases that do not fit
    std = prior.std[0].expand(prior.mean.shape)
    log_ratio = torch.where(std > 0, process.log_snr(t) + 2 * torch.log(std), -math.inf)
    # log(1 + eˣ); torch's softplus drops the 1 at x = 20, where it still counts
    return 0.5 * torch.logaddexp(log_ratio, torch.zeros_like(log_ratio)).sum((-2, -1))


def kl_grid(p, q, cell):
    """Kullback–Leibler divergence Σ p log(p/q)·cell in nats of two densities sampled on a grid, batch-shaped.

    `p`, `q` ≥ 0 `(..., H, W)` on the same grid, each with Σ·cell = 1; `cell` > 0: the volume of a grid cell.
    Zeros are limits: 0 log 0 = 0, and +∞ where q = 0 < p. Raises TypeError, ValueError. Source: Kullback and Leibler 1951.
    """
    first, second = (_arrays.Bridge.to(_arrays.image(d, name)) for d, name in ((p, "p"), (q, "q")))
    for density, name in ((first, "p"), (second, "q")):
        if density.min() < 0:
            raise ValueError(f"{name} has minimum {density.min():g}; needed: a density >= 0")
    cell = _arrays.number(cell, "cell", above=0)
    for density, name in ((first, "p"), (second, "q")):
        mass = cell * density.sum((-2, -1))
        if np.abs(mass - 1).max() > LARGEST_LOSS:
            raise ValueError(
                f"{name} has the mass Σ {name}·cell = {mass.flat[np.abs(mass - 1).argmax()]:g}; needed: 1"
            )
    _arrays.same_grid(first, second, "q")
    return _like(p, scipy.special.rel_entr(first, second).sum((-2, -1)) * cell)


def lyapunov(u, w, phi):
    """Σ_i w_i φ(u_i / w_i): an f-divergence of the image `u` from the steady state `w` where φ is convex.

    `u` `(..., H, W)`, `w` > 0 on the same grid; `phi`: a function that acts on each number of an array of the
    kind of u. Osmosis with steady state w never lets it rise (w constant: homogeneous diffusion). Batch-shaped. Raises
    TypeError, ValueError. Source: Csiszár 1963.
    """
    _arrays.image(u)
    _arrays.image(w, "w", positive=True)
    if not callable(phi):
        raise TypeError(f"phi is {phi!r}; needed: a function")
    u64, w64 = (_like(u, _arrays.Bridge.to(x)) for x in (u, w))
    _arrays.same_grid(u64, w64, "w")
    return (w64 * phi(u64 / w64)).sum((-2, -1))


def spectrum(u):
    """(frequency, power): the mean of the squared cosine modes c_k² in rings of equal frequency.

    `u` (..., H, W). Mode k has the frequency ½ √((k₁/H)² + (k₂/W)²) in cycles per pixel, at most √½; rings are 1/(2 max(H, W))
    wide, those without modes are left out, the first holds the mean only. `frequency` (m,): the centre of each ring, `power`
    (..., m). Natural images fall off about like frequency⁻². Raises TypeError, ValueError. Source: Field 1987.
    """
    values = _arrays.Bridge.to(_arrays.image(u))
    sides = values.shape[-2:]
    along_y, along_x = (np.arange(n) / n for n in sides)
    ring = np.rint(max(sides) * np.hypot(along_y[:, None], along_x[None, :])).astype(int).ravel()
    rings, place, count = np.unique(ring, return_inverse=True, return_counts=True)
    modes = (Cosines(sides).analyse(values) ** 2).reshape(-1, place.size)
    power = np.stack([np.bincount(place, weights=row) for row in modes]) / count
    return _like(u, rings / (2 * max(sides))), _like(
        u, power.reshape(*values.shape[:-2], len(rings))
    )


def frechet_distance(a, b, features=None):
    """Fréchet distance of two sets of images: `gaussian_frechet` of the moments of their features.

    `a`, `b`: images (n, H, W), at least two each. `features`: a function images -> (n, d); by default 64 features of a small classifier
    of Fashion-MNIST (28×28, values in [−1, 1], which is not checked). Biased upwards by about d²/n: compare at equal n only, and with
    the distance of two sets of real images. Not monotone along VP: half-way it is above that of pure noise. Source: Heusel et al. 2017.
    """
    if features is not None and not callable(features):
        raise TypeError(f"features is {features!r}; needed: a function or None")
    moments = []
    for images, name in ((a, "a"), (b, "b")):
        if _arrays.image(images, name).ndim != 3 or len(images) < 2:
            raise ValueError(
                f"{name} has shape {tuple(images.shape)}; needed: (n, H, W) with n >= 2"
            )
        found = _arrays.Bridge.to((features or classifier_features)(images))
        if found.ndim != 2 or len(found) != len(images) or not np.isfinite(found).all():
            raise ValueError(
                f"features returns shape {found.shape} for {name}; needed: finite values ({len(images)}, d)"
            )
        moments += [
            found.mean(0),
            np.cov(found, rowvar=False).reshape(found.shape[1], found.shape[1]),
        ]
    return gaussian_frechet(*moments)


def gaussian_frechet(mean_a, cov_a, mean_b, cov_b):
    """|m_a − m_b|² + tr(A + B − 2 (A^½ B A^½)^½): the squared Wasserstein-2 distance of two Gaussians, a float.

    Means `mean_a`, `mean_b` (d,), covariances `cov_a`, `cov_b` (d, d), symmetric and ≥ 0. Roots by eigenvalues, so that nothing turns
    complex. Raises ValueError naming what does not fit. Source: Dowson and Landau 1982.

    >>> gaussian_frechet([0.0], [[1.0]], [3.0], [[4.0]])   # (0 − 3)² + (1 − 2)²
    10.0
    """
    mean_a, mean_b = (_moment(m, name, 1) for m, name in ((mean_a, "mean_a"), (mean_b, "mean_b")))
    cov_a, cov_b = (_moment(c, name, 2) for c, name in ((cov_a, "cov_a"), (cov_b, "cov_b")))
    for value, name in ((mean_b, "mean_b"), (cov_a, "cov_a"), (cov_b, "cov_b")):
        if set(value.shape) != set(mean_a.shape):
            raise ValueError(
                f"{name} has shape {value.shape}; needed: what fits mean_a, {mean_a.shape}"
            )
    rates, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(rates.clip(min=0)) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(min=0)).sum()
    return max(
        0.0, float(np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap)
    )


def _moment(value, name, axes):
    value = _arrays.Bridge.to(value)
    if value.ndim != axes or value.size == 0:
        raise ValueError(
            f"{name} has shape {value.shape}; needed: {'(d,)' if axes == 1 else '(d, d)'}, d >= 1"
        )
    if not np.isfinite(value).all():
        raise ValueError(f"{name} contains NaN or inf; needed: finite values")
    if axes == 2:
        if (
            value.shape[0] != value.shape[1]
            or np.abs(value - value.T).max() > 1e-6 * np.abs(value).max()
        ):
            raise ValueError(
                f"{name} has shape {value.shape} or is not symmetric; needed: a covariance"
            )
        least = np.linalg.eigvalsh(value)[0]
        if least < -1e-6 * np.abs(value).max():
            raise ValueError(
                f"{name} has the eigenvalue {least:g}; needed: a covariance, eigenvalues >= 0"
            )
    return value


def _like(u, result):
    """float64 `result` as the kind of `u`."""
    return (
        torch.as_tensor(result, device=u.device)
        if isinstance(u, torch.Tensor)
        else np.asarray(result)[()]
    )
