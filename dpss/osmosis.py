"""Osmosis: drift-diffusion ∂u/∂t = Δu − div(d u) of an image without flux through its boundary.

On the grid the drift d lives on the edges between neighbours. For the edge from i to j (to the right or downwards,
spacing h) the operator has A_ij = (1 − d/2)/h² and A_ji = (1 + d/2)/h², and columns that sum to zero. With |d| < 2
the off-diagonals are positive: mass is preserved, positive images stay positive, and there is one steady state
for each mass. Computed in float64; results have the kind, dtype and device of the image.
Source: Weickert, Hagenburg, Breuß and Vogel 2013; Vogel et al. 2013.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from scipy.special import expit, logsumexp

from . import _arrays
from ._osmosis import chebyshev, null_vector, poisson

LARGEST_CONTRAST = np.log(1e8)  # of a potential: beyond it the symmetrised evolution loses digits


@dataclass(frozen=True, eq=False)
class Drift:
    """Drift on the edges: `dy` (..., H−1, W) downwards, `dx` (..., H, W−1) to the right, in units of 1/spacing, |d| < 2.

    `potential` (..., H, W): log v where d is the canonical drift of v, else None; with it steady states are exact at
    any contrast. Arrays of one kind. Raises TypeError or ValueError, naming `dy`, `dx` or `potential`.
    """

    dy: object
    dx: object
    potential: object = None

    def __post_init__(self):
        for name in ("dy", "dx"):
            d = getattr(self, name)
            if not isinstance(d, (np.ndarray, torch.Tensor)) or d.ndim < 2:
                raise TypeError(
                    f"{name} is {type(d).__name__}; needed: an array with at least two axes"
                )
            d = _arrays.to_numpy(d)
            if not (np.abs(d) < 2).all():  # NaN included
                raise ValueError(
                    f"{name} has values beyond ±2 or NaN; needed: |d| < 2 on every edge"
                )
        dy, dx = tuple(self.dy.shape), tuple(self.dx.shape)
        if dy[:-2] != dx[:-2] or (dy[-2] + 1, dy[-1]) != (dx[-2], dx[-1] + 1):
            raise ValueError(
                f"dy has shape {dy} and dx {dx}; needed: (..., H-1, W) and (..., H, W-1)"
            )
        if self.potential is not None and tuple(
            _arrays.image(self.potential, "potential").shape
        ) != (*dx[:-1], dy[-1]):
            raise ValueError(
                f"potential has shape {tuple(self.potential.shape)}; needed: {(*dx[:-1], dy[-1])}"
            )

    @property
    def shape(self):
        """(..., H, W) of the images it moves."""
        return (*self.dx.shape[:-1], self.dy.shape[-1])


def canonical_drift(guidance=None, *, log_guidance=None):
    """The drift d = 2 (v_j − v_i)/(v_j + v_i), the grid's ∇ log v, under which the guidance image v > 0 is steady.

    `guidance` v (..., H, W), or `log_guidance` log v (d = 2 tanh(½Δ log v)) for densities that would underflow: exactly
    one. Where d rounds to ±2 the neighbouring float is taken. Raises TypeError, ValueError (also for v ≤ 0).
    """
    if (guidance is None) == (log_guidance is None):
        raise ValueError("guidance and log_guidance: exactly one of them is needed")
    given = (
        _arrays.image(guidance, "guidance", positive=True)
        if log_guidance is None
        else _arrays.image(log_guidance, "log_guidance")
    )
    values = _arrays.to_numpy(given)
    potential = np.log(values) if log_guidance is None else values
    edges = []
    for axis in (-2, -1):
        if log_guidance is None:
            near, far = _ends(values, axis)
            d = 2 * (far - near) / (far + near)
        else:
            d = 2 * np.tanh(0.5 * np.diff(potential, axis=axis))
        d, dtype = (
            _arrays.like(d, given),
            values.dtype if isinstance(given, torch.Tensor) else given.dtype,
        )
        below = np.nextafter(
            np.float32(2) if str(given.dtype).endswith("float32") else dtype.type(2), 0
        )
        edges.append(d.clip(-float(below), float(below)))
    return Drift(edges[0], edges[1], _arrays.like(potential, given))


def operator(drift, spacing=1.0):
    """The matrix A of osmosis, sparse (CSC, N×N with N = HW), acting on `u.ravel()`: ∂u/∂t = A u.

    Off-diagonals positive, columns sum to 0; with a potential detailed balance A_ij v_j = A_ji v_i. Its eigenvalues
    are then real, in [−8, 0]/h². `drift`: of one image. `spacing` h > 0. Raises TypeError, ValueError.
    """
    drift, h = _single(drift), _arrays.number(spacing, "spacing", above=0)
    index = np.arange(drift.shape[0] * drift.shape[1]).reshape(drift.shape)
    rows, columns, values = [], [], []
    for axis, d in ((-2, _arrays.to_numpy(drift.dy)), (-1, _arrays.to_numpy(drift.dx))):
        near, far = (end.ravel() for end in _ends(index, axis))
        if drift.potential is None:
            backward, forward = 1 - 0.5 * d.ravel(), 1 + 0.5 * d.ravel()
        else:  # 2v_i/(v_i + v_j) and 2v_j/(v_i + v_j) with all their digits
            difference = np.diff(_arrays.to_numpy(drift.potential), axis=axis).ravel()
            backward, forward = 2 * expit(-difference), 2 * expit(difference)
        rows += [near, far]
        columns += [far, near]
        values += [backward / h**2, forward / h**2]
    rows, columns, values = (np.concatenate(parts) for parts in (rows, columns, values))
    off = scipy.sparse.csc_array((values, (rows, columns)), shape=(index.size, index.size))
    return (off - scipy.sparse.diags_array(off.sum(axis=0))).tocsc()


def step_limit(drift, spacing=1.0):
    """Largest explicit step 1/max|a_ii|: up to it I + τA is column-stochastic. `drift` and `spacing` h as in `operator`.

    At least h²/8 for a potential, infinite on a single pixel. Raises TypeError, ValueError.
    """
    largest = np.abs(operator(drift, spacing).diagonal()).max()
    return float(1 / largest) if largest else float("inf")


def evolve(u, drift, t, scheme="exact", steps=None, spacing=1.0):
    """Osmosis of the image `u` under `drift` up to time `t` ≥ 0, by one `scheme`.

    "exact": e^{tA}u to rounding. "implicit": `steps` (default 100) solves of (I − τA)u_new = u, first order, stable for
    every τ. "explicit": u_new = (I + τA)u, default as few steps as are stable; ValueError for τ > 1/max|a_ii|.
    All three preserve mass and positivity. `u` (..., H, W) of any sign; `drift` of one image, or with the leading axes
    of u; `spacing` h > 0. Cost of "exact": of order √t products with A for a potential of moderate contrast, of order t otherwise.
    Raises TypeError, ValueError. Source: Weickert et al. 2013; the series: Tal-Ezer and Kosloff 1984, Jensen 1953.
    """
    if scheme not in ("exact", "implicit", "explicit"):
        raise ValueError(f'scheme is {scheme!r}; needed: "exact", "implicit" or "explicit"')
    t = _arrays.number(t, "t", least=0)
    steps = None if steps is None else _arrays.count(steps, "steps")
    _arrays.number(spacing, "spacing", above=0)
    return _each(u, drift, lambda x, d: _evolve(x, d, t, scheme, steps, spacing))


def _evolve(x, drift, t, scheme, steps, spacing):
    """Columns x `(N, m)` moved by one drift."""
    A = operator(drift, spacing)
    fastest = np.abs(A.diagonal()).max()
    if t == 0 or fastest == 0:
        return x.copy()
    if scheme == "exact":
        potential = None if drift.potential is None else _arrays.to_numpy(drift.potential).ravel()
        if potential is None or np.ptp(potential) > LARGEST_CONTRAST:
            return poisson(A, x, t, fastest)
        root = np.exp(
            0.5 * (potential - potential.max())
        )  # S = D⁻¹ A D with D = diag(√v) is symmetric
        S = scipy.sparse.diags_array(1 / root) @ A @ scipy.sparse.diags_array(root)
        return root[:, None] * chebyshev(
            S.tocsr(), x / root[:, None], t, _width(drift.shape) / spacing**2
        )
    if scheme == "implicit":
        steps = steps or 100
        solve = scipy.sparse.linalg.splu(
            scipy.sparse.eye_array(A.shape[0], format="csc") - (t / steps) * A
        ).solve
        for _ in range(steps):
            x = solve(x)
        return x
    needed = int(np.ceil(t * fastest * (1 - 1e-12)))
    steps = steps or max(needed, 1)
    if steps < needed:
        raise ValueError(
            f"steps is {steps}, a step of {t / steps:g}; needed: at least {needed}, steps of at most "
            f"1/max|a_ii| = {1 / fastest:g}"
        )
    for _ in range(steps):
        x = x + (t / steps) * (A @ x)
    return x


def _width(shape):
    """The spectrum of S lies in [−2Δ, 0], Δ the largest number of neighbours of a pixel."""
    return 2 * sum(min(n - 1, 2) for n in shape)


def steady_state(u, drift):
    """The steady state w with the mass of `u`, A w = 0: positive where the mass is, (Σu/Σv) v for a potential log v.

    `u`, `drift`: shapes as in `evolve`. Without a potential one sparse factorisation and a step of iterative refinement; ArithmeticError
    where drifts next to 2 leave no digits.

    >>> steady_state(np.ones((1, 3)), canonical_drift(np.array([[1.0, 2.0, 5.0]]))).round(4)
    array([[0.375, 0.75 , 1.875]])
    """
    return _each(u, drift, _steady)


def _steady(x, drift):
    if drift.potential is not None:
        potential = _arrays.to_numpy(drift.potential).ravel()
        w = np.exp(potential - logsumexp(potential))
    else:
        w = null_vector(operator(drift))
    return w[:, None] * x.sum(axis=0)


def shadow_removal(u, shadow_edge):
    """A photograph `u` > 0 without the shadow whose edge is marked: osmosis with its own drift, cut at that edge.

    `shadow_edge`: boolean (H, W), True on the edge of the shadow; d = 0 on every grid edge with a marked end, there
    brightness flows freely. The steady state, with the mean of u. Raises TypeError, ValueError.
    """
    drift = canonical_drift(_arrays.image(u, positive=True))
    marked = _arrays.mask(shadow_edge, u.shape[-2:], "shadow_edge")
    keep = [~np.logical_or(*_ends(marked, axis)) for axis in (-2, -1)]
    return steady_state(u, _combined(u, [(drift, keep)]))


def clone(background, foreground, mask):
    """The `foreground` inside `mask` (True) put seamlessly into the `background`: steady state of the mixed drift.

    Positive images on one grid; `mask` boolean (H, W). (Inpainting masks of scikit-image mean the opposite: True is
    what is unknown.) The drift is that of the foreground inside, of the background outside, and the mean of both
    across the border; the mean grey value is the background's. Raises TypeError, ValueError.
    """
    _arrays.image(background, "background", positive=True)
    _arrays.image(foreground, "foreground", positive=True)
    if tuple(foreground.shape) != tuple(background.shape):
        raise ValueError(
            f"foreground has shape {tuple(foreground.shape)}; needed: {tuple(background.shape)}, that of background"
        )
    inside = _arrays.mask(mask, background.shape[-2:])
    share = [
        0.5 * (near + far) for near, far in (_ends(inside.astype(float), axis) for axis in (-2, -1))
    ]
    drifts = [
        (canonical_drift(foreground), share),
        (canonical_drift(background), [1 - s for s in share]),
    ]
    return steady_state(background, _combined(background, drifts))


def compress(u, mask):
    """A picture from its edges: the steady state of the drift of `u` > 0 kept where an end is in `mask`, 0 elsewhere.

    `mask`: boolean (H, W), True where the picture is known. The mean is that of u. Raises TypeError, ValueError.
    """
    drift = canonical_drift(_arrays.image(u, positive=True))
    kept = _arrays.mask(mask, u.shape[-2:])
    return steady_state(
        u, _combined(u, [(drift, [np.logical_or(*_ends(kept, axis)) for axis in (-2, -1)])])
    )


def _ends(values, axis):
    """Values at the two ends of the edges along `axis`."""
    n = values.shape[axis]
    return np.take(values, range(n - 1), axis), np.take(values, range(1, n), axis)


def _combined(u, drifts):
    """Σ weight · drift, edge by edge, without a potential."""
    return Drift(
        *(
            sum(weights[i] * _arrays.to_numpy((drift.dy, drift.dx)[i]) for drift, weights in drifts)
            for i in (0, 1)
        )
    )


def _drift(drift):
    if not isinstance(drift, Drift):
        raise TypeError(f"drift is a {type(drift).__name__}; needed: a Drift (see canonical_drift)")
    return drift


def _single(drift):
    if len(_drift(drift).shape) != 2:
        raise ValueError(f"drift has shape {drift.shape}; needed: that of one image, (H, W)")
    return drift


def _each(u, drift, move):
    """Apply `move`(columns, drift of one image) to the images that share a drift, and put the results together."""
    values, lead = _arrays.to_numpy(_arrays.image(u)), _drift(drift).shape[:-2]
    if values.shape[-2:] != drift.shape[-2:] or values.shape[:-2][: len(lead)] != lead:
        raise ValueError(
            f"drift has shape {drift.shape}; needed: the grid of u, {values.shape}, and its leading axes or none"
        )
    result = np.empty_like(values)
    for place in np.ndindex(*lead):
        one = Drift(
            drift.dy[place],
            drift.dx[place],
            None if drift.potential is None else drift.potential[place],
        )
        columns = values[place].reshape(-1, values.shape[-2] * values.shape[-1]).T
        result[place] = move(columns, one).T.reshape(values[place].shape)
    return _arrays.like(result, u)
