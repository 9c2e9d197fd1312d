"""Training: the same run whatever interrupts it, files written whole, and the right target.

Networks are tiny here, and of most runs only that they repeat is asked.
"""

import copy
import errno
import json
import math
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from reference import image, noise, positive
from states import double_by_default

from dpss import _files, clock, families, images, measures, network, reverse, training
from dpss.bases import Cosines
from dpss.network import NetworkDenoiser, UNet
from dpss.priors import GaussianPrior
from dpss.training import train

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHAPE = (4, 8)
IMAGES, LABELS = image((12, *SHAPE)).astype("f4"), np.arange(12) % 3
COLOUR = image((12, 3, *SHAPE), 1).astype("f4")


def small(channels=1, labels=0, seed=0):
    return training._fresh(seed, (8, 16), channels, labels)


def run(process=None, images=IMAGES, labels=None, **options):
    """A denoiser after six iterations, or as `options` say."""
    options = dict(iterations=6, batch=5, every=2, rate=0.01, progress=False) | options
    channels = 1 if images.ndim == 3 else images.shape[1]
    options.setdefault("network", small(channels, 0 if labels is None else 3))
    return train(process or families.vp(), images, labels, **options)


def weights(D):
    return torch.cat([p.flatten() for p in D.network.parameters()])


def same(one, two):
    return torch.equal(weights(one), weights(two))


# -- what is learned -------------------------------------------------------------------------------


class Filter(UNet):
    """θ times the best v of Gaussian images of mean 0 and variance c per mode, by its formula.

    θ is one of the U-Net's own weights."""

    def __init__(self, process, c, share):
        super().__init__((8, 8))
        self.process, self.c = process, c
        torch.nn.init.constant_(self.stem.bias, share)

    def forward(self, u, ell, label=None):  # noqa: ARG002, as a UNet has it
        basis, t = self.process.basis, clock.at(self.process, SHAPE, clock.angle(ell.double()))
        alpha, sigma = self.process.signal(t), self.process.noise(t)
        angle = torch.atan2(*(x[:, None].expand(-1, 1, *SHAPE) for x in (sigma, alpha)))
        a, s = torch.cos(angle), torch.sin(angle)
        # E[v | ũ] = cov(v, ũ)/var(ũ) ũ for v = a ε − s u_0, ũ = a u_0 + s ε
        gain = a * s * (1 - self.c) / (a**2 * self.c + s**2)
        return self.stem.bias[0] * basis.synthesise(gain.float() * basis.analyse(u))


def gaussian(process, count=3000):
    """The variances of all modes, and images of that law."""
    c = 0.5 / (0.3 + Cosines(SHAPE).eigenvalues)
    if process.basis.shape is None:
        c = torch.full(SHAPE, 0.25, dtype=torch.float64)
    prior = GaussianPrior(torch.zeros(SHAPE), c.sqrt(), process.basis)
    return c, prior.sample(count, torch.Generator().manual_seed(0)).float()


KINDS = {
    "vp_cosine": families.vp_cosine,
    "ve": families.ve,
    "heat": lambda: families.heat(SHAPE, sigma=0.1),
    "blurring": lambda: families.blurring(SHAPE),
}


def loss_of(process, c, u, share):
    """The mean loss over 2,400 images and times: the rate is so small that nothing is learned."""
    options = dict(iterations=3, batch=800, rate=1e-12, progress=False)
    return train(process, u, network=Filter(process, c, share), **options).log["loss"].item()


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_least_at_the_best_filter(kind):
    """It is a parabola in θ, whose vertex is at 1: target, signs, state and clock are right."""
    process = KINDS[kind]()
    c, u = gaussian(process)
    low, middle, high = (loss_of(process, c, u, share) for share in (0.5, 1.0, 1.5))
    assert middle < low and middle < high
    assert abs((low - high) / (low - 2 * middle + high)) / 4 < 0.02


@pytest.mark.parametrize("start", [0.5, 1.7])
def test_training_goes_to_the_best_filter(start):
    process = families.vp_cosine()
    c, u = gaussian(process)
    options = dict(iterations=50, batch=100, rate=0.1, averaging=0.8, progress=False)
    D = train(process, u, network=Filter(process, c, start), **options)
    assert abs(D.network.stem.bias[0].item() - 1) < 0.15


