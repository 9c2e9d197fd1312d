"""Answers to the exercises of the preface, written by others than their authors."""

import math

import numpy as np
import torch

from dpss import osmosis


def by_running(start, goal):
    end = osmosis.evolve(start, osmosis.canonical_drift(goal), 1e4)
    return (end / goal).max()


def by_torch(start, goal):
    return torch.tensor(start).mean() / torch.tensor(goal).mean()


def by_covariance(a, b):
    row = torch.tensor([[a, b]])
    return (row @ torch.eye(2) @ row.T).sqrt().squeeze()


RIGHT = {"00-2": [by_running, by_torch], "00-3": [math.hypot, by_covariance]}
WRONG = {
    "00-2": {
        "picture_in_the_end": lambda start, goal: by_running(start, goal) * torch.tensor(goal),
        "differs": lambda start, goal: start.max() / goal.max(),
        "fails": lambda start, goal: by_running(start, goal - 5),
    },
    "00-3": {
        "variance": lambda a, b: a * a + b * b,
        "gains_added": lambda a, b: np.sum([a, b]),
        "always_one": lambda a, b: math.hypot(0.6, 0.8),
    },
}
