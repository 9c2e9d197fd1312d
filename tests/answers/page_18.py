"""Answers to the exercises of page Denoising is diffusion, written by others than their authors."""

import math

import numpy as np
import torch


def by_wiener(eigenvalues, kappa, gamma, snr):
    found = []
    for x in np.ravel(eigenvalues):
        c = math.inf if x == 0 else kappa * x ** (-gamma / 2)
        found.append(1.0 if math.isinf(c) else c / (c + 1 / snr))
    return torch.tensor(found).reshape(np.shape(eigenvalues))


def by_variances(eigenvalues, kappa, gamma, snr):
    with np.errstate(all="ignore"):
        c = kappa * eigenvalues ** (-gamma / 2)
        return c / (c + 1 / snr)


def by_normal_equations(snrs, steps):
    A = np.stack([np.log10(snrs), np.ones(len(snrs))], 1)
    slope = np.linalg.lstsq(A, np.log10(steps), rcond=None)[0][0]
    return 2 / -slope


RIGHT = {"18-2": [by_wiener], "18-3": [by_normal_equations]}

WRONG = {
    "18-2": {
        "whole_exponent": lambda eigenvalues, kappa, gamma, snr: (
            kappa * snr / (kappa * snr + eigenvalues**gamma)
        ),
        "infinity_over_infinity": by_variances,
        "what_is_hidden": lambda eigenvalues, kappa, gamma, snr: (
            eigenvalues ** (gamma / 2) / (kappa * snr + eigenvalues ** (gamma / 2))
        ),
        "fails": lambda eigenvalues, kappa, gamma, snr: eigenvalues[99],
    },
    "18-3": {
        "the_slope": lambda snrs, steps: np.polyfit(np.log(snrs), np.log(steps), 1)[0],
        "differs": lambda snrs, steps: 2.0,
    },
}
