"""Results come back on the device of the image, and are those of the CPU.

On CUDA where there is one; on other machines on the CPU, so that the table itself is tried.
"""

import numpy as np
import pytest
import torch
from catalogue import MILD, mild
from reference import image, positive

from dpss import bases, diffusion, features, images, measures, osmosis, reverse
from dpss.priors import Empirical, GaussianPrior, Mixture

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
GRID, T, S = (5, 6), [0.5, 0.8], [0.2, 0.3]
U, V, CLOTHES = image((2, *GRID)), image((2, *GRID), 1), image((4, 28, 28), 2)
MASK, LIGHT = image(GRID, 3) > 0, positive(GRID, 4)
TIMES = [0.5, 0.48, 0.46]


def on(a):
    """An array as a tensor in float32 where it is, or in its own type."""
    return torch.as_tensor(np.float32(a) if a.dtype == np.float64 else a)


def prior(process):
    return GaussianPrior(image(GRID, 5), 0.6, process.basis)


def network(u, t):
    return torch.tanh(u) * t.reshape(-1, 1, 1)


FILTERS = {  # what follows from images alone
    "homogeneous": lambda move: diffusion.homogeneous(move(U), T),
    "homogeneous, large": lambda move: diffusion.homogeneous(move(np.tile(U, (1, 30, 1))), 2.0),
    "nonlinear": lambda move: diffusion.nonlinear(move(U), 1.0, 0.3),
    "edge_enhancing": lambda move: diffusion.edge_enhancing(move(U), 1.0, 0.3),
    "inpaint": lambda move: diffusion.inpaint(move(U), move(MASK)),
    "inpaint by osmosis": lambda move: osmosis.inpaint(
        move(np.exp(U)), move(MASK), move(np.exp(U[0]))
    ),
    "evolve": lambda move: osmosis.evolve(move(U), osmosis.canonical_drift(move(LIGHT)), 1.0),
    "clone": lambda move: osmosis.clone(
        move(LIGHT), move(LIGHT.T.copy().reshape(GRID)), move(MASK)
    ),
    "entropy": lambda move: measures.entropy(move(U)),
    "spectrum": lambda move: measures.spectrum(move(U))[1],
    "lyapunov": lambda move: measures.lyapunov(move(U), move(LIGHT), torch.square),
    "features": lambda move: features.features(move(CLOTHES)),
    "as_positive": lambda move: images.as_positive(move(U)),
    "channels_first": lambda move: images.channels_first(move(image((*GRID, 3)))),
    "Osmotic": lambda move: bases.Osmotic(LIGHT).analyse(move(U)),
    "Mixture": lambda move: Mixture([0.4, 0.6], move(V), 0.5, bases.Pixels()).means,
}
PROCESSES = {  # what follows from a process as well
    "marginal": lambda process, move: process.marginal(move(U), T).mean,
    "posterior": lambda process, move: process.posterior(move(U), move(V), S, T).mean,
    "kernel": lambda process, move: process.kernel(S, T)(move(U)).mean,
    "score": lambda process, move: process.score(move(U), move(V), T),
    "log_prob": lambda process, move: process.marginal(move(U), T).log_prob(move(V)),
    "denoiser": lambda process, move: prior(process).denoiser(process)(move(U), T),
    "reverse kernel": lambda process, move: (
        GaussianPrior(move(image(GRID, 5)), 0.6, process.basis)
        .reverse_kernel(process, 0.3, 0.6)(move(U))
        .mean
    ),
    "law of data": lambda process, move: (
        GaussianPrior(move(image(GRID, 5)), 0.6, process.basis).marginal(process, T).mean
    ),
    "density": lambda process, move: prior(process).log_density(process, move(U), T),
    "memory": lambda process, move: Empirical(move(V)).denoiser(process)(move(U), T),
    "memory elsewhere": lambda process, move: Empirical(on(V)).denoiser(process)(move(U), T),
    "step": lambda process, move: reverse.step(process, move(U), move(V), S, T, 0.0),
    "sample": lambda process, move: reverse.sample(
        process, prior(process).denoiser(process), move(U), TIMES, 0.0
    ),
    "flow": lambda process, move: reverse.flow(
        process, prior(process).denoiser(process), move(U), TIMES
    ),
    "exponential": lambda process, move: reverse.exponential(
        process, prior(process).denoiser(process), move(U), TIMES
    ),
    "network": lambda process, move: reverse.as_denoiser(network, process, "image")(move(U), T),
}
DRAWS = {  # and from randomness, which differs between devices
    "sample": lambda process, u, draw: process.sample(u, T, draw),
    "path": lambda process, u, draw: process.path(u, S, draw),
    "steady state": lambda process, u, draw: process.marginal(u, T).sample(draw),
    "ancestral": lambda process, u, draw: reverse.sample(
        process, prior(process).denoiser(process), u, TIMES, 1.0, draw
    ),
    "sde": lambda process, u, draw: reverse.sde(
        process, prior(process).denoiser(process), u, TIMES, 1.0, draw
    ),
    "inpaint": lambda process, u, draw: reverse.inpaint(
        process, prior(process).denoiser(process), u, MASK, [0.5, 0.2, 0.0], 1.0, draw
    ),
}


def assert_alike(case):
    found, expected = case(lambda a: on(a).to(DEVICE)), case(on)
    assert found.device.type == DEVICE and found.dtype == expected.dtype
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)  # float32


@pytest.mark.parametrize("name", FILTERS)
def test_filters_and_measures_stay_on_the_device(name):
    assert_alike(FILTERS[name])


@pytest.mark.parametrize("family", MILD)
@pytest.mark.parametrize("name", PROCESSES)
def test_processes_and_samplers_stay_on_the_device(name, family):
    process = mild(family, GRID)
    assert_alike(lambda move: PROCESSES[name](process, move))


@pytest.mark.parametrize("family", MILD)
@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_made_on_the_device(name, family):
    draw = torch.Generator(DEVICE).manual_seed(0)
    found = DRAWS[name](mild(family, GRID), on(U).to(DEVICE), draw)
    assert found.device.type == DEVICE and found.dtype == torch.float32
    assert torch.isfinite(found).all() and found.std() > 0
