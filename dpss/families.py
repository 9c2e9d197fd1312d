"""Families: the schedules α_t, σ_t of the literature, each a `Process` on t in [0, 1]."""

import math

import torch

from . import _arrays
from .bases import Cosines, Osmotic, Pixels
from .processes import Process


def vp(beta_min=0.1, beta_max=20.0):
    """Variance preserving (DDPM), linear rate β(t) = β_min + t (β_max − β_min):

        α_t = exp(−½ ∫₀ᵗ β),   σ_t² = 1 − α_t²   (every pixel alike).

    0 ≤ `beta_min`, 0 < `beta_max`, else ValueError. Ends near N(0, I): α_1² = 4.3·10⁻⁵ by default. All forward
    axioms hold, every pixel permutation is a symmetry. Source: Ho et al. 2020; Song et al. 2021.

    >>> vp().signal(0.5), vp().noise(0.5)
    (tensor([[0.2812]], dtype=torch.float64), tensor([[0.9597]], dtype=torch.float64))
    """
    integral = _beta_integral(beta_min, beta_max)
    # 1 − exp(−x) loses all digits at small t, −expm1(−x) none
    return Process(
        Pixels(),
        lambda t: -0.5 * integral(t),
        lambda t: torch.sqrt(-torch.expm1(-integral(t))),
        "vp",
    )


def vp_cosine():
    """Variance preserving with α_t = cos(πt/2), σ_t = sin(πt/2) (every pixel alike).

    Ends exactly at N(0, I); its SDE is singular there. Axioms as for `vp`. Source: Nichol and Dhariwal 2021,
    without their offset.
    """
    # cos(πt/2) written as a sine is exactly 0 at t = 1
    return Process(
        Pixels(),
        lambda t: torch.log(torch.sin(0.5 * math.pi * (1 - t))),
        lambda t: torch.sin(0.5 * math.pi * t),
        "vp_cosine",
    )


@torch.inference_mode(False)
def vp_discrete(betas):
    """Variance preserving with given steps β_1, ..., β_m at the times i/m:

        α_{i/m}² = ∏_{j≤i} (1 − β_j),   σ_t² = 1 − α_t²   (every pixel alike);

    in between log α_t is linear in t. `betas`: m ≥ 1 numbers with 0 < β < 1, else ValueError. Axioms as for `vp`; how
    near its end is to N(0, I) depends on β. Source: Ho, Jain and Abbeel 2020.
    """
    betas = torch.as_tensor(betas, dtype=torch.float64)
    if betas.ndim != 1 or betas.numel() == 0 or not ((betas > 0) & (betas < 1)).all():
        raise ValueError(
            f"betas has shape {tuple(betas.shape)} and values {_arrays.shown(betas)}; needed: a list of numbers in (0, 1)"
        )
    m = len(betas)
    fall = 0.5 * torch.log1p(-betas)
    log_signal_at = torch.cat(
        [torch.zeros(1, dtype=torch.float64), fall.cumsum(0)[:-1]]
    )  # 0, ..., m − 1

    def log_signal(t):
        place = t * m
        step = place.detach().long().clamp_(max=m - 1)
        return log_signal_at[step] + (place - step) * fall[step]

    return Process(
        Pixels(), log_signal, lambda t: torch.sqrt(-torch.expm1(2 * log_signal(t))), "vp_discrete"
    )


def sub_vp(beta_min=0.1, beta_max=20.0):
    """Sub-VP: the signal of `vp` with less noise, α_t = exp(−½ ∫₀ᵗ β), σ_t = 1 − α_t² (every pixel alike).

    Parameters are as in `vp`. Ends near N(0, I); on the way the total variance is below that of VP, so neither
    KL(p_t ‖ N(0, I)) nor the entropy of U_t is monotone. The other axioms hold. Source: Song et al. 2021.
    """
    integral = _beta_integral(beta_min, beta_max)
    return Process(
        Pixels(), lambda t: -0.5 * integral(t), lambda t: -torch.expm1(-integral(t)), "sub_vp"
    )


def ve(sigma_min=0.01, sigma_max=50.0):
    """Variance exploding (NCSN): the image plus noise that grows geometrically,

        α_t = 1,   σ_t = sigma_min √(r^{2t} − 1),  r = sigma_max / sigma_min   (every pixel alike).

    0 < `sigma_min` < `sigma_max`, else ValueError. σ_0 = 0, as the SDE has it. There is no steady state, only U_t/σ_t tends to N(0, I),
    and KL(p_t ‖ N(0, I)) is not monotone; the other axioms hold, and p_t is a homogeneous diffusion of p_0. Source: Song and Ermon
    2019; Song et al. 2021.
    """
    sigma_min = _arrays.number(sigma_min, "sigma_min", above=0)
    sigma_max = _arrays.number(sigma_max, "sigma_max", above=sigma_min)
    growth = 2 * math.log(sigma_max / sigma_min)
    return Process(
        Pixels(), torch.zeros_like, lambda t: sigma_min * torch.sqrt(torch.expm1(growth * t)), "ve"
    )


