"""Nonlinear and edge-enhancing diffusion, whose numerics are those of `dpss._nonlinear`.

Dense references built pixel by pixel, axioms, orders, bad steps.
"""

import math
import warnings

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import SHAPES, edges, image, noise, seeds, shapes

from dpss import _nonlinear, images
from dpss.diffusion import edge_enhancing, homogeneous, inpaint, nonlinear

CONTRAST = 0.3
SCHEMES = ["fed", "aos", "explicit"]
NAMED = {"charbonnier": lambda s: 1 / np.sqrt(1 + s), "perona-malik": lambda s: 1 / (1 + s)}
FILTERS = {
    **{
        f"nonlinear {scheme}": lambda u, t, scheme=scheme, **k: nonlinear(
            u, t, CONTRAST, scheme=scheme, **k
        )
        for scheme in SCHEMES
    },
    "perona-malik": lambda u, t, **k: nonlinear(u, t, CONTRAST, "perona-malik", **k),
    "presmoothed": lambda u, t, **k: nonlinear(u, t, CONTRAST, presmoothing=0.7, **k),
    "edge-enhancing fed": lambda u, t, **k: edge_enhancing(u, t, CONTRAST, **k),
    "edge-enhancing explicit": lambda u, t, **k: edge_enhancing(
        u, t, CONTRAST, presmoothing=0.0, scheme="explicit", **k
    ),
}


# --- references -----------------------------------------------------------------------------------


def isotropic(v, g):
    """A_y and A_x, dense.

    g at a pixel is that of half the sum of its squared differences, at an edge the mean of both
    ends.
    """
    height, width = v.shape
    flat, square = v.ravel(), np.zeros(v.size)
    for i, j, _, _ in edges(height, width):
        square[i] += (flat[i] - flat[j]) ** 2 / 2
        square[j] += (flat[i] - flat[j]) ** 2 / 2
    at = g(square / CONTRAST**2)
    parts = np.zeros((2, v.size, v.size))
    for i, j, axis, _ in edges(height, width):
        weight = (at[i] + at[j]) / 2
        parts[axis, i, j] += weight
        parts[axis, j, i] += weight
        parts[axis, i, i] -= weight
        parts[axis, j, j] -= weight
    return parts


def anisotropic(v, w):
    """A of edge-enhancing diffusion, dense, from its energy, a sum over cells.

    A cell adds ⅛(a p² + 2b p q + c q² + (a + c − 2|b|) r²), and D comes from w. Cells reach half a
    pixel beyond the image, where pixels are mirrored; there only half of a cell counts.
    """
    height, width = v.shape
    wide = np.pad(w, 1, mode="edge")
    index = np.pad(np.arange(v.size).reshape(v.shape), 1, mode="edge")
    energy = np.zeros((v.size, v.size))
    for y in range(height + 1):
        for x in range(width + 1):
            place, inside = (
                index[y : y + 2, x : x + 2].ravel(),
                (1 if 0 < y < height else 0.5) * (1 if 0 < x < width else 0.5),
            )
            corners = wide[y : y + 2, x : x + 2].ravel()
            along_x, along_y, twist = (
                np.array([-1, 1, -1, 1]),
                np.array([-1, -1, 1, 1]),
                np.array([1, -1, -1, 1]),
            )
            gx, gy = along_x @ corners / 2, along_y @ corners / 2
            square = gx**2 + gy**2
            across = 1 - math.exp(-3.31488 / (square / CONTRAST**2) ** 4) if square > 1e-12 else 1.0
            D = np.eye(2) + (across - 1) * np.outer([gx, gy], [gx, gy]) / max(square, 1e-300)
            a, b, c = D[0, 0], D[0, 1], D[1, 1]
            small = (
                a * np.outer(along_x, along_x)
                + 2 * b * (np.outer(along_x, along_y) + np.outer(along_y, along_x)) / 2
                + c * np.outer(along_y, along_y)
                + (a + c - 2 * abs(b)) * np.outer(twist, twist)
            ) / 4
            for i, one in enumerate(place):
                for j, two in enumerate(place):
                    energy[one, two] += inside * small[i, j]
    return -energy


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("shape", SHAPES)
def test_explicit_and_aos_steps_are_those_of_dense_matrices(shape, name):
    u = image(shape, 1)
    parts = isotropic(u, NAMED[name])
    explicit = (np.eye(u.size) + 0.2 * parts.sum(0)) @ u.ravel()
    np.testing.assert_allclose(
        nonlinear(u, 0.2, CONTRAST, name, scheme="explicit", steps=1),
        explicit.reshape(shape),
        atol=1e-13,
    )
    axes = [part for part, n in zip(parts, shape) if n > 1]
    implicit = (
        sum(np.linalg.solve(np.eye(u.size) - len(axes) * 3.0 * part, u.ravel()) for part in axes)
        / len(axes)
        if axes
        else u.ravel()
    )
    np.testing.assert_allclose(
        nonlinear(u, 3.0, CONTRAST, name, scheme="aos", steps=1),
        implicit.reshape(shape),
        atol=1e-13,
    )


