"""Osmosis: drift-diffusion ∂u/∂t = Δu − div(d u) of an image without flux through its boundary.

On the grid the drift d lives on the edges between neighbours. For the edge from i to j (to the
right or downwards, spacing h) the operator has A_ij = (1 − d/2)/h² and A_ji = (1 + d/2)/h², and
columns that sum to zero. With |d| < 2 the off-diagonals are positive: mass is preserved, positive
images stay positive, and there is one steady state for each mass. Computed in float64; results have
the kind, dtype and device of the image, and no gradients pass.
Source: Weickert, Hagenburg, Breuß and Vogel 2013; Vogel et al. 2013.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from . import _arrays, _osmosis
from ._arrays import Array, numpys_errors

LARGEST_CONTRAST = np.log(1e8)  # of a potential: beyond it the symmetrised evolution loses digits
LONG, LONGEST = 10**4, 10**6  # products with A: more are avoided where all is over, and refused


@dataclass(frozen=True, eq=False)
class Drift:
    """Drift on the edges, in units of 1/spacing, |d| < 2, and the potential it comes from if any.

    `dy` (..., H−1, W) downwards, `dx` (..., H, W−1) to the right. `potential` (..., H, W): log v
    where d is the canonical drift of v, else None; with it steady states are exact at any contrast.
    Arrays of one kind. Raises TypeError or ValueError, naming `dy`, `dx` or `potential`.
    """

    dy: Array
    dx: Array
    potential: Array | None = None

    @numpys_errors
    def __post_init__(self):
        for name in ("dy", "dx") if self.potential is None else ("dy", "dx", "potential"):
            d = _arrays.real(getattr(self, name), name)
            object.__setattr__(self, name, d)
            if d.ndim < 2:
                needed = "at least two axes (..., H, W)"
                raise ValueError(f"{name} has shape {tuple(d.shape)}; needed: {needed}")
            bound, needed = (np.inf, "finite values") if name == "potential" else (2, "|d| < 2")
            size = np.abs(_arrays.to_numpy(d)).max(initial=0)
            if not size < bound:  # NaN included
                raise ValueError(f"{name} has values of size {size:g}; needed: {needed}")
        dy, dx = tuple(self.dy.shape), tuple(self.dx.shape)
        if dy[:-2] != dx[:-2] or (dy[-2] + 1, dy[-1]) != (dx[-2], dx[-1] + 1):
            needed = "(..., H-1, W) and (..., H, W-1)"
            raise ValueError(f"dy has shape {dy} and dx {dx}; needed: {needed}")
        if self.potential is not None and tuple(self.potential.shape) != self.shape:
            found = tuple(self.potential.shape)
            raise ValueError(f"potential has shape {found}; needed: {self.shape}")

    @property
    def shape(self) -> tuple:
        """(..., H, W) of the images it moves."""
        return (*self.dx.shape[:-1], self.dy.shape[-1])


@numpys_errors
def canonical_drift(guidance: Array = None, *, log_guidance: Array = None) -> Drift:
    """The drift d = 2 (v_j − v_i)/(v_j + v_i), the grid's ∇ log v, under which v > 0 is steady.

    `guidance` v (..., H, W), or `log_guidance` log v (d = 2 tanh(½Δ log v)) for densities that
    would underflow: exactly one. Where d rounds to ±2 the neighbouring float is taken. Raises
    TypeError, ValueError (also for v ≤ 0).

    >>> canonical_drift(np.array([[1.0, 3.0, 3.0]])).dx
    array([[1., 0.]])
    """
    if (guidance is None) == (log_guidance is None):
        raise ValueError("guidance and log_guidance: exactly one of them is needed")
    if log_guidance is None:
        return _canonical(_arrays.image(guidance, "guidance", positive=True))
    potential = _arrays.image(log_guidance, "log_guidance")
    values = _arrays.to_numpy(potential)
    slopes = [2 * np.tanh(0.5 * np.diff(values, axis=axis)) for axis in (-2, -1)]
    return Drift(*(_below_two(d, potential) for d in slopes), potential)


def _canonical(v):
    """The canonical drift of a checked image."""
    values = _arrays.to_numpy(v)
    scaled = 0.25 * values if values.max() > 1e300 else values  # sums must not overflow
    slopes = []
    for axis in (-2, -1):
        near, far = _ends(scaled, axis)
        slopes.append(2 * (far - near) / (far + near))
    return Drift(*(_below_two(d, v) for d in slopes), _arrays.like(np.log(values), v))


def _below_two(d, u):
    """`d` as the kind of u; where it rounds to ±2, the neighbouring number of its type."""
    below = 2 - max(_arrays.eps(u), 2.0**-52)
    return _arrays.like(d, u).clip(-below, below)


@numpys_errors
def operator(drift: Drift, spacing=1.0):
    """The matrix A of osmosis, sparse (CSC, N×N, N = HW), acting on `u.ravel()`: ∂u/∂t = A u.

    Off-diagonals positive, columns sum to 0; with a potential detailed balance A_ij v_j = A_ji v_i.
    Its eigenvalues are then real, in [−8, 0]/h². `drift`: of one image. `spacing` h > 0. Raises
    TypeError, ValueError.
    """
    drift = _arrays.instance(drift, Drift, "drift")
    if len(drift.shape) != 2:
        raise ValueError(f"drift has shape {drift.shape}; needed: that of one image, (H, W)")
    return _operator(drift, _spacing(spacing))


def _operator(drift, h):
    index = np.arange(drift.shape[0] * drift.shape[1]).reshape(drift.shape)
    rows, columns, values = [], [], []
    for axis, d in ((-2, drift.dy), (-1, drift.dx)):
        near, far = (end.ravel() for end in _ends(index, axis))
        if drift.potential is None:
            d = _arrays.to_numpy(d).ravel()
            backward, forward = 1 - 0.5 * d, 1 + 0.5 * d
        else:  # 2v_i/(v_i + v_j) and 2v_j/(v_i + v_j) with all their digits
            difference = np.diff(_arrays.to_numpy(drift.potential), axis=axis).ravel()
            backward, forward = 2 * scipy.special.expit([-difference, difference])
        rows += [near, far]
        columns += [far, near]
        values += [backward / h**2, forward / h**2]
    rows, columns, values = (np.concatenate(parts) for parts in (rows, columns, values))
    return _osmosis.balanced(values, rows, columns, index.size)


def _spacing(h):
    """`h` as a float with which neither h² nor the entries of A leave the range of floats."""
    h = _arrays.number(h, "spacing", above=0)
    if not 1e-150 <= h <= 1e150:
        raise ValueError(f"spacing is {h:g}; needed: a number in [1e-150, 1e150]")
    return h


def step_limit(drift: Drift, spacing=1.0) -> float:
    """Largest explicit step 1/max|a_ii|: up to it I + τA is column-stochastic.

    `drift` and `spacing` h as in `operator`. At least h²/8 for a potential, infinite on a single
    pixel. Raises TypeError, ValueError.
    """
    largest = np.abs(operator(drift, spacing).diagonal()).max()
    return float(1 / largest) if largest else float("inf")


@numpys_errors
def evolve(u: Array, drift: Drift, t, scheme="exact", steps=None, spacing=1.0) -> Array:
    """Osmosis of the image `u` under `drift` up to time `t` ≥ 0, by one `scheme`.

    "exact": e^{tA}u to rounding. "implicit": `steps` (default 100) solves of (I − τA)u_new = u,
    first order, stable for every τ. "explicit": u_new = (I + τA)u, default as few steps as are
    stable; ValueError for τ > 1/max|a_ii|. All three preserve mass and positivity. `u` (..., H, W)
    of any sign; `drift` of one image, or with the leading axes of u; `spacing` h > 0.

    Cost of "exact": of order √t products with A for a potential of moderate contrast, of order t
    otherwise. Beyond 10⁴ of them the spectral gap tells whether all is over and the steady state is
    the result; if not, a series of more than 10⁶ terms is refused, as so many explicit steps are.
    Raises TypeError, ValueError. Source: Weickert et al. 2013; the series: Tal-Ezer and Kosloff
    1984, Jensen 1953.

    >>> evolve(np.array([[1.0, 0.0, 0.0]]), canonical_drift(np.ones((1, 3))), 0.5).round(3)
    array([[0.674, 0.259, 0.067]])
    """
    if scheme not in ("exact", "implicit", "explicit"):
        raise ValueError(f'scheme is {scheme!r}; needed: "exact", "implicit" or "explicit"')
    t, h = _arrays.number(t, "t", least=0), _spacing(spacing)
    steps = None if steps is None else _arrays.count(steps, "steps")
    return _each(_arrays.image(u), drift, lambda x, d: _evolve(x, d, t, scheme, steps, h))


def _evolve(x, drift, t, scheme, steps, h):
    """Columns x `(N, m)` moved by one drift."""
    A = _operator(drift, h)
    fastest = np.abs(A.diagonal()).max()
    if t == 0 or fastest == 0:
        return x.copy()
    if scheme == "exact":
        return _exact(x, drift, A, t, h)
    if scheme == "implicit":
        return _osmosis.implicit(A, x, t / (steps or 100), steps or 100)
    needed = np.ceil(t * fastest * (1 - 1e-12))
    if steps is None and not needed <= LONGEST:
        raise ValueError(f"t is {t:g}: that takes {needed:.3g} steps; needed: at most {LONGEST:g}")
    steps = steps or max(int(needed), 1)
    if steps < needed:
        raise ValueError(
            f"steps is {steps}, a step of {t / steps:g}; needed: at least {needed:.17g}, "
            f"steps of at most 1/max|a_ii| = {1 / fastest:g}"
        )
    for _ in range(steps):
        x = x + (t / steps) * (A @ x)
    return x


def _exact(x, drift, A, t, h):
    """e^{tA}x: by a series, or at once where that is long and all is over."""
    potential = None if drift.potential is None else _arrays.to_numpy(drift.potential).ravel()
    width, fastest = _width(drift.shape) / h**2, np.abs(A.diagonal()).max()
    symmetric = potential is not None and np.ptp(potential) <= LARGEST_CONTRAST
    terms = (
        _osmosis.chebyshev_terms(0.5 * t * width)
        if symmetric
        else _osmosis.poisson_terms(t * fastest)
    )
    if terms > LONG:
        try:
            w = _weights(drift, A)
        except ArithmeticError:
            w = np.zeros(len(x))
        if _osmosis.is_over(A, w, t):
            return w[:, None] * x.sum(axis=0)
    if not terms <= LONGEST:
        needed = f"at most {LONGEST:g}, or that all is over"
        raise ValueError(f"t is {t:g}: that takes {terms:.3g} products; needed: {needed}")
    if not symmetric:
        return _osmosis.poisson(A, x, t, fastest)
    root = np.exp(0.5 * (potential - potential.max()))
    # S = D⁻¹ A D with D = diag(√v) is symmetric
    S = scipy.sparse.diags_array(1 / root) @ A @ scipy.sparse.diags_array(root)
    return root[:, None] * _osmosis.chebyshev(S.tocsr(), x / root[:, None], t, width)


def _width(shape):
    """The spectrum of S lies in [−2Δ, 0], Δ the largest number of neighbours of a pixel."""
    return 2 * sum(min(n - 1, 2) for n in shape)


@numpys_errors
def steady_state(u: Array, drift: Drift) -> Array:
    """The steady state w with the mass of `u`, A w = 0: (Σu/Σv) v for a potential log v.

    Positive where the mass is. `u`, `drift`: shapes as in `evolve`. Without a potential one sparse
    factorisation and a step of iterative refinement; ArithmeticError where drifts next to 2 leave
    no digits. Raises TypeError, ValueError.

    >>> steady_state(np.ones((1, 3)), canonical_drift(np.array([[1.0, 2.0, 5.0]]))).round(4)
    array([[0.375, 0.75 , 1.875]])
    """
    return _steady_state(_arrays.image(u), drift)


def _steady_state(u, drift):
    return _each(u, drift, lambda x, d: _weights(d, _operator(d, 1.0))[:, None] * x.sum(axis=0))


def _weights(drift, A):
    """The steady state of sum 1 of one drift, whose operator is A."""
    if drift.potential is None:
        return _osmosis.null_vector(A)
    return scipy.special.softmax(_arrays.to_numpy(drift.potential)).ravel()


@numpys_errors
def shadow_removal(u: Array, shadow_edge: Array) -> Array:
    """A photograph `u` > 0 without the shadow whose edge is marked.

    Osmosis with its own drift, cut at that edge. `shadow_edge`: boolean (H, W), True on the edge
    of the shadow; d = 0 on every grid edge with a marked end, there brightness flows freely. The
    steady state, with the mean of u. `u`: (..., H, W), each channel with a drift of its own.
    Raises TypeError, ValueError.
    """
    u = _arrays.image(u, positive=True)
    marked = _arrays.mask(shadow_edge, u.shape[-2:], "shadow_edge")
    keep = [~np.logical_or(*_ends(marked, axis)) for axis in (-2, -1)]
    return _steady_state(u, _combined((_canonical(u), keep)))


@numpys_errors
def clone(background: Array, foreground: Array, mask: Array) -> Array:
    """The `foreground` inside `mask` (True) put seamlessly into the `background`.

    Positive images (..., H, W) of one shape; `mask` boolean (H, W). (Inpainting masks of
    scikit-image mean the opposite: True is what is unknown.) The steady state of a mixed drift:
    that of the foreground inside, of the background outside, and the mean of both across the
    border; the mean grey value is the background's. Raises TypeError, ValueError.
    """
    background = _arrays.image(background, "background", positive=True)
    foreground = _arrays.image(foreground, "foreground", positive=True)
    if foreground.shape != background.shape:
        needed = f"{tuple(background.shape)}, that of background"
        raise ValueError(f"foreground has shape {tuple(foreground.shape)}; needed: {needed}")
    inside = _arrays.mask(mask, background.shape[-2:]).astype(float)
    share = [0.5 * np.add(*_ends(inside, axis)) for axis in (-2, -1)]
    drifts = (_canonical(foreground), share), (_canonical(background), [1 - s for s in share])
    return _steady_state(background, _combined(*drifts))


@numpys_errors
def compress(u: Array, mask: Array) -> Array:
    """A picture from its edges: the steady state of the drift of `u` > 0 on those in `mask`.

    Edges of the grid with an end in the mask keep their drift, others have d = 0. `u`: (..., H,
    W). `mask`: boolean (H, W), True where the picture is known. The mean is that of u. Raises
    TypeError, ValueError.
    """
    u = _arrays.image(u, positive=True)
    kept = _arrays.mask(mask, u.shape[-2:])
    keep = [np.logical_or(*_ends(kept, axis)) for axis in (-2, -1)]
    return _steady_state(u, _combined((_canonical(u), keep)))


@numpys_errors
def inpaint(u: Array, mask: Array, guidance: Array) -> Array:
    """Fill in unknown pixels by osmosis: A u = 0 there, known pixels stay exactly.

    A is that of the canonical drift of the `guidance` v > 0, (H, W) or with leading axes of u, all
    its pixels used: a picture of the same thing in another light, say. `u`: (..., H, W), positive
    where it is known. `mask`: boolean, True where the pixel is known (scikit-image means the
    opposite): (H, W), or one per image with as many axes as u, (n, H, W) or for colour (n, 1, H,
    W); at least once in each.

    It is harmonic inpainting of the ratio h = u/v: Σ_j 2 v_i v_j/(v_i + v_j) (h_j − h_i) = 0. So a
    guidance a v gives the same, v = a u gives u, a constant v `diffusion.inpaint`; and u/v lies
    between its least and largest known value. No gradients pass. One sparse factorisation for each
    different pair of mask and guidance. ArithmeticError where its factors fail to find v from its
    known pixels to six digits (contrasts of v far beyond 1e12). Raises TypeError, ValueError.
    Source: Weickert et al. 2013.

    >>> ends = np.array([[True, False, False, True]])
    >>> inpaint(np.array([[1.0, 9.0, 9.0, 3.0]]), ends, np.array([[1.0, 2.0, 2.0, 1.0]])).round(3)
    array([[1. , 3.5, 4.5, 3. ]])
    """
    u, guidance = _arrays.image(u), _arrays.image(guidance, "guidance", positive=True)
    known = _arrays.known_pixels(mask, u.shape)
    lead, batch = guidance.shape[:-2], u.shape[:-2]
    if guidance.shape[-2:] != u.shape[-2:] or batch[: len(lead)] != lead:
        needed = f"the grid of u, {tuple(u.shape)}, and its leading axes or none"
        raise ValueError(f"guidance has shape {tuple(guidance.shape)}; needed: {needed}")
    values, v = _arrays.to_numpy(u), _arrays.to_numpy(guidance)
    least = values.min(where=known, initial=np.inf)
    if not least > 0:
        raise ValueError(f"u has minimum {least:g} in the mask; needed: values > 0")
    drift, between = _canonical(v), [1] * (len(batch) - len(lead))
    drifts = (Drift(drift.dy[i], drift.dx[i], drift.potential[i]) for i in np.ndindex(*lead))
    operators = [_operator(one, 1.0) for one in drifts]
    v = v.reshape(*lead, *between, *v.shape[-2:])
    both = np.stack(np.broadcast_arrays(values, v))
    try:
        _osmosis.hold(both, known, operators, np.reshape(range(len(operators)), (*lead, *between)))
        error = np.abs(both[1] / v - 1).max()
    except RuntimeError:  # a factor is singular
        error = np.inf
    if not error < _osmosis.LARGEST_ERROR:
        needed = "a guidance of less contrast"
        raise ArithmeticError(f"guidance: lost to rounding (error {error:.1e}); needed: {needed}")
    return _arrays.result(both[0], u)


def _ends(values, axis):
    """Values at the two ends of the edges along `axis`."""
    n = values.shape[axis]
    return np.take(values, range(n - 1), axis), np.take(values, range(1, n), axis)


def _combined(*drifts):
    """Σ weight · drift without a potential, from pairs of a drift and weights of (dy, dx)."""
    parts = [
        [_arrays.to_numpy(d) * weight for d, weight in zip((drift.dy, drift.dx), weights)]
        for drift, weights in drifts
    ]
    return Drift(*(sum(part) for part in zip(*parts)))


def _each(u, drift, move):
    """Apply `move`(columns, one drift) to the images of a checked `u` that share it."""
    lead = _arrays.instance(drift, Drift, "drift").shape[:-2]
    values = _arrays.to_numpy(u)
    if values.shape[-2:] != drift.shape[-2:] or values.shape[:-2][: len(lead)] != lead:
        needed = f"the grid of u, {values.shape}, and its leading axes or none"
        raise ValueError(f"drift has shape {drift.shape}; needed: {needed}")
    result = np.empty_like(values)
    for place in np.ndindex(*lead):
        potential = None if drift.potential is None else drift.potential[place]
        columns = values[place].reshape(-1, values.shape[-2] * values.shape[-1]).T
        moved = move(columns, Drift(drift.dy[place], drift.dx[place], potential))
        result[place] = moved.T.reshape(values[place].shape)
    return _arrays.result(result, u)
