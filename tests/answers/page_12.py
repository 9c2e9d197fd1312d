"""Answers to the exercises of page Forward, written by others than their authors."""

import math

import scipy.optimize
import torch

import dpss


def by_bisection(a):
    """The certificate's conditions, on a list of times."""
    times = torch.linspace(0.002, 1, 500, dtype=torch.float64)

    def edge(falls):
        low, high = 0.0, 100.0
        for _ in range(50):
            b = (low + high) / 2
            low, high = (b, high) if falls(b) else (low, b)
        return low

    rising = lambda values: (values.diff() >= 0).all()
    return (
        edge(lambda b: rising(2 * a * times + torch.log(times) - b * times)),
        edge(lambda b: rising(torch.log(times) - b * times)),
    )


def by_variances(early, late, v):
    """VP for the data over √v, then times √v."""
    integral = lambda gain: -2 * math.log(gain)
    clock = lambda t: 0.1 * t + 9.95 * t**2
    s, t = (
        scipy.optimize.brentq(lambda x, g=g: clock(x) - integral(g), 0, 2) if g < 1 else 0.0
        for g in (early, late)
    )
    step = dpss.vp().kernel(s, min(t, 1.0))
    return step.gain.item(), v * step.std.item() ** 2


def time_of(gain2):
    return (-0.1 + torch.sqrt(0.01 - 39.8 * torch.tensor(gain2).double().log())) / 19.9


def by_torch(v):
    return time_of(1 - v / 2), -torch.log(1 - torch.tensor(v) / 4) / 2


RIGHT = {"12-2": [by_bisection], "12-4": [by_variances], "12-5": [by_torch]}
WRONG = {
    "12-2": {
        "fails": lambda a: 2 * a + 1,
        "amplitudes_for_powers": lambda a: (a + 1, 1),
        "differs": lambda a: (2 * a + 2, 2.0),
    },
    "12-4": {
        "step_of_vp": lambda early, late, v: (late / early, 1 - (late / early) ** 2),
        "from_the_start": lambda _early, late, v: (late, v - late**2 * v),
        "v_before_one_only": lambda early, late, v: (late / early, v - (late / early) ** 2),
        "differs": lambda early, late, v: by_variances(early, late, v)[::-1],
    },
    "12-5": {
        "gain_for_its_square": lambda v: (time_of((1 - v / 2) ** 2), by_torch(v)[1]),
        "gain_for_time": lambda v: (1 - v / 2, by_torch(v)[1]),
        "root_for_time": lambda v: (math.sqrt(1 - v / 2), by_torch(v)[1]),
        "differs": lambda v: by_torch(v)[::-1],
    },
}