@pytest.mark.parametrize("shape", [(4, 5), (1, 7)])
def test_a_cycle_of_fed_is_its_polynomial_of_the_dense_matrix(shape):
    u = image(shape, 2)
    A, expected = isotropic(u, NAMED["charbonnier"]).sum(0), u.ravel()
    n = next(n for n in range(1, 100) if 0.25 * (n * n + n) / 3 >= 5.0)
    taus = 1 / np.cos(math.pi * (2 * np.arange(n) + 1) / (4 * n + 2)) ** 2
    for tau in taus / taus.sum() * 5.0:
        expected = expected + tau * (A @ expected)
    np.testing.assert_allclose(
        nonlinear(u, 5.0, CONTRAST, steps=1), expected.reshape(shape), atol=1e-10
    )


@pytest.mark.parametrize("shape", [s for s in SHAPES if 1 not in s] + [(1, 5)])
def test_edge_enhancing_steps_are_those_of_its_energy(shape):
    u = image(shape, 3)
    for presmoothing in (0.0, 0.8):
        w = homogeneous(u, presmoothing**2 / 2)
        expected = u.ravel() + 0.15 * (anisotropic(u, w) @ u.ravel())
        found = edge_enhancing(u, 0.15, CONTRAST, presmoothing, scheme="explicit", steps=1)
        np.testing.assert_allclose(found, expected.reshape(shape), atol=1e-12)


@pytest.mark.parametrize("shape", [s for s in SHAPES if 1 not in s] + [(1, 5), (6, 7)])
def test_edge_enhancing_inpainting_balances_the_fluxes_of_that_energy(shape):
    known = image(shape, 4) > 0.2
    known[0, 0] = True
    for presmoothing, scale in ((0.8, 2.0), (1.2, 3.0)):
        u = scale * image(shape, 3)
        v = inpaint(u, known, CONTRAST, presmoothing)  # settled to 1e-9 of its range
        A = anisotropic(v, homogeneous(v, presmoothing**2 / 2))
        assert np.abs(A @ v.ravel())[~known.ravel()].max(initial=0) < 1e-8


@given(seeds)
def test_edge_enhancing_operator_is_symmetric_and_dissipates(seed):
    A = anisotropic(image((4, 5), seed), image((4, 5), seed))
    np.testing.assert_allclose(A, A.T, atol=1e-14)
    np.testing.assert_allclose(A.sum(0), 0, atol=1e-13)
    spectrum = np.linalg.eigvalsh(A)
    assert spectrum[-1] < 1e-12 and spectrum[0] > -8 - 1e-9  # so that 1/4 is a stable step


def test_the_flux_across_an_edge_is_largest_at_the_contrast():
    """3.31488 is chosen for that: (1 − exp(−c/s⁸)) s has its maximum at s = 1."""
    s = np.linspace(0.5, 2, 3001)
    flux = (1 - np.exp(-3.31488 / s**8)) * s
    assert abs(s[flux.argmax()] - 1) < 1e-3


