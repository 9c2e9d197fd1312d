"""Measures of information: what an evolution of images, or of their laws, gains and loses.

NumPy in, NumPy out; tensors in, tensors out. Results are float64 and batch-shaped; gradients pass
through `lyapunov` and `spectrum` only.
"""

import math

import numpy as np
import scipy
import torch

from . import _arrays
from ._arrays import Array, numpys_errors
from .bases import Cosines
from .features import features as classifier_features
from .features import reference
from .priors import GaussianPrior
from .processes import Process

LARGEST_LOSS = 1e-2  # of mass, by which a density may miss its grid
MOST_BINS = 2**24  # of grey values: as many as float32 tells apart


@numpys_errors
def entropy(u: Array, bins=256, range=(-1, 1)) -> Array:  # noqa: A002 (as in numpy.histogram)
    """Shannon entropy −Σ p log₂ p of the grey-value histogram, in bits per image.

    `u` `(..., H, W)` with values in `range`, which is cut into `bins` equal bins: fixed, not
    fitted to the image, so that images compare. It does not depend on where in the image the grey
    values are. Not a Lyapunov functional of diffusion. Raises TypeError or ValueError for values
    outside the range, bins < 1 or an empty range. Source: Shannon 1948.

    >>> float(entropy(np.array([[-1.0, -1.0, 1.0, 1.0]])))
    1.0
    """
    u, bins = _arrays.image(u), _arrays.count(bins, "bins")
    if not isinstance(range, (tuple, list)) or len(range) != 2:
        raise TypeError(f"range is {range!r}; needed: a pair (low, high)")
    if bins > MOST_BINS:
        raise ValueError(f"bins is {bins}; needed: at most {MOST_BINS}")
    low, high = (_arrays.number(end, "range") for end in range)
    if not 0 < high - low < math.inf:
        raise ValueError(f"range is ({low:g}, {high:g}); needed: low < high, a finite distance")
    values, rounding = _arrays.to_numpy(u), _arrays.rounding(u) * (high - low)
    if values.min() < low - rounding or values.max() > high + rounding:
        found = f"[{values.min():g}, {values.max():g}]"
        raise ValueError(f"u has values in {found}; needed: inside range = ({low:g}, {high:g})")
    values = values.clip(low, high)
    bits = np.empty(values.shape[:-2])
    for index in np.ndindex(bits.shape):
        share = np.histogram(values[index], bins=bins, range=(low, high))[0] / values[index].size
        bits[index] = scipy.special.entr(share).sum() / math.log(2)
    return _arrays.like(bits, u, cast=False)


def conditional_entropy(process: Process, t, shape) -> torch.Tensor:
    """H(U_t | U_0) = ½ Σ_k log(2πe σ_t(k)²) + log|det B⁻¹| in nats, for images of `shape` (H, W).

    The same for every u_0 from which the `process` starts; −∞ where σ_t = 0 in a mode. A tensor of
    the shape of t. Non-decreasing for VP and VE, constant for heat at t > 0; the Markov property
    alone does not make it so. Raises TypeError, ValueError. Source: Peter 2024.

    >>> from dpss import vp
    >>> conditional_entropy(vp(), [0.0, 1.0], (28, 28))   # 784 · ½ log(2πe) at the end
    tensor([     -inf, 1112.4309], dtype=torch.float64)
    """
    process, shape = _arrays.instance(process, Process, "process"), _arrays.grid(shape)
    process.basis.check(shape, "shape")
    std = process.noise(t)
    volume = torch.log(std).expand(*std.shape[:-2], *shape).sum((-2, -1))
    pixels = shape[0] * shape[1]
    return volume + process.basis.log_abs_det + pixels / 2 * math.log(2 * math.pi * math.e)


