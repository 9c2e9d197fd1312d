"""Reverse processes: from noise (or blurred images) back to images, with any denoiser.

A denoiser is a function D(u, t) ≈ E[U_0 | U_t = u]: `dpss.priors` has exact ones, `as_denoiser`
makes one of a network. Every sampler walks down `times` t_0 > t_1 > ... from the state u at t_0.
In modes, a move from t to s < t is linear in the state, the estimate D(u, t) and fresh noise ε,

    B u_s = a B u_t + b B D(u_t, t) + c ε,

and samplers differ in a, b and c alone. A last time of 0 means: end with D(u, t), for every sampler
and process, because there is no score where σ = 0 (and the noise of heat jumps there).

The denoiser is called with one image batch, into which it must not write, and one float t.
Samplers record no gradients (a denoiser may enable them for itself), so memory does not grow with
the number of steps; `step` alone is differentiable. States have the shape, dtype and device of u.
Randomness comes from `generator`.
"""

from dataclasses import dataclass
from typing import Any, Callable

import torch

from . import _arrays
from ._arrays import Array, Times
from ._coefficients import TIMES, neighbours
from .laws import image_of, modes_of, scale
from .priors import Denoiser
from .processes import Process

PREDICTIONS = ("noise", "velocity", "score", "image")
RULES = ("estimate", "replacement")  # of inpainting
FORGOTTEN = 1e-3  # the SNR below which a mode tells nothing of its image


def start(process: Process, u: Array, generator: torch.Generator | None = None) -> torch.Tensor:
    """States at t = 1 from which a sampler starts, one for each of the images `u` (..., H, W):

        B u_1 = σ_1 ε               if SNR_1 < 10⁻³ in every mode: the `process` forgets its image,
        B u_1 = α_1 B u + σ_1 ε     else, as for heat, which keeps the mean grey value and more.

    With noise alone `u` says no more than shape, dtype and device, and the law of the states
    differs from p_1 by at most ½ Σ_k SNR_k E (B U_0)_k² nats (KL divergence). Else samples have the
    law of the data only if u has it, and keep what the states know of u. Records no gradients.
    `generator` as in `sample`. Raises TypeError, ValueError. Source: Song et al. 2021; from blurred
    images: Rissanen, Heinonen and Solin 2023.

    >>> from dpss import heat, vp
    >>> grey, generator = torch.full((2, 64, 64), 0.5), torch.Generator().manual_seed(0)
    >>> start(heat((64, 64), sigma=0.02), grey, generator).mean((1, 2)).round(decimals=2)
    tensor([0.5000, 0.5000])
    >>> start(vp(), grey, generator).mean((1, 2)).round(decimals=1).abs()
    tensor([0., 0.])
    """
    u = _arrays.instance(process, Process, "process").basis.image(u).detach()
    forgets = (process.snr(1.0) < FORGOTTEN).all()
    return process.sample(torch.zeros_like(u) if forgets else u, 1.0, generator)


def sample(
    process: Process,
    denoiser: Denoiser,
    u: Array,
    times: Times,
    eta: float = 1.0,
    generator: torch.Generator | None = None,
    path: bool = False,
    progress: bool = False,
) -> torch.Tensor:
    """Generalised ancestral sampling: each move is one `step`, from `u` at times[0] to times[-1].

    `process`: a `Process`, `denoiser`: D(u, t). `u`: image (..., H, W). `times`: at least two
    decreasing times in [0, 1]. `eta` η in [0, 1]: 1 is ancestral sampling (DDPM), 0 deterministic
    (DDIM). `generator`: a `torch.Generator` or None. `progress`: draw a bar on standard error.
    Returns the last state, or with `path` all of them, `(len(times), *u.shape)`. Exact in law as
    the steps shrink, if u has the law p_{t_0} and D is the conditional mean. Raises TypeError,
    ValueError, naming the time, for a denoiser that returns another shape or NaN. Source: Ho et al.
    2020; Song, Meng and Ermon 2021.

    >>> from dpss import Empirical, images, vp
    >>> training, generator = Empirical(images.fashion("test")[0]), torch.Generator().manual_seed(0)
    >>> start = vp().steady_state((2, 28, 28)).sample(generator)
    >>> D, times = training.denoiser(vp()), torch.linspace(1, 0, 21)
    >>> found = sample(vp(), D, start, times, generator=generator)
    >>> [(training.images - u).abs().amax((1, 2)).min().item() < 1e-3 for u in found]
    [True, True]
    """
    eta = _arrays.share(eta, "eta")

    def coefficients(s, t):
        return _ancestral(process, s, t, eta)

    return _walk(process, denoiser, u, times, coefficients, _linear(generator), path, progress)


