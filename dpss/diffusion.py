"""Diffusion filters: evolutions ∂u/∂t = div(D ∇u) of an image with reflecting boundary.

`homogeneous` has D = 1 and is exact. `nonlinear` and `edge_enhancing` let D depend on the image, to
keep edges; they step in time. `inpaint` is the steady state of homogeneous or edge-enhancing
diffusion where some pixels are held. Results have the kind, dtype and device of the image; filters
compute in its precision, `inpaint` in float64.
"""

import math

import numpy as np

from . import _arrays, _nonlinear, _osmosis, osmosis
from ._arrays import Array, numpys_errors
from ._cosines import blur

DIFFUSIVITIES = ("charbonnier", "perona-malik")  # 1/√(1 + s), 1/(1 + s) of s = |∇u_σ|²/contrast²
EXPONENT = 3.31488  # makes the flux of edge-enhancing diffusion largest at |∇u| = contrast
LENGTHS = 16.0, 4.0, 64.0  # of implicit steps on the way to a steady state, tried in turn
MOST_STEPS = 1e6  # of a filter; more are refused
LARGEST_LOSS = 1e-2  # the rounding of numbers times the length of an implicit step


@numpys_errors
def homogeneous(u: Array, t) -> Array:
    """Homogeneous diffusion ∂u/∂t = Δu, exactly: c_k(t) = exp(−λ_k t) c_k(0) in the cosine basis.

    `u`: image `(..., H, W)`; gradients with respect to u pass through float32 and float64 tensors.
    `t` ≥ 0: a diffusion time in squared pixels, or an array of them with the shape of the leading
    batch axes (one image `(H, W)` at m times gives `(m, H, W)`). On an infinite grid: convolution
    with the discrete Gaussian, e^{−2t} I_n(2t) along each axis, of standard deviation √(2t)
    pixels; a sampled Gaussian is near it for t above 2 or so. Axioms: semigroup, mean, max–min,
    even central moments Σ(u − mean)^{2n} never rise, flips, flat steady state all hold. Raises
    TypeError, ValueError for what is not an image and for negative or non-finite t. Source: Iijima
    1962; Lindeberg 1990.

    >>> homogeneous(np.array([[0.0, 0.0, 1.0, 0.0, 0.0]]), 0.5).round(3)
    array([[0.058, 0.209, 0.466, 0.209, 0.058]])
    """
    u, t = _arrays.image(u), _arrays.times(t, latest=math.inf).detach()
    if u.dtype.itemsize in (4, 8):
        return blur(u, t)
    return _arrays.like(blur(_arrays.to_numpy(u), t), u)  # short and long types


