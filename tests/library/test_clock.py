"""The clock: the equation that defines it, its ends, its order, and even steps on it."""

import math

import numpy as np
import pytest
import torch
from catalogue import DEFAULT, MILD, default, mild
from reference import positive

from dpss import clock, families
from dpss.bases import Pixels
from dpss.processes import Process

SHAPE = (5, 6)
T = torch.tensor([0.05, 0.3, 0.6, 0.95], dtype=torch.float64)
SCALAR = ("vp", "vp_cosine", "vp_discrete", "sub_vp", "ve", "flow_matching")
COUPLED = {
    "heat": lambda: families.heat(SHAPE, sigma=0.02),
    "heat, continuous": lambda: families.heat(SHAPE, sigma=0.02, laplacian="continuous"),
    "blurring": lambda: families.blurring(SHAPE),
    "blurring, continuous": lambda: families.blurring(SHAPE, laplacian="continuous"),
    "osmotic": lambda: families.osmotic(positive(SHAPE, 4, 5.0), 1.0, 0.3),
    "by hand": lambda: mild("by hand", SHAPE),
    "pixelwise by hand": lambda: mild("pixelwise by hand", SHAPE),
}
EVEN = {
    **{name: lambda name=name: mild(name, SHAPE) for name in SCALAR if name != "vp_discrete"},
    **COUPLED,
}


def told(c, snr):
    return sum(math.log1p(a * b) for a, b in zip(c, snr) if a > 0)


