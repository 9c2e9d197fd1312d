"""Families: the schedules α_t, σ_t of the literature, each a `Process` on t in [0, 1]."""
import math

import torch

from . import _arrays
from .bases import Cosines, Pixels
from .processes import Process


def vp(beta_min=0.1, beta_max=20.0):
    """Variance preserving (DDPM), linear rate β(t) = β_min + t (β_max − β_min):

        α_t = exp(−½ ∫₀ᵗ β),   σ_t² = 1 − α_t²   (every pixel alike).

    0 ≤ `beta_min`, 0 < `beta_max`, else ValueError. Ends near N(0, I): α_1² = 4.3·10⁻⁵ by default. All forward
    axioms hold, every pixel permutation is a symmetry. Source: Ho et al. 2020; Song et al. 2021.
    """
    beta_min = _arrays.number(beta_min, "beta_min", least=0)
    beta_max = _arrays.number(beta_max, "beta_max", above=0)

    def integral(t):
        return beta_min * t + 0.5 * (beta_max - beta_min) * t ** 2

    # 1 − exp(−x) loses all digits at small t, −expm1(−x) none
    return Process(Pixels(), lambda t: -0.5 * integral(t), lambda t: torch.sqrt(-torch.expm1(-integral(t))), "vp")


def vp_cosine():
    """Variance preserving with α_t = cos(πt/2), σ_t = sin(πt/2) (every pixel alike).

    Ends exactly at N(0, I); its SDE is singular there. Axioms as for `vp`. Source: Nichol and Dhariwal 2021,
    without their offset.
    """
    # cos(πt/2) written as a sine is exactly 0 at t = 1
    return Process(Pixels(), lambda t: torch.log(torch.sin(0.5 * math.pi * (1 - t))),
                   lambda t: torch.sin(0.5 * math.pi * t), "vp_cosine")


def heat(shape, blur_max=None, sigma=0.01, laplacian="discrete"):
    """Inverse heat dissipation: blur with a little noise, in cosine modes,

        α_t(k) = exp(−λ_k τ_t),  τ_t = ½ (blur_max sin²(πt/2))²,   σ_t = sigma for t > 0, σ_0 = 0.

    `shape`: (H, W). `blur_max` > 0: the standard deviation of the largest blur in pixels, None for half the
    shorter side. `sigma` ≥ 0: 0 gives the Gaussian scale-space on another clock. `laplacian` as in `Cosines`.
    The mean grey value is kept and never forgotten, so the steady state is one law per mean; conditional entropy
    is constant for t > 0. Raises TypeError, ValueError. Source: Rissanen, Heinonen and Solin 2023.
    """
    basis = Cosines(shape, laplacian)
    eigenvalues = basis.eigenvalues
    blur_max = _arrays.number(min(basis.shape) / 2 if blur_max is None else blur_max, "blur_max", above=0)
    sigma = _arrays.number(sigma, "sigma", least=0)

    def log_signal(t):
        return -eigenvalues * 0.5 * (blur_max * torch.sin(0.5 * math.pi * t) ** 2) ** 2

    return Process(basis, log_signal, lambda t: sigma * (t > 0).to(torch.float64), "heat")


def gaussian_scale_space(shape, t_max, laplacian="discrete"):
    """The Gaussian scale-space as a process without noise: α_t(k) = exp(−λ_k t t_max), σ_t = 0.

    `shape`: (H, W). `t_max` > 0: the diffusion time at t = 1, in squared pixels. All scale-space axioms of
    images hold with the discrete Laplacian; nothing random happens, so entropies are −∞ and there is no score.
    Raises TypeError, ValueError. Source: Iijima 1962; Witkin 1983; Koenderink 1984; Lindeberg 1990.
    """
    basis = Cosines(shape, laplacian)
    eigenvalues, t_max = basis.eigenvalues, _arrays.number(t_max, "t_max", above=0)
    return Process(basis, lambda t: -eigenvalues * t * t_max, torch.zeros_like, "gaussian_scale_space")
