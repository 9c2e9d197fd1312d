"""One call or more of every public name: the rows of the tables of layouts and of callers' states.

A new public function, method or parameter turns both tables red until it has an example here, or a
reason why it needs none. Arrays among the arguments are what the tables vary: each is tried as it
is, and as a tensor.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping

import numpy as np
import scipy.sparse
import torch
from catalogue import mild
from reference import image, positive

import dpss
from dpss import certificate, families, figures, laws, network, osmosis, priors, reverse
from dpss.bases import Basis, Cosines, Osmotic, Pixels
from dpss.processes import Process

GRID = (5, 6)
T, LATER = np.array([0.3, 0.6]), np.array([0.5, 0.9])
DOWN, SLOWLY = np.array([0.9, 0.5, 0.2, 0.0]), np.array([0.5, 0.45, 0.4])
U, V = image((2, *GRID)), image((2, *GRID), 1)
W = positive((2, *GRID), 2)
GREY, LIGHT = image(GRID, 3), positive(GRID, 4)
MASK, MASKS = image(GRID, 5) > 0, image((2, *GRID), 6) > 0
DY, DX = 1.5 * image((2, 4, 6), 7), 1.5 * image((2, 5, 5), 8)
STD = 0.2 + 0.5 * image(GRID, 9) ** 2
SMALL = image((4, 28, 28), 10)  # what the classifier takes
BRICKS = image((2, 4, 8), 14)  # what a network takes
DENSITY, OTHER = (positive((2, *GRID), i) for i in (11, 12))
DENSITY, OTHER = (p / p.sum((-2, -1), keepdims=True) for p in (DENSITY, OTHER))
FEATURES = image((6, 4), 13)
COVARIANCE = FEATURES.T @ FEATURES


class Plain:
    """An argument that is never an array, though others of its name are."""

    def __init__(self, value):
        self.value = value


def process():
    return mild("by hand", GRID)


def prior():
    return priors.GaussianPrior(GREY, STD, process().basis)


def denoise(u, t):
    """The denoiser of that prior."""
    return prior().denoiser(process())(u, t)


def flat():
    return osmosis.Drift(*(0.9 * d[0] for d in (DY, DX)))


def law():
    return laws.Gaussian(torch.as_tensor(U), STD, process().basis)


def trained(labels=0):
    """A denoiser of a small network whose weights are random."""
    net = network._hollow({"widths": (8, 8), "channels": 1, "labels": labels})
    draw = torch.Generator().manual_seed(3)
    weights = {
        name: 0.2 * torch.randn(x.shape, generator=draw) for name, x in net.state_dict().items()
    }
    about = {"widths": [8, 8], "channels": 1, "labels": labels}
    return network.NetworkDenoiser(network.frozen(about, weights), families.vp(), about=about)


def picture(**_):
    return figures.show(GREY)


# -- what is public


def members(thing, owner):
    """Public names that are defined in a module or a class of it, with calls and products."""
    for name, member in vars(thing).items():
        member = getattr(member, "fget", None) or getattr(member, "__func__", member)
        public = not name.startswith("_") or name in ("__call__", "__matmul__")
        public = public and name in getattr(thing, "__all__", vars(thing))
        if public and getattr(member, "__module__", None) == owner and callable(member):
            yield name, member


def public():
    for _, module, _ in pkgutil.iter_modules(dpss.__path__):
        if not module.startswith("_"):
            owner = f"dpss.{module}"
            for name, thing in members(importlib.import_module(owner), owner):
                yield f"{module}.{name}", thing
                if inspect.isclass(thing):
                    for method, function in members(thing, owner):
                        yield f"{module}.{name}.{method}", function


PUBLIC = {
    name: [p for p in inspect.signature(thing).parameters if p not in ("self", "cls")]
    for name, thing in public()
}

NO_CALL = {
    "exercises.catalogue": "takes nothing",
    "exercises.check": "takes answers: layouts in test_exercises.py",
    "exercises.examples": "takes answers: layouts in test_exercises.py",
    "exercises.find": "takes a word",
    "bases.Basis": "analyse and synthesise are left to its subclasses",
    "bases.Basis.analyse": "left to its subclasses",
    "bases.Basis.synthesise": "left to its subclasses",
    "certificate.Witness": "holds what it is given",
    "certificate.Row": "holds what it is given",
    "certificate.Certificate": "holds what it is given",
    "features.Classifier": "a module of torch, called by features and classify",
    "features.Classifier.forward": "a module of torch, called by features and classify",
    "features.inception": "takes a file: test_features.py",
    "features.reference": "reads a file",
    "figures.Figure": "a figure of Matplotlib",
    "figures.explore": "draws what functions return; Explorer.widget shows it",
    "figures.Explorer": "holds what explore gives it",
    "images.digits": "reads a file",
    "images.fashion": "reads a file",
    "trajectories.measured": "reads a file",
    "images.names": "reads a file",
    "images.load": "reads a file",
    "images.photograph": "reads a file",
    "images.save": "writes a file, of which its own tests know",
    "network.UNet": "a module of torch, called by NetworkDenoiser",
    "network.UNet.draw": "draws new weights",
    "network.UNet.forward": "a module of torch, called by NetworkDenoiser",
    "network.frozen": "takes the weights of a module of torch",
    "network.load": "reads a file",
    "network.pack": "takes a denoiser: what it writes, test_network.py reads again",
    "training.main": "the command",
}

# Parameters that take no array: numbers, words, switches, functions, objects of the library.
OPTIONS = """
    about above args at atol averaging axes basis batch below beta_max beta_min bins blur_max
    cell claim colour columns contrast defect denoiser diffusivity digits drift dtype earlier
    eta every features figure_of first frames generator guidance height holds into iterations
    laplacian largest_diffusivity log log_signal logx logy measure min_gain model n name network
    noise offset options other parameters phi precision prediction predicts presmoothing prior
    process progress property range rate repeats replay rise rows rtol rule scheme seed shape sigma
    sigma_max sigma_min signal spacing start steps t_max text title titles untold value_range what
    width widths witness xlabel ylabel
