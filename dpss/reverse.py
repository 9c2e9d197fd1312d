"""Reverse processes: from noise (or blurred images) back to images, with any denoiser D(u, t) ≈ E[U_0 | U_t = u].

Every sampler walks down `times` t_0 > t_1 > ... from the state `u` at t_0. They share one loop and differ in one move
from t to s < t, all made in modes c = B u. A last time of 0 means: end with D(u, t), for every sampler and process,
because the score is not defined where σ = 0 (and the noise of heat jumps there).

The denoiser is called with one image batch and one float t; `dpss.priors` has exact ones, a network does as well.
States have the shape, dtype and device of `u`. Randomness comes from `generator` only.
"""

import torch
from tqdm.auto import tqdm

from . import _arrays
from .laws import scale
from .processes import Process


def sample(process, denoiser, u, times, churn=1.0, generator=None, path=False, progress=False):
    """Generalised ancestral sampling: each move is one `step`, from `u` at times[0] down to times[-1].

    `process`: a `Process`, `denoiser`: D(u, t). `u`: image (..., H, W). `times`: at least two decreasing times in [0, 1]. `churn` η in
    [0, 1]: 1 is ancestral sampling (DDPM), 0 deterministic (DDIM). `generator`: a `torch.Generator` or None. `progress`: draw a bar
    on standard error. Returns the last state, or with `path` all of them, `(len(times), *u.shape)`.
    Exact in law as the steps shrink, if u has the law p_{t_0} and D is the conditional mean. Raises TypeError, ValueError,
    naming the time, for a denoiser that returns another shape or NaN. Source: Ho et al. 2020; Song, Meng and Ermon 2021.

    >>> from dpss import Empirical, images, vp
    >>> training, generator = Empirical(images.fashion("test")[0]), torch.Generator().manual_seed(0)
    >>> start = vp().steady_state((2, 28, 28)).sample(generator)
    >>> found = sample(vp(), training.denoiser(vp()), start, torch.linspace(1, 0, 21), generator=generator)
    >>> [(training.images - u).abs().amax((1, 2)).min().item() < 1e-3 for u in found]   # a perfect score memorises
    [True, True]
    """
    churn = _share(churn)

    def move(state, denoised, s, t):
        return step(process, denoised, state, s, t, churn, generator)

    return _walk(process, denoiser, u, times, move, path, progress)


def step(process, denoised, u, s, t, churn=1.0, generator=None):
    """One move from t to s < t, given the estimate `denoised` = D of the clean image; in modes

        u_s = α_s D + √(σ_s² − η² σ̃²) ε̂ + η σ̃ ε,   ε̂ = (u − α_t D)/σ_t,   σ̃ = σ_{t|s} σ_s/σ_t,   η = churn.

    At η = 1 it draws from `process.posterior(denoised, u, s, t)`, at η = 0 it is deterministic. Where σ_t = 0, α_s D.
    `u`, `denoised`: images (..., H, W); s, t: one time, or one per leading batch axis; `generator` as in `sample`. Raises TypeError,
    ValueError.
    """
    churn, process = _share(churn), _process(process)
    u, denoised = process._image(u, "u"), process._image(denoised, "denoised")
    if u.shape != denoised.shape:
        raise ValueError(
            f"denoised has shape {tuple(denoised.shape)}; needed: {tuple(u.shape)}, that of u"
        )
    s, t = _arrays.times(s, "s"), _arrays.times(t, "t")
    if (s >= t).any():
        raise ValueError(f"s is {_arrays.shown(s)}; needed: earlier than t = {_arrays.shown(t)}")
    kernel, std_s, std_t = process.kernel(s, t), process.noise(s), process.noise(t)
    ratio = torch.where(std_t > 0, std_s / std_t, 0.0)
    # √(σ_s² − η²σ̃²) = σ_s √(1 − η² + η² (α_{t|s} σ_s/σ_t)²): the difference would lose digits where σ̃ ≈ σ_s
    kept = ratio * torch.sqrt(1 - churn**2 + (churn * kernel.gain * ratio) ** 2)
    known, modes = process.basis.analyse(denoised), process.basis.analyse(u)
    result = scale(process.signal(s), known) + scale(kept, modes - scale(process.signal(t), known))
    if churn > 0:
        result += scale(churn * kernel.std * ratio, _noise(modes, generator))
    return process.basis.synthesise(result)


def sde(process, denoiser, u, times, churn=1.0, generator=None, path=False, progress=False):
    """Euler–Maruyama for the family of reverse SDEs, whose marginals are all those of the process: per mode

        dU = (f U − ½ (1 + η²) g² score) dt + η g dW̄,   score = (α_t D − U)/σ_t²,   η = churn ≥ 0.

    η = 1 is Anderson's reverse SDE, η = 0 the probability flow. Weak order 1. The rest as in `sample`. ValueError for a
    step with |f| Δt > 2, where the scheme is unstable (cos-VP and blurring are singular at t = 1: start below), and
    where σ_t = 0. Source: Anderson 1982; Song et al. 2021.
    """
    churn = _arrays.number(churn, "churn", least=0)

    def move(state, denoised, s, t):
        f, g2 = process.sde(t)
        std = process.noise(t)
        if (std == 0).any():
            raise ValueError(
                f"times holds {t:g}, where σ = 0; needed: σ > 0, else there is no score"
            )
        if (f.abs() * (t - s) > 2).any():
            raise ValueError(
                f"times has a step from {t:g} to {s:g} with |f| Δt = {f.abs().max() * (t - s):.3g}; needed: "
                "at most 2, by shorter steps or a start at which the drift is smaller"
            )
        modes, known = process.basis.analyse(state), process.basis.analyse(denoised)
        pull = 0.5 * (1 + churn**2) * g2 / std**2  # −½(1 + η²) g² score = pull · (U − α D)
        modes = (
            modes
            - scale((t - s) * (f + pull), modes)
            + scale((t - s) * pull * process.signal(t), known)
        )
        if churn > 0:
            modes += scale(churn * torch.sqrt(g2.clamp(min=0) * (t - s)), _noise(modes, generator))
        return process.basis.synthesise(modes)

    return _walk(process, denoiser, u, times, move, path, progress)