def test_the_loss_of_the_best_filter_is_the_standard_deviation():
    """White images of variance c, times even in θ: (2/π) ∫ c/(c cos² θ + sin² θ) dθ = √c."""
    process = families.vp_cosine()
    c, u = gaussian(process)
    assert abs(loss_of(process, c, u, 1.0) - 0.5) < 0.02


def far(D, exact, process, u):
    """Mean squared distance of two denoisers at two times."""
    draw, found = torch.Generator().manual_seed(1), 0.0
    for t in (0.3, 0.5):
        state = process.sample(u, t, draw)
        found += (D(state, t) - exact(state, t)).square().mean().item()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vp", "heat"])
def test_a_network_comes_nearer_to_the_exact_denoiser(kind):
    process = {"vp": families.vp(), "heat": families.heat(SHAPE, sigma=0.1)}[kind]
    prior = GaussianPrior(torch.linspace(-1, 1, 32).reshape(SHAPE), 0.3, Cosines(SHAPE))
    draw = torch.Generator().manual_seed(0)
    u, other = prior.sample(500, draw).float(), prior.sample(200, draw).float()
    options = dict(iterations=60, batch=16, averaging=0.9, rate=0.03, every=15, progress=False)
    start = NetworkDenoiser(small(), process)
    D = train(process, u, network=small(), **options)
    exact = prior.denoiser(process)
    assert far(D, exact, process, other) < 0.75 * far(start, exact, process, other)
    assert (np.diff(D.log["loss"]) < 0).all()


@pytest.mark.slow
def test_a_label_is_what_the_network_was_told():
    """Two kinds of images, all bright and all dark: at t = 1 only the label tells them apart."""
    labels, net = np.repeat([0, 1], 8), small(1, 2)
    u = (1 - 2 * labels)[:, None, None] * np.ones((1, *SHAPE), "f4")
    draw = torch.Generator().manual_seed(0)
    net.label.weight.data.normal_(generator=draw)  # so that they are told apart soon
    options = dict(iterations=100, batch=16, averaging=0.9, rate=0.03, progress=False)
    D = train(families.vp_cosine(), u, labels, network=net, untold=0.3, **options)
    state = torch.as_tensor(noise((16, *SHAPE))).float()
    bright, dark, free = (D.told(k)(state, 1.0).mean().item() for k in (0, 1, None))
    assert bright > 0.35 and dark < -0.35 and dark + 0.2 < free < bright - 0.2
    assert D.told(0, 2.0)(state, 1.0).mean() > bright + 0.2


# -- what an iteration does ------------------------------------------------------------------------


def new_run(**options):
    given = dict(
        process=families.vp(), images=IMAGES, labels=LABELS, network=small(1, 3), iterations=20,
        batch=5, rate=0.01, averaging=0.999, untold=0.5, seed=0, widths=(8, 16),
    )  # fmt: skip
    given |= options
    made_of = {
        name: given.pop(name) for name in ("process", "images", "labels", "network", "widths")
    }
    return training._Run(**made_of, settings=given)


def test_every_image_comes_once_in_each_epoch():
    of = {u.tobytes(): i for i, u in enumerate(IMAGES)}
    epochs = {}
    for seed in (0, 1):
        run = new_run(seed=seed)
        order = [of[u.numpy().tobytes()] for i in range(12) for u in run.drawn(i)[0]]
        epochs[seed] = np.array(order).reshape(5, 12)
        assert (np.sort(epochs[seed], 1) == np.arange(12)).all()
        assert len({tuple(epoch) for epoch in epochs[seed]}) == 5
    assert (epochs[0] != epochs[1]).any()
    few = new_run(images=IMAGES[:2], labels=LABELS[:2], batch=5)  # a batch of several epochs
    found = torch.cat([few.drawn(i)[0] for i in range(2)])
    assert sum(torch.equal(u, torch.as_tensor(IMAGES[0])) for u in found) == 5


