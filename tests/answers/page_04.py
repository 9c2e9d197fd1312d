"""Answers to the exercises of page Osmosis, written by others than their authors."""

import numpy as np
import torch


def loops(u, d, tau):
    n = len(u)
    flows = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n - 1):
        for place, rate in ((i, 1 + d[i] / 2), (i + 1, -(1 - d[i] / 2))):
            flows[i, place] -= rate
            flows[i + 1, place] += rate
    return torch.linalg.inv(torch.eye(n, dtype=torch.float64) - tau * flows) @ torch.tensor(u)


def by_conductances(v):
    n = len(v)
    edges = np.zeros((n - 1, n))
    edges[np.arange(n - 1), np.arange(n - 1)] = -1 / np.sqrt(v[:-1])
    edges[np.arange(n - 1), np.arange(1, n)] = 1 / np.sqrt(v[1:])
    conductance = 2 * v[1:] * v[:-1] / (v[1:] + v[:-1])
    return np.sort(np.linalg.eigvalsh(edges.T @ (conductance[:, None] * edges)))[1]


RIGHT = {"04-3": [loops], "04-5": [by_conductances]}
WRONG = {
    "04-3": {"whole_drift": lambda u, d, tau: loops(u, 2 * d, tau)},
    "04-5": {"differs": lambda v: by_conductances(v) ** 2},
}