def mutual_information(process: Process, prior: GaussianPrior, t) -> torch.Tensor:
    """I(U_0; U_t) = ½ Σ_k log(1 + SNR_k(t) c_k) in nats, for Gaussian data of mode variances c_k.

    `prior`: a `GaussianPrior`, in a basis that fits the process. Non-increasing in t for every
    Markov process (data processing); +∞ where σ_t = 0 and c > 0. A tensor of the shape of t.
    Raises TypeError, ValueError. Source: Shannon 1948.
    """
    _arrays.instance(prior, GaussianPrior, "prior").denoiser(process)  # refuses other bases
    std, log_snr = prior.std[0].expand(prior.mean.shape), process.log_snr(t)
    log_snr = log_snr.unsqueeze(-3) if std.ndim == 3 else log_snr  # channels share it
    log_ratio = torch.where(std > 0, log_snr + 2 * torch.log(std), -math.inf)
    # log(1 + eˣ); torch's softplus drops the 1 at x = 20, where it still counts
    per_mode = torch.logaddexp(log_ratio, torch.zeros_like(log_ratio))
    return 0.5 * per_mode.sum(tuple(range(-std.ndim, 0)))


@numpys_errors
def kl_grid(p: Array, q: Array, cell) -> Array:
    """Kullback–Leibler divergence Σ p log(p/q)·cell in nats of two densities sampled on a grid.

    `p`, `q` ≥ 0 `(..., H, W)` on the same grid, each with Σ·cell = 1; `cell` > 0: the volume of a
    grid cell. Batch-shaped. Zeros are limits: 0 log 0 = 0, and +∞ where q = 0 < p. Raises
    TypeError, ValueError. Source: Kullback and Leibler 1951.

    >>> round(float(kl_grid(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]]), 1.0)), 4)
    0.1438
    """
    p, cell = _arrays.image(p, "p"), _arrays.number(cell, "cell", above=0)
    densities = [_arrays.to_numpy(d) for d in (p, _arrays.image(q, "q"))]
    for density, name in zip(densities, ("p", "q")):
        if density.min() < 0:
            raise ValueError(f"{name} has minimum {density.min():g}; needed: a density >= 0")
    for density, name in zip(densities, ("p", "q")):
        mass = cell * density.sum((-2, -1))
        worst = mass.flat[np.abs(mass - 1).argmax()]
        if abs(worst - 1) > LARGEST_LOSS:
            raise ValueError(f"{name} has the mass Σ {name}·cell = {worst:g}; needed: 1")
    _arrays.same_grid(*densities, "q")
    return _arrays.like(scipy.special.rel_entr(*densities).sum((-2, -1)) * cell, p, cast=False)


@numpys_errors
def lyapunov(u: Array, w: Array, phi) -> Array:
    """Σ_i w_i φ(u_i / w_i): an f-divergence of the image `u` from the steady state `w`, φ convex.

    `u` `(..., H, W)`, `w` > 0 on the same grid; `phi`: a function that acts on each number of an
    array of the kind of u. Osmosis with steady state w never lets it rise (w constant: homogeneous
    diffusion). Batch-shaped. Gradients pass where φ lets them. Raises TypeError, ValueError.
    Source: Csiszár 1963.

    >>> u, w = np.array([[1.0, 3.0]]), np.array([[2.0, 2.0]])
    >>> float(lyapunov(u, w, lambda r: (r - 1) ** 2))   # χ² = Σ (u − w)²/w
    1.0
    """
    u, w = _arrays.image(u), _arrays.image(w, "w", positive=True)
    _arrays.function(phi, "phi")
    _arrays.same_grid(u, w, "w")
    u, w = (_arrays.like(_arrays.double(x), u, cast=False) for x in (u, w))
    ratio = u / w
    value = phi(ratio)
    if tuple(getattr(value, "shape", ())) != tuple(ratio.shape):
        found, needed = tuple(getattr(value, "shape", ())), tuple(ratio.shape)
        raise ValueError(f"phi returns shape {found}; needed: {needed}, a value for each number")
    return (w * value).sum((-2, -1))