# --- orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_with_diffusivity_1_every_scheme_converges_to_homogeneous_diffusion(scheme):
    u, t = noise((6, 7)), 2.0
    exact, errors = homogeneous(u, t), []
    for steps in (32, 64, 128):
        found = nonlinear(u, t, 1.0, lambda s: np.ones_like(s), scheme=scheme, steps=steps)
        errors.append(np.abs(found - exact).max())
    assert 0.85 < math.log2(errors[1] / errors[2]) < 1.15 and errors[2] < 0.01, errors


def test_schemes_agree_in_the_limit():
    u, t = homogeneous(noise((8, 9), 4), 0.3), 2.0
    exact = nonlinear(u, t, CONTRAST, scheme="explicit", steps=20000)
    for scheme in SCHEMES:
        errors = [
            np.linalg.norm(nonlinear(u, t, CONTRAST, scheme=scheme, steps=n) - exact)
            for n in (40, 80)
        ]
        assert 0.8 < math.log2(errors[0] / errors[1]) < 1.2, (scheme, errors)


def test_edge_enhancing_diffusion_of_a_smooth_image_is_homogeneous():
    y, x = np.mgrid[:24, :24]
    u = (
        0.02 * np.cos(math.pi * (x + 0.5) / 24) * np.cos(math.pi * (y + 0.5) / 24)
    )  # slopes far below the contrast
    np.testing.assert_allclose(
        edge_enhancing(u, 3.0, CONTRAST, steps=40), homogeneous(u, 3.0), atol=2e-5
    )


@pytest.mark.parametrize("t", [1.0, 20.0])
@pytest.mark.parametrize(
    "fine, names",
    [
        ("nonlinear fed", ["nonlinear fed", "nonlinear aos", "nonlinear explicit"]),
        ("edge-enhancing fed", ["edge-enhancing fed"]),
    ],
)
@pytest.mark.slow
def test_default_steps_keep_the_promised_error_on_a_photograph(fine, names, t):
    """Against sixty times as many cycles of FED: all schemes have one limit."""
    u = images.photograph("camera")[:64, 64:128]
    exact = FILTERS[fine](u, t, steps=60 * int(16 + t))
    for name in names:
        error = np.linalg.norm(FILTERS[name](u, t) - exact)
        assert error < 5e-3 * np.linalg.norm(exact - exact.mean()), name


# --- axioms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILTERS)
@given(shape=shapes, seed=seeds, t=st.floats(0.1, 8))
def test_mean_energy_symmetries_and_grey_shift(name, shape, seed, t):
    u, f = image(shape, seed), FILTERS[name]
    # five grey pictures, and no colours: those of a batch do not see each other (tested below)
    v, down, left, raised, negative = f(np.stack([u, u[::-1], u[:, ::-1], u + 3, -u]), t)
    assert abs(v.mean() - u.mean()) < 1e-12
    assert (v**2).sum() <= (u**2).sum() * (1 + 1e-12)
    np.testing.assert_allclose(down, v[::-1], atol=1e-9)
    np.testing.assert_allclose(left, v[:, ::-1], atol=1e-9)
    np.testing.assert_allclose(f(u.T.copy(), t), v.T, atol=1e-9)
    np.testing.assert_allclose(raised, v + 3, atol=1e-9)
    np.testing.assert_allclose(negative, -v, atol=1e-9)


@pytest.mark.parametrize("name", ["nonlinear aos", "nonlinear explicit"])
@given(shape=shapes, seed=seeds, t=st.floats(0.1, 50))
def test_maximum_minimum_principle_of_aos_and_explicit(name, shape, seed, t):
    u = np.sign(image(shape, seed))
    v = FILTERS[name](u, t)
    assert v.max() <= u.max() + 1e-12 and v.min() >= u.min() - 1e-12


def test_edge_enhancing_breaks_the_maximum_minimum_principle():
    """An oblique edge: the docstring's warning is not idle."""
    y, x = np.mgrid[:24, :24]
    u = np.where(2 * x + y < 36, 0.0, 1.0)
    v = edge_enhancing(u, 4.0, 0.05)
    assert v.max() > 1 + 1e-3 or v.min() < -1e-3


@pytest.mark.parametrize("name", FILTERS)
def test_the_steady_state_is_flat(name):
    u = 0.2 * image((4, 5), 6)
    v = FILTERS[name](u, 300.0, **({"steps": 1200} if "explicit" in name else {}))
    np.testing.assert_allclose(v, u.mean(), atol=1e-6)
    assert np.array_equal(FILTERS[name](u, 0.0), u)


