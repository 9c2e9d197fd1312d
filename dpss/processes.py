"""Forward processes: what all linear-Gaussian diffusion probabilistic scale-spaces have in common.

In the modes c = B u of a basis, (B U_t)_k = α_t(k) (B U_0)_k + σ_t(k) ε_k with ε ~ N(0, I) and t in
[0, 1]. A `Process` holds B, log α and σ; `Kernel` is its transition between two times, `Gaussian`
what comes out.

Coefficients are float64 tensors of shape t.shape + (1, 1), or t.shape + (H, W) where the modes
differ; they are cast to the image's dtype where they are applied. Images are tensors `(..., H, W)`,
or what `torch.as_tensor` takes. The axes of t are the leading batch axes of the image; one image at
m times gives `(m, H, W)`.
"""

import math
from collections.abc import Callable

import torch

from . import _arrays
from ._arrays import Array, Times
from ._coefficients import Gain, Level, LogGain, neighbours
from .bases import Basis
from .laws import Gaussian, Kernel, draw, image_of, modes_of, scale

START = 1e-12  # stands for 0⁺ in `sde`, where σ = 0 would divide 0 by 0
END = 1 - 1e-9  # stands for 1⁻ in `flow`
Coefficients = Callable[[torch.Tensor], torch.Tensor]  # times -> log α, α or σ
LEAST_SHARE = -1e-12  # of fresh noise in σ_t²: what rounding leaves of zero


