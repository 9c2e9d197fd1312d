"""Diffusion filters: evolutions ∂u/∂t = div(D ∇u) of an image with reflecting boundary.

`homogeneous` has D = 1 and is exact. `nonlinear` and `edge_enhancing` let D depend on the image, to keep edges; they step in
time. `inpaint` is the steady state of homogeneous diffusion where some pixels are held. Results have the kind, dtype and device
of the image, and are computed in its precision.
"""

import numpy as np
import scipy.sparse.linalg

from . import _arrays, _nonlinear, osmosis
from ._cosines import blur

DIFFUSIVITIES = ("charbonnier", "perona-malik")  # 1/√(1 + s) and 1/(1 + s) of s = |∇u_σ|²/contrast²
EXPONENT = 3.31488  # makes the flux of edge-enhancing diffusion largest at |∇u| = contrast


def homogeneous(u, t):
    """Homogeneous diffusion ∂u/∂t = Δu, exactly: c_k(t) = exp(−λ_k t) c_k(0) in the cosine basis.

    `u`: image `(..., H, W)`, NumPy or torch (gradients with respect to u pass through float32 and float64 tensors). `t` ≥ 0: a
    diffusion time in squared pixels, or an array of them with the shape of the leading batch axes (one image `(H, W)` at m times gives
    `(m, H, W)`). On an infinite grid: convolution with the discrete Gaussian, e^{−2t} I_n(2t) along each axis, of standard deviation
    √(2t) pixels; a sampled Gaussian is near it for t above 2 or so. Axioms: semigroup, mean, max–min, even central moments Σ(u − mean)^{2n}
    never rise, flips, flat steady state all hold.
    Raises TypeError, ValueError for what is not an image and for negative or non-finite t.
    Source: Iijima 1962; Lindeberg 1990.

    >>> homogeneous(np.array([[0.0, 0.0, 1.0, 0.0, 0.0]]), 0.5).round(3)
    array([[0.058, 0.209, 0.466, 0.209, 0.058]])
    """
    u, t = _arrays.image(u), _arrays.times(t, latest=float("inf")).detach()
    if u.dtype.itemsize in (4, 8):
        return blur(u, t)
    return _arrays.like(blur(_arrays.to_numpy(u), t), u)  # short and long types