def test_edges_steeper_than_the_contrast_are_kept_longer():
    step = np.repeat(np.where(np.arange(32) < 16, -0.5, 0.5)[None], 32, 0) + 0.02 * noise((32, 32))
    soft, hard, straight = (
        homogeneous(step, 10.0),
        nonlinear(step, 10.0, 0.05, "perona-malik"),
        edge_enhancing(step, 10.0, 0.05),
    )

    def jump(u):
        return (u[:, 16] - u[:, 15]).mean()

    assert jump(hard) > 3 * jump(soft) and jump(straight) > 0.9 > 3 * jump(soft)
    assert straight[:, :10].std() < 0.3 * step[:, :10].std()  # and the noise is gone


def test_presmoothing_ignores_noise_that_perona_malik_keeps():
    u = np.zeros((21, 21))
    u[10, 10] = 1.0  # one speck
    bare, smoothed = (nonlinear(u, 2.0, 0.02, "perona-malik", presmoothing=s) for s in (0.0, 2.0))
    assert bare[10, 10] > 0.5 > smoothed[10, 10]


# --- kinds, colours, batches ----------------------------------------------------------------------


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    "kind", ["numpy float32", "numpy float64", "torch float32", "torch float64", "numpy float16"]
)
def test_kind_dtype_and_batch_come_back(name, kind):
    library, dtype = kind.split()
    u = image((2, 2, 5, 6), 7).astype(dtype)
    given_ = torch.as_tensor(u) if library == "torch" else u
    before = u.copy()
    v = FILTERS[name](given_, 1.0)
    assert type(v) is type(given_) and v.dtype == given_.dtype and v.shape == given_.shape
    assert (u == before).all()
    for index in np.ndindex(2, 2):  # the images of a batch do not see each other
        np.testing.assert_allclose(
            v[index],
            FILTERS[name](u[index].astype(np.float64), 1.0),
            atol={"float16": 2e-3, "float32": 1e-5, "float64": 1e-12}[dtype],
        )


def test_colours_share_one_diffusivity():
    rgb = image((3, 6, 7), 8)
    shared, alone = nonlinear(rgb, 2.0, CONTRAST), nonlinear(rgb, 2.0, CONTRAST, colour=False)
    assert np.abs(shared - alone).max() > 1e-3
    np.testing.assert_allclose(alone[1], nonlinear(rgb[1], 2.0, CONTRAST), atol=1e-12)
    # a grey picture in three equal colours has three times its squared gradient
    grey = np.repeat(image((1, 6, 7), 9), 3, 0)
    for f in (nonlinear, edge_enhancing):
        np.testing.assert_allclose(
            f(grey, 2.0, CONTRAST)[0], f(grey[0], 2.0, CONTRAST / math.sqrt(3)), atol=1e-12
        )
    pair = np.stack([rgb, grey])  # a batch of colour pictures
    np.testing.assert_allclose(nonlinear(pair, 2.0, CONTRAST)[0], shared, atol=1e-12)
    np.testing.assert_allclose(
        nonlinear(pair, 2.0, CONTRAST, scheme="aos")[0],
        nonlinear(rgb, 2.0, CONTRAST, scheme="aos"),
        atol=1e-12,
    )
    four = image((4, 6, 7), 10)  # four bands are colours only if one says so
    np.testing.assert_allclose(
        nonlinear(four, 2.0, CONTRAST)[2], nonlinear(four[2], 2.0, CONTRAST), atol=1e-12
    )
    assert (
        np.abs(nonlinear(four, 2.0, CONTRAST, colour=True) - nonlinear(four, 2.0, CONTRAST)).max()
        > 1e-3
    )


# --- step sizes -----------------------------------------------------------------------------------


