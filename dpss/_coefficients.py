"""The coefficients of a process: functions of t that the user gives, evaluated and differentiated.

What a coefficient promises is checked at the first use that rests on it, so making a process costs
nothing: its values at every evaluation, its derivative when it is first asked for.
"""

import math

import torch

from . import _arrays

TIMES = (0.1234567, 0.3719371, 0.6180339, 0.8715237)  # no node of 10, 100 or 1000 steps
TOGETHER = 2**26  # bytes of coefficients that are computed at once: few calls, little memory
STEP = 1e-6  # of differences: they err by its square, and by rounding over it


class Coefficient:
    """A function of t, one number for each mode or for all: log α_t(k), α_t(k) or σ_t(k).

    `function` takes times `t[..., None, None]` and returns what broadcasts against them and the
    grid of `basis`. `name` is for messages. `trusted`: whether its promises are known to hold.
    """

    def __init__(self, function, name, basis):
        self.function = _arrays.function(function, name, "a function of t")
        self.name, self.basis, self.trusted = name, basis, False

    def __call__(self, t):
        """Values at checked times t: float64, t.shape + (1, 1) or t.shape + (H, W)."""
        value = self._evaluate(t)
        self._check_range(value, t)
        return value

    def rate(self, t):
        """Derivative in t at checked times, of the shape of the values."""
        self._trust()
        return self._rate(t)

    def _trust(self):
        if not self.trusted:
            self._check()
            self.trusted = True

    def _evaluate(self, t):
        t = t[..., None, None]
        value = self.function(t)
        if not isinstance(value, torch.Tensor) or value.is_complex():
            found = value.dtype if isinstance(value, torch.Tensor) else type(value).__name__
            raise TypeError(f"{self.name} returns {found}; needed: a real torch tensor")
        if value.shape == t.shape:
            return value.to(torch.float64)
        grid = self.basis.shape
        try:
            shape = torch.broadcast_shapes(value.shape, t.shape)
            if shape[-2:] != (1, 1):
                shape = torch.broadcast_shapes(shape, grid or ())
            if grid and shape[-2:] not in ((1, 1), grid) or shape[:-2] != t.shape[:-2]:
                raise RuntimeError
        except RuntimeError:
            raise ValueError(
                f"{self.name} returns shape {tuple(value.shape)} for t of shape {tuple(t.shape)}; "
                f"needed: what broadcasts against it and the grid of {self.basis}"
            ) from None
        return value.to(torch.float64).expand(shape)

    @torch.inference_mode(False)  # there are no derivatives in inference mode, nor of its tensors
    @torch.enable_grad()
    def _rate(self, t):
        # Pulling back twice: v ↦ Jᵀv is linear, and its own pull-back is J. Forward mode would be
        # one step, but its level is one for the whole process: threads would meet in it, and so
        # would a caller who differentiates through us.
        t = t.clone()
        value, pull = torch.func.vjp(self._evaluate, t)
        _, push = torch.func.vjp(lambda v: pull(v)[0], torch.zeros_like(value))
        return push(torch.ones_like(t))[0]

    def _check(self):
        """Refuse a function whose derivative is lost, as float(t) or NumPy in it do silently."""
        for time in TIMES:
            t = torch.tensor(time, dtype=torch.float64)
            try:
                ahead, behind = self._evaluate(t + STEP), self._evaluate(t - STEP)
                found = self._rate(t)
            except RuntimeError as error:
                raise ValueError(
                    f"{self.name} cannot be differentiated by torch ({error}); "
                    "needed: torch functions of t"
                ) from None
            slope = (ahead - behind) / (2 * STEP)
            slack = 1e-4 * slope.abs() + 1e-6 * ahead.abs()  # a small coefficient is one as well
            if not ((found - slope).abs() <= slack).all():
                raise ValueError(
                    f"{self.name} has the derivative {found.flatten()[0].item():g} at t = {time} "
                    f"in torch, {slope.flatten()[0].item():g} by differences; needed: torch "
                    "functions of t, finite for 0 < t < 1 (no float(t), NumPy or detach)"
                )


class LogGain(Coefficient):
    """log α_t(k): finite, or −∞ at t = 1."""

    def _check_range(self, value, t):
        least, largest = _arrays.extent(value)
        if least > -math.inf and largest < math.inf:  # no NaN, one pass
            return
        ended = (value == -math.inf) & (t[..., None, None] == 1)
        if not (ended | torch.isfinite(value)).all():
            needed = "finite, or -inf at t = 1 only"
            raise ValueError(f"{self.name} returns NaN or an infinite value; needed: {needed}")


class Level(Coefficient):
    """σ_t(k), or a gain: finite and not negative."""

    def _check_range(self, value, _t):
        least, largest = _arrays.extent(value)
        if not (least >= 0 and largest < math.inf):
            needed = "finite values >= 0"
            raise ValueError(f"{self.name} returns {least:g} to {largest:g}; needed: {needed}")


class Gain(Level):
    """α_t(k) given directly, where that costs less than exp(log α_t(k)); the same numbers."""

    def __init__(self, function, name, basis, log_gain):
        super().__init__(function, name, basis)
        self.log_gain = log_gain

    def __call__(self, t):
        self._trust()
        return super().__call__(t)

    def _check(self):
        """Refuse what is not exp(log α), at one time after the other and at several together."""
        for time in (0.0, *TIMES, 1.0, TIMES):
            t = torch.tensor(time, dtype=torch.float64)
            found, needed = self._evaluate(t), torch.exp(self.log_gain(t))
            if not torch.isclose(found, needed, rtol=1e-9, atol=1e-300).all():
                raise ValueError(
                    f"{self.name} is {_arrays.shown(found)} at t = {_arrays.shown(t)}; "
                    f"needed: exp(log_signal), {_arrays.shown(needed)}"
                )
        super()._check()


def neighbours(times, shape):
    """(times[:-1], times[1:]) in blocks whose coefficients are computed at once, in 64 MB.

    Some ten float64 numbers for each step and mode of images of `shape` (..., H, W).
    """
    together = max(1, TOGETHER // (8 * 10 * shape[-2] * shape[-1]))
    return zip(times[:-1].split(together), times[1:].split(together))