@numpys_errors
def spectrum(u: Array) -> tuple[Array, Array]:
    """(frequency, power): the mean of the squared cosine modes c_k² in rings of equal frequency.

    `u` (..., H, W). Mode k has the frequency ½ √((k₁/H)² + (k₂/W)²) in cycles per pixel, at most
    √½; rings are 1/(2 max(H, W)) wide, those without modes are left out, the first holds the mean
    only. `frequency` (m,): the centre of each ring, `power` (..., m). Natural images fall off
    about like frequency⁻². Gradients pass. Raises TypeError, ValueError. Source: Field 1987.

    >>> spectrum(np.array([[1.0, -1.0]]))
    (array([0.  , 0.25]), array([0., 2.]))
    """
    u = _arrays.image(u)
    height, width = u.shape[-2:]
    y, x = np.arange(height)[:, None] / height, np.arange(width) / width
    ring = np.rint(max(height, width) * np.hypot(y, x)).astype(int)
    rings, place, count = np.unique(ring, return_inverse=True, return_counts=True)
    modes = Cosines((height, width)).analyse(_arrays.to_torch(_arrays.double(u))).flatten(-2)
    place, count = (torch.from_numpy(x).to(modes.device) for x in (place.ravel(), count))
    power = modes.new_zeros(*modes.shape[:-1], len(rings)).index_add(-1, place, modes**2) / count
    if not torch.isfinite(power).all():
        needed = "values whose squares are finite"
        raise ValueError(f"u has values of size {float(abs(u).max()):g}; needed: {needed}")
    frequency = _arrays.like(rings / (2 * max(height, width)), u, cast=False)
    return frequency, _arrays.like(power, u, cast=False)


@numpys_errors
def frechet_distance(a: Array, b: Array | None = None, features=None) -> float:
    """Fréchet distance of two sets of images: `gaussian_frechet` of the moments of their features.

    `a`, `b`: at least two images each, (n, H, W), or what `features` takes (n, …): a function of
    them -> (n, d). By default 64 features of a small classifier of Fashion-MNIST (28×28, values in
    [−1, 1], which is not checked: say how samples are clipped). Arrays (n, d) without a function
    are features already. `b` None: all 60,000 training images of Fashion-MNIST, whose moments are
    shipped. Biased upwards by β/n + O(n⁻²), where β depends on the laws and can be of the order
    d²: compare at equal n, and with the distance of two sets of real images. Even at equal n the
    order of two models may be wrong; in 2F₂ₙ − Fₙ the term β/n cancels. Not monotone along VP:
    before its end it is a little above that of pure noise. No gradients pass. Raises TypeError,
    ValueError. Sources: Heusel et al. 2017; Chong and Forsyth 2020.

    >>> colour = np.random.default_rng(0).uniform(-1, 1, (50, 3, 8, 8))
    >>> round(frechet_distance(colour, 0.5 * colour, lambda u: u.std((-2, -1))), 2)
    0.25
    >>> ready = np.eye(3)   # three features of three images
    >>> round(frechet_distance(ready, ready + 1), 6)
    3.0
    """
    if features is not None:
        _arrays.function(features, "features", "a function or None")
    given = ((a, "a"),) if b is None else ((a, "a"), (b, "b"))
    if b is None and features is not None:
        raise ValueError("b is None; needed: images, for features of your own")
    found = [_features(images, name, features) for images, name in given]
    moments = [(x.mean(0), np.cov(x, rowvar=False).reshape(x.shape[1], -1)) for x in found]
    moments = [*moments, reference()] if b is None else moments
    d, e = (len(mean) for mean, _ in moments)
    if d != e:
        raise ValueError(f"b has {e} features; needed: {d}, as many as a")
    for (_, cov), name in zip(moments, "ab"):
        if not np.isfinite(cov).all():
            raise ValueError(f"{name} has the covariance {cov.max():g}; needed: finite values")
    return gaussian_frechet(*moments[0], *moments[1])


