"""Homogeneous diffusion and inpainting; the filters that look at the image: test_nonlinear.py."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import torch
from hypothesis import strategies as st
from reference import GRIDS, SHAPES, image, laplacian, noise

from dpss import _nonlinear, _osmosis, vp
from dpss.diffusion import edge_enhancing, homogeneous, inpaint

ROUNDING = 1e-12  # a few hundred roundings of numbers of size one
scales = st.floats(0, 50)


@pytest.mark.parametrize("t", [0.0, 1e-7, 0.3, 4.0, 100.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_homogeneous_diffusion_is_the_exponential_of_the_dense_laplacian(shape, t):
    u = noise((2, *shape))
    expected = u.reshape(2, -1) @ scipy.linalg.expm(t * laplacian(*shape)).T
    np.testing.assert_allclose(homogeneous(u, t), expected.reshape(u.shape), atol=ROUNDING)


def test_diffusion_starts_at_the_image_and_obeys_the_heat_equation():
    u = noise((5, 4))
    np.testing.assert_allclose(homogeneous(u, 0.0), u, atol=ROUNDING)
    h = 1e-5
    slope = (homogeneous(u, 0.7 + h) - homogeneous(u, 0.7 - h)) / (2 * h)
    right = laplacian(5, 4) @ homogeneous(u, 0.7).ravel()
    # Central differences: h² times a third derivative of at most 8³ plus rounding / h: below 1e-7.
    np.testing.assert_allclose(slope.ravel(), right, atol=1e-7)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 6), (32, 32), (5, 200), (3, 7, 6), (2, 3, 140, 9)])
def test_kind_dtype_and_batch_come_back_as_given(library, dtype, shape):
    u = image(shape).astype(dtype)
    given_ = torch.as_tensor(u) if library == "torch" else u
    v = homogeneous(given_, 2.0)
    assert type(v) is type(given_) and v.dtype == given_.dtype and v.shape == given_.shape
    exact = homogeneous(u.astype("float64"), 2.0)
    # float32: 200 roundings of 6e-8 at the very worst.
    np.testing.assert_allclose(np.asarray(v), exact, atol=2e-6 if dtype == "float32" else ROUNDING)


def test_one_time_per_image_and_many_times_for_one_image():
    u, times = torch.as_tensor(image((3, 4, 5))), torch.tensor([0.0, 0.5, 7.0])
    each = homogeneous(u, times)
    many = homogeneous(u[0], times)
    assert each.shape == (3, 4, 5) and many.shape == (3, 4, 5)
    for k, t in enumerate(times.tolist()):
        torch.testing.assert_close(each[k], homogeneous(u[k], t), atol=ROUNDING, rtol=0)
        torch.testing.assert_close(many[k], homogeneous(u[0], t), atol=ROUNDING, rtol=0)


def test_a_channel_axis_shares_its_image_s_time():
    u, times = torch.as_tensor(image((2, 3, 4, 5))), torch.tensor([0.2, 3.0])
    v = homogeneous(u, times)
    for k, t in enumerate(times.tolist()):
        torch.testing.assert_close(v[k], homogeneous(u[k], t), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("size", [8, 70, 150])
def test_diffusion_is_differentiable_and_self_adjoint(size):
    u = torch.as_tensor(image((2, size, 5))).requires_grad_()
    weights = torch.as_tensor(image((2, size, 5), 1))
    (homogeneous(u, 1.3) * weights).sum().backward()
    torch.testing.assert_close(u.grad, homogeneous(weights, 1.3), atol=ROUNDING, rtol=0)


def test_the_input_is_left_alone():
    u = image((6, 6))
    before = u.copy()
    homogeneous(u, 1.0)
    assert np.array_equal(u, before)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(9, 7), (130, 6), (6, 130)]
)  # matrices, and the transform beyond a hundred pixels
def test_one_time_per_image_by_matrices_and_by_the_transform(library, dtype, shape):
    u, times = image((2, 3, *shape)).astype(dtype), np.array([0.7, 30.0])
    found = homogeneous(torch.as_tensor(u) if library == "torch" else u, torch.as_tensor(times))
    grid = homogeneous(
        torch.as_tensor(u) if library == "torch" else u,
        times[:, None] * np.array([[1.0, 0.5, 0.0]]),
    )
    assert str(found.dtype).endswith(dtype) and found.shape == u.shape
    for i, t in enumerate(times):
        np.testing.assert_allclose(
            found[i],
            homogeneous(u[i].astype("float64"), t),
            atol=2e-6 if dtype == "float32" else ROUNDING,
        )
        for j, share in enumerate((1.0, 0.5, 0.0)):
            np.testing.assert_allclose(
                grid[i, j],
                homogeneous(u[i, j].astype("float64"), t * share),
                atol=2e-6 if dtype == "float32" else ROUNDING,
            )


@pytest.mark.parametrize("shape", [(3, 4), (2, 120)])
@pytest.mark.parametrize("t", [1.3, [0.2, 4.0]])
def test_gradients_pass_at_one_time_and_at_many(shape, t):
    u = torch.as_tensor(
        noise(shape)
    ).requires_grad_()  # one image: at many times its gradients add up
    torch.autograd.gradcheck(
        lambda x: homogeneous(x, torch.tensor(t, dtype=torch.float64)), (u,), atol=1e-7
    )


def test_short_types_are_blurred_in_double_precision():
    u = image((2, 5, 6))
    for short, tolerance in (
        (u.astype(np.float16), 2e-3),
        (torch.as_tensor(u).bfloat16(), 2e-2),
        (torch.as_tensor(u).half(), 2e-3),
    ):
        found = homogeneous(short, 0.8)
        assert type(found) is type(short) and found.dtype == short.dtype
        np.testing.assert_allclose(
            torch.as_tensor(found).double(), homogeneous(u, 0.8), atol=tolerance
        )


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f4", "<f8"])
@pytest.mark.parametrize("shape", [(5, 6), (130, 3)])
def test_images_in_the_byte_order_of_other_machines(shape, dtype):
    u = noise(shape, seed=1)
    result = homogeneous(u.astype(dtype), 0.7)
    assert result.dtype == np.dtype(dtype[1:])  # native, as NumPy's own operations return it
    np.testing.assert_allclose(result, homogeneous(u, 0.7), atol=1e-6)


def test_long_diffusion_in_single_precision_keeps_the_mean():
    u = (1000 + image((64, 64))).astype(np.float32)
    np.testing.assert_allclose(homogeneous(u, 1e9), u.mean(dtype=np.float64), rtol=2e-6)


def test_a_flipped_pixel_whose_stride_is_negative():
    pixel = np.array([[0.25]])[::-1]
    assert pixel.strides[0] < 0 and pixel.flags.c_contiguous
    np.testing.assert_allclose(homogeneous(pixel, 1.0), 0.25, rtol=1e-12)
    assert vp().marginal(pixel, 0.0).mean.item() == 0.25


# --- inpainting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", GRIDS)
def test_inpainting_is_harmonic_where_unknown_and_exact_where_known(shape):
    u, known = image((2, *shape), 11), np.random.default_rng(1).random(shape) < 0.4
    known.ravel()[0] = True
    v = inpaint(u, known)
    assert (v[:, known] == u[:, known]).all()
    L, flat = laplacian(*shape), v.reshape(2, -1).T
    np.testing.assert_allclose((L @ flat)[~known.ravel()], 0, atol=1e-12)
    values = u[:, known]
    assert (v.max((1, 2)) <= values.max(1) + 1e-12).all() and (
        v.min((1, 2)) >= values.min(1) - 1e-12
    ).all()
    other = np.where(known, u, 7.0)  # what is unknown is not looked at
    np.testing.assert_allclose(inpaint(other, known), v, atol=1e-12)


def test_inpainting_between_two_columns_is_a_ramp():
    u, known = np.zeros((4, 9)), np.zeros((4, 9), bool)
    known[:, [0, 8]], u[:, 8] = True, 1.0
    np.testing.assert_allclose(inpaint(u, known), np.tile(np.arange(9) / 8, (4, 1)), atol=1e-13)
    assert np.array_equal(inpaint(u, np.ones_like(known)), u)
    single = np.zeros((4, 9), bool)
    single[2, 3] = True
    np.testing.assert_allclose(inpaint(u + 0.3, single), 0.3, atol=1e-13)


def test_inpainting_keeps_the_kind():
    u, known = image((3, 5, 6), 12), image((5, 6), 13) > 0
    for given_ in (u.astype(np.float32), torch.as_tensor(u), torch.as_tensor(u).float()):
        v = inpaint(given_, torch.as_tensor(known))
        assert type(v) is type(given_) and v.dtype == given_.dtype
        np.testing.assert_allclose(v, inpaint(u, known), atol=1e-5)


def test_a_mask_for_each_image_and_one_for_many():
    u, masks = image((2, 3, 5, 6), 4), image((2, 3, 5, 6), 5) > 0.3
    found = inpaint(u, masks)
    for place in np.ndindex(2, 3):
        np.testing.assert_allclose(found[place], inpaint(u[place], masks[place]), atol=1e-13)
    shared = inpaint(u, masks[:1])  # the same three masks for both
    for i, j in np.ndindex(2, 3):
        np.testing.assert_allclose(shared[i, j], inpaint(u[i, j], masks[0, j]), atol=1e-13)
    as_tensors = inpaint(torch.as_tensor(u), torch.as_tensor(masks[:, :1]))  # per image, colours
    np.testing.assert_allclose(as_tensors[1, 2], inpaint(u[1, 2], masks[1, 0]), atol=1e-13)
    for bad in (
        masks[:, :2],
        masks[..., :5],
        masks[None],
        masks[0],  # three masks, or one for each channel?
        masks & (np.arange(3) > 0)[:, None, None],
    ):
        with pytest.raises(ValueError, match="mask"):
            inpaint(u, bad)


def test_equal_masks_share_a_factorisation(monkeypatch):
    factor, count = _osmosis.factor, []
    monkeypatch.setattr(_osmosis, "factor", lambda A: count.append(A.shape) or factor(A))
    masks = np.stack([image((5, 6), i % 2) > 0 for i in range(6)])
    inpaint(image((6, 5, 6)), masks)
    assert len(count) == 2


# --- edge-enhancing inpainting --------------------------------------------------------------------

CONTRAST = 0.1


def picture(shape, seed):
    """Blobs of a few pixels, with values in [-1, 1]."""
    u = homogeneous(image(shape, seed), 1.0)
    return u / np.abs(u).max((-2, -1), keepdims=True)


def some(shape, seed, share=0.4):
    """A mask that knows this share of the pixels, and the first one."""
    known = np.random.default_rng([seed, 1]).random(shape) < share  # not the numbers of `image`
    known[..., 0, 0] = True
    return known


def flow(u, known, contrast, presmoothing, steps):
    """Explicit steps of edge-enhancing diffusion from the harmonic image, known pixels held."""
    v = inpaint(u, known)
    for _ in range(steps):
        moved = edge_enhancing(v, 0.25, contrast, presmoothing, scheme="explicit", steps=1)
        v, change = np.where(known, u, moved), np.abs(moved - v)[~known].max()
    return v, change


@pytest.mark.parametrize("contrast, presmoothing", [(0.15, 0.7), (0.06, 1.5)])
@pytest.mark.parametrize("seed", range(3))
def test_edge_enhancing_inpainting_is_a_steady_state(seed, contrast, presmoothing):
    u, known = picture((9, 11), seed), some((9, 11), seed)
    v = inpaint(u, known, contrast, presmoothing)
    assert (v[known] == u[known]).all()
    assert np.abs(v - inpaint(u, known)).max() > 0.05
    step = edge_enhancing(v, 0.25, contrast, presmoothing, scheme="explicit", steps=1)
    assert np.abs(step - v)[~known].max() < 1e-9  # a sixteenth of the shortest that settles
    if presmoothing > 1:  # with less there are several, and small steps may end in another
        end, change = flow(u, known, contrast, presmoothing, 1500)
        assert change < 1e-7
        np.testing.assert_allclose(v, end, atol=1e-5)


def test_edges_are_continued_where_harmonic_inpainting_blurs_them():
    """Half planes of which nine pixels in ten are unknown, and one whose frame alone is known."""
    y, x = np.mgrid[:32, :32] - 15.5
    frame = np.ones((32, 32), bool)
    frame[1:-1, 1:-1] = False
    for slope, known, presmoothing, factor in (
        (0.0, some((32, 32), 0, 0.1), 1.0, 1000),
        (0.0, frame, 1.0, 1000),
        (0.2, some((32, 32), 0, 0.1), 2.0, 1.2),  # oblique: by steps of pixels
        (0.2, frame, 2.0, 2.3),
    ):
        u = np.where(x + slope * y > 0, 1.0, 0.0)
        error = [
            np.sqrt(((inpaint(u, known, contrast, presmoothing) - u)[~known] ** 2).mean())
            for contrast in (None, 0.05)
        ]
        assert error[0] > factor * error[1] and error[0] > 0.1, error


def test_edge_enhancing_inpainting_may_leave_the_range_of_what_is_known():
    """The docstring's warning is not idle: as in `edge_enhancing`, weights may be negative."""
    y, x = np.mgrid[:24, :24] - 12
    u, known = np.where(0.6 * x + 0.8 * y > 0, 1.0, 0.0), some((24, 24), 0, 0.1)
    v, end = inpaint(u, known, 0.05, 2.0), flow(u, known, 0.05, 2.0, 400)[0]
    for filled in (v, end):  # no slip of the solver: the flow does so too
        assert filled.min() < -0.03 and filled.max() > 1.01


