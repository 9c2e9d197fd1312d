"""Bad input: every public function raises ValueError or TypeError, and names the argument."""

import numpy as np
import pytest
import torch

from dpss import clock, figures, images, measures, network, osmosis, reverse
from dpss.bases import Cosines, Osmotic, Pixels
from dpss.certificate import certify
from dpss.diffusion import edge_enhancing, homogeneous, inpaint, nonlinear, step_limit
from dpss.families import (
    blurring,
    gaussian_scale_space,
    heat,
    osmotic,
    sub_vp,
    ve,
    vp,
    vp_cosine,
    vp_discrete,
)
from dpss.osmosis import (
    Drift,
    canonical_drift,
    clone,
    compress,
    evolve,
    operator,
    shadow_removal,
    steady_state,
)
from dpss.osmosis import step_limit as osmosis_limit
from dpss.priors import Empirical, GaussianPrior, Mixture
from dpss.processes import Gaussian, Kernel, Process
from dpss.training import train
from dpss.trajectories import measured, there_and_back

small = network.UNet((8, 8))
good, other = np.full((3, 4), 0.5), np.linspace(0.1, 0.9, 12).reshape(3, 4)
mask = np.zeros((3, 4), bool)
flat = canonical_drift(np.ones((3, 4)))
lam = torch.as_tensor(Cosines((3, 4)).eigenvalues)
p = heat((3, 4))
normal = Gaussian(torch.zeros(3, 4), 1.0, Pixels())
data = GaussianPrior(np.zeros((3, 4)), 1.0, Pixels())
training = Empirical(np.zeros((2, 3, 4)))


def half(u, _):
    return 0.5 * torch.as_tensor(u)


def batch(u):
    """One image, or what is none, as a batch of two where it has axes."""
    return (
        u
        if not hasattr(u, "ndim") or u.ndim == 0
        else torch.stack([u, u])
        if isinstance(u, torch.Tensor)
        else np.stack([u, u])
    )


def bump(value):
    u = good.copy()
    u[1, 2] = value
    return u


BAD_IMAGES = {
    "nan": bump(np.nan),
    "inf": bump(np.inf),
    "minus inf": bump(-np.inf),
    "one axis": np.ones(4),
    "no axis": np.float64(1.0),
    "integers": np.ones((3, 4), int),
    "bytes": np.ones((3, 4), np.uint8),
    "booleans": np.ones((3, 4), bool),
    "complex": np.ones((3, 4), complex),
    "text": "lena",
    "nothing": None,
    "empty": np.ones((0, 4)),
}


def like(u):
    """A good image of the kind of u."""
    return torch.as_tensor(good) if isinstance(u, torch.Tensor) else good


# argument named in the message, function of the image
TAKES_IMAGE = {
    "homogeneous": ("u", lambda u: homogeneous(u, 1.0)),
    "evolve": ("u", lambda u: evolve(u, flat, 1.0)),
    "evolve implicit": ("u", lambda u: evolve(u, flat, 1.0, scheme="implicit", steps=2)),
    "evolve explicit": ("u", lambda u: evolve(u, flat, 1.0, scheme="explicit", steps=10)),
    "steady_state": ("u", lambda u: steady_state(u, flat)),
    "canonical_drift": ("guidance", lambda u: canonical_drift(u)),
    "canonical_drift of logarithm": ("log_guidance", lambda u: canonical_drift(log_guidance=u)),
    "shadow_removal": ("u", lambda u: shadow_removal(u, mask)),
    "clone background": ("background", lambda u: clone(u, good, mask)),
    "clone foreground": ("foreground", lambda u: clone(good, u, mask)),
    "compress": ("u", lambda u: compress(u, mask)),
    "osmosis inpaint": ("u", lambda u: osmosis.inpaint(u, ~mask, good)),
    "osmosis inpaint guidance": ("guidance", lambda u: osmosis.inpaint(good, ~mask, u)),
    "entropy": ("u", lambda u: measures.entropy(u)),
    "kl_grid p": ("p", lambda u: measures.kl_grid(u, like(u), 1 / 6)),
    "kl_grid q": ("q", lambda u: measures.kl_grid(like(u), u, 1 / 6)),
    "lyapunov u": ("u", lambda u: measures.lyapunov(u, like(u), abs)),
    "lyapunov w": ("w", lambda u: measures.lyapunov(like(u), u, abs)),
    "marginal": ("u0", lambda u: p.marginal(u, 0.5)),
    "sample": ("u0", lambda u: p.sample(u, 0.5)),
    "path": ("u0", lambda u: p.path(u, [0.1, 0.5])),
    "posterior u0": ("u0", lambda u: p.posterior(u, good, 0.1, 0.5)),
    "posterior ut": ("ut", lambda u: p.posterior(good, u, 0.1, 0.5)),
    "score": ("u", lambda u: p.score(good, u, 0.5)),
    "score denoised": ("denoised", lambda u: p.score(u, good, 0.5)),
    "kernel": ("u", lambda u: p.kernel(0.1, 0.5)(u)),
    "log_prob": ("u", lambda u: normal.log_prob(u)),
    "gaussian": ("mean", lambda u: Gaussian(u, 1.0, Pixels())),
    "nonlinear": ("u", lambda u: nonlinear(u, 1.0, 0.1)),
    "nonlinear aos": ("u", lambda u: nonlinear(u, 1.0, 0.1, scheme="aos", steps=2)),
    "edge_enhancing": ("u", lambda u: edge_enhancing(u, 1.0, 0.1)),
    "inpaint": ("u", lambda u: inpaint(u, ~mask)),
    "inpaint edge-enhancing": ("u", lambda u: inpaint(u, ~mask, 0.1)),
    "osmotic": ("guidance", lambda u: osmotic(u, 1.0)),
    "osmotic basis": ("guidance", lambda u: Osmotic(u)),
    "osmotic analyse": ("u", lambda u: Osmotic(good).analyse(u)),
    "osmotic synthesise": ("modes", lambda u: Osmotic(good).synthesise(u)),
    "pixels analyse": ("u", lambda u: Pixels().analyse(u)),
    "pixels synthesise": ("modes", lambda u: Pixels().synthesise(u)),
    "cosines analyse": ("u", lambda u: Cosines((3, 4)).analyse(u)),
    "cosines synthesise": ("modes", lambda u: Cosines((3, 4)).synthesise(u)),
    "spectrum": ("u", lambda u: measures.spectrum(u)),
    "frechet_distance a": (
        "a|features",
        lambda u: measures.frechet_distance(batch(u), batch(like(u)), lambda x: x.mean(-1)),
    ),
    "frechet_distance b": (
        "b|features",
        lambda u: measures.frechet_distance(batch(like(u)), batch(u), lambda x: x.mean(-1)),
    ),
    "as_positive": ("u", lambda u: images.as_positive(u)),
    "brightness": ("u", lambda u: network.brightness(u)),
    "grey": ("b", lambda u: network.grey(u)),
    "from_positive": ("v", lambda u: images.from_positive(u)),
    "gaussian prior": ("mean", lambda u: GaussianPrior(u, 1.0, Pixels())),
    "gaussian prior fit": ("images", lambda u: GaussianPrior.fit(batch(u), Pixels())),
    "mixture": ("means", lambda u: Mixture([1, 1], batch(u), 1.0, Pixels())),
    "empirical": ("images", lambda u: Empirical(batch(u))),
    "denoiser of a gaussian": ("u", lambda u: data.denoiser(vp())(u, 0.5)),
    "denoiser of a training set": ("u", lambda u: training.denoiser(vp())(u, 0.5)),
    "log_density": ("u", lambda u: data.log_density(vp(), u, 0.5)),
    "log_density of a training set": ("u", lambda u: training.log_density(vp(), u, 0.5)),
    "reverse start": ("u", lambda u: reverse.start(p, u)),
    "reverse start from noise": ("u", lambda u: reverse.start(vp(), u)),
    "reverse sample": ("u", lambda u: reverse.sample(p, half, u, [0.5, 0.2])),
    "reverse step u": ("u", lambda u: reverse.step(p, good, u, 0.2, 0.5)),
    "reverse step denoised": ("denoised", lambda u: reverse.step(p, u, good, 0.2, 0.5)),
    "reverse sde": ("u", lambda u: reverse.sde(vp(), half, u, [0.5, 0.4])),
    "reverse flow": ("u", lambda u: reverse.flow(vp(), half, u, [0.5, 0.4])),
    "reverse exponential": ("u", lambda u: reverse.exponential(vp(), half, u, [0.5, 0.4])),
    "reverse inpaint": ("known", lambda u: reverse.inpaint(p, half, u, ~mask, [0.5, 0.0])),
    "there_and_back": ("u", lambda u: there_and_back(u, [0.5])),
    "figure of trajectories": ("u", lambda u: figures.trajectories(u, [0.5])),
}


