"""Answers to the exercises of page A diffusion model that drifts towards an image, written by
others than their authors."""

import math

import numpy as np
import torch


def by_broadcasting(x, v, sigma, noise):
    x, v, noise = (torch.as_tensor(a) for a in (x, v, noise))
    return x[:, None, None] * v + sigma * torch.sqrt(v) * noise


def with_the_mean_divided_out(x, v, sigma, noise):
    v = v / v.mean()
    return np.array([x[n] * v + sigma * v**0.5 * noise[n] for n in range(len(x))])


def by_loops(x, v, sigma, noise):
    made = [[[0.0 for _ in row] for row in v] for _ in x]
    for n, each in enumerate(x):
        for i, row in enumerate(v):
            for j, value in enumerate(row):
                made[n][i][j] = each * value + sigma * math.sqrt(value) * noise[n][i][j]
    return made


def by_an_inverse(u, A, alpha, sigma, kappa):
    snr = alpha**2 / sigma**2
    return np.linalg.inv(np.eye(len(u)) - A / (kappa * snr)) @ (u / alpha)


RIGHT = {"21-3": [by_broadcasting, with_the_mean_divided_out, by_loops], "21-5": [by_an_inverse]}

WRONG = {
    "21-3": {
        "noise_times_guidance": lambda x, v, sigma, noise: (
            np.multiply.outer(x, v) + sigma * v * noise
        ),
        "white_noise": lambda x, v, sigma, noise: np.multiply.outer(x, v) + sigma * noise,
        "all_times_the_number": lambda x, v, sigma, noise: (
            x[:, None, None] * (v + sigma * np.sqrt(v) * noise)
        ),
        "mode_for_mean": lambda x, v, sigma, noise: (
            v.size**0.5 * np.multiply.outer(x, v) + sigma * np.sqrt(v) * noise
        ),
        "differs": lambda x, v, sigma, noise: np.multiply.outer(x, v),
    },
    "21-5": {
        "without_the_gain": lambda u, A, alpha, sigma, kappa: np.linalg.solve(
            np.eye(len(u)) - sigma**2 / alpha**2 / kappa * A, u
        ),
        "ratio_upside_down": lambda u, A, alpha, sigma, kappa: np.linalg.solve(
            np.eye(len(u)) - alpha**2 / sigma**2 / kappa * A, u / alpha
        ),
        "differs": lambda u, A, alpha, sigma, kappa: u,
    },
}
