"""Answers to the exercises of page Bayes, written by others than their authors."""

import math

import numpy as np
import scipy.optimize
import scipy.special
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


def by_hand(u, sigma):
    D = np.tanh(u / sigma**2)
    return D, (D - u) / sigma**2, 1 - D**2


def by_norm(u, F, divergence, alpha, sigma, power=2, times=1):
    misfit = np.linalg.norm(F - u / alpha) ** power
    return misfit - u.size * (sigma / alpha) ** 2 + 2 * sigma**2 / alpha * divergence * times


def by_votes(u, stored, rho, sigma, axis=1):
    """`axis` None: each pixel votes for itself."""
    misfits = -((stored - u) ** 2) / (2 * (rho**2 + sigma**2))
    if axis is None:
        votes = scipy.special.softmax(misfits, axis=0)
        memory = (votes * stored).sum(0)
    else:
        memory = scipy.special.softmax(misfits.sum(axis)) @ stored
    return (rho**2 * u + sigma**2 * memory) / (rho**2 + sigma**2)


def unnormalised(u, j, w, weights, means, variances):
    densities = scipy.stats.norm.pdf(u, means, np.sqrt(variances)) * weights
    score = sum(densities * (means - u) / variances)
    return score + w * ((means[j] - u) / variances[j] - score)


RIGHT = {
    "09-1": [by_covariances],
    "09-2": [by_library, by_hand],
    "09-3": [by_loops, by_norm],
    "09-4": [by_harmonic_means],
    "09-5": [by_scores],
    "09-6": [by_mixture, by_votes],
    "09-7": [by_root],
}
WRONG = {
    "09-1": {
        "end_at_clock_one": lambda u0, ut, x, y: (u0 + x / y * (ut - u0), x * (1 - x)),
        "deviation": lambda u0, ut, x, y: (u0 + x / y * (ut - u0), math.sqrt(x * (1 - x / y))),
        "differs": lambda u0, ut, x, y: ((u0 + ut) / 2, x * (y - x) / y),
        "fails": lambda u0, ut, x, y: u0 + x / y * (ut - u0),
    },
    "09-2": {
        "derivative_for_variance": lambda u, sigma: (
            *by_hand(u, sigma)[:2],
            by_hand(u, sigma)[2] / sigma**2,
        ),
        "deviation_of_pixel": lambda u, sigma: (*by_hand(u, sigma)[:2], 1 / np.cosh(u / sigma**2)),
        "differs": lambda u, sigma: (np.sign(u), -u / sigma**2, 0 * u),
    },
    "09-3": {
        "distance_not_squared": lambda u, *rest: by_norm(u, *rest, power=1),
        "divergence_times_pixels": lambda u, *rest: by_norm(u, *rest, times=u.size),
        "differs": lambda u, F, _divergence, _alpha, _sigma: ((F - u) ** 2).sum(),
        "fails": lambda u, F, divergence, alpha, sigma: F.divergence(u, alpha, sigma, divergence),
    },
    "09-4": {
        "of_1024_modes": lambda c, sigma: (c * sigma**2 / (c + sigma**2)).sum() / 1024,
        "share_that_passes": lambda c, sigma: (c / (c + sigma**2)).mean(),
        "summed": lambda c, sigma: (c * sigma**2 / (c + sigma**2)).sum(),
        "differs": lambda c, sigma: np.minimum(c, sigma**2).mean(),
    },
    "09-5": {
        "votes_not_normalised": unnormalised,
        "differs": lambda u, j, w, _weights, means, variances: (
            (1 + w) * (means - u)[j] / variances[j]
        ),
        "fails": lambda u, j, w, weights, means, variances: weights[j + 2] * w * (means - u)[j],
    },
    "09-6": {
        "pixel_by_pixel": lambda *given: by_votes(*given, axis=None),
        "fails": lambda *given: by_votes(*given, axis=0),
        "differs": lambda u, stored, rho, sigma: (
            (rho**2 * u + sigma**2 * stored[((stored - u) ** 2).sum(1).argmin()])
            / (rho**2 + sigma**2)
        ),
    },
    "09-7": {
        "first_order": lambda c, n, N: 0.5 * math.log(1 + c * N / (2 * math.log(n))),
        "differs": lambda c, n, N: math.log(n) / N * c,
        "fails": lambda c, n, N: math.sqrt(1 - n) * c * N,
    },
}