def setattr_of(process):
    try:
        process.name = "x"
    except AttributeError as error:  # Python's own error for this
        raise TypeError(str(error)) from None


def refuses(argument, call):
    with pytest.raises((ValueError, TypeError)) as refusal:
        call()
    words = (
        str(refusal.value)
        .replace("`", " ")
        .replace("'", " ")
        .replace(",", " ")
        .replace(":", " ")
        .replace(".", " ")
        .replace("(", " ")
        .replace(")", " ")
        .replace("[", " ")
        .split()
    )
    assert any(name in words for name in argument.split("|")), (
        f"the message does not name {argument}: {refusal.value}"
    )
    return str(refusal.value)


# The same as tensors, where they can be one.
BAD_IMAGES |= {
    f"{name}, tensor": torch.as_tensor(u)
    for name, u in BAD_IMAGES.items()
    if isinstance(u, np.ndarray)
}


@pytest.mark.parametrize("bad", BAD_IMAGES)
@pytest.mark.parametrize("function", TAKES_IMAGE)
def test_images_that_are_none_are_refused(function, bad):
    argument, call = TAKES_IMAGE[function]
    refuses(argument, lambda: call(BAD_IMAGES[bad]))


@pytest.mark.parametrize("function", TAKES_IMAGE)
def test_integer_images_are_refused_with_the_way_out(function):
    argument, call = TAKES_IMAGE[function]
    for integers in (np.ones((3, 4), int), torch.ones(3, 4, dtype=torch.uint8)):
        assert "as_float" in refuses(argument, lambda image=integers: call(image))


BAD_TIMES = {"negative": -0.1, "nan": float("nan"), "text": "now", "nothing": None}
TAKES_TIME = {
    "homogeneous": ("t", lambda t: homogeneous(good, t)),
    "evolve": ("t", lambda t: evolve(good, flat, t)),
    "evolve implicit": ("t", lambda t: evolve(good, flat, t, scheme="implicit", steps=2)),
    "evolve explicit": ("t", lambda t: evolve(good, flat, t, scheme="explicit", steps=2)),
    "nonlinear": ("t", lambda t: nonlinear(good, t, 0.1)),
    "edge_enhancing": ("t", lambda t: edge_enhancing(good, t, 0.1)),
}
TAKES_UNIT_TIME = {
    "marginal": ("t", lambda t: p.marginal(good, t)),
    "sample": ("t", lambda t: p.sample(good, t)),
    "log_signal": ("t", lambda t: p.log_signal(t)),
    "signal": ("t", lambda t: p.signal(t)),
    "noise": ("t", lambda t: p.noise(t)),
    "snr": ("t", lambda t: p.snr(t)),
    "log_snr": ("t", lambda t: p.log_snr(t)),
    "sde": ("t", lambda t: p.sde(t)),
    "score": ("t", lambda t: p.score(good, good, t)),
    "kernel s": ("s", lambda t: p.kernel(t, 1.0)),
    "kernel t": ("t", lambda t: p.kernel(0.0, t)),
    "posterior s": ("s", lambda t: p.posterior(good, good, t, 1.0)),
    "posterior t": ("t", lambda t: p.posterior(good, good, 0.0, t)),
    "path": ("times", lambda t: p.path(good, [t])),
    "conditional_entropy": ("t", lambda t: measures.conditional_entropy(vp(), t, (3, 4))),
    "mutual_information": ("t", lambda t: measures.mutual_information(vp(), data, t)),
    "flow": ("t", lambda t: p.flow(t)),
    "prior marginal": ("t", lambda t: data.marginal(vp(), t)),
    "reverse_kernel s": ("s", lambda t: data.reverse_kernel(vp(), t, 1.0)),
    "reverse_kernel t": ("t", lambda t: data.reverse_kernel(vp(), 0.0, t)),
    "denoiser of a gaussian": ("t", lambda t: data.denoiser(vp())(good, t)),
    "denoiser of a training set": ("t", lambda t: training.denoiser(vp())(good, t)),
    "log_density": ("t", lambda t: data.log_density(vp(), good, t)),
    "log_density of a training set": ("t", lambda t: training.log_density(vp(), good, t)),
    "reverse step s": ("s", lambda t: reverse.step(vp(), good, good, t, 1.0)),
    "reverse step t": ("t", lambda t: reverse.step(vp(), good, good, 0.0, t)),
    "reverse sample": ("times", lambda t: reverse.sample(vp(), half, good, [t, 0.1])),
    "reverse sde": ("times", lambda t: reverse.sde(vp(), half, good, [t, 0.2])),
    "reverse flow": ("times", lambda t: reverse.flow(vp(), half, good, [t, 0.1])),
    "reverse exponential": ("times", lambda t: reverse.exponential(vp(), half, good, [t, 0.1])),
    "reverse inpaint": (
        "times",
        lambda t: reverse.inpaint(vp(), half, torch.as_tensor(good), ~mask, [t, 0.0]),
    ),
    "certify": ("times", lambda t: certify(vp(), (3, 4), times=[0.1, t, 0.9])),
    "there_and_back": ("shares", lambda t: there_and_back(good, [t, 0.9])),
    "figure of trajectories": ("shares", lambda t: figures.trajectories(good, [t, 0.9])),
}
SEVERAL = {
    "path",
    "reverse sample",
    "reverse sde",
    "reverse flow",
    "reverse exponential",
    "reverse inpaint",
    "certify",
    "there_and_back",
    "figure of trajectories",
}  # take a list already


@pytest.mark.parametrize("bad", BAD_TIMES)
@pytest.mark.parametrize("function", {**TAKES_TIME, **TAKES_UNIT_TIME})
def test_times_that_are_none_are_refused(function, bad):
    argument, call = {**TAKES_TIME, **TAKES_UNIT_TIME}[function]
    refuses(argument, lambda: call(BAD_TIMES[bad]))


