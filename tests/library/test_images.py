"""Real pictures: values, checksums, and that nothing in data/ lacks a source."""

import errno
import gzip
import hashlib
import importlib.util
import io
import os
import shutil
import struct
import tarfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from reference import image

from dpss import _data, images

GREY = ["camera", "coins"]
COLOUR = ["astronaut", "cat", "coffee", "rocket"]


@pytest.mark.parametrize("split, each", [("train", 400), ("test", 100)])
def test_fashion_is_balanced_and_in_range(split, each):
    u, labels = images.fashion(split)
    assert u.shape == (10 * each, 28, 28) and u.dtype == np.float32 and labels.dtype == np.int64
    assert (np.bincount(labels) == each).all() and u.min() == -1 and u.max() == 1


def test_train_and_test_share_no_image():
    first, second = (
        {image.tobytes() for image in images.fashion(split)[0]} for split in ("train", "test")
    )
    assert not first & second


def test_photographs_are_the_8_bit_files():
    assert images.names() == sorted(GREY + COLOUR)
    for name in images.names():
        u = images.photograph(name)
        assert u.shape == ((256, 256) if name in GREY else (3, 256, 256)) and u.dtype == np.float64
        stored = np.asarray(Image.open(_data.DATA / "photographs" / f"{name}.png"))
        bytes_ = np.round((u + 1) * 127.5).astype(np.uint8)
        assert (bytes_ == (stored if name in GREY else stored.transpose(2, 0, 1))).all()


def test_grey_is_the_brightness_of_a_colour_photograph():
    red, green, blue = images.photograph("cat")
    np.testing.assert_allclose(
        images.photograph("cat", grey=True), 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-14
    )
    assert (images.photograph("camera", grey=True) == images.photograph("camera")).all()


def test_every_file_has_source_licence_and_checksum_and_the_reverse():
    present = {
        p.relative_to(_data.DATA).as_posix()
        for p in _data.DATA.rglob("*")
        if p.is_file() and p.suffix in (".png", ".npz", ".json", ".pt", ".safetensors")
    }
    assert present == set(_data.registry())
    for name, entry in _data.registry().items():
        assert hashlib.sha256((_data.DATA / name).read_bytes()).hexdigest() == entry["sha256"]
        assert all(entry[key] for key in ("what", "author", "licence", "page", "source"))


@pytest.mark.parametrize("damage", ["fashion.npz", "photographs/camera.png"])
def test_a_damaged_or_missing_file_is_refused_by_name(damage, tmp_path, monkeypatch):
    shutil.copytree(_data.DATA, tmp_path / "data")
    monkeypatch.setattr(_data, "DATA", tmp_path / "data")
    load = (
        (lambda: images.fashion("test"))
        if damage == "fashion.npz"
        else (lambda: images.photograph("camera"))
    )
    load()
    content = bytearray((tmp_path / "data" / damage).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "data" / damage).write_bytes(bytes(content))
    with pytest.raises(ValueError, match=damage):
        load()
    (tmp_path / "data" / damage).unlink()
    with pytest.raises(FileNotFoundError, match="git checkout"):
        load()


# --- pictures of one's own ----------------------------------------------------------------------


LEVELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
SMOOTH = np.stack(  # JPEG keeps this to a few levels
    np.broadcast_arrays(np.linspace(40, 200, 48)[:, None], np.linspace(220, 60, 64), 128.0), -1
).astype(np.uint8)


def grey_values(levels, largest=255):
    return 2 * levels.astype(np.float64) / largest - 1


def deep_png(samples):
    """A PNG of 16 bits a value, colour, chunk by chunk: Pillow writes none."""
    height, width, _ = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c))
        for kind, c in chunks
    )


def format_of(path):
    with Image.open(path) as picture:
        return picture.format