@pytest.mark.parametrize("name", SCALAR)
def test_the_clock_of_a_process_that_treats_modes_alike_is_its_log_snr(name):
    process = mild(name, SHAPE)
    found = clock.log_snr(process, SHAPE, T)
    expected = 2 * torch.log(process.signal(T) / process.noise(T))[:, 0, 0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert clock.log_snr(process, SHAPE, 0.3).shape == ()
    assert clock.log_snr(process, SHAPE, T.reshape(2, 2)).shape == (2, 2)


def test_coefficients_of_equal_modes_have_the_same_clock_as_one_number():
    one = families.vp()
    many = Process(
        Pixels(),
        lambda t: one.log_signal(t[..., 0, 0]).expand(*t.shape[:-2], *SHAPE),
        lambda t: one.noise(t[..., 0, 0]).expand(*t.shape[:-2], *SHAPE),
    )
    expected = clock.log_snr(one, SHAPE, T)
    torch.testing.assert_close(clock.log_snr(many, SHAPE, T), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", COUPLED)
def test_the_clock_solves_its_equation(name):
    process = COUPLED[name]()
    rates = getattr(process.basis, "eigenvalues", torch.ones(SHAPE)).flatten().tolist()
    c = [1 / rate if rate > 0 else 0.0 for rate in rates]
    assert all(c) == (process.basis == Pixels())  # the mean grey value is left out
    for t in T.tolist():
        snr = (process.signal(t) / process.noise(t)).square().expand(SHAPE).flatten().tolist()
        ell = clock.log_snr(process, SHAPE, t).item()
        assert min(map(math.log, snr)) <= ell <= max(map(math.log, snr))
        found = told(c, [math.exp(ell)] * len(c))
        assert math.isclose(found, told(c, snr), rel_tol=1e-9)


def test_the_mean_grey_value_does_not_count():
    """Heat keeps it, and would tell of it for ever."""
    basis, some = mild("heat", SHAPE).basis, families.heat(SHAPE, sigma=0.1)
    keep = torch.zeros(SHAPE, dtype=torch.float64)
    keep[0, 0] = 5.0
    other = Process(basis, lambda t: some.log_signal(t[..., 0, 0]) + keep * t, some._noise.function)
    torch.testing.assert_close(clock.log_snr(other, SHAPE, T), clock.log_snr(some, SHAPE, T))


@pytest.mark.parametrize("name", EVEN)
def test_the_clock_of_a_markov_process_never_rises(name):
    times = torch.linspace(0, 1, 200, dtype=torch.float64)
    ell = clock.log_snr(EVEN[name](), SHAPE, times)
    assert ell[0] == math.inf and (ell.diff()[1:] <= 1e-9).all() and ell[-1] < ell[1] - 0.5


@pytest.mark.parametrize("name", ["vp_cosine", "flow_matching", "blurring"])
def test_where_nothing_is_left_the_clock_is_minus_infinite(name):
    assert clock.log_snr(EVEN[name](), SHAPE, 1.0) == -math.inf
    assert clock.angle(clock.log_snr(EVEN[name](), SHAPE, [0.0, 1.0])).tolist() == [0, math.pi / 2]


@pytest.mark.parametrize("ell", [-39.0, -5.0, 0.0, 12.0, 39.0])
def test_far_ends_keep_their_digits(ell):
    """Two modes with SNR on either side of one value, which the clock must find."""
    gap = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    process = Process(Pixels(), lambda t: 0.5 * (ell + gap), lambda t: torch.ones_like(t))
    found = clock.log_snr(process, (1, 2), 0.5).item()
    expected = math.expm1(0.5 * (math.log1p(math.exp(ell + 1)) + math.log1p(math.exp(ell - 1))))
    assert math.isclose(found, math.log(expected), rel_tol=1e-9, abs_tol=1e-9)


def spectrum(process):
    """c_k = 1/λ_k, and 0 for what the process never blurs."""
    if isinstance(process.basis, Pixels):
        return np.ones(SHAPE)
    rates = np.where((x := process.basis.eigenvalues.numpy()) > 1e-9, x, 0)
    return np.divide(1, rates, out=np.zeros(SHAPE), where=rates > 0)


@pytest.mark.parametrize("name", EVEN)
def test_even_times_have_equal_lengths(name):
    """∫ √(Σ c_k θ_k'²) dt, from a thousand times within each step."""
    process = EVEN[name]()
    c, times = spectrum(process), clock.times(process, SHAPE, 7)
    assert times.shape == (8,) and times.dtype == torch.float64
    assert times[0] == 1 and times[-1] == 0 and (times.diff() < 0).all()
    lengths = []
    for t, s in zip(times[:-1], times[1:].clamp(min=clock.START)):
        within = torch.linspace(t**0.5, s**0.5, 1001, dtype=torch.float64) ** 2
        alpha, sigma = (
            x.expand(-1, *SHAPE).numpy()
            for x in (process.signal(within.clamp(max=1)), process.noise(within.clamp(max=1)))
        )
        turned = np.diff(np.arctan2(sigma, alpha * np.sqrt(c)), axis=0)
        lengths.append(np.sqrt((c * turned**2).sum((1, 2))).sum())
    # the inverse is linear between the 4096 entries of a table
    np.testing.assert_allclose(lengths, np.mean(lengths), rtol=3e-3)


def test_other_times_lose_more():
    """DDIM on Gaussian images with variances c_k, blurring: Σ c_k (1 − Π cos² Δθ_k)."""
    process = families.blurring(SHAPE)
    c = spectrum(process)

    def lost(times):
        alpha, sigma = (
            x.expand(-1, *SHAPE).numpy() for x in (process.signal(times), process.noise(times))
        )
        angles = np.arctan2(sigma, alpha * np.sqrt(c))
        return (c * (1 - np.prod(np.cos(np.diff(angles, axis=0)) ** 2, axis=0))).sum()

    even = clock.times(process, SHAPE, 40)
    angles = torch.linspace(math.pi / 2, 0, 41, dtype=torch.float64)
    of_the_clock = torch.cat([clock.at(process, SHAPE, angles[:-1]), torch.zeros(1)])
    uniform = torch.linspace(1, 0, 41, dtype=torch.float64)
    assert lost(even) < 0.97 * min(lost(of_the_clock), lost(uniform))
    for power in (0.8, 1.25):  # and none of the kind nearby
        assert lost(even) < lost(even**power)


@pytest.mark.parametrize("name", EVEN)
def test_even_times_fall_however_many(name):
    times = clock.times(EVEN[name](), SHAPE, 500)
    assert (times.diff() < 0).all() and times[0] == 1 and times[-1] == 0


def test_even_times_of_the_cosine_process_are_even():
    process = families.vp_cosine()
    for steps, start in ((5, 1.0), (1, 1.0), (4, 0.6), (1, 0.6)):
        expected = np.linspace(start, 0, steps + 1)
        found = clock.times(process, SHAPE, steps, start)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)
        assert found[0] == start and found[-1] == 0


@pytest.mark.parametrize("sigma", [0.02, 0.5])
def test_heat_jumps_to_the_image_from_its_last_angle(sigma):
    """θ of 0⁺ is far from 0 with much noise; still no two times are the same."""
    process = families.heat(SHAPE, sigma=sigma)
    last = clock.angle(clock.log_snr(process, SHAPE, clock.START))
    assert abs(last.item() - math.atan(sigma)) < 0.01
    times = clock.times(process, SHAPE, 200, start=0.8)
    assert times[0] == 0.8 and (times.diff() < 0).all()


def test_the_times_of_angles_are_the_inverse_of_the_clock():
    for name in ("vp", "heat"):
        process = EVEN[name]()
        found = clock.at(process, SHAPE, clock.angle(clock.log_snr(process, SHAPE, T)))
        torch.testing.assert_close(found, T, rtol=1e-4, atol=1e-5)
    ends = clock.at(process, SHAPE, torch.tensor([-1.0, 3.0]))  # beyond: the nearest
    assert ends.tolist() == [clock.START, 1.0]


@pytest.mark.parametrize("name", ["gaussian_scale_space", "heat without noise"])
def test_where_nothing_is_lost_there_are_no_even_times(name):
    kinds = {"heat without noise": lambda: families.heat(SHAPE, sigma=0)}
    process = kinds[name]() if name in kinds else default(name, SHAPE)
    assert clock.log_snr(process, SHAPE, T).tolist() == [math.inf] * len(T)
    with pytest.raises(ValueError, match="start is 1; needed: a time at which more is lost"):
        clock.times(process, SHAPE, 3)


def test_gradients_of_the_times_do_not_disturb():
    t = T.clone().requires_grad_()
    assert not clock.log_snr(families.heat(SHAPE), SHAPE, t).requires_grad


def test_every_family_is_looked_at():
    assert {*SCALAR, *COUPLED} >= {*MILD, *DEFAULT} - {"gaussian_scale_space"}
