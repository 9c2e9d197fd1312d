"""Osmosis against dense matrices built edge by edge; laws O1–O10 and the cases where they fail."""

import itertools
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import (
    GRIDS,
    drift,
    edges,
    eigenvalues,
    grids,
    image,
    noise,
    null_image,
    osmosis,
    positive,
    random_drift,
    seeds,
)

from dpss import _osmosis, diffusion
from dpss.osmosis import (
    Drift,
    canonical_drift,
    clone,
    compress,
    evolve,
    inpaint,
    operator,
    shadow_removal,
    steady_state,
    step_limit,
)

ROUNDING = 1e-12  # sums of a few dozen numbers of size one
EXACT = 1e-9  # what the exact evolution promises (its series is cut there)

contrasts = st.sampled_from([2.0, 100.0, 1e6])
times = st.floats(0, 20)


def dense(*args, **kwargs):
    return operator(*args, **kwargs).toarray()


# --- drift and operator ---------------------------------------------------------------------------


@given(grids, seeds, contrasts)
def test_canonical_drift_follows_its_definition_edge_by_edge(shape, seed, contrast):
    v = positive(shape, seed, contrast)
    found, expected = canonical_drift(v), drift(v)
    np.testing.assert_allclose(found.dy, expected[0], atol=ROUNDING)
    np.testing.assert_allclose(found.dx, expected[1], atol=ROUNDING)
    from_log = canonical_drift(log_guidance=np.log(v))
    np.testing.assert_allclose(from_log.dy, expected[0], atol=ROUNDING)
    np.testing.assert_allclose(from_log.dx, expected[1], atol=ROUNDING)


@pytest.mark.parametrize("spacing", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("shape", GRIDS)
def test_operator_is_the_dense_matrix_of_the_edge_fluxes(shape, spacing):
    dy, dx = random_drift(shape)
    sparse = operator(Drift(dy, dx), spacing=spacing)
    assert scipy.sparse.issparse(sparse) and sparse.format == "csc"
    np.testing.assert_allclose(
        sparse.toarray(), osmosis(dy, dx, spacing), atol=ROUNDING / spacing**2
    )


def test_entries_of_the_compatible_operator_are_those_of_the_theory():
    v = np.array([[1.0, 3.0]])
    # A_ij = 2 v_i / (v_i + v_j): worked by hand.
    np.testing.assert_allclose(dense(canonical_drift(v)), [[-1.5, 0.5], [1.5, -0.5]], atol=1e-15)


@given(grids, seeds, times, st.sampled_from(["exact", "implicit"]))
def test_mass_is_preserved(shape, seed, t, scheme):
    u = image((2, *shape), seed)
    v = evolve(
        u,
        Drift(*random_drift(shape, seed)),
        t,
        scheme=scheme,
        steps=None if scheme == "exact" else 3,
    )
    np.testing.assert_allclose(v.mean((-2, -1)), u.mean((-2, -1)), atol=EXACT)


# --- evolution ------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.0, 1e-7, 0.4, 5.0, 100.0])
@pytest.mark.parametrize("compatible", [True, False])
@pytest.mark.parametrize("shape", GRIDS)
def test_exact_evolution_is_the_exponential_of_the_dense_operator(shape, compatible, t):
    u = noise((2, *shape))  # any sign
    dy, dx = drift(positive(shape)) if compatible else random_drift(shape)
    filter_drift = canonical_drift(positive(shape)) if compatible else Drift(dy, dx)
    expected = (u.reshape(2, -1) @ scipy.linalg.expm(t * osmosis(dy, dx)).T).reshape(u.shape)
    np.testing.assert_allclose(evolve(u, filter_drift, t), expected, atol=EXACT)


def vortex(n, d):
    """A drift that turns round the centre of an n×n image."""
    centre = (n - 1) / 2
    dy = np.where(np.arange(n) > centre, d, -d)[None, :] * np.ones((n - 1, 1))
    dx = np.where(np.arange(n) > centre, -d, d)[:, None] * np.ones((1, n - 1))
    return dy, dx


@pytest.mark.parametrize("t", [1.0, 100.0])
def test_exact_evolution_survives_complex_eigenvalues(t):
    dy, dx = vortex(12, 1.9)
    assert np.abs(np.linalg.eigvals(osmosis(dy, dx)).imag).max() > 0.5
    u = positive((12, 12))
    expected = (scipy.linalg.expm(t * osmosis(dy, dx)) @ u.ravel()).reshape(u.shape)
    np.testing.assert_allclose(evolve(u, Drift(dy, dx), t), expected, atol=EXACT * u.max() * 144)


@pytest.mark.parametrize("spacing", [0.1, 1.0, 2.0])
@pytest.mark.parametrize("shape", [(1, 9), (4, 5)])
def test_schemes_are_powers_of_their_dense_matrices(shape, spacing):
    u, (dy, dx) = noise((3, *shape)), random_drift(shape)
    matrix, identity = osmosis(dy, dx, spacing), np.eye(shape[0] * shape[1])
    tau = 0.9 * step_limit(Drift(dy, dx), spacing=spacing)
    explicit = np.linalg.matrix_power(identity + tau * matrix, 6)
    implicit = np.linalg.matrix_power(np.linalg.inv(identity - tau * matrix), 6)
    for scheme, step in (("explicit", explicit), ("implicit", implicit)):
        v = evolve(u, Drift(dy, dx), 6 * tau, scheme=scheme, steps=6, spacing=spacing)
        np.testing.assert_allclose(v, (u.reshape(3, -1) @ step.T).reshape(u.shape), atol=1e-11)
    exact = scipy.linalg.expm(6 * tau * matrix)
    v = evolve(u, Drift(dy, dx), 6 * tau, spacing=spacing)
    np.testing.assert_allclose(v, (u.reshape(3, -1) @ exact.T).reshape(u.shape), atol=EXACT)


@pytest.mark.parametrize("scheme", ["explicit", "implicit"])
def test_schemes_converge_with_order_one(scheme):
    v, u = positive((4, 4)), image((4, 4))
    exact = evolve(u, canonical_drift(v), 1.0)
    errors = [
        np.abs(evolve(u, canonical_drift(v), 1.0, scheme=scheme, steps=n) - exact).max()
        for n in (64, 128, 256)
    ]
    # The second-order term at 64 steps is about 8/64 of the first.
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 1, atol=0.15)