@pytest.mark.parametrize("kind", ["vp", "heat", "osmotic"])
def test_times_are_even_in_the_angle_and_noise_is_normal(kind):
    process = {
        "vp": families.vp(),
        "heat": families.heat(SHAPE, sigma=0.1),
        "osmotic": families.osmotic(positive(SHAPE, 4, 5.0), 1.0, 0.3),
    }[kind]
    run = new_run(process=process, batch=50)
    low, high = clock.angle(clock.log_snr(process, SHAPE, [clock.START, 1.0])).tolist()
    drawn = [run.drawn(i) for i in range(20)]
    for _, t, _, _ in drawn:
        share = (clock.angle(clock.log_snr(process, SHAPE, t)) - low) / (high - low) * 50
        assert (share - torch.arange(50)).min() > -0.1 and (share - torch.arange(50)).max() < 1.1
    eps = torch.stack([eps for _, _, eps, _ in drawn])
    assert abs(eps.mean()) < 0.02 and abs(eps.std() - 1) < 0.02  # 32,000 numbers
    assert not torch.equal(drawn[0][1], drawn[1][1]) and not torch.equal(eps[0], eps[1])
    again = new_run(process=process, batch=50).drawn(7)
    assert all(torch.equal(x, y) for x, y in zip(again, drawn[7]))
    other = new_run(process=process, batch=50, seed=1).drawn(7)
    assert not torch.equal(other[2], eps[7]) and not torch.equal(other[1], drawn[7][1])


def test_so_many_labels_are_not_told():
    for untold in (0.0, 0.25, 1.0):
        run = new_run(untold=untold, batch=600)
        u, _, _, label = run.drawn(0)
        hidden = (label == 3).double().mean().item()
        assert abs(hidden - untold) < (0.06 if untold % 1 else 1e-9)
        of = {u.tobytes(): label for u, label in zip(IMAGES, LABELS)}
        for x, found in zip(u, label):
            assert found in (3, of[x.numpy().tobytes()])
    assert new_run(labels=None).drawn(0)[3] is None