def step(
    process: Process,
    denoised: Array,
    u: Array,
    s: Times,
    t: Times,
    eta: float = 1.0,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """One move from `t` to `s` < t, given the estimate `denoised` = D of the clean image; in modes

        u_s = α_s D + √(σ_s² − η² σ̃²) ε̂ + η σ̃ ε,
        ε̂ = (u − α_t D)/σ_t,   σ̃ = σ_{t|s} σ_s/σ_t,   η = `eta` in [0, 1].

    At η = 1 it draws from `process.posterior(denoised, u, s, t)`, at η = 0 it is deterministic.
    Where σ_t = 0 it is α_s D. `u`, `denoised`: images (..., H, W); s, t: one time, or one per
    leading batch axis; `generator` as in `sample`. Gradients pass. Raises TypeError, ValueError.
    """
    eta = _arrays.share(eta, "eta")
    basis = _arrays.instance(process, Process, "process").basis
    u, denoised = basis.image(u, "u"), basis.image(denoised, "denoised")
    if u.shape != denoised.shape:
        needed = f"{tuple(u.shape)}, that of u"
        raise ValueError(f"denoised has shape {tuple(denoised.shape)}; needed: {needed}")
    of_state, of_estimate, of_noise = _ancestral(process, *_arrays.pair(s, t), eta)
    modes, known = modes_of(basis, u), modes_of(basis, denoised)
    result = scale(of_state, modes) + scale(of_estimate, known)
    if eta > 0:
        result = result + scale(of_noise, _noise(modes, generator))
    return image_of(basis, result)


def sde(
    process: Process,
    denoiser: Denoiser,
    u: Array,
    times: Times,
    eta: float = 1.0,
    generator: torch.Generator | None = None,
    path: bool = False,
    progress: bool = False,
) -> torch.Tensor:
    """Euler–Maruyama for the family of reverse SDEs with the marginals of the process: per mode

        dU = (f U − ½ (1 + η²) g² score) dt + η g dW̄,   score = (α_t D − U)/σ_t²,   η = `eta` ≥ 0.

    η = 1 is Anderson's reverse SDE, η = 0 the probability flow. Weak order 1. `process`,
    `denoiser`, `u`, `times`, `generator`, `path` and `progress` as in `sample`. ValueError for a
    step with |f| Δt > 2, where the scheme is unstable (cos-VP and blurring are singular at t = 1:
    start below), and where σ_t = 0. The score is not looked at: with a large η few steps may be
    unstable all the same (for VP and data of variance 1, Δt must be below 4/(η² β)). Source:
    Anderson 1982; Song et al. 2021.
    """
    eta = _arrays.number(eta, "eta", least=0)

    def coefficients(s, t):
        (f, g2), std, length = process.sde(t), process.noise(t), (t - s)[..., None, None]
        _refuse(std == 0, t, s, "σ = 0; needed: σ > 0, else there is no score")
        needed = "at most 2, by shorter steps or a start at which the drift is smaller"
        _refuse(f.abs() * length > 2, t, s, f"|f| Δt > 2; needed: {needed}")
        pull = 0.5 * (1 + eta**2) * g2 / std**2  # −½(1 + η²) g² score = pull · (U − α D)
        drawn = eta * torch.sqrt(g2.clamp(min=0) * length)
        return 1 - length * (f + pull), length * pull * process.signal(t), drawn if eta else None

    return _walk(process, denoiser, u, times, coefficients, _linear(generator), path, progress)


def flow(
    process: Process,
    denoiser: Denoiser,
    u: Array,
    times: Times,
    path: bool = False,
    progress: bool = False,
) -> torch.Tensor:
    """Heun's method for the probability flow dU/dt = (σ'/σ) U + (α' − α σ'/σ) D(U, t), per mode.

    Deterministic, of order 2, two evaluations of D a step (one in a last step to 0). Finite at
    t = 1 also where the drift f is not. `process`, `denoiser`, `u`, `times`, `path` and `progress`
    as in `sample`; ValueError where σ_t = 0. Source: Song et al. 2021; Heun: Karras et al. 2022.
    """

    def coefficients(s, t):
        return ((s - t)[..., None, None], *process.flow(t), *process.flow(s))

    def advance(modes, known, move, _t, s):
        length, a_t, b_t, a_s, b_s = move
        first = a_t * modes + b_t * known
        guess = modes + length * first
        known = modes_of(process.basis, _denoised(denoiser, image_of(process.basis, guess), s))
        return modes + 0.5 * length * (first + a_s * guess + b_s * known)

    return _walk(process, denoiser, u, times, coefficients, advance, path, progress)


def exponential(
    process: Process,
    denoiser: Denoiser,
    u: Array,
    times: Times,
    path: bool = False,
    progress: bool = False,
) -> torch.Tensor:
    """Exponential integrator of order 2 for the probability flow, one evaluation of D a step.

    With ℓ = log(α/σ) per mode, the flow is d(U/σ) = D d(e^ℓ). A step takes D for linear in ℓ
    through the last two evaluations, at ℓ_p and ℓ_t, and integrates e^ℓ D exactly:

        u_s = α_s D_t + (σ_s/σ_t) (u_t − α_t D_t) + α_s (h − 1 + e^(−h)) (D_t − D_p)/h_p,
        h = ℓ_s − ℓ_t,   h_p = ℓ_t − ℓ_p.

    Deterministic. The first step has no D_p and is that of DDIM (`sample` with eta 0), as are all
    where D is constant. Finite at t = 1 also where α is 0. `process`, `denoiser`, `u`, `times`,
    `path` and `progress` as in `sample`; ValueError where σ_t = 0. Source: Lu et al. 2022,
    in the form of their DPM-Solver++.

    >>> from dpss import GaussianPrior, Pixels, vp
    >>> data, times = GaussianPrior(torch.zeros(1, 1), 0.7, Pixels()), torch.linspace(0.6, 0.1, 21)
    >>> exponential(vp(), data.denoiser(vp()), torch.ones(1, 1), times)
    tensor([[0.7430]])
    >>> sample(vp(), data.denoiser(vp()), torch.ones(1, 1), times, eta=0.0)   # order 1
    tensor([[0.7193]])
    >>> (data.marginal(vp(), 0.1).std / data.marginal(vp(), 0.6).std).float()   # the flow itself
    tensor([[0.7418]])
    """

    def coefficients(s, t):
        none = (process.noise(t) == 0) | (process.noise(s) == 0)
        _refuse(none, t, s, "σ = 0; needed: σ > 0, else there is no score")
        kept, of_estimate, _ = _ancestral(process, s, t, 0.0)
        h = 0.5 * (process.log_snr(s) - process.log_snr(t))  # ∞ where α_t = 0
        return kept, of_estimate, h, process.signal(s) * (h + torch.expm1(-h))

    last = []  # D and h of the step before

    def advance(modes, known, move, *_):
        kept, of_estimate, h, of_slope = move
        result = kept * modes + of_estimate * known
        if last:
            before, length = last
            slope = torch.where(length > 0, (known - before) / length, 0.0)
            result = result + of_slope * slope
        last[:] = known, h
        return result

    return _walk(process, denoiser, u, times, coefficients, advance, path, progress)


def inpaint(
    process: Process,
    denoiser: Denoiser,
    known: Array,
    mask: Array,
    times: Times,
    eta: float = 1.0,
    generator: torch.Generator | None = None,
    path: bool = False,
    progress: bool = False,
    *,
    rule: str = "estimate",
    repeats: int = 1,
) -> torch.Tensor:
    """Fill in the unknown pixels of an image: `sample`, with known pixels put in by one `rule`.

    `known`: image (..., H, W), finite everywhere; what it holds outside the mask does not matter.
    `mask`: boolean, True where the pixel is known (scikit-image means the opposite): (H, W), or one
    mask each, with as many axes as the images, (n, H, W) or for colour (n, 1, H, W). `times` must
    end at 0: the result holds the known pixels exactly. Starts from the forward process at times[0]
    of the image whose unknown pixels have the mean of its known ones.

    `rule`: "estimate" puts the known pixels into every estimate D, "replacement" into the last one
    only, and after every move from t to s replaces those of the state by a draw of the forward
    process at s from D with the known pixels put in (in pixels: from these alone). `repeats` r:
    every move but the last is made r times, and the r − 1 ways back from s to t are drawn from
    `process.kernel(s, t)`. Approximations of p(u_0 | known pixels): D itself is not told of them
    but through its argument. The generator draws images of noise: the start; then for each move the
    noise of the step if η > 0, that of the replacement, that of the way back if one follows.
    `process`, `denoiser`, `eta`, `generator`, `path`, `progress` and errors as in `sample`. Source:
    Wang, Yu and Zhang 2023 (estimate); Song et al. 2021; Lugmayr et al. 2022 (repeats).

    >>> from dpss import GaussianPrior, Pixels, vp
    >>> D = GaussianPrior(torch.zeros(1, 3), 1.0, Pixels()).denoiser(vp())
    >>> known, mask = torch.tensor([[0.5, 0.0, 0.0]]), torch.tensor([[True, False, False]])
    >>> inpaint(vp(), D, known, mask, [1.0, 0.5, 0.0], eta=0.0)[0, 0]
    tensor(0.5000)
    """
    basis = _arrays.instance(process, Process, "process").basis
    known = basis.image(known, "known").detach()
    inside = torch.from_numpy(_arrays.known_pixels(mask, known.shape)).to(known.device)
    eta, repeats = _arrays.share(eta, "eta"), _arrays.count(repeats, "repeats")
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; needed: {' or '.join(map(repr, RULES))}")
    times = _arrays.times(times, "times", order="decreasing", least=2)
    if times[-1] != 0:
        raise ValueError(f"times is {_arrays.shown(times)}; needed: decreasing times that end at 0")
    _arrays.function(denoiser, "denoiser", "a function D(u, t)")
    total = (known * inside).double().sum((-2, -1), keepdim=True)
    mean = (total / inside.sum((-2, -1), keepdim=True)).to(known)
    start = process.sample(torch.where(inside, known, mean), times[0], generator)
    everywhere, linear = rule == "estimate", _linear(generator)

    def informed(u, t):
        found = _denoised(denoiser, u, t)
        return torch.where(inside, known, found) if everywhere or t == times[-2] else found

    def coefficients(s, t):
        forth, level = process.kernel(s, t), (process.signal(s), process.noise(s))
        return *_ancestral(process, s, t, eta), *level, forth.gain, forth.std

    def advance(modes, estimate, move, t, _s):
        *move, alpha, sigma, gain, std = move
        for left in reversed(range(repeats)):
            modes = linear(modes, estimate, move)
            if not everywhere:
                clean = modes_of(basis, torch.where(inside, known, image_of(basis, estimate)))
                drawn = image_of(basis, alpha * clean + sigma * _noise(clean, generator))
                modes = modes_of(basis, torch.where(inside, drawn, image_of(basis, modes)))
            if left:
                modes = gain * modes + std * _noise(modes, generator)
                estimate = modes_of(basis, informed(image_of(basis, modes), t))
        return modes

    return _walk(process, informed, start, times, coefficients, advance, path, progress)


def as_denoiser(
    model: Callable[..., Any], process: Process, predicts: str = "noise", steps: int | None = None
) -> Denoiser:
    """The denoiser D(u, t) of a network `model(u, t)` that was trained for a `process`.

    What it `predicts` of u_t = α_t u_0 + σ_t ε, mode by mode, and the estimate made of it:

        "noise"     ε                               D = (u − σ ε)/α
        "velocity"  ε − u_0 where α + σ = 1         D = u − σ v
                    (flow matching), else
                    α ε − σ u_0 (v-prediction)      D = (α u − σ v)/(α² + σ²)
        "score"     ∇ log p_t (orthonormal bases)   D = (u + σ² score)/α
        "image"     u_0                             D itself

    The model gets one time per image, of the dtype of u, shape (n,) for u (n, ..., H, W); or, with
    `steps` = m, the integer index round(t m) − 1, never below 0, of networks that were trained on
    the levels i/m, i = 1, ..., m (diffusers). It returns a tensor of the shape of u, or holds it
    as `.sample`. Raises TypeError, ValueError, at use also where α_t = 0 and so neither noise nor
    score says anything of the image. Source: Ho et al. 2020; Salimans and Ho 2022; Lipman et al.
    2023.

    >>> from dpss import vp
    >>> D = as_denoiser(lambda u, t: 0 * u, vp(), "noise")   # a network that sees no noise
    >>> D(torch.full((1, 1, 2), 0.28), 0.5)   # α = 0.2812
    tensor([[[0.9958, 0.9958]]])
    """
    _arrays.function(model, "model", "a function of (u, t)")
    _arrays.instance(process, Process, "process")
    if predicts not in PREDICTIONS:
        needed = ", ".join(map(repr, PREDICTIONS))
        raise ValueError(f"predicts is {predicts!r}; needed: one of {needed}")
    if predicts == "score" and not process.basis.orthonormal:
        raise ValueError(f"process has the basis {process.basis!r}; needed: an orthonormal one")
    steps = None if steps is None else _arrays.count(steps, "steps")
    return _NetworkDenoiser(model, process, predicts, steps)


@dataclass(frozen=True)
class _NetworkDenoiser:
    """What `as_denoiser` returns: a class, so that it can be pickled where the model can."""

    model: Callable[..., Any]
    process: Process
    predicts: str
    steps: int | None

    def __call__(self, u, t):
        basis, t = self.process.basis, _arrays.times(t)
        u = basis.image(u)
        u = u.expand(*t.shape, *u.shape) if u.ndim == 2 else u
        batch = u.shape[: 1 if u.ndim > 2 else 0]
        if _arrays.fitting(t.shape, batch, "t") != batch:
            raise ValueError(f"t has shape {tuple(t.shape)}; needed: one time per image, {batch}")
        when = t.to(u) if self.steps is None else (t * self.steps).round().long().sub(1).clamp(0)
        found = self.model(u, when.to(u.device).expand(batch))
        found = getattr(found, "sample", found)
        if not isinstance(found, torch.Tensor) or found.shape != u.shape:
            got = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise ValueError(f"model returns {got}; needed: a tensor of shape {tuple(u.shape)}")
        if self.predicts == "image":
            return found.to(u)
        alpha, sigma = self.process.signal(t), self.process.noise(t)
        of_u, of_found = self._weights(alpha, sigma, t)
        modes = scale(of_u, modes_of(basis, u)) + scale(of_found, modes_of(basis, found.to(u)))
        return image_of(basis, modes)

    def _weights(self, alpha, sigma, t):
        """D = x · u + y · prediction in modes: (x, y)."""
        if self.predicts == "velocity":
            times = torch.tensor(TIMES, dtype=torch.float64)
            total = self.process.signal(times) + self.process.noise(times)
            if torch.allclose(total, torch.ones_like(total)):  # the straight path
                return torch.ones_like(sigma), -sigma
            size = alpha**2 + sigma**2
            return alpha / size, -sigma / size
        if (alpha == 0).any():
            needed = f"α_t > 0, as the {self.predicts} alone says nothing of the image there"
            raise ValueError(f"t is {_arrays.shown(t)}; needed: {needed}")
        return 1 / alpha, (-sigma if self.predicts == "noise" else sigma**2) / alpha


# -- moves


def _ancestral(process, s, t, eta):
    """(a, b, c) of the move of `step` for checked times, c None where nothing is drawn."""
    kernel, std_s, std_t = process.kernel(s, t), process.noise(s), process.noise(t)
    ratio = torch.where(std_t > 0, std_s / std_t, 0.0)
    # √(σ_s² − η²σ̃²)/σ_t; the difference itself would lose digits where σ̃ ≈ σ_s
    kept = ratio * torch.sqrt(1 - eta**2 + (eta * kernel.gain * ratio) ** 2)
    drawn = eta * kernel.std * ratio if eta else None
    return kept, process.signal(s) - kept * process.signal(t), drawn


def _linear(generator):
    """The move of all samplers but `flow`: a B u + b B D + c ε."""
    generator = _arrays.generator(generator)

    def advance(modes, known, move, *_):
        of_state, of_estimate, of_noise = move
        result = torch.addcmul(of_state * modes, of_estimate, known)
        return result if of_noise is None else result.addcmul_(of_noise, _noise(modes, generator))

    return advance


@torch.no_grad()
def _walk(process, denoiser, u, times, coefficients, advance, path, progress):
    """The loop of all samplers.

    `coefficients(s, t)`: those of all moves from times t (m,) to s, on a leading axis.
    `advance(modes, estimate, move, t, s)`: the modes at s, given one move's.
    """
    basis = _arrays.instance(process, Process, "process").basis
    u, times = basis.image(u), _arrays.times(times, "times", order="decreasing", least=2)
    _arrays.function(denoiser, "denoiser", "a function D(u, t)")
    u = u.clone()  # the caller's stays as it is, whatever a denoiser does
    states, modes = [u], modes_of(basis, u)
    bar = _bar(len(times) - 1, progress)
    for later, earlier in neighbours(times, u.shape):
        moving = earlier > 0
        moves = coefficients(earlier[moving], later[moving]) if moving.any() else ()
        moves = [None if c is None else c.to(u) for c in moves]
        for i, (t, s) in enumerate(zip(later.tolist(), earlier.tolist())):
            u = _denoised(denoiser, u, t)
            if s > 0:
                move = [None if c is None else c[i] for c in moves]
                modes = advance(modes, modes_of(basis, u), move, t, s)
                u = image_of(basis, modes)
            if path:
                states.append(u)
            bar.update()
    bar.close()
    return torch.stack(states) if path else u


def _bar(total, progress):
    from tqdm.auto import tqdm  # here, as most calls draw none

    return tqdm(total=total, disable=not progress)


def _denoised(denoiser, u, t):
    """D(u, t), checked, as the kind of u, with no gradients of a denoiser that enables them."""
    result = denoiser(u, t)
    if not isinstance(result, torch.Tensor) or result.shape != u.shape or result.is_complex():
        got = type(result).__name__
        if isinstance(result, torch.Tensor):
            got = f"shape {tuple(result.shape)} and dtype {result.dtype}"
        needed = f"a real tensor of the shape of u, {tuple(u.shape)}"
        raise ValueError(f"denoiser returns {got} at t = {t:g}; needed: {needed}")
    if not _arrays.finite(result):
        raise ValueError(f"denoiser returns NaN or inf at t = {t:g}; needed: finite values")
    return (result.detach() if result.requires_grad else result).to(u)


def _refuse(wrong, t, s, what):
    """ValueError naming the first step, from t to s, where a mode is `wrong`."""
    steps = wrong.flatten(1).any(1)
    if steps.any():
        t, s = (x[steps][0].item() for x in (t, s))
        raise ValueError(f"times has a step from {t:g} to {s:g} with {what}")


def _noise(modes, generator):
    return torch.randn(
        modes.shape, dtype=modes.dtype, device=modes.device, generator=_arrays.generator(generator)
    )