@given(grids, seeds, times, times)
def test_evolution_is_a_semigroup(shape, seed, s, t):
    u, d = image(shape, seed), Drift(*random_drift(shape, seed))
    np.testing.assert_allclose(evolve(evolve(u, d, s), d, t), evolve(u, d, s + t), atol=10 * EXACT)


# --- steady state ---------------------------------------------------------------------------------


def test_steady_state_is_closed_form_at_any_contrast_when_the_potential_is_known():
    v = positive((6, 6), contrast=1e12)
    w = steady_state(np.ones((6, 6)), canonical_drift(v))
    np.testing.assert_allclose(w, v / v.mean(), rtol=1e-12)


def test_log_guidance_survives_densities_that_underflow():
    x = np.linspace(-60, 60, 1201)[None]
    log_v = -(x**2) / 2  # exp(−1800) is 0 in float64
    d = canonical_drift(log_guidance=log_v)
    assert np.isfinite(np.asarray(d.dx)).all() and np.abs(np.asarray(d.dx)).max() <= 2
    np.testing.assert_allclose(d.dx, 2 * np.tanh(np.diff(log_v) / 2), atol=ROUNDING)
    w = steady_state(np.ones((1, 1201)), d)
    expected = np.exp(log_v) / np.exp(log_v).mean()
    # exp(log v) with |log v| up to 1800: the relative error is that of the exponent, 1800 · 2⁻⁵³.
    np.testing.assert_allclose(w, expected, rtol=1e-11, atol=1e-300)
    for offset in (
        -2000.0,
        2000.0,
    ):  # log v is known up to a constant; exp must neither overflow nor vanish
        shifted = canonical_drift(log_guidance=log_v + offset)
        np.testing.assert_allclose(
            steady_state(np.ones((1, 1201)), shifted), expected, rtol=1e-11, atol=1e-300
        )


# --- detailed balance, spectrum, rates ------------------------------------------------------------


# --- compatibility --------------------------------------------------------------------------------


# --- applications ---------------------------------------------------------------------------------