def flow(process, denoiser, u, times, path=False, progress=False):
    """Heun's method for the probability-flow ODE dU/dt = (σ'/σ) U + (α' − α σ'/σ) D(U, t), per mode.

    Deterministic, of order 2, two evaluations of D a step (one in a last step to 0). Finite at t = 1 also where the drift f is
    not. Arguments are as in `sample`; ValueError where σ_t = 0. Source: Song et al. 2021; Heun: Karras et al. 2022.
    """

    def slope(state, denoised, t):
        of_state, of_denoised = process.flow(t)
        return scale(of_state, process.basis.analyse(state)) + scale(
            of_denoised, process.basis.analyse(denoised)
        )

    def move(state, denoised, s, t):
        first = slope(state, denoised, t)
        guess = state + (s - t) * process.basis.synthesise(first)
        second = slope(guess, _denoised(denoiser, guess, s), s)
        return state + (s - t) * process.basis.synthesise(0.5 * (first + second))

    return _walk(process, denoiser, u, times, move, path, progress)


def inpaint(
    process, denoiser, known, mask, times, churn=1.0, generator=None, path=False, progress=False
):
    """Fill in the unknown pixels of an image: `sample`, with the known pixels put into every estimate D.

    `known`: image (..., H, W), finite everywhere; what it holds outside the mask does not matter. `mask`: boolean (H, W), True where the
    pixel is known (scikit-image means the opposite). `times` must end at 0: the result holds the known pixels exactly.
    Starts from the forward process at times[0] of the image whose unknown pixels have the mean of its known ones. An
    approximation of p(u_0 | known pixels): D itself is not told of them but through its argument. Other arguments and
    errors as in `sample`. Source: Lugmayr et al. 2022 (replacement); Wang, Yu and Zhang 2023 (in the estimate).
    """
    known = _process(process)._image(known, "known")
    inside = torch.from_numpy(_arrays.mask(mask, known.shape[-2:])).to(known.device)
    if not inside.any():
        raise ValueError("mask is False everywhere; needed: at least one known pixel")
    times = _arrays.times(times, "times")
    if times.ndim != 1 or len(times) == 0 or times[-1] != 0:
        raise ValueError(f"times is {_arrays.shown(times)}; needed: decreasing times that end at 0")
    mean = (known * inside).sum((-2, -1), keepdim=True) / inside.sum()
    start = process.sample(torch.where(inside, known, mean), times[0], generator)

    def informed(u, t):
        return torch.where(inside, known, _denoised(denoiser, u, t))

    return sample(process, informed, start, times, churn, generator, path, progress)


def _walk(process, denoiser, u, times, move, path, progress):
    """The loop of all samplers: `move(state, denoised, s, t)` takes the state from t to s < t."""
    u, times = _process(process)._image(u, "u"), _arrays.times(times, "times")
    if times.ndim != 1 or len(times) < 2 or (times.diff() >= 0).any():
        raise ValueError(f"times is {_arrays.shown(times)}; needed: two or more decreasing times")
    if not callable(denoiser):
        raise TypeError(f"denoiser is a {type(denoiser).__name__}; needed: a function D(u, t)")
    times, states = times.tolist(), [u]
    for t, s in tqdm(list(zip(times, times[1:])), disable=not progress):
        denoised = _denoised(denoiser, u, t)
        u = denoised if s == 0 else move(u, denoised, s, t)
        if path:
            states.append(u)
    return torch.stack(states) if path else u


def _denoised(denoiser, u, t):
    """D(u, t), checked, as the kind of u."""
    result = denoiser(u, t)
    if not isinstance(result, torch.Tensor) or result.shape != u.shape:
        got = tuple(result.shape) if isinstance(result, torch.Tensor) else type(result).__name__
        raise ValueError(
            f"denoiser returns {got} at t = {t:g}; needed: a tensor of the shape of u, {tuple(u.shape)}"
        )
    if not torch.isfinite(result).all():
        raise ValueError(f"denoiser returns NaN or inf at t = {t:g}; needed: finite values")
    return result.to(u)


def _process(process):
    if not isinstance(process, Process):
        raise TypeError(f"process is {process!r}; needed: a dpss.Process")
    return process


def _share(churn):
    churn = _arrays.number(churn, "churn", least=0)
    if churn > 1:
        raise ValueError(f"churn is {churn:g}; needed: a number in [0, 1]")
    return churn


def _noise(modes, generator):
    return torch.randn(
        modes.shape, dtype=modes.dtype, device=modes.device, generator=_arrays.generator(generator)
    )
