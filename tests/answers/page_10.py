"""Answers to the exercises of page Sampling, written by others than their authors."""

import math

import numpy as np
import torch

from dpss.bases import Pixels
from dpss.processes import Process

torch.broadcast_shapes((1,), (1,))  # imports SymPy, which takes seconds where much else runs


def by_logarithms(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    ell_t, ell_s = math.log(alpha_t / sigma_t), math.log(alpha_s / sigma_s)
    noise = (torch.as_tensor(u) - alpha_t * torch.as_tensor(D)) / sigma_t
    return alpha_s / alpha_t * torch.as_tensor(u) - sigma_s * math.expm1(ell_s - ell_t) * noise


def by_angle(eta, gain, noise_s, noise_t):
    """The fresh noise is the sine of an angle, the kept one its cosine."""
    sine = eta * math.sqrt(1 - (gain * noise_s / noise_t) ** 2)
    return np.float64(noise_s) ** 2, noise_s * noise_t * math.sqrt(1 - sine**2)


def by_library(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    """Gain and noise level of a process are exponential and linear between the two times 0.5, 1."""
    log_gain = lambda t: 2 * (1 - t) * math.log(alpha_s) + (2 * t - 1) * math.log(alpha_t)
    noise = lambda t: 2 * (1 - t) * sigma_s + (2 * t - 1) * sigma_t
    process = Process(Pixels(), log_gain, noise)
    u, D, slope = (torch.as_tensor(x, dtype=torch.float64).reshape(-1, 1, 1) for x in (u, D, slope))
    law = process.posterior(D, u, 0.5, 1.0)
    b = alpha_s * process.kernel(0.5, 1.0).std ** 2 / sigma_t**2
    variance = law.std**2 + b**2 * sigma_t**2 / alpha_t * slope
    return law.mean.flatten(), variance.flatten()


def by_angles(c, ratio):
    left = 0.0
    for variance in c:
        theta = [0.0] + [math.atan2(x, math.sqrt(variance)) for x in ratio]
        left += variance * math.prod(
            math.cos(b - a) ** 2 for a, b in zip(theta[:-1], theta[1:], strict=True)
        )
    return left / sum(c)


def by_steps(V, c, tau, m):
    u = torch.ones((), dtype=torch.float64, requires_grad=True)
    torch.distributions.Normal(0, c**0.5).log_prob(u).backward()
    for _ in range(m):
        V = (1 + tau * u.grad) ** 2 * V + math.sqrt(2 * tau) ** 2
    return V


def by_quadrature(u, eps, before, alpha, ell):
    """The integral of e^(−ℓ) ε̂ by Gauss' rule, in tensors."""
    u, eps, before = (torch.as_tensor(x, dtype=torch.float64) for x in (u, eps, before))
    nodes, weights = np.polynomial.legendre.leggauss(30)
    h, area = float(ell[2] - ell[1]), 0 * u
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        at = float(ell[1]) + h * (node + 1) / 2
        line = eps + (at - float(ell[1])) / float(ell[1] - ell[0]) * (eps - before)
        area = area + h / 2 * weight * math.exp(-at) * line
    return float(alpha[1]) * (u / float(alpha[0]) - area)


RIGHT = {
    "10-1": [by_logarithms],
    "10-2": [by_angle],
    "10-4": [by_library],
    "10-5": [by_angles],
    "10-6": [by_steps],
    "10-7": [by_quadrature],
}


def data_prediction_reversed(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = math.log(alpha_s / sigma_s) - math.log(alpha_t / sigma_t)
    return sigma_s / sigma_t * u - alpha_s * math.expm1(h) * D


def posterior_mean(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    gain = alpha_t / alpha_s
    b = alpha_s * (sigma_t**2 - gain**2 * sigma_s**2) / sigma_t**2
    return b * D + gain * sigma_s**2 / sigma_t**2 * u


def moments_with(eta, sigma_st2, noise_s, noise_t):
    return noise_s**2, noise_t * math.sqrt(
        noise_s**2 - eta**2 * sigma_st2 * (noise_s / noise_t) ** 2
    )


def best_with(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s, gain, forward):
    b, kept = alpha_s * forward / sigma_t**2, gain * sigma_s**2 / sigma_t**2
    variance = forward * sigma_s**2 / sigma_t**2 + b**2 * sigma_t**2 / alpha_t * slope
    return b * D + kept * u, variance


def as_on_the_page(c, ratio):
    """The angles are turned round as in `angles`, whose times fall; here they rise."""
    left = 0.0
    for variance in c:
        theta = [0.0, *np.flip(np.arctan(ratio / variance**0.5))]
        left += variance * np.prod(np.cos(np.diff(theta)) ** 2)
    return left / c.sum()


def loop(V, m, gain, noise):
    for _ in range(m):
        V = gain**2 * V + noise
    return V


WRONG = {
    "10-1": {
        "differs": data_prediction_reversed,
        "h_without_gains": lambda u, D, at, st, a, s: (
            a / at * u - s * (st / s - 1) * (u - at * D) / st
        ),
        "mean_of_the_ancestral_step": posterior_mean,
        "noise_level_before": lambda u, D, at, st, a, s: (
            a / at * u - st * (a / s / (at / st) - 1) * (u - at * D) / st
        ),
    },
    "10-2": {
        "differs": lambda eta, gain, s, t: moments_with(eta, t**2 - gain**2 * s**2, s, t)[::-1],
        "fails": lambda eta, gain, s, t: s**2 + eta * gain * t,
        "gain_not_squared": lambda eta, gain, s, t: moments_with(eta, t**2 - gain * s**2, s, t),
        "root_forgotten": lambda eta, gain, s, t: (
            s**2,
            moments_with(eta, t**2 - gain**2 * s**2, s, t)[1] ** 2 / t,
        ),
    },
    "10-4": {
        "differs": lambda u, D, slope, at, st, a, s: best_with(
            u, D, slope, at, st, a, s, a / at, st**2 - (a / at * s) ** 2
        ),
        "fails": lambda u, D, slope, at, st, a, s: a * D,
    },
    "10-5": {
        "differs": lambda c, ratio: np.cos(np.arctan(ratio[-1] / np.sqrt(c))) ** 2,
        "angles_for_differences": lambda c, ratio: (
            (c * np.prod(c / (c + ratio[:, None] ** 2), axis=0)).sum() / c.sum()
        ),
        "turned_round": as_on_the_page,
    },
    "10-6": {
        "differs": lambda V, c, tau, m: loop(V, m, 1 - tau * c, 2 * tau),
        "one_long_step": lambda V, c, tau, m: loop(V, 1, 1 - m * tau / c, 2 * m * tau),
        "pushed_away": lambda V, c, tau, m: loop(V, m, 1 + tau / c, 2 * tau),
    },
    "10-7": {
        "differs": lambda u, eps, before, alpha, ell: (
            alpha[1] / alpha[0] * u + alpha[1] * (math.exp(-ell[2]) - math.exp(-ell[1])) * before
        ),
        "first_order": lambda u, eps, before, alpha, ell: (
            alpha[1] * (u / alpha[0] + (math.exp(-ell[2]) - math.exp(-ell[1])) * eps)
        ),
        "middle_of_the_step": lambda u, eps, before, alpha, ell: (
            alpha[1]
            * (
                u / alpha[0]
                + (math.exp(-ell[2]) - math.exp(-ell[1]))
                * (eps + (eps - before) / 2 * (ell[2] - ell[1]) / (ell[1] - ell[0]))
            )
        ),
    },
}