def cut(dy, dx, keep):
    """Drift that is kept on edges where keep(i, j) holds and 0 elsewhere."""
    dy, dx = dy.copy(), dx.copy()
    for i, j, axis, position in edges(dx.shape[0], dy.shape[1]):
        if not keep(i, j):
            (dy, dx)[axis][position] = 0
    return dy, dx


def test_shadow_removal_cuts_the_drift_if_either_end_is_marked():
    u, mark = positive((6, 7)), np.zeros((6, 7), bool)
    mark[:, 3] = True
    flat = mark.ravel()
    dy, dx = cut(*drift(u), lambda i, j: not (flat[i] or flat[j]))
    np.testing.assert_allclose(shadow_removal(u, mark), null_image(osmosis(dy, dx), u), rtol=1e-8)


def test_shadow_removal_undoes_a_multiplicative_shadow():
    scene = np.ones((5, 8))
    u, edge = scene.copy(), np.zeros((5, 8), bool)
    u[:, 4:] *= 0.3
    edge[:, 3:5] = True
    np.testing.assert_allclose(shadow_removal(u, edge), np.full((5, 8), u.mean()), rtol=1e-10)
    scene = positive((5, 8), contrast=3.0)
    u = scene.copy()
    u[:, 4:] *= 0.3
    clear = shadow_removal(u, edge)
    # Away from the marked edge the two sides keep their own structure, up to one factor each.
    for part in (np.s_[:, :3], np.s_[:, 5:]):
        ratio = clear[part] / scene[part]
        assert ratio.max() / ratio.min() < 2.5
    left, right = np.mean((clear / scene)[:, :3]), np.mean((clear / scene)[:, 5:])
    assert 0.5 < left / right < 2  # 0.3 before


def test_shadow_removal_without_a_marked_edge_returns_the_image():
    u = positive((5, 6))
    np.testing.assert_allclose(shadow_removal(u, np.zeros((5, 6), bool)), u, rtol=1e-10)


def test_cloning_an_image_into_itself_changes_nothing():
    u, mask = positive((6, 6)), np.zeros((6, 6), bool)
    mask[2:4, 1:5] = True
    np.testing.assert_allclose(clone(u, u, mask), u, rtol=1e-9)


def test_clone_takes_structure_from_the_foreground_inside_and_from_the_background_outside():
    back, front, mask = positive((8, 9), 1), positive((8, 9), 2), np.zeros((8, 9), bool)
    mask[2:6, 3:7] = True
    result = clone(back, front, mask)
    assert result.min() > 0 and math.isclose(result.mean(), back.mean(), rel_tol=1e-9)
    inside = mask.ravel()
    # Whatever rule is used where the mask's rim is crossed:
    # inside and outside the fluxes' drifts are canonical.
    drifts = []
    for weight in (0.0, 0.5, 1.0):
        (by, bx), (fy, fx) = drift(back), drift(front)
        dy, dx = by.copy(), bx.copy()
        for i, j, axis, position in edges(8, 9):
            share = 1.0 if inside[i] and inside[j] else weight if inside[i] or inside[j] else 0.0
            for target, b, f in (((dy, dx)[axis], (by, bx)[axis], (fy, fx)[axis]),):
                target[position] = (1 - share) * b[position] + share * f[position]
        drifts.append(null_image(osmosis(dy, dx), back))
    assert min(np.abs(result - w).max() for w in drifts) < 1e-8
    # Blind to the illumination of the foreground.
    np.testing.assert_allclose(clone(back, 7 * front, mask), result, rtol=1e-9)


def test_clone_with_an_empty_mask_is_the_background_and_with_a_full_one_the_foreground():
    back, front = positive((5, 4), 1), positive((5, 4), 2)
    np.testing.assert_allclose(clone(back, front, np.zeros((5, 4), bool)), back, rtol=1e-9)
    np.testing.assert_allclose(
        clone(back, front, np.ones((5, 4), bool)), front * back.mean() / front.mean(), rtol=1e-9
    )


def test_compression_keeps_everything_with_a_full_mask_and_the_mean_with_an_empty_one():
    u = positive((6, 5))
    np.testing.assert_allclose(compress(u, np.ones((6, 5), bool)), u, rtol=1e-9)
    np.testing.assert_allclose(
        compress(u, np.zeros((6, 5), bool)), np.full((6, 5), u.mean()), rtol=1e-9
    )


