"""Answers to the exercises of page Bayes, written by others than their authors."""

import math

import numpy as np
import scipy.optimize
import scipy.stats
import torch

from dpss.bases import Pixels
from dpss.priors import Empirical, Mixture
from dpss.processes import Process

torch.broadcast_shapes((1,), (1,))  # imports SymPy, which takes seconds where much else runs


def still(noise):
    """A process that keeps the signal and has the noise level `noise` at time 1."""
    return Process(Pixels(), lambda t: 0.0 * t, lambda t: noise * t)


def by_covariances(u0, ut, x, y):
    """The start and the end as two observations of a Brownian motion."""
    return u0 + x * (ut - u0) / y, np.float64(x) - x * x / y


def by_library(u, sigma):
    u = torch.as_tensor(u, dtype=torch.float64).reshape(-1, 1, 1).requires_grad_()
    coin = Empirical(torch.tensor([[[-1.0]], [[1.0]]]).double())
    D = coin.denoiser(still(sigma))(u, 1.0)
    (slope,) = torch.autograd.grad(D.sum(), u)
    score = still(sigma).score(D, u, 1.0)
    return tuple(x.detach().flatten() for x in (D, score, sigma**2 * slope))


def by_loops(u, F, divergence, alpha, sigma):
    total = 2 * sigma**2 * divergence / alpha
    for state, guess in zip(u.ravel(), F.ravel(), strict=True):
        total += (guess - state / alpha) ** 2 - (sigma / alpha) ** 2
    return total


def by_harmonic_means(c, sigma):
    pairs = [0.5 * scipy.stats.hmean([x, sigma**2]) if x else 0.0 for x in c]
    return sum(pairs) / len(pairs)


def by_scores(u, j, w, weights, means, variances):
    densities = scipy.stats.norm.pdf(u, means, np.sqrt(variances)) * weights
    votes, scores = densities / densities.sum(), (means - u) / variances
    return votes @ scores + w * (scores[j] - votes @ scores)


def by_mixture(u, stored, rho, sigma):
    kinds = torch.tensor(stored)[:, None]
    law = Mixture([1.0] * len(stored), kinds, rho, Pixels())
    return law.denoiser(still(sigma))(torch.tensor(u)[None, None], 1.0).flatten()


def by_root(c, n, N):
    doubt = lambda t: 0.5 * N * math.log1p(c / math.expm1(2 * t)) - math.log(n)
    return scipy.optimize.brentq(doubt, 1e-6, 50, xtol=1e-13)


RIGHT = {
    "09-1": [by_covariances],
    "09-2": [by_library],
    "09-3": [by_loops],
    "09-4": [by_harmonic_means],
    "09-5": [by_scores],
    "09-6": [by_mixture],
    "09-7": [by_root],
}
WRONG = {
    "09-1": {
        "differs": lambda u0, ut, x, y: ((u0 + ut) / 2, x * (y - x) / y),
        "fails": lambda u0, ut, x, y: u0 + x / y * (ut - u0),
    },
    "09-2": {
        "differs": lambda u, sigma: (np.sign(u), -u / sigma**2, 0 * u),
        "without_noise_level": lambda u, sigma: (
            np.tanh(u),
            (np.tanh(u) - u) / sigma**2,
            1 - np.tanh(u) ** 2,
        ),
    },
    "09-3": {
        "differs": lambda u, F, _divergence, _alpha, _sigma: ((F - u) ** 2).sum(),
        "fails": lambda u, F, divergence, alpha, sigma: F.divergence(u, alpha, sigma, divergence),
    },
    "09-4": {
        "differs": lambda c, sigma: np.minimum(c, sigma**2).mean(),
        "summed": lambda c, sigma: (c * sigma**2 / (c + sigma**2)).sum(),
    },
    "09-5": {
        "differs": lambda u, j, w, _weights, means, variances: (
            (1 + w) * (means - u)[j] / variances[j]
        ),
        "fails": lambda u, j, w, weights, means, variances: weights[j + 2] * w * (means - u)[j],
    },
    "09-6": {
        "differs": lambda u, stored, _rho, _sigma: (u + stored.mean(0)) / 2,
        "nearest_alone": lambda u, stored, rho, sigma: (
            (rho**2 * u + sigma**2 * stored[((stored - u) ** 2).sum(1).argmin()])
            / (rho**2 + sigma**2)
        ),
    },
    "09-7": {
        "differs": lambda c, n, N: math.log(n) / N * c,
        "fails": lambda c, n, N: math.sqrt(1 - n) * c * N,
    },
}
