"""Forward processes: noising as in training, and whole Markov paths."""

import torch
import torch_dct
from blur import noise
from diffusers import DDPMScheduler
from row import Row

import dpss
from dpss import reverse


def rows():
    u = noise((1024, 1, 32, 32))
    epsilon = torch.randn(u.shape, generator=torch.Generator().manual_seed(1))
    scheduler = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear", clip_sample=False)
    vp, index = dpss.vp_discrete(scheduler.betas), torch.arange(1024) % 1000
    grid = torch.arange(1, 1001, dtype=torch.float64) / 1000
    t = grid[index]
    table = [coefficients(grid)[:, None].to(u) for coefficients in (vp.signal, vp.noise)]

    def drawn():
        return torch.randn(u.shape, generator=generator)

    generator = torch.Generator().manual_seed(0)
    yield Row(
        "VP noising 1024×1×32×32, noise given",
        lambda: given(table, u, index, epsilon),
        "diffusers add_noise",
        lambda: scheduler.add_noise(u, epsilon, index),
        1.9,
        1e-5,
    )
    yield Row(
        "VP noising 1024×1×32×32",
        lambda: vp.sample(u, t, generator),
        "drawing its noise",
        drawn,
        0.75,
    )
    blurring = dpss.blurring((32, 32))
    eigenvalues = dpss.Cosines((32, 32), "continuous").eigenvalues.float()
    times = torch.linspace(0.01, 0.99, 1024, dtype=torch.float64)
    width = 16 * torch.sin(torch.pi / 2 * times).float() ** 2

    def by_torch_dct():
        gain = 0.999 * torch.exp(-eigenvalues * (width**2 / 2)[:, None, None]) + 0.001
        gain *= torch.cos(torch.pi / 2 * times).float()[:, None, None]
        mean = torch_dct.idct_2d(torch_dct.dct_2d(u, norm="ortho") * gain[:, None], norm="ortho")
        return mean + torch.sin(torch.pi / 2 * times).float()[:, None, None, None] * drawn()

    yield Row(
        "blurring diffusion 1024×1×32×32, one t per image",
        lambda: blurring.sample(u, times, generator),
        "inverse heat code",
        by_torch_dct,
        4,
    )
    steps = torch.linspace(0.001, 1, 1000, dtype=torch.float64)
    small = u[:64, 0]
    whole = (1000, 64, 32, 32)
    yield Row(
        "Markov path, 1000 steps, 64×32×32",
        lambda: vp.path(small, steps, generator),
        "drawing its noise",
        lambda: torch.randn(whole, generator=generator),
        1 / 1.25,
    )

    start, D = noise((2, 28, 28)), lambda u, t: 0.5 * u
    down = torch.linspace(1, 0, 1001, dtype=torch.float64)
    moves = [c.to(start) for c in reverse._ancestral(vp, down[1:-1], down[:-2], 1.0)]
    yield Row(
        "ancestral sampling, 1000 steps, 2×28×28",
        lambda: reverse.sample(vp, D, start, down),
        "its update, coefficients ready",
        lambda: updated(moves, D, start),
        0.5,
    )


def given(table, u, index, epsilon):
    """α u + σ ε, the noise kept; as with the peer, the coefficients of the steps are at hand."""
    gain, std = (coefficients[index] for coefficients in table)
    return (std * epsilon).addcmul_(gain, u)


def updated(moves, D, u):
    """The bare loop: u ← a u + b D(u) + c ε for ready a, b, c."""
    for a, b, c in zip(*moves):
        u = torch.addcmul(a * u, b, D(u, 0.0)).addcmul_(c, torch.randn(u.shape))
    return D(u, 0.0)