def test_compression_uses_the_drift_of_the_marked_edges_only():
    u, mask = positive((6, 7)), np.zeros((6, 7), bool)
    mask[:, 2:4] = True
    flat, found = mask.ravel(), compress(u, mask)
    rules = [lambda i, j: flat[i] and flat[j], lambda i, j: flat[i] or flat[j]]
    expected = [null_image(osmosis(*cut(*drift(u), rule)), u) for rule in rules]
    assert min(np.abs(found - w).max() for w in expected) < 1e-8
    assert math.isclose(found.mean(), u.mean(), rel_tol=1e-10)


def test_a_cartoon_is_restored_exactly_from_the_drift_at_its_edges():
    u = np.ones((8, 8))
    u[:, 4:] = 3.0
    mask = np.zeros((8, 8), bool)
    mask[:, 3:5] = True
    np.testing.assert_allclose(compress(u, mask), u, rtol=1e-9)


# --- inpainting -----------------------------------------------------------------------------------


def some(shape, seed):
    """A mask that knows a third of the pixels or so, and the first one."""
    known = np.random.default_rng([seed, 1]).random(shape) < 0.35  # not the numbers of `positive`
    known[..., 0, 0] = True
    return known


@given(grids, seeds, contrasts)
def test_inpainting_is_a_steady_state_whose_known_pixels_are_held(shape, seed, contrast):
    v, known = positive(shape, seed, contrast), some(shape, seed)
    u = np.where(known, positive(shape, seed + 1), image(shape, seed))  # of any sign where unknown
    found = inpaint(u, known, v)
    assert np.array_equal(found[known], u[known])
    A = osmosis(*drift(v))
    left = np.abs(A @ found.ravel())[~known.ravel()].max(initial=0)
    assert left < 1e-9 * found.max()
    h, given_ = found / v, (u / v)[known]
    assert h.min() > given_.min() * (1 - 1e-9) and h.max() < given_.max() * (1 + 1e-9)


@pytest.mark.parametrize("shape", GRIDS)
def test_inpainting_by_osmosis_is_harmonic_in_the_ratio(shape):
    u, v, known = positive(shape, 1), positive(shape, 2), some(shape, 3)
    L, flat = np.zeros((u.size, u.size)), v.ravel()
    for i, j, _, _ in edges(*shape):
        weight = 2 * flat[i] * flat[j] / (flat[i] + flat[j])
        L[[i, j], [j, i]] += weight
        L[[i, j], [i, j]] -= weight
    h, inside = (u / v).ravel(), known.ravel()
    given_ = L[~inside][:, inside] @ h[inside]
    h[~inside] = np.linalg.solve(-L[~inside][:, ~inside], given_)
    np.testing.assert_allclose(inpaint(u, known, v), h.reshape(shape) * v, rtol=1e-9)


@pytest.mark.parametrize("shape", [*GRIDS, (2, 7, 8)])
def test_what_inpainting_takes_from_its_guidance(shape):
    u, v, known = positive(shape, 4), positive(shape[-2:], 5), some(shape, 6)
    harmonic = diffusion.inpaint(u, known)
    np.testing.assert_allclose(inpaint(u, known, np.full(shape, 0.3)), harmonic, rtol=1e-11)
    np.testing.assert_allclose(inpaint(u, known, 1e200 * v), inpaint(u, known, v), rtol=1e-9)
    for contrast in (100.0, 1e9):
        u = positive(shape, 7, contrast)
        np.testing.assert_allclose(inpaint(3 * u, known, u), 3 * u, rtol=1e-6)


