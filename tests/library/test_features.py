"""The shipped classifier and the Fréchet distance built on its features."""

import concurrent.futures
import hashlib
import sys
import types

import numpy as np
import pytest
import torch
from states import double_by_default

from dpss import _data, features, images, measures

test_images, labels = images.fashion("test")


@pytest.fixture
def fresh():
    """The weights are read anew, before and after."""
    features._network.cache_clear()
    yield
    features._network.cache_clear()


def test_it_names_nine_of_ten_test_images():
    found = features.classify(test_images)
    assert found.shape == labels.shape and found.dtype == np.int64
    assert (found == labels).mean() > 0.9
    assert torch.equal(
        features.classify(torch.as_tensor(test_images[:9])), torch.as_tensor(found[:9])
    )


def test_features_are_of_each_image_alone_whatever_the_chunks():
    found = features.features(test_images[: 3 * features.CHUNK // 2])
    assert found.shape == (750, 64) and found.dtype == np.float64 and (found >= 0).all()
    np.testing.assert_allclose(
        found[499:502], features.features(test_images[499:502].astype(np.float64)), atol=1e-4
    )
    tensor = features.features(torch.as_tensor(test_images[:5]))
    assert tensor.dtype == torch.float64 and not tensor.requires_grad
    np.testing.assert_allclose(tensor, found[:5], atol=1e-4)


@pytest.mark.usefixtures("fresh")
def test_the_state_of_the_caller_does_not_count():
    some = test_images[:50]
    expected, kinds = features.features(some), features.classify(some)

    def check():
        features._network.cache_clear()
        for _ in ("weights made in this state", "weights made before"):
            np.testing.assert_allclose(features.features(some), expected, rtol=1e-6, atol=1e-6)
            assert (features.classify(some) == kinds).all()

    with torch.autocast("cpu", torch.bfloat16):
        check()
    with torch.inference_mode():
        check()
    with np.errstate(all="raise"), torch.enable_grad():
        check()
    with double_by_default():
        check()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        features._network.cache_clear()
        for found in pool.map(features.features, [some] * 16):
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    u = torch.as_tensor(some).requires_grad_()
    assert not features.features(u).requires_grad


@pytest.mark.usefixtures("fresh")
def test_reading_the_weights_draws_nothing_from_torchs_generator():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    features.features(test_images[:2])
    assert torch.rand(1) == expected


def test_every_layout_is_the_same_picture():
    some = test_images[:6]
    expected = features.features(some)
    wide = np.zeros((6, 56, 28), np.float32)
    wide[:, ::2] = some
    for u in (
        np.asfortranarray(some),
        wide[:, ::2],
        some[..., ::-1].copy()[..., ::-1],
        some.astype(">f4"),
    ):
        np.testing.assert_allclose(features.features(u), expected, rtol=1e-6)
    turned = torch.as_tensor(some.swapaxes(1, 2).copy()).mT
    np.testing.assert_allclose(features.features(turned), expected, rtol=1e-6)
    with pytest.raises(TypeError, match="u is a masked array"):
        features.features(np.ma.masked_array(some, some > 0))
    with pytest.raises(TypeError, match="u is a list"):
        features.features(some.tolist())


@pytest.mark.parametrize(
    "bad, kind",
    [
        (np.zeros((5, 3, 28, 28)), ValueError),
        (np.zeros((5, 32, 32)), ValueError),
        (np.zeros((28, 28)), ValueError),
        (np.zeros((5, 1, 28, 28)), ValueError),
        (np.zeros((5, 28, 28), int), TypeError),
        (np.full((5, 28, 28), np.nan), ValueError),
        (np.zeros((0, 28, 28)), ValueError),
    ],
)
def test_other_grids_are_refused(bad, kind):
    for function in (features.features, features.classify):
        with pytest.raises(kind, match="u "):
            function(bad)


@pytest.mark.usefixtures("fresh")
def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    content = bytearray((_data.DATA / "classifier.npz").read_bytes())
    content[5000] ^= 1
    (tmp_path / "classifier.npz").write_bytes(content)
    (tmp_path / "sources.toml").write_bytes((_data.DATA / "sources.toml").read_bytes())
    monkeypatch.setattr(_data, "DATA", tmp_path)
    with pytest.raises(ValueError, match="classifier.npz"):
        features.features(test_images[:2])


@pytest.mark.usefixtures("fresh")
def test_weights_load_without_running_code(monkeypatch, tmp_path):
    """A pickle in the file's place is refused even where its checksum is right."""
    np.savez(tmp_path / "classifier.npz", weight=np.array([{"a": 1}], dtype=object))
    content = (tmp_path / "classifier.npz").read_bytes()
    monkeypatch.setattr(_data, "DATA", tmp_path)
    monkeypatch.setattr(
        _data,
        "registry",
        lambda: {"classifier.npz": {"sha256": hashlib.sha256(content).hexdigest()}},
    )
    with pytest.raises(ValueError, match="pickle"):
        features.features(test_images[:2])


def test_the_distance_sees_noise_blur_and_missing_classes():
    rng, reference = np.random.default_rng(0), test_images[::2]
    floor = measures.frechet_distance(test_images[1::2], reference)
    assert 0 < floor < 15  # two halves of real images, 500 each
    grown = [
        measures.frechet_distance(
            test_images + s * rng.standard_normal(test_images.shape), reference
        )
        for s in (0.1, 0.2, 0.5)
    ]
    assert floor < grown[0] < grown[1] < grown[2] and grown[2] > 100
    assert measures.frechet_distance(test_images[labels < 5], reference) > 5 * floor
    np.testing.assert_allclose(measures.frechet_distance(reference, reference), 0, atol=1e-8)


def test_the_distance_is_that_of_the_moments_of_the_features():
    a, b = test_images[:100], test_images[500:700]
    fa, fb = features.features(a), features.features(b)
    expected = measures.gaussian_frechet(fa.mean(0), np.cov(fa.T), fb.mean(0), np.cov(fb.T))
    assert measures.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert measures.frechet_distance(torch.as_tensor(a), torch.as_tensor(b)) == pytest.approx(
        expected, rel=1e-6
    )


def test_features_of_ones_own():
    a, b = (
        np.random.default_rng(1).random((7, 3, 4)),
        np.random.default_rng(2).random((9, 3, 4)) + 1,
    )
    found = measures.frechet_distance(
        a, b, features=lambda u: u.mean((-2, -1))[:, None]
    )  # one feature: variances are numbers
    x, y = a.mean((1, 2)), b.mean((1, 2))
    assert found == pytest.approx(
        (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2, rel=1e-8
    )


def test_without_a_second_set_the_distance_is_that_to_all_training_images():
    mean, covariance = features.reference()
    assert mean.shape == (64,) and covariance.shape == (64, 64) and mean.dtype == np.float64
    some = test_images[:100]
    seen = features.features(some)
    found = measures.frechet_distance(some)
    expected = measures.gaussian_frechet(seen.mean(0), np.cov(seen.T), mean, covariance)
    assert abs(found - expected) < 1e-9 * expected
    assert measures.frechet_distance(torch.as_tensor(some)) == found
    assert measures.frechet_distance(seen) == found  # ready features
    with pytest.raises(ValueError, match="b is None; needed: images"):
        measures.frechet_distance(some, features=lambda u: u.mean(-1))
    with pytest.raises(ValueError, match="b has 64 features; needed: 63"):
        measures.frechet_distance(seen[:, :63])
    with pytest.raises(ValueError, match="a has shape"):
        measures.frechet_distance(np.zeros((5, 3, 28, 28)))


def test_the_reference_is_that_of_the_training_images():
    """The shipped 4,000 of the 60,000 are near, their mirror images are not: real images floor."""
    train_images = images.fashion("train")[0]
    near = measures.frechet_distance(train_images)
    assert near < 1.0 < 10 < measures.frechet_distance(-train_images[:1000])


# -- Inception: torchvision is not among the packages, so a stand-in takes its place


class Tiny(torch.nn.Module):
    """Three means as 2,048 features, like inception_v3 in what `features.inception` needs."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(3))
        self.fc = torch.nn.Linear(3, 5)

    def forward(self, u):
        assert u.shape[1:] == (3, 299, 299) and not self.training
        return self.fc(self.scale * u.mean((2, 3)))


@pytest.fixture
def torchvision(monkeypatch):
    """A package torchvision whose inception_v3 is `Tiny`."""
    models = types.ModuleType("torchvision.models")
    models.inception_v3 = lambda weights, init_weights: Tiny()
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


@pytest.mark.usefixtures("torchvision")
def test_inception_sees_grey_and_colour_of_any_size(tmp_path):
    weights = tmp_path / "inception.pth"
    torch.save({**Tiny().state_dict(), "scale": torch.tensor([1.0, 2.0, 3.0])}, weights)
    seen = features.inception(weights)
    grey = torch.rand(60, 20, 30, generator=torch.Generator().manual_seed(0))
    found = seen(grey)
    assert found.shape == (60, 3) and found.dtype == torch.float64
    np.testing.assert_allclose(found, grey.mean((1, 2))[:, None] * torch.arange(1, 4), atol=0.02)
    assert torch.equal(found, seen(grey[:, None].expand(-1, 3, -1, -1).numpy()))
    assert measures.frechet_distance(grey, grey, seen) < 1e-9
    assert measures.frechet_distance(grey, grey + 1, seen) > 10


@pytest.mark.usefixtures("torchvision")
def test_inception_refuses_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights is .*no file.*Inception_V3_Weights"):
        features.inception(tmp_path / "none.pth")
    with pytest.raises(TypeError, match="weights is None; needed: a str"):
        features.inception(None)
    torch.save({"scale": torch.ones(3)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name in ("other.pth", "text.pth"):
        with pytest.raises(ValueError, match=f"{name}.*not of this network.*needed"):
            features.inception(tmp_path / name)


@pytest.mark.usefixtures("torchvision")
def test_inception_runs_no_code_of_the_file(tmp_path):
    class Code:
        def __reduce__(self):
            return (tmp_path / "ran").write_text, ("yes",)

    torch.save(Code(), tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="not of this network"):
        features.inception(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_inception_without_torchvision_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=r"pip install 'dpss\[inception\]'"):
        features.inception("weights.pth")