def test_symmetries_of_edge_enhancing_inpainting():
    u, known = picture((2, 8, 10), 3), some((2, 8, 10), 3)
    v = inpaint(u, known, CONTRAST)
    assert np.abs(v - inpaint(u, known)).max() > 0.01
    for move in (lambda a: a[..., ::-1], lambda a: a[..., ::-1, :], lambda a: a.swapaxes(-2, -1)):
        np.testing.assert_allclose(inpaint(move(u), move(known), CONTRAST), move(v), atol=1e-7)
    np.testing.assert_allclose(inpaint(7 - 3 * u, known, 3 * CONTRAST), 7 - 3 * v, atol=1e-7)
    for scale in (1e-290, 1e300):
        found = inpaint(scale * u, known, scale * CONTRAST) / scale
        np.testing.assert_allclose(found, v, atol=1e-7)
    other = np.where(known, u, 1e6)  # what is unknown is not looked at
    np.testing.assert_allclose(inpaint(other, known, CONTRAST), v, atol=1e-7)
    far = np.where(u > 0.5, 1e300, 1e-300 * u)  # known pixels stay, however far the others are
    assert (inpaint(far, known, 1e299)[known] == far[known]).all()


@pytest.mark.parametrize("shape", [*GRIDS, (1, 1)])
def test_edge_enhancing_inpainting_above_all_slopes_is_harmonic(shape):
    u, known = image((2, *shape), 5), some(shape, 5)
    np.testing.assert_allclose(inpaint(u, known, 1e3), inpaint(u, known), atol=1e-12)
    assert np.array_equal(inpaint(u, np.ones_like(known), 0.1), u)
    single = np.zeros(shape, bool)
    single[-1, -1] = True
    np.testing.assert_allclose(inpaint(0 * u + 0.3, single, 0.1), 0.3, atol=1e-12)


