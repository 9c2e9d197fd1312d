"""Results do not depend on the state of the caller: threads, modes and settings of both libraries.

The right value is that of an undisturbed caller, for arrays in float64 and for tensors in float32,
whose dtype comes back. After each state the call is made once more without it: nothing that was
kept there may spoil what follows.
"""

import copy
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import scipy.special
import torch
from calls import CALLS, GRID, ROWS, SELF, T, U, V, W, assert_same, call, changed, content, denoise
from calls import process as by_hand
from reference import image, positive
from states import double_by_default, setting
from torch.autograd import forward_ad

from dpss import diffusion, families, measures, osmosis, reverse
from dpss.bases import Cosines, Osmotic
from dpss.priors import Empirical, GaussianPrior, Mixture

THREADS = 8


@contextmanager
def seterr():
    usual = np.seterr(all="raise")
    try:
        yield
    finally:
        np.seterr(**usual)


@contextmanager
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


STATES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "a default of float64": double_by_default,
    "inside forward-mode differentiation": forward_ad.dual_level,
    "another default device": lambda: torch.device("meta"),
    "anomaly detection": torch.autograd.detect_anomaly,
    "deterministic algorithms": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "errstate": lambda: np.errstate(all="raise"),
    "seterr": seterr,
    "SciPy's errors": lambda: scipy.special.errstate(all="raise"),
    "warnings are errors": no_warnings,
}


MEANT = {  # what the caller asks for with a default
    ("images.as_float", "a default of float64"): "integer tensors take that type",
    (
        "processes.Process.steady_state",
        "another default device",
    ): "images made of nothing lie there",
}


def arguments(name, number, library):
    def wrap(a):
        narrow = library == "tensor" and a.dtype == np.float64
        return np.array(a) if library == "array" else torch.tensor(a.astype("f4") if narrow else a)

    return {key: changed(value, wrap) for key, value in CALLS[name][number].items()}


@pytest.fixture(scope="module")
def undisturbed():
    known = {}

    def expected(name, number, library):
        key = name, number, library
        if key not in known:
            known[key] = content(call(name, arguments(*key)))
        return known[key]

    return expected


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("library", ["array", "tensor"])
@pytest.mark.parametrize("name, number", ROWS)
def test_no_state_of_the_caller_changes_a_result(name, number, library, undisturbed):
    row = name, number, library
    expected = undisturbed(*row)
    for state, enter in STATES.items():
        if (name, state) in MEANT:
            continue
        try:
            given = arguments(*row)
            with enter():
                found = content(call(name, given))
            assert_same(found, expected)
            assert_same(content(call(name, arguments(*row))), expected)
        except Exception as difference:
            raise AssertionError(f"{state}: {difference!r}") from difference


# Matplotlib is not made for threads, as its documentation says
@pytest.mark.parametrize("name, number", [row for row in ROWS if row[0][:7] != "figures"])
def test_eight_threads_at_once_get_what_one_gets(name, number, undisturbed):
    row = name, number, "tensor"
    expected, together = undisturbed(*row), threading.Barrier(THREADS)

    def work(_):
        together.wait()
        return content(call(name, arguments(*row)))

    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(work, range(THREADS)):
            assert_same(found, expected)


# -- underflow is no error -------------------------------------------------------------------------

