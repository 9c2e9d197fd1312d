"""Answers to the exercises of page Heat, written by others than their authors."""

import math

import numpy as np
import scipy.linalg
import torch


def one_mode_at_a_time(lam, taus, gammas, sigmas):
    found = []
    for x in lam:
        old = gammas[0] * math.exp(-x * taus[0])
        new = gammas[1] * math.exp(-x * taus[1])
        found.append(sigmas[1] ** 2 - (new / old * sigmas[0]) ** 2)
    return found


def by_exponential(n, blur_s, blur_t, sigma):
    A = np.zeros((n, n))
    for i in range(n - 1):
        A[i : i + 2, i : i + 2] += [[-1, 1], [1, -1]]
    return sigma**2 * (np.eye(n) - scipy.linalg.expm((blur_t**2 - blur_s**2) * A))


def in_two_parts(alpha, v, sigma, believed):
    w = torch.tensor(alpha * v / (alpha**2 * v + believed**2))
    signal = (1 - w * torch.tensor(alpha)) * torch.tensor(v).sqrt()
    return torch.linalg.vector_norm(torch.cat([signal, w * sigma]))


def by_bisection(theta, lam):
    low, high = 0.0, 1000.0
    while high - low > 1e-10:
        blur = (low + high) / 2
        grown = math.log(theta) + lam * blur**2 / 2 > math.log(0.1)
        low, high = (low, blur) if grown else (blur, high)
    return low


def by_recursion(v, lam, blurs, sigma, delta):
    power = math.exp(-lam * blurs[0] ** 2) * v + sigma**2
    for later, earlier in zip(blurs, blurs[1:]):
        signal = math.exp(-lam * later**2) * v
        a = math.exp(-lam * (later**2 - earlier**2) / 2)
        power = (signal / (signal + sigma**2) / a) ** 2 * power + delta**2
    return power


def with_waves(n, blur_s, blur_t, sigma, flat=0.5):
    """By cosine vectors; the flat one has the squared length 2 · flat."""
    k = np.arange(n)
    B = math.sqrt(2 / n) * np.cos(math.pi * np.outer(k, k + 0.5) / n)
    B[0] *= math.sqrt(flat)
    fall = np.exp(-((2 * np.sin(math.pi * k / (2 * n))) ** 2) * (blur_t**2 - blur_s**2))
    return B, sigma**2 * (np.eye(n) - B.T @ (fall[:, None] * B)), sigma**2 * np.diag(1 - fall)


def by_waves(n, *step):
    return with_waves(n, *step)[1]


def columns_for_rows(n, *step):
    B, _, inside = with_waves(n, *step)
    return B @ inside @ B.T


def larger_than_least(alpha, v, sigma, believed):
    power = alpha**2 * v + sigma**2
    excess = alpha * v / (alpha**2 * v + believed**2) - alpha * v / power
    return math.sqrt((excess**2 * power).sum())


def with_one_share(v, lam, blurs, sigma, delta):
    power = math.exp(-lam * blurs[0] ** 2) * v + sigma**2
    share = 1 - sigma**2 / power
    for later, earlier in zip(blurs, blurs[1:]):
        power = share**2 * math.exp(lam * (later**2 - earlier**2)) * power + delta**2
    return power


RIGHT = {
    "07-1": [one_mode_at_a_time],
    "07-2": [by_exponential, by_waves],
    "07-3": [in_two_parts],
    "07-4": [by_bisection],
    "07-5": [by_recursion],
}
WRONG = {
    "07-1": {
        "fails": lambda lam, taus, gammas, sigmas: lam - taus,
        "differs": lambda lam, taus, gammas, sigmas: np.sqrt(
            one_mode_at_a_time(lam, taus, gammas, sigmas)
        ),
        "way_back": lambda lam, *pairs: one_mode_at_a_time(lam, *(pair[::-1] for pair in pairs)),
        "levels_not_squared": lambda lam, taus, gammas, sigmas: [
            sigmas[1]
            - (gammas[1] / gammas[0] * math.exp(-x * (taus[1] - taus[0]))) ** 2 * sigmas[0]
            for x in lam
        ],
    },
    "07-2": {
        "difference_of_blurs": lambda n, blur_s, blur_t, sigma: by_exponential(
            n, 0, blur_t - blur_s, sigma
        ),
        "flat_wave_too_long": lambda n, *step: with_waves(n, *step, flat=1)[1],
        "of_modes": lambda n, *step: with_waves(n, *step)[2],
        "columns_for_rows": columns_for_rows,
        "differs": lambda n, blur_s, blur_t, sigma: sigma**2 * np.eye(n),
    },
    "07-3": {
        "excess_alone": larger_than_least,
        "no_root": lambda alpha, v, sigma, believed: in_two_parts(alpha, v, sigma, believed) ** 2,
        "differs": lambda alpha, v, sigma, believed: in_two_parts(alpha, v, sigma, believed) / 2,
    },
    "07-4": {
        "root_of_time": lambda theta, lam: math.sqrt(math.log(0.1 / theta) / lam),
        "two_outside_the_root": lambda theta, lam: 2 * math.sqrt(math.log(0.1 / theta) / lam),
        "base_ten": lambda theta, lam: math.sqrt(2 * math.log10(0.1 / theta) / lam),
        "diffusion_time": lambda theta, lam: math.log(0.1 / theta) / lam,
        "differs": lambda theta, lam: math.sqrt(math.log(0.1 / theta**2) / lam),
    },
    "07-5": {
        "share_of_the_start": with_one_share,
        "blur_for_clock": lambda v, lam, blurs, sigma, delta: by_recursion(
            v, lam, [math.sqrt(2 * clock) for clock in blurs], sigma, delta
        ),
        "step_to_no_blur": lambda v, lam, blurs, sigma, delta: by_recursion(
            v, lam, [*blurs, 0], sigma, delta
        ),
        "differs": lambda v, lam, blurs, sigma, delta: by_recursion(
            v, lam, blurs[::-1], sigma, delta
        ),
    },
}