def test_colours_share_the_tensor_of_edge_enhancing_inpainting():
    rgb, known = picture((3, 8, 9), 6), some((8, 9), 6)
    shared, alone = inpaint(rgb, known, CONTRAST), inpaint(rgb, known, CONTRAST, colour=False)
    assert np.abs(shared - alone).max() > 1e-2
    np.testing.assert_allclose(alone[1], inpaint(rgb[1], known, CONTRAST), atol=1e-7)
    # a grey picture in three equal colours has three times its squared gradient
    grey = np.repeat(picture((1, 8, 9), 7), 3, 0)
    expected = inpaint(grey[0], known, CONTRAST / math.sqrt(3))
    np.testing.assert_allclose(inpaint(grey, known, CONTRAST)[0], expected, atol=1e-7)
    pair, masks = np.stack([rgb, grey]), np.stack([known, some((8, 9), 8)])[:, None]
    found = inpaint(pair, masks, CONTRAST)
    np.testing.assert_allclose(found[0], shared, atol=1e-7)
    np.testing.assert_allclose(found[1], inpaint(grey, masks[1, 0], CONTRAST), atol=1e-7)
    two = inpaint(rgb[:2], known, CONTRAST, colour=True)  # two bands are colours if one says so
    assert np.abs(two - inpaint(rgb[:2], known, CONTRAST)).max() > 1e-2


