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


def rises(alpha, sigma, first=0):
    z = (sigma / alpha)[first:] ** 2
    return sum(max(b - a, 0.0) for a, b in zip(z, z[1:])) / max(z)


def denoised(D, B, u, factors):
    return D(np.linalg.inv(B) @ np.diag(factors) @ B @ u)


WRONG = {
    "15-2": {
        "differs": with_levels,
        "without_the_first_rise": lambda alpha, sigma: rises(alpha, sigma, first=1),
        "in_different_units": lambda alpha, sigma: rises(alpha, sigma) * alpha[-1] ** 2,
    },
    "15-3": {
        "back_to_the_units": lambda D, B, alpha, sigma, u: np.linalg.solve(
            B, B @ by_modes(D, B, alpha, sigma, u) / np.hypot(alpha, sigma)
        ),
        "root_forgotten": lambda D, B, a, s, u: denoised(D, B, u, a**2 + s**2),
        "gain_not_rooted": lambda D, B, a, s, u: denoised(D, B, u, a * (1 + (s / a) ** 2)),
        "differs": lambda D, B, a, s, u: denoised(D, B, u, a),
    },
    "15-4": {
        "fails": lambda L, power: by_sigmoid(L, power)[0],
        "twice_the_logarithm": lambda L, power: by_sigmoid(2 * L, power**2),
        "differs": lambda L, power: (by_sigmoid(L, power)[0], 1 - by_sigmoid(L, power)[0]),
    },
    "15-6": {
        "transposed": lambda B, snr: by_bisection(B.T, snr),
        "columns_for_rows": lambda B, snr: 1 / np.linalg.eigvalsh(B.T @ (snr * B)).min(),
        "noisiest_pixel": lambda B, snr: (np.linalg.inv(B) ** 2 / snr).sum(1).max(),
        "differs": lambda B, snr: np.trace(np.linalg.inv((B.T * snr) @ B)),
    },
}
