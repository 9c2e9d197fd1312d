"""Answers to the exercises of page Rates, written by others than their authors."""

import math

import numpy as np
import scipy.integrate
import scipy.optimize
import torch

import dpss


def by_autograd(alpha, d_alpha, u0):
    """The divergence of two Gaussians, differentiated."""
    a = torch.tensor(alpha, dtype=torch.float64, requires_grad=True)
    variance = 1 - a**2
    kl = 0.5 * (a**2 * u0**2 + variance - 1 - variance.log())
    (rate,) = torch.autograd.grad(kl, a)
    return -2 * d_alpha / alpha, rate * d_alpha


def by_adaptive_quadrature(alpha, x):
    sigma = math.sqrt(1 - alpha**2)

    def integrand(u):
        right, left = (math.exp(-((u - s * alpha * x) ** 2) / 2 / sigma**2) for s in (1, -1))
        p, q = 0.9 * right + 0.1 * left, 0.1 * right + 0.9 * left
        return p * math.log(p / q) / math.sqrt(2 * math.pi) / sigma if p * q > 0 else 0.0

    ends = alpha * x + 8 * sigma
    return scipy.integrate.quad(integrand, -ends, ends, points=[-alpha * x, alpha * x])[0]


def by_roots(v, first, last, m):
    """With the mutual information of the library, for VE."""
    prior = dpss.GaussianPrior(
        torch.zeros(1, len(v)), torch.as_tensor(v[None]).sqrt(), dpss.Pixels()
    )
    known = lambda snr: dpss.measures.mutual_information(of_ratio(snr), prior, 0.5).item()
    of_ratio = lambda snr: dpss.Process(
        dpss.Pixels(), lambda t: 0 * t, lambda t: 2 * t / math.sqrt(snr)
    )
    stops = np.linspace(known(first), known(last), m + 1)[1:-1]
    inner = [scipy.optimize.brentq(lambda x, y=y: known(x) - y, last, first) for y in stops]
    return [first, *inner, last]


RIGHT = {"13-2": [by_autograd], "13-3": [by_adaptive_quadrature], "13-5": [by_roots]}
WRONG = {
    "13-2": {
        "fails": lambda alpha, d_alpha, u0: by_autograd(alpha, d_alpha, u0)[1],
        "mean_forgotten": lambda alpha, d_alpha, _u0: by_autograd(alpha, d_alpha, 0.0),
        "differs": lambda alpha, d_alpha, u0: by_autograd(alpha, d_alpha, u0)[::-1],
    },
    "13-3": {
        "variance_for_deviation": lambda alpha, x: by_adaptive_quadrature(
            1 / math.hypot(1, (1 - alpha**2) / alpha / x), 1.0
        ),
        "variance_without_square": lambda alpha, x: by_adaptive_quadrature(
            alpha, x * math.sqrt(1 + alpha)
        ),
        "gain_for_its_square": lambda alpha, x: by_adaptive_quadrature(math.sqrt(alpha), x),
        "differs": lambda alpha, x: by_adaptive_quadrature(alpha, x) ** 2,
    },
    "13-5": {
        "from_last_to_first": lambda *case: by_roots(*case)[::-1],
        "differs": lambda v, first, last, m: by_roots(v, first, last, m)[1:],
    },
}
