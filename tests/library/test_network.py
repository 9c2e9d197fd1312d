"""Networks as denoisers: one form for every process, shapes, states of the caller, weight files.

Where what a network does must be known, it is one that returns the true v, or a U-Net whose last
layer is random and not 0.
"""

import copy
import io
import json
import math
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import torch
from catalogue import MILD, default, mild
from reference import image, noise, positive
from states import double_by_default

from dpss import _files, clock, families, network, reverse
from dpss.bases import Pixels
from dpss.network import NetworkDenoiser, UNet
from dpss.processes import Process

SHAPE = (8, 12)
FAMILIES = {
    **{name: lambda name=name: mild(name, SHAPE) for name in MILD},
    "gaussian_scale_space": lambda: default("gaussian_scale_space", SHAPE),
}
T = torch.tensor([0.0, 0.2, 0.5, 1.0], dtype=torch.float64)


def lively(channels=1, labels=0, seed=0):
    """A small network that is not at its start, where v = 0."""
    generator = torch.Generator().manual_seed(seed)
    net = UNet((8, 16), channels, labels)
    with torch.no_grad():
        for weights in net.parameters():
            weights.copy_(0.2 * torch.randn(weights.shape, generator=generator))
    return net


NET, COLOUR, TOLD = lively(), lively(3, seed=1), lively(labels=4, seed=2)
U = torch.as_tensor(image((3, *SHAPE))).float()


class Fake(UNet):
    """Returns what it is told to, and keeps what it saw."""

    def __init__(self, v):
        super().__init__((8, 8))
        self.v, self.seen = v, []

    def forward(self, u, ell, label=None):  # noqa: ARG002, as a UNet has it
        self.seen.append((u, ell))
        return self.v.expand_as(u).to(u)


# -- the reduction ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_with_the_true_v_every_denoiser_is_exact(family):
    """Also where α = 0 or σ = 0; a and s computed here, v from the definition."""
    process = FAMILIES[family]()
    basis = process.basis
    u0, eps = (torch.as_tensor(noise(SHAPE, i)) for i in (1, 2))
    for t in T.tolist():
        alpha, sigma = (x.expand(SHAPE) for x in (process.signal(t), process.noise(t)))
        state = basis.synthesise(alpha * basis.analyse(u0) + sigma * basis.analyse(eps))
        angle = torch.atan2(sigma, alpha)
        a, s = torch.cos(angle), torch.sin(angle)
        v = basis.synthesise(a * basis.analyse(eps) - s * basis.analyse(u0))
        fake = Fake(v).double()
        found = NetworkDenoiser(fake, process)(state, t)
        # without noise the rounding of the state is divided by gains of 1e-7, and less than 1e-12
        if not sigma.any() and alpha.min() < 1e-12:
            continue
        close = dict(rtol=0, atol=1e-9 if sigma.any() else 1e-8)
        torch.testing.assert_close(found, u0, **close)
        ((seen, ell),) = fake.seen
        expected = basis.synthesise(a * basis.analyse(u0) + s * basis.analyse(eps))
        torch.testing.assert_close(seen[0, 0], expected, **close)
        assert ell == clock.log_snr(process, SHAPE, t)


