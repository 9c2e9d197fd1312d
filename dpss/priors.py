"""Priors: laws p(u_0) of images whose denoiser E[U_0 | U_t = u] is known exactly, for every process.

A denoiser is any function D(u, t): `u` a tensor (..., H, W), `t` one time or one for each of the leading batch axes; the
result has the shape of u (with the axes of t, for one image at many times), its dtype and device. All sums are
float64. With D come the score (`Process.score`), the samplers of `dpss.reverse`, and the density of U_t.
"""

import math
from typing import Callable

import torch

from . import _arrays
from .bases import Basis
from .laws import Gaussian, Kernel
from .processes import Process

Denoiser = Callable[..., torch.Tensor]  # D(u, t) ≈ E[U_0 | U_t = u], in the shape of u
CHUNK = 1024  # images that `Empirical` looks at together
LEAST_NOISE = (
    1e-9  # stands for σ = 0 in `Empirical`: the weights are then those of the nearest image
)


class Mixture:
    """Gaussian mixture p(u_0) = Σ_j w_j N(m_j, B⁻¹ diag(s_j²) B⁻ᵀ).

    `weights`: K numbers ≥ 0, scaled to the sum 1. `means`: images (K, H, W). `std`: s ≥ 0, a number, K numbers, per mode
    (H, W), or (K, H, W). `basis`: a `Basis` of the grid. Raises TypeError, ValueError.

    A process needs modes in which both it and the prior are independent: the same basis; or orthonormal bases where
    the process (as VP and VE) or the prior (s the same in all modes) treats all modes alike. ValueError otherwise.
    """

    def __init__(self, weights, means, std, basis):
        if not isinstance(basis, Basis):
            raise TypeError(f"basis is {basis!r}; needed: a dpss.bases.Basis")
        self.means = _arrays.tensor(means, "means").double()
        if self.means.ndim != 3:
            raise ValueError(f"means has shape {tuple(self.means.shape)}; needed: (K, H, W)")
        basis.check(self.means.shape[-2:], "means")
        try:
            weights, std = (torch.as_tensor(x, dtype=torch.float64) for x in (weights, std))
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"weights is {weights!r} and std {std!r}; needed: numbers") from None
        if (
            weights.shape != self.means.shape[:1]
            or not (torch.isfinite(weights) & (weights >= 0)).all()
            or weights.sum() == 0
        ):
            raise ValueError(
                f"weights is {_arrays.shown(weights)}; needed: {len(self.means)} numbers >= 0, not all zero"
            )
        std = std[:, None, None] if std.ndim == 1 else std
        try:
            fits = torch.broadcast_shapes(std.shape, self.means.shape) == self.means.shape
        except RuntimeError:
            fits = False
        if not fits or not (torch.isfinite(std) & (std >= 0)).all():
            raise ValueError(
                f"std has shape {tuple(std.shape)} and values from {std.min():g} to {std.max():g}; "
                f"needed: finite, >= 0, what fits the means' {tuple(self.means.shape)}"
            )
        self.weights, self.basis = weights / weights.sum(), basis
        self.std = std.expand(
            len(weights), *std.shape[-2:] if std.ndim > 1 else (1, 1)
        )  # (K, 1 or H, 1 or W)

    def sample(self, n, generator=None):
        """n images `(n, H, W)`, float64, on the device of the means; `generator`: a `torch.Generator` or None."""
        n, device = (
            _arrays.count(n, "n"),
            "cpu" if _arrays.generator(generator) is None else generator.device,
        )
        which = torch.multinomial(self.weights.to(device), n, replacement=True, generator=generator)
        noise = torch.randn(
            n, *self.means.shape[1:], dtype=torch.float64, device=device, generator=generator
        ).to(self.means)
        return self.means[which.to(self.means.device)] + self.basis.synthesise(
            self.std[which.to(self.std.device)].to(noise) * noise
        )

    def log_density(self, process, u, t):
        """log p_t(u) = log Σ_j w_j N(u; B⁻¹ α_t B m_j, v_j), v_j = α_t² s_j² + σ_t²: float64, batch-shaped.

        `u`: image (..., H, W), `t`: one time or one per image. ValueError where a variance v is 0: there is no density.
        """
        u = _arrays.tensor(u)
        log_shares, _ = self._posterior(process, u, t, "log_density")
        volume = u.shape[-2] * u.shape[-1] / 2 * math.log(2 * math.pi) + process.basis.log_abs_det
        return torch.logsumexp(log_shares, 0) - volume

    def denoiser(self, process):
        """D(u, t) = Σ_j r_j D_j(u): responsibilities r_j ∝ w_j N(u; B⁻¹ α_t B m_j, v_j) weigh Wiener filters

            D_j(u) = m_j + B⁻¹ (α_t s_j²/v_j) B (u − B⁻¹ α_t B m_j),   v_j = α_t² s_j² + σ_t².

        ValueError for a `process` whose basis does not fit.
        """
        self._common_basis(process)

        def denoise(u, t):
            u = _arrays.tensor(u)
            log_shares, (basis, estimates) = self._posterior(process, u, t)
            shares = torch.softmax(log_shares, 0)[..., None, None]
            return basis.synthesise((shares * estimates).sum(0)).to(u)

        return denoise

    def _common_basis(self, process):
        """The basis in which the modes of both are independent."""
        if not isinstance(process, Process):
            raise TypeError(f"process is {process!r}; needed: a dpss.Process")
        process.basis.check(self.means.shape[-2:], "means")
        if process.basis == self.basis:
            return self.basis
        if process.basis.orthonormal and self.basis.orthonormal:
            if process.signal(0.5).shape[-2:] == (1, 1) and process.noise(0.5).shape[-2:] == (1, 1):
                return self.basis
            if (self.std == self.std[:, :1, :1]).all():
                return process.basis
        raise ValueError(
            f"process has the basis {process.basis!r}; needed: {self.basis!r}, that of the prior "
            "(other orthonormal bases only where process or prior treats all modes alike)"
        )

    def _posterior(self, process, u, t, density=""):
        """For each component j, on a leading axis: log w_j N(u; …) without its constants, and E[modes | u, j]."""
        basis = self._common_basis(process)
        if u.shape[-2:] != self.means.shape[-2:]:
            raise ValueError(
                f"u has grid {tuple(u.shape[-2:])}; needed: {tuple(self.means.shape[-2:])}, that of the prior"
            )
        alpha, sigma = (
            _arrays.spread(c, u.shape).to(u.device) for c in (process.signal(t), process.noise(t))
        )
        batch = torch.broadcast_shapes(alpha.shape[:-2], u.shape[:-2])
        inner = (len(self.means), *[1] * len(batch))
        means = basis.analyse(self.means.to(u.device)).reshape(*inner, *u.shape[-2:])
        s = self.std.to(u.device).reshape(*inner, *self.std.shape[-2:])
        variance = (alpha * s) ** 2 + sigma**2
        if density and (variance == 0).any():
            raise ValueError(
                f"t = {t} gives variance 0 in some mode; needed: > 0 in all, for a density"
            )
        gap = basis.analyse(u.double()) - alpha * means
        # where nothing is random the deviation is 0 and counts for nothing; LEAST_NOISE² keeps the quotient finite
        safe = variance.clamp(min=LEAST_NOISE**2) if not density else variance
        log_shares = (
            (-0.5 * (gap**2 / safe + torch.log(safe)))
            .expand(*inner[:1], *batch, *u.shape[-2:])
            .sum((-2, -1))
        )
        return log_shares + torch.log(self.weights.to(u.device)).reshape(inner), (
            basis,
            means + alpha * s**2 / safe * gap,
        )