def heat(shape, blur_max=None, sigma=0.01, laplacian="discrete"):
    """Inverse heat dissipation: blur with a little noise, in cosine modes,

        α_t(k) = exp(−λ_k τ_t),  τ_t = ½ (blur_max sin²(πt/2))²,   σ_t = sigma for t > 0, σ_0 = 0.

    `shape`: (H, W). `blur_max` > 0: the standard deviation of the largest blur in pixels, None for half the
    shorter side. `sigma` ≥ 0: 0 gives the Gaussian scale-space on another clock. `laplacian` as in `Cosines`.
    The mean grey value is kept and never forgotten: one steady law per mean, reached only where blur_max is well above the sides (by
    default 29 % of the lowest mode are left). KL(p_t ‖ N(0, I)) is not monotone, conditional entropy is constant for t > 0; the other
    axioms hold, with the symmetries of the grid only. Raises TypeError, ValueError. Source: Rissanen, Heinonen and Solin 2023.

    >>> five_images, five_times = torch.zeros(5, 28, 28), torch.linspace(0.1, 0.9, 5)
    >>> heat((28, 28)).sample(five_images, five_times).shape
    torch.Size([5, 28, 28])
    """
    basis = Cosines(shape, laplacian)
    rates, tau, sigma = (
        basis.eigenvalues,
        _blur_time(basis, blur_max),
        _arrays.number(sigma, "sigma", least=0),
    )
    return Process(
        basis,
        lambda t: -rates * tau(t),
        lambda t: sigma * (t > 0).to(torch.float64),
        "heat",
        signal=lambda t: _decay(rates, tau(t)),
    )


def blurring(shape, blur_max=None, min_gain=0.001, laplacian="discrete"):
    """Blurring diffusion: `vp_cosine` on top of a blur that spares a share `min_gain` of every mode,

        α_t(k) = cos(πt/2) ((1 − d) exp(−λ_k τ_t) + d),  d = min_gain,   σ_t = sin(πt/2),

    with τ_t and the other parameters as in `heat`, 0 ≤ `min_gain` < 1. Ends exactly at N(0, I); its SDE is singular
    there. KL(p_t ‖ N(0, I)) and the entropy of U_t are not monotone; the other axioms hold, with the symmetries of the
    grid only. Raises TypeError, ValueError. Source: Hoogeboom and Salimans 2023.
    """
    basis = Cosines(shape, laplacian)
    rates, tau, least = (
        basis.eigenvalues,
        _blur_time(basis, blur_max),
        _arrays.number(min_gain, "min_gain", least=0),
    )
    if least >= 1:
        raise ValueError(f"min_gain is {least:g}; needed: a number below 1")

    def spared(t):
        return (
            _decay(rates, tau(t)).mul_(1 - least).add_(least)
        )  # 1 at t = 0, since d + (1 − d) rounds to 1

    def fade(t):
        return torch.sin(0.5 * math.pi * (1 - t))  # cos(πt/2), 0 at t = 1

    def log_signal(t):
        blur = spared(t).log_() if least else -rates * tau(t)
        return blur.add_(torch.log(fade(t)))

    return Process(
        basis,
        log_signal,
        lambda t: torch.sin(0.5 * math.pi * t),
        "blurring",
        signal=lambda t: spared(t).mul_(fade(t)),
    )


def gaussian_scale_space(shape, t_max, laplacian="discrete"):
    """The Gaussian scale-space as a process without noise: α_t(k) = exp(−λ_k t t_max), σ_t = 0.

    `shape`: (H, W). `t_max` > 0: the diffusion time at t = 1, in squared pixels. `laplacian` as in `Cosines`. All scale-space axioms of
    images hold with the discrete one; nothing random happens, so entropies are −∞ and there is no score.
    Raises TypeError, ValueError. Source: Iijima 1962; Witkin 1983; Koenderink 1984; Lindeberg 1990.
    """
    basis = Cosines(shape, laplacian)
    eigenvalues, t_max = basis.eigenvalues, _arrays.number(t_max, "t_max", above=0)
    return Process(
        basis,
        lambda t: -eigenvalues * t * t_max,
        torch.zeros_like,
        "gaussian_scale_space",
        signal=lambda t: _decay(eigenvalues, t * t_max),
    )


def osmotic(guidance, t_max, sigma=0.01):
    """Osmotic diffusion: drifts towards a guidance image v > 0 instead of a flat one; in the basis `Osmotic(v)`,

        α_t(k) = exp(−Λ_k t t_max),   σ_t = sigma for t > 0, σ_0 = 0.

    `guidance`: one image (H, W), scaled to mean 1. `t_max` > 0: the osmosis time at t = 1. `sigma` ≥ 0. The mean path is
    osmosis, and keeps the mean of the image; the noise of a pixel has the variance sigma² v, proportional to the brightness as that of
    photons is. A flat v gives heat on another clock. Axioms as for `heat`, but flips and rotations are symmetries only where v has
    them. Raises TypeError, ValueError. Source: this book, from Weickert et al. 2013 and Peter 2024.
    """
    basis = Osmotic(guidance)
    rates, t_max = basis.eigenvalues, _arrays.number(t_max, "t_max", above=0)
    sigma = _arrays.number(sigma, "sigma", least=0)
    return Process(
        basis, lambda t: -rates * t * t_max, lambda t: sigma * (t > 0).to(torch.float64), "osmotic"
    )


def _beta_integral(beta_min, beta_max):
    """t ↦ ∫₀ᵗ β for the linear rate β(t) = β_min + t (β_max − β_min)."""
    beta_min, beta_max = (
        _arrays.number(beta_min, "beta_min", least=0),
        _arrays.number(beta_max, "beta_max", above=0),
    )
    return lambda t: beta_min * t + 0.5 * (beta_max - beta_min) * t**2


def _decay(rates, tau):
    """exp(−λ_k τ) in one array: λ_k is a sum over both axes, so it is a product of two vectors."""
    return torch.exp(-rates[:, :1] * tau) * torch.exp(-rates[:1] * tau)


def _blur_time(basis, blur_max):
    """t ↦ τ_t = ½ (blur_max sin²(πt/2))²; None: half the shorter side."""
    blur_max = _arrays.number(
        min(basis.shape) / 2 if blur_max is None else blur_max, "blur_max", above=0
    )
    return lambda t: 0.5 * (blur_max * torch.sin(0.5 * math.pi * t) ** 2) ** 2