@numpys_errors
def nonlinear(
    u: Array,
    t,
    contrast,
    diffusivity="charbonnier",
    presmoothing=0.0,
    scheme="fed",
    steps=None,
    colour=None,
) -> Array:
    """Nonlinear isotropic diffusion ∂u/∂t = div(g(|∇u_σ|²/contrast²) ∇u): steep edges are spared.

    `u`: image (..., H, W). `t` ≥ 0 in squared pixels, `contrast` > 0 in grey values per pixel.
    `diffusivity`: "charbonnier" g(s) = 1/√(1 + s), "perona-malik" g(s) = 1/(1 + s), or a function
    of the NumPy array s = |∇u_σ|²/contrast², values ≥ 0. `presmoothing` σ ≥ 0 pixels (Catté et
    al.): u_σ is u after `homogeneous` diffusion of time σ²/2; 0 leaves Perona–Malik ill-posed in
    the continuum, though not on the grid. `colour`: whether the axis before the last two is
    colour, whose channels then share one diffusivity, from the sum of their |∇u_σ|²; None: if it
    has length 3 (say False for a batch of three grey images). No gradients pass.

    `scheme`: "fed" (fast explicit diffusion: `steps` cycles, g fixed in each), "aos" (`steps`
    semi-implicit steps), "explicit" (`steps` of at most 1/(4 max g), else ValueError). By default
    as many as keep the relative error below 5e-3 on photographs.

    Mean, symmetries of the grid, u → u + c, u → a u with contrast → a contrast, and flat steady
    states hold, and the sum of squares never rises. Max–min holds for "aos" and "explicit"; "fed"
    guarantees it only in the limit of many cycles. No semigroup in the sense of linear filters:
    the process is one, each scheme only approximately. Raises TypeError, ValueError; also for more
    than 10⁶ steps, and for a contrast that is lost to rounding (below 1e-18 of the range of u in
    float32). Source: Perona and Malik 1990; Catté et al. 1992; Weickert, ter Haar Romeny and
    Viergever 1998 (AOS).

    >>> step = np.array([[0.0, 0.1, 0.0, 1.0, 0.9, 1.0]])   # the noise goes, the edge stays
    >>> nonlinear(step, 1.0, contrast=0.1, diffusivity="perona-malik").round(2)
    array([[0.04, 0.05, 0.04, 0.96, 0.95, 0.96]])
    """
    named = isinstance(diffusivity, str) and diffusivity in DIFFUSIVITIES
    if not named and not callable(diffusivity):
        needed = f"{', '.join(map(repr, DIFFUSIVITIES))} or a function"
        raise ValueError(f"diffusivity is {diffusivity!r}; needed: {needed}")
    t, contrast = _arrays.number(t, "t", least=0), _arrays.number(contrast, "contrast", above=0)

    def edges(v, contrast, shared, buffers):
        largest = 1.0  # of the named diffusivities

        def g(double):
            nonlocal largest
            square = double.sum(-3, keepdims=True) if shared else double
            square *= 0.5 / contrast**2
            if not named:
                value = np.asanyarray(diffusivity(square))
                value = _arrays.real(value, "diffusivity(s)").astype(v.dtype)
                if value.shape != square.shape or not np.isfinite(value).all() or value.min() < 0:
                    needed = f"finite values >= 0 of shape {square.shape}"
                    raise ValueError(
                        f"diffusivity returns shape {value.shape} or values that are negative or "
                        f"not finite; needed: {needed}"
                    )
                largest = max(largest, float(value.max()))
                return value
            square += 1
            if diffusivity == "charbonnier":
                np.sqrt(square, out=square)
            return np.reciprocal(square, out=square)

        return _nonlinear.isotropic(v, g, buffers), largest

    enough = {"fed": 16 + 2 * t**0.5, "aos": 80 + 8 * t**0.5, "explicit": max(16, 4 * t)}
    return _evolve(u, t, contrast, edges, presmoothing, scheme, enough, steps, colour)


@numpys_errors
def edge_enhancing(
    u: Array, t, contrast, presmoothing=1.0, scheme="fed", steps=None, colour=None
) -> Array:
    """Edge-enhancing anisotropic diffusion ∂u/∂t = div(D ∇u): along edges, hardly across them.

    D has the eigenvalue 1 along ∇u_σ^⊥ and 1 − exp(−3.31488/(|∇u_σ|/contrast)⁸) along ∇u_σ.
    Arguments are as in `nonlinear`; `scheme` "fed" or "explicit" (steps of at most 1/4). Colours
    share D, from the channel sum of ∇u_σ ∇u_σᵀ. No gradients pass.

    Symmetric stencil of four edge directions: mean, symmetries of the grid, u → u + c, the sum of
    squares and flat steady states hold. Max–min in general does not: where D is very anisotropic
    and oblique, weights are negative. Raises TypeError, ValueError. Source: Weickert 1998.
    """
    t, contrast = _arrays.number(t, "t", least=0), _arrays.number(contrast, "contrast", above=0)

    enough = {"fed": 16 + 20 * t**0.5, "explicit": max(16, 4 * t)}
    return _evolve(u, t, contrast, _oriented, presmoothing, scheme, enough, steps, colour)


