"""Families: the schedules α_t, σ_t of the literature, each a `Process` on t in [0, 1]."""

import copy
import functools
import math

import torch

from . import _arrays
from ._arrays import Array
from .bases import Cosines, Osmotic, Pixels
from .processes import Process


def _family(function):
    """Decorator: what the `function` makes needs no check, and can be pickled.

    Its coefficients are torch functions, compared with finite differences by the tests. They are
    local ones, which cannot be pickled; so a process remembers how it was made.
    """

    @functools.wraps(function)
    @torch.inference_mode(False)  # what is kept may be needed for gradients later
    def make(*arguments, **options):
        kept, named = _copies(arguments), dict(zip(options, _copies(options.values())))
        again = functools.partial(make, **named), kept
        return function(*arguments, **options)._from_family(again)

    return make


def _copies(values):
    return tuple(
        x.detach().clone() if isinstance(x, torch.Tensor) else copy.copy(x) for x in values
    )


@_family
def vp(beta_min: float = 0.1, beta_max: float = 20.0) -> Process:
    """Variance preserving (DDPM), linear rate β(t) = β_min + t (β_max − β_min):

        α_t = exp(−½ ∫₀ᵗ β),   σ_t² = 1 − α_t²   (every pixel alike).

    0 ≤ `beta_min`, 0 < `beta_max`, else ValueError. Ends near N(0, I): α_1² = 4.3·10⁻⁵ by default.
    All forward axioms hold, every pixel permutation is a symmetry. Source: Ho et al. 2020; Song et
    al. 2021.

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


@_family
def vp_cosine() -> Process:
    """Variance preserving with α_t = cos(πt/2), σ_t = sin(πt/2) (every pixel alike).

    Ends exactly at N(0, I); its SDE is singular there. Axioms as for `vp`. Source: Nichol and
    Dhariwal 2021, without their offset.
    """
    return Process(Pixels(), lambda t: torch.log(_cosine(t)), _sine, "vp_cosine", signal=_cosine)


@_family
def vp_discrete(
    betas: list | Array | None = None, *, alphas_cumprod: list | Array | None = None
) -> Process:
    """Variance preserving with given steps β_1, ..., β_m at the times i/m:

        α_{i/m}² = ∏_{j≤i} (1 − β_j),   σ_t² = 1 − α_t²   (every pixel alike);

    in between log α_t is linear in t. `betas`: m numbers with 0 < β < 1, the last may be 1; or
    `alphas_cumprod`, the products α_{i/m}² themselves: falling numbers below 1, the last may be 0
    (zero terminal SNR: from the last but one time on α_t is linear, and N(0, I) is reached).
    Exactly one of them; ValueError also for β that fall from above 0.9, as products do. The axioms
    hold as for `vp`; how near the end is to N(0, I) depends on β. Source: Ho, Jain and Abbeel 2020;
    zero terminal SNR: Lin et al. 2024.

    >>> vp_discrete([0.1, 0.2]).signal(1.0) ** 2   # 0.9 · 0.8
    tensor([[0.7200]], dtype=torch.float64)
    """
    if (betas is None) == (alphas_cumprod is None):
        raise ValueError("betas and alphas_cumprod: exactly one of them is needed")
    if betas is not None:
        steps = _schedule(betas, "betas")
        if not ((steps > 0).all() and (steps[:-1] < 1).all() and steps[-1] <= 1):
            needed = "numbers β in (0, 1), the last at most 1"
            raise ValueError(f"betas is {_arrays.shown(steps)}; needed: {needed}")
        if len(steps) > 1 and steps[0] > 0.9 and (steps.diff() <= 0).all():
            needed = "steps β; products of 1 − β go to alphas_cumprod"
            raise ValueError(f"betas is {_arrays.shown(steps)}; needed: {needed}")
        log_signal_at = 0.5 * torch.log1p(-steps).cumsum(0)
    else:
        product = _schedule(alphas_cumprod, "alphas_cumprod")
        if not (product[0] < 1 and (product.diff() < 0).all() and product[-1] >= 0):
            needed = "falling numbers from below 1 to at least 0"
            raise ValueError(f"alphas_cumprod is {_arrays.shown(product)}; needed: {needed}")
        log_signal_at = 0.5 * torch.log(product)
    m, ends = len(log_signal_at), log_signal_at[-1] == -math.inf
    log_signal_at = torch.cat([log_signal_at.new_zeros(1), log_signal_at])  # 0, ..., m
    fall = log_signal_at.diff()

    def log_signal(t):
        place = t * m
        step = place.detach().long().clamp_(max=m - 1)
        passed = place - step
        if not ends:
            return log_signal_at[step] + passed * fall[step]
        last = step == m - 1
        within = torch.where(last, 0.0, passed) * torch.where(last, 0.0, fall[step])
        beyond = torch.log1p(-torch.where(last, passed, 0.0))  # α falls linearly to 0
        return log_signal_at[step] + within + beyond

    return Process(
        Pixels(), log_signal, lambda t: torch.sqrt(-torch.expm1(2 * log_signal(t))), "vp_discrete"
    )


@_family
def sub_vp(beta_min: float = 0.1, beta_max: float = 20.0) -> Process:
    """Sub-VP: the signal of `vp` with less noise, α_t = exp(−½ ∫₀ᵗ β), σ_t = 1 − α_t².

    Every pixel alike; `beta_min` and `beta_max` as in `vp`. Ends near N(0, I); on the way the total
    variance is below that of VP, so neither KL(p_t ‖ N(0, I)) nor the entropy of U_t is monotone.
    The other axioms hold. Source: Song et al. 2021.
    """
    integral = _beta_integral(beta_min, beta_max)
    return Process(
        Pixels(), lambda t: -0.5 * integral(t), lambda t: -torch.expm1(-integral(t)), "sub_vp"
    )


@_family
def ve(sigma_min: float = 0.01, sigma_max: float = 50.0) -> Process:
    """Variance exploding (NCSN): the image plus noise that grows geometrically,

        α_t = 1,   σ_t = sigma_min √(r^{2t} − 1),  r = sigma_max / sigma_min   (every pixel alike).

    0 < `sigma_min` < `sigma_max`, else ValueError. σ_0 = 0, as the SDE has it. There is no steady
    state, only U_t/σ_t tends to N(0, I), and KL(p_t ‖ N(0, I)) is not monotone; the other axioms
    hold, and p_t is a homogeneous diffusion of p_0. Source: Song and Ermon 2019; Song et al. 2021.
    """
    sigma_min = _arrays.number(sigma_min, "sigma_min", above=0)
    sigma_max = _arrays.number(sigma_max, "sigma_max", above=sigma_min)
    growth = 2 * math.log(sigma_max / sigma_min)
    return Process(
        Pixels(), torch.zeros_like, lambda t: sigma_min * torch.sqrt(torch.expm1(growth * t)), "ve"
    )


@_family
def flow_matching() -> Process:
    """The straight path of flow matching and rectified flow: α_t = 1 − t, σ_t = t.

    Every pixel alike. Ends exactly at N(0, I), where its SDE is singular; its probability flow is
    dU/dt = (U − E[U_0 | U_t])/t, the velocity that such networks learn (`Process.flow`,
    `reverse.as_denoiser`). On the way the variance is below that of `vp`: KL(p_t ‖ N(0, I)) and the
    entropy of U_t are not monotone; the other axioms hold. Source: Lipman et al. 2023; Liu, Gong
    and Liu 2023.

    >>> flow_matching().flow(0.5)   # dU/dt = 2 U − 2 E[U_0 | U_t]
    (tensor([[2.]], dtype=torch.float64), tensor([[-2.]], dtype=torch.float64))
    """
    return Process(
        Pixels(), lambda t: torch.log1p(-t), torch.clone, "flow_matching", signal=lambda t: 1 - t
    )


@_family
def heat(
    shape: tuple[int, int],
    blur_max: float | None = None,
    sigma: float = 0.01,
    laplacian: str = "discrete",
) -> Process:
    """Inverse heat dissipation: blur with a little noise, in cosine modes,

        α_t(k) = exp(−λ_k τ_t),  τ_t = ½ (blur_max sin²(πt/2))²,   σ_t = sigma for t > 0, σ_0 = 0.

    `shape`: (H, W). `blur_max` > 0: the standard deviation of the largest blur in pixels, None for
    half the shorter side. `sigma` ≥ 0: 0 gives the Gaussian scale-space on another clock.
    `laplacian` as in `Cosines`. The mean grey value is kept and never forgotten: one steady law per
    mean, reached only where blur_max is well above the sides (by default 29 % of the lowest mode
    are left). KL(p_t ‖ N(0, I)) is not monotone, conditional entropy is constant for t > 0; the
    other axioms hold, with the symmetries of the grid only. Raises TypeError, ValueError. Source:
    Rissanen, Heinonen and Solin 2023.

    >>> five_images, five_times = torch.zeros(5, 28, 28), torch.linspace(0.1, 0.9, 5)
    >>> heat((28, 28)).sample(five_images, five_times).shape
    torch.Size([5, 28, 28])
    """
    basis = Cosines(shape, laplacian)
    rates, tau = basis.eigenvalues, _blur_time(basis, blur_max)
    sigma = _arrays.number(sigma, "sigma", least=0)
    return Process(
        basis,
        lambda t: -rates * tau(t),
        lambda t: sigma * (t > 0).to(torch.float64),
        "heat",
        signal=lambda t: _decay(rates, tau(t)),
    )


@_family
def blurring(
    shape: tuple[int, int],
    blur_max: float | None = None,
    min_gain: float = 0.001,
    laplacian: str = "discrete",
) -> Process:
    """Blurring diffusion: `vp_cosine` on top of a blur that spares a share `min_gain` of each mode,

        α_t(k) = cos(πt/2) ((1 − d) exp(−λ_k τ_t) + d),  d = min_gain,   σ_t = sin(πt/2),

    with τ_t, `shape`, `blur_max` and `laplacian` as in `heat`, 0 ≤ `min_gain` < 1. Ends exactly at
    N(0, I); its SDE is singular there. KL(p_t ‖ N(0, I)) and the entropy of U_t are not monotone;
    the other axioms hold, with the symmetries of the grid only. Raises TypeError, ValueError.
    Source: Hoogeboom and Salimans 2023.
    """
    basis = Cosines(shape, laplacian)
    rates, tau = basis.eigenvalues, _blur_time(basis, blur_max)
    least = _arrays.number(min_gain, "min_gain", least=0)
    if least >= 1:
        raise ValueError(f"min_gain is {least:g}; needed: a number below 1")

    def spared(t):  # 1 at t = 0, since d + (1 − d) rounds to 1
        return _decay(rates, tau(t)).mul_(1 - least).add_(least)

    def log_signal(t):
        blur = spared(t).log_() if least else -rates * tau(t)
        return blur.add_(torch.log(_cosine(t)))

    return Process(
        basis, log_signal, _sine, "blurring", signal=lambda t: spared(t).mul_(_cosine(t))
    )


@_family
def gaussian_scale_space(
    shape: tuple[int, int], t_max: float, laplacian: str = "discrete"
) -> Process:
    """The Gaussian scale-space as a process without noise: α_t(k) = exp(−λ_k t t_max), σ_t = 0.

    `shape`: (H, W). `t_max` > 0: the diffusion time at t = 1, in squared pixels. `laplacian` as in
    `Cosines`. All scale-space axioms of images hold with the discrete one; nothing random happens,
    so entropies are −∞ and there is no score. Raises TypeError, ValueError. Source: Iijima 1962;
    Witkin 1983; Koenderink 1984; Lindeberg 1990.
    """
    basis = Cosines(shape, laplacian)
    rates, t_max = basis.eigenvalues, _arrays.number(t_max, "t_max", above=0)
    return Process(
        basis,
        lambda t: -rates * t * t_max,
        torch.zeros_like,
        "gaussian_scale_space",
        signal=lambda t: _decay(rates, t * t_max),
    )


@_family
def osmotic(guidance: Array, t_max: float, sigma: float = 0.01, rise: float = 0.0) -> Process:
    """Osmotic diffusion: drifts towards a guidance image v > 0; in the basis `Osmotic(v)`,

        α_t(k) = exp(−Λ_k t t_max),   σ_t = sigma t^rise for t > 0, σ_0 = 0.

    `guidance`: one image (H, W), scaled to mean 1. `t_max` > 0: the osmosis time at t = 1.
    `sigma` ≥ 0: the noise level there; `rise` ≥ 0: 0 is constant noise as that of heat, at ¼ the
    noise grows as the root of the width to which osmosis blurs. The mean path is osmosis, and keeps
    the mean of the image; the noise of a pixel has the variance σ_t² v, proportional to the
    brightness as that of photons is. A flat v gives heat on another clock. Axioms as for `heat`
    (with `rise` > 0 the conditional entropy increases strictly), but flips and rotations are
    symmetries only where v has them. Raises TypeError, ValueError. Source: this book, from Weickert
    et al. 2013, Peter 2024.
    """
    basis = Osmotic(guidance)
    rates, t_max = basis.eigenvalues, _arrays.number(t_max, "t_max", above=0)
    sigma, rise = _arrays.number(sigma, "sigma", least=0), _arrays.number(rise, "rise", least=0)

    def noise(t):
        # 1 in place of t = 0: the derivative of t^rise is infinite there
        later = torch.where(t > 0, t, 1.0)
        return torch.where(t > 0, sigma * later**rise, 0.0)

    return Process(basis, lambda t: -rates * t * t_max, noise, "osmotic")


def _beta_integral(beta_min, beta_max):
    """t ↦ ∫₀ᵗ β for the linear rate β(t) = β_min + t (β_max − β_min)."""
    beta_min = _arrays.number(beta_min, "beta_min", least=0)
    beta_max = _arrays.number(beta_max, "beta_max", above=0)
    return lambda t: beta_min * t + 0.5 * (beta_max - beta_min) * t**2


def _cosine(t):
    """cos(πt/2), as a sine: exactly 0 at t = 1."""
    return torch.sin(0.5 * math.pi * (1 - t))


def _sine(t):
    return torch.sin(0.5 * math.pi * t)


def _schedule(values, name):
    """Finite numbers (m,), m ≥ 1."""
    values = _arrays.numbers(values, name)
    if values.ndim != 1 or values.numel() == 0 or not torch.isfinite(values).all():
        found = f"shape {tuple(values.shape)} and values {_arrays.shown(values)}"
        raise ValueError(f"{name} has {found}; needed: a list of numbers")
    return values.detach().cpu()


def _decay(rates, tau):
    """exp(−λ_k τ) in one array: λ_k is a sum over both axes, so it is a product of two vectors."""
    return torch.exp(-rates[:, :1] * tau) * torch.exp(-rates[:1] * tau)


def _blur_time(basis, blur_max):
    """t ↦ τ_t = ½ (blur_max sin²(πt/2))²; None: half the shorter side."""
    blur_max = min(basis.shape) / 2 if blur_max is None else blur_max
    blur_max = _arrays.number(blur_max, "blur_max", above=0)
    return lambda t: 0.5 * (blur_max * _sine(t) ** 2) ** 2