class GaussianPrior(Mixture):
    """Gaussian data p(u_0) = N(m, B⁻¹ diag(s²) B⁻ᵀ): the mixture of one component, and all in closed form.

    `mean`: an image (H, W). `std`: s ≥ 0, a number or per mode (H, W) of the `basis`. The denoiser is the Wiener filter
    D(u) = m + B⁻¹ (α s²/(α² s² + σ²)) B (u − B⁻¹ α B m). Bases and errors as in `Mixture`. Source: Wiener 1949.

    >>> from dpss import Pixels, ve
    >>> D = GaussianPrior(torch.zeros(1, 2), 3.0, Pixels()).denoiser(ve(1.0, 10.0))
    >>> D(torch.tensor([[1.0, -1.0]]), 0.15)   # σ² = 100^0.15 − 1 = 0.995, α = 1
    tensor([[ 0.9004, -0.9004]])
    """

    def __init__(self, mean, std, basis):
        mean = _arrays.tensor(mean, "mean")
        if mean.ndim != 2:
            raise ValueError(f"mean has shape {tuple(mean.shape)}; needed: one image (H, W)")
        std = torch.as_tensor(std, dtype=torch.float64)
        if std.ndim not in (0, 2):
            raise ValueError(
                f"std has shape {tuple(std.shape)}; needed: a number, or one per mode {tuple(mean.shape)}"
            )
        super().__init__([1.0], mean[None], std, basis)
        self.mean = self.means[0]

    @classmethod
    def fit(cls, images, basis):
        """The Gaussian with the mean image and the variances (divided by n) in the modes of `basis` of `images` (n, H, W)."""
        if not isinstance(basis, Basis):
            raise TypeError(f"basis is {basis!r}; needed: a dpss.bases.Basis")
        images = _stack(images).double()
        return cls(
            images.mean(0), basis.analyse(images - images.mean(0)).square().mean(0).sqrt(), basis
        )

    def marginal(self, process, t):
        """The law of U_t under a `process`: mean B⁻¹ α_t B m, variance α_t² s² + σ_t² per mode. `t`: one time or several."""
        basis = self._common_basis(process)
        alpha = process.signal(t)
        mean = basis.synthesise(alpha * basis.analyse(self.mean))
        return Gaussian(mean, torch.hypot(alpha * self.std[0], process.noise(t)), basis)

    def reverse_kernel(self, process, s, t):
        """p(u_s | u_t) for s < t, a `Kernel`: with v = α² c + σ² the variances of U and c those of the data,

            gain  α_{t|s} v_s/v_t,   variance  v_s σ²_{t|s}/v_t,   shift  B⁻¹ (α_s − gain α_t) B m.

        Kernels compose with `@`: the reverse process is a semigroup as well.
        """
        s, t = _arrays.times(s, "s"), _arrays.times(t, "t")
        if (s >= t).any():
            raise ValueError(
                f"s is {_arrays.shown(s)}; needed: earlier than t = {_arrays.shown(t)}"
            )
        basis, step = self._common_basis(process), process.kernel(s, t)
        std_s, std_t = self.marginal(process, s).std, self.marginal(process, t).std
        ratio = torch.where(
            std_t > 0, std_s / std_t, 0.0
        )  # v_t = 0 only where U is not random at all
        gain = step.gain * ratio**2
        shift = (process.signal(s) - gain * process.signal(t)) * basis.analyse(self.mean)
        return Kernel(gain, step.std * ratio, basis, basis.synthesise(shift))