""".split()

# -- examples

SELF = {
    "bases.Basis": process().basis,
    "bases.Pixels": Pixels(),
    "bases.Cosines": Cosines(GRID),
    "bases.Osmotic": Osmotic(LIGHT),
    "certificate.Certificate": certificate.certify(process(), GRID, [0.1, 0.5, 1.0]),
    "figures.Figure": picture(),
    "figures.Explorer": figures.explore(picture, a=[1, 2]),
    "laws.Gaussian": law(),
    "laws.Kernel": process().kernel(T, LATER),
    "osmosis.Drift": flat(),
    "network.NetworkDenoiser": trained(3),
    "priors.Mixture": priors.Mixture([0.3, 0.7], U, 0.4, process().basis),
    "priors.GaussianPrior": prior(),
    "priors.Empirical": priors.Empirical(U),
    "processes.Process": process(),
}

CALLS = {
    "bases.Basis.pull_back": [dict(gradient=U)],
    "bases.Basis.image": [dict(u=U)],
    "bases.Basis.check": [dict(shape=GRID)],
    "bases.Pixels": [{}],
    "bases.Pixels.analyse": [dict(u=U)],
    "bases.Pixels.synthesise": [dict(modes=U)],
    "bases.Cosines": [dict(shape=GRID), dict(shape=GRID, laplacian="continuous")],
    "bases.Cosines.eigenvalues": [{}],
    "bases.Cosines.analyse": [dict(u=U)],
    "bases.Cosines.synthesise": [dict(modes=U)],
    "bases.Osmotic": [dict(guidance=LIGHT)],
    "bases.Osmotic.eigenvalues": [{}],
    "bases.Osmotic.analyse": [dict(u=U)],
    "bases.Osmotic.synthesise": [dict(modes=U)],
    "bases.Osmotic.pull_back": [dict(gradient=U)],
    "certificate.certify": [dict(process=process(), shape=GRID, times=DOWN[::-1].copy())],
    "claims.check": [dict(claim="X1", what="an example", value=U, below=np.abs(U).max() + 1e-9)],
    "claims.outcome": [dict(prediction="01-word", result=Plain(0.26))],
    "clock.log_snr": [dict(process=process(), shape=GRID, t=T)],
    "clock.times": [dict(process=process(), shape=GRID, steps=3)],
    "clock.angle": [dict(ell=Plain(torch.tensor([0.0, 1.0])))],
    "clock.at": [dict(process=process(), shape=GRID, angles=Plain(torch.tensor([0.5, 1.0])))],
    "diffusion.homogeneous": [dict(u=U, t=T), dict(u=image((2, 130, 3)), t=T)],
    "diffusion.nonlinear": [
        dict(u=U, t=Plain(2.0), contrast=0.3, scheme=scheme, presmoothing=0.5)
        for scheme in ("fed", "aos", "explicit")
    ],
    "diffusion.edge_enhancing": [
        dict(u=U, t=Plain(2.0), contrast=0.3, scheme=scheme) for scheme in ("fed", "explicit")
    ],
    "diffusion.inpaint": [
        *(dict(u=U, mask=mask) for mask in (MASK, MASKS)),
        dict(u=U, mask=MASKS, contrast=1.0),
    ],
    "diffusion.step_limit": [dict(largest_diffusivity=2.0)],
    "families.vp": [{}],
    "families.vp_cosine": [{}],
    "families.vp_discrete": [
        dict(betas=0.1 + 0.2 * T, alphas_cumprod=Plain(None)),
        dict(betas=Plain(None), alphas_cumprod=1 - T),
    ],
    "families.sub_vp": [{}],
    "families.ve": [{}],
    "families.flow_matching": [{}],
    "families.heat": [dict(shape=GRID)],
    "families.blurring": [dict(shape=GRID)],
    "families.gaussian_scale_space": [dict(shape=GRID, t_max=3.0)],
    "families.osmotic": [dict(guidance=LIGHT, t_max=1.0)],
    "features.features": [dict(u=SMALL)],
    "features.classify": [dict(u=SMALL)],
    "figures.Figure.png": [{}],
    "figures.Figure.describe": [{}],
    "figures.figure": [{}],
    "figures.show": [dict(images=U), dict(images=[GREY, LIGHT])],
    "figures.strip": [dict(path=U, times=T)],
    "figures.curves": [dict(x=T, ys={"a": LATER, "b": T**2}, xlabel="x", ylabel="y")],
    "figures.Explorer.widget": [{}],
    "figures.trajectories": [dict(u=GREY, shares=T)],
    "images.channels_first": [dict(u=image((*GRID, 3)))],
    "images.as_float": [dict(u=(255 * LIGHT).astype(np.uint8)), dict(u=U)],
    "images.as_positive": [dict(u=U)],
    "images.from_positive": [dict(v=W)],
    "laws.Gaussian": [dict(mean=U, std=STD, basis=process().basis)],
    "laws.Gaussian.sample": [{}],
    "laws.Gaussian.log_prob": [dict(u=V)],
    "laws.Gaussian.entropy": [{}],
    "laws.Gaussian.kl": [dict(other=laws.Gaussian(torch.as_tensor(V), 0.5, process().basis))],
    "laws.Kernel": [dict(gain=STD, std=STD, basis=process().basis, shift=U)],
    "laws.Kernel.__call__": [dict(u=U)],
    "laws.Kernel.__matmul__": [dict(earlier=process().kernel(0.1, 0.3))],
    "laws.Kernel.isclose": [dict(other=process().kernel(T, LATER))],
    "measures.entropy": [dict(u=U)],
    "measures.conditional_entropy": [dict(process=process(), t=T, shape=GRID)],
    "measures.mutual_information": [dict(process=process(), prior=prior(), t=T)],
    "measures.kl_grid": [dict(p=DENSITY, q=OTHER, cell=1.0)],
    "measures.lyapunov": [dict(u=U, w=W, phi=lambda r: r**2)],
    "measures.spectrum": [dict(u=U)],
    "measures.frechet_distance": [
        dict(a=SMALL, b=SMALL**3),
        dict(a=FEATURES, b=FEATURES**3),
        dict(a=U, b=V, features=lambda u: u.std(-1)),
    ],
    "measures.gaussian_frechet": [
        dict(
            mean_a=FEATURES[0], cov_a=COVARIANCE, mean_b=FEATURES[1], cov_b=COVARIANCE @ COVARIANCE
        )
    ],
    "network.NetworkDenoiser": [
        dict(network=trained().network, process=families.vp(), label=Plain(None))
    ],
    "network.NetworkDenoiser.told": [dict(label=np.array([0, 2]), guidance=1.5)],
    "network.NetworkDenoiser.__call__": [dict(u=BRICKS, t=T)],
    "network.reduced": [dict(process=process(), t=T)],
    "network.brightness": [dict(u=U)],
    "network.grey": [dict(b=U)],
    "network.fingerprint": [dict(process=process())],
    "osmosis.Drift": [dict(dy=DY, dx=DX, potential=Plain(None)), dict(dy=DY, dx=DX, potential=U)],
    "osmosis.Drift.shape": [{}],
    "osmosis.canonical_drift": [
        dict(guidance=W, log_guidance=Plain(None)),
        dict(guidance=Plain(None), log_guidance=U),
    ],
    "osmosis.operator": [dict(drift=flat())],
    "osmosis.step_limit": [dict(drift=flat())],
    "osmosis.evolve": [
        dict(u=U, drift=drift, t=Plain(t), scheme=scheme)
        for drift, t, scheme in (
            (flat(), 1.0, "exact"),
            (osmosis.canonical_drift(LIGHT), 1.0, "exact"),
            (flat(), 1e9, "exact"),
            (flat(), 1.0, "implicit"),
            (flat(), 1.0, "explicit"),
        )
    ],
    "osmosis.steady_state": [dict(u=U, drift=flat()), dict(u=U, drift=osmosis.canonical_drift(W))],
    "osmosis.shadow_removal": [dict(u=W, shadow_edge=MASK)],
    "osmosis.clone": [dict(background=W, foreground=DENSITY, mask=MASK)],
    "osmosis.compress": [dict(u=W, mask=MASK)],
    "osmosis.inpaint": [
        dict(u=W, mask=mask, guidance=guidance)
        for mask, guidance in ((MASK, LIGHT), (MASKS, DENSITY))
    ],
    "trajectories.there_and_back": [dict(u=GREY, shares=T), dict(u=U)],
    "training.train": [
        dict(
            process=families.vp(),
            images=BRICKS,
            labels=np.array([1, 0]),
            widths=(8, 8),
            iterations=1,
            batch=2,
            progress=False,
        )
    ],
    "priors.Mixture": [dict(weights=T, means=U, std=LATER, basis=process().basis)],
    "priors.Mixture.sample": [dict(n=3)],
    "priors.Mixture.log_density": [dict(process=process(), u=U, t=T)],
    "priors.Mixture.denoiser": [dict(process=process())],
    "priors.GaussianPrior": [dict(mean=GREY, std=STD, basis=process().basis)],
    "priors.GaussianPrior.fit": [dict(images=U, basis=process().basis)],
    "priors.GaussianPrior.marginal": [dict(process=process(), t=T)],
    "priors.GaussianPrior.reverse_kernel": [dict(process=process(), s=T, t=LATER)],
    "priors.Empirical": [dict(images=U)],
    "priors.Empirical.sample": [dict(n=3)],
    "priors.Empirical.log_density": [dict(process=process(), u=U, t=T)],
    "priors.Empirical.denoiser": [dict(process=process())],
    "processes.Process": [
        dict(basis=Pixels(), log_signal=lambda t: -t, noise=lambda t: t, name="by hand")
    ],
    "processes.Process.log_signal": [dict(t=T)],
    "processes.Process.signal": [dict(t=T)],
    "processes.Process.noise": [dict(t=T)],
    "processes.Process.log_snr": [dict(t=T)],
    "processes.Process.snr": [dict(t=T)],
    "processes.Process.marginal": [dict(u0=U, t=T)],
    "processes.Process.sample": [dict(u0=U, t=T)],
    "processes.Process.path": [dict(u0=U, times=T)],
    "processes.Process.steady_state": [dict(shape=GRID, dtype=torch.float32)],
    "processes.Process.kernel": [dict(s=T, t=LATER)],
    "processes.Process.posterior": [dict(u0=U, ut=V, s=T, t=LATER)],
    "processes.Process.score": [dict(denoised=U, u=V, t=T)],
    "processes.Process.sde": [dict(t=T)],
    "processes.Process.flow": [dict(t=T)],
    "reverse.start": [dict(process=process(), u=U), dict(process=families.vp(), u=U)],
    "reverse.sample": [
        dict(process=process(), denoiser=denoise, u=U, times=DOWN, path=Plain(True))
    ],
    "reverse.step": [dict(process=process(), denoised=U, u=V, s=T, t=LATER)],
    "reverse.sde": [dict(process=process(), denoiser=denoise, u=U, times=SLOWLY, path=Plain(True))],
    "reverse.flow": [
        dict(process=process(), denoiser=denoise, u=U, times=DOWN[:-1], path=Plain(True))
    ],
    "reverse.exponential": [
        dict(process=process(), denoiser=denoise, u=U, times=DOWN[:-1], path=Plain(True))
    ],
    "reverse.inpaint": [
        dict(process=process(), denoiser=denoise, known=U, mask=mask, times=DOWN, path=Plain(True))
        | more
        for mask, more in ((MASK, {}), (MASKS, {}), (MASK, dict(rule="replacement", repeats=2)))
    ],
    "reverse.as_denoiser": [dict(model=lambda u, t: 0.1 * u, process=process())],
}


ROWS = [(name, i) for name, rows in CALLS.items() for i in range(len(rows))]


def without_example():
    """Parameters that may take an array and have no example, as "name: parameter"."""
    for name, parameters in PUBLIC.items():
        if name not in NO_CALL:
            given = {
                parameter
                for row in CALLS[name]
                for parameter, value in row.items()
                if isinstance(value, Plain) or any(True for _ in arrays(value))
            }
            yield from (f"{name}: {p}" for p in parameters if p not in given | set(OPTIONS))


def arrays(value):
    """The arrays in an argument: itself, or those in a list or a dictionary."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from arrays(part)