@pytest.mark.parametrize("t", [1.001, 17, float("inf")])
@pytest.mark.parametrize("function", TAKES_UNIT_TIME)
def test_times_after_one_are_refused(function, t):
    argument, call = TAKES_UNIT_TIME[function]
    refuses(argument, lambda: call(t))


@pytest.mark.parametrize("function", [name for name in TAKES_UNIT_TIME if name not in SEVERAL])
def test_one_bad_time_among_many_is_refused(function):
    argument, call = TAKES_UNIT_TIME[function]
    refuses(argument, lambda: call(torch.tensor([0.5, -0.1])))
    refuses(argument, lambda: call(torch.tensor([0.5, float("nan")])))


OTHER = {
    # times and their order
    "kernel, s after t": ("s", lambda: p.kernel(0.6, 0.5)),
    "posterior, s after t": ("s", lambda: p.posterior(good, good, 0.6, 0.5)),
    "posterior, s equal to t": ("s", lambda: p.posterior(good, good, 0.5, 0.5)),
    "path, decreasing": ("times", lambda: p.path(good, [0.5, 0.1])),
    "path, repeated": ("times", lambda: p.path(good, [0.1, 0.1])),
    "path, none": ("times", lambda: p.path(good, [])),
    "path, one bad": ("times", lambda: p.path(good, [0.1, 0.5, 1.5])),
    "marginal, three times for two images": (
        "t",
        lambda: p.marginal(torch.zeros(2, 3, 4), torch.tensor([0.1, 0.2, 0.3])),
    ),
    "homogeneous, three times for two images": (
        "t",
        lambda: homogeneous(np.zeros((2, 3, 4)), np.array([0.1, 0.2, 0.3])),
    ),
    # shapes of modes
    "marginal, another grid": ("u0", lambda: p.marginal(torch.zeros(4, 3), 0.5)),
    "sample, another grid": ("u0", lambda: p.sample(torch.zeros(4, 3), 0.5)),
    "path, another grid": ("u0", lambda: p.path(torch.zeros(4, 3), [0.5])),
    "kernel, another grid": ("u", lambda: p.kernel(0.1, 0.5)(torch.zeros(4, 3))),
    "posterior, two grids": (
        "ut",
        lambda: p.posterior(torch.zeros(3, 4), torch.zeros(4, 3), 0.1, 0.5),
    ),
    "score, two grids": ("denoised|u", lambda: p.score(torch.zeros(3, 4), torch.zeros(4, 3), 0.5)),
    "steady_state, another grid": ("shape", lambda: p.steady_state((4, 3))),
    "steady_state, one axis": ("shape", lambda: vp().steady_state((4,))),
    "conditional_entropy, another grid": (
        "shape",
        lambda: measures.conditional_entropy(p, 0.5, (4, 3)),
    ),
    "gaussian, std of another grid": (
        "std",
        lambda: Gaussian(torch.zeros(3, 4), torch.ones(4, 3), Pixels()),
    ),
    "gaussian, negative std": ("std", lambda: Gaussian(torch.zeros(3, 4), -1.0, Pixels())),
    "gaussian, nan std": ("std", lambda: Gaussian(torch.zeros(3, 4), float("nan"), Pixels())),
    "log_prob, another grid": ("u", lambda: normal.log_prob(torch.zeros(4, 3))),
    "kl, another grid": ("other", lambda: normal.kl(Gaussian(torch.zeros(4, 3), 1.0, Pixels()))),
    "kl, no law": ("other", lambda: normal.kl(torch.zeros(3, 4))),
    "analyse, another grid": ("u", lambda: Cosines((3, 4)).analyse(torch.zeros(4, 3))),
    "synthesise, another grid": ("modes", lambda: Cosines((3, 4)).synthesise(torch.zeros(4, 3))),
    # densities that do not exist
    "log_prob, no noise": ("std|σ", lambda: p.marginal(good, 0.0).log_prob(torch.as_tensor(good))),
    "score at time zero": ("t", lambda: p.score(good, good, 0.0)),
    "score of a process without noise": (
        "t|noise|σ|std",
        lambda: gaussian_scale_space((3, 4), 1.0).score(good, good, 0.5),
    ),
    # families and bases
    "heat, one axis": ("shape", lambda: heat((4,))),
    "heat, no pixel": ("shape", lambda: heat((0, 4))),
    "heat, laplacian": ("laplacian", lambda: heat((3, 4), laplacian="spectral")),
    "heat, blur": ("blur_max", lambda: heat((3, 4), blur_max=-1.0)),
    "heat, sigma": ("sigma", lambda: heat((3, 4), sigma=-0.1)),
    "gaussian_scale_space, t_max": ("t_max", lambda: gaussian_scale_space((3, 4), t_max=-1.0)),
    "gaussian_scale_space, shape": ("shape", lambda: gaussian_scale_space((3, -4), t_max=1.0)),
    "gaussian_scale_space, laplacian": (
        "laplacian",
        lambda: gaussian_scale_space((3, 4), 1.0, laplacian="five-point"),
    ),
    "vp, beta_min": ("beta_min", lambda: vp(beta_min=-0.1)),
    "vp, beta_max": ("beta_max", lambda: vp(beta_max=-1.0)),
    "vp, nan": ("beta_max", lambda: vp(beta_max=float("nan"))),
    "cosines, one axis": ("shape", lambda: Cosines((4,))),
    "cosines, fractions": ("shape", lambda: Cosines((3.5, 4))),
    "cosines, laplacian": ("laplacian", lambda: Cosines((3, 4), laplacian="periodic")),
    "process, no basis": ("basis", lambda: Process("cosines", lambda t: -t, lambda t: t, "x")),
    "process, constant gain": ("log_signal", lambda: Process(Pixels(), -1.0, lambda t: t, "x")),
    "process, constant noise": ("noise", lambda: Process(Pixels(), lambda t: -t, 0.1, "x")),
    "process, nan": (
        "log_signal",
        lambda: Process(Pixels(), lambda t: t * float("nan"), lambda t: t, "x").sample(good, 0.5),
    ),
    "process, infinite gain before the end": (
        "log_signal",
        lambda: Process(
            Pixels(), lambda t: torch.log((0.5 - t).clamp(min=0)), lambda t: t, "x"
        ).signal(0.7),
    ),
    "process, infinite gain just before the end": (
        "log_signal",
        lambda: Process(
            Pixels(), lambda t: torch.log((0.9 - t).clamp(min=0)), lambda t: t, "x"
        ).signal(0.95),
    ),
    "process, noise that turns negative": (
        "noise",
        lambda: Process(Pixels(), lambda t: -t, lambda t: 0.9 - t, "x").sample(good, 0.95),
    ),
    "process, a number": (
        "log_signal",
        lambda: Process(Pixels(), lambda t: -1.0, lambda t: t, "x").sample(good, 0.5),
    ),
    "process, an array": (
        "noise",
        lambda: Process(Pixels(), lambda t: -t, lambda t: t.numpy(), "x").sample(good, 0.5),
    ),
    "process, NumPy inside": (
        "log_signal",
        lambda: Process(
            Pixels(),
            lambda t: torch.as_tensor(np.log1p(-0.5 * t.detach().numpy())),
            lambda t: t,
            "x",
        ).sde(0.5),
    ),
    "process, float inside": (
        "noise",
        lambda: Process(Pixels(), lambda t: -t, lambda t: t * 0 + float(t.flatten()[0]), "x").sde(
            0.5
        ),
    ),
    "process, times merged": (
        "noise",
        lambda: Process(Pixels(), lambda t: -t, lambda t: t.expand(3, 1, 1), "x").sample(good, 0.5),
    ),
    "process, a constant signal": (
        "signal",
        lambda: Process(Pixels(), lambda t: -t, lambda t: t, "x", signal=0.5),
    ),
    "process, the signal of another gain": (
        "signal",
        lambda: Process(
            Pixels(), lambda t: -t, lambda t: t, "x", lambda t: torch.exp(-t) + 1e-8
        ).signal(0.5),
    ),
    "process, signal as an array": (
        "signal",
        lambda: Process(Pixels(), lambda t: -t, lambda t: t, "x", lambda t: t.numpy()).signal(0.5),
    ),
    "process, a signal without derivative": (
        "signal",
        lambda: Process(
            Pixels(), lambda t: -t, lambda t: t, "x", lambda t: torch.exp(-t).detach()
        ).signal(0.5),
    ),
    "process, signal of one time for all": (
        "signal",
        lambda: Process(
            Pixels(),
            lambda t: -t,
            lambda t: t,
            "x",
            lambda t: torch.exp(-t) + 0 * t if t.numel() == 1 else torch.exp(-t[0, 0, 0]) + 0 * t,
        ).signal(0.5),
    ),
    "process, a signal that starts elsewhere": (
        "signal",
        lambda: Process(
            Pixels(),
            lambda t: -t,
            lambda t: t,
            "x",
            lambda t: torch.exp(-t) * torch.where(t > 0, 1.0, 0.5),
        ).signal(0.5),
    ),
    "process, a signal that ends elsewhere": (
        "signal",
        lambda: Process(
            Pixels(),
            lambda t: -t,
            lambda t: t,
            "x",
            lambda t: torch.exp(-t) * torch.where(t < 1, 1.0, 0.5),
        ).signal(0.5),
    ),
    "homogeneous, a time beyond all floats": ("t", lambda: homogeneous(good, 10**400)),
    "process, signal that turns negative": (
        "signal",
        lambda: Process(
            Pixels(),
            lambda t: -t,
            lambda t: t,
            "x",
            lambda t: torch.where(t > 0.9, -1.0, torch.exp(-t)),
        ).sample(good, 0.95),
    ),
    "process, set an attribute": ("name", lambda: setattr_of(p)),
    "posterior, batches that do not fit": (
        "ut",
        lambda: p.posterior(torch.zeros(2, 3, 4), torch.zeros(3, 3, 4), 0.1, 0.5),
    ),
    "posterior, grids that do not fit in pixels": (
        "ut",
        lambda: vp().posterior(torch.zeros(3, 4), torch.zeros(4, 3), 0.1, 0.5),
    ),
    "gaussian, basis": ("basis", lambda: Gaussian(torch.zeros(3, 4), 1.0, "pixels")),
    "kl, another basis": (
        "other",
        lambda: normal.kl(Gaussian(torch.zeros(3, 4), 1.0, Cosines((3, 4)))),
    ),
    "gaussian prior, one std per row": ("std", lambda: GaussianPrior(good, np.ones(4), Pixels())),
    "drift, a list": ("dy", lambda: Drift([[0.0]], np.zeros((3, 3)))),
    "drift, potential of another grid": (
        "potential",
        lambda: Drift(np.zeros((2, 4)), np.zeros((3, 3)), np.zeros((4, 3))),
    ),
    "operator of many drifts": ("drift", lambda: operator(canonical_drift(np.ones((2, 3, 4))))),
    "grid, a number": ("shape", lambda: heat(4)),
    "process, modes of another grid": (
        "log_signal",
        lambda: Process(Cosines((4, 3)), lambda t: -lam * t, lambda t: t, "x").signal(0.5),
    ),
    "compose, no kernel": ("other|earlier", lambda: p.kernel(0.5, 1.0) @ torch.eye(3)),
    "compose, two bases": (
        "other|earlier|basis",
        lambda: p.kernel(0.5, 1.0) @ vp().kernel(0.1, 0.5),
    ),
    # guidance and drift
    "canonical_drift, zero": ("guidance", lambda: canonical_drift(bump(0.0))),
    "canonical_drift, negative": ("guidance", lambda: canonical_drift(bump(-1.0))),
    "canonical_drift, nothing": ("guidance", lambda: canonical_drift()),
    "canonical_drift, both": (
        "guidance|log_guidance",
        lambda: canonical_drift(good, log_guidance=good),
    ),
    "shadow_removal, zero": ("u", lambda: shadow_removal(bump(0.0), mask)),
    "clone, negative background": ("background", lambda: clone(bump(-1.0), good, mask)),
    "clone, zero foreground": ("foreground", lambda: clone(good, bump(0.0), mask)),
    "compress, zero": ("u", lambda: compress(bump(0.0), mask)),
    "drift of 2": (
        "dy|dx|drift",
        lambda: evolve(good, Drift(np.full((2, 4), 2.0), np.zeros((3, 3))), 1.0),
    ),
    "drift of −2.5": (
        "dx|dy|drift",
        lambda: operator(Drift(np.zeros((2, 4)), np.full((3, 3), -2.5))),
    ),
    "drift of 2, steady state": (
        "dx|dy|drift",
        lambda: steady_state(good, Drift(np.zeros((2, 4)), np.full((3, 3), 2.0))),
    ),
    "drift, nan": ("dy|drift", lambda: operator(Drift(np.full((2, 4), np.nan), np.zeros((3, 3))))),
    "drift, shapes that do not belong together": (
        "dy|dx|drift",
        lambda: operator(Drift(np.zeros((3, 4)), np.zeros((3, 4)))),
    ),
    "drift of another grid": (
        "drift|u",
        lambda: evolve(good, canonical_drift(np.ones((4, 3))), 1.0),
    ),
    "drift of another grid, steady state": (
        "drift|u",
        lambda: steady_state(good, canonical_drift(np.ones((4, 3)))),
    ),
    "drift that is an image": ("drift", lambda: evolve(good, good, 1.0)),
    "operator of an image": ("drift", lambda: operator(good)),
    "step_limit of an image": ("drift", lambda: osmosis_limit(good)),
    "spacing": ("spacing", lambda: operator(flat, spacing=0.0)),
    "spacing, evolve": ("spacing", lambda: evolve(good, flat, 1.0, spacing=-1.0)),
    "spacing, step_limit": ("spacing", lambda: osmosis_limit(flat, spacing=float("nan"))),
    # schemes
    "scheme": ("scheme", lambda: evolve(good, flat, 1.0, scheme="crank")),
    "steps of zero": ("steps", lambda: evolve(good, flat, 1.0, scheme="implicit", steps=0)),
    "steps, a fraction": ("steps", lambda: evolve(good, flat, 1.0, scheme="implicit", steps=2.5)),
    "explicit step above its bound": (
        "steps",
        lambda: evolve(good, flat, 10.0, scheme="explicit", steps=10),
    ),
    "diffusivity": ("largest_diffusivity", lambda: step_limit(0.0)),
    # masks
    "shadow_removal, mask of numbers": (
        "shadow_edge",
        lambda: shadow_removal(good, mask.astype(float)),
    ),
    "shadow_removal, mask of another grid": ("shadow_edge", lambda: shadow_removal(good, mask.T)),
    "clone, mask of numbers": ("mask", lambda: clone(good, other, mask.astype(int))),
    "clone, mask of another grid": ("mask", lambda: clone(good, other, mask.T)),
    "clone, two grids": ("foreground", lambda: clone(good, other.T, mask)),
    "compress, mask of numbers": ("mask", lambda: compress(good, mask.astype(float))),
    "compress, mask of another grid": ("mask", lambda: compress(good, mask.T)),
    "osmosis inpaint, zero": ("u", lambda: osmosis.inpaint(bump(0.0), ~mask, good)),
    "osmosis inpaint, zero in the guidance": (
        "guidance",
        lambda: osmosis.inpaint(good, ~mask, bump(0.0)),
    ),
    "osmosis inpaint, guidance of another grid": (
        "guidance",
        lambda: osmosis.inpaint(good, ~mask, good.T.copy()),
    ),
    "osmosis inpaint, more guidance than images": (
        "guidance",
        lambda: osmosis.inpaint(good, ~mask, batch(good)),
    ),
    "osmosis inpaint, nothing known": ("mask", lambda: osmosis.inpaint(good, mask, good)),
    "osmosis inpaint, mask of numbers": (
        "mask",
        lambda: osmosis.inpaint(good, mask.astype(float), good),
    ),
    # measures
    "entropy, value above the range": ("range|u", lambda: measures.entropy(bump(1.5))),
    "entropy, value below the range": ("range|u", lambda: measures.entropy(bump(-1.01))),
    "entropy, bins": ("bins", lambda: measures.entropy(good, bins=0)),
    "entropy, empty range": ("range", lambda: measures.entropy(good, range=(1, 1))),
    "kl_grid, negative density": ("p", lambda: measures.kl_grid(bump(-0.5), good, 1.0)),
    "kl_grid, negative reference": ("q", lambda: measures.kl_grid(good, bump(-0.5), 1.0)),
    "kl_grid, cell": ("cell", lambda: measures.kl_grid(good, good, 0.0)),
    "kl_grid, two grids": ("q", lambda: measures.kl_grid(good, good.T.copy(), 1 / 6)),
    "lyapunov, zero steady state": ("w", lambda: measures.lyapunov(good, bump(0.0), abs)),
    "lyapunov, two grids": ("w|u", lambda: measures.lyapunov(good, good.T.copy(), abs)),
    "lyapunov, no function": ("phi", lambda: measures.lyapunov(good, good, 2.0)),
    "conditional_entropy, no process": (
        "process",
        lambda: measures.conditional_entropy("vp", 0.5, (3, 4)),
    ),
    "mutual_information, no gaussian": (
        "prior",
        lambda: measures.mutual_information(vp(), training, 0.5),
    ),
    "mutual_information, no process": (
        "process",
        lambda: measures.mutual_information("vp", data, 0.5),
    ),
    "mutual_information, bases that do not fit": (
        "process",
        lambda: measures.mutual_information(p, GaussianPrior(good, other, Pixels()), 0.5),
    ),
    "frechet_distance, one image": (
        "a",
        lambda: measures.frechet_distance(good[None], batch(good), lambda x: x.mean(-1)),
    ),
    "frechet_distance, no batch": (
        "features",
        lambda: measures.frechet_distance(batch(good), good, lambda x: x.mean(-1)),
    ),
    "frechet_distance, another grid": (
        "u",
        lambda: measures.frechet_distance(batch(good), batch(good)),
    ),
    "frechet_distance, features of another shape": (
        "features",
        lambda: measures.frechet_distance(batch(good), batch(good), lambda x: x),
    ),
    "frechet_distance, features that are nan": (
        "features",
        lambda: measures.frechet_distance(batch(good), batch(good), lambda x: x.mean(-1) * np.nan),
    ),
    "gaussian_frechet, mean": (
        "mean_a",
        lambda: measures.gaussian_frechet(np.eye(2), np.eye(2), np.zeros(2), np.eye(2)),
    ),
    "gaussian_frechet, sizes": (
        "mean_b",
        lambda: measures.gaussian_frechet(np.zeros(2), np.eye(2), np.zeros(3), np.eye(2)),
    ),
    "gaussian_frechet, covariance of another size": (
        "cov_b",
        lambda: measures.gaussian_frechet(np.zeros(2), np.eye(2), np.zeros(2), np.eye(3)),
    ),
    "gaussian_frechet, not square": (
        "cov_a",
        lambda: measures.gaussian_frechet(np.zeros(2), np.ones((2, 3)), np.zeros(2), np.eye(2)),
    ),
    "gaussian_frechet, not symmetric": (
        "cov_a",
        lambda: measures.gaussian_frechet(
            np.zeros(2), np.array([[1.0, 2], [0, 1]]), np.zeros(2), np.eye(2)
        ),
    ),
    "gaussian_frechet, negative": (
        "cov_b",
        lambda: measures.gaussian_frechet(np.zeros(2), np.eye(2), np.zeros(2), -np.eye(2)),
    ),
    "gaussian_frechet, nan": (
        "cov_a",
        lambda: measures.gaussian_frechet(
            np.zeros(2), np.full((2, 2), np.nan), np.zeros(2), np.eye(2)
        ),
    ),
    # families
    "vp_discrete, none": ("betas", lambda: vp_discrete([])),
    "vp_discrete, nothing": ("betas", lambda: vp_discrete()),
    "vp_discrete, both": ("alphas_cumprod", lambda: vp_discrete([0.1], alphas_cumprod=[0.9])),
    "vp_discrete, products": ("betas", lambda: vp_discrete([0.99, 0.95, 0.5, 0.1])),
    "vp_discrete, beyond one": ("betas", lambda: vp_discrete([0.1, 1.1])),
    "vp_discrete, rising products": (
        "alphas_cumprod",
        lambda: vp_discrete(alphas_cumprod=[0.9, 0.91]),
    ),
    "vp_discrete, products from one": (
        "alphas_cumprod",
        lambda: vp_discrete(alphas_cumprod=[1.0, 0.9]),
    ),
    "vp_discrete, negative products": (
        "alphas_cumprod",
        lambda: vp_discrete(alphas_cumprod=[0.9, -0.1]),
    ),
    "as_denoiser, no model": ("model", lambda: reverse.as_denoiser(3, vp())),
    "as_denoiser, no process": ("process", lambda: reverse.as_denoiser(abs, "vp")),
    "as_denoiser, another target": ("predicts", lambda: reverse.as_denoiser(abs, vp(), "eps")),
    "as_denoiser, steps": ("steps", lambda: reverse.as_denoiser(abs, vp(), "noise", 0)),
    "as_denoiser, a model that returns an array": (
        "model",
        lambda: reverse.as_denoiser(lambda u, t: u.numpy(), vp())(torch.zeros(1, 3, 4), 0.5),
    ),
    "as_denoiser, a model of another shape": (
        "model",
        lambda: reverse.as_denoiser(lambda u, t: u[0], vp())(torch.zeros(1, 3, 4), 0.5),
    ),
    "as_denoiser, noise where nothing else is left": (
        "t",
        lambda: reverse.as_denoiser(lambda u, t: u, vp_cosine())(torch.zeros(1, 3, 4), 1.0),
    ),
    "as_denoiser, a time for each row": (
        "t",
        lambda: reverse.as_denoiser(lambda u, t: u, vp())(torch.zeros(2, 3, 4), torch.ones(3)),
    ),
    "vp_discrete, one": ("betas", lambda: vp_discrete([1.0, 0.1])),
    "vp_discrete, negative": ("betas", lambda: vp_discrete([0.1, -0.1])),
    "vp_discrete, nan": ("betas", lambda: vp_discrete([0.1, float("nan")])),
    "vp_discrete, number": ("betas", lambda: vp_discrete(0.1)),
    "vp_discrete, matrix": ("betas", lambda: vp_discrete([[0.1, 0.2]])),
    "sub_vp, beta_min": ("beta_min", lambda: sub_vp(beta_min=-1.0)),
    "sub_vp, beta_max": ("beta_max", lambda: sub_vp(beta_max=0.0)),
    "ve, sigma_min": ("sigma_min", lambda: ve(sigma_min=0.0)),
    "ve, sigma_max": ("sigma_max", lambda: ve(sigma_min=1.0, sigma_max=1.0)),
    "ve, infinite": ("sigma_max", lambda: ve(sigma_max=float("inf"))),
    "blurring, shape": ("shape", lambda: blurring((3,))),
    "blurring, blur": ("blur_max", lambda: blurring((3, 4), blur_max=0.0)),
    "blurring, gain": ("min_gain", lambda: blurring((3, 4), min_gain=1.0)),
    "blurring, negative gain": ("min_gain", lambda: blurring((3, 4), min_gain=-0.1)),
    "blurring, laplacian": ("laplacian", lambda: blurring((3, 4), laplacian="none")),
    "osmotic, zero": ("guidance", lambda: osmotic(bump(0.0), 1.0)),
    "osmotic, batch": ("guidance", lambda: osmotic(batch(good), 1.0)),
    "osmotic, t_max": ("t_max", lambda: osmotic(good, 0.0)),
    "osmotic, sigma": ("sigma", lambda: osmotic(good, 1.0, -1.0)),
    "osmotic, rise": ("rise", lambda: osmotic(good, 1.0, 1.0, -0.25)),
    "osmotic, rise NaN": ("rise", lambda: osmotic(good, 1.0, 1.0, float("nan"))),
    # filters
    "nonlinear, contrast": ("contrast", lambda: nonlinear(good, 1.0, 0.0)),
    "nonlinear, nan contrast": ("contrast", lambda: nonlinear(good, 1.0, float("nan"))),
    "nonlinear, diffusivity": ("diffusivity", lambda: nonlinear(good, 1.0, 0.1, "weickert")),
    "nonlinear, diffusivities": ("diffusivity", lambda: nonlinear(good, 1.0, 0.1, np.ones(3))),
    "nonlinear, schemes": ("scheme", lambda: nonlinear(good, 1.0, 0.1, scheme=["fed"])),
    "nonlinear, colour": ("colour", lambda: nonlinear(good, 1.0, 0.1, colour="red")),
    "entropy, bins beyond memory": ("bins", lambda: measures.entropy(good, bins=10**12)),
    "nonlinear, scheme": ("scheme", lambda: nonlinear(good, 1.0, 0.1, scheme="implicit")),
    "nonlinear, presmoothing": (
        "presmoothing",
        lambda: nonlinear(good, 1.0, 0.1, presmoothing=-1.0),
    ),
    "nonlinear, steps": ("steps", lambda: nonlinear(good, 1.0, 0.1, steps=0)),
    "nonlinear, colour of a grey image": ("colour", lambda: nonlinear(good, 1.0, 0.1, colour=True)),
    "nonlinear, infinite t": ("t", lambda: nonlinear(good, float("inf"), 0.1)),
    "edge_enhancing, contrast": ("contrast", lambda: edge_enhancing(good, 1.0, -0.1)),
    "edge_enhancing, scheme": ("scheme", lambda: edge_enhancing(good, 1.0, 0.1, scheme="aos")),
    "edge_enhancing, presmoothing": (
        "presmoothing",
        lambda: edge_enhancing(good, 1.0, 0.1, presmoothing="much"),
    ),
    "inpaint, nothing known": ("mask", lambda: inpaint(good, mask)),
    "inpaint, mask of numbers": ("mask", lambda: inpaint(good, mask.astype(float))),
    "inpaint, mask of another grid": ("mask", lambda: inpaint(good, ~mask.T)),
    "inpaint, contrast": ("contrast", lambda: inpaint(good, ~mask, 0.0)),
    "inpaint, contrast of text": ("contrast", lambda: inpaint(good, ~mask, "strong")),
    "inpaint, presmoothing": ("presmoothing", lambda: inpaint(good, ~mask, 0.1, -1.0)),
    "inpaint, presmoothing of nothing": ("presmoothing", lambda: inpaint(good, ~mask, 0.1, None)),
    "inpaint, colour": ("colour", lambda: inpaint(good, ~mask, 0.1, colour=True)),
    # priors
    "gaussian prior, batch": ("mean", lambda: GaussianPrior(batch(batch(good)), 1.0, Pixels())),
    "gaussian prior, std": ("std", lambda: GaussianPrior(good, -1.0, Pixels())),
    "gaussian prior, std of another grid": (
        "std",
        lambda: GaussianPrior(good, good.T.copy(), Pixels()),
    ),
    "gaussian prior, nan std": ("std", lambda: GaussianPrior(good, float("nan"), Pixels())),
    "gaussian prior, basis": ("basis", lambda: GaussianPrior(good, 1.0, "pixels")),
    "gaussian prior, basis of another grid": (
        "mean|means",
        lambda: GaussianPrior(good, 1.0, Cosines((4, 3))),
    ),
    "fit, one image": ("images", lambda: GaussianPrior.fit(good, Pixels())),
    "fit, basis": ("basis", lambda: GaussianPrior.fit(batch(good), None)),
    "mixture, weights": ("weights", lambda: Mixture([1.0], batch(good), 1.0, Pixels())),
    "mixture, negative weight": (
        "weights",
        lambda: Mixture([1.0, -0.5], batch(good), 1.0, Pixels()),
    ),
    "mixture, no weight": ("weights", lambda: Mixture([0.0, 0.0], batch(good), 1.0, Pixels())),
    "mixture, one mean": ("means", lambda: Mixture([1.0], good, 1.0, Pixels())),
    "mixture, std": ("std", lambda: Mixture([1.0, 1.0], batch(good), [1.0, -1.0], Pixels())),
    "mixture, three std": (
        "std",
        lambda: Mixture([1.0, 1.0], batch(good), [1.0, 1.0, 1.0], Pixels()),
    ),
    "prior, no number of images": ("n", lambda: data.sample(0)),
    "empirical, no number of images": ("n", lambda: training.sample(2.5)),
    "empirical, one image": ("images", lambda: Empirical(good)),
    "empirical, films": ("images", lambda: Empirical(batch(batch(batch(good))))),
    "prior, no process": ("process", lambda: data.denoiser("vp")),
    "empirical, no process": ("process", lambda: training.denoiser(None)),
    "prior, process of another grid": ("means|process", lambda: data.denoiser(heat((4, 3)))),
    "prior, bases that do not fit": (
        "process",
        lambda: GaussianPrior(good, other, Pixels()).denoiser(p),
    ),
    "prior, osmotic process": ("process", lambda: data.denoiser(osmotic(good, 1.0))),
    "denoiser, another grid": ("u", lambda: data.denoiser(vp())(torch.zeros(4, 3), 0.5)),
    "denoiser of a training set, another grid": (
        "u",
        lambda: training.denoiser(vp())(torch.zeros(4, 3), 0.5),
    ),
    "denoiser, three times for two images": (
        "t",
        lambda: data.denoiser(vp())(batch(good), torch.tensor([0.1, 0.2, 0.3])),
    ),
    "denoiser of a training set, three times for two images": (
        "t",
        lambda: training.denoiser(vp())(batch(good), torch.tensor([0.1, 0.2, 0.3])),
    ),
    "log_density, another grid": ("u", lambda: data.log_density(vp(), torch.zeros(4, 3), 0.5)),
    "log_density, no noise": ("t", lambda: training.log_density(vp(), good, 0.0)),
    "log_density, a point mass": (
        "t",
        lambda: GaussianPrior(good, 0.0, Pixels()).log_density(vp(), good, 0.0),
    ),
    "reverse_kernel, s after t": ("s", lambda: data.reverse_kernel(vp(), 0.6, 0.5)),
    # reverse
    "reverse start, no process": ("process", lambda: reverse.start("vp", good)),
    "reverse start, another grid": ("u", lambda: reverse.start(p, torch.zeros(4, 3))),
    "reverse start, a seed": ("generator", lambda: reverse.start(vp(), good, 0)),
    "measured, cats": ("kind", lambda: measured("cats")),
    "there_and_back, a seed": ("generator", lambda: there_and_back(good, [0.5], generator=0)),
    "there_and_back, no offset": ("offset", lambda: there_and_back(good, [0.5], offset=0.0)),
    "there_and_back, dark": ("offset", lambda: there_and_back(good - 9.0, [0.5])),
    "there_and_back, one share": ("shares", lambda: there_and_back(good, 0.5)),
    "there_and_back, two images": ("u", lambda: there_and_back(np.zeros((2, 1, 3, 4)), [0.5])),
    "reverse sample, no process": ("process", lambda: reverse.sample("vp", half, good, [0.5, 0.1])),
    "reverse sample, no denoiser": (
        "denoiser",
        lambda: reverse.sample(vp(), None, good, [0.5, 0.1]),
    ),
    "reverse sample, increasing": ("times", lambda: reverse.sample(vp(), half, good, [0.1, 0.5])),
    "reverse sample, repeated": ("times", lambda: reverse.sample(vp(), half, good, [0.5, 0.5])),
    "reverse sample, one time": ("times", lambda: reverse.sample(vp(), half, good, [0.5])),
    "reverse sample, none": ("times", lambda: reverse.sample(vp(), half, good, [])),
    "reverse sample, eta": ("eta", lambda: reverse.sample(vp(), half, good, [0.5, 0.1], eta=1.5)),
    "reverse sample, negative eta": (
        "eta",
        lambda: reverse.sample(vp(), half, good, [0.5, 0.1], eta=-0.1),
    ),
    "reverse sample, another grid": (
        "u",
        lambda: reverse.sample(p, half, torch.zeros(4, 3), [0.5, 0.1]),
    ),
    "reverse step, s after t": ("s", lambda: reverse.step(vp(), good, good, 0.5, 0.2)),
    "reverse step, two shapes": (
        "denoised",
        lambda: reverse.step(vp(), batch(good), good, 0.2, 0.5),
    ),
    "reverse step, eta": (
        "eta",
        lambda: reverse.step(vp(), good, good, 0.2, 0.5, eta=float("nan")),
    ),
    "reverse step, no process": ("process", lambda: reverse.step(None, good, good, 0.2, 0.5)),
    "reverse sde, eta": ("eta", lambda: reverse.sde(vp(), half, good, [0.5, 0.4], eta=-1.0)),
    "reverse sde, no denoiser": ("denoiser", lambda: reverse.sde(vp(), good, good, [0.5, 0.4])),
    "reverse flow, no denoiser": ("denoiser", lambda: reverse.flow(vp(), "D", good, [0.5, 0.4])),
    "reverse exponential, no denoiser": (
        "denoiser",
        lambda: reverse.exponential(vp(), None, good, [0.5, 0.4]),
    ),
    "reverse exponential, no process": (
        "process",
        lambda: reverse.exponential("vp", half, good, [0.5, 0.4]),
    ),
    "reverse inpaint, nothing known": (
        "mask",
        lambda: reverse.inpaint(vp(), half, good, mask, [0.5, 0.0]),
    ),
    "reverse inpaint, mask of numbers": (
        "mask",
        lambda: reverse.inpaint(vp(), half, good, mask.astype(int), [0.5, 0.0]),
    ),
    "reverse inpaint, not to the end": (
        "times",
        lambda: reverse.inpaint(vp(), half, good, ~mask, [0.5, 0.1]),
    ),
    "reverse inpaint, eta": (
        "eta",
        lambda: reverse.inpaint(vp(), half, good, ~mask, [0.5, 0.0], eta=2.0),
    ),
    "reverse inpaint, rule": (
        "rule",
        lambda: reverse.inpaint(vp(), half, good, ~mask, [0.5, 0.0], rule="resampling"),
    ),
    "reverse inpaint, rules": (
        "rule",
        lambda: reverse.inpaint(vp(), half, good, ~mask, [0.5, 0.0], rule=["estimate"]),
    ),
    "reverse inpaint, repeats": (
        "repeats",
        lambda: reverse.inpaint(vp(), half, good, ~mask, [0.5, 0.0], repeats=0),
    ),
    "reverse inpaint, half a repeat": (
        "repeats",
        lambda: reverse.inpaint(vp(), half, good, ~mask, [0.5, 0.0], repeats=1.5),
    ),
    "clock, no process": ("process", lambda: clock.log_snr(None, (3, 4), 0.5)),
    "clock, another grid": ("shape", lambda: clock.log_snr(p, (4, 4), 0.5)),
    "clock, no grid": ("shape", lambda: clock.log_snr(vp(), 28, 0.5)),
    "clock, beyond": ("t", lambda: clock.log_snr(vp(), (3, 4), 1.5)),
    "clock, steps": ("steps", lambda: clock.times(vp(), (3, 4), 0)),
    "clock, start": ("start", lambda: clock.times(vp(), (3, 4), 5, start=1.5)),
    "clock, start at the end": ("start", lambda: clock.times(vp(), (3, 4), 5, start=1e-12)),
    "clock, nothing lost": ("start", lambda: clock.times(heat((3, 4), sigma=0), (3, 4), 5)),
    "network, widths": ("widths", lambda: network.UNet((8, 9))),
    "network, channels": ("channels", lambda: network.UNet((8, 8), 0)),
    "denoiser, no network": ("network", lambda: network.NetworkDenoiser(half, vp())),
    "denoiser, no process": ("process", lambda: network.NetworkDenoiser(small, "vp")),
    "denoiser, label": ("label", lambda: network.NetworkDenoiser(small, vp(), label=1)),
    "denoiser, guidance": (
        "guidance",
        lambda: network.NetworkDenoiser(small, vp(), guidance=float("inf")),
    ),
    "denoiser, sides": ("u", lambda: network.NetworkDenoiser(small, vp())(good, 0.5)),
    "load, a name": ("name", lambda: network.load(3)),
    "train, images": ("images", lambda: train(vp(), np.ones((2, 4, 4), int), network=small)),
    "train, rate": ("rate", lambda: train(vp(), np.ones((2, 4, 4)), network=small, rate=-1)),
    "train, into": ("into", lambda: train(vp(), np.ones((2, 4, 4)), network=small, into=3)),
    "frechet_distance, features without b": (
        "b",
        lambda: measures.frechet_distance(batch(good), features=lambda u: u.mean(-1)),
    ),
    "frechet_distance, no features of the reference": (
        "b",
        lambda: measures.frechet_distance(np.eye(5)),
    ),
    "flow coefficients without noise": ("t|σ", lambda: vp().flow(0.0)),
    "sde coefficients where they are infinite": ("t", lambda: blurring((3, 4)).sde(1.0)),
}


