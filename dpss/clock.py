"""One clock for every process: the log-SNR ℓ that all its modes have together.

Which process treats all modes alike and tells as much, in nats, of an image? Of a Gaussian image
with mode variances c_k, a process tells ½ Σ log(1 + c_k SNR_k). So ℓ solves

    Σ_k log(1 + c_k e^ℓ) = Σ_k log(1 + c_k SNR_k),   c_k = 1/λ_k,

the spectrum of photographs (power like frequency⁻², the mean grey value left out); c_k = 1 in a
basis without frequencies. ℓ is log SNR where all modes agree, and never rises where a process is
Markov. Its angle θ = arctan(e^{−ℓ/2}) goes from 0 (the image) to π/2 (nothing of it); for
variance-preserving processes it is arctan(σ/α).
"""

import functools

import numpy as np
import torch

from . import _arrays
from ._arrays import Times
from .processes import Process

FARTHEST = 40.0  # |ℓ| of what is called infinite
TABLE = 4096  # times of the inverse
START = 1e-9  # stands for 0⁺, where every process with noise has some
ROWS = 64  # times whose modes are looked at together


def log_snr(process: Process, shape: tuple[int, int], t: Times) -> torch.Tensor:
    """The clock ℓ of a `process` on images of `shape` (H, W), at times `t`.

    A float64 tensor of the shape of t; +∞ where nothing is lost (σ_t = 0), −∞ where nothing is
    left. Raises TypeError, ValueError. Source: this book.

    >>> from dpss import heat, vp
    >>> log_snr(vp(), (28, 28), [0.1, 0.9]) - vp().log_snr([0.1, 0.9]).flatten()
    tensor([0., 0.], dtype=torch.float64)
    >>> log_snr(heat((28, 28), sigma=0.02), (28, 28), [0.1, 0.5, 1.0])
    tensor([ 7.3711, -1.4547, -2.8549], dtype=torch.float64)
    """
    process, shape = _arrays.instance(process, Process, "process"), _arrays.grid(shape)
    process.basis.check(shape, "shape")
    per_mode = process.log_snr(t).detach()
    if per_mode.shape[-2:] == (1, 1):
        return per_mode[..., 0, 0]
    counts, log_c, grid, known = _scale(process.basis, shape)
    told = _softplus(per_mode.flatten(-2)[..., counts] + log_c).mean(-1)
    ell = torch.from_numpy(np.asarray(np.interp(told.numpy(), known.numpy(), grid.numpy())))
    for _ in range(2):  # Newton's method, from a start good to three digits
        x = ell[..., None] + log_c
        ell = ell + (told - _softplus(x).mean(-1)) / torch.sigmoid(x).mean(-1)
    ell = torch.where(told >= known[-1], torch.inf, ell)
    return torch.where(told <= known[0], -torch.inf, ell)


def times(process: Process, shape: tuple[int, int], steps: int, start: float = 1.0) -> torch.Tensor:
    """Decreasing times `start` = t_0 > t_1 > ... > t_m = 0, m = `steps`, of equal length for DDIM.

    Of a Gaussian image with mode variances c_k, a step of DDIM keeps the share cos² Δφ_k of mode k,
    φ_k = arctan(σ_k / (α_k √c_k)) (page *sampling*). So it loses about Σ_k c_k Δφ_k², and many
    steps lose least in all if they have the same length ∫ √(Σ_k c_k φ_k'²) dt. The c_k are those of
    the clock: a convention that needs no data, and equal angles for VP and VE. Heat jumps to 0 from
    0⁺, which is not counted. `process` and `shape` as in `log_snr`. float64 (m + 1,). Raises
    TypeError, ValueError, also where nothing is lost between 0⁺ and `start`.

    >>> from dpss import vp_cosine
    >>> times(vp_cosine(), (28, 28), 4)   # θ = πt/2
    tensor([1.0000, 0.7500, 0.5000, 0.2500, 0.0000], dtype=torch.float64)
    """
    steps = _arrays.count(steps, "steps")
    start = _arrays.number(start, "start", above=0)
    _arrays.times(start, "start")
    process, shape = _arrays.instance(process, Process, "process"), _arrays.grid(shape)
    process.basis.check(shape, "shape")
    roots, lengths = _path(process, shape)
    whole = np.interp(start**0.5, roots, lengths)
    if not whole > 0:
        raise ValueError(f"start is {start:g}; needed: a time at which more is lost than at 0⁺")
    even = np.interp(np.linspace(whole, 0, steps + 1), lengths, roots) ** 2
    even[0], even[-1] = start, 0
    return torch.from_numpy(even)


def angle(ell: torch.Tensor) -> torch.Tensor:
    """θ = arctan(e^{−ℓ/2}) in [0, π/2] of the clock `ell`."""
    return torch.atan(torch.exp(-0.5 * ell))


def at(process: Process, shape: tuple[int, int], angles: torch.Tensor) -> torch.Tensor:
    """The times at which the clock of a `process` on images of `shape` has these `angles`.

    The nearest ones where it never does. float64.
    """
    roots, known = _table(process, shape)
    found = np.interp(angles.detach().double().numpy(), known, roots) ** 2
    return torch.from_numpy(np.asarray(found)).clamp(START, 1)


def _roots():
    """√t of a table's entries: near t = 0 the angle of most processes grows like √t."""
    return torch.linspace(START**0.5, 1, TABLE, dtype=torch.float64, device="cpu")


@functools.lru_cache(maxsize=8)
def _table(process, shape):
    """√t and the angle there."""
    roots = _roots()
    parts = [log_snr(process, shape, (part**2).clamp(max=1)) for part in roots.split(ROWS)]
    angles = angle(torch.cat(parts))
    return roots.numpy(), np.maximum.accumulate(angles.numpy())


@functools.lru_cache(maxsize=8)
def _path(process, shape):
    """√t, and the length ∫ √(Σ_k c_k φ_k'²) dt from 0⁺ to there, with Σ c_k = 1."""
    counts, log_c, *_ = _scale(process.basis, shape)
    share = torch.softmax(log_c, 0).sqrt()
    roots = _roots()
    last, steps = None, []
    for part in roots.split(ROWS):
        log_snr = process.log_snr((part**2).clamp(max=1)).detach()
        log_snr = log_snr.expand(-1, *shape).flatten(-2)[:, counts]
        angles = angle(log_snr + log_c)
        last = angles[:1] if last is None else last
        steps.append(torch.linalg.vector_norm(torch.cat([last, angles]).diff(dim=0) * share, dim=1))
        last = angles[-1:]
    return roots.numpy(), torch.cat(steps).cumsum(0).numpy()


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)
def _scale(basis, shape):
    """What the clock needs of a basis: the modes that count, their log c, and, for a grid of ℓ,
    the mean of log(1 + c e^ℓ)."""
    log_c = _log_spectrum(basis, shape)
    counts = log_c > -torch.inf
    grid = torch.linspace(-FARTHEST, FARTHEST, 641, dtype=torch.float64, device="cpu")
    return counts, log_c[counts], grid, _softplus(grid[:, None] + log_c[counts]).mean(-1)


def _log_spectrum(basis, shape):
    rates = getattr(basis, "eigenvalues", None)
    if rates is None or not (rates > 0).any():
        return torch.zeros(shape, dtype=torch.float64, device="cpu").flatten()
    return torch.where(rates > 0, -torch.log(rates.clamp(min=1e-300)), -torch.inf).flatten()


def _softplus(x):
    return torch.logaddexp(x, torch.zeros_like(x))  # torch's own drops the 1 of 1 + eˣ at x = 20
