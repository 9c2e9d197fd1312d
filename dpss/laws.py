"""Gaussian laws of images, diagonal in a basis, and the linear-Gaussian kernels that carry one into another."""

import itertools
import math

import torch

from . import _arrays
from .bases import Basis

BLOCK = 2**17  # numbers that stay in the cache of a processor core


def scale(coefficients, modes):
    """coefficients · modes: float64 numbers per mode, aligned with the batch and cast to the modes' dtype."""
    return _arrays.spread(coefficients, modes.shape).to(modes) * modes


def draw(gain, modes, std, generator=None):
    """gain · modes + std · ε with fresh ε ~ N(0, I) from the `generator`, coefficients as in `scale`.

    On a CPU block by block along the first axis: noise that is used while it is in the cache costs little more than drawing it.
    """
    generator = _arrays.generator(generator)
    gain, std = (_arrays.spread(c, modes.shape).to(modes) for c in (gain, std))
    shape = torch.broadcast_shapes(gain.shape, std.shape, modes.shape)
    result = modes.new_empty(shape)
    rows = max(1, BLOCK * shape[0] // result.numel()) if modes.device.type == "cpu" else shape[0]
    parts = (
        x.expand(shape[0], *x.shape[1:]).split(rows)
        if x.ndim == len(shape)
        else itertools.repeat(x)
        for x in (gain, modes, std)
    )
    for first, g, m, s in zip(range(0, shape[0], rows), *parts):
        result[first : first + rows].normal_(generator=generator).mul_(s).addcmul_(g, m)
    return result


class Gaussian:
    """The law of B⁻¹(B m + s ε), ε ~ N(0, I): mean m, covariance B⁻¹ diag(s²) B⁻ᵀ.

    `mean`: image (..., H, W). `std`: s ≥ 0, a number, per mode `(H, W)`, or with leading axes as the mean has. `basis`: the modes B.
    A mode with s = 0 is a point mass: it can be sampled, its entropy is −∞, a density is refused.
    Results are float64 and batch-shaped; logarithms are natural.
    Raises TypeError or ValueError for what is not an image, negative std, and grids that do not fit.
    """

    def __init__(self, mean, std, basis):
        if not isinstance(basis, Basis):
            raise TypeError(f"basis is {basis!r}; needed: a dpss.bases.Basis")
        mean = _arrays.tensor(mean, "mean")
        basis.check(mean.shape[-2:], "mean")
        std = _per_mode(std, "std")
        if not (torch.isfinite(std) & (std >= 0)).all():
            raise ValueError(
                f"std has values from {std.min().item():g} to {std.max().item():g}; needed: finite, >= 0"
            )
        try:
            std = _arrays.spread(std, mean.shape, "std")
            shape = torch.broadcast_shapes(std.shape, mean.shape)
        except RuntimeError:
            shape = ()
        if shape[-2:] != mean.shape[-2:]:
            raise ValueError(
                f"std has shape {tuple(std.shape)}; needed: what fits the mean's {tuple(mean.shape)}"
            )
        self.mean, self.std, self.basis = mean.expand(shape), std, basis

    def __repr__(self):
        return f"Gaussian(mean of shape {tuple(self.mean.shape)}, basis={self.basis!r})"

    def sample(self, generator=None):
        """One draw, of the mean's shape, dtype and device; `generator`: a `torch.Generator` or None."""
        noise = torch.randn(
            self.mean.shape,
            dtype=self.mean.dtype,
            device=self.mean.device,
            generator=_arrays.generator(generator),
        )
        return self.mean + self.basis.synthesise(scale(self.std, noise))

    def log_prob(self, u):
        """log density at the image `u`: −½|z|² − Σ log s − (N/2) log 2π − log|det B⁻¹|, z = B(u − m)/s."""
        u = self._fitting(_arrays.tensor(u), "u")
        if (self.std == 0).any():
            raise ValueError(
                "std is 0 in some mode (σ = 0, a point mass); needed: > 0 in all, for a density"
            )
        z = scale(1 / self.std, self.basis.analyse(u.double() - self.mean.double()))
        return (
            -0.5 * (z**2).sum((-2, -1))
            - self._log_volume()
            - self._pixels() / 2 * math.log(2 * math.pi)
        )

    def entropy(self):
        """Differential entropy Σ log s + (N/2) log(2πe) + log|det B⁻¹| in nats."""
        return self._log_volume() + self._pixels() / 2 * math.log(2 * math.pi * math.e)

    def kl(self, other):
        """Kullback–Leibler divergence KL(self ‖ `other`) = ½ Σ (r − 1 − log r + d²/s'²), r = s²/s'², d = B(m − m').

        Both in the same basis. Infinite where one is a point mass in a mode and the other is not the same.
        """
        if not isinstance(other, Gaussian):
            raise TypeError(f"other is a {type(other).__name__}; needed: a Gaussian")
        if other.basis != self.basis:
            raise ValueError(
                f"other has the basis {other.basis!r}; needed: {self.basis!r}, the same one"
            )
        mean = other._fitting(self.mean, "other")
        gap = self.basis.analyse(mean.double() - other.mean.double())
        a, b, gap = torch.broadcast_tensors(self.std.to(gap), other.std.to(gap), gap)
        excess = (a - b) * (a + b) / b**2  # r − 1
        log_ratio = torch.where(
            excess > -0.5, torch.log1p(excess), 2 * torch.log(a / b)
        )  # each where it keeps its digits
        per_mode = 0.5 * (excess - log_ratio + (gap / b) ** 2)
        points = torch.where((a == 0) & (gap == 0), 0.0, math.inf)
        return torch.where(b == 0, points, per_mode).sum((-2, -1))

    def _pixels(self):
        return self.mean.shape[-2] * self.mean.shape[-1]

    def _log_volume(self):
        """Σ log s + log|det B⁻¹|, batch-shaped."""
        return torch.log(self.std).expand(self.mean.shape).sum((-2, -1)) + self.basis.log_abs_det

    def _fitting(self, u, name):
        _arrays.same_grid(self.mean, u, name)
        return u


class Kernel:
    """A transition: given u, the law is Gaussian with mean B⁻¹(g B u) + shift and std s per mode.

    `gain` g, `std` s: float64 per mode of the `basis` B; `shift`: an image, 0 for forward kernels. `later @ earlier` is the
    transition through both (Chapman–Kolmogorov): gains multiply, variances add up as s² + (g s')². Made by
    `Process.kernel` and `GaussianPrior.reverse_kernel`.

    >>> from dpss import vp
    >>> (vp().kernel(0.5, 0.9) @ vp().kernel(0.1, 0.5)).isclose(vp().kernel(0.1, 0.9))
    True
    """

    def __init__(self, gain, std, basis, shift=None):
        if not isinstance(basis, Basis):
            raise TypeError(f"basis is {basis!r}; needed: a dpss.bases.Basis")
        self.gain, self.std = _per_mode(gain, "gain"), _per_mode(std, "std")
        self.basis, self.shift = (
            basis,
            torch.zeros(1, 1, dtype=torch.float64) if shift is None else _per_mode(shift, "shift"),
        )
        if (self.std < 0).any():
            raise ValueError(f"std has minimum {self.std.min():g}; needed: >= 0")

    def __repr__(self):
        return f"Kernel(gain and std of shape {tuple(self.gain.shape)}, basis={self.basis!r})"

    def __call__(self, u):
        """The law after the transition from the image `u`: a `Gaussian`."""
        u = _arrays.tensor(u)
        self.basis.check(u.shape[-2:], "u")
        moved = self.basis.synthesise(scale(self.gain, self.basis.analyse(u)))
        return Gaussian(
            moved + _arrays.spread(self.shift, moved.shape).to(moved), self.std, self.basis
        )

    def __matmul__(self, earlier):
        """The transition through `earlier` and then this one, in the same basis; else TypeError, ValueError."""
        if not isinstance(earlier, Kernel):
            raise TypeError(f"earlier is a {type(earlier).__name__}; needed: a Kernel")
        if earlier.basis != self.basis:
            raise ValueError(
                f"earlier has the basis {earlier.basis!r}; needed: {self.basis!r}, the same one"
            )
        _arrays.fitting(earlier.gain.shape, self.gain.shape, "earlier")
        shift = earlier.shift
        shift = shift.expand(*shift.shape[:-2], *(self.basis.shape or shift.shape[-2:]))
        shift = self.shift + self.basis.synthesise(self.gain * self.basis.analyse(shift))
        return Kernel(
            self.gain * earlier.gain,
            torch.hypot(self.std, self.gain * earlier.std),
            self.basis,
            shift,
        )

    def isclose(self, other, rtol=1e-9, atol=1e-12):
        """Whether gains, variances and shifts of two kernels agree to |a − b| ≤ `atol` + `rtol` |b|; False for what is no kernel `other`.

        Variances and not standard deviations: a root would enlarge the rounding of a variance near zero.
        """
        if not isinstance(other, Kernel) or other.basis != self.basis:
            return False
        pairs = (self.gain, other.gain), (self.std**2, other.std**2), (self.shift, other.shift)
        try:
            torch.broadcast_shapes(self.gain.shape, other.gain.shape)
        except RuntimeError:
            return False
        return all(torch.isclose(a, b, rtol=rtol, atol=atol).all().item() for a, b in pairs)


def _per_mode(values, name):
    """A number or numbers (..., H, W) as a float64 tensor with at least two axes."""
    try:
        values = torch.as_tensor(values, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} is {values!r}; needed: a number or a tensor") from None
    if values.ndim == 1:
        raise ValueError(f"{name} has shape {tuple(values.shape)}; needed: a number or (..., H, W)")
    return values.expand(1, 1) if values.ndim == 0 else values