@given(st.floats(0.01, 500), st.floats(0.05, 1))
def test_fed_steps_fill_the_cycle_and_stay_stable(time, limit):
    steps = np.array(_nonlinear.fed_steps(time, limit))
    assert math.isclose(steps.sum(), time, rel_tol=1e-12) and (steps > 0).all()
    spectrum = np.linspace(-2 / limit, 0, 400)
    partial = np.cumprod(1 + steps[:, None] * spectrum, axis=0)
    assert np.abs(partial[-1]).max() <= 1 + 1e-9
    # how far states grow on the way, and rounding of one step by those after it:
    # in ascending order 1e30 and more
    assert (
        np.abs(partial).max() < 1e4
        and np.abs(np.cumprod((1 + steps[:, None] * spectrum)[::-1], axis=0)).max() < 100
    )


def test_fed_takes_few_steps():
    assert len(_nonlinear.fed_steps(100.0, 0.25)) <= 35 < 100 / 0.25


def test_explicit_steps_above_the_bound_are_refused():
    u = image((5, 6))
    for call in (
        lambda n: nonlinear(u, 10.0, CONTRAST, scheme="explicit", steps=n),
        lambda n: edge_enhancing(u, 10.0, CONTRAST, scheme="explicit", steps=n),
    ):
        call(40)
        with pytest.raises(ValueError, match="steps is 39.*0.25"):
            call(39)
    with pytest.raises(ValueError, match="steps"):  # a diffusivity of 2 halves the bound
        nonlinear(u, 10.0, CONTRAST, lambda s: 2 / (1 + s), scheme="explicit", steps=40)
    assert np.isfinite(
        nonlinear(u, 10.0, CONTRAST, lambda s: 2 / (1 + s), scheme="explicit", steps=80)
    ).all()
    assert (
        np.abs(nonlinear(u, 10.0, CONTRAST, lambda s: 8 + 0 * s, steps=4)).max()
        <= np.abs(u).max() + 1e-9
    )  # FED follows by itself


@pytest.mark.parametrize(
    "bad",
    [
        lambda s: s * np.nan,
        lambda s: -np.ones_like(s),
        lambda s: 1.0,
        lambda s: s[..., :1],
        lambda s: 1 / s,
    ],
)
def test_bad_diffusivities_are_refused(bad):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="diffusivity"):
        nonlinear(np.zeros((4, 5)), 1.0, CONTRAST, bad)


# --- the stencil against SciPy --------------------------------------------------------------------


def test_one_pixel_wide_gradients_are_those_of_scipy_inside():
    """|∇u|² = ½ Σ (u_j − u_i)²: the mean of the squared one-sided differences, by correlation."""
    u, seen = image((7, 8), 14), []
    nonlinear(u, 0.1, 1.0, lambda s: seen.append(s.copy()) or np.ones_like(s), steps=1)
    sides = [
        [[0, 0, 0], [0, -1, 1], [0, 0, 0]],
        [[0, 0, 0], [1, -1, 0], [0, 0, 0]],
        [[0, 0, 0], [0, -1, 0], [0, 1, 0]],
        [[0, 1, 0], [0, -1, 0], [0, 0, 0]],
    ]
    expected = (
        sum(
            scipy.ndimage.correlate(u, np.array(side, float), mode="nearest") ** 2 for side in sides
        )
        / 2
    )
    np.testing.assert_allclose(seen[0], expected, atol=1e-13)


# --- scale ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, scales", [("f4", (-126, -87, 99, 126)), ("f8", (-1000, 1000))])
@pytest.mark.parametrize("name", FILTERS)
def test_a_scaled_image_with_a_scaled_contrast_is_filtered_alike(name, dtype, scales):
    """From 1e-38 (no squares in float32) and 1e-301 on; units are powers of two: bit by bit."""
    u = image((2, 3, 6, 7), 15).astype(dtype)
    kwargs = {"presmoothing": 0.7} if "presmoothed" in name else {}
    filtering = edge_enhancing if "edge" in name else nonlinear
    kwargs["scheme"] = next((s for s in SCHEMES if s in name), "fed")
    expected = filtering(u, 2.0, 0.25, **kwargs)
    for power in scales:
        found = filtering(np.ldexp(u, power), 2.0, math.ldexp(0.25, power), **kwargs)
        if power == -126:  # digits are lost in the image itself
            np.testing.assert_allclose(np.ldexp(found, 126), expected, atol=1e-6)
        else:
            np.testing.assert_array_equal(np.ldexp(found, -power), expected)


