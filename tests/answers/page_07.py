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


def sum_of_both_noises(n, blur_s, blur_t, sigma):
    return 2 * sigma**2 * np.eye(n) - by_exponential(n, blur_s, blur_t, sigma)


RIGHT = {
    "07-1": [one_mode_at_a_time],
    "07-2": [by_exponential],
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
    },
    "07-2": {
        "white": lambda n, blur_s, blur_t, sigma: sigma**2 * np.eye(n),
        "differs": sum_of_both_noises,
    },
    "07-3": {
        "differs": lambda alpha, v, sigma, believed: in_two_parts(alpha, v, sigma, believed) / 2,
        "no_root": lambda alpha, v, sigma, believed: in_two_parts(alpha, v, sigma, believed) ** 2,
    },
    "07-4": {
        "root_of_time": lambda theta, lam: math.sqrt(math.log(0.1 / theta) / lam),
        "base_ten": lambda theta, lam: math.sqrt(2 * math.log10(0.1 / theta) / lam),
        "diffusion_time": lambda theta, lam: math.log(0.1 / theta) / lam,
    },
    "07-5": {
        "sigma_for_delta": lambda v, lam, blurs, sigma, delta: by_recursion(
            v, lam, blurs, sigma, sigma
        ),
        "differs": lambda v, lam, blurs, sigma, delta: by_recursion(
            v, lam, blurs[::-1], sigma, delta
        ),
    },
}