@pytest.mark.parametrize("case", OTHER)
def test_bad_arguments_are_refused_by_name(case):
    refuses(*OTHER[case])


def test_good_input_passes_the_calls_of_the_tables():
    """Else the tables would prove nothing: a call that always fails is refused too."""
    for _, call in TAKES_IMAGE.values():
        call(good), call(torch.as_tensor(good)), call(good.astype("float32"))
    for _, call in {**TAKES_TIME, **TAKES_UNIT_TIME}.values():
        call(0.25)


def test_a_message_says_what_it_got_and_what_it_needs():
    assert "nan" in refuses("u", lambda: homogeneous(bump(np.nan), 1.0)).lower()
    assert "1.5" in refuses("t", lambda: p.marginal(good, 1.5))
    message = refuses("steps", lambda: evolve(good, flat, 10.0, scheme="explicit", steps=10))
    assert "40" in message or "0.25" in message  # the bound is 1/4: forty steps would do
    assert "0.6" in refuses("s", lambda: p.kernel(0.6, 0.5))


# What a new reader of the library tripped over.
Y = np.ones((5, 3, 4)) / 12
MORE = {
    "sample, a seed": ("generator", lambda: vp().sample(good, 0.5, generator=0)),
    "path, a seed": ("generator", lambda: vp().path(good, [0.1, 0.5], generator=0)),
    "law, a seed": ("generator", lambda: normal.sample(generator=np.random.default_rng(0))),
    "prior, a seed": ("generator", lambda: data.sample(2, 0)),
    "training set, a seed": ("generator", lambda: training.sample(2, 0)),
    "reverse, a seed": (
        "generator",
        lambda: reverse.sample(vp(), half, good, [0.5, 0.1], generator=0),
    ),
    "log_prob, another batch": (
        "u",
        lambda: vp().marginal(torch.zeros(3, 3, 4), 0.5).log_prob(torch.zeros(5, 3, 4)),
    ),
    "kl, another batch": (
        "other",
        lambda: (
            vp().marginal(torch.zeros(3, 3, 4), 0.5).kl(vp().marginal(torch.zeros(5, 3, 4), 0.5))
        ),
    ),
    "kernel, two and three times": ("s", lambda: vp().kernel([0.1, 0.2], [0.3, 0.4, 0.5])),
    "compose, two and three times": (
        "earlier",
        lambda: vp().kernel([0.3, 0.4], [0.5, 0.6]) @ vp().kernel([0.1, 0.1, 0.1], [0.3, 0.4, 0.5]),
    ),
    "lyapunov, two batches": (
        "w",
        lambda: measures.lyapunov(np.ones((5, 3, 4)), np.ones((3, 3, 4)), abs),
    ),
    "kl_grid, two batches": ("q", lambda: measures.kl_grid(Y, Y[:3], 1.0)),
    "kl_grid, no density": ("q", lambda: measures.kl_grid(Y, 3 * Y, 1.0)),
    "kl_grid, another cell": ("p", lambda: measures.kl_grid(Y, Y, 0.5)),
    "kernel by hand, basis": ("basis", lambda: Kernel(0.5, 0.1, "pixels")),
    "kernel by hand, negative": ("std", lambda: Kernel(0.5, -0.1, Pixels())),
    "kernel by hand, text": ("gain", lambda: Kernel("half", 0.1, Pixels())),
    "gaussian, text": ("std", lambda: Gaussian(torch.zeros(3, 4), "a", Pixels())),
    "gaussian, std per column": ("std", lambda: Gaussian(torch.zeros(3, 4), np.ones(4), Pixels())),
    "steady_state, a number": ("shape", lambda: vp().steady_state(28)),
    "steady_state, dtype of NumPy": ("dtype", lambda: vp().steady_state((3, 4), np.float32)),
    "entropy, a number for the range": ("range", lambda: measures.entropy(good, range=2)),
    "frechet_distance, a name": (
        "features",
        lambda: measures.frechet_distance(batch(good), batch(good), features="inception"),
    ),
    "gaussian_frechet, empty": (
        "mean_a",
        lambda: measures.gaussian_frechet([], np.zeros((0, 0)), [], np.zeros((0, 0))),
    ),
    "mixture, text": ("weights", lambda: Mixture("ab", batch(good), 1.0, Pixels())),
    "mixture, no std": ("std", lambda: Mixture([1, 1], batch(good), None, Pixels())),
    "evolve, three drifts for one image": (
        "drift",
        lambda: evolve(np.ones((3, 5)), canonical_drift(np.ones((3, 3, 5))), 1.0),
    ),
    "clone, no mask": ("mask", lambda: clone(good, other, None)),
    "t, text": ("t", lambda: nonlinear(good, "5", 0.1)),
    "beta, text": ("beta_min", lambda: vp("0.1")),
}


