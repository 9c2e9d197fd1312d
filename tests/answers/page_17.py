"""Answers to the exercises of page Trajectories, written by others than their authors."""

import math

import numpy as np
import torch


def by_two_blurs(c, noise, eigenvalues, t):
    gain = torch.exp(-torch.as_tensor(eigenvalues) * t)
    return gain * torch.as_tensor(c) + (1 - gain) * torch.as_tensor(noise)


def by_loops(u, start, end):
    left = whole = 0.0
    for x, y, z in zip(np.ravel(u), np.ravel(start), np.ravel(end)):
        left += (x - z) ** 2
        whole += (y - z) ** 2
    return (math.sqrt(whole) - math.sqrt(left)) / math.sqrt(whole)


RIGHT = {"17-2": [by_two_blurs], "17-3": [by_loops]}

WRONG = {
    "17-2": {
        "the_way_back": lambda c, noise, eigenvalues, t: np.exp(-eigenvalues * t) * (noise - c) + c,
        "fails": lambda c, noise, eigenvalues, t: c[99],
    },
    "17-3": {
        "share_left": lambda u, start, end: np.linalg.norm(u - end) / np.linalg.norm(start - end),
        "differs": lambda u, start, end: 0.5,
    },
}