@numpys_errors
def inpaint(u: Array, mask: Array, contrast=None, presmoothing=1.0, colour=None) -> Array:
    """Fill in unknown pixels by the steady state of a diffusion in which known pixels are held.

    `contrast` None: of homogeneous diffusion, Δu = 0 at unknown pixels. A number: of
    `edge_enhancing` diffusion with this `contrast`, `presmoothing` and `colour`, div(D ∇u) = 0.

    `u`: image (..., H, W), finite everywhere; reflecting boundary. `mask`: boolean (H, W), or one
    per image with as many axes as u, (n, H, W) or for colour (n, 1, H, W); True where the pixel is
    known (scikit-image means the opposite), at least once in each. Known pixels stay exactly. No
    gradients pass. Symmetries of the grid, u → u + c, and u → a u with contrast → a contrast hold.
    With None the result is unique, filled-in values lie between the least and the largest known
    one, and each different mask costs one sparse factorisation.

    With a contrast values may lie far outside, and there may be several steady states, as D depends
    on the image. This one is reached from the harmonic one by implicit steps with D frozen in each,
    dozens or hundreds of sparse factorisations: of length 16 (if that fails 4, then 64),
    accelerated (Anderson) where changes are small, until one changes no pixel by more than 1e-9 of
    the range. Small steps may end in another. ArithmeticError where none settles, as may be with
    small contrasts and textures that `presmoothing` leaves.
    Raises TypeError, ValueError. Source: Carlsson 1988; Weickert and Welk 2006.

    >>> u = np.array([[0.0, 9.0, 9.0, 9.0, 1.0]])
    >>> ends = np.array([[True, False, False, False, True]])
    >>> inpaint(u, ends).round(3)
    array([[0.  , 0.25, 0.5 , 0.75, 1.  ]])
    >>> inpaint(np.stack([u, u]), np.stack([ends, ~ends]))[1]   # a mask for each image
    array([[9., 9., 9., 9., 9.]])
    """
    u = _arrays.image(u)
    known = _arrays.known_pixels(mask, u.shape)
    sigma, shared = _arrays.number(presmoothing, "presmoothing", least=0), _colours(u, colour)
    height, width = u.shape[-2:]
    values = np.array(_arrays.to_numpy(u))
    flat = osmosis.Drift(np.zeros((height - 1, width)), np.zeros((height, width - 1)))
    _osmosis.hold(values, known, [osmosis.operator(flat)])
    if contrast is not None:
        contrast = _arrays.number(contrast, "contrast", above=0)
        values = _settled(values, known, contrast, sigma, shared)
    return _arrays.result(values, u)


def step_limit(largest_diffusivity=1.0) -> float:
    """Largest step of the explicit scheme u + τ A(u) u in 2-D: 1/(4 g), g the largest diffusivity.

    Up to it I + τA is doubly stochastic, so mean and max–min principle hold; beyond it they fail.
    Raises ValueError unless `largest_diffusivity` > 0.
    """
    return 1 / (4 * _arrays.number(largest_diffusivity, "largest_diffusivity", above=0))


def _oriented(v, contrast, shared, buffers):
    """The edges of edge-enhancing diffusion and their largest diffusivity, as `_evolve` needs."""

    def tensor(dy, dx):  # −2 ∂_y u_σ, 2 ∂_x u_σ
        xy, threshold = np.multiply(dy, dx, out=buffers("xy", dy.shape)), 2 * contrast**2
        dy *= dy
        dx *= dx
        parts = [dx, xy, dy]
        if shared:
            parts = [part.sum(-3, keepdims=True) for part in parts]
        # 4 |∇u_σ|²; below 2 contrast² the exponential is under 1e-23: nothing is lost by
        # stopping there, and nothing underflows
        square = np.add(parts[0], parts[2], out=buffers("square", parts[0].shape))
        np.maximum(square, threshold, out=square)
        loss = np.divide(2 * threshold, square, out=buffers("loss", square.shape))
        loss *= loss
        loss *= loss
        loss *= -EXPONENT
        np.exp(loss, out=loss)
        loss /= square  # (1 − g)/|∇u_σ|²
        for part in parts:
            part *= loss
        for part in parts[::2]:
            np.subtract(1, part, out=part)
        return parts

    return _nonlinear.edge_enhancing(v, tensor, buffers), 1.0