def nonlinear(
    u,
    t,
    contrast,
    diffusivity="charbonnier",
    presmoothing=0.0,
    scheme="fed",
    steps=None,
    colour=None,
):
    """Nonlinear isotropic diffusion ∂u/∂t = div(g(|∇u_σ|²/contrast²) ∇u): edges steeper than the contrast are spared.

    `u`: image (..., H, W). `t` ≥ 0 in squared pixels, `contrast` > 0 in grey values per pixel. `diffusivity`: "charbonnier"
    g(s) = 1/√(1 + s), "perona-malik" g(s) = 1/(1 + s), or a function of the NumPy array s = |∇u_σ|²/contrast², values ≥ 0.
    `presmoothing` σ ≥ 0 pixels (Catté et al.): u_σ is u after `homogeneous` diffusion of time σ²/2; 0 leaves Perona–Malik ill-posed
    in the continuum, though not on the grid. `colour`: whether the axis before the last two is colour, whose channels
    then share one diffusivity, from the sum of their |∇u_σ|²; None: if it has length 3 (say False for a batch of three grey images).
    No gradients pass.

    `scheme`: "fed" (fast explicit diffusion: `steps` cycles, g fixed in each), "aos" (`steps` semi-implicit steps), "explicit"
    (`steps` of at most 1/(4 max g), else ValueError). By default as many as keep the relative error below 5e-3 on photographs.

    Mean, symmetries of the grid, u → u + c and flat steady states hold, and the sum of squares never rises. Max–min holds for
    "aos" and "explicit"; "fed" guarantees it only in the limit of many cycles. No semigroup in the sense of linear filters: the process
    is one, each scheme only approximately. Raises TypeError, ValueError.
    Source: Perona and Malik 1990; Catté et al. 1992; Weickert, ter Haar Romeny and Viergever 1998 (AOS).
    """
    if not callable(diffusivity) and diffusivity not in DIFFUSIVITIES:
        raise ValueError(
            f"diffusivity is {diffusivity!r}; needed: {', '.join(map(repr, DIFFUSIVITIES))} or a function"
        )
    t, contrast = _arrays.number(t, "t", least=0), _arrays.number(contrast, "contrast", above=0)

    def edges(v, shared, buffers):
        largest = 1.0  # of the named diffusivities

        def g(double):
            nonlocal largest
            square = double.sum(-3, keepdims=True) if shared else double
            square *= square.dtype.type(0.5 / contrast**2)
            if callable(diffusivity):
                value = np.array(diffusivity(square), dtype=v.dtype)
                if value.shape != square.shape or not np.isfinite(value).all() or value.min() < 0:
                    raise ValueError(
                        f"diffusivity returns shape {value.shape} or values that are not finite and >= 0; "
                        f"needed: finite values >= 0 of shape {square.shape}"
                    )
                largest = max(largest, float(value.max()))
                return value
            square += 1
            if diffusivity == "charbonnier":
                np.sqrt(square, out=square)
            return np.reciprocal(square, out=square)

        return _nonlinear.isotropic(v, g, buffers), largest

    enough = {"fed": 16 + 2 * t**0.5, "aos": 80 + 8 * t**0.5, "explicit": max(16, 4 * t)}
    return _evolve(u, t, edges, presmoothing, scheme, enough, steps, colour)


def edge_enhancing(u, t, contrast, presmoothing=1.0, scheme="fed", steps=None, colour=None):
    """Edge-enhancing anisotropic diffusion ∂u/∂t = div(D ∇u): full along edges, hardly any across them.

    D has the eigenvalue 1 along ∇u_σ^⊥ and 1 − exp(−3.31488/(|∇u_σ|/contrast)⁸) along ∇u_σ. Arguments are as in `nonlinear`; `scheme`
    "fed" or "explicit" (steps of at most 1/4). Colours share D, from the channel sum of ∇u_σ ∇u_σᵀ.

    Symmetric stencil of four edge directions: mean, symmetries of the grid, u → u + c, the sum of squares and flat steady states hold.
    Max–min in general does not: where D is very anisotropic and oblique, weights are negative. Raises TypeError, ValueError.
    Source: Weickert 1998.
    """
    t, contrast = _arrays.number(t, "t", least=0), _arrays.number(contrast, "contrast", above=0)

    def edges(v, shared, buffers):
        def tensor(dy, dx):  # −2 ∂_y u_σ, 2 ∂_x u_σ
            kind, xy = v.dtype.type, np.multiply(dy, dx, out=buffers("xy", dy.shape))
            dy *= dy
            dx *= dx
            parts = [dx, xy, dy]
            if shared:
                parts = [part.sum(-3, keepdims=True) for part in parts]
            # 4 |∇u_σ|²; below 2 contrast² the exponential is under 1e-23: nothing is lost by stopping there, and nothing underflows
            square = np.add(parts[0], parts[2], out=buffers("square", parts[0].shape))
            np.maximum(square, kind(2 * contrast**2), out=square)
            loss = np.divide(kind(4 * contrast**2), square, out=buffers("loss", square.shape))
            loss *= loss
            loss *= loss
            loss *= kind(-EXPONENT)
            np.exp(loss, out=loss)
            loss /= square  # (1 − g)/|∇u_σ|²
            for part in parts:
                part *= loss
            for part in parts[::2]:
                np.subtract(1, part, out=part)
            return parts

        return _nonlinear.edge_enhancing(v, tensor, buffers), 1.0

    enough = {"fed": 16 + 20 * t**0.5, "explicit": max(16, 4 * t)}
    return _evolve(u, t, edges, presmoothing, scheme, enough, steps, colour)


