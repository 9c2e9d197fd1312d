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


RIGHT = {"05-2": [by_library], "05-3": [by_coefficients], "05-6": [by_search], "05-7": [by_root]}


def inclusive(beta, s, t):
    gain = 1.0
    for i in range(s, t + 1):
        gain *= math.sqrt(1 - beta[i])
    return gain


def by_kernel(u, t, h, noise):
    kernel = dpss.vp().kernel(t, t + h)
    return kernel.gain.item() * u + kernel.std.item() * noise


def backwards(u, t, h, noise):  # implicit in the drift
    beta_h = (0.1 + 19.9 * t) * h
    return u / (1 + beta_h / 2) + math.sqrt(beta_h) * noise


def with_gains_of_the_page(beta, s, t):  # alpha[i - 1] is α_i, but for i = 0
    alpha = torch.cumprod(1 - torch.from_numpy(beta), 0).sqrt()
    return alpha[t - 1] / alpha[s - 1]


def for_one_start(beta, s, t):
    chain, m = dpss.vp_discrete(torch.from_numpy(beta)), len(beta)
    return by_library(beta, s, t) * chain.noise(s / m) / chain.noise(t / m)


WRONG = {
    "05-2": {
        "one_step_too_many": inclusive,
        "one_step_late": lambda beta, s, t: inclusive(beta, s + 1, t),
        "last_gain_for_the_first": with_gains_of_the_page,
        "correlation_for_one_start": for_one_start,
        "of_continuous_time": lambda beta, s, t: math.exp(-sum(beta[s:t]) / 2),
        "differs": lambda beta, s, t: torch.cumprod(1 - beta, 0)[t],
    },
    "05-3": {
        "exact_step": by_kernel,
        "square_of_the_coefficient": lambda u, t, h, noise: (
            u
            + h * dpss.vp().sde(t)[0].item() * u
            + dpss.vp().sde(t)[1].item() * math.sqrt(h) * noise
        ),
        "differs": backwards,
    },
    "05-6": {
        "one_minus_forgotten": lambda N, nats, beta_min: (
            -2 * math.log(math.exp(-2 * nats / N)) - beta_min
        ),
        "differs": lambda N, nats, beta_min: math.ceil(by_search(N, nats, beta_min)),
    },
    "05-7": {
        "sine_for_cosine": lambda t: (
            2 / math.pi * math.atan(dpss.vp().signal(t).item() / dpss.vp().noise(t).item())
        ),
        "differs": lambda t: dpss.vp_cosine().log_snr(t),
    },
}