class Empirical:
    """The images of a training set, each with probability 1/n: p(u_0) = (1/n) Σ_i δ(u_0 − u_i).

    Its denoiser is the softmax-weighted mean of the images: exact for every process, and the reason why a perfect
    score of the training set memorises it. `images` (n, H, W) are kept as given and read in chunks, so memory grows
    with batch · CHUNK and not with batch · n. Raises TypeError, ValueError.
    """

    def __init__(self, images):
        self.images = _stack(images)
        # distances to the mean image lose fewer digits; its sum by chunks, as a float64 copy of all images may not fit
        self._centre = sum(chunk.double().sum(0) for chunk in self.images.split(CHUNK)) / len(
            self.images
        )

    def sample(self, n, generator=None):
        """n images `(n, H, W)`, drawn with replacement, on their device; `generator`: a `torch.Generator` or None."""
        device = "cpu" if _arrays.generator(generator) is None else generator.device
        which = torch.randint(
            len(self.images), (_arrays.count(n, "n"),), generator=generator, device=device
        )
        return self.images[which.to(self.images.device)]

    def log_density(self, process, u, t):
        """log p_t(u) = log (1/n) Σ_i N(u; B⁻¹ α_t B u_i, σ_t²) at a time `t`: float64, batch-shaped; ValueError where σ_t = 0."""
        u = self._fitting(process, u)
        std = process.noise(t)
        if (std == 0).any():
            raise ValueError(
                f"t = {t} has noise level σ = 0; needed: σ > 0, else there is no density"
            )
        top, total, _ = self._stream(process, u, t, images=False)
        volume = (
            torch.log(std).expand(*std.shape[:-2], *u.shape[-2:]).sum((-2, -1))
            + process.basis.log_abs_det
        )
        volume = (
            volume
            + u.shape[-2] * u.shape[-1] / 2 * math.log(2 * math.pi)
            + math.log(len(self.images))
        )
        return (
            top
            + torch.log(total)
            - _arrays.spread(volume[..., None, None], u.shape)[..., 0, 0].to(top)
        )

    def denoiser(self, process):
        """D(u, t) = Σ_i w_i u_i, w_i ∝ exp(−½ Σ_k (B u − α_t B u_i)_k²/σ_t(k)²); where σ_t = 0 the nearest image."""
        self._fitting(process, self.images)

        def denoise(u, t):
            u = self._fitting(process, u)
            _, total, weighted = self._stream(process, u, t)
            return (weighted / total[..., None, None]).to(u)

        return denoise

    def _fitting(self, process, u):
        if not isinstance(process, Process):
            raise TypeError(f"process is {process!r}; needed: a dpss.Process")
        u = _arrays.tensor(u)
        if u.shape[-2:] != self.images.shape[-2:]:
            raise ValueError(
                f"u has grid {tuple(u.shape[-2:])}; needed: {tuple(self.images.shape[-2:])}, that of the images"
            )
        process.basis.check(u.shape[-2:])
        return u

    def _stream(self, process, u, t, images=True):
        """Largest exponent, Σ_i exp(exponent_i − largest), and Σ_i exp(…) u_i, in one pass over the images."""
        alpha, sigma = (
            _arrays.spread(c, u.shape).to(u.device) for c in (process.signal(t), process.noise(t))
        )
        batch, n = torch.broadcast_shapes(alpha.shape[:-2], u.shape[:-2]), u.shape[-2] * u.shape[-1]

        def rows(x):  # (batch, modes), the last axis of length 1 where all modes agree
            return x.expand(*batch, *x.shape[-2:]).reshape(-1, x.shape[-2] * x.shape[-1])

        basis, centre = process.basis, self._centre.to(u.device)
        precision = rows(sigma.clamp(min=LEAST_NOISE) ** -2.0)
        alpha = rows(alpha)
        c = rows(basis.analyse(u.double())) - alpha * rows(basis.analyse(centre))
        top = torch.full((len(c), 1), -math.inf, dtype=torch.float64, device=u.device)
        total, weighted = (
            torch.zeros_like(top),
            torch.zeros(len(c), n, dtype=torch.float64, device=u.device),
        )
        for chunk in self.images.split(CHUNK):
            chunk = chunk.to(u.device, torch.float64)
            modes = basis.analyse(chunk - centre).reshape(-1, n)
            square = (
                precision * alpha**2
            )  # Σ_k (c − αm)²/σ² without its first term, which is common to all images
            size = square @ (modes**2).T if square.shape[1] > 1 else square * (modes**2).sum(1)
            exponent = (precision * alpha * c) @ modes.T - 0.5 * size
            higher = torch.maximum(top, exponent.amax(1, keepdim=True))
            weight, kept = torch.exp(exponent - higher), torch.exp(top - higher)
            total = kept * total + weight.sum(1, keepdim=True)
            if images:
                weighted = kept * weighted + weight @ chunk.reshape(-1, n)
            top = higher
        top = top - 0.5 * (precision * c**2).sum(1, keepdim=True)
        return top.reshape(batch), total.reshape(batch), weighted.reshape(*batch, *u.shape[-2:])


def _stack(images):
    images = _arrays.tensor(images, "images")
    if images.ndim != 3:
        raise ValueError(f"images has shape {tuple(images.shape)}; needed: (n, H, W)")
    return images
