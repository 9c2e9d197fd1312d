"""What a witness of the certificate computes anew when it is replayed: functionals of laws.

They are functions of this module so that a witness can be pickled where its process can. Numbers
per mode enter by their logarithms: data may be as small or as large as it takes to see a failure.
"""

import math

import torch

from ._conditions import block, compositions, excess
from ._geometry import matrix
from .measures import conditional_entropy


def rise(functional, s, t):
    """By how much a functional of the time rises from s to t."""
    return functional(t) - functional(s)


def exponential(x):
    """eˣ, ∞ where it is too large for a float."""
    return math.exp(x) if x < 709 else math.inf


def coefficients(process, shape, t):
    """log α and log σ at one time, (H, W) each."""
    now = block(process, shape, torch.tensor([t], dtype=torch.float64))
    return now.log_gain[0].expand(shape), now.log_noise[0].expand(shape)


def distance_at_start(process, shape):
    """max(|α_0 − 1|, σ_0) over all modes."""
    log_gain, log_noise = coefficients(process, shape, 0.0)
    return max(torch.expm1(log_gain).abs().max(), torch.exp(log_noise).max()).item()


def gain_in_mode(process, shape, mode, t):
    """α_t of one mode."""
    return torch.exp(coefficients(process, shape, t)[0][mode]).item()


def entropy(process, shape, t):
    """H(U_t | U_0) in nats."""
    return conditional_entropy(process, t, shape).item()


def step_gap(process, r, s, t):
    """How far the steps r → s → t are from the one r → t."""
    ((_, gap, _),) = compositions(process, torch.tensor([[r], [s], [t]], dtype=torch.float64))
    return gap


def log_snr(process, shape, mode, t):
    """log SNR of one mode."""
    return process.log_snr(t).expand(shape)[mode].item()


def middle(first, second):
    """log v of data N(0, v) that are as strong as the noise half-way between two log SNRs."""
    return -first if second == math.inf else -0.5 * (first + second)


def information(process, shape, mode, log_variance, t):
    """I(U_0; U_t) = ½ log(1 + v SNR) in nats, for data N(0, v) in one mode."""
    x = log_variance + log_snr(process, shape, mode, t)
    return 0.5 * (max(x, 0.0) + math.log1p(math.exp(-abs(x))))


def divergence(process, shape, mode, log_variance, t):
    """KL(p_t ‖ q_t) = ½ v SNR/(1 + v SNR), for N(√v, v) and N(0, v) in one mode."""
    x = log_variance + log_snr(process, shape, mode, t)
    y = math.exp(-abs(x))
    return 0.5 * (1.0 if x > 0 else y) / (1 + y)


def kl_of_normal(process, shape, t):
    """KL(p_t ‖ N(0, I)) for p_0 = N(0, I)."""
    log_gain, log_noise = coefficients(process, shape, t)
    if process.basis.orthonormal:
        return 0.5 * excess(torch.logaddexp(2 * log_gain, 2 * log_noise)).sum().item()
    return kl_of_modes(
        matrix(process.basis.analyse, shape),
        matrix(process.basis.synthesise, shape),
        *(x.flatten() for x in (log_gain, log_noise)),
    )


def kl_of_modes(B, inverse, log_gain, log_noise):
    """The same by matrices: the modes have the covariance M = B Bᵀ at first, A = α M α + σ² now."""
    before = torch.log(torch.linalg.vector_norm(B, dim=1))  # log √M_kk
    after = 0.5 * torch.logaddexp(2 * (log_gain + before), 2 * log_noise)  # log √A_kk
    if (after - before).abs().max() < 1e-3:  # else A is far from M, and to compare them is dear
        change = torch.expm1(log_gain[:, None] + log_gain) * (B @ B.T)
        change = inverse @ (change + torch.exp(2 * log_noise).diag()) @ inverse.T
        if change.norm() < 1e-3:  # B⁻¹ (A − M) B⁻ᵀ
            return 0.5 * excess(torch.log1p(torch.linalg.eigvalsh(change))).sum().item()
    if after.min() == -math.inf:
        return math.inf  # a mode in which nothing is left, not even noise
    # M and A are R Rᵀ with R = B and R = (α B, σ), which have the digits of their determinants
    rows = torch.exp(log_gain - after)[:, None] * B
    rows = torch.cat([rows, torch.exp(log_noise - after).diag()], 1)
    now = log_volume(rows) + after.sum()
    first = log_volume(torch.exp(-before)[:, None] * B) + before.sum()
    top = torch.maximum(log_gain.max(), log_noise.max())
    squares = (inverse @ (torch.exp(log_gain - top)[:, None] * B)).square().sum()
    squares = squares + (inverse * torch.exp(log_noise - top)).square().sum()
    trace = exponential((2 * top + torch.log(squares)).item())  # of M⁻¹ A
    return max(0.0, 0.5 * (trace - len(B)) - (now - first).item())


def log_volume(rows):
    """½ log det(R Rᵀ)."""
    return torch.log(torch.linalg.qr(rows.T, mode="r").R.diagonal().abs()).sum()


def kl_of_one_value(process, shape, mode, log_norm, log_square, t):
    """KL(p_t ‖ N(0, I)) for data N(0, I) of which one uncoupled mode is known to be √M_kk m.

    ½ (α² m² + σ²/M_kk − 1 − log(σ²/M_kk)) where N(0, I) stays. `log_norm`: log M_kk. `log_square`:
    log m².
    """
    log_gain, log_noise = (x[mode].item() for x in coefficients(process, shape, t))
    log_noise = 2 * log_noise - log_norm
    return 0.5 * (exponential(2 * log_gain + log_square) + exponential(log_noise) - 1 - log_noise)