def test_inpainting_with_masks_and_guidances_of_their_own(monkeypatch):
    u, v, masks = positive((2, 3, 5, 6)), positive((2, 3, 5, 6), 1), some((2, 3, 5, 6), 2)
    each, one, per_image = (
        inpaint(u, masks, v),
        inpaint(u, masks[0, 0], v[0, 0]),
        inpaint(u, masks[:, :1], v[:, 0]),  # colours share a mask and a guidance
    )
    for i, j in np.ndindex(2, 3):
        for found, mask, guidance in (
            (each, masks[i, j], v[i, j]),
            (one, masks[0, 0], v[0, 0]),
            (per_image, masks[i, 0], v[i, 0]),
        ):
            expected = inpaint(u[i, j], mask, guidance)
            np.testing.assert_allclose(found[i, j], expected, rtol=1e-11)
    factor, count = _osmosis.factor, []
    monkeypatch.setattr(_osmosis, "factor", lambda A: count.append(A.shape) or factor(A))
    inpaint(u, masks[:, :1], v[:, 0])
    assert len(count) == 2


def test_inpainting_keeps_the_kind():
    u, v, known = positive((3, 5, 6)), positive((5, 6), 1), some((5, 6), 2)
    for wrap in (np.asarray, torch.as_tensor):
        for dtype in (np.float32, np.float64):
            found = inpaint(wrap(u.astype(dtype)), wrap(known), wrap(v.astype(dtype)))
            assert type(found) is type(wrap(u)) and found.dtype == wrap(u.astype(dtype)).dtype
            np.testing.assert_allclose(found, inpaint(u, known, v), rtol=1e-5)


def held(u, known, v):
    """Inpainting in exact arithmetic, by elimination of one unknown ratio after the other."""
    v, known = [Fraction(x) for x in v.ravel().tolist()], known.ravel()
    h = [Fraction(x) / y for x, y in zip(u.ravel().tolist(), v)]
    near = [{} for _ in v]  # the weights of the neighbours that are left
    for i, j, _, _ in edges(*u.shape):
        near[i][j] = near[j][i] = 2 * v[i] * v[j] / (v[i] + v[j])
    order = np.flatnonzero(~known).tolist()
    for i in order:  # star to mesh
        total = sum(near[i].values())
        for j, k in itertools.combinations(near[i], 2):
            near[j][k] = near[k][j] = near[j].get(k, 0) + near[i][j] * near[i][k] / total
        for j in near[i]:
            del near[j][i]
    for i in reversed(order):
        h[i] = sum(w * h[j] for j, w in near[i].items()) / sum(near[i].values())
    return np.array([float(x * y) for x, y in zip(h, v)]).reshape(u.shape)


@pytest.mark.parametrize("contrast", [1e6, 1e12, 1e20, 1e100])
def test_inpainting_is_right_or_refused(contrast):
    refused = 0
    for seed in range(20):  # in the end factors are wrong, and some are singular
        u, v = positive((4, 5), seed + 50), positive((4, 5), seed, contrast)
        known = some((4, 5), seed)
        try:
            found = inpaint(u, known, v)
        except ArithmeticError as error:
            assert "guidance" in str(error)
            refused += 1
        else:
            np.testing.assert_allclose(found, held(u, known, v), rtol=1e-5)
    assert (refused > 0) == (contrast > 1e20) and refused < 20


# --- conventions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 5), (1, 6), (3, 4, 5), (2, 3, 4, 5)])
def test_kind_dtype_and_batch_come_back_as_given(library, dtype, shape):
    u, v = positive(shape).astype(dtype), positive(shape[-2:], 1).astype(dtype)
    wrap = torch.as_tensor if library == "torch" else np.asarray
    u, d, exact = wrap(u), canonical_drift(wrap(v)), canonical_drift(v.astype("float64"))
    assert type(d.dy) is type(u)
    tolerance = 1e-5 if dtype == "float32" else EXACT  # 60 roundings of 6e-8 and the drift's own
    results = {
        "exact": evolve(u, d, 1.0),
        "implicit": evolve(u, d, 1.0, scheme="implicit", steps=4),
        "explicit": evolve(u, d, 1.0, scheme="explicit", steps=16),
        "steady": steady_state(u, d),
    }
    for name, result in results.items():
        assert (
            type(result) is type(u) and result.dtype == u.dtype and tuple(result.shape) == shape
        ), name
    u64 = np.asarray(u, dtype="float64")
    np.testing.assert_allclose(
        np.asarray(results["exact"]), evolve(u64, exact, 1.0), atol=tolerance
    )
    np.testing.assert_allclose(
        np.asarray(results["steady"]),
        steady_state(u64, exact),
        rtol=1e-4 if dtype == "float32" else 1e-9,
    )


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_applications_return_the_kind_and_dtype_they_were_given(library):
    wrap = torch.as_tensor if library == "torch" else np.asarray
    u, v, mask = wrap(positive((5, 6))), wrap(positive((5, 6), 1)), wrap(np.eye(5, 6) > 0)
    for result in (shadow_removal(u, mask), clone(u, v, mask), compress(u, mask)):
        assert type(result) is type(u) and result.dtype == u.dtype and result.shape == u.shape