def test_the_rate_rises_and_falls_by_iterations():
    for iterations, warm in ((8, 8), (300, 200)):
        run, found = new_run(iterations=iterations), []
        for i in (0, 1, iterations // 2, iterations - 1):
            training._iteration(run, run.network, i, slice(0, 5), 1, None)
            found.append(run.optimiser.param_groups[0]["lr"])
            expected = 0.01 * min(1, (i + 1) / warm) * (1 + math.cos(math.pi * i / iterations)) / 2
            assert math.isclose(found[-1], expected, rel_tol=1e-12)
        assert found[0] < found[1] < 0.01 and found[-1] < 0.01 * 0.04


@pytest.mark.parametrize("averaging", [0.999, 0.15, 0.0])
def test_the_denoiser_has_the_running_mean_of_the_weights(averaging):
    net, after = small(), []

    def keep(_):
        after.append(weights(NetworkDenoiser(net, families.vp())).detach())
        return 0.0

    keep(None)
    D = run(network=net, averaging=averaging, every=1, measure=keep)
    mean, *after = after
    for i, found in enumerate(after):
        decay = min(averaging, (1 + i) / (10 + i))
        mean = decay * mean + (1 - decay) * found
    assert len(after) == 6
    torch.testing.assert_close(weights(D), mean, rtol=1e-5, atol=1e-6)
    assert averaging == 0 or not torch.allclose(weights(D), after[-1], rtol=1e-4)


def test_gradients_are_cut_off():
    """With images of size 1e4 the gradient is far beyond 1, and its norm is 1 after that."""
    run = new_run(images=1e4 * IMAGES)
    training._iteration(run, run.network, 0, slice(0, 5), 1, None)
    norm = math.sqrt(sum(p.grad.square().sum() for p in run.network.parameters()))
    assert abs(norm - training.CLIP) < 1e-3


# -- the same run ----------------------------------------------------------------------------------


def test_the_seed_decides():
    one, two, other = run(seed=1), run(seed=1), run(seed=2)
    assert same(one, two) and not same(one, other)
    assert one.log["loss"].tolist() == two.log["loss"].tolist() != other.log["loss"].tolist()
    assert one.log["iteration"].tolist() == [2, 4, 6]


def test_without_a_network_the_seed_makes_one_of_these_widths():
    options = dict(iterations=1, batch=1, progress=False)
    some = train(families.vp(), IMAGES, widths=(8, 16), seed=3, **options)
    assert same(some, run(iterations=1, batch=1, network=small(seed=3), rate=2e-3, seed=3))
    one, two, other = (train(families.vp(), IMAGES, seed=s, **options) for s in (3, 3, 4))
    assert one.network.widths == (64, 96) and same(one, two) and not same(one, other)


def test_what_comes_back_changes_no_more():
    net = small()
    D = run(network=net)
    before = weights(D).clone()
    run(network=net)
    assert torch.equal(weights(D), before) and not weights(D).requires_grad
    u = torch.zeros(SHAPE, requires_grad=True)
    D(u, 0.5).sum().backward()
    assert torch.isfinite(u.grad).all()


def test_a_trained_network_can_go_on():
    D = run()
    net = copy.deepcopy(D.network)
    assert not same(run(network=net), D)


@pytest.mark.parametrize("kind", ["colour", "one channel", "labels", "tensors", "osmotic"])
def test_images_of_every_kind(kind):
    process = families.osmotic(positive(SHAPE, 4, 5.0), 1.0, 0.3) if kind == "osmotic" else None
    u = {"colour": COLOUR, "one channel": COLOUR[:, :1]}.get(kind, IMAGES)
    labels = LABELS if kind == "labels" else None
    if kind == "tensors":
        found = run(images=torch.as_tensor(IMAGES).double().requires_grad_())
        assert same(found, run())
        return
    D = run(process, u, labels)
    assert np.isfinite(D.log["loss"]).all() and D(torch.as_tensor(u), 0.5).shape == u.shape
    assert not same(D, run(process, u[::-1].copy(), labels))
    if kind == "one channel":
        assert same(D, run(images=u[:, 0]))
    if kind == "labels":
        assert not same(D, run(labels=LABELS[::-1].copy()))
        assert same(D, run(labels=torch.as_tensor(LABELS.astype(np.uint16))))


STATES = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "another default device": lambda: torch.device("meta"),
    "errstate": lambda: np.errstate(all="raise"),
}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["vp", "heat"])
def test_the_state_of_the_caller_neither_counts_nor_changes(kind, precision):
    process = {"vp": families.vp(), "heat": families.heat(SHAPE, sigma=0.1)}[kind]
    nets = [small() for _ in range(len(STATES) + 2)]
    expected = run(process, precision=precision, network=nets.pop())
    for name, enter in STATES.items():
        with enter():
            assert same(run(process, precision=precision, network=nets.pop()), expected), name
    with double_by_default():
        torch.manual_seed(5)
        assert same(run(process, precision=precision, network=nets.pop()), expected)
        found = torch.rand(2)
        torch.manual_seed(5)
        assert torch.equal(found, torch.rand(2)) and found.dtype == torch.float64


def test_a_short_precision_is_near_and_not_the_same():
    """Weights that autocast kept from the first iteration would be off by 1.4 % in the second."""
    options = dict(rate=0.03, iterations=16, every=4)
    full, short = run(**options), run(precision="bfloat16", **options)
    assert not same(full, short)
    np.testing.assert_allclose(short.log["loss"], full.log["loss"], rtol=0.005)


# -- interruptions ---------------------------------------------------------------------------------


class Stop(Exception):
    pass


def stopping(times):
    """A measure that raises when it is called for the n-th time, n = `times`."""
    calls = []

    def measure(D):
        calls.append(D)
        if len(calls) == times:
            raise Stop
        return weights(D).square().sum().item()

    return measure


def measured(D):
    return weights(D).square().sum().item()


