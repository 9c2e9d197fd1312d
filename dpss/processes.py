"""Forward processes: what every linear-Gaussian diffusion probabilistic scale-space has in common.

In the modes c = B u of a basis, (B U_t)_k = α_t(k) (B U_0)_k + σ_t(k) ε_k with ε ~ N(0, I) and t in [0, 1].
A `Process` holds B, log α and σ; `Kernel` is its transition between two times, `Gaussian` what comes out.

Coefficients are float64 tensors of shape t.shape + (1, 1), or t.shape + (H, W) where the modes differ; they are
cast to the image's dtype where they are applied. Images are tensors `(..., H, W)`, or what `torch.as_tensor`
takes. The axes of t are the leading batch axes of the image; one image at m times gives `(m, H, W)`.
"""

import math

import torch

from . import _arrays, _coefficients
from .bases import Basis, Pixels
from .laws import Gaussian, Kernel, draw, scale

START = 1e-12  # stands for 0⁺ in `sde`, where σ = 0 would divide 0 by 0
TOGETHER = 64  # steps of a path whose coefficients are computed at once: few calls, and memory stays that of few images
END = 1 - 1e-9  # stands for 1⁻ in `flow`


class Process:
    """A forward process: (B U_t)_k = α_t(k) (B U_0)_k + σ_t(k) ε_k. Immutable.

    `basis`: the `Basis` in which it acts mode by mode. `log_signal`, `noise`: callables that take a float64 tensor
    of times, with two more axes of length one, and return log α_t and σ_t, broadcasting against it and (H, W); they must stay
    in torch, because `sde` differentiates them. log α may be −∞ at t = 1 only. `name`: for tables and messages. `signal`: such a callable
    for α_t itself, where it costs less than exp(log α_t); None: exp(log α_t).

    It is Markov iff the signal-to-noise ratio α²/σ² rises in no mode; `kernel` refuses a pair of times between
    which it does. Raises TypeError or ValueError for what is not a basis or a callable, for callables that leave
    torch, return NaN or do not fit the grid, and for a `signal` that is not exp(log α_t) at a few times.
    Source: Peter 2024; the SDE: Song et al. 2021.

    >>> mine = Process(Pixels(), lambda t: -t, lambda t: torch.sqrt(-torch.expm1(-2 * t)), "mine")
    >>> mine.sde(0.3)   # Ornstein–Uhlenbeck: dU = −U dt + √2 dW
    (tensor([[-1.]], dtype=torch.float64), tensor([[2.]], dtype=torch.float64))
    """

    __slots__ = ("basis", "name", "_log_signal", "_noise", "_signal")

    def __init__(self, basis, log_signal, noise, name="process", signal=None):
        if not isinstance(basis, Basis):
            raise TypeError(f"basis is {basis!r}; needed: a dpss.bases.Basis")
        parts = {"log_signal": log_signal, "noise": noise} | (
            {} if signal is None else {"signal": signal}
        )
        for part, function in parts.items():
            if not callable(function):
                raise TypeError(f"{part} is {function!r}; needed: a function of t")
        for key, value in zip(Process.__slots__, (basis, name, log_signal, noise, signal)):
            object.__setattr__(self, key, value)
        for part, function in parts.items():
            _coefficients.check_derivative(function, part, basis)
        if signal is not None:
            _coefficients.check_exponential(signal, log_signal, basis)

    def __setattr__(self, key, value):
        raise AttributeError(f"{key} cannot be set: a Process is immutable, make another one")

    def __reduce__(self):  # copies are made by the constructor, as attributes cannot be set
        return type(self), (self.basis, self._log_signal, self._noise, self.name, self._signal)

    def __repr__(self):
        return f"Process({self.name!r}, basis={self.basis!r})"

    # -- coefficients

    def log_signal(self, t):
        """log α_t(k): shape `t.shape + (1, 1)` or `+ (H, W)`."""
        t = _arrays.times(t)
        value = _coefficients.evaluate(self._log_signal, t, "log_signal", self.basis)
        least, largest = _arrays.extent(value)
        if (
            not (least > -math.inf and largest < math.inf)
            and not ((value == -math.inf) & (t[..., None, None] == 1) | torch.isfinite(value)).all()
        ):
            raise ValueError(
                "log_signal returns NaN or an infinite value; needed: finite, or -inf at t = 1 only"
            )
        return value

    def signal(self, t):
        """Gain α_t(k) = exp(log α_t(k)) ≥ 0."""
        return torch.exp(self.log_signal(t)) if self._signal is None else self._level("signal", t)

    def noise(self, t):
        """Noise level σ_t(k) ≥ 0, the standard deviation per mode."""
        return self._level("noise", t)

    def log_snr(self, t):
        """log(α²/σ²) per mode: −∞ where α = 0, +∞ where α > 0 = σ."""
        log_signal = self.log_signal(t)
        value = 2 * log_signal - 2 * torch.log(self.noise(t))
        return torch.where(log_signal == -math.inf, log_signal, value)

    def snr(self, t):
        """Signal-to-noise ratio α_t(k)²/σ_t(k)²."""
        return torch.exp(self.log_snr(t))

    # -- laws of images

    def marginal(self, u0, t):
        """p(u_t | u_0): the `Gaussian` of mean B⁻¹ α_t B u_0 and std σ_t per mode, for an image `u0` at the time `t`."""
        u0 = self._image(u0, "u0")
        return Gaussian(
            self._synthesise(scale(self.signal(t), self._analyse(u0))), self.noise(t), self.basis
        )

    def sample(self, u0, t, generator=None):
        """One draw of U_t given the image `u0`, in its dtype: u_t = B⁻¹(α_t B u_0 + σ_t ε), ε ~ N(0, I).

        `t`: one time, or one per leading batch axis. `generator`: a `torch.Generator`, None for torch's own.
        """
        modes = self._analyse(self._image(u0, "u0"))
        return self._synthesise(draw(self.signal(t), modes, self.noise(t), generator))

    def path(self, u0, times, generator=None):
        """The Markov chain from `u0` at increasing `times`, step by step: `(len(times), *u0.shape)`.

        The first state is drawn from p(u_t | u_0) at times[0], each other from `kernel` and the one before it; `generator` as in `sample`.
        No gradient passes through a path.
        """
        u0, times = self._image(u0, "u0"), _arrays.times(times, "times")
        if times.ndim != 1 or len(times) == 0 or (times.diff() <= 0).any():
            raise ValueError(
                f"times is {_arrays.shown(times)}; needed: one or more increasing times"
            )
        modes = self._analyse(u0.detach())
        states = modes.new_empty(len(times), *modes.shape)
        states[0] = draw(self.signal(times[0]), modes, self.noise(times[0]), generator)
        for first in range(0, len(times) - 1, TOGETHER):
            moments = times[first : first + TOGETHER + 1]
            step = self.kernel(moments[:-1], moments[1:])
            for i, (gain, std) in enumerate(
                zip(step.gain.to(states), step.std.to(states)), first + 1
            ):  # noise is used where it is cached
                states[i].normal_(generator=generator).mul_(std).addcmul_(gain, states[i - 1])
        return self._synthesise(states)

    def steady_state(self, shape, dtype=None):
        """The law at t = 1 from u_0 = 0: mean 0, std σ_1, for images of `shape` (..., H, W) and `dtype`.

        Heat forgets at most all but the mean: start its way back from `sample(images, 1.0)`.
        """
        try:
            shape = tuple(shape)
        except TypeError:
            raise TypeError(f"shape is {shape!r}; needed: (..., H, W)") from None
        if not isinstance(dtype, (torch.dtype, type(None))):
            raise TypeError(f"dtype is {dtype!r}; needed: a torch.dtype or None")
        sides = tuple(_arrays.count(n, f"shape[{i}]") for i, n in enumerate(shape))
        if len(sides) < 2:
            raise ValueError(f"shape is {sides}; needed: at least (H, W)")
        self.basis.check(sides[-2:], "shape")
        return Gaussian(torch.zeros(sides, dtype=dtype), self.noise(1.0), self.basis)

    # -- between two times

    def kernel(self, s, t):
        """Transition from time s to t ≥ s: gain α_t/α_s, variance σ_t² − (α_t/α_s)² σ_s² per mode.

        The identity for s = t, also at t = 1 where α may be 0. Raises ValueError, naming the mode and both times, where the variance
        would be negative: the signal-to-noise ratio rises, no Markov chain has these marginals.
        """
        s, t = _arrays.times(s, "s"), _arrays.times(t, "t")
        _arrays.fitting(s.shape, t.shape, "s")
        if (s > t).any():
            raise ValueError(
                f"s is {_first(s, s > t)}; needed: no later than t = {_first(t, s > t)}"
            )
        log_s, log_t, std_s, std_t = (
            self.log_signal(s),
            self.log_signal(t),
            self.noise(s),
            self.noise(t),
        )
        same = (s == t)[..., None, None]
        gain = torch.where(same, 1.0, torch.exp(log_t - log_s))
        variance = torch.where(same, 0.0, std_t**2 - (gain * std_s) ** 2)
        rising = variance < -1e-12 * std_t**2
        if rising.any():
            place = rising.nonzero()[0].tolist()
            mode = (
                "every mode" if rising.shape[-2:] == (1, 1) else f"mode ({place[-2]}, {place[-1]})"
            )
            raise ValueError(
                f"the process {self.name!r} is not Markov: its signal-to-noise ratio rises in {mode} "
                f"between s = {_first(s, rising.any((-2, -1)))} and t = {_first(t, rising.any((-2, -1)))}; "
                "needed: a ratio that never rises"
            )
        # Below zero by rounding only, where the ratio is constant: σ_t² and (α_t σ_s/α_s)² agree to 12 digits.
        return Kernel(gain, torch.sqrt(variance.clamp(min=0)), self.basis)

    def posterior(self, u0, ut, s, t):
        """p(u_s | u_t, u_0) for s < t, Bayes' rule for Gaussians, mode by mode:

            variance  σ_s² σ²_{t|s} / σ_t²,   mean  (α_{t|s} σ_s² u_t + α_s σ²_{t|s} u_0) / σ_t².

        `u0`, `ut`: images (..., H, W). Finite also where σ²_{t|s} = 0; where σ_t = 0, and at s = 0, it is the point mass at α_s u_0.
        """
        u0, ut = self._image(u0, "u0"), self._image(ut, "ut")
        _arrays.same_grid(u0, ut, "ut")
        s, t = _arrays.times(s, "s"), _arrays.times(t, "t")
        if (s >= t).any():
            raise ValueError(
                f"s is {_first(s, s >= t)}; needed: earlier than t = {_first(t, s >= t)}"
            )
        step, std_s, std_t = self.kernel(s, t), self.noise(s), self.noise(t)
        known = std_t > 0
        from_ut = torch.where(known, step.gain * (std_s / std_t) ** 2, 0.0)
        from_u0 = self.signal(s) * torch.where(known, (step.std / std_t) ** 2, 1.0)
        std = torch.where(known, std_s * (step.std / std_t), 0.0)
        modes = scale(from_ut, self.basis.analyse(ut)) + scale(from_u0, self.basis.analyse(u0))
        return Gaussian(self.basis.synthesise(modes), std, self.basis)

    # -- continuous time

    def score(self, denoised, u, t):
        """∇ log p_t(u) from `denoised` = E[U_0 | U_t = u] (Tweedie): Bᵀ (α_t B D − B u) / σ_t².

        Raises ValueError where σ_t = 0: there is no density then.
        """
        denoised, u = self._image(denoised, "denoised"), self._image(u, "u")
        _arrays.same_grid(u, denoised, "denoised")
        std = self.noise(t)
        if (std == 0).any():
            raise ValueError(
                f"t = {t} has noise level σ = 0; needed: σ > 0, else there is no density"
            )
        residual = scale(self.signal(t), self.basis.analyse(denoised)) - self.basis.analyse(u)
        return self.basis.pull_back(scale(std**-2, residual))

    def sde(self, t):
        """(f, g²) per mode of dU = f U dt + √g² dW: f = d log α/dt, g² = dσ²/dt − 2 f σ².

        At t = 0 the limit 0⁺. g² < 0 exactly where the signal-to-noise ratio rises. Raises ValueError where
        a coefficient is infinite (where α = 0).
        """
        t = _arrays.times(t).clamp(min=START)
        std = self.noise(t)
        log_rate, std_rate = self._rate("log_signal", t), self._rate("noise", t)
        g2 = 2 * std * std_rate - 2 * log_rate * std**2
        if not (torch.isfinite(log_rate).all() and torch.isfinite(g2).all()):
            raise ValueError(
                f"t is {_arrays.shown(t)}; needed: times at which the coefficients of {self.name!r} are finite"
            )
        return log_rate, g2

    def flow(self, t):
        """(a, b) per mode of the probability-flow ODE dU/dt = a U + b E[U_0 | U_t]: a = σ'/σ, b = α' − α σ'/σ.

        Finite also where α = 0 and `sde` is not. Raises ValueError where σ_t = 0: there is no density then.
        """
        t = _arrays.times(t)
        std, signal = self.noise(t), self.signal(t)
        if (std == 0).any():
            raise ValueError(
                f"t = {_arrays.shown(t)} has noise level σ = 0; needed: σ > 0, else there is no density"
            )
        # α' = α (log α)' is 0 · ∞ where α = 0, at t = 1; just before, it is finite and the same to 9 digits
        before = torch.where((signal == 0).any(-1).any(-1), END, t)
        slope = self.signal(before) * self._rate("log_signal", before)
        rate = self._rate("noise", t) / std
        return rate, slope - signal * rate

    # -- inside

    def _image(self, u, name):
        u = _arrays.tensor(u, name)
        self.basis.check(u.shape[-2:], name)
        return u

    def _level(self, name, t):
        """α_t or σ_t, not negative."""
        value = _coefficients.evaluate(
            getattr(self, f"_{name}"), _arrays.times(t), name, self.basis
        )
        least, largest = _arrays.extent(value)
        if not (least >= 0 and largest < math.inf):
            raise ValueError(
                f"{name} returns a negative or non-finite value; needed: finite values >= 0"
            )
        return value

    def _rate(self, name, t):
        """d log α/dt or dσ/dt."""
        return _coefficients.rate(getattr(self, f"_{name}"), t, name, self.basis)

    # For the identity a pass over the image, only to look for NaN once more, would be felt in `sample`.

    def _analyse(self, u):
        return u if isinstance(self.basis, Pixels) else self.basis.analyse(u)

    def _synthesise(self, modes):
        return modes if isinstance(self.basis, Pixels) else self.basis.synthesise(modes)


def _first(times, where):
    """The first of the times at which `where` holds, for messages."""
    times, where = torch.broadcast_tensors(times, where)
    return f"{times[where].flatten()[0].item():g}"