def inpaint(u, mask):
    """Fill in unknown pixels by homogeneous diffusion: Δu = 0 there, known pixels stay exactly, reflecting boundary.

    `u`: image (..., H, W), finite everywhere. `mask`: boolean (H, W), True where the pixel is known (scikit-image means the opposite),
    at least once. Filled-in values lie between the least and the largest known one. Raises TypeError, ValueError.
    One sparse factorisation for all images. Source: Carlsson 1988; Weickert and Welk 2006.

    >>> inpaint(np.array([[0.0, 9.0, 9.0, 9.0, 1.0]]), np.array([[True, False, False, False, True]])).round(3)
    array([[0.  , 0.25, 0.5 , 0.75, 1.  ]])
    """
    u = _arrays.image(u)
    known = _arrays.mask(mask, u.shape[-2:]).ravel()
    if not known.any():
        raise ValueError("mask is False everywhere; needed: at least one known pixel")
    values = _arrays.to_numpy(u).copy()
    if not known.all():
        height, width = values.shape[-2:]
        flat = osmosis.Drift(np.zeros((height - 1, width)), np.zeros((height, width - 1)))
        rows = osmosis.operator(flat)[
            :, ~known
        ].T.tocsc()  # of the Laplacian, at the unknown pixels; it is symmetric
        solve = scipy.sparse.linalg.splu(
            -rows[:, ~known],
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0,
            options={"SymmetricMode": True},
        ).solve
        columns = values.reshape(-1, known.size)
        columns[:, ~known] = solve((rows[:, known] @ columns[:, known].T)).T
    return _arrays.like(values, u)


def step_limit(largest_diffusivity=1.0):
    """Largest step of the explicit scheme u + τ A(u) u in 2-D: 1/(4 g), g the largest diffusivity.

    Up to it I + τA is doubly stochastic, so mean and max–min principle hold; beyond it they fail.
    Raises ValueError unless `largest_diffusivity` > 0.
    """
    return 1 / (4 * _arrays.number(largest_diffusivity, "largest_diffusivity", above=0))


def _evolve(u, t, edges, presmoothing, scheme, enough, steps, colour):
    """Step from 0 to t; `edges(v, shared, buffers)` are those of the operator A(v), `enough` the default number of steps of each scheme."""
    u = _arrays.image(u)
    sigma = _arrays.number(presmoothing, "presmoothing", least=0)
    if scheme not in enough:
        raise ValueError(f"scheme is {scheme!r}; needed: {', '.join(map(repr, enough))}")
    steps = int(np.ceil(enough[scheme])) if steps is None else _arrays.count(steps, "steps")
    if colour and u.ndim < 3:
        raise ValueError(f"colour is True for shape {tuple(u.shape)}; needed: (..., C, H, W)")
    shared = colour if colour is not None else u.ndim > 2 and u.shape[-3] == 3
    v = _arrays.to_numpy(u)
    v = np.array(v, dtype=np.float32 if "float32" in str(u.dtype) else np.float64)
    buffers = _nonlinear.Buffers(v.dtype)
    for _ in range(steps if t else 0):
        A, largest = edges(homogeneous(v, 0.5 * sigma**2) if sigma else v, shared, buffers)
        limit = step_limit(largest)
        if scheme == "explicit" and t / steps > limit * (1 + 1e-6):
            raise ValueError(
                f"steps is {steps}, a step of {t / steps:g}; needed: steps of at most {limit:g}, 1/(4 max g)"
            )
        if scheme == "aos":
            v = _nonlinear.aos(v, A, t / steps)
        else:
            for step in (
                (t / steps,) if scheme == "explicit" else _nonlinear.fed_steps(t / steps, limit)
            ):
                _nonlinear.explicit(v, A, step, buffers)
    return _arrays.like(v, u)
