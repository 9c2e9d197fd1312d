"""Answers to the exercises of page Variance exploding, written by others than their authors."""

import numpy as np
import torch

import dpss


def with_loop(alpha, sigma):
    alpha, sigma = torch.from_numpy(alpha), torch.from_numpy(sigma)
    pairs = zip(alpha, alpha[1:], sigma, sigma[1:], strict=False)
    return torch.stack([y**2 - (b / a * x) ** 2 for a, b, x, y in pairs])


def by_library(m, r):
    process = dpss.ve(sigma_min=1.0, sigma_max=r)
    times = torch.arange(m, dtype=torch.float64) / m
    return process.sde(times)[1].sum() / m / process.noise(1.0) ** 2


def by_differences(c, alpha, sigma, f, g2, h=1e-5):
    """Of the entropies after and before a short step of the equation."""

    def entropy(h):
        variance = np.exp(2 * f * h) * (alpha**2 * c + sigma**2) + h * g2 * (1 + f * h)
        return 0.5 * np.log(2 * np.pi * np.e * variance).sum()

    return (entropy(h) - entropy(-h)) / (2 * h)


def by_coefficients(w, u, alpha, sigma, alpha_rate, sigma_rate):
    f, g2 = alpha_rate / alpha, 2 * sigma * (sigma_rate - alpha_rate / alpha * sigma)
    return (f * torch.as_tensor(u) - torch.as_tensor(w)) / (g2 / 2)


def by_clean_guess(w, u, alpha, sigma, alpha_rate, sigma_rate):
    """The guess of the start, then Tweedie's formula."""
    D = (sigma_rate * u - sigma * w) / (alpha * sigma_rate - sigma * alpha_rate)
    return (alpha * D - u) / sigma**2


def by_scale(D, u, alpha, sigma):
    scale = 1 / alpha
    return D(scale * u, scale * sigma)


RIGHT = {
    "06-1": [with_loop],
    "06-2": [by_library],
    "06-3": [by_differences],
    "06-4": [by_coefficients, by_clean_guess],
    "06-6": [by_scale],
}


def on_the_page(m, _r):
    g2 = dpss.ve().sde(torch.arange(m, dtype=torch.float64) / m)[1]
    return g2.sum() / m / dpss.ve().noise(1.0) ** 2


def midpoints(m, r):
    times = (torch.arange(m) + 0.5) / m
    return (2 * np.log(r) * r ** (2 * times)).sum() / m / (r**2 - 1)


WRONG = {
    "06-1": {
        "gain_since_the_start": lambda alpha, sigma: (
            sigma[1:] ** 2 - alpha[1:] ** 2 * sigma[:-1] ** 2
        ),
        "differs": lambda alpha, sigma: with_loop(alpha, sigma).sqrt(),
    },
    "06-2": {"for_the_usual_levels": on_the_page, "differs": midpoints},
    "06-3": {
        "of_the_mean_variance": lambda c, alpha, sigma, f, g2: (
            len(c) * (f + 0.5 * g2 / (alpha**2 * c.mean() + sigma**2))
        ),
        "of_the_noise_alone": lambda c, _alpha, sigma, f, g2: len(c) * (f + g2 / sigma**2 / 2),
        "differs": lambda c, alpha, sigma, f, g2: f + 0.5 * g2 / (alpha**2 * c + sigma**2),
    },
    "06-4": {
        "noise_for_score": lambda w, u, alpha, sigma, alpha_rate, sigma_rate: (
            (alpha * w - alpha_rate * u) / (alpha * sigma_rate - alpha_rate * sigma)
        ),
        "of_flow_matching": lambda w, u, _alpha, sigma, *_rates: w - (u + w) / sigma,
        "differs": lambda w, u, *levels: by_coefficients(u, w, *levels),
    },
    "06-6": {
        "not_translated": lambda D, u, _alpha, sigma: D(u, sigma),
        "differs": lambda D, u, alpha, sigma: D(u, sigma) / alpha,
    },
}
