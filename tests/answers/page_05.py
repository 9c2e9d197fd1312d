"""Answers to the exercises of page Variance preserving, written by others than their authors."""

import math

import scipy.optimize
import torch

import dpss


def by_library(beta, s, t):
    chain, m = dpss.vp_discrete(torch.from_numpy(beta)), len(beta)
    return chain.kernel(s / m, t / m).gain


def by_coefficients(u, t, h, noise):
    f, g2 = (x.item() for x in dpss.vp().sde(t))
    u, noise = torch.as_tensor(u), torch.as_tensor(noise)
    return u + f * u * h + math.sqrt(g2 * h) * noise


def by_search(N, nats, beta_min):
    """The divergence of the white image itself, for beta_max between 0.001 and 1000."""

    def too_far(log_beta_max):
        a = math.exp(-(beta_min + math.exp(log_beta_max)) / 2)
        return 0.5 * a * N - N / 2 * (a + math.log1p(-a)) - nats

    return math.exp(scipy.optimize.brentq(too_far, -7, 7, xtol=1e-12))


def by_root(t):
    goal, cosine = dpss.vp().log_snr(t).item(), dpss.vp_cosine()
    return scipy.optimize.brentq(lambda x: cosine.log_snr(x).item() - goal, 1e-9, 1 - 1e-9)


RIGHT = {
    "05-2": [by_library],
    "05-3": [by_coefficients],
    "05-6": [by_search],
    "05-7": [by_root],
}
WRONG = {}
