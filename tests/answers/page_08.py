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


def with_waves(u, change, flat=0.5, back=None):
    """In the modes of u, `change`; the flat vector of B has the squared length 2 · flat."""
    n = len(u)
    B = scipy.fft.dct(np.eye(n), norm="ortho", axis=0)
    B[0] *= math.sqrt(2 * flat)
    c = B @ u @ B.T
    change(c, n)
    back = B.T if back is None else back(B)
    return back @ c @ back.T


def vectorised(Q):
    def change(c, n):
        k = np.arange(1, n)
        c[k, n - k] = Q @ c[k, n - k]

    return change


def by_loop(Q):
    def change(c, n):
        for i in range(1, n):
            c[i, n - i] = sum(Q[i - 1, j - 1] * c[j, n - j] for j in range(1, n))

    return change


def in_slices(Q):
    def change(c, _n):
        c[1:, :0:-1] = Q @ c[1:, :0:-1]

    return change


def on_a_grid(d, end, place=False):
    x = np.linspace(0, end, 60_000)
    values = x * (1 - d) * np.exp(-x) / ((1 - d) * np.exp(-x) + d)
    return x[values.argmax()] if place else values.max()


def blurred(f, t, flat=1):
    """The line f; the flat vector has the squared length `flat`."""
    c = scipy.fft.dct(f, norm="ortho") * np.exp(-t * (math.pi * np.arange(len(f)) / len(f)) ** 2)
    c[0] *= flat
    return scipy.fft.idct(c, norm="ortho")


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
        "flat_wave_too_long": lambda f, t: (
            np.outer(blurred(f, t, 2), blurred(f, t, 2)).min(),
            np.outer(blurred(f, t, 2), blurred(f, t, 2)).max(),
        ),
        "diagonal_of_the_square": lambda f, t: (
            min(blurred(f, t) * blurred(f, t)),
            max(blurred(f, t) * blurred(f, t)),
        ),
        "differs": lambda f, t: (2 * f.min(), 2 * f.max() - 1),
    },
    "08-2": {
        "place": lambda d: on_a_grid(d, 60, place=True),
        "grid_too_short": lambda d: on_a_grid(d, 10),
        "at_one": lambda d: (1 - d) / (1 - d + d * math.e),
        "fails": lambda d: str(d),
        "differs": lambda d: by_lambert(d) ** 2,
    },
    "08-3": {
        "side_for_pixels": lambda n, sigma, nats: by_root(n, sigma * math.sqrt(n), nats),
        "wave_of_28_pixels": lambda n, sigma, nats: by_root(28, sigma * 28 / n, nats),
        "differs": lambda n, sigma, nats: by_root(n, sigma, nats**2),
    },
    "08-4": {
        "transposed": lambda u, Q: by_whole_matrix(u, Q.T),
        "overwritten": lambda u, Q: with_waves(u, by_loop(Q)),
        "whole_block": lambda u, Q: with_waves(u, in_slices(Q)),
        "flat_modes_too_large": lambda u, Q: with_waves(u, vectorised(Q), flat=1),
        "same_way_twice": lambda u, Q: with_waves(u, vectorised(Q), back=lambda B: B),
        "differs": lambda u, Q: by_whole_matrix(u.T, Q),
    },
}