TINY, SHORT = (1e-37 * U).astype(np.float32), (1e-6 * U).astype(np.float16)
FAR = np.exp(-(np.linspace(0, 26, 30).reshape(GRID) ** 2))  # from 1 to 1e-294
UNDERFLOWS = {
    "homogeneous": lambda: diffusion.homogeneous(TINY, 3.0),
    "homogeneous, large": lambda: diffusion.homogeneous(np.tile(TINY, (1, 40, 1)), 1e3),
    "homogeneous, float16": lambda: diffusion.homogeneous(SHORT, 3.0),
    "nonlinear": lambda: diffusion.nonlinear(TINY, 3.0, 1e-38),
    "nonlinear, aos": lambda: diffusion.nonlinear(TINY, 3.0, 1e-38, scheme="aos"),
    "edge_enhancing": lambda: diffusion.edge_enhancing(TINY, 3.0, 1e-38),
    "inpaint": lambda: diffusion.inpaint(TINY, FAR > 0.1),
    "inpaint, edge-enhancing": lambda: diffusion.inpaint(TINY, FAR > 0.1, 1e-37),
    "inpaint by osmosis": lambda: osmosis.inpaint(FAR, FAR > 1e-100, FAR + 1e-6),
    "canonical_drift": lambda: osmosis.canonical_drift(FAR).dx,
    "steady_state": lambda: osmosis.steady_state(TINY, osmosis.canonical_drift(FAR)),
    "exact": lambda: osmosis.evolve(TINY, osmosis.canonical_drift(FAR), 100.0),
    "implicit": lambda: osmosis.evolve(FAR, osmosis.canonical_drift(FAR), 100.0, "implicit"),
    "compress": lambda: osmosis.compress(FAR, FAR > 0.1),
    "kl_grid": lambda: measures.kl_grid(FAR / FAR.sum(), np.full(GRID, 1 / 30), 1.0),
    "lyapunov": lambda: measures.lyapunov(FAR, FAR + 1e-3, np.square),
    "spectrum": lambda: measures.spectrum(TINY.astype(float) ** 5)[1],
    "gaussian_frechet": lambda: measures.gaussian_frechet([0.0], [[1e-300]], [0.0], [[1e300]]),
    "frechet_distance": lambda: measures.frechet_distance(1e-200 * U[0], 1e-200 * U[1]),
    "osmotic basis": lambda: Osmotic(FAR + 1e-6).analyse(1e-300 * U),
}


@pytest.mark.parametrize("name", UNDERFLOWS)
def test_an_underflow_is_no_error(name):
    expected = UNDERFLOWS[name]()
    with np.errstate(all="raise"), no_warnings():
        found = UNDERFLOWS[name]()
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, expected)


# -- forward-mode differentiation ------------------------------------------------------------------