def _features(images, name, features):
    """Features (n, d) of a set of images, as a float64 NumPy array."""
    images = _arrays.image(images, name)
    if len(images) < 2 or features is None and images.ndim > 3:
        needed = "(n, ...)" if features else "images (n, H, W) or features (n, d)"
        raise ValueError(f"{name} has shape {tuple(images.shape)}; needed: {needed} with n >= 2")
    if features is None:
        if images.ndim == 2:
            return _arrays.to_numpy(images)
        features = classifier_features
    found = _arrays.to_numpy(_arrays.numbers(features(images), "features"))
    if found.ndim != 2 or len(found) != len(images) or not np.isfinite(found).all():
        needed = f"finite values ({len(images)}, d)"
        raise ValueError(f"features returns shape {found.shape} for {name}; needed: {needed}")
    return found


@numpys_errors
def gaussian_frechet(mean_a, cov_a, mean_b, cov_b) -> float:
    """|m_a − m_b|² + tr(A + B − 2 (A^½ B A^½)^½): the squared W₂-distance of two Gaussians.

    Means `mean_a`, `mean_b` (d,), covariances `cov_a`, `cov_b` (d, d), symmetric and ≥ 0, of any
    scale. Roots by eigenvalues, so that nothing turns complex. Raises ValueError naming what does
    not fit. Source: Dowson and Landau 1982.

    >>> gaussian_frechet([0.0], [[1.0]], [3.0], [[4.0]])   # (0 − 3)² + (1 − 2)²
    10.0
    """
    mean_a, mean_b = (_moment(m, name, 1) for m, name in ((mean_a, "mean_a"), (mean_b, "mean_b")))
    cov_a, cov_b = (_moment(c, name, 2) for c, name in ((cov_a, "cov_a"), (cov_b, "cov_b")))
    for value, name in ((mean_b, "mean_b"), (cov_a, "cov_a"), (cov_b, "cov_b")):
        if set(value.shape) != set(mean_a.shape):
            needed = f"what fits mean_a, {mean_a.shape}"
            raise ValueError(f"{name} has shape {value.shape}; needed: {needed}")
    gap = mean_a - mean_b
    distance = gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2 * _overlap(cov_a, cov_b)
    if not np.isfinite(distance):
        largest = max(np.abs(x).max() for x in (mean_a, mean_b, cov_a, cov_b))
        needed = "a distance whose square is finite"
        raise ValueError(f"mean_a, cov_a, mean_b, cov_b go up to {largest:g}; needed: {needed}")
    return max(0.0, float(distance))


def _overlap(cov_a, cov_b):
    """tr (A^½ B A^½)^½, in units of the largest entries, so that no product leaves the range."""
    unit_a, unit_b = (np.abs(cov).max() or 1.0 for cov in (cov_a, cov_b))
    rates, vectors = np.linalg.eigh(cov_a / unit_a)
    root = vectors * np.sqrt(rates.clip(min=0)) @ vectors.T
    shares = np.linalg.eigvalsh(root @ (cov_b / unit_b) @ root).clip(min=0)
    return math.sqrt(unit_a) * math.sqrt(unit_b) * np.sqrt(shares).sum()


def _moment(value, name, axes):
    value = _arrays.to_numpy(_arrays.numbers(value, name))
    if value.ndim != axes or value.size == 0:
        needed = ("(d,)" if axes == 1 else "(d, d)") + ", d >= 1"
        raise ValueError(f"{name} has shape {value.shape}; needed: {needed}")
    largest = np.abs(value).max()
    if not largest < math.inf:
        raise ValueError(f"{name} contains NaN or inf; needed: finite values")
    if axes == 2:
        if value.shape[0] != value.shape[1] or np.abs(value - value.T).max() > 1e-6 * largest:
            needed = "a covariance"
            raise ValueError(
                f"{name} has shape {value.shape} or is not symmetric; needed: {needed}"
            )
        least = np.linalg.eigvalsh(value)[0]
        if least < -1e-6 * largest:
            needed = "a covariance, eigenvalues >= 0"
            raise ValueError(f"{name} has the eigenvalue {least:g}; needed: {needed}")
    return value
