"""Answers to the exercises of page Density and osmosis, written by others than their authors."""

import math

import numpy as np
import torch
from scipy.linalg import expm
from scipy.stats import norm

from dpss import osmosis


def by_distribution(mean, std, tau, end):
    alpha = math.exp(-tau)
    law = norm(alpha * mean, np.hypot(alpha * std, math.sqrt(1 - alpha**2)))
    return law.cdf(-end) + law.sf(end)


def by_closed_form(s, z, tau):
    left = math.exp(-2 * tau / z)
    return left * s + (1 - left) * z


def by_linear_system(s, z, tau):
    return (expm(tau * np.array([[-2 / z, 2.0], [0.0, 0.0]])) @ [s, 1.0])[0]


def by_loops(A, p):
    R = torch.zeros(*A.shape, dtype=torch.float64)
    for j in range(len(p)):
        for i in range(len(p)):
            if i != j:
                R[i, j] += p[i] * A[j, i] / p[j]
                R[j, j] -= p[i] * A[j, i] / p[j]
    return R


def by_library(log_v, h):
    A = osmosis.operator(osmosis.canonical_drift(log_guidance=log_v[None]), spacing=h).toarray()
    rates = sorted(np.linalg.eigvals(A).real)
    return -math.log(2) / rates[-2]


RIGHT = {
    "16-2": [by_distribution],
    "16-3": [by_closed_form, by_linear_system],
    "16-4": [by_loops],
    "16-5": [by_library],
}


def by_symmetry(mean, std, tau, end):
    gain = math.exp(-tau)
    return math.erfc((end - gain * mean) / math.sqrt(2 * (1 - gain**2 * (1 - std**2))))


def without_new_axis(A, p):
    R = p * A.T / p
    np.fill_diagonal(R, 0)
    return R - np.diag(R.sum(axis=0))


WRONG = {
    "16-2": {
        "one_end_twice": by_symmetry,
        "differs": lambda mean, std, tau, end: math.erfc(end / math.sqrt(2)),
    },
    "16-3": {"fails": lambda s, z, tau: math.sqrt(z) + tau},
    "16-4": {
        "negative_time": lambda A, p: -A,
        "ratio_cancelled": without_new_axis,
        "differs": lambda A, p: A.T,
    },
    "16-5": {"fails": lambda log_v, h: osmosis.canonical_drift(log_v[None]).dx},
}
