"""Priors: laws p(u_0) of images whose denoiser E[U_0 | U_t = u] is known exactly for any process.

The images of a prior are grey (H, W) or colour (C, H, W). A denoiser is any function D(u, t): `u` a
tensor with axes (..., H, W) or (..., C, H, W), `t` one time or one for each of the leading batch
axes (channels share the time of their image); the result has the shape of u (with the axes of t,
for one image at many times), its dtype and device. A process acts on each channel alike, with one
basis on (H, W). All sums are float64. With D come the score (`Process.score`), the samplers of
`dpss.reverse`, and the density of U_t.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from . import _arrays
from ._arrays import Array, Times
from .bases import Basis
from .laws import Gaussian, Kernel
from .processes import Process

CHUNK = 1024  # images that `Empirical` looks at together
LEAST_NOISE = 1e-9  # of the spread of the data, stands for 0: the nearest image has all weight

Denoiser = Callable[[torch.Tensor, Times], torch.Tensor]


@dataclass(frozen=True)
class _Exact:
    """The denoiser D(u, t) of a prior under a process; can be pickled where the process can."""

    prior: "Mixture | Empirical"
    process: Process

    def __call__(self, u, t):
        return self.prior._denoise(self.process, u, t)


class Mixture:
    """Gaussian mixture p(u_0) = Σ_j w_j N(m_j, B⁻¹ diag(s_j²) B⁻ᵀ), channels independent given j.

    `weights`: K numbers ≥ 0, scaled to the sum 1. `means`: images (K, H, W) or (K, C, H, W). `std`:
    s ≥ 0, a number, K numbers, or what broadcasts against the means: per mode (H, W), per component
    and mode (K, H, W), for colour per channel and mode (C, H, W), or (K, C, H, W). `basis`: a
    `Basis` of the grid. Raises TypeError, ValueError.

    A process needs modes in which both it and the prior are independent: the same basis; or
    orthonormal bases where the process (as VP and VE) or the prior (s the same in all modes) treats
    all modes alike. ValueError otherwise.

    >>> from dpss import Pixels, vp
    >>> red, blue = torch.eye(3)[0], torch.eye(3)[2]
    >>> flags = torch.stack([red, blue])[..., None, None].expand(2, 3, 4, 4)
    >>> prior = Mixture([0.5, 0.5], flags, 0.1, Pixels())
    >>> prior.denoiser(vp())(flags[0], 0.1)[:, 0, 0]   # 16 pixels leave no doubt
    tensor([1.0045, 0.0000, 0.0000])
    """

    @torch.inference_mode(False)  # what is kept may be needed for gradients later
    def __init__(
        self, weights: list | Array, means: Array, std: float | list | Array, basis: Basis
    ):
        means = _images(means, "means", "K")
        _arrays.instance(basis, Basis, "basis").check(means.shape[-2:], "means")
        weights, std = (_arrays.numbers(*x) for x in ((weights, "weights"), (std, "std")))
        fair = torch.isfinite(weights) & (weights >= 0)
        if weights.shape != means.shape[:1] or not fair.all() or weights.sum() == 0:
            needed = f"{len(means)} numbers >= 0, not all zero"
            raise ValueError(f"weights is {_arrays.shown(weights)}; needed: {needed}")
        one = std.ndim == 1 and len(std) == len(means)  # a number for each component
        std = std.reshape(-1, *[1] * (means.ndim - 1)) if one or std.ndim == 0 else std
        if _arrays.fitting(std.shape, means.shape, "std") != means.shape or std.ndim < 2:
            needed = f"what fits the means' {tuple(means.shape)}"
            raise ValueError(f"std has shape {tuple(std.shape)}; needed: {needed}")
        if not (torch.isfinite(std) & (std >= 0)).all():
            low, high = _arrays.extent(std)
            raise ValueError(f"std has values from {low:g} to {high:g}; needed: finite, >= 0")
        std = std.reshape(*[1] * (means.ndim - std.ndim), *std.shape).to(means.device)
        self.weights, self.basis = (weights / weights.sum()).to(means.device), basis
        self.means, self.std = (
            means.to(torch.float64, copy=True),
            std.expand(len(means), *std.shape[1:]),
        )
        spread = max((self.means - self.means.mean(0)).abs().max().item(), std.max().item())
        self._least = LEAST_NOISE * (spread or 1.0)

    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """n images `(n, H, W)` or `(n, C, H, W)`, float64, on the device of the means.

        `generator`: a `torch.Generator`, or None for torch's own.
        """
        device = "cpu" if _arrays.generator(generator) is None else generator.device
        weights, n = self.weights.to(device), _arrays.count(n, "n")
        which = torch.multinomial(weights, n, replacement=True, generator=generator)
        noise = torch.randn(
            n, *self.means.shape[1:], dtype=torch.float64, device=device, generator=generator
        ).to(self.means)
        which = which.to(self.means.device)
        return self.means[which] + self.basis.synthesise(self.std[which] * noise)

    def log_density(self, process: Process, u: Array, t: Times) -> torch.Tensor:
        """log p_t(u) = log Σ_j w_j N(u; B⁻¹ α_t B m_j, v_j), v_j = α_t² s_j² + σ_t².

        `u`: image under the `process`, `t`: one time or one per image. float64, batch-shaped.
        ValueError where a variance v is 0: there is no density.
        """
        u = _fitting(process, u, self.means.shape[1:])
        log_shares, basis, _ = self._posterior(process, u, t, density=True)
        return torch.logsumexp(log_shares, 0) - _log_units(basis, self.means.shape[1:])

    def denoiser(self, process: Process) -> Denoiser:
        """D(u, t) = Σ_j r_j D_j(u): responsibilities r_j ∝ w_j N(u; B⁻¹ α_t B m_j, v_j) weigh

            D_j(u) = m_j + B⁻¹ (α_t s_j²/v_j) B (u − B⁻¹ α_t B m_j),   v_j = α_t² s_j² + σ_t².

        ValueError for a `process` whose basis does not fit; D(u, t) looks again, at its own times.
        """
        event = self.means.shape[1:]
        _fitting(process, self.means, event)
        self._common_basis(process, *_levels(process, 0.5, event))
        return _Exact(self, process)

    def _denoise(self, process, u, t):
        u = _fitting(process, u, self.means.shape[1:])
        log_shares, basis, estimates = self._posterior(process, u, t)
        shares = torch.softmax(log_shares, 0)[(..., *[None] * (self.means.ndim - 1))]
        return basis.synthesise((shares * estimates).sum(0)).to(u)

    def _common_basis(self, process, *coefficients):
        """The basis in which the modes of both are independent; α, σ: those of the times in use."""
        if process.basis == self.basis:
            return self.basis
        if process.basis.orthonormal and self.basis.orthonormal:
            if all(c.shape[-2:] == (1, 1) for c in coefficients):
                return self.basis
            if (self.std == self.std[..., :1, :1]).all():
                return process.basis
        raise ValueError(
            f"process has the basis {process.basis!r}; needed: {self.basis!r}, that of the prior "
            "(other orthonormal bases only where process or prior treats all modes alike)"
        )

    def _posterior(self, process, u, t, density=False):
        """For each component j, on a leading axis: log w_j N(u; …) but for a constant, the basis,
        and E[modes | u, j]."""
        event = self.means.shape[1:]
        alpha, sigma = (_along(c, u, event) for c in _levels(process, t, event))
        basis = self._common_basis(process, alpha, sigma)
        axes = tuple(range(-len(event), 0))
        batch = torch.broadcast_shapes(alpha.shape[: -len(event)], u.shape[: -len(event)])
        inner = (len(self.means), *[1] * len(batch))
        means = basis.analyse(self.means.to(u.device)).reshape(*inner, *event)
        s = self.std.to(u.device).reshape(*inner, *self.std.shape[1:])
        variance = (alpha * s) ** 2 + sigma**2
        if density and (variance == 0).any():
            needed = "> 0 in all, for a density"
            raise ValueError(f"t is {_arrays.shown(t)}: some mode has variance 0; needed: {needed}")
        gap = basis.analyse(u.double()) - alpha * means
        # where nothing is random the gap is 0 and counts for nothing: the quotient stays finite
        safe = variance if density else variance.clamp(min=self._least**2)
        exponent = -0.5 * (gap**2 / safe + torch.log(safe))
        log_weights = torch.log(self.weights.to(u.device)).reshape(inner)
        log_shares = exponent.expand(*inner[:1], *batch, *event).sum(axes) + log_weights
        return log_shares, basis, means + alpha * s**2 / safe * gap


class GaussianPrior(Mixture):
    """Gaussian data p(u_0) = N(m, B⁻¹ diag(s²) B⁻ᵀ): a mixture of one component, in closed form.

    `mean`: an image (H, W) or (C, H, W). `std`: s ≥ 0, a number, per mode (H, W) of the `basis`, or
    per channel and mode (C, H, W); channels are independent. The denoiser is the Wiener filter
    D(u) = m + B⁻¹ (α s²/(α² s² + σ²)) B (u − B⁻¹ α B m). Bases and errors as in `Mixture`. Source:
    Wiener 1949.

    >>> from dpss import Pixels, ve
    >>> D = GaussianPrior(torch.zeros(1, 2), 3.0, Pixels()).denoiser(ve(1.0, 10.0))
    >>> D(torch.tensor([[1.0, -1.0]]), 0.15)   # σ² = 100^0.15 − 1 = 0.995, α = 1
    tensor([[ 0.9004, -0.9004]])
    """

    def __init__(self, mean: Array, std: float | Array, basis: Basis):
        mean, std = _arrays.tensor(mean, "mean"), _arrays.numbers(std, "std")
        if mean.ndim not in (2, 3):
            needed = "one image (H, W) or (C, H, W)"
            raise ValueError(f"mean has shape {tuple(mean.shape)}; needed: {needed}")
        if std.ndim == 1 or std.ndim > mean.ndim:
            needed = f"a number, or one per mode {tuple(mean.shape)}"
            raise ValueError(f"std has shape {tuple(std.shape)}; needed: {needed}")
        super().__init__([1.0], mean[None], std, basis)
        self.mean = self.means[0]

    @classmethod
    def fit(cls, images: Array, basis: Basis) -> "GaussianPrior":
        """The Gaussian with the mean image of `images`, and their variances (divided by n) in the
        modes of `basis`, in each channel: images (n, H, W) or (n, C, H, W).

        >>> from dpss import Cosines, images
        >>> cat = torch.as_tensor(images.photograph("cat"))
        >>> tiles = cat.unfold(1, 32, 32).unfold(2, 32, 32).reshape(3, 64, 32, 32).movedim(0, 1)
        >>> GaussianPrior.fit(tiles, Cosines((32, 32))).mean.shape
        torch.Size([3, 32, 32])
        """
        _arrays.instance(basis, Basis, "basis")
        images = _images(images, "images", "n").double()
        mean = images.mean(0)
        return cls(mean, basis.analyse(images - mean).square().mean(0).sqrt(), basis)

    def marginal(self, process: Process, t: Times) -> Gaussian:
        """The law of U_t under a `process`: mean B⁻¹ α_t B m, variance α_t² s² + σ_t² per mode.

        `t`: one time or several, whose axes come before those of the mean.
        """
        event = self.mean.shape
        _fitting(process, self.mean, event)
        alpha, sigma = (_along(c, self.mean, event) for c in _levels(process, t, event))
        basis = self._common_basis(process, alpha, sigma)
        mean = basis.synthesise(alpha * basis.analyse(self.mean))
        return Gaussian(mean, torch.hypot(alpha * self.std[0], sigma), basis)

    def reverse_kernel(self, process: Process, s: Times, t: Times) -> Kernel:
        """p(u_s | u_t) for s < t, a `Kernel`: with v = α² c + σ² the variances of U, c of the data,

            gain  α_{t|s} v_s/v_t,   variance  v_s σ²_{t|s}/v_t,   shift  B⁻¹ (α_s − gain α_t) B m.

        Kernels compose with `@`: the reverse `process` is a semigroup as well. For colour their
        coefficients have an axis for the channels, t.shape + (C, H, W).
        """
        event, (s, t) = self.mean.shape, _arrays.pair(s, t)
        _fitting(process, self.mean, event)
        levels = *_levels(process, s, event), *_levels(process, t, event)
        basis, step = self._common_basis(process, *levels), process.kernel(s, t)
        alpha_s, sigma_s, alpha_t, sigma_t, *step = (
            c.to(self.mean.device) for c in (*levels, step.gain, step.std)
        )
        std_s = torch.hypot(alpha_s * self.std[0], sigma_s)
        std_t = torch.hypot(alpha_t * self.std[0], sigma_t)
        # 0 only where U is not random at all
        ratio = torch.where(std_t > 0, std_s / std_t, 0.0)
        gain, std = (_channels(c, event) for c in step)
        gain, std = gain * ratio**2, std * ratio
        shift = basis.synthesise((alpha_s - gain * alpha_t) * basis.analyse(self.mean))
        return Kernel(gain, std, basis, shift, axes=len(event))


class Empirical:
    """The images of a training set, each with probability 1/n: p(u_0) = (1/n) Σ_i δ(u_0 − u_i).

    Its denoiser is the softmax-weighted mean of the images: exact for every process, and the reason
    why a perfect score of the training set memorises it. `images` (n, H, W) or (n, C, H, W) are
    kept as given and read in chunks, so memory grows with batch · CHUNK and not with batch · n.
    Raises TypeError, ValueError.

    >>> from dpss import images, vp
    >>> views = torch.as_tensor(images.photograph("cat"))[None, :, ::8, ::8]     # (1, 3, 32, 32)
    >>> views = torch.cat([views, views.flip(-1), views.flip(-2)])
    >>> noisy = vp().sample(views, 0.3, torch.Generator().manual_seed(0))
    >>> torch.allclose(Empirical(views).denoiser(vp())(noisy, 0.3), views)
    True
    """

    @torch.inference_mode(False)  # what is kept may be needed for gradients later
    def __init__(self, images: Array):
        images = _images(images, "images", "n")
        self.images = images.clone() if images.is_inference() else images
        # distances to the mean image lose fewer digits; in chunks: a float64 copy may not fit
        chunks = self.images.split(CHUNK)
        self._centre = sum(chunk.double().sum(0) for chunk in chunks) / len(images)
        spread = max((chunk - self._centre).abs().max().item() for chunk in chunks)
        self._least = LEAST_NOISE * (spread or 1.0)

    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """n images, drawn with replacement, as they were given.

        `generator`: a `torch.Generator`, or None for torch's own.
        """
        device = "cpu" if _arrays.generator(generator) is None else generator.device
        n = _arrays.count(n, "n")
        which = torch.randint(len(self.images), (n,), generator=generator, device=device)
        return self.images[which.to(self.images.device)]

    def log_density(self, process: Process, u: Array, t: Times) -> torch.Tensor:
        """log p_t(u) = log (1/n) Σ_i N(u; B⁻¹ α_t B u_i, σ_t²): float64, batch-shaped.

        `u`: image under the `process`, `t`: one time or one per image; ValueError where σ_t = 0.
        """
        event = self.images.shape[1:]
        u = _fitting(process, u, event)
        alpha, sigma = (_along(c, u, event) for c in _levels(process, t, event))
        if (sigma == 0).any():
            needed = "σ > 0, else there is no density"
            raise ValueError(f"t is {_arrays.shown(t)}, where σ = 0; needed: {needed}")
        place, total, _ = self._stream(process, u, alpha, sigma, images=False)
        # directly, as differences of large exponents would lose the digits of a small one
        best, analyse = (
            self.images[place.to(self.images.device)].to(u.device),
            process.basis.analyse,
        )
        gap = (analyse(u.double()) - alpha * analyse(best.double())) / sigma
        top = -0.5 * (gap**2).flatten(-len(event)).sum(-1)
        log_std = torch.log(sigma)
        volume = log_std.expand(*sigma.shape[: -len(event)], *event).flatten(-len(event)).sum(-1)
        units = _log_units(process.basis, event) + math.log(len(self.images))
        return top + torch.log(total) - volume - units

    def denoiser(self, process: Process) -> Denoiser:
        """D(u, t) = Σ_i w_i u_i, w_i ∝ exp(−½ Σ_k (B u − α_t B u_i)_k²/σ_t(k)²), k over all modes
        (and channels) of the `process`; where σ_t = 0 the nearest image."""
        _fitting(process, self.images, self.images.shape[1:])
        return _Exact(self, process)

    def _denoise(self, process, u, t):
        event = self.images.shape[1:]
        u = _fitting(process, u, event)
        alpha, sigma = (_along(c, u, event) for c in _levels(process, t, event))
        _, total, weighted = self._stream(process, u, alpha, sigma.clamp(min=self._least))
        return (weighted / total[(..., *[None] * len(event))]).to(u)

    def _stream(self, process, u, alpha, sigma, images=True):
        """Place of the largest exponent, Σ_i exp(exponent_i − largest) and Σ_i exp(…) u_i."""
        event = self.images.shape[1:]
        batch = torch.broadcast_shapes(alpha.shape[: -len(event)], u.shape[: -len(event)])

        def rows(x):  # (batch, event), with axes of length 1 where modes or channels agree
            return x.expand(*batch, *x.shape[-len(event) :]).reshape(-1, *x.shape[-len(event) :])

        basis, centre = process.basis, self._centre.to(u.device)
        precision, alpha = rows(sigma**-2.0), rows(alpha)
        c = rows(basis.analyse(u.double())) - alpha * basis.analyse(centre)
        # −½ Σ_k (c − αm)²/σ² without its first term, which is common to all images
        linear, square = (precision * alpha * c).flatten(1), -0.5 * precision * alpha**2
        top = torch.full((len(c), 1), -math.inf, dtype=torch.float64, device=u.device)
        total, weighted = torch.zeros_like(top), torch.zeros_like(linear)
        place = torch.zeros_like(top, dtype=torch.long)
        for first, chunk in zip(range(0, len(self.images), CHUNK), self.images.split(CHUNK)):
            chunk = chunk.to(u.device, torch.float64)
            modes = basis.analyse(chunk - centre)
            size = (modes**2).sum_to_size(len(chunk), *square.shape[1:])
            exponent = _arrays.product(linear, modes.flatten(1).T)
            exponent = exponent + _arrays.product(square.flatten(1), size.flatten(1).T)
            largest, where = exponent.max(1, keepdim=True)
            place = torch.where(largest > top, first + where, place)
            higher = torch.maximum(top, largest)
            weight, kept = torch.exp(exponent - higher), torch.exp(top - higher)
            total = kept * total + weight.sum(1, keepdim=True)
            if images:
                weighted = kept * weighted + _arrays.product(weight, chunk.flatten(1))
            top = higher
        return place.reshape(batch), total.reshape(batch), weighted.reshape(*batch, *event)


# -- grey and colour: `event` is the shape of one image, (H, W) or (C, H, W)


def _images(images, name, count):
    """Many images as a tensor."""
    images = _arrays.tensor(images, name)
    if images.ndim not in (3, 4):
        needed = f"({count}, H, W) or ({count}, C, H, W)"
        raise ValueError(f"{name} has shape {tuple(images.shape)}; needed: {needed}")
    return images


def _fitting(process, u, event):
    """`u` as a tensor whose last axes are those of the prior's images, on the grid of `process`."""
    _arrays.instance(process, Process, "process")
    u = _arrays.tensor(u)
    if u.shape[-len(event) :] != event:
        needed = f"(..., {_listed(event)}), as the images of the prior"
        raise ValueError(f"u has shape {tuple(u.shape)}; needed: {needed}")
    if process.basis.shape not in (None, event[-2:]):
        needed = f"{tuple(event[-2:])}, that of the images of the prior"
        raise ValueError(f"process has the grid {process.basis.shape}; needed: {needed}")
    return u


def _levels(process, t, event):
    """α_t and σ_t, t.shape + (h, w) or, of colour, t.shape + (1, h, w)."""
    return [_channels(c, event) for c in (process.signal(t), process.noise(t))]


def _channels(coefficients, event):
    """Coefficients t.shape + (h, w) with an axis for the channels, if images have one."""
    return coefficients.unsqueeze(-3) if len(event) == 3 else coefficients


def _along(coefficients, u, event):
    """Coefficients t.shape + event with the axes of t along the leading batch axes of `u`."""
    return _arrays.spread(coefficients, u.shape, axes=len(event)).to(u.device)


def _log_units(basis, event):
    """log of what turns exp(−½|z|²)/Π s in modes into a density of images: (2π)^{N/2} |det B⁻¹|."""
    channels = math.prod(event[:-2])
    return math.prod(event) / 2 * math.log(2 * math.pi) + channels * basis.log_abs_det


def _listed(shape):
    return ", ".join(str(n) for n in shape)
