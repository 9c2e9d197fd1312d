"""Answers to the exercises of page Images, written by others than their authors."""

import math

import numpy as np
import scipy.fft
import scipy.linalg
import torch

from dpss import Cosines


def by_pairs(n):
    numbers = []
    for k in range(n):
        numbers.append(2 - 2 * math.cos(2 * math.pi * k / n))
    return sorted(numbers)


def by_circulant(n):
    return torch.linalg.eigvalsh(
        torch.tensor(scipy.linalg.circulant([2.0, -1.0] + [0.0] * (n - 3) + [-1.0]))
    )


def by_library(u, m):
    basis = Cosines(u.shape[-2:])
    modes = basis.analyse(torch.as_tensor(u))
    modes[..., m:, :] = 0
    modes[..., :, m:] = 0
    return basis.synthesise(modes)


def by_scipy(u, m):
    modes = scipy.fft.dctn(u, axes=(-2, -1))[..., :m, :m]
    return scipy.fft.idctn(modes, s=u.shape[-2:], axes=(-2, -1))


RIGHT = {"01-3": [by_pairs, by_circulant], "01-4": [by_library, by_scipy]}


def cosines_and_sines(n):
    """All of them twice, the sine waves that are zero too, sorted."""
    k = np.arange(n // 2 + 1)
    values = 4 * np.sin(np.pi * k / n) ** 2
    return np.sort(np.concatenate([values, values]))


def by_line(n):
    """The line's matrix with two further entries."""
    steps = np.diff(np.eye(n), axis=0)
    L = -steps.T @ steps
    L[0, -1] = L[-1, 0] = 1
    return np.linalg.eigvalsh(-L)


def matrix(n):
    rows = np.array([np.cos(np.pi * k * (np.arange(n) + 0.5) / n) for k in range(n)])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def in_place(u, m):
    c = matrix(u.shape[-2]) @ u @ matrix(u.shape[-1]).T
    c[..., :m, :m] = 0
    return matrix(u.shape[-2]).T @ c @ matrix(u.shape[-1])


def masked(u, kept):
    h, w = u.shape[-2:]
    c = matrix(h) @ u @ matrix(w).T
    return matrix(h).T @ (c * kept(np.arange(h)[:, None], np.arange(w))) @ matrix(w)


def first_axes(u, m):
    """Right for one grey image only."""
    h, w = u.shape
    return matrix(h).T[:, :m] @ (matrix(h) @ u @ matrix(w).T)[:m, :m] @ matrix(w)[:m]


def thumbnail(u, m):
    c = matrix(u.shape[-2]) @ u @ matrix(u.shape[-1]).T
    c = c[..., :m, :m]
    return matrix(c.shape[-2]).T @ c @ matrix(c.shape[-1])


WRONG = {
    "01-3": {
        "each_twice": cosines_and_sines,
        "each_once": lambda n: np.unique(np.round(by_pairs(n), 9)),
        "new_edge_not_counted": by_line,
        "of_the_line": lambda n: 2 - 2 * np.cos(np.pi * np.arange(n) / n),
        "of_laplacian": lambda n: np.sort(-np.array(by_pairs(n))),
        "differs": lambda n: np.array(by_pairs(n)) / 4,
    },
    "01-4": {
        "low_ones_erased": in_place,
        "one_corner_erased": lambda u, m: masked(u, lambda y, x: (y < m) | (x < m)),
        "one_axis_erased": lambda u, m: masked(u, lambda y, x: (y >= 0) & (x < m)),
        "one_too_many": lambda u, m: masked(u, lambda y, x: np.maximum(y, x) <= m),
        "fails": first_axes,
        "differs": thumbnail,
    },
}