def test_colour_images_have_a_drift_per_channel():
    u, v = positive((3, 4, 5)), positive((3, 4, 5), 1)
    d = canonical_drift(v)
    assert d.dy.shape == (3, 3, 5) and d.dx.shape == (3, 4, 4)
    result, steady = evolve(u, d, 2.0), steady_state(u, d)
    for c in range(3):
        np.testing.assert_allclose(result[c], evolve(u[c], canonical_drift(v[c]), 2.0), atol=EXACT)
        np.testing.assert_allclose(steady[c], v[c] * u[c].mean() / v[c].mean(), rtol=1e-11)
    mask = np.zeros((4, 5), bool)
    mask[:, 2] = True
    for c in range(3):
        np.testing.assert_allclose(
            shadow_removal(u, mask)[c], shadow_removal(u[c], mask), rtol=1e-9
        )
        np.testing.assert_allclose(clone(u, v, mask)[c], clone(u[c], v[c], mask), rtol=1e-9)
        np.testing.assert_allclose(compress(u, mask)[c], compress(u[c], mask), rtol=1e-9)


def test_single_precision_guidance_does_not_spoil_the_steady_state():
    v = positive((16, 16), contrast=255.0).astype("float32")
    w = steady_state(np.ones((16, 16), "float32"), canonical_drift(v))
    np.testing.assert_allclose(w, v / v.mean(dtype="float64"), rtol=3e-6)


def test_a_density_on_a_line_diffuses_towards_its_guidance():
    x = np.linspace(-6, 6, 241)[None]
    h = x[0, 1] - x[0, 0]
    p = np.exp(-((x - 2) ** 2) / 0.5)
    p /= p.sum() * h
    d = canonical_drift(log_guidance=-(x**2) / 2)
    t = 0.35
    q = evolve(p, d, t, spacing=h)
    mean, variance = (q * x).sum() * h, (q * x**2).sum() * h - ((q * x).sum() * h) ** 2
    # Ornstein–Uhlenbeck: mean m e^{−t}, variance 1 − (1 − v) e^{−2t};
    # the grid's error is of order h² = 2.5e-3.
    assert math.isclose(mean, 2 * math.exp(-t), abs_tol=h**2)
    assert math.isclose(variance, 1 - 0.75 * math.exp(-2 * t), abs_tol=h**2)
    assert math.isclose(q.sum() * h, 1, abs_tol=1e-9)


def test_the_inputs_are_left_alone():
    u, v = positive((4, 5)), positive((4, 5), 1)
    copies = u.copy(), v.copy()
    for scheme in ("exact", "implicit", "explicit"):
        evolve(u, canonical_drift(v), 0.5, scheme=scheme, steps=None if scheme == "exact" else 8)
    (
        clone(u, v, np.eye(4, 5) > 0),
        compress(u, np.eye(4, 5) > 0),
        shadow_removal(u, np.eye(4, 5) > 0),
    )
    assert np.array_equal(u, copies[0]) and np.array_equal(v, copies[1])


@pytest.mark.parametrize("n, d", [(5, 1.9), (12, 1.9), (40, 1.5), (40, 0.1)])
def test_the_steady_state_of_a_vortex_solves_its_equation(n, d):
    dy, dx = vortex(n, d)
    u = positive((n, n))
    w = steady_state(u, Drift(dy, dx))
    A = operator(Drift(dy, dx))
    assert (w > 0).all() and abs(w.mean() - u.mean()) < 1e-12
    assert np.abs(A @ w.ravel()).max() < 1e-12 * 8 * w.max()
    if n < 20:
        np.testing.assert_allclose(w, null_image(osmosis(dy, dx), u), rtol=1e-9)