def tag(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def with_alpha(levels, alpha):
    bands = [*np.moveaxis(np.atleast_3d(levels), -1, 0), np.full(levels.shape[:2], alpha)]
    return Image.fromarray(np.stack(bands, -1).astype(np.uint8))


PALETTE = Image.fromarray(LEVELS).quantize(7)
SIXTEEN = np.random.default_rng(1).integers(0, 65536, (6, 9), dtype=np.uint16)
COLOURS, GREYS = np.moveaxis(grey_values(LEVELS), -1, 0), grey_values(LEVELS[..., 0])

# name -> (picture, options of Pillow's save, the values that load must give)
EXACT = {
    "rgb": (Image.fromarray(LEVELS), {}, COLOURS),
    "grey": (Image.fromarray(LEVELS[..., 0]), {}, GREYS),
    "one bit": (Image.fromarray(LEVELS[..., 0] > 99), {}, 2.0 * (LEVELS[..., 0] > 99) - 1),
    "palette": (PALETTE, {}, np.moveaxis(grey_values(np.asarray(PALETTE.convert("RGB"))), -1, 0)),
    "opaque palette": (
        PALETTE,
        {"transparency": bytes([255] * 7)},
        np.moveaxis(grey_values(np.asarray(PALETTE.convert("RGB"))), -1, 0),
    ),
    "opaque colour": (with_alpha(LEVELS, 255), {}, COLOURS),
    "opaque grey": (with_alpha(LEVELS[..., 0], 255), {}, GREYS),
    "16 bit grey": (Image.fromarray(SIXTEEN), {}, grey_values(SIXTEEN, 65535)),
    "a colour that is nowhere transparent": (
        Image.fromarray(np.full((2, 3), 7, np.uint8)),
        {"transparency": 8},
        np.full((2, 3), 14 / 255 - 1),
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_every_kind_of_png_comes_with_its_values(name, tmp_path):
    picture, options, expected = EXACT[name]
    picture.save(tmp_path / "picture.png", **options)
    for path in (tmp_path / "picture.png", str(tmp_path / "picture.png")):
        found = images.load(path)
        assert found.dtype == np.float64 and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    if expected.ndim == 3:  # as its brightness
        grey = 0.299 * expected[0] + 0.587 * expected[1] + 0.114 * expected[2]
    else:
        grey = expected
    np.testing.assert_allclose(
        images.load(tmp_path / "picture.png", grey=True), grey, rtol=0, atol=1e-14
    )


def test_colours_of_16_bits_come_within_a_level_of_8(tmp_path):
    deep = np.random.default_rng(2).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    (tmp_path / "deep.png").write_bytes(deep_png(deep))
    gap = images.load(tmp_path / "deep.png") - np.moveaxis(grey_values(deep, 65535), -1, 0)
    assert np.abs(gap).max() <= 2 / 255
    (tmp_path / "deep.png").write_bytes(deep_png(257 * LEVELS.astype(np.uint16)))  # 8 bits, deeper
    np.testing.assert_allclose(images.load(tmp_path / "deep.png"), COLOURS, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", ["RGB", "L", "CMYK", "MPO"])
def test_every_kind_of_jpeg_looks_as_it_should(kind, tmp_path):
    smooth = Image.fromarray(SMOOTH)
    if kind == "MPO":  # a camera's JPEG, with a preview behind the picture
        preview = [smooth.reduce(4)]
        smooth.save(tmp_path / "a.jpg", "MPO", quality=95, save_all=True, append_images=preview)
        assert format_of(tmp_path / "a.jpg") == "MPO"
    else:
        smooth.convert(kind).save(tmp_path / "a.jpg", quality=95)
    found = images.load(tmp_path / "a.jpg")
    expected = smooth.convert("L" if kind == "L" else "RGB")
    expected = grey_values(np.asarray(expected))
    expected = expected if kind == "L" else np.moveaxis(expected, -1, 0)
    assert found.shape == expected.shape and np.abs(found - expected).max() < 6 * 2 / 255


# what is seen of a picture that was stored with each of the eight orientations of EXIF
UPRIGHT = {
    1: lambda u: u,
    2: lambda u: u[:, ::-1],
    3: lambda u: u[::-1, ::-1],
    4: lambda u: u[::-1],
    5: lambda u: u.T,
    6: lambda u: np.rot90(u, -1),
    7: lambda u: u[::-1, ::-1].T,
    8: lambda u: np.rot90(u),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pictures_stand_upright(orientation, tmp_path):
    Image.fromarray(LEVELS[..., 0]).save(tmp_path / "a.png", exif=tag(orientation))
    np.testing.assert_array_equal(images.load(tmp_path / "a.png"), UPRIGHT[orientation](GREYS))
    Image.fromarray(SMOOTH[..., 0]).save(tmp_path / "a.jpg", exif=tag(orientation), quality=95)
    expected = UPRIGHT[orientation](grey_values(SMOOTH[..., 0]))
    assert np.abs(images.load(tmp_path / "a.jpg") - expected).max() < 6 * 2 / 255


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def with_a_hole():
    picture = with_alpha(LEVELS, 255)
    picture.putpixel((0, 0), (1, 2, 3, 254))
    return picture


COLOUR_KEY, GREY_KEY = tuple(map(int, LEVELS[2, 3])), int(SIXTEEN[2, 3])
REFUSED = {  # name -> (the content of a file, what the message must say)
    "cut png": (encoded(Image.fromarray(LEVELS))[:-40], "damaged"),
    "cut in its head": (encoded(Image.fromarray(LEVELS))[:20], "damaged"),
    "cut jpeg": (encoded(Image.fromarray(SMOOTH), "JPEG")[:700], "damaged"),
    "empty": (b"", "not a picture"),
    "text": (b"not a picture at all", "not a picture"),
    "gif": (encoded(PALETTE, "GIF"), "a GIF picture"),
    "tiff": (encoded(with_a_hole(), "TIFF"), "a TIFF picture"),
    "alpha": (encoded(with_a_hole()), "1 of its pixels"),
    "grey with alpha": (encoded(with_alpha(LEVELS[..., 0], 7)), "54 of its pixels"),
    "a clear colour of a palette": (
        encoded(PALETTE, transparency=bytes([0] + [255] * 6)),
        f"{(np.asarray(PALETTE) == 0).sum()} of its pixels",
    ),
    "a clear colour": (encoded(Image.fromarray(LEVELS), transparency=COLOUR_KEY), "1 of its"),
    "a clear grey of 16 bits": (
        encoded(Image.fromarray(SIXTEEN), transparency=GREY_KEY),
        "1 of its pixels",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_whole_opaque_picture_is_refused_by_name(name, tmp_path):
    content, said = REFUSED[name]
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=f"path is .*a.png', .*{said}.*needed: .*"):
        images.load(tmp_path / "a.png")


def test_too_large_a_picture_is_refused_by_name(tmp_path, monkeypatch):
    Image.fromarray(LEVELS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="a.png.*too large"):
        images.load(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_damaged_file_is_a_picture_or_a_value_error(kind, tmp_path):
    """Cut anywhere, or with a byte changed anywhere: nothing else comes out."""
    buffer = io.BytesIO()
    Image.fromarray(LEVELS).save(buffer, kind)
    content, rng, refusals = buffer.getvalue(), np.random.default_rng(3), 0
    for _ in range(300):
        spoiled = bytearray(content)
        spoiled[rng.integers(len(spoiled))] = rng.integers(256)
        spoiled = spoiled[: rng.integers(1, 2 * len(spoiled))]
        (tmp_path / "a.png").write_bytes(spoiled)
        try:
            assert np.abs(images.load(tmp_path / "a.png")).max() <= 1
        except ValueError as error:
            assert "a.png" in str(error) and "needed" in str(error)
            refusals += 1
    assert refusals > 100


def test_missing_files_and_folders_are_refused_by_name(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"path is '{path}'.*needed"):
            images.load(path)
    with pytest.raises(FileNotFoundError, match="nowhere.*folder"):
        images.save(tmp_path / "nowhere" / "a.png", image((3, 4)))


# --- side ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (41, 64), (40, 40)])
def test_side_takes_the_central_square(shape, tmp_path):
    levels = np.zeros(shape, np.uint8)
    side = min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    levels[top : top + side, left : left + side] = 255
    Image.fromarray(levels).save(tmp_path / "a.png")
    for n in (side, side // 2, 7, 1):
        found = images.load(tmp_path / "a.png", side=n)
        assert found.shape == (n, n) and (found == 1).all()
    np.testing.assert_array_equal(images.load(tmp_path / "a.png", side=side), np.ones((side, side)))


def test_orientation_comes_before_the_square(tmp_path):
    levels = np.zeros((20, 60), np.uint8)
    levels[:, 20:40] = np.arange(20)
    Image.fromarray(levels).save(tmp_path / "a.png", exif=tag(6))
    np.testing.assert_array_equal(
        images.load(tmp_path / "a.png", side=20), np.rot90(grey_values(levels[:, 20:40]), -1)
    )


def scaled(rows, side, folder):
    Image.fromarray(np.rint(rows).astype(np.uint8)).save(folder / "a.png")
    return images.load(folder / "a.png", side=side)


@pytest.mark.parametrize("n, side", [(64, 32), (60, 25), (50, 49), (97, 13)])
def test_scaling_down_keeps_what_the_small_grid_can_hold(n, side, tmp_path):
    def wave(size):
        return np.tile(np.cos(2 * np.pi * (np.arange(size) + 0.5) / size), (size, 1))

    found = scaled(127.5 + 100 * wave(n), side, tmp_path)
    assert np.abs(found - 200 / 255 * wave(side)).max() < 0.02


@pytest.mark.parametrize("n, side", [(64, 32), (60, 25), (97, 13)])
def test_scaling_down_does_not_alias(n, side, tmp_path):
    board = 255.0 * (np.add.outer(np.arange(n), np.arange(n)) % 2)
    assert np.abs(scaled(board, side, tmp_path)).max() < 0.1  # every second pixel would be 1


@pytest.mark.parametrize("n, side", [(64, 32), (60, 25), (50, 49), (97, 13)])
def test_scaling_down_has_no_overshoots(n, side, tmp_path):
    step = np.tile(np.where(np.arange(n) < n / 2, 50.0, 200.0), (n, 1))
    found = scaled(step, side, tmp_path)
    assert found.min() >= 100 / 255 - 1 - 1e-6 and found.max() <= 400 / 255 - 1 + 1e-6
    assert (np.diff(found) >= -1e-6).all()


def test_scaling_down_works_on_every_kind(tmp_path):
    for name in ("rgb", "grey", "one bit", "palette", "16 bit grey"):
        picture, options, expected = EXACT[name]
        picture.save(tmp_path / "a.png", **options)
        found = images.load(tmp_path / "a.png", side=3)
        assert found.shape == (*expected.shape[:-2], 3, 3) and found.dtype == np.float64
        # all of the square counts, its border a little less: the mean is nearly kept
        mean = expected[..., 1:7].mean((-2, -1))
        np.testing.assert_allclose(found.mean((-2, -1)), mean, atol=0.12)
        grey = images.load(tmp_path / "a.png", side=3, grey=True)
        luma = np.array([0.299, 0.587, 0.114])
        brightness = np.tensordot(luma, found, 1) if found.ndim == 3 else found
        np.testing.assert_allclose(grey, brightness, atol=1e-6)


def test_no_value_is_invented(tmp_path):
    Image.fromarray(LEVELS).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="side is 7.*9×6 pixels.*shorter"):
        images.load(tmp_path / "a.png", side=7)
    with pytest.raises(ValueError, match="side is 0"):
        images.load(tmp_path / "a.png", side=0)
    with pytest.raises(TypeError, match="side is 2.5"):
        images.load(tmp_path / "a.png", side=2.5)


# --- save ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 8), (3, 5, 8), (1, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ">f8"])
def test_load_gives_back_what_was_saved_within_half_a_level(shape, dtype, tmp_path):
    u = image(shape, 4).astype(dtype)
    half = 1 / 255 + 1e-12  # of a grey level 2/255
    kinds = [u, u[..., ::-1], np.asfortranarray(u)]
    kinds += [] if dtype == ">f8" else [torch.as_tensor(u).requires_grad_()]
    for v in kinds:
        images.save(tmp_path / "a.PNG", v)
        plain = v.detach().numpy() if isinstance(v, torch.Tensor) else v
        assert np.abs(images.load(tmp_path / "a.PNG") - plain.astype(float)).max() <= half
    levels = grey_values(np.arange(256).reshape(16, 16))
    images.save(str(tmp_path / "levels.png"), levels)
    np.testing.assert_array_equal(images.load(tmp_path / "levels.png"), levels)


def test_jpeg_is_near(tmp_path):
    u = np.moveaxis(grey_values(SMOOTH), -1, 0)
    for name in ("a.jpg", "a.jpeg", "a.JPG"):
        images.save(tmp_path / name, u)
        assert format_of(tmp_path / name) == "JPEG"
        assert np.abs(images.load(tmp_path / name) - u).max() < 4 * 2 / 255


def test_rounding_beyond_the_range_is_clipped_and_more_is_refused(tmp_path):
    for dtype in (np.float32, np.float64):
        u = np.array([[-1, 1]], dtype) * (1 + 4 * np.finfo(dtype).eps)
        images.save(tmp_path / "a.png", u)
        assert images.load(tmp_path / "a.png").tolist() == [[-1, 1]]
    for u in (np.full((3, 4), 1.001), torch.full((3, 4), -1.001)):
        with pytest.raises(ValueError, match=r"u has values in .*needed: inside \[-1, 1\]"):
            images.save(tmp_path / "b.png", u)
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    first, second = image((3, 4), 5), image((3, 4), 6)
    path = tmp_path / "a.png"
    images.save(path, first)
    before = path.read_bytes()

    def fail(_):  # when what was written is to reach the disk
        assert len(os.listdir(tmp_path)) == 2
        raise OSError(errno.ENOSPC, "disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            images.save(path, second)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.png"]
    images.save(path, second)
    assert np.abs(images.load(path) - second).max() < 1 / 254
    os.symlink(path, tmp_path / "link.png")  # a link stays one
    images.save(tmp_path / "link.png", first)
    assert (tmp_path / "link.png").is_symlink() and path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.png", "link.png"]


def test_a_saved_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "any").write_bytes(b"")
    images.save(tmp_path / "a.png", image((3, 4)))
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "any").stat().st_mode


# --- layouts and ranges -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 6, 3), (2, 5, 6, 4), (5, 6, 1), (3, 2, 5, 6, 2)])
def test_channels_first_moves_the_last_axis_before_the_space(shape):
    u = np.random.default_rng(7).integers(0, 255, shape, dtype=np.uint8)
    expected = np.stack([u[..., c] for c in range(shape[-1])], -3)
    for v in (u, u.astype(np.float32), u > 99, np.asfortranarray(u), u.astype(">f4")):
        found = images.channels_first(v)
        assert found.dtype == v.dtype.newbyteorder("=") and found.flags.c_contiguous
        np.testing.assert_array_equal(found, expected > 99 if v.dtype == bool else expected)
    tensor = torch.as_tensor(u).float().requires_grad_()
    found = images.channels_first(tensor)
    assert found.is_contiguous() and found.requires_grad
    np.testing.assert_array_equal(found.detach(), expected)


def test_channels_first_is_what_pillow_users_need():
    stored = np.asarray(Image.open(_data.DATA / "photographs" / "cat.png"))
    np.testing.assert_array_equal(
        images.channels_first(images.as_float(stored)), images.photograph("cat")
    )


@pytest.mark.parametrize("function", [images.as_float, images.as_positive, images.from_positive])
def test_every_layout_of_floats_is_the_same_picture(function):
    u = 0.5 * image((4, 6), 8) + 0.5
    wide = np.zeros((8, 12))
    wide[::2, ::2] = u
    read_only = u.copy()
    read_only.flags.writeable = False
    expected = function(u)
    for v in (np.asfortranarray(u), wide[::2, ::2], u[::-1].copy()[::-1], read_only):
        np.testing.assert_array_equal(function(v), expected)
    np.testing.assert_array_equal(function(u.astype(">f8")), expected)
    np.testing.assert_array_equal(function(torch.as_tensor(u).T.contiguous().T), expected)
    with pytest.raises(TypeError, match="masked"):
        function(np.ma.masked_array(u, u > 0.5))


def test_every_layout_of_levels_is_the_same_picture():
    u = LEVELS[..., 0]
    expected = grey_values(u)
    for v in (u, u[::-1].copy()[::-1], np.asfortranarray(u), u.astype(">u2").view(">u2")):
        largest = np.iinfo(v.dtype).max
        np.testing.assert_allclose(images.as_float(v), grey_values(u, largest), atol=1e-15)
    tensor = images.as_float(torch.as_tensor(u.T.copy()).T)
    np.testing.assert_allclose(tensor, expected, atol=1e-7)
    with pytest.raises(TypeError, match="masked"):
        images.as_float(np.ma.masked_array(u, u > 9))


def test_as_float_maps_the_range_of_the_type():
    assert images.as_float(np.array([[0, 255]], np.uint8)).tolist() == [[-1, 1]]
    assert images.as_float(np.array([[0, 65535]], np.uint16)).tolist() == [[-1, 1]]
    assert images.as_float(np.array([[False, True]])).tolist() == [[-1, 1]]
    assert abs(images.as_float(np.array([[51]], np.uint8))[0, 0] + 0.6) < 1e-15
    tensor = images.as_float(torch.tensor([[0, 255]], dtype=torch.uint8))
    assert tensor.dtype == torch.float32 and tensor.tolist() == [[-1, 1]]
    u = np.ones((2, 2), np.float32)
    assert images.as_float(u) is u


def test_as_positive_and_back():
    u = np.linspace(-1, 1, 511)[None]
    v = images.as_positive(u)
    assert v.min() == 1 / 256 and v.max() == 1
    np.testing.assert_allclose(images.from_positive(v), u, atol=1e-14)


@pytest.mark.parametrize(
    "error, name, call",
    [
        (ValueError, "split", lambda: images.fashion("val")),
        (ValueError, "name", lambda: images.photograph("lena")),
        (TypeError, "u", lambda: images.as_float([1, 2])),
        (TypeError, "int64", lambda: images.as_float(np.ones((2, 2), int))),
        (ValueError, "u", lambda: images.as_positive(np.full((2, 2), 1.5))),
        (TypeError, "as_float", lambda: images.as_positive(np.ones((2, 2), int))),
        (ValueError, "v", lambda: images.from_positive(np.full((2, 2), np.nan))),
        (TypeError, "path is 3", lambda: images.load(3)),
        (TypeError, "path is None", lambda: images.save(None, np.ones((2, 2)))),
        (ValueError, "a.webp.*png", lambda: images.save("a.webp", np.ones((2, 2)))),
        (ValueError, "path is 'a'.*png", lambda: images.save("a", np.ones((2, 2)))),
        (TypeError, "as_float", lambda: images.save("a.png", np.ones((2, 2), np.uint8))),
        (TypeError, "u is a list", lambda: images.save("a.png", [[0.0]])),
        (ValueError, r"u has shape \(4, 2, 2\)", lambda: images.save("a.png", np.ones((4, 2, 2)))),
        (ValueError, r"\(2, 2, 2, 3\)", lambda: images.save("a.png", np.ones((2, 2, 2, 3)))),
        (ValueError, "u has shape.*H, W, C", lambda: images.channels_first(np.ones((3, 5, 6)))),
        (ValueError, "u has shape", lambda: images.channels_first(np.ones((5, 3)))),
        (TypeError, "u is a list", lambda: images.channels_first([[[1, 2, 3]]])),
        (TypeError, "masked", lambda: images.channels_first(np.ma.ones((4, 5, 3)))),
    ],
)
def test_bad_arguments_are_refused_by_name(error, name, call):
    with pytest.raises(error, match=name):
        call()


def test_digits_are_handwritten_and_in_range():
    u, labels = images.digits()
    assert u.shape == (1797, 8, 8) and u.dtype == np.float32 and labels.dtype == np.int64
    assert u.min() == -1 and u.max() == 1 and len(np.unique(u)) == 17
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    centres = np.stack([u[labels == k].mean(0) for k in range(10)])
    distances = ((u[:, None] - centres) ** 2).sum((2, 3))
    assert (distances.argmin(1) == labels).mean() > 0.85  # upright, each with its label


def test_the_rebuild_script_reads_packages_and_shrinks_by_averaging():
    spec = importlib.util.spec_from_file_location("rebuild", _data.DATA / "rebuild.py")
    rebuild = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rebuild)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:xz") as tar:
        info = tarfile.TarInfo("./a/b")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"xyz"))
    parts = [
        (b"debian-binary", b"2.0\n"),
        (b"control.tar.xz", b"odd"),
        (b"data.tar.xz", archive.getvalue()),
    ]
    deb = b"!<arch>\n" + b"".join(
        n.ljust(48) + str(len(c)).encode().ljust(10) + b"`\n" + c + b"\n" * (len(c) % 2)
        for n, c in parts
    )
    assert rebuild.members_of_deb(deb) == {"a/b": b"xyz"}
    rows = np.arange(130).reshape(2, 65) % 17
    text = "\n".join(",".join(f"{x:.1f}" for x in row) for row in rows)
    with np.load(io.BytesIO(rebuild.digits(gzip.compress(text.encode())))) as stored:
        assert (stored["images"] == rows[:, :64].reshape(2, 8, 8)).all()
        assert (stored["labels"] == rows[:, 64]).all()
    big = np.arange(512 * 512, dtype=np.uint32).reshape(512, 512) % 251
    buffer = io.BytesIO()
    Image.fromarray(big.astype(np.uint8)).save(buffer, "PNG")
    small = np.asarray(Image.open(io.BytesIO(rebuild.photograph(buffer.getvalue(), (0, 0, 512)))))
    assert (
        small.shape == (256, 256)
        and np.abs(small - big.reshape(256, 2, 256, 2).mean((1, 3))).max() <= 1
    )  # rows and columns are rounded one after the other