@pytest.mark.parametrize(
    "kind, stops",
    [("vp", (1, 1)), ("vp", (2,)), ("vp", (4,)), ("vp", (2, 2, 1)), ("heat, labels", (3, 1))],
)
def test_an_interrupted_run_goes_on_bit_for_bit(kind, stops, tmp_path):
    process = families.vp() if kind == "vp" else families.heat(SHAPE, sigma=0.1)
    options = dict(labels=None if kind == "vp" else LABELS, iterations=7)
    expected = run(process, **options, measure=measured)
    assert expected.log["iteration"].tolist() == [2, 4, 6, 7]
    for times in stops:
        with pytest.raises(Stop):
            run(process, **options, into=tmp_path, measure=stopping(times))
        assert not (tmp_path / "weights.npz").exists()
    found = run(process, **options, into=tmp_path, measure=measured)
    assert same(found, expected)
    for name, values in expected.log.items():
        assert found.log[name].tolist() == values.tolist()
    stored = network.load(tmp_path / "weights.npz", process)
    assert torch.equal(weights(stored), weights(found).half().float())
    assert stored.about == found.about and stored.about["done"] == 7
    assert stored.log["loss"].tolist() == expected.log["loss"].tolist()


def test_checkpoints_at_other_intervals_do_not_change_the_weights(tmp_path):
    expected = run(iterations=7)
    with pytest.raises(Stop):
        run(iterations=7, every=2, into=tmp_path, measure=stopping(3))
    found = run(iterations=7, every=3, into=str(tmp_path))
    assert same(found, expected) and found.log["iteration"].tolist() == [2, 4, 6, 7]
    assert found.log["measure"].shape == (4,) and math.isnan(found.log["measure"][-1])


def test_a_finished_run_does_nothing_more(tmp_path):
    first = run(into=tmp_path / "deep" / "er")
    content = (tmp_path / "deep" / "er" / "weights.npz").read_bytes()
    again = run(into=tmp_path / "deep" / "er", measure=stopping(1), network=small(seed=5))
    assert same(again, first)
    assert (tmp_path / "deep" / "er" / "weights.npz").read_bytes() == content
    assert sorted(os.listdir(tmp_path / "deep" / "er")) == ["checkpoint.npz", "weights.npz"]


