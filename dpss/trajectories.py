"""Pictures on their ways to noise and back: diffusion models beside osmosis and diffusion.

Clocks of different filters mean different things. Ways of one picture have one here: the share of
the way that is done, 1 − |u − end|/|start − end|, in the root mean square of grey values. Ensembles
were measured once, by `data/comparison.py`.
"""

import math
from collections.abc import Sequence

import numpy as np
import scipy.optimize
import torch

from . import _arrays, _data, _files, osmosis
from ._arrays import Array, numpys_errors

SHARES = 0.0, 0.25, 0.5, 0.75, 1.0
LATEST = 2.0**40  # osmosis time beyond which no share of the way below 1 is sought


@numpys_errors
def there_and_back(
    u: Array,
    shares: Sequence[float] | Array = SHARES,
    offset: float = 6.0,
    generator: torch.Generator | None = None,
) -> dict[str, Array]:
    """A picture on its way to a noise image ε and back: "VP there", "osmosis there", "osmosis
    back", "VP back" -> states `(len(shares), *u.shape)`, at equal shares of the way.

    `u`: one image (H, W) or (C, H, W) in [−1, 1]. `shares` of the way, in [0, 1], 0 the start and 1
    the end. ε is drawn once, from N(0, I). VP there: α u + σ ε, α² + σ² = 1; back: the exact
    denoiser of one training image without fresh noise (DDIM), which retraces it. Osmosis there: of
    u + `offset`, guided by ε + `offset`; back: from that end, guided by u + `offset`; both are
    returned without the offset, which must make all positive. The mean of u stays. Results have
    kind, dtype and device of u, and no gradients pass. Raises TypeError, ValueError.

    >>> ways = there_and_back(np.eye(8), [0, 0.5, 1], generator=torch.Generator().manual_seed(0))
    >>> {name: float(abs(way[1] - np.eye(8)).max().round(3)) for name, way in ways.items()}
    {'VP there': 1.755, 'osmosis there': 1.915, 'osmosis back': 2.087, 'VP back': 1.688}
    """
    u = _arrays.image(u)
    if u.ndim > 3:
        raise ValueError(f"u has shape {tuple(u.shape)}; needed: one image, (H, W) or (C, H, W)")
    shares = _arrays.to_numpy(_arrays.times(shares, "shares"))
    if shares.ndim != 1:
        raise ValueError(f"shares has shape {shares.shape}; needed: a list of numbers in [0, 1]")
    offset, generator = _arrays.number(offset, "offset", above=0), _arrays.generator(generator)
    f = _arrays.to_numpy(u)
    device = "cpu" if generator is None else generator.device
    noise = torch.randn(f.shape, dtype=torch.float64, device=device, generator=generator)
    noise = noise.cpu().numpy()
    for values, name in ((f, "u"), (noise, "the noise")):
        if not values.min() + offset > 0:
            needed = f"more than {-values.min():.4g}, so that {name} becomes positive"
            raise ValueError(f"offset is {offset:g}; needed: {needed}")
    away, home = osmosis.canonical_drift(noise + offset), osmosis.canonical_drift(f + offset)
    end = osmosis.steady_state(f + offset, away)
    ways = {
        "VP there": _turned(f, noise, shares),
        "osmosis there": _blown(f + offset, end, away, shares) - offset,
        "osmosis back": _blown(end, f + offset, home, shares) - offset,
        "VP back": _turned(noise, f, shares),
    }
    return {name: _arrays.like(way, u) for name, way in ways.items()}


def measured(kind: str = "clothes") -> dict[str, dict[str, np.ndarray]]:
    """Courses of ensembles on their ways: way ("VP there", ..., "osmosis back") -> name -> array.

    `kind`: "clothes", eight disjoint sets of 124 test images of `dpss.images.fashion`, each with
    noise of its own, or "photographs", the same six of 64×64 with four sets of noise images. Arrays
    (sets, m), a row for each set, at `times` (m,): means over the pictures of "mean", "variance",
    "bits" (grey-value entropy, bins of width 3/64), "start" and "end" (correlation with the first
    and the last state), each with its standard deviation over pictures ("mean spread", ...);
    "share" of the way and "correlation" with the start of all pictures together; "coarse" and
    "fine", correlation with the picture in low and in high frequencies; "across", mean variance of
    a pixel over the ensemble. "bands" (sets, m, 8): power in bands of frequency. "frechet" (sets,
    m, 3), clothes only: distances of 31, 62, 124 of the pictures, clipped to [−1, 1], to all 60,000
    training images. "turns" (sets, 4): in how many pictures variance goes above, below both ends,
    and bits do, by more than 0.1. "few": means over the first 25 pictures of mean, variance and
    bits, in the state in the middle. From `data/comparison.npz`, its checksum verified. Raises
    ValueError for another kind, or a damaged file. Source: `data/comparison.py`.

    >>> measured("photographs")["osmosis back"]["variance"].shape
    (4, 29)
    """
    if kind not in ("clothes", "photographs"):
        raise ValueError(f'kind is {kind!r}; needed: "clothes" or "photographs"')
    arrays, about = _files.unpacked(_data.read("comparison.npz"), "data/comparison.npz")
    found = {}
    for label, values in arrays.items():
        of, way, key = label.split("/")
        if of == kind and key == "statistics":
            named = zip(about["statistics"], np.moveaxis(values, -1, 0))
            found.setdefault(way, {}).update((name, x.astype(float)) for name, x in named)
        elif of == kind:
            found.setdefault(way, {})[key] = values.astype(float)
    return found


def _done(u, start, end):
    """The share of the way from `start` to `end` that is done at `u`."""
    whole = np.linalg.norm(start - end)
    return 1 - np.linalg.norm(u - end) / whole if whole else 1.0


def _turned(start, end, shares):
    """States start cos θ + end sin θ: VP in either direction, with any schedule."""

    def at(angle):
        return start * math.cos(angle) + end * math.sin(angle)

    def angle_of(share):
        if share in (0, 1):
            return share * math.pi / 2
        return scipy.optimize.brentq(lambda x: _done(at(x), start, end) - share, 0, math.pi / 2)

    return np.stack([at(angle_of(share)) for share in shares])


def _blown(start, end, drift, shares):
    """States of osmosis from `start` to `end`: the times are looked for in doubling intervals."""
    states, u, past, length = [None] * len(shares), start, 0.0, 2.0**-7
    for place in np.argsort(shares, kind="stable"):
        share = shares[place]
        if share == 1 or _done(u, start, end) >= share:
            states[place] = end if share == 1 else u
            continue
        while _done(later := osmosis.evolve(u, drift, length), start, end) < share:
            u, past = later, past + length
            length = past
            if past > LATEST:
                raise ValueError(f"shares has {share:g}; needed: shares that are reached, or 1")
        t = _crossing(u, drift, length, lambda x, share=share: _done(x, start, end) - share)
        u, past, length = osmosis.evolve(u, drift, t), past + t, max(length - t, 1e-6 * length)
        states[place] = u
    return np.stack(states)


def _crossing(u, drift, length, miss):
    """The time before `length` at which osmosis of `u` makes `miss` zero."""
    at = lambda t: miss(osmosis.evolve(u, drift, t))  # noqa: E731
    return scipy.optimize.brentq(at, 0, length, xtol=1e-9 * length, rtol=1e-9)
