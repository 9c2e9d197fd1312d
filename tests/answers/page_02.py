"""Answers to the exercises of page Gaussian scale-space, written by others than their authors."""

import numpy as np
import scipy.linalg
import torch

from dpss import Cosines
from dpss.diffusion import homogeneous


def laplacian(height, width):
    def line(n):
        steps = np.diff(np.eye(n), axis=0)
        return -steps.T @ steps

    return np.kron(line(height), np.eye(width)) + np.kron(np.eye(height), line(width))


def by_solving(u, t):
    matrix = scipy.linalg.expm(t * laplacian(*u.shape))
    return np.linalg.solve(matrix, u.ravel()).reshape(u.shape)


def by_library(u, t):
    basis = Cosines(u.shape)
    return basis.synthesise(torch.exp(t * basis.eigenvalues) * basis.analyse(torch.as_tensor(u)))


def by_loops(u, a):
    if u.ndim > 2:
        return [by_loops(part, a) for part in u]
    return sum(value - a for value in u.flat if value > a)


def by_clamping(u, a):
    return torch.clamp(torch.as_tensor(u) - a, min=0).sum((-2, -1))


RIGHT = {"02-2": [by_solving, by_library], "02-4": [by_loops, by_clamping]}


def explicit_back(u, t):
    return u - t * (laplacian(*u.shape) @ u.ravel()).reshape(u.shape)


def what_is_lost(u, t):
    return u + (u - homogeneous(u, t))


WRONG = {
    "02-2": {
        "one_step": explicit_back,
        "sharpened": what_is_lost,
        "blurred_again": homogeneous,
        "fails": lambda u, t: homogeneous(u, -t),
    },
    "02-4": {
        "number_of_pixels": lambda u, a: np.count_nonzero(u > a, axis=(-2, -1)),
        "all_images_together": lambda u, a: (u[u > a] - a).sum(),
        "level_not_subtracted": lambda u, a: np.where(u > a, u, a).sum((-2, -1)),
        "differs": lambda u, a: np.maximum(u - a, 0).sum(-1),
    },
}