@pytest.mark.parametrize("family", ["vp_cosine", "flow_matching", "blurring"])
def test_where_nothing_is_left_the_network_predicts_the_image_itself(family):
    process = FAMILIES[family]()
    D = NetworkDenoiser(Fake(-torch.as_tensor(image(SHAPE))).double(), process)
    found = D(torch.as_tensor(noise(SHAPE)), 1.0)
    torch.testing.assert_close(found, torch.as_tensor(image(SHAPE)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_at_time_0_the_denoiser_is_the_identity(family):
    D = NetworkDenoiser(NET, FAMILIES[family]())
    torch.testing.assert_close(D(U.double(), 0.0), U.double(), rtol=1e-9, atol=1e-9)


def test_processes_of_equal_snr_share_their_weights():
    """x_VE = x_VP/α where the SNR agrees: ve() is vp() on another clock and scale."""
    vp, ve = families.vp(), families.ve()
    for t in (0.05, 0.3, 0.7):
        ell = clock.log_snr(vp, SHAPE, t)
        # σ_ve² = e^{−ℓ} = σ_min² (r^{2t} − 1)
        same = math.log1p(math.exp(-ell) / 0.01**2) / (2 * math.log(50 / 0.01))
        assert abs(clock.log_snr(ve, SHAPE, same) - ell) < 1e-9
        found = NetworkDenoiser(NET, ve)(U / vp.signal(t).item(), same)
        torch.testing.assert_close(found, NetworkDenoiser(NET, vp)(U, t), rtol=1e-4, atol=1e-4)
        other = NetworkDenoiser(NET, ve)(U / vp.signal(t).item(), 0.9 * same)
        assert (found - other).abs().max() > 1e-2


def test_where_the_process_leaves_nothing_at_all_no_network_helps():
    nothing = Process(Pixels(), lambda t: torch.log1p(-t), lambda t: 0 * t)
    with pytest.raises(ValueError, match=r"t is \[1.0\]; needed: α_t > 0 or σ_t > 0"):
        network.reduced(nothing, 1.0)
    a, s, size = network.reduced(nothing, 0.5)
    assert (a, s, size) == (1, 0, 0.5)


def test_gains_whose_squares_leave_the_range_are_no_nothing():
    process = families.gaussian_scale_space(SHAPE, 200.0)  # α down to e^{−1600}: 0 in some modes
    least = Process(Pixels(), lambda t: -600 * t, lambda t: 0 * t)
    assert network.reduced(least, 1.0)[0] == 1 and process.signal(1.0).min() == 0


# -- shapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["vp", "heat"])
def test_batches_of_every_shape_and_one_time_for_each_image(family):
    process = FAMILIES[family]()
    D, u = NetworkDenoiser(NET, process), torch.as_tensor(image((2, 3, *SHAPE), 1)).float()
    one_by_one = torch.stack([torch.stack([D(x, t) for x in row]) for row, t in zip(u, (0.2, 0.7))])
    close = dict(rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(D(u, torch.tensor([0.2, 0.7])), one_by_one, **close)
    torch.testing.assert_close(D(u, [[0.2], [0.7]]), one_by_one, **close)
    torch.testing.assert_close(D(u[0], 0.2), one_by_one[0], **close)
    torch.testing.assert_close(D(u[0], [[[0.2]]]), one_by_one[0], **close)
    torch.testing.assert_close(D(u[:, 0], [0.2, 0.7]), one_by_one[:, 0], **close)
    many = D(u[0, 0], [0.2, 0.7, 0.1])
    assert many.shape == (3, *SHAPE)
    torch.testing.assert_close(many[:1], one_by_one[0, :1], **close)
    assert D(u[0, 0], [[0.2, 0.7, 0.1]]).shape == (3, *SHAPE)  # as of every process
    assert D(u[0, 0], [0.2]).shape == D(u[0, 0], 0.2).shape == SHAPE
    with pytest.raises(ValueError, match="t has shape"):
        D(u, [0.2, 0.3, 0.4])
    with pytest.raises(ValueError, match="t has shape"):
        D(u[0], [[0.2], [0.3], [0.4]])


@pytest.mark.parametrize("family", ["vp", "heat"])
def test_colour_images_go_through_the_network_as_one(family):
    D, u = NetworkDenoiser(COLOUR, FAMILIES[family]()), torch.as_tensor(image((2, 3, *SHAPE), 1))
    both = D(u, [0.2, 0.7])
    close = dict(rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both[1], D(u[1], 0.7), **close)
    torch.testing.assert_close(D(u[1], [0.2, 0.7])[1], both[1], **close)
    torch.testing.assert_close(D(u[None], 0.2)[0, 0], both[0], **close)
    assert (D(u.flip(1), 0.7) - D(u, 0.7).flip(1)).abs().max() > 1e-3  # channels are told apart
    grey = NetworkDenoiser(NET, FAMILIES[family]())
    torch.testing.assert_close(grey(u, [0.2, 0.7])[1, 2], grey(u[1, 2], 0.7), **close)
    for wrong in (u[0, 0], u[:, :2], u[0, :2]):
        with pytest.raises(ValueError, match=r"u has shape .* needed: colour images \(..., 3, H"):
            D(wrong, 0.5)


def test_labels_one_or_many_and_guidance_is_linear():
    D, u = NetworkDenoiser(TOLD, families.vp()), torch.as_tensor(image((2, 3, *SHAPE), 1))
    close = dict(rtol=1e-4, atol=1e-5)
    one = [D.told(k)(u, 0.5) for k in range(4)]
    assert all((one[0] - x).abs().max() > 1e-3 for x in (one[1], one[2], one[3], D(u, 0.5)))
    for label in (torch.tensor([0, 3]), np.array([[0], [3]], np.uint8), [0, 3]):
        found = D.told(label)(u, 0.5)
        torch.testing.assert_close(found, torch.stack([one[0][0], one[3][1]]), **close)
    each = D.told([[0, 1, 2], [3, 2, 1]])(u, 0.5)
    torch.testing.assert_close(each[1, 1], one[2][1, 1], **close)
    free = D(u, 0.5)
    for w in (0.0, 1.0, 2.5, -1.0):
        torch.testing.assert_close(D.told(2, w)(u, 0.5), free + w * (one[2] - free), **close)
    assert torch.equal(D.told(2).told(None)(u, 0.5), free)
    for label in ([0, 1, 2], torch.zeros(2, 3, 1, dtype=torch.long)):
        with pytest.raises(ValueError, match="label has shape"):
            D.told(label)(u, 0.5)


@pytest.mark.parametrize("label", [4, -1, 1.0, True, [0, 4], torch.tensor([0.5])])
def test_labels_that_are_none_are_refused(label):
    D = NetworkDenoiser(TOLD, families.vp())
    with pytest.raises(ValueError, match="label is .* below the network's 4 labels"):
        D.told(label)


def test_a_network_without_labels_can_be_told_none():
    with pytest.raises(ValueError, match="0 labels"):
        NetworkDenoiser(NET, families.vp()).told(0)
    for label in ("shirt", object()):
        with pytest.raises(TypeError, match="label"):
            NetworkDenoiser(TOLD, families.vp()).told(label)


def test_the_parts_of_a_denoiser_are_looked_at():
    for wrong, name in (
        ((None, families.vp()), "network"),
        ((NET, "vp"), "process"),
        ((TOLD, families.vp(), 1, "strong"), "guidance"),
        ((TOLD, families.vp(), 1, math.nan), "guidance"),
    ):
        with pytest.raises((TypeError, ValueError), match=name):
            NetworkDenoiser(*wrong)
    D = NetworkDenoiser(NET, families.heat(SHAPE))
    for u, t, name in (
        (torch.zeros(8, 8), 0.5, "u has grid"),
        (torch.zeros(8), 0.5, "u has shape"),
        (torch.zeros(SHAPE, dtype=torch.int64), 0.5, "u has dtype"),
        (torch.full(SHAPE, math.nan), 0.5, "u contains NaN"),
        (torch.zeros(SHAPE), 1.5, "t holds 1.5"),
        (torch.zeros(3, *SHAPE), [], "t has shape"),
    ):
        with pytest.raises((TypeError, ValueError), match=name):
            D(u, t)
    with pytest.raises(ValueError, match="sides that 4 divides"):
        NetworkDenoiser(NET, families.vp())(torch.zeros(8, 10), 0.5)


def test_chunks_do_not_count(monkeypatch):
    u = torch.as_tensor(image((7, *SHAPE), 1)).float()
    for D in (
        NetworkDenoiser(NET, families.vp()),
        NetworkDenoiser(TOLD, families.vp(), torch.arange(7) % 4, 2.0),
        NetworkDenoiser(TOLD, families.vp(), 3),
    ):
        times = torch.linspace(0.1, 0.9, 7)
        expected = D(u, times)
        monkeypatch.setattr(network, "CHUNK", 3)
        torch.testing.assert_close(D(u, times), expected, rtol=1e-4, atol=1e-5)
        monkeypatch.undo()


# -- the state of the caller -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("family", ["vp", "blurring"])
def test_the_result_has_the_dtype_of_the_image(family, dtype):
    D, expected = NetworkDenoiser(NET, FAMILIES[family]()), U.double()
    expected, found = D(expected, 0.4), D(U.to(dtype), 0.4)
    assert found.dtype == dtype
    bound = {torch.float16: 0.05, torch.bfloat16: 0.3}.get(dtype, 1e-4)
    assert (found.double() - expected).abs().max() < bound


def test_arrays_are_images_too():
    D = NetworkDenoiser(NET, families.heat(SHAPE))
    assert torch.equal(D(U.numpy(), 0.5), D(U, 0.5))


@pytest.mark.parametrize("family", ["vp", "heat"])
def test_the_state_of_the_caller_does_not_count(family):
    def results(process):
        return [NetworkDenoiser(NET, process)(u, [0.2, 0.5, 0.9]) for u in (U, U.double())]

    def check():
        for one, other in zip(results(FAMILIES[family]()), expected):
            assert one.dtype == other.dtype
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)

    expected = results(FAMILIES[family]())
    with torch.autocast("cpu", torch.bfloat16):
        check()
    with torch.inference_mode():
        check()
    with torch.no_grad(), np.errstate(all="raise"), torch.device("meta"):
        check()
    with double_by_default():
        check()


@pytest.mark.parametrize("family", ["vp", "heat", "osmotic"])
def test_gradients_pass(family):
    exact = copy.deepcopy(NET).double()
    D, h = NetworkDenoiser(exact, FAMILIES[family]()), 1e-6
    u, w = U.double().requires_grad_(), torch.as_tensor(noise(U.shape, 3))
    (D(u, 0.5) * w).sum().backward()
    with torch.no_grad():
        slope = ((D(u + h * w, 0.5) - D(u - h * w, 0.5)) * w).sum() / (2 * h)
    torch.testing.assert_close((u.grad * w).sum(), slope, rtol=1e-6, atol=1e-6)


def test_a_denoiser_can_be_pickled_and_copied():
    for D in (
        NetworkDenoiser(NET, families.heat(SHAPE)),
        NetworkDenoiser(TOLD, families.vp(), 2, 1.5, {"seed": 1}, {"loss": np.ones(2)}),
    ):
        for twin in (pickle.loads(pickle.dumps(D)), copy.deepcopy(D), copy.copy(D)):
            assert torch.equal(twin(U, 0.4), D(U, 0.4)) and twin.about == D.about
    assert len(repr(D)) < 200


@pytest.mark.parametrize("family", ["vp", "heat", "blurring"])
def test_every_sampler_takes_it(family):
    process = FAMILIES[family]()
    D, draw = NetworkDenoiser(NET, process), torch.Generator().manual_seed(0)
    u = process.sample(U, 0.6, draw)
    times = clock.times(process, SHAPE, 3, start=0.6)
    for found in (
        reverse.sample(process, D, u, times, 1.0, draw),
        reverse.flow(process, D, u, times),
        reverse.sde(process, D, u, [0.6, 0.599, 0.598], 1.0, draw),
        reverse.inpaint(process, D, u, torch.eye(*SHAPE) > 0, times, 1.0, draw),
        reverse.step(process, D(u, 0.6), u, 0.5, 0.6, 0.0),
    ):
        assert found.shape == u.shape and torch.isfinite(found).all() and not torch.equal(found, u)


# -- the U-Net -------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels, labels", [(1, 0), (3, 0), (1, 4), (2, 3)])
def test_the_network_works_on_grids_of_many_sizes(channels, labels):
    net = lively(channels, labels)
    for h, w in ((4, 4), (4, 12), (8, 12), (28, 28)):
        u, ell = torch.as_tensor(image((2, channels, h, w))).float(), torch.tensor([-3.0, 50.0])
        found = net(u, ell)
        assert found.shape == u.shape and torch.isfinite(found).all() and found.std() > 0
        assert torch.equal(found, net(u, ell, torch.full((2,), labels)))  # "not told"
        assert torch.equal(net(u, ell.clamp(-20, 20)), found)
        assert (net(u, ell.flip(0)) - found).abs().max() > 1e-3  # the clock is looked at
        if labels:
            assert (net(u, ell, torch.tensor([0, 1])) - found).abs().max() > 1e-3


def test_a_new_network_returns_nothing_and_so_D_is_that_of_data_of_variance_one():
    net = UNet((8, 16))
    assert (net(U[:, None], torch.zeros(3)) == 0).all()
    D, process = NetworkDenoiser(net, families.ve()), families.ve()
    expected = U / (1 + process.noise(0.3).item() ** 2)  # Wiener's filter, α = 1
    torch.testing.assert_close(D(U, 0.3), expected, rtol=1e-5, atol=1e-6)


def test_infinite_clocks_are_the_ends_of_the_range():
    ell = torch.tensor([math.inf, -math.inf, 20.0])
    found = NET(U[:1, None].expand(3, -1, -1, -1), ell)
    torch.testing.assert_close(found[0], found[2], rtol=1e-5, atol=1e-6)
    assert torch.isfinite(found).all()


def test_the_weights_come_from_torchs_generator_alone():
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(torch.cat([p.detach().flatten() for p in UNet((8, 16)).parameters()]))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_the_size_that_the_docstring_says():
    with torch.device("meta"):
        count = sum(p.numel() for p in UNet().parameters())
    assert round(count / 1e6, 1) == 1.8


@pytest.mark.parametrize(
    "arguments, name",
    [
        (((8, 12),), "widths"),
        ((8,), "widths"),
        (((0, 8),), "widths"),
        (((8, 8), 0), "channels"),
        (((8, 8), 1, -1), "labels"),
        (((8, 8), 1, 2.5), "labels"),
    ],
)
def test_networks_that_cannot_be_are_refused(arguments, name):
    with pytest.raises((TypeError, ValueError), match=name):
        UNet(*arguments)


ONE, CLOCK = torch.zeros(2, 1, 8, 12), torch.zeros(2)


@pytest.mark.parametrize(
    "arguments, name",
    [
        ((ONE[0], CLOCK), r"u has shape \(1, 8, 12\)"),
        ((ONE.expand(2, 3, 8, 12), CLOCK), "u has shape"),
        ((torch.zeros(2, 1, 8, 10), CLOCK), "u has shape"),
        ((torch.zeros(2, 1, 9, 12), CLOCK), "u has shape"),
        ((ONE, CLOCK[:1]), "clock has shape"),
        ((ONE, torch.tensor(0.0)), "clock has shape"),
        ((ONE, CLOCK, torch.tensor([0])), "label has shape"),
        ((ONE, CLOCK, torch.tensor([0.0, 1.0])), "label has .*float32"),
        ((ONE, CLOCK, torch.tensor([0, 5])), "label holds 5; needed: at most 4"),
        ((ONE, CLOCK, torch.tensor([-1, 0])), "label holds -1"),
    ],
)
def test_calls_of_the_network_that_do_not_fit_are_refused_by_name(arguments, name):
    with pytest.raises(ValueError, match=name):
        TOLD(*arguments)


# -- weight files ----------------------------------------------------------------------------------


def stored(process, **about):
    known = {"widths": [8, 16], "channels": 1, "labels": 0, "process": process.name}
    log = {"loss": np.array([0.5, 0.25])}
    return NetworkDenoiser(NET, process, about={**known, **about}, log=log)


@pytest.fixture
def written(tmp_path):
    """A function that writes content, by default weights for vp, and returns the file."""

    def write(content=None, name="weights.npz"):
        path = tmp_path / name
        path.write_bytes(network.pack(stored(families.vp())) if content is None else content)
        return path

    return write


def parts(content):
    """All arrays of an .npz, by name."""
    with np.load(io.BytesIO(content)) as file:
        return dict(file)


def saved(arrays, **options):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("as_text", [True, False])
def test_weights_come_back_in_half_precision(written, as_text):
    path = written()
    D = network.load(str(path) if as_text else path, families.vp())
    for name, weights in D.network.state_dict().items():
        assert torch.equal(weights, NET.state_dict()[name].half().float())
        assert not D.network.get_parameter(name).requires_grad
    assert D.about == stored(families.vp()).about and D.log["loss"].tolist() == [0.5, 0.25]
    assert (D(U, 0.5) - NetworkDenoiser(NET, families.vp())(U, 0.5)).abs().max() < 0.05
    assert not D(U, 0.5).requires_grad
    with torch.inference_mode():
        D = network.load(path, families.vp())
    u = U.clone().requires_grad_()  # what is read there can be differentiated later
    D(u, 0.5).sum().backward()
    assert torch.isfinite(u.grad).all()


def test_the_file_depends_on_the_weights_alone(written, monkeypatch):
    first = network.pack(stored(families.vp()))
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert network.pack(stored(families.vp())) == first == written().read_bytes()


def test_weights_serve_every_process_of_the_same_snr_and_no_other(written):
    path = written()
    for process in (families.ve(), families.vp_cosine(), families.flow_matching()):
        assert network.load(path, process).process is process
    for process in (families.heat(SHAPE), families.blurring(SHAPE)):
        with pytest.raises(ValueError, match=f"process is {process.name}, the weights .* for vp"):
            network.load(path, process)
    heat = families.heat(SHAPE, sigma=0.02)
    path = written(network.pack(stored(heat)))
    assert network.load(path, families.heat(SHAPE, sigma=0.02)).process.name == "heat"
    louder = Process(  # twice the image and twice the noise
        heat.basis, lambda t: heat._log_signal.function(t) + math.log(2), lambda t: 0.04 * (t > 0)
    )
    assert network.load(path, louder).process is louder
    for process in (
        families.heat(SHAPE, sigma=0.03),
        families.heat(SHAPE, 3.0, sigma=0.02),
        families.heat((12, 8), sigma=0.02),
        families.vp(),
        families.blurring(SHAPE),
    ):
        with pytest.raises(ValueError, match="process is .* for heat; needed: one with the SNR"):
            network.load(path, process)


def _damaged():
    content = bytearray(network.pack(stored(families.vp())))
    content[len(content) // 2] ^= 1
    return bytes(content)


def _changed(**arrays):
    content = network.pack(stored(families.vp()))
    return saved({**parts(content), **arrays})


def _described(**about):
    return _changed(about=np.array(json.dumps({**stored(families.vp()).about, **about})))


def _torchs_own():
    buffer = io.BytesIO()
    torch.save(NET.state_dict(), buffer)
    return buffer.getvalue()


def _array():
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


def _not_arrays():
    content = io.BytesIO(network.pack(stored(families.vp())))
    with zipfile.ZipFile(content, "a") as file:
        file.writestr("weights/extra", b"no array")
    return content.getvalue()


BROKEN = {
    "empty": (lambda: b"", "damaged"),
    "truncated": (lambda: network.pack(stored(families.vp()))[:-200], "damaged"),
    "one bit": (_damaged, "damaged.*CRC"),
    "text": (lambda: b"version https://git-lfs.github.com/spec/v1", "no archive"),
    "one array": (_array, "damaged or of another kind"),
    "another archive": (lambda: saved({"images": np.ones((2, 8, 8))}), "says nothing"),
    "torch's own": (_torchs_own, "says nothing"),
    "no arrays": (_not_arrays, "weights/extra is no array"),
    "a list about it": (lambda: _changed(about=np.array("[1, 2]")), "describes itself as"),
    "no text about it": (lambda: _changed(about=np.array("{")), "damaged"),
    "no network": (lambda: _changed(about=np.array("{}")), "does not say of which network"),
    "no process": (lambda: _changed(log_snr=np.array(["a"])), "does not say of which"),
    "odd widths": (lambda: _described(widths=[8, 9]), "names a network that cannot be.*widths"),
    "no widths": (lambda: _described(widths=None), "names a network that cannot be"),
    "huge widths": (lambda: _described(widths=[8 * 10**17, 8]), "names a network that cannot be"),
    "other widths": (lambda: _described(widths=[16, 16]), r"has clock.0.weight with shape \(16"),
    "labels": (lambda: _described(labels=3), r"has label.weight with shape \(1, 16\).*\(4, 16\)"),
    "missing": (lambda: saved(_without("weights/stem.bias")), r"stem.bias with shape \(0,\)"),
    "nan": (lambda: saved(_with_nan()), "stem.bias .* or not finite"),
    "whole numbers": (
        lambda: saved(_replaced(np.zeros(8, int))),
        "stem.bias with shape .* int64.*finite numbers",
    ),
    "wrong shape": (lambda: saved(_replaced(np.zeros(3))), r"stem.bias with shape \(3,\)"),
}


def _without(name):
    return {k: x for k, x in parts(network.pack(stored(families.vp()))).items() if k != name}


def _replaced(bias):
    return {**_without("weights/stem.bias"), "weights/stem.bias": bias}


def _with_nan():
    return _replaced(np.full(8, np.nan, np.float16))


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_is_none_is_refused_by_name(how, written):
    content, what = BROKEN[how]
    path = written(content())
    with pytest.raises(ValueError, match=what) as refusal:
        network.load(path, families.vp())
    assert str(path) in str(refusal.value) and "needed: " in str(refusal.value)


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.path),)


@pytest.mark.parametrize("where", ["weights/stem.bias", "about", "log/loss", "log_snr", "other"])
def test_reading_a_file_runs_no_code(where, written, tmp_path):
    mark = tmp_path / "it ran"
    trap = np.array([Trap(mark)], dtype=object)
    path = written(saved({**_without(where), where: trap}))
    with np.load(path, allow_pickle=True) as file:  # the trap works
        file[where]
    assert mark.exists()
    mark.unlink()
    with pytest.raises(ValueError, match="weights.npz is damaged or of another kind"):
        network.load(path, families.vp())
    path = written(pickle.dumps(Trap(mark)))
    with pytest.raises(ValueError, match="damaged"):
        network.load(path, families.vp())
    assert not mark.exists()


def test_names_that_are_none_are_refused(tmp_path, written):
    for name in ("vpp", tmp_path / "none.npz", tmp_path, ""):
        with pytest.raises(
            FileNotFoundError, match="name is .* one of vp, heat, blurring, osmotic, or a"
        ):
            network.load(name, families.vp())
    for name in (3, None, b"vp", ["vp"]):
        with pytest.raises(TypeError, match="name is .* needed: a str"):
            network.load(name)
    with pytest.raises(ValueError, match="process is None; needed: the process"):
        network.load(written())
    with pytest.raises(TypeError, match="process"):
        network.load(written(), "vp")


def test_shipped_names_are_read_from_data(monkeypatch):
    """What a file of data/weights/ would hold, without the file."""
    content = {
        "weights/vp.npz": network.pack(stored(families.vp())),
        "weights/heat.npz": network.pack(stored(families.heat((28, 28), sigma=0.02))),
        "weights/blurring.npz": network.pack(stored(families.vp())),
    }
    monkeypatch.setattr(network._data, "read", content.__getitem__)
    monkeypatch.setattr(network._data, "registry", lambda: content)
    assert network.load("vp").process.name == "vp"
    assert network.load("vp", families.ve()).process.name == "ve"
    assert network.load("heat")(torch.zeros(2, 28, 28), 0.5).shape == (2, 28, 28)
    with pytest.raises(ValueError, match=r"data/weights/blurring.npz are for vp"):
        network.load("blurring")  # swapped
    with pytest.raises(ValueError, match="data/weights/vp.npz are for vp"):
        network.load("vp", families.heat((28, 28)))


def test_brightness_is_positive_and_leads_back():
    u = image((3, 4, 8))
    for x in (u, torch.from_numpy(u).float()):
        b = network.brightness(x)
        assert type(b) is type(x) and b.dtype == x.dtype
        np.testing.assert_allclose(b, u + 1 + (1 - u) / 256, atol=1e-6)
        np.testing.assert_allclose(network.grey(b), u, atol=1e-6)
    ends = network.brightness(np.array([[-1.0, 1.0]]))
    np.testing.assert_allclose(ends, [[1 / 128, 2]], rtol=1e-12)


@pytest.mark.parametrize("name", network.TRAINED)
def test_images_are_led_to_the_unit_of_the_training_and_back(name):
    u = torch.from_numpy(image((3, 28, 28)))
    into, back = network.UNITS[name]
    expected = u + 1 + (1 - u) / 256 if name == "osmotic" else u
    torch.testing.assert_close(into(u), expected)
    torch.testing.assert_close(back(expected), u)


def test_archives_do_not_depend_on_the_order_of_what_is_known():
    one, two = (
        _files.packed({"a": np.ones(2)}, about) for about in ({"x": 1, "y": 2}, {"y": 2, "x": 1})
    )
    assert one == two and _files.unpacked(one, "it")[1] == {"x": 1, "y": 2}


def test_the_guidance_of_an_osmotic_process_is_part_of_what_it_was_trained_for(written):
    one, two = (families.osmotic(positive(SHAPE, i, 5.0), 1.0, 0.3) for i in (1, 2))
    path = written(network.pack(stored(one)))
    assert network.load(path, one).process is one
    with pytest.raises(ValueError, match="process is osmotic"):
        network.load(path, two)