def without_subtraction(matrix):
    """The null vector of a matrix whose columns sum to 0, exact to rounding.

    By the elimination of Grassmann, Taksar and Heyman.
    """
    rates = matrix.T.copy()  # i → j
    for n in range(len(rates) - 1, 0, -1):
        rates[:n, n] /= rates[n, :n].sum()
        rates[:n, :n] += np.outer(rates[:n, n], rates[n, :n])
    w = np.ones(len(rates))
    for n in range(1, len(rates)):
        w[n] = w[:n] @ rates[:n, n]
    return w / w.sum()


@pytest.mark.parametrize("slack", [1e-6, 1e-10, 1e-13])
def test_a_steady_state_is_right_or_refused(slack):
    """Drifts next to 2 make traps that hardly anything leaves: elimination can lose all digits."""
    refused = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        dy, dx = ((2 - slack) * np.sign(rng.standard_normal(shape)) for shape in ((5, 6), (6, 5)))
        exact = 36 * without_subtraction(osmosis(dy, dx)).reshape(6, 6)
        try:
            np.testing.assert_allclose(
                steady_state(np.ones((6, 6)), Drift(dy, dx)), exact, atol=1e-5 * exact.max()
            )
        except ArithmeticError as refusal:
            assert "rounding" in str(refusal)
            refused += 1
    assert refused < 6 and (refused > 0) == (slack < 1e-8)


def test_a_colour_image_with_an_incompatible_drift_per_channel():
    u = positive((3, 4, 5), 3)
    drifts = [random_drift((4, 5), seed) for seed in (1, 2, 3)]
    stacked = Drift(np.stack([dy for dy, _ in drifts]), np.stack([dx for _, dx in drifts]))
    w = steady_state(u, stacked)
    for channel, (dy, dx) in enumerate(drifts):
        np.testing.assert_allclose(w[channel], null_image(osmosis(dy, dx), u[channel]), rtol=1e-8)


# --- long times -----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1e-300, 1e-9, 1.0, 1e4, 1e8, 1e12, 1e14, 1e300])
def test_an_implicit_step_of_any_length_is_that_of_the_cosines(step):
    """With a flat guidance it is 1/(1 + τλ_k) in cosine modes, whatever τ."""
    u, shape = positive((48, 40)), (48, 40)
    modes = scipy.fft.dctn(u, norm="ortho") / (1 + step * eigenvalues(*shape))
    exact = scipy.fft.idctn(modes, norm="ortho")
    found = evolve(u, canonical_drift(np.ones(shape)), step, scheme="implicit", steps=1)
    np.testing.assert_allclose(found, exact, rtol=1e-10)
    assert abs(found.sum() - u.sum()) < 1e-14 * u.sum()


@given(grids, seeds, contrasts, st.sampled_from([1e-12, 1e-3, 1.0, 1e5, 1e9, 1e14, 1e300]))
def test_implicit_steps_keep_mass_and_sign_and_end_in_the_steady_state(shape, seed, contrast, t):
    v, d = positive(shape, seed, contrast), Drift(*random_drift(shape, seed))
    density = np.zeros(shape)
    density[0, 0] = 1.0
    u = np.stack([v, noise(shape, seed), density])
    for filter_drift in (canonical_drift(v), d):
        w = evolve(u, filter_drift, t, scheme="implicit", steps=3)
        size = np.abs(u).sum((-2, -1))
        assert (np.abs((w - u).sum((-2, -1))) <= 1e-14 * size).all()
        assert (w[[0, 2]] >= 0).all()
        if t >= 1e14:
            np.testing.assert_allclose(w, steady_state(u, filter_drift), atol=1e-8 * size.max())


@pytest.mark.parametrize("compatible", [True, False])
@pytest.mark.parametrize("t", [1e5, 1e11, 1e300])
def test_exact_evolution_over_long_times_is_the_steady_state(compatible, t):
    u, shape = noise((2, 12, 9)), (12, 9)
    d = canonical_drift(positive(shape)) if compatible else Drift(*random_drift(shape))
    # at the slowest rate of a contrast of 100 on 12 pixels, 7e-4, nothing is left at 1e5
    np.testing.assert_allclose(evolve(u, d, t), steady_state(u, d), atol=1e-9)