def test_a_mask_for_each_image_and_kinds_of_edge_enhancing_inpainting():
    u, masks = picture((3, 2, 7, 8), 9), some((3, 2, 7, 8), 9)
    found = inpaint(u, masks, CONTRAST)
    for place in np.ndindex(3, 2):
        expected = inpaint(u[place], masks[place], CONTRAST)
        np.testing.assert_allclose(found[place], expected, atol=1e-7)
    for given_ in (u.astype(np.float32), torch.as_tensor(u), torch.as_tensor(u).float()):
        v = inpaint(given_, torch.as_tensor(masks), CONTRAST)
        assert type(v) is type(given_) and v.dtype == given_.dtype
        assert (np.asarray(v)[masks] == np.asarray(given_)[masks]).all()
        np.testing.assert_allclose(v, found, atol=1e-4)


def test_acceleration_saves_half_of_the_steps(monkeypatch):
    y, x = np.mgrid[:16, :16] - 8
    u, known = np.where(0.6 * x + 0.8 * y > 0, 1.0, 0.0), some((16, 16), 0, 0.1)
    factor, steps, found = _osmosis.factor, [], []
    monkeypatch.setattr(_osmosis, "factor", lambda A: steps.append(1) or factor(A))
    for small in (_nonlinear.SMALL, 0.0):
        monkeypatch.setattr(_nonlinear, "SMALL", small)
        found.append((inpaint(u, known, 0.05, 2.0), len(steps)))
        steps.clear()
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-7)
    assert found[0][1] < 0.5 * found[1][1]


