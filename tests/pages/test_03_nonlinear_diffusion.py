"""Page 03, nonlinear diffusion: claims S9 to S17, and the cases where they fail."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from reference import GRIDS, edges, grids, image, laplacian, noise, seeds

from dpss import _nonlinear
from dpss.diffusion import edge_enhancing, homogeneous, nonlinear, step_limit

ROUNDING = 1e-12  # a few hundred roundings of numbers of size one
CONTRAST = 0.3
NAMED = {"charbonnier": lambda z: 1 / np.sqrt(1 + z), "perona-malik": lambda z: 1 / (1 + z)}
DOUBLY = ["explicit", "aos"]  # schemes with doubly stochastic steps


def parts(v, g=NAMED["perona-malik"], contrast=CONTRAST):
    """L_y and L_x, dense: g at pixels from half the sum of squared differences, edges by means."""
    flat, square = v.ravel(), np.zeros(v.size)
    for i, j, _, _ in edges(*v.shape):
        square[[i, j]] += (flat[i] - flat[j]) ** 2 / 2
    at, found = g(square / contrast**2), np.zeros((2, v.size, v.size))
    for i, j, axis, _ in edges(*v.shape):
        weight = (at[i] + at[j]) / 2
        found[axis][[i, j], [j, i]] += weight
        found[axis][[i, j], [i, j]] -= weight
    return found


def solved(u, t, g=NAMED["perona-malik"], contrast=CONTRAST):
    def rate(_, x):
        return sum(parts(x.reshape(u.shape), g, contrast)) @ x

    result = scipy.integrate.solve_ivp(rate, (0, t), u.ravel(), "DOP853", rtol=1e-10, atol=1e-11)
    return result.y[:, -1].reshape(u.shape)


def stepped(u, t, contrast=CONTRAST, g="perona-malik", scheme="explicit", steps=None, **options):
    return nonlinear(u, t, contrast, g, scheme=scheme, steps=steps, **options)


# --- S9 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("g", NAMED)
@pytest.mark.parametrize("scheme", ["fed", "aos", "explicit"])
def test_every_scheme_converges_to_the_one_solution(g, scheme):
    u = 0.5 * image((4, 5), 1)
    exact = solved(u, 2.0, NAMED[g])
    errors = [
        np.abs(stepped(u, 2.0, g=g, scheme=scheme, steps=n) - exact).max() for n in (100, 200)
    ]
    assert errors[1] < 0.01 and 0.8 < math.log2(errors[0] / errors[1]) < 1.2


def test_steps_add_up_and_not_with_the_weights_of_the_start():
    u = 0.5 * image((4, 5), 2)

    def frozen(v, t):
        return (scipy.linalg.expm(t * sum(parts(v))) @ v.ravel()).reshape(v.shape)

    for evolve, same in ((solved, True), (frozen, False)):
        gap = np.abs(evolve(evolve(u, 1.0), 2.0) - evolve(u, 3.0)).max()
        assert gap < 1e-8 if same else gap > 1e-3


def test_a_doubly_stochastic_matrix_carries_the_picture():
    u, P = 0.5 * image((4, 5), 3), np.eye(20)
    v = u
    for _ in range(800):
        L = sum(parts(v))
        P, v = P + 0.0025 * L @ P, stepped(v, 0.0025, steps=1)
    assert P.min() >= 0
    np.testing.assert_allclose([P.sum(0), P.sum(1)], 1, atol=ROUNDING)
    np.testing.assert_allclose((P @ u.ravel()).reshape(4, 5), v, atol=ROUNDING)
    np.testing.assert_allclose(v, solved(u, 2.0), atol=2e-3)


# --- S10 ------------------------------------------------------------------------------------------


CONVEX = {
    "eighth power": lambda x: (x - 0.1) ** 8,
    "excess": lambda x: np.maximum(x - 0.2, 0),
    "exponential": lambda x: np.exp(3 * x),
}


@pytest.mark.parametrize("scheme", DOUBLY)
@given(shape=grids, seed=seeds, sigma=st.sampled_from([0.0, 0.8]))
def test_mean_extremes_and_convex_functions(scheme, shape, seed, sigma):
    u = image(shape, seed)
    v = stepped(u, 2.0, scheme=scheme, steps=8, presmoothing=sigma)
    assert abs(v.mean() - u.mean()) < ROUNDING
    assert v.max() <= u.max() + ROUNDING and v.min() >= u.min() - ROUNDING
    for phi in CONVEX.values():
        assert phi(v).sum() <= phi(u).sum() * (1 + 1e-12)


def test_outside_of_the_divergence_the_factor_changes_the_mean():
    u = image((5, 6), 4)
    v = u.ravel()
    for _ in range(20):
        square = np.zeros(30)
        for i, j, _, _ in edges(5, 6):
            square[[i, j]] += (v[i] - v[j]) ** 2 / 2
        v = v + 0.25 / (1 + square / CONTRAST**2) * (laplacian(5, 6) @ v)
    assert abs(v.mean() - u.mean()) > 5e-3
    assert v.max() <= u.max() and v.min() >= u.min()


# --- S11 ------------------------------------------------------------------------------------------


@given(shape=grids, seed=seeds, sigma=st.sampled_from([0.0, 0.8]))
def test_symmetries_of_the_grid_brightness_sign_and_scale(shape, seed, sigma):
    u = image(shape, seed)
    v = stepped(u, 1.5, steps=8, presmoothing=sigma)
    for move in (np.flipud, np.fliplr, np.transpose):
        moved = stepped(np.ascontiguousarray(move(u)), 1.5, steps=8, presmoothing=sigma)
        np.testing.assert_allclose(moved, move(v), atol=1e-11)
    raised = stepped(0.7 - u, 1.5, steps=8, presmoothing=sigma)
    np.testing.assert_allclose(raised, 0.7 - v, atol=1e-11)
    doubled = stepped(2 * u, 1.5, 2 * CONTRAST, steps=8, presmoothing=sigma)
    np.testing.assert_allclose(doubled, 2 * v, atol=1e-11)


def test_contrast_alone_superposition_and_order_are_lost():
    u = image((6, 7), 5)
    v = stepped(u, 1.5)
    assert np.abs(stepped(2 * u, 1.5) / 2 - v).max() > 0.05
    left = u * (np.arange(7) < 3)
    assert np.abs(stepped(left, 1.5) + stepped(u - left, 1.5) - v).max() > 0.05
    rows = np.random.default_rng(0).permutation(6)
    assert np.abs(stepped(u[rows], 1.5) - v[rows]).max() > 0.05


@pytest.mark.parametrize("g", NAMED)
def test_three_pixels_are_enough_to_lose_order(g):
    low, high = (stepped(np.array([[0.0, 1, x]]), 0.3, 1.0, g, steps=500)[0] for x in (1.0, 10.0))
    assert low[0] > high[0] + 0.03  # the darker picture is brighter now
    left, right = (
        stepped(np.array([[0.0, 1, x]]), 0.3, 1.0, np.ones_like, steps=500)[0] for x in (1.0, 10.0)
    )
    assert (left <= right + ROUNDING).all()  # with all weights 1 order stays


def test_a_picture_of_low_contrast_is_diffused_homogeneously():
    u, errors = image((6, 7), 6), []
    for a in (2e-2, 1e-2):
        errors.append(np.abs(solved(a * u, 1.5) / a - homogeneous(u, 1.5)).max())
    assert errors[1] < 5e-3 and 1.9 < math.log2(errors[0] / errors[1]) < 2.1


def test_a_wave_does_not_stay_a_wave():
    wave = np.cos(2 * np.pi * (np.arange(32) + 0.5) / 32)
    third = np.cos(6 * np.pi * (np.arange(32) + 0.5) / 32)
    assert abs(stepped(wave[None], 10.0, 0.05)[0] @ third) > 0.01 * (third @ third)
    assert abs(homogeneous(wave[None], 10.0)[0] @ third) < 1e-12


# --- S12 ------------------------------------------------------------------------------------------


def test_on_two_pixels_the_rate_at_the_start_is_the_one_promised():
    u = np.array([[-0.5, 0.5]])
    v = stepped(u, 1e-5, steps=1)
    promised = 2 / (1 + 1 / (2 * CONTRAST**2))
    assert math.isclose((1 - np.ptp(v)) / 1e-5, promised, rel_tol=1e-6)


@pytest.mark.parametrize("shape", GRIDS)
@pytest.mark.parametrize("scheme", DOUBLY)
def test_the_distance_from_flat_keeps_its_bound(shape, scheme):
    u = image(shape, 7)
    degree = max(np.diag(-laplacian(*shape)))
    gamma = 1 / (1 + degree * np.ptp(u) ** 2 / (2 * CONTRAST**2))
    slowest = 4 * math.sin(math.pi / (2 * max(shape))) ** 2
    for t in (1.0, 20.0):
        v = stepped(u, t, scheme=scheme, steps=int(20 * t))
        left = np.linalg.norm(v - u.mean()) / np.linalg.norm(u - u.mean())
        # an explicit step decays faster than the flow, an implicit one a little slower
        assert left <= math.exp(-0.9 * gamma * slowest * t)


def test_a_diffusivity_that_vanishes_leaves_a_cliff_standing():
    u = np.where(np.arange(8) < 4, -0.5, 0.5)[None].repeat(4, 0) + 0.01 * noise((4, 8), 1)
    stopped = nonlinear(u, 500.0, 0.1, lambda z: np.maximum(1 - z, 0) ** 2, steps=100)
    assert np.ptp(stopped) > 0.9
    np.testing.assert_allclose(
        stepped(u, 2000.0, 0.1, scheme="fed", steps=200), u.mean(), atol=1e-3
    )


# --- S13 ------------------------------------------------------------------------------------------

ANTIDERIVATIVES = {"charbonnier": lambda z: 2 * np.sqrt(1 + z) - 2, "perona-malik": np.log1p}


def energy(u, g):
    square = np.zeros(u.size)
    for i, j, _, _ in edges(*u.shape):
        square[[i, j]] += (u.ravel()[i] - u.ravel()[j]) ** 2 / 2
    return CONTRAST**2 / 2 * ANTIDERIVATIVES[g](square / CONTRAST**2).sum()


@pytest.mark.parametrize("g", NAMED)
def test_the_flow_runs_down_the_energy(g):
    u = image((4, 5), 8)
    flow = (stepped(u, 0.2, g=g, steps=1) - u) / 0.2
    nudges = 1e-5 * np.eye(20).reshape(20, 4, 5)
    slope = [(energy(u + d, g) - energy(u - d, g)) / 2e-5 for d in nudges]
    np.testing.assert_allclose(flow.ravel(), -np.array(slope), atol=1e-8)
    along = [energy(stepped(u, t, g=g, steps=400), g) for t in (0.0, 0.1, 1.0, 10.0)]
    assert (np.diff(along) < 0).all()


@given(shape=grids, first=seeds, second=seeds)
def test_charbonnier_never_drives_two_pictures_apart(shape, first, second):
    u, v = image(shape, first), image(shape, second)
    gaps = [
        np.linalg.norm(
            stepped(u, t, g="charbonnier", steps=50) - stepped(v, t, g="charbonnier", steps=50)
        )
        for t in (0.0, 0.1, 1.0)
    ]
    assert gaps[1] <= gaps[0] * (1 + 1e-9) and gaps[2] <= gaps[1] * (1 + 1e-9)


def test_perona_malik_does():
    line = 3 * CONTRAST * np.arange(32.0)[None]
    near = line + 1e-4 * np.cos(math.pi * np.arange(32) / 3)
    assert np.linalg.norm(stepped(near, 50.0) - stepped(line, 50.0)) > 3 * np.linalg.norm(
        near - line
    )


# --- S14 ------------------------------------------------------------------------------------------

SLOPES = {
    "charbonnier": lambda z: -0.5 * (1 + z) ** -1.5,
    "perona-malik": lambda z: -1 / (1 + z) ** 2,
}


@pytest.mark.parametrize("g", NAMED)
@pytest.mark.parametrize("p", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("theta", [0.3, 1.0, 2.0, math.pi])
def test_ripples_on_a_ramp_grow_at_their_rate(g, p, theta):
    at, z = np.arange(300), p * p
    line, wave = p * at.astype(float), np.cos(theta * at)
    pair = np.stack([line + 1e-6 * wave, line])[:, None]
    found = stepped(pair, 1.0, 1.0, g, steps=4)
    ripple = (found[0] - found[1])[0, 100:200] / 1e-6
    factor = (ripple @ wave[100:200]) / (wave[100:200] @ wave[100:200])
    y = math.cos(theta / 2) ** 2
    rate = -4 * (1 - y) * (NAMED[g](z) + 2 * z * SLOPES[g](z) * y)
    assert abs(factor - (1 + rate / 4) ** 4) < 1e-5


def test_a_ramp_steeper_than_the_contrast_becomes_a_staircase():
    ramp = (0.3 * np.arange(96) + 3e-4 * noise(96, 3))[None]
    for contrast, stairs in ((0.1, True), (0.6, False)):
        slopes = np.diff(stepped(ramp, 400.0, contrast, steps=1600)[0])
        assert slopes.min() > -1e-9  # no new extremes
        middle = slopes[30:-30]
        assert (middle.max() > 3 * np.median(middle)) == stairs


def test_the_fastest_ripple_has_the_period_of_the_formula():
    z, y = 9.0, np.linspace(0, 1, 100001)
    rate = -4 * (1 - y) * (1 / (1 + z) - 2 * z * y / (1 + z) ** 2)
    assert abs(y[rate.argmax()] - (3 * z + 1) / (4 * z)) < 1e-4
    assert math.isclose(rate.max(), (z - 1) ** 2 / (2 * z * (1 + z) ** 2), rel_tol=1e-8)


# --- S15 ------------------------------------------------------------------------------------------


def held(v):
    """A diffusivity that returns the same values at every step: those of v."""
    square = np.zeros(v.size)
    for i, j, _, _ in edges(*v.shape):
        square[[i, j]] += (v.ravel()[i] - v.ravel()[j]) ** 2 / 2
    at = 1 / (1 + square.reshape(v.shape) / CONTRAST**2)
    return lambda z: at + 0 * z


def columns(v, tau, scheme):
    """The matrix of one step with the weights of v."""
    units = np.eye(v.size).reshape(v.size, *v.shape)
    return np.array(
        [nonlinear(u, tau, 1.0, held(v), scheme=scheme, steps=1).ravel() for u in units]
    ).T


@pytest.mark.parametrize("shape", GRIDS)
def test_explicit_and_aos_steps_are_those_of_dense_matrices_and_doubly_stochastic(shape):
    v = image(shape, 9)
    L_y, L_x = parts(v)
    unit = np.eye(v.size)
    inverse = [np.linalg.inv(unit - 2 * 5.0 * L) for L in (L_y, L_x)]
    if min(shape) == 1:  # a line has one direction
        inverse = [np.linalg.inv(unit - 5.0 * (L_y + L_x))]
    for found, known in (
        (columns(v, 0.25, "explicit"), unit + 0.25 * (L_y + L_x)),
        (columns(v, 5.0, "aos"), sum(inverse) / len(inverse)),
    ):
        np.testing.assert_allclose(found, known, atol=ROUNDING)
        assert found.min() >= -ROUNDING
        np.testing.assert_allclose([found.sum(0), found.sum(1)], 1, atol=ROUNDING)


def test_explicit_steps_are_doubly_stochastic_up_to_the_limit_and_no_further():
    v = image((5, 6), 10)
    L = sum(parts(v))
    limit = 1 / np.abs(L.diagonal()).max()
    assert limit > step_limit() == 0.25
    assert (np.eye(30) + limit * L).min() > -ROUNDING > (np.eye(30) + 1.01 * limit * L).min()


def test_errors_of_a_step_are_of_second_order_and_within_their_bounds():
    v = image((5, 6), 11)
    L = sum(parts(v))
    for scheme, most in (("explicit", 32), ("aos", 96)):
        two, one = (
            np.linalg.norm(columns(v, tau, scheme) - scipy.linalg.expm(tau * L), 2)
            for tau in (0.02, 0.01)
        )
        assert one < most * 0.01**2 and 1.9 < math.log2(two / one) < 2.1


# --- S16 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20])
def test_the_library_takes_the_steps_of_a_cycle(n):
    j = np.arange(1, n + 1)
    steps = 1 / (8 * np.sin(np.pi * j / (2 * n + 1)) ** 2)
    time = (n * n + n) / 12
    assert math.isclose(steps.sum(), time, rel_tol=1e-12)
    np.testing.assert_allclose(sorted(_nonlinear.fed_steps(time, 0.25)), steps[::-1], rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_a_cycle_multiplies_modes_by_the_ratio_of_sines(n):
    wave = np.cos(np.pi * 3 * (np.arange(8) + 0.5) / 8)
    u = np.outer(wave, wave)  # eigenvalue 8 sin²(3π/16): θ = 3π/8
    found = nonlinear(u, (n * n + n) / 12, 1.0, np.ones_like, scheme="fed", steps=1)
    half = 3 * np.pi / 16
    factor = math.sin((2 * n + 1) * half) / ((2 * n + 1) * math.sin(half))
    np.testing.assert_allclose(found, factor * u, atol=1e-10)


@given(shape=grids, seed=seeds, t=st.floats(0.1, 30))
def test_cycles_keep_the_mean_and_do_not_raise_the_squares(shape, seed, t):
    u = image(shape, seed)
    v = stepped(u, t, scheme="fed", steps=1)
    assert abs(v.mean() - u.mean()) < 1e-11
    assert (v**2).sum() <= (u**2).sum() * (1 + 1e-11)


def test_a_cycle_can_make_pixels_next_to_a_white_one_darker_than_black():
    white = np.zeros((15, 15))
    white[7, 7] = 1.0
    assert nonlinear(white, 1.0, 1.0, scheme="fed", steps=1).min() < -0.05
    assert nonlinear(white, 1.0, 1.0, np.ones_like, scheme="fed", steps=1).min() > -ROUNDING


# --- S17 ------------------------------------------------------------------------------------------


def cells(u):
    u = np.pad(u, 1, mode="edge")
    p, q, r, s = u[:-1, :-1], u[:-1, 1:], u[1:, :-1], u[1:, 1:]
    return q - p + s - r, r - p + s - q, p - q - r + s


def cell_energy(u, v, contrast=CONTRAST):
    x, y, _ = cells(v)
    square = np.maximum((x**2 + y**2) / 4, 1e-30)
    loss = np.exp(-3.31488 * (contrast**2 / square) ** 4) / square / 4
    a, b, c = 1 - loss * x * x, -loss * x * y, 1 - loss * y * y
    half = np.pad(np.ones((x.shape[0] - 2, x.shape[1] - 2)), 1, constant_values=0.5)
    x, y, z = cells(u)
    form = a * x * x + 2 * b * x * y + c * y * y + (a + c - 2 * abs(b)) * z * z
    return np.sum(half * form) / 8


def matrix_of_cells(v, contrast=CONTRAST):
    units = np.eye(v.size).reshape(v.size, *v.shape)
    alone = [cell_energy(p, v, contrast) for p in units]
    return -np.array(
        [
            [cell_energy(p + q, v, contrast) - alone[i] - alone[j] for j, q in enumerate(units)]
            for i, p in enumerate(units)
        ]
    )


def test_edge_enhancing_steps_are_those_of_the_energy_of_cells():
    v = image((4, 5), 12)
    L = matrix_of_cells(v)
    found = edge_enhancing(v, 0.25, CONTRAST, 0.0, scheme="explicit", steps=1)
    np.testing.assert_allclose(found.ravel(), v.ravel() + 0.25 * L @ v.ravel(), atol=1e-12)
    np.testing.assert_allclose(L.sum(1), 0, atol=ROUNDING)
    spectrum = np.linalg.eigvalsh(L)
    assert -8 - 1e-9 < spectrum[0] and spectrum[-1] < 1e-12
    assert (L - np.diag(L.diagonal())).min() < -0.01  # a negative weight


@pytest.mark.parametrize("scheme", ["explicit", "fed"])
@given(shape=grids, seed=seeds)
def test_edge_enhancing_keeps_the_mean_and_does_not_raise_the_squares(scheme, shape, seed):
    u = image(shape, seed)
    v = edge_enhancing(u, 2.0, CONTRAST, 0.7, scheme=scheme, steps=8)
    assert abs(v.mean() - u.mean()) < ROUNDING
    assert (v**2).sum() <= (u**2).sum() * (1 + 1e-12)


@pytest.mark.parametrize("contrast", [0.1, 0.3, 1.0])
def test_edge_enhancing_fades_at_least_at_the_rate_of_its_weakest_cell(contrast):
    v = image((4, 5), 13)
    x, y, _ = cells(v)
    epsilon = 1 - math.exp(-3.31488 * (contrast / (np.hypot(x, y).max() / 2)) ** 8)
    assert 0 < epsilon <= 1
    assert np.hypot(x, y).max() / 2 <= math.sqrt(2) * np.linalg.norm(v - v.mean())
    least = np.linalg.eigvalsh(epsilon * laplacian(4, 5) - matrix_of_cells(v, contrast))[0]
    assert least > -1e-12


def test_edge_enhancing_ends_flat_and_its_steps_add_up():
    u = 0.3 * image((4, 5), 14)
    end = edge_enhancing(u, 200.0, CONTRAST, 0.0, steps=400)
    np.testing.assert_allclose(end, u.mean(), atol=1e-6)

    def evolve(v, t):
        return edge_enhancing(v, t, CONTRAST, 0.5, scheme="explicit", steps=int(1000 * t))

    np.testing.assert_allclose(evolve(evolve(u, 1.0), 2.0), evolve(u, 3.0), atol=1e-12)


@given(shape=grids, seed=seeds)
def test_edge_enhancing_keeps_symmetries_brightness_sign_and_scale(shape, seed):
    u = image(shape, seed)

    def evolve(v, contrast=CONTRAST):
        return edge_enhancing(v, 1.0, contrast, 0.7, scheme="explicit", steps=4)

    v = evolve(u)
    for move in (np.flipud, np.fliplr, np.transpose):
        moved = evolve(np.ascontiguousarray(move(u)))
        np.testing.assert_allclose(moved, move(v), atol=1e-9)
    np.testing.assert_allclose(evolve(0.7 - u), 0.7 - v, atol=1e-9)
    np.testing.assert_allclose(evolve(2 * u, 2 * CONTRAST), 2 * v, atol=1e-9)


def test_weights_of_a_cell_are_positive_for_all_directions_from_the_critical_ratio_on():
    psi = np.linspace(0, np.pi, 100001)

    def least(epsilon):
        a = np.cos(psi) ** 2 + epsilon * np.sin(psi) ** 2
        c = np.sin(psi) ** 2 + epsilon * np.cos(psi) ** 2
        b = (1 - epsilon) * np.sin(psi) * np.cos(psi)
        return min((a - abs(b)).min(), (c - abs(b)).min(), (abs(b) - b).min(), (abs(b) + b).min())

    critical = 3 - 2 * math.sqrt(2)
    assert least(critical) > -1e-12 and least(0.95 * critical) < -1e-3


def test_an_oblique_edge_overshoots_and_one_along_a_column_or_a_diagonal_does_not():
    y, x = np.mgrid[:64, :64]
    middle = np.s_[16:48, 16:48]  # away from the border, where edges have kinks
    for distance, holds in ((x - 31.5, True), (x + y - 62.5, True), (2 * x + y - 94.5, False)):
        for edge, least in ((np.where(distance < 0, -0.5, 0.5), 0.02), (distance / 5**0.5, 0.009)):
            u = edge_enhancing(np.clip(edge, -0.5, 0.5), 4.0, 0.1)
            over = u[middle].max() - 0.5
            assert over < 1e-6 if holds else over > least