@pytest.mark.parametrize("case", MORE)
def test_slips_are_refused_by_name(case):
    refuses(*MORE[case])


def test_messages_stay_short():
    many = np.linspace(0, 1, 1001)
    for call in (
        lambda: reverse.sample(vp(), half, good, many),
        lambda: vp().path(good, many[::-1].copy()),
        lambda: vp_discrete(2 * many),
        lambda: certify(vp(), (3, 4), times=many[::-1].copy()),
        lambda: reverse.inpaint(vp(), half, good, ~mask, many),
        lambda: Mixture(-many, np.ones((1001, 3, 4)), 1.0, Pixels()),
    ):
        with pytest.raises(ValueError) as refusal:
            call()
        assert len(str(refusal.value)) < 300 and "..." in str(refusal.value)


def test_messages_name_the_dtype_and_all_digits():
    assert "<U3" in refuses("u0", lambda: vp().sample(good.astype("<U3"), 0.5))
    assert "1.000000000001" in refuses("t", lambda: vp().signal(1 + 1e-12))
    assert "as_positive" in refuses("guidance", lambda: canonical_drift(bump(-1.0)))


def test_rounding_of_filters_is_no_bad_input():
    almost = homogeneous(np.ones((65, 97), np.float32), 3.0)
    assert images.as_positive(almost).max() <= 1
    assert (
        np.isfinite(nonlinear(good, 1e-9, 0.1)).all()
        and np.isfinite(edge_enhancing(good, 1e-12, 0.1)).all()
    )


@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30, 4), (2, 20, 30, 3)])
def test_pictures_with_their_colours_last_are_warned_about(shape):
    u = np.zeros(shape)
    for use in (lambda: homogeneous(u, 1.0), lambda: vp().sample(u, 0.5), lambda: Empirical(u)):
        with pytest.warns(UserWarning, match=f"{shape[-2]}×{shape[-1]} pixels.*channels_first"):
            use()
