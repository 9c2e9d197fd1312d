"""The coefficients log α_t(k) and σ_t(k) of a process: functions of t given by the user, evaluated, differentiated and checked."""

import torch
from torch.autograd import forward_ad

from . import _arrays

TIMES = (
    0.1234567,
    0.3719371,
    0.6180339,
    0.8715237,
)  # no node of a schedule of 10, 100 or 1000 steps


def evaluate(function, t, name, basis):
    """function(t[..., None, None]) as float64, expanded to t.shape + (1, 1) or + (H, W)."""
    t = t[..., None, None]
    value = function(t)
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} returns a {type(value).__name__}; needed: a torch tensor")
    if value.shape == t.shape:
        return value.to(torch.float64)
    try:
        shape = torch.broadcast_shapes(value.shape, t.shape)
        if shape[-2:] != (1, 1):
            shape = torch.broadcast_shapes(shape, basis.shape or ())
        if basis.shape and shape[-2:] not in ((1, 1), basis.shape) or shape[:-2] != t.shape[:-2]:
            raise RuntimeError
    except RuntimeError:
        raise ValueError(
            f"{name} returns shape {tuple(value.shape)} for t of shape {tuple(t.shape)}; needed: "
            f"what broadcasts against it and the grid of {basis}"
        ) from None
    return value.to(torch.float64).expand(shape)


@torch.inference_mode(False)  # there are no derivatives in inference mode, nor of its tensors
def rate(function, t, name, basis):
    """Derivative of a coefficient in t, by forward-mode differentiation."""
    t = t.clone()
    with forward_ad.dual_level():
        value, slope = forward_ad.unpack_dual(
            evaluate(function, forward_ad.make_dual(t, torch.ones_like(t)), name, basis)
        )
    return torch.zeros_like(value) if slope is None else slope


def check_exponential(signal, log_signal, basis):
    """Refuse a gain that is not exp(log α), looked at one time after the other, and at several together."""
    for t in [torch.tensor(time, dtype=torch.float64) for time in (0.0, *TIMES, 1.0, TIMES)]:
        found, needed = (
            evaluate(signal, t, "signal", basis),
            torch.exp(evaluate(log_signal, t, "log_signal", basis)),
        )
        if not torch.isclose(found, needed, rtol=1e-9, atol=1e-300).all():
            raise ValueError(
                f"signal is {_arrays.shown(found)} at t = {_arrays.shown(t)}; "
                f"needed: exp(log_signal), {_arrays.shown(needed)}"
            )


def check_derivative(function, name, basis, h=1e-6):
    """Refuse a callable whose derivative is lost, as float(t) or NumPy inside it would do silently."""
    for time in TIMES:
        t = torch.tensor(time, dtype=torch.float64)
        try:
            ahead, behind = (evaluate(function, t + step, name, basis) for step in (h, -h))
            found = rate(function, t, name, basis)
        except RuntimeError as error:
            raise ValueError(
                f"{name} cannot be differentiated by torch ({error}); needed: torch functions of t"
            ) from None
        slope = (ahead - behind) / (2 * h)
        # central differences err by h² and by rounding of the values over h
        if not ((found - slope).abs() <= 1e-4 * (1 + slope.abs()) + 1e-8 * ahead.abs()).all():
            raise ValueError(
                f"{name} has the derivative {found.flatten()[0].item():g} at t = {time} in torch, "
                f"{slope.flatten()[0].item():g} by differences; needed: torch functions of t, finite "
                "for 0 < t < 1 (no float(t), NumPy or detach)"
            )
