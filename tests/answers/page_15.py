"""Answers to the exercises of page Generalised, written by others than their authors."""

import math

import numpy as np
import torch


def by_chain(alpha, sigma):
    variance = most = 0.0
    for a, b, s, t in zip(alpha, alpha[1:], sigma, sigma[1:]):
        variance = (b / a) ** 2 * variance + max(t**2 - (b / a * s) ** 2, 0)
        most = max(most, (t / b) ** 2)
    return variance / (most * alpha[-1] ** 2)


def with_levels(alpha, sigma):
    return by_chain(alpha, np.sqrt(sigma))


def by_modes(D, B, alpha, sigma, u):
    B, modes = torch.from_numpy(B), torch.from_numpy(B @ u)
    modes = modes * torch.from_numpy(np.hypot(alpha, sigma))
    return D(torch.linalg.solve(B, modes).numpy())


def by_sigmoid(L, power):
    ell = torch.tensor(L) - torch.log(torch.from_numpy(power))
    return torch.sigmoid(ell).sqrt(), torch.sigmoid(-ell).sqrt()


def by_bisection(B, snr):
    """The smallest s by trying whether J_t − I/s has a Cholesky factor."""
    J = (B.T * snr) @ B
    low, high = 1e-6, 1e6
    for _ in range(100):
        middle = math.sqrt(low * high)
        try:
            np.linalg.cholesky(J - np.eye(len(B)) / middle)
            high = middle
        except np.linalg.LinAlgError:
            low = middle
    return high


RIGHT = {"15-2": [by_chain], "15-3": [by_modes], "15-4": [by_sigmoid], "15-6": [by_bisection]}
WRONG = {
    "15-2": {"differs": with_levels},
    "15-3": {
        "back_to_the_units": lambda D, B, alpha, sigma, u: np.linalg.solve(
            B, B @ by_modes(D, B, alpha, sigma, u) / np.hypot(alpha, sigma)
        )
    },
    "15-4": {"fails": lambda L, power: by_sigmoid(L, power)[0]},
    "15-6": {"transposed": lambda B, snr: by_bisection(B.T, snr)},
}
