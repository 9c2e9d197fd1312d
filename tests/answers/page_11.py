"""Answers to the exercises of page Learning, written by others than their authors."""

import cmath
import math

import numpy as np
import torch

import dpss


def by_complex_numbers(u, v, alpha, sigma):
    """Start and noise as one complex number, turned back."""
    angle = cmath.phase(complex(alpha, sigma))
    both = (u / abs(complex(alpha, sigma)) + 1j * np.asarray(v)) * cmath.exp(1j * angle)
    return both.real, both.imag


def by_a_loop(snr, errors):
    total = 0.0
    for i in range(1, len(snr)):
        total += (snr[i] - snr[i - 1]) * errors[i - 1] / 2
    return total


def by_the_library(u, alpha, sigma, means, weights, allowed, c, w):
    process = dpss.Process(
        dpss.Pixels(), lambda t: math.log(alpha) + 0 * t, lambda t: sigma + 0 * t, "mine"
    )
    guesses = []
    for chosen in (np.ones(len(means), dtype=bool), allowed):
        m, p = torch.as_tensor(means[chosen])[:, None, None], weights[chosen]
        lumps = dpss.Mixture(p / p.sum(), m, [math.sqrt(c)] * len(m), dpss.Pixels())
        state = torch.full((1, 1), u, dtype=torch.float64)
        guesses.append(lumps.denoiser(process)(state, 0.5).item())
    return guesses[0] + w * (guesses[1] - guesses[0])


RIGHT = {"11-2": [by_complex_numbers], "11-3": [by_a_loop], "11-5": [by_the_library]}
WRONG = {
    "11-2": {
        "noise_first": lambda *case: by_complex_numbers(*case)[::-1],
        "state_not_scaled": lambda u, v, alpha, sigma: by_complex_numbers(
            u * math.hypot(alpha, sigma), v, alpha, sigma
        ),
        "fails": lambda *case: by_complex_numbers(*case)[0],
        "differs": lambda u, *rest: (by_complex_numbers(u, *rest)[0], np.asarray(u)),
    },
    "11-3": {
        "fall_for_rise": lambda snr, errors: by_a_loop(snr, -errors),
        "error_after_the_step": lambda snr, errors: by_a_loop(snr, np.roll(errors, -1)),
        "differs": lambda snr, errors: by_a_loop(snr, errors) ** 2,
    },
    "11-5": {
        "from_the_label": lambda *case: by_the_library(*case[:-1], case[-1] + 1),
        "without_weights": lambda u, alpha, sigma, means, weights, *rest: by_the_library(
            u, alpha, sigma, means, np.full(len(weights), 1 / len(weights)), *rest
        ),
        "differs": lambda *case: by_the_library(*case) + 0.01,
    },
}