u, v, w = (torch.as_tensor(x) for x in (U, V, W))
MIXTURE = Mixture([0.3, 0.7], U, 0.4, Cosines(GRID))
DIFFERENTIABLE = {
    "homogeneous": lambda x: diffusion.homogeneous(x, T),
    "homogeneous, large": lambda x: diffusion.homogeneous(x.repeat(1, 30, 1), 2.0),
    "lyapunov": lambda x: measures.lyapunov(x, w, lambda r: r**4),
    "lyapunov, in w": lambda x: measures.lyapunov(v, w + 0.1 * x**2, lambda r: r**4),
    "spectrum": lambda x: measures.spectrum(x)[1],
    "Cosines.analyse": lambda x: Cosines(GRID).analyse(x),
    "Osmotic.analyse": lambda x: SELF["bases.Osmotic"].analyse(x),
    "Osmotic.synthesise": lambda x: SELF["bases.Osmotic"].synthesise(x),
    "marginal": lambda x: by_hand().marginal(x, T).mean,
    "sample": lambda x: by_hand().sample(x, T, torch.Generator().manual_seed(0)),
    "posterior": lambda x: by_hand().posterior(x, v, T, 0.9).mean,
    "score": lambda x: by_hand().score(v, x, T),
    "kernel": lambda x: by_hand().kernel(T, 0.9)(x).mean,
    "step": lambda x: reverse.step(by_hand(), v, x, T, 0.9, eta=0.0),
    "a denoiser": lambda x: denoise(x, T),
    "a denoiser of a mixture": lambda x: MIXTURE.denoiser(by_hand())(x, T),
    "a denoiser of a training set": lambda x: Empirical(V).denoiser(families.vp())(x, T),
    "log_density": lambda x: MIXTURE.log_density(by_hand(), x, T),
    "log_prob": lambda x: SELF["laws.Gaussian"].log_prob(x),
    "the flow": lambda x: by_hand().flow(0.3)[0] * x + by_hand().flow(0.3)[1] * denoise(x, 0.3),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_forward_and_reverse_mode_agree_with_differences(name):
    function, h = DIFFERENTIABLE[name], 1e-5
    slope = (function(u + h * v) - function(u - h * v)) / (2 * h)
    value, forward = torch.func.jvp(function, (u,), (v,))
    torch.testing.assert_close(value, function(u))
    torch.testing.assert_close(forward, slope, rtol=1e-6, atol=1e-7)
    weights = torch.as_tensor(image(slope.shape, 20))
    given = u.clone().requires_grad_()
    (function(given) * weights).sum().backward()
    torch.testing.assert_close(
        (given.grad * v).sum(), (slope * weights).sum(), rtol=1e-6, atol=1e-6
    )


def test_coefficients_can_be_differentiated_in_forward_mode():
    """`flow` and `sde` differentiate inside; the caller may do so around them."""
    t, one, h = torch.tensor(0.4, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64), 1e-5
    for process in (families.vp(), families.blurring(GRID), by_hand()):
        for coefficient in (process.signal, process.noise, process.log_snr):
            slope = (coefficient(t + h) - coefficient(t - h)) / (2 * h)
            torch.testing.assert_close(
                torch.func.jvp(coefficient, (t,), (one,))[1], slope, rtol=1e-6, atol=1e-6
            )
        with forward_ad.dual_level():
            inside = process.flow(0.4), process.sde(0.4)
        for found, expected in zip(inside, (process.flow(0.4), process.sde(0.4))):
            torch.testing.assert_close(found, expected)


NO_GRADIENTS = {  # as their docstrings say
    "nonlinear": lambda x: diffusion.nonlinear(x, 1.0, 0.3),
    "edge_enhancing": lambda x: diffusion.edge_enhancing(x, 1.0, 0.3),
    "inpaint": lambda x: diffusion.inpaint(x, torch.as_tensor(U > 0).any(0)),
    "inpaint, edge-enhancing": lambda x: diffusion.inpaint(x, torch.as_tensor(U > 0).any(0), 1.0),
    "inpaint by osmosis": lambda x: osmosis.inpaint(x.exp(), torch.as_tensor(U[0] > 0), x[0].exp()),
    "evolve": lambda x: osmosis.evolve(x, osmosis.canonical_drift(w[0]), 1.0),
    "steady_state": lambda x: osmosis.steady_state(x, osmosis.canonical_drift(w[0])),
    "canonical_drift": lambda x: osmosis.canonical_drift(x.exp()).dx,
    "clone": lambda x: osmosis.clone(x.exp(), w, torch.as_tensor(U[0] > 0)),
    "entropy": lambda x: measures.entropy(x),
    "kl_grid": lambda x: measures.kl_grid(x.softmax(-1) / 5, x.softmax(-1) / 5, 1.0),
    "path": lambda x: by_hand().path(x, T),
    "reverse.start": lambda x: reverse.start(by_hand(), x),
    "reverse.flow": lambda x: reverse.flow(by_hand(), denoise, x, [0.5, 0.4]),
    "reverse.exponential": lambda x: reverse.exponential(by_hand(), denoise, x, [0.5, 0.4, 0.3]),
}


@pytest.mark.parametrize("name", NO_GRADIENTS)
def test_where_no_gradient_passes_none_is_recorded(name):
    assert not NO_GRADIENTS[name](u.clone().requires_grad_()).requires_grad


# -- copies ----------------------------------------------------------------------------------------


def network(u, _):
    return 0.1 * u


COPIED = {
    **{name: thing for name, thing in SELF.items() if not name.startswith("figures")},
    "vp": families.vp(),
    "vp_cosine": families.vp_cosine(),
    "vp_discrete": families.vp_discrete([0.1, 0.2]),
    "sub_vp": families.sub_vp(),
    "ve": families.ve(),
    "flow_matching": families.flow_matching(),
    "heat": families.heat(GRID),
    "blurring": families.blurring(GRID),
    "gaussian_scale_space": families.gaussian_scale_space(GRID, 3.0),
    "osmotic": families.osmotic(positive(GRID), 1.0),
    "canonical drift": osmosis.canonical_drift(W),
    "denoiser of a prior": GaussianPrior(U[0], 0.5, Cosines(GRID)).denoiser(families.heat(GRID)),
    "denoiser of a mixture": MIXTURE.denoiser(families.heat(GRID)),
    "denoiser of a training set": Empirical(U).denoiser(families.vp()),
    "denoiser of a network": reverse.as_denoiser(network, families.vp()),
}
LOCAL = ("processes.Process", "certificate.Certificate")  # made of functions of a test


@pytest.mark.parametrize("name", COPIED)
def test_copies_are_equal(name):
    thing = COPIED[name]
    expected = content(thing)
    for made in (copy.copy(thing), copy.deepcopy(thing)):
        assert type(made) is type(thing)
        assert_same(content(made), expected)
    if name not in LOCAL:
        assert_same(content(pickle.loads(pickle.dumps(thing))), expected)


def test_a_copy_is_independent():
    drift = osmosis.canonical_drift(W.copy())
    other = copy.deepcopy(drift)
    drift.dx[...] = 0
    assert (other.dx != 0).any()
