"""Real pictures: values, checksums, and that nothing in data/ lacks a source."""

import hashlib
import importlib.util
import io
import shutil
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

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
        if p.is_file() and p.suffix in (".png", ".npz", ".pt", ".safetensors")
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
    ],
)
def test_bad_arguments_are_refused_by_name(error, name, call):
    with pytest.raises(error, match=name):
        call()


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
    big = np.arange(512 * 512, dtype=np.uint32).reshape(512, 512) % 251
    buffer = io.BytesIO()
    Image.fromarray(big.astype(np.uint8)).save(buffer, "PNG")
    small = np.asarray(Image.open(io.BytesIO(rebuild.photograph(buffer.getvalue(), (0, 0, 512)))))
    assert (
        small.shape == (256, 256)
        and np.abs(small - big.reshape(256, 2, 256, 2).mean((1, 3))).max() <= 1
    )  # rows and columns are rounded one after the other