def changed(value, change):
    """An argument with `change` applied to each array in it."""
    if isinstance(value, np.ndarray):
        return change(value)
    if isinstance(value, dict):
        return {key: changed(part, change) for key, part in value.items()}
    return [changed(part, change) for part in value] if isinstance(value, list) else value


def call(name, arguments):
    """The result of a public name; randomness is the same each time."""
    arguments = {k: v.value if isinstance(v, Plain) else v for k, v in arguments.items()}
    if "generator" in PUBLIC[name]:
        arguments["generator"] = torch.Generator("cpu").manual_seed(7)
    module, *path = name.split(".")
    if len(path) == 1:
        return getattr(importlib.import_module(f"dpss.{module}"), path[0])(**arguments)
    method = getattr(SELF[f"{module}.{path[0]}"], path[1])
    return method(**arguments) if callable(method) else method


# -- results


def content(x):
    """What can be compared of a result: nested tuples of words, numbers and arrays."""
    if isinstance(x, torch.Tensor):
        return ("tensor", str(x.dtype), x.detach().clone().numpy())
    if isinstance(x, (np.ndarray, np.generic)):
        return ("array", str(x.dtype), np.array(x))
    if scipy.sparse.issparse(x):
        return content(x.toarray())
    if isinstance(x, Process):
        return content((x.log_signal(T), x.signal(T), x.noise(T), x.basis))
    if isinstance(x, figures.Figure):
        lines = [line.get_xydata() for axes in x.axes for line in axes.lines]
        return (x.describe(), content(lines), content([part.get_array() for part in x.images]))
    if isinstance(x, Mapping):
        return tuple((str(key), content(value)) for key, value in x.items())
    if isinstance(x, (list, tuple)):
        return tuple(map(content, x))
    if isinstance(x, network.NetworkDenoiser):
        return content(x(torch.from_numpy(BRICKS), 0.4))
    if isinstance(x, (reverse._NetworkDenoiser, priors._Exact)):
        return content(x(torch.from_numpy(U), 0.4))
    if isinstance(x, (Basis, figures.Explorer, *LAWS)):
        return (type(x).__name__, content(vars(x)))
    return x if isinstance(x, (str, bytes, bool, int, float, type(None))) else type(x).__name__


LAWS = (laws.Gaussian, laws.Kernel, osmosis.Drift, priors.Mixture, priors.Empirical)


def assert_same(found, expected, rtol=1e-9):
    """Contents that agree: kind, dtype, shape, and values but for rounding."""
    if isinstance(expected, (np.ndarray, float)):
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol, strict=True)
    elif isinstance(expected, tuple):
        assert isinstance(found, tuple) and len(found) == len(expected)
        for one, two in zip(found, expected):
            assert_same(one, two, rtol)
    else:
        assert found == expected
