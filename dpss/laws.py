"""Gaussian laws of images, diagonal in a basis, and the linear kernels that move them."""

import itertools
import math

import torch

from . import _arrays
from ._arrays import Array
from .bases import Basis, Pixels

__all__ = ["Gaussian", "Kernel"]  # the rest is for modules of this library

BLOCK = 2**17  # numbers that stay in the cache of a processor core


# A process checks its images once. Where B = I, looking for NaN again would be felt in `sample`.


def modes_of(basis, u):
    """B u of a checked image `u`, in a `basis`."""
    return u if isinstance(basis, Pixels) else basis.analyse(u)


def image_of(basis, modes):
    """B⁻¹ c of checked `modes` c, in a `basis`."""
    return modes if isinstance(basis, Pixels) else basis.synthesise(modes)


def scale(coefficients, modes):
    """coefficients · modes: numbers per mode, aligned with the batch, in the modes' dtype."""
    return _arrays.spread(coefficients, modes.shape).to(modes) * modes


def draw(gain, modes, std, generator=None):
    """gain · modes + std · ε with fresh ε ~ N(0, I) from the `generator`, as in `scale`.

    On a CPU block by block along the first axis: noise that is used while it is in the cache costs
    little more than drawing it.
    """
    generator = _arrays.generator(generator)
    gain, std = (_arrays.spread(c, modes.shape).to(modes) for c in (gain, std))
    shape = torch.broadcast_shapes(gain.shape, std.shape, modes.shape)
    result = modes.new_empty(shape)
    on_cpu = modes.device.type == "cpu"
    rows = max(1, BLOCK * shape[0] // result.numel()) if on_cpu else shape[0]
    parts = (
        x.expand(shape[0], *x.shape[1:]).split(rows)
        if x.ndim == len(shape)
        else itertools.repeat(x)
        for x in (gain, modes, std)
    )
    for first, g, m, s in zip(range(0, shape[0], rows), *parts):
        noise = result[first : first + rows].normal_(generator=generator)
        noise.mul_(s).addcmul_(g, m)
    return result


class Gaussian:
    """The law of B⁻¹(B m + s ε), ε ~ N(0, I): mean m, covariance B⁻¹ diag(s²) B⁻ᵀ.

    `mean`: image (..., H, W). `std`: s ≥ 0, a number, per mode `(H, W)`, or with leading axes as
    the mean has. `basis`: the modes B. A mode with s = 0 is a point mass: it can be sampled, its
    entropy is −∞, a density is refused. Results are float64 and batch-shaped; logarithms are
    natural. Raises TypeError or ValueError for what is not an image, negative std, and grids that
    do not fit.
    """

    def __init__(self, mean: Array, std: float | Array, basis: Basis):
        mean = _arrays.instance(basis, Basis, "basis").image(mean, "mean")
        std = _per_mode(std, "std")
        if not (torch.isfinite(std) & (std >= 0)).all():
            found = f"{std.min().item():g} to {std.max().item():g}"
            raise ValueError(f"std has values from {found}; needed: finite, >= 0")
        std = _arrays.spread(std, mean.shape, "std")
        shape = _arrays.fitting(std.shape, mean.shape, "std")
        if shape[-2:] != mean.shape[-2:]:
            needed = f"what fits the mean's {tuple(mean.shape)}"
            raise ValueError(f"std has shape {tuple(std.shape)}; needed: {needed}")
        self.mean, self.std, self.basis = mean.expand(shape), std, basis

    def __repr__(self):
        return f"Gaussian(mean of shape {tuple(self.mean.shape)}, basis={self.basis!r})"

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """One draw, of the mean's shape, dtype and device, from the `generator` or torch's own."""
        generator, mean = _arrays.generator(generator), self.mean
        noise = torch.randn(mean.shape, dtype=mean.dtype, device=mean.device, generator=generator)
        return mean + image_of(self.basis, scale(self.std, noise))

    def log_prob(self, u: Array) -> torch.Tensor:
        """log density at the image `u`: −½|z|² − Σ log s − (N/2) log 2π − log|det B⁻¹|.

        z = B(u − m)/s. ValueError where s = 0 in a mode.
        """
        u = self._fitting(_arrays.tensor(u), "u")
        if (self.std == 0).any():
            needed = "> 0 in all, for a density"
            raise ValueError(f"std is 0 in some mode (σ = 0, a point mass); needed: {needed}")
        gap = self.basis.analyse(u.double() - self.mean.double())
        square = (gap / self.std.to(gap)) ** 2  # both have the axes of the mean, from the right
        volume = self._log_volume() + self._pixels() / 2 * math.log(2 * math.pi)
        return -0.5 * square.sum((-2, -1)) - volume.to(square)

    def entropy(self) -> torch.Tensor:
        """Differential entropy Σ log s + (N/2) log(2πe) + log|det B⁻¹| in nats."""
        return self._log_volume() + self._pixels() / 2 * math.log(2 * math.pi * math.e)

    def kl(self, other: "Gaussian") -> torch.Tensor:
        """KL(self ‖ `other`) = ½ Σ (r − 1 − log r + d²/s'²), r = s²/s'², d = B(m − m').

        Both in the same basis. Infinite where one is a point mass in a mode and the other is not
        the same. In nats.
        """
        _arrays.instance(other, Gaussian, "other")
        if other.basis != self.basis:
            needed = f"{self.basis!r}, the same one"
            raise ValueError(f"other has the basis {other.basis!r}; needed: {needed}")
        mean = other._fitting(self.mean, "other")
        gap = self.basis.analyse(mean.double() - other.mean.double())
        a, b, gap = torch.broadcast_tensors(self.std.to(gap), other.std.to(gap), gap)
        excess = ((a - b) / b) * ((a + b) / b)  # r − 1
        # log r, each way where it keeps its digits
        log_ratio = torch.where(excess > -0.5, torch.log1p(excess), 2 * torch.log(a / b))
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

    `gain` g, `std` s: float64 per mode of the `basis` B; `shift`: an image, 0 for forward kernels.
    `axes`: how many axes an image has, 3 where these numbers differ between the channels of colour.
    `later @ earlier` is the transition through both (Chapman–Kolmogorov): gains multiply, variances
    add up as s² + (g s')². Made by `Process.kernel` and `GaussianPrior.reverse_kernel`. Raises
    TypeError or ValueError for what is no basis, and for a negative std.

    >>> from dpss import vp
    >>> (vp().kernel(0.5, 0.9) @ vp().kernel(0.1, 0.5)).isclose(vp().kernel(0.1, 0.9))
    True
    """

    def __init__(
        self,
        gain: float | Array,
        std: float | Array,
        basis: Basis,
        shift: Array | None = None,
        axes: int = 2,
    ):
        self.basis = _arrays.instance(basis, Basis, "basis")
        self.gain, self.std = _per_mode(gain, "gain"), _per_mode(std, "std")
        self.shift = _per_mode(0.0 if shift is None else shift, "shift")
        self.axes = _arrays.count(axes, "axes")
        if (self.std < 0).any():
            raise ValueError(f"std has minimum {self.std.min():g}; needed: >= 0")

    def __repr__(self):
        return f"Kernel(gain and std of shape {tuple(self.gain.shape)}, basis={self.basis!r})"

    def __call__(self, u: Array) -> Gaussian:
        """The law after the transition from the image `u`: a `Gaussian`."""
        u = self.basis.image(u)
        channels = self.shift.shape[-self.axes : -2]
        if tuple(u.shape[-self.axes : -2]) != tuple(channels):
            needed = f"colour images with {channels[0]} channels"
            raise ValueError(f"u has shape {tuple(u.shape)}; needed: {needed}")
        gain, std, shift = (
            _arrays.spread(c, u.shape, axes=self.axes).to(u.device)
            for c in (self.gain, self.std, self.shift)
        )
        moved = image_of(self.basis, gain.to(u) * modes_of(self.basis, u)) + shift.to(u)
        # with as many axes as the image, a channel is not taken for a time
        std = std.reshape(*[1] * (moved.ndim - std.ndim), *std.shape)
        return Gaussian(moved, std, self.basis)

    def __matmul__(self, earlier: "Kernel") -> "Kernel":
        """The transition through `earlier` and then this one; TypeError, ValueError if none is."""
        _arrays.instance(earlier, Kernel, "earlier")
        if earlier.basis != self.basis:
            needed = f"{self.basis!r}, the same one"
            raise ValueError(f"earlier has the basis {earlier.basis!r}; needed: {needed}")
        if earlier.axes != self.axes:
            needed = f"{self.axes}, as many as this one"
            raise ValueError(f"earlier has {earlier.axes} axes for an image; needed: {needed}")
        _arrays.fitting(earlier.gain.shape, self.gain.shape, "earlier")
        shift = earlier.shift
        shift = shift.expand(*shift.shape[:-2], *(self.basis.shape or shift.shape[-2:]))
        shift = self.shift + self.basis.synthesise(self.gain * self.basis.analyse(shift))
        std = torch.hypot(self.std, self.gain * earlier.std)
        return Kernel(self.gain * earlier.gain, std, self.basis, shift, self.axes)

    def isclose(self, other: "Kernel", rtol: float = 1e-9, atol: float = 1e-12) -> bool:
        """Whether gains, variances and shifts of two kernels agree: |a − b| ≤ `atol` + `rtol` |b|.

        False where `other` is no kernel or has another basis or shape. Variances and not standard
        deviations: a root would enlarge the rounding of a variance near zero.
        """
        if not isinstance(other, Kernel):
            return False
        if other.basis != self.basis or other.axes != self.axes:
            return False
        mine, others = ((k.gain, k.std**2, k.shift) for k in (self, other))
        try:
            return all(
                torch.isclose(a, b, rtol=rtol, atol=atol).all().item() for a, b in zip(mine, others)
            )
        except RuntimeError:  # shapes that do not fit
            return False


def _per_mode(values, name):
    """A number or numbers (..., H, W) as a float64 tensor with at least two axes."""
    values = _arrays.numbers(values, name)
    if values.ndim == 1:
        needed = "a number or (..., H, W)"
        raise ValueError(f"{name} has shape {tuple(values.shape)}; needed: {needed}")
    return values.expand(1, 1) if values.ndim == 0 else values