def test_what_does_not_settle_is_refused(monkeypatch):
    monkeypatch.setattr(_nonlinear, "MOST_ITERATIONS", 3)
    with pytest.raises(ArithmeticError, match="presmoothing.*does not settle"):
        inpaint(picture((8, 9), 1), some((8, 9), 1), CONTRAST)


# --- scale ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [8, 150])
@pytest.mark.parametrize("dtype, scales", [("f4", (1e-26, 1e30, 3e38)), ("f8", (1e-290, 1e308))])
def test_blur_of_every_scale(side, dtype, scales):
    u = np.random.default_rng(1).uniform(0.5, 1, (side, side)).astype(dtype)
    for scale in scales:
        for wrap in (np.asarray, torch.as_tensor):
            found = np.asarray(homogeneous(wrap(u * np.dtype(dtype).type(scale)), 3.0)) / scale
            np.testing.assert_allclose(found, homogeneous(u, 3.0), rtol=1e-5)


@pytest.mark.parametrize("shape", [(5, 6), (3, 130)])
@pytest.mark.parametrize("t", [1e20, 1e300, 1.7e308])
def test_blur_for_ever_is_the_mean(shape, t):
    u = image(shape, 6)
    np.testing.assert_allclose(homogeneous(u, t), u.mean(), atol=1e-14)
    np.testing.assert_allclose(homogeneous(u, [t, 0.0])[0], u.mean(), atol=1e-14)