class Process:
    """A forward process: (B U_t)_k = α_t(k) (B U_0)_k + σ_t(k) ε_k. Immutable.

    `basis`: the `Basis` in which it acts mode by mode. `log_signal`, `noise`: functions that take a
    float64 tensor of times, with two more axes of length one, and return log α_t and σ_t,
    broadcasting against it and (H, W), in its precision (`0.5 * (t > 0)` has float32). They must
    stay in torch: `sde` and `flow` differentiate them, and refuse at their first use what cannot
    be. log α may be −∞ at t = 1 only. `name`: for tables and messages. `signal`: such a function
    for α_t itself, where it costs less than exp(log α_t); None: exp(log α_t).

    It is Markov iff the signal-to-noise ratio α²/σ² rises in no mode; `kernel` refuses a pair of
    times between which it does. Raises TypeError or ValueError for what is not a basis or a
    function; coefficients that are NaN, negative or do not fit the grid are refused where they are
    used. It can be pickled and copied where these functions can. Not for `torch.vmap`, nor for
    `torch.compile` with fullgraph: arguments are looked at. Source: Peter 2024; the SDE: Song et
    al. 2021.

    >>> from dpss import Pixels
    >>> mine = Process(Pixels(), lambda t: -t, lambda t: torch.sqrt(-torch.expm1(-2 * t)), "mine")
    >>> mine.sde(0.3)   # Ornstein–Uhlenbeck: dU = −U dt + √2 dW
    (tensor([[-1.]], dtype=torch.float64), tensor([[2.]], dtype=torch.float64))
    """

    def __init__(
        self,
        basis: Basis,
        log_signal: Coefficients,
        noise: Coefficients,
        name: str = "process",
        signal: Coefficients | None = None,
    ):
        _arrays.instance(basis, Basis, "basis")
        log_gain = LogGain(log_signal, "log_signal", basis)
        attributes = {
            "basis": basis,
            "name": name,
            "_log_signal": log_gain,
            "_noise": Level(noise, "noise", basis),
            "_signal": None if signal is None else Gain(signal, "signal", basis, log_gain),
            "_made_by": None,
        }
        for key, value in attributes.items():
            object.__setattr__(self, key, value)

    def __setattr__(self, key, value):
        raise AttributeError(f"{key} cannot be set: a Process is immutable, make another one")

    def __reduce_ex__(self, protocol):
        return self._made_by or super().__reduce_ex__(protocol)

    def _from_family(self, made_by):
        """This process, trusted; `made_by`: (function, arguments) that make it anew in pickles."""
        for coefficient in filter(None, (self._log_signal, self._noise, self._signal)):
            coefficient.trusted = True
        object.__setattr__(self, "_made_by", made_by)
        return self

    def __repr__(self):
        return f"Process({self.name!r}, basis={self.basis!r})"

    # -- coefficients

    def log_signal(self, t: Times) -> torch.Tensor:
        """log α_t(k) at times `t`: shape `t.shape + (1, 1)` or `+ (H, W)`."""
        return self._log_signal(_arrays.times(t))

    def signal(self, t: Times) -> torch.Tensor:
        """Gain α_t(k) = exp(log α_t(k)) ≥ 0 at times `t`."""
        t = _arrays.times(t)
        return torch.exp(self._log_signal(t)) if self._signal is None else self._signal(t)

    def noise(self, t: Times) -> torch.Tensor:
        """Noise level σ_t(k) ≥ 0 at times `t`, the standard deviation per mode."""
        return self._noise(_arrays.times(t))

    def log_snr(self, t: Times) -> torch.Tensor:
        """log(α²/σ²) per mode at times `t`: −∞ where α = 0, +∞ where α > 0 = σ."""
        log_signal = self.log_signal(t)
        value = 2 * log_signal - 2 * torch.log(self.noise(t))
        return torch.where(log_signal == -math.inf, log_signal, value)

    def snr(self, t: Times) -> torch.Tensor:
        """Signal-to-noise ratio α_t(k)²/σ_t(k)² at times `t`."""
        return torch.exp(self.log_snr(t))

    # -- laws of images

    def marginal(self, u0: Array, t: Times) -> Gaussian:
        """p(u_t | u_0): the `Gaussian` of mean B⁻¹ α_t B u_0 and std σ_t per mode.

        `u0`: an image (..., H, W); `t`: one time, or one per leading batch axis.
        """
        modes = modes_of(self.basis, self.basis.image(u0, "u0"))
        mean = image_of(self.basis, scale(self.signal(t), modes))
        return Gaussian(mean, self.noise(t), self.basis)

    def sample(self, u0: Array, t: Times, generator: torch.Generator | None = None) -> torch.Tensor:
        """One draw of U_t given the image `u0`: u_t = B⁻¹(α_t B u_0 + σ_t ε), ε ~ N(0, I).

        `t`: one time, or one per leading batch axis. `generator`: a `torch.Generator`, None for
        torch's own. The result has the dtype and device of u0; gradients pass.
        """
        modes = modes_of(self.basis, self.basis.image(u0, "u0"))
        return image_of(self.basis, draw(self.signal(t), modes, self.noise(t), generator))

    def path(
        self, u0: Array, times: Times, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """The Markov chain from `u0` at increasing `times`: `(len(times), *u0.shape)`.

        The first state is drawn from p(u_t | u_0) at times[0], each other from `kernel` and the one
        before it; `generator` as in `sample`. No gradient passes through a path.
        """
        u0 = self.basis.image(u0, "u0").detach()
        times = _arrays.times(times, "times", order="increasing")
        modes = modes_of(self.basis, u0)
        states = modes.new_empty(len(times), *modes.shape)
        states[0] = draw(self.signal(times[0]), modes, self.noise(times[0]), generator)
        place = 1
        for s, t in neighbours(times, u0.shape):
            kernel = self.kernel(s, t)
            for gain, std in zip(kernel.gain.to(states), kernel.std.to(states)):
                noise = states[place].normal_(generator=generator)  # used while it is cached
                noise.mul_(std).addcmul_(gain, states[place - 1])
                place += 1
        return image_of(self.basis, states)

    def steady_state(self, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Gaussian:
        """The law at t = 1 from u_0 = 0: mean 0, std σ_1 per mode.

        `shape`: (..., H, W) of the images; `dtype`: theirs, None for torch's default. Heat forgets
        at most all but the mean: its way back begins at `reverse.start(process, images)`.
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

    def kernel(self, s: Times, t: Times) -> Kernel:
        """Transition from `s` to `t` ≥ s: gain α_t/α_s, variance σ_t² − (α_t/α_s)² σ_s² per mode.

        The identity for s = t, also at t = 1 where α may be 0. Raises ValueError, naming the mode
        and both times, where the variance would be negative (by more than 10⁻¹² σ_t²): the
        signal-to-noise ratio rises, no Markov chain has these marginals.
        """
        s, t = _arrays.pair(s, t, equal=True)
        log_s, log_t, std_s, std_t = (
            self._log_signal(s),
            self._log_signal(t),
            *map(self._noise, (s, t)),
        )
        same = (s == t)[..., None, None]
        gain = torch.where(same, 1.0, torch.exp(log_t - log_s))
        # the share of σ_t² that is new; squares themselves would leave the range of floats
        ratio = torch.where(
            std_t > 0, gain * std_s / std_t, torch.where(gain * std_s > 0, 2.0, 1.0)
        )
        share = torch.where(same, 0.0, (1 - ratio) * (1 + ratio))
        rising = share < LEAST_SHARE
        if rising.any():
            self._refuse(rising, s, t)
        return Kernel(gain, std_t * torch.sqrt(share.clamp(min=0)), self.basis)

    def _refuse(self, rising, s, t):
        *_, y, x = rising.nonzero()[0].tolist()
        mode = "every mode" if rising.shape[-2:] == (1, 1) else f"mode ({y}, {x})"
        where = rising.any(-1).any(-1)
        s, t = (torch.broadcast_to(x, where.shape)[where].flatten()[0].item() for x in (s, t))
        raise ValueError(
            f"the process {self.name!r} is not Markov: its signal-to-noise ratio rises in {mode} "
            f"between s = {s:g} and t = {t:g}; needed: a ratio that never rises"
        )

    def posterior(self, u0: Array, ut: Array, s: Times, t: Times) -> Gaussian:
        """p(u_s | u_t, u_0) for `s` < `t`, Bayes' rule for Gaussians, mode by mode:

            variance  σ_s² σ²_{t|s} / σ_t²,
            mean      (α_{t|s} σ_s² u_t + α_s σ²_{t|s} u_0) / σ_t².

        `u0`, `ut`: images (..., H, W). Finite also where σ²_{t|s} = 0; where σ_t = 0, and at s = 0,
        it is the point mass at α_s u_0.
        """
        u0, ut = self.basis.image(u0, "u0"), self.basis.image(ut, "ut")
        _arrays.same_grid(u0, ut, "ut")
        u0, ut = torch.broadcast_tensors(u0, ut)  # times go along the axes of both
        s, t = _arrays.pair(s, t)
        step, std_s, std_t = self.kernel(s, t), self._noise(s), self._noise(t)
        known = std_t > 0
        from_ut = torch.where(known, step.gain * (std_s / std_t) ** 2, 0.0)
        from_u0 = self.signal(s) * torch.where(known, (step.std / std_t) ** 2, 1.0)
        std = torch.where(known, std_s * (step.std / std_t), 0.0)
        now, clean = modes_of(self.basis, ut), modes_of(self.basis, u0)
        mean = image_of(self.basis, scale(from_ut, now) + scale(from_u0, clean))
        return Gaussian(mean, std, self.basis)

    # -- continuous time

    def score(self, denoised: Array, u: Array, t: Times) -> torch.Tensor:
        """∇ log p_t(u) from `denoised` = E[U_0 | U_t = u] (Tweedie): Bᵀ (α_t B D − B u) / σ_t².

        `u`: an image (..., H, W). Raises ValueError where σ_t = 0, as there is no density then, and
        where the score is beyond the range of the image's dtype.
        """
        denoised, u = self.basis.image(denoised, "denoised"), self.basis.image(u, "u")
        _arrays.same_grid(u, denoised, "denoised")
        denoised, u = torch.broadcast_tensors(denoised, u)  # times go along the axes of both
        t = _arrays.times(t)
        std = self._noise(t)
        if (std == 0).any():
            raise ValueError(f"t is {_arrays.shown(t)}, where σ = 0; needed: σ > 0, a density")
        wide = torch.promote_types(u.dtype, torch.float32)  # 1/σ² leaves the range of short types
        known, now = (modes_of(self.basis, x.to(wide)) for x in (denoised, u))
        score = self.basis.pull_back(scale(std**-2, scale(self.signal(t), known) - now)).to(u)
        if not _arrays.finite(score):
            needed = f"times at which the score is within the range of {u.dtype}"
            raise ValueError(f"t is {_arrays.shown(t)}; needed: {needed}")
        return score

    def sde(self, t: Times) -> tuple[torch.Tensor, torch.Tensor]:
        """(f, g²) per mode of dU = f U dt + √g² dW: f = d log α/dt, g² = dσ²/dt − 2 f σ².

        At times `t`; at t = 0 the limit 0⁺. g² < 0 exactly where the signal-to-noise ratio rises.
        Raises ValueError where a coefficient is infinite (where α = 0).
        """
        t = _arrays.times(t).clamp(min=START)
        std, f = self._noise(t), self._log_signal.rate(t)
        g2 = 2 * std * self._noise.rate(t) - 2 * f * std**2
        if not (torch.isfinite(f).all() and torch.isfinite(g2).all()):
            needed = f"times at which the coefficients of {self.name!r} are finite"
            raise ValueError(f"t is {_arrays.shown(t)}; needed: {needed}")
        return f, g2

    def flow(self, t: Times) -> tuple[torch.Tensor, torch.Tensor]:
        """(a, b) per mode of the probability flow dU/dt = a U + b E[U_0 | U_t].

        a = σ'/σ, b = α' − α σ'/σ at times `t`. Finite also where α = 0 and `sde` is not. For the
        straight path α = 1 − t, σ = t it is the velocity (U − E[U_0 | U_t])/t of flow matching.
        Raises ValueError where σ_t = 0, as there is no density then.
        """
        t = _arrays.times(t)
        std, signal = self._noise(t), self.signal(t)
        if (std == 0).any():
            raise ValueError(f"t is {_arrays.shown(t)}, where σ = 0; needed: σ > 0, a density")
        if self._signal is not None:
            slope = self._signal.rate(t)
        else:  # α (log α)' is 0 · ∞ where α = 0, at t = 1; just before, it is the same to 9 digits
            before = torch.where((signal == 0).any(-1).any(-1), END, t)
            slope = self.signal(before) * self._log_signal.rate(before)
        rate = self._noise.rate(t) / std
        return rate, slope - signal * rate
