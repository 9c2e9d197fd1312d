"""Answers to the exercises of page Blurring diffusion, written by others than their authors."""

import math

import numpy as np
import scipy.fft
import scipy.optimize
import scipy.special
import torch


def by_transform(f, t):
    rates = (math.pi * np.arange(len(f)) / len(f)) ** 2
    g = scipy.fft.idct(np.exp(-t * rates) * scipy.fft.dct(f, norm="ortho"), norm="ortho")
    products = [x * y for x in g for y in g]
    return torch.tensor(min(products)), torch.tensor(max(products))


def by_lambert(d):
    return scipy.special.lambertw((1 - d) / (math.e * d)).real


def by_search(d):
    x = np.linspace(0, 30, 30001)
    return (x * (1 - d) / (1 - d + d * np.exp(x))).max()


def by_root(n, sigma, nats):
    lowest = 2 - 2 * math.cos(math.pi / n)

    def excess(blur):
        return math.log(n**2 / (2 * sigma**2)) - lowest * blur**2 - math.log(nats)

    return scipy.optimize.brentq(excess, 0, 1000, xtol=1e-11)


def by_whole_matrix(u, Q):
    n = len(u)
    line = scipy.fft.dct(np.eye(n), norm="ortho", axis=0)
    B = np.kron(line, line)
    inside = np.eye(n * n)
    for i in range(1, n):
        for j in range(1, n):
            inside[i * n + n - i, j * n + n - j] = Q[i - 1, j - 1]
    return (B.T @ inside @ B @ u.ravel()).reshape(n, n)


RIGHT = {
    "08-1": [by_transform],
    "08-2": [by_lambert, by_search],
    "08-3": [by_root],
    "08-4": [by_whole_matrix],
}
WRONG = {
    "08-1": {
        "fails": lambda f, t: by_transform(f, t)[1],
        "exchanged": lambda f, t: by_transform(f, t)[::-1],
        "differs": lambda f, t: (2 * f.min(), 2 * f.max() - 1),
    },
    "08-2": {
        "place": lambda d: 1 + by_lambert(d),
        "fails": lambda d: str(d),
        "differs": lambda d: by_lambert(d) ** 2,
    },
    "08-3": {
        "side_for_pixels": lambda n, sigma, nats: by_root(n, sigma * math.sqrt(n), nats),
        "differs": lambda n, sigma, nats: by_root(n, sigma, nats**2),
    },
    "08-4": {
        "transposed": lambda u, Q: by_whole_matrix(u, Q.T),
        "differs": lambda u, Q: by_whole_matrix(u.T, Q),
    },
}