def _evolve(u, t, contrast, edges, presmoothing, scheme, enough, steps, colour):
    """Step from 0 to t.

    `edges(v, contrast, shared, buffers)`: those of the operator A(v), with the largest diffusivity;
    `enough`: the default number of steps of each scheme.
    """
    u = _arrays.image(u)
    sigma = _arrays.number(presmoothing, "presmoothing", least=0)
    if scheme not in tuple(enough):
        raise ValueError(f"scheme is {scheme!r}; needed: {', '.join(map(repr, enough))}")
    steps = (
        math.ceil(min(enough[scheme], 1e300)) if steps is None else _arrays.count(steps, "steps")
    )
    work = steps * (_nonlinear.fed_length(t / steps, step_limit()) if scheme == "fed" else 1)
    if work > MOST_STEPS:
        needed = f"at most {MOST_STEPS:g}"
        raise ValueError(f"t is {t:g}: that takes {work:.3g} {scheme} steps; needed: {needed}")
    shared = _colours(u, colour)
    v, contrast, unit = _scaled(u, contrast, shared)
    buffers = _nonlinear.Buffers(v.dtype)
    smoothing = _smoothing(sigma)
    for _ in range(steps if t else 0):
        A, largest = edges(blur(v, smoothing) if sigma else v, contrast, shared, buffers)
        if scheme == "aos":
            v = _nonlinear.aos(v, A, _allowed(t, steps, LARGEST_LOSS / (_arrays.eps(v) * largest)))
        elif scheme == "explicit":
            _nonlinear.explicit(v, A, _allowed(t, steps, step_limit(largest)), buffers)
        else:
            for step in _nonlinear.fed_steps(t / steps, step_limit(largest)):
                _nonlinear.explicit(v, A, step, buffers)
    v *= unit
    return _arrays.result(v, u)


def _settled(values, known, contrast, sigma, shared):
    """The steady state of edge-enhancing diffusion next to `values`, where they are not `known`."""
    v, contrast, unit = _scaled(values, contrast, shared)
    known, smoothing = np.broadcast_to(known, v.shape), _smoothing(sigma)
    buffers = _nonlinear.Buffers(v.dtype)
    for one in np.ndindex(contrast.shape[: -3 if shared else -2]):

        def step(unknown, length, one=one):
            """Unknown pixels after an implicit step, with D frozen."""
            now = v[one]
            now[~known[one]] = unknown
            smooth = blur(now, smoothing) if sigma else now
            edges, _ = _oriented(smooth, contrast[one], shared, buffers)
            _osmosis.hold(now, known[one], [_nonlinear.matrix(edges)], rate=1 / length)
            return now[~known[one]]

        v[one][~known[one]] = _nonlinear.fixed_point(step, v[one][~known[one]], LENGTHS)
    return np.where(known, values, v * unit)


def _smoothing(sigma):
    """The time of homogeneous diffusion that is a Gaussian of standard deviation `sigma`."""
    return _arrays.times(min(0.5 * sigma * sigma, 1e300), latest=math.inf)


def _colours(u, colour):
    """Whether the axis before the last two of an image is colour."""
    if colour not in (None, True, False):
        raise TypeError(f"colour is {colour!r}; needed: True, False or None")
    if colour and u.ndim < 3:
        raise ValueError(f"colour is True for shape {tuple(u.shape)}; needed: (..., C, H, W)")
    return colour if colour is not None else u.ndim > 2 and u.shape[-3] == 3


def _allowed(t, steps, longest):
    """The length of one of `steps`; ValueError beyond the `longest`, but for rounding."""
    if t / steps > longest * (1 + 1e-6):
        needed = f"steps of at most {longest:g} for this diffusivity and precision"
        raise ValueError(f"steps is {steps}, a step of {t / steps:g}; needed: {needed}")
    return t / steps


def _scaled(u, contrast, shared):
    """`u` in units in which its range is about one, a copy; its contrast in them; the units.

    The filter of a u with the contrast a c is a times that of u with c. Units are powers of two, so
    that no digit changes, and squares of tiny or huge gradients stay in the range of floats.
    """
    values = _arrays.to_numpy(u, single=True)
    info, axes = np.finfo(values.dtype), (-3, -2, -1) if shared else (-2, -1)
    half = 0.5 * values.max(axes, keepdims=True) - 0.5 * values.min(axes, keepdims=True)
    power = np.frexp(half)[1].clip(info.minexp, info.maxexp - 2)
    digits, exponent = math.frexp(contrast)
    # above 2⁴⁰ nothing is an edge, and below `least` the square of the contrast would underflow
    relative = np.ldexp(digits, np.minimum(exponent - power, 40))
    least = 10 * float(info.tiny) ** 0.5
    lost = (relative < least) & (half > 0)
    if lost.any():
        needed = f"at least {np.ldexp(least, power[lost].max()):g}, {least:g} of the range of u"
        raise ValueError(f"contrast is {contrast:g}; needed: {needed} in {values.dtype}")
    one = values.dtype.type(1)
    relative = relative.clip(min=least).astype(values.dtype)
    return values * np.ldexp(one, -power), relative, np.ldexp(one, power)