@pytest.mark.parametrize("compatible", [True, False])
@pytest.mark.parametrize("excess", [0.9, 1.1])
def test_all_is_over_exactly_when_the_gap_says_so(compatible, excess):
    """`is_over` counts eigenvalues by pivots; here they are computed and compared."""
    shape = (5, 6)
    d = canonical_drift(positive(shape)) if compatible else Drift(*random_drift(shape))
    A = operator(d)
    w = steady_state(np.full(shape, 1 / 30), d).ravel()
    S = A.toarray() * np.sqrt(w) / np.sqrt(w)[:, None]
    rate = np.sort(np.linalg.eigvalsh(-(S + S.T) / 2))[1]
    t = excess * -(math.log(_osmosis.ROUNDING) + math.log(w.min())) / rate
    assert _osmosis.is_over(A, w, t) == (excess > 1)
    if excess > 1:  # and then it is
        left = scipy.linalg.expm(t * A.toarray()) - w[:, None]
        assert np.abs(left / w[:, None]).max() < 1e-10


def test_a_bottleneck_is_not_over_and_is_refused():
    """Two rooms whose door lets 1e-9 through: after 1e11 the first has not filled the second."""
    v = np.ones((1, 9))
    v[0, 4] = 1e-12
    u = np.zeros((1, 9))
    u[0, 0] = 1.0
    with pytest.raises(ValueError, match="t is 1e\\+11.*products"):
        evolve(u, canonical_drift(v), 1e11)
    half = evolve(u, canonical_drift(v), 1e11, scheme="implicit", steps=50)
    assert half[0, :4].sum() > 0.55  # by the scheme that can
    with pytest.raises(ValueError, match="t is 1e\\+11.*steps"):
        evolve(u, canonical_drift(v), 1e11, scheme="explicit")


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_osmosis_of_every_scale(scale):
    u, v = positive((4, 5)), positive((4, 5), 1)
    d, scaled = canonical_drift(v), canonical_drift(scale * v)
    np.testing.assert_allclose(scaled.dx, d.dx, atol=1e-15)
    for scheme in ("exact", "implicit", "explicit"):
        found = evolve(scale * u, scaled, 1.0, scheme=scheme) / scale
        np.testing.assert_allclose(found, evolve(u, d, 1.0, scheme=scheme), rtol=1e-11)
    np.testing.assert_allclose(
        compress(scale * u, u > 0.1) / scale, compress(u, u > 0.1), rtol=1e-9
    )
    with pytest.raises(ValueError, match="u has values of size"):
        steady_state(np.full((4, 5), 1e308), d)
    with pytest.raises(ValueError, match="spacing"):
        evolve(u, d, 1.0, spacing=1e-200)


def test_a_photograph_with_its_colours_last_is_warned_of_once_at_the_callers_line():
    u, mask = np.tile(positive((16, 16, 1)), (1, 1, 3)), np.zeros((16, 3), bool)
    d = canonical_drift(np.ones((16, 3)))
    for call in (
        lambda: evolve(u, d, 1.0),
        lambda: steady_state(u, d),
        lambda: canonical_drift(u),
        lambda: canonical_drift(log_guidance=u),
        lambda: shadow_removal(u, mask),
        lambda: compress(u, mask),
    ):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            call()
        assert len(seen) == 1 and "channels_first" in str(seen[0].message)
        assert seen[0].filename == __file__


def test_a_drift_is_made_of_plain_arrays():
    dy, dx = random_drift((4, 5))
    for odd in (np.asfortranarray, lambda d: d.astype(">f8"), lambda d: d[::-1].copy()[::-1]):
        d = Drift(odd(dy), odd(dx))
        assert d.dy.flags.carray and d.dx.dtype.isnative and (d.dy == dy).all()
    for bad in (np.ma.masked_array(dy, dy > 0), dy.astype(complex), dy.tolist(), dy[0]):
        with pytest.raises((TypeError, ValueError), match="dy"):
            Drift(bad, dx)
    for bad in (np.full((4, 5), np.inf), np.full((4, 5), np.nan), np.ones((5, 4))):
        with pytest.raises(ValueError, match="potential"):
            Drift(dy, dx, bad)