def test_each_image_of_a_batch_has_a_scale_of_its_own():
    u = image((3, 6, 7), 16).astype("f4")
    batch = u * np.array([1e-26, 1.0, 1e8], "f4")[:, None, None]
    for f in (nonlinear, edge_enhancing):
        found = f(batch, 2.0, 1e-9, colour=False)
        for one, alone in zip(batch, found):
            np.testing.assert_array_equal(f(one[None], 2.0, 1e-9, colour=False)[0], alone)
            # a matrix times one image rounds otherwise than times many, on some processors
            atol = 1e-6 * float(np.abs(one).max())
            np.testing.assert_allclose(f(one, 2.0, 1e-9), alone, rtol=0, atol=atol)
    # nothing of the first is an edge, and all of the last
    np.testing.assert_allclose(found[0], homogeneous(batch[0], 2.0), atol=2e-28)
    assert (found[0] != 0).all() and np.abs(nonlinear(batch[2], 2.0, 1e-9) - batch[2]).max() < 10


@pytest.mark.parametrize("dtype, least", [("f4", 1e-18), ("f8", 1e-152)])
def test_contrasts_at_the_ends_of_the_range_are_right_or_refused(dtype, least):
    u = image((6, 7), 17).astype(dtype)
    for huge in (1e10, 1e38, 1e300):  # nothing is an edge
        for f in (nonlinear, edge_enhancing):
            np.testing.assert_allclose(
                f(u, 2.0, huge, steps=200), homogeneous(u, 2.0), atol=2e-3, rtol=0
            )
    np.testing.assert_allclose(nonlinear(u, 2.0, 2 * least), u, atol=1e-6)  # all is an edge
    for f in (nonlinear, edge_enhancing):
        for tiny in (least / 100, 1e-200, 1e-320):
            with pytest.raises(ValueError, match="contrast is"):
                f(u, 2.0, tiny)
        np.testing.assert_array_equal(f(np.full((4, 5), 3.0, dtype), 2.0, 1e-320), 3)


@pytest.mark.parametrize(
    "kwargs, word",
    [
        ({"t": 1e9}, "t is 1e\\+09"),
        ({"t": 1e300}, "t is"),
        ({"t": 1e12, "scheme": "aos"}, "t is"),
        ({"t": 1e7, "scheme": "explicit"}, "t is"),
        ({"t": 1e9, "steps": 1}, "steps"),
        ({"t": 1e14, "scheme": "aos", "steps": 1}, "steps is 1"),
        ({"t": 10.0, "diffusivity": lambda s: 1e12 + 0 * s}, "steps"),
        ({"t": 1.0, "presmoothing": 1.0, "contrast": 1e-300}, "contrast"),
    ],
)
def test_what_would_take_for_ever_is_refused_before_any_work(kwargs, word):
    with pytest.raises(ValueError, match=word):
        nonlinear(image((32, 32)), **{"contrast": CONTRAST} | kwargs)


def test_long_implicit_steps_keep_the_mean_up_to_their_bound():
    u = image((9, 8), 18)
    for dtype, step in (("f4", 4e4), ("f8", 1e13)):
        v = nonlinear(u.astype(dtype), step, 1.0, scheme="aos", steps=1)
        assert abs(v.mean() - u.mean()) < 1e-3 and np.ptp(v) < np.ptp(u)
    assert np.isfinite(nonlinear(u, 5.0, CONTRAST, presmoothing=1e200)).all()


def test_a_photograph_with_its_colours_last_is_warned_of_once_at_the_callers_line():
    u = np.tile(image((16, 16, 1), 19), (1, 1, 3))
    for call in (
        lambda: nonlinear(u, 1.0, CONTRAST, presmoothing=1.0, steps=3),
        lambda: edge_enhancing(u, 1.0, CONTRAST, steps=3),
        lambda: homogeneous(u, 1.0),
        lambda: homogeneous(torch.as_tensor(u), 1.0),
    ):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            call()
        assert len(seen) == 1 and "channels_first" in str(seen[0].message)
        assert seen[0].filename == __file__