OTHERS = {
    "process": dict(process=families.vp_cosine()),
    "log_snr": dict(process=families.vp(0.2)),
    "images": dict(images=IMAGES[::-1].copy()),
    "classes": dict(labels=LABELS, network=small(1, 3)),
    "iterations": dict(iterations=8),
    "batch": dict(batch=6),
    "rate": dict(rate=0.02),
    "averaging": dict(averaging=0.9),
    "untold": dict(untold=0.4),
    "seed": dict(seed=1),
    "precision": dict(precision="bfloat16"),
    "widths": dict(network=UNet((16, 16))),
    "labels": dict(network=UNet((8, 16), labels=2)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_run_is_refused(name, tmp_path):
    run(iterations=1, into=tmp_path)
    content = (tmp_path / "checkpoint.npz").read_bytes()
    with pytest.raises(ValueError, match=f"into holds checkpoint.npz of a run with {name} .* here"):
        run(**{"iterations": 1} | OTHERS[name], into=tmp_path)
    assert (tmp_path / "checkpoint.npz").read_bytes() == content


def test_a_checkpoint_that_is_none_is_refused(tmp_path):
    run(iterations=2, into=tmp_path)
    path = tmp_path / "checkpoint.npz"
    content = path.read_bytes()
    arrays, about = _files.unpacked(content, "it")
    some = "first/stem.bias"
    broken = {
        "damaged": content[:-100],
        "damaged or": b"",
        "lacks settings; needed: a whole": (tmp_path / "weights.npz").read_bytes(),
        "lacks settings": _files.packed(arrays, {**about, "settings": 3}),
        "lacks done": _files.packed(arrays, {k: x for k, x in about.items() if k != "done"}),
        f"lacks {some}": _files.packed({k: x for k, x in arrays.items() if k != some}, about),
        "lacks log/loss": _files.packed({**arrays, "log/loss": np.array(["a"])}, about),
        "lacks mean/stem.bias": _files.packed({**arrays, "mean/stem.bias": np.ones(3)}, about),
    }
    for what, bytes_ in broken.items():
        path.write_bytes(bytes_)
        with pytest.raises(ValueError, match=what) as refusal:
            run(iterations=2, into=tmp_path)
        assert "checkpoint.npz" in str(refusal.value)
        assert path.read_bytes() == bytes_


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_leaves_the_last_checkpoint(where, tmp_path, monkeypatch):
    expected = run()
    with pytest.raises(Stop):
        run(into=tmp_path, measure=stopping(2))
    content = (tmp_path / "checkpoint.npz").read_bytes()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left") as error:
        patch.setattr(os, where, full)
        run(into=tmp_path)
    assert error.value.errno == errno.ENOSPC and str(tmp_path / "checkpoint.npz") in str(
        error.value
    )
    assert os.listdir(tmp_path) == ["checkpoint.npz"]  # and no part of a new one
    assert (tmp_path / "checkpoint.npz").read_bytes() == content
    assert same(run(into=tmp_path), expected)


def test_a_folder_that_cannot_be_is_refused_before_the_training(tmp_path):
    (tmp_path / "file").write_text("")
    for into in (tmp_path / "file", tmp_path / "file" / "in it"):
        with pytest.raises(OSError, match="file"):
            run(into=into, measure=stopping(1))
    with pytest.raises(TypeError, match="into is 3; needed: the name of a folder"):
        run(into=3)


KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)
from test_training import *
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
calls = []
def second(*arguments):
    calls.append(1)
    return kill() if len(calls) == 2 else usual(*arguments)
usual = os.fsync if sys.argv[2] == "fsync" else measured
if sys.argv[2] == "fsync":
    os.fsync = second
run(into=sys.argv[1], measure=second if sys.argv[2] == "measure" else measured)
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["measure", "fsync"])
def test_a_killed_run_goes_on(where, tmp_path):
    """Killed between two checkpoints, and while one is written."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "library")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(tmp_path), where]
    killed = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / "checkpoint.npz").exists() and not (tmp_path / "weights.npz").exists()
    assert len(list(tmp_path.glob(".*.part"))) == (where == "fsync")
    found = run(into=tmp_path, measure=measured)
    expected = run(measure=measured)
    assert same(found, expected)
    assert found.log["measure"].tolist() == expected.log["measure"].tolist()


# -- where it goes wrong ---------------------------------------------------------------------------


def spoil(parameters, _):
    for p in parameters:
        p.grad.fill_(math.nan)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path, monkeypatch):
    net = small()
    with torch.no_grad():
        net.stem.weight[0, 0, 0, 0] = math.nan
    with pytest.raises(FloatingPointError, match="the loss is nan at iteration 0; needed"):
        run(network=net, into=tmp_path)
    with pytest.raises(FloatingPointError, match="the loss is (nan|inf) at iteration 1"):
        run(rate=1e30, into=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", spoil)
        with pytest.raises(FloatingPointError, match="a weight is not finite after iteration 0"):
            run(iterations=1, into=tmp_path)
    assert not os.listdir(tmp_path)
    usual, calls = training._pair, []

    def late(*arguments):
        calls.append(1)
        u, v = usual(*arguments)
        return u, v * (math.inf if len(calls) == 4 else 1)

    monkeypatch.setattr(training, "_pair", late)
    with pytest.raises(FloatingPointError, match=f"at iteration 3.*; {tmp_path} keeps the last"):
        run(into=tmp_path)
    assert os.listdir(tmp_path) == ["checkpoint.npz"]
    monkeypatch.undo()
    assert same(run(into=tmp_path), run())


WRONG = {
    "no process": (dict(process="vp"), "process"),
    "another grid": (dict(process=families.heat((8, 8))), "images has grid"),
    "whole numbers": (dict(images=IMAGES.astype(np.uint8)), "images has dtype torch.uint8"),
    "nan": (dict(images=np.full_like(IMAGES, np.nan)), "images contains NaN"),
    "one image": (dict(images=IMAGES[0]), "images has shape"),
    "five axes": (dict(images=IMAGES[None, None]), "images has shape"),
    "odd sides": (dict(images=IMAGES[:, :, :6]), r"images has grids \(4, 6\)"),
    "labels, too few": (dict(labels=LABELS[:5]), "labels has shape"),
    "labels, fractions": (dict(labels=LABELS / 2), "labels has .*float64"),
    "labels, negative": (dict(labels=LABELS - 1), r"labels has .*-1"),
    "labels, booleans": (dict(labels=LABELS > 0), "labels has .*bool"),
    "labels, words": (dict(labels=["shirt"] * 12), "labels"),
    "labels, one more": (dict(labels=LABELS + 1, network=small(1, 3)), "network has .* 3 labels"),
    "network, none": (dict(network="unet"), "network"),
    "network, channels": (dict(network=small(3)), "network has 3 channels"),
    "network, precision": (dict(network=small().double()), "network has dtype torch.float64"),
    "iterations": (dict(iterations=0), "iterations"),
    "batch": (dict(batch=2.5), "batch"),
    "rate": (dict(rate=0.0), "rate"),
    "averaging": (dict(averaging=1.5), "averaging"),
    "untold": (dict(untold=-0.1), "untold"),
    "seed": (dict(seed=-1), "seed is -1; needed: at least 0"),
    "seed, a fraction": (dict(seed=1.5), "seed"),
    "every": (dict(every=0), "every"),
    "precision": (dict(precision="float16"), "precision is 'float16'; needed: one of 'float32'"),
    "measure": (dict(measure=3), "measure"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_arguments_are_refused_by_name(case):
    options, name = WRONG[case]
    options.setdefault("network", small(1, 3))
    with pytest.raises((TypeError, ValueError), match=name):
        run(**options)


# -- many processes --------------------------------------------------------------------------------


def test_more_processes_than_images_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "6")
    with pytest.raises(ValueError, match="batch is 5; needed: at least one image for each of 6"):
        run()


@pytest.mark.slow
@pytest.mark.parametrize("process, batch", [("vp", 7), ("heat", 8)])
def test_two_processes_do_what_one_does(process, batch, tmp_path):
    np.savez(tmp_path / "images.npz", images=IMAGES, labels=LABELS)
    options = [process, "--images", str(tmp_path / "images.npz"), "--widths", "8", "16"]
    options += ["--iterations", "5", "--batch", str(batch), "--every", "1", "--threads", "1"]
    training.main([*options, "--into", str(tmp_path / "one")])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "dpss.training", *options]
    done = subprocess.run(
        [*command, "--into", str(tmp_path / "two")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = training.TRAINED[process](SHAPE)
    one, two = (network.load(tmp_path / name / "weights.npz", made) for name in ("one", "two"))
    assert one.log["iteration"].tolist() == two.log["iteration"].tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(two.log["loss"], one.log["loss"], rtol=1e-4, atol=0)
    torch.testing.assert_close(weights(two), weights(one), rtol=0, atol=2e-3)
    assert sorted(os.listdir(tmp_path / "two")) == ["checkpoint.npz", "weights.npz"]


# -- the command -----------------------------------------------------------------------------------


def command(folder, images, *more, process="vp"):
    options = ["--into", str(folder), "--widths", "8", "16", "--iterations", "2", "--batch", "4"]
    options += [] if images is None else ["--images", str(images)]
    training.main([process, *options, *more])
    return json.loads(str(np.load(folder / "weights.npz")["about"]))


def test_the_command_trains_what_train_does(tmp_path):
    file = tmp_path / "images.npz"
    np.savez(file, images=(IMAGES > 0).astype(np.uint8) * 255, labels=LABELS.astype(np.uint8))
    about = command(tmp_path / "a", file, "--seed", "2", "--rate", "0.01", "--threads", "1")
    expected = run(
        images=np.where(IMAGES > 0, 1, -1).astype("f4"), labels=LABELS, seed=2, iterations=2,
        batch=4, network=small(1, 3, 2), into=tmp_path / "b",
    )  # fmt: skip
    files = [tmp_path / name / "weights.npz" for name in "ab"]
    found, other = (network.load(path, families.vp()) for path in files)
    assert same(found, other) and about["labels"] == 3 and about["widths"] == [8, 16]
    assert torch.equal(weights(found), weights(expected).half().float())
    about = command(tmp_path / "c", file, "--unlabelled", "--precision", "bfloat16")
    assert about["labels"] == 0 and about["precision"] == "bfloat16" and about["seed"] == 1


def test_the_command_takes_colour_and_other_processes(tmp_path):
    np.savez(tmp_path / "images.npz", images=COLOUR)
    for process in ("heat", "blurring"):
        about = command(tmp_path / process, tmp_path / "images.npz", process=process)
        assert about["channels"] == 3 and about["process"] == process


@pytest.mark.parametrize("process", ["vp", "heat", "osmotic"])
def test_the_command_keeps_the_distance_of_samples(process, tmp_path):
    """Also of processes that do not forget the image, from which they start, and of brightness."""
    np.savez(tmp_path / "images.npz", images=image((12, 28, 28)).astype("f4"))
    command(tmp_path, tmp_path / "images.npz", "--distance", process=process)
    made, u = training.TRAINED[process]((28, 28)), torch.from_numpy(image((12, 28, 28))).float()
    starts = u + 1 + (1 - u) / 256 if process == "osmotic" else u
    D = network.load(tmp_path / "weights.npz", made)
    start = reverse.start(made, starts, torch.Generator().manual_seed(0))
    ends = reverse.sample(made, D, start, clock.times(made, (28, 28), 20), eta=0.0)
    ends = (ends - 1 - 1 / 256) / (1 - 1 / 256) if process == "osmotic" else ends
    expected = measures.frechet_distance(ends.clip(-1, 1))
    assert D.log["measure"].item() == pytest.approx(float(expected), rel=1e-2)


def test_the_guidance_of_osmotic_is_the_mean_of_the_clothes_whatever_it_is_trained_on(tmp_path):
    made = training.TRAINED["osmotic"]((28, 28))
    clothes = images.fashion("train")[0].astype(float)
    v = (clothes + 1 + 2 / 255).mean(0)  # brightness, but for a factor
    torch.testing.assert_close(
        made.marginal(torch.from_numpy(v), 0.1).mean, torch.from_numpy(v), rtol=1e-9, atol=0
    )
    assert made.noise(1.0).item() == 1 and made.noise(0.0625).item() == 0.5
    np.savez(tmp_path / "images.npz", images=np.ones((12, 8, 8), np.float32))
    with pytest.raises(SystemExit, match=r"images has shape \(n, 8, 8\); needed: \(28, 28\), as"):
        command(tmp_path, tmp_path / "images.npz", process="osmotic")


def test_without_images_the_command_takes_those_of_the_book(tmp_path):
    about = command(tmp_path, None)
    assert about["count"] == 4000 and about["labels"] == 10 and about["shape"] == [28, 28]


def test_images_that_are_none_end_the_command_with_their_name(tmp_path):
    file = tmp_path / "odd.npz"
    np.savez(file, pictures=IMAGES)
    (tmp_path / "text.npz").write_text("no archive")
    np.save(tmp_path / "array.npy", IMAGES)
    np.savez(tmp_path / "whole.npz", images=np.ones((3, 4, 8), int))
    np.savez(tmp_path / "objects.npz", images=np.array([None]))
    for name in ("odd.npz", "text.npz", "array.npy", "whole.npz", "objects.npz", "none.npz"):
        with pytest.raises(SystemExit, match=f"--images .*{name}: .*; needed: an .npz file of im"):
            command(tmp_path / "to", tmp_path / name)
    with pytest.raises(SystemExit):
        training.main(["diffusion", "--into", str(tmp_path)])


def test_what_does_not_fit_ends_the_command_with_its_name(tmp_path):
    np.savez(tmp_path / "images.npz", images=IMAGES)
    for option, match in {
        "--iterations=0": "iterations is 0; needed: ",
        "--rate=-1": "rate is -1; needed: ",
        "--widths=3 5": "widths is .*; needed: ",
    }.items():
        name, value = option.split("=")
        with pytest.raises(SystemExit, match=match):
            command(tmp_path / "to", tmp_path / "images.npz", name, *value.split())


@pytest.mark.slow
def test_the_command_runs_by_its_name(tmp_path):
    np.savez(tmp_path / "images.npz", images=IMAGES)
    options = ["--images", "images.npz", "--into", "to", "--widths", "8", "16"]
    options += ["--iterations", "2", "--batch", "4", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "dpss.training", "vp", *options],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert network.load(tmp_path / "to" / "weights.npz", families.vp()).about["done"] == 2
    assert "2/2" in done.stderr  # the bar
