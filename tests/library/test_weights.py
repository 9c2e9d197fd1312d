"""The shipped weights: they belong to their process, denoise, and sample as well as they should."""

import hashlib
import json

import numpy as np
import pytest
import torch

from dpss import _data, images, network
from dpss.network import SIDES, TRAINED

U = torch.as_tensor(images.fashion("test")[0][:50])
FOLDER = _data.DATA / "weights"
# Shares of the distance of a Gaussian fit: DDIM, and the best sampler.
TARGETS = {
    "vp": (0.05, 0.03), "heat": (0.15, 0.15), "blurring": (0.05, 0.05), "osmotic": (0.14, 0.14)
}  # fmt: skip


@pytest.fixture
def distances(monkeypatch):
    """The script data/distances.py."""
    monkeypatch.syspath_prepend(str(_data.DATA))
    import distances

    return distances


def test_every_name_is_shipped_with_what_was_measured_and_a_card():
    present = {path.name for path in FOLDER.iterdir()}
    assert present == {f"{name}.{kind}" for name in TRAINED for kind in ("npz", "json", "md")}


@pytest.mark.parametrize("name", TRAINED)
def test_shipped_weights_are_read_and_denoise(name):
    D = network.load(name)
    process = D.process
    assert process.name == name and D.about["shape"] == list(SIDES)
    assert D.about["done"] == D.about["iterations"] and D.about["count"] == 60_000
    u = network.UNITS[name][0](U)
    noisy = process.sample(u, 0.4, torch.Generator().manual_seed(0))
    better = (D(noisy, 0.4) - u).square().mean()
    assert better < 0.5 * (noisy - u).square().mean()
    assert better < (u.mean(0) - u).square().mean()


def test_the_labels_of_vp_are_ten():
    D = network.load("vp")
    assert D.network.labels == 10
    noise = torch.randn(10, *SIDES, generator=torch.Generator().manual_seed(0))
    told = D.told(torch.arange(10))(noise, 0.9)
    assert (told - D(noise, 0.9)).abs().amax((1, 2)).min() > 0.1


# --- what was measured ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINED)
def test_samples_are_as_near_to_the_data_as_they_should(name, distances):
    D = network.load(name)
    found = D.about["measured"]
    content = (FOLDER / f"{name}.npz").read_bytes()
    assert found["weights"] == hashlib.sha256(content).hexdigest()
    assert (found["count"], tuple(found["seeds"])) == (distances.COUNT, distances.SEEDS)
    assert set(found) == {
        "weights", "count", "seeds", "unit", "real", "samplers", "fifty", "neighbours"
    }  # fmt: skip
    assert set(found["neighbours"]) == {"samples", "tests", "nearer"}
    for way, row in found["samplers"].items():
        assert row["steps"] == distances.WAYS[way][1]
        assert len(row["distances"]) == len(found["seeds"])
    shares = {
        way: np.mean(row["distances"]) / found["unit"] for way, row in found["samplers"].items()
    }
    of_ddim, of_best = TARGETS[name]
    assert shares["DDIM"] <= of_ddim and min(shares.values()) <= of_best


@pytest.mark.parametrize("name", TRAINED)
def test_the_card_says_what_was_measured(name, distances):
    assert (FOLDER / f"{name}.md").read_text("utf-8") == distances.card(name, network.load(name))


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """Puts a measurement beside the weights of VP, and this checksum of it into sources.toml."""

    def put(found, checksum=None):
        content = json.dumps(found).encode()
        (tmp_path / "weights").mkdir(exist_ok=True)
        (tmp_path / "weights" / "vp.npz").write_bytes((FOLDER / "vp.npz").read_bytes())
        (tmp_path / "weights" / "vp.json").write_bytes(content)
        entry = {"sha256": checksum or hashlib.sha256(content).hexdigest()}
        monkeypatch.setattr(_data, "DATA", tmp_path)
        monkeypatch.setattr(_data, "registry", lambda: {**listed, "weights/vp.json": entry})

    listed = _data.registry()
    return put


def test_measurements_come_with_the_weights_and_those_of_others_are_refused(beside):
    mine, others = _data.registry()["weights/vp.npz"]["sha256"], "0" * 64
    beside({"weights": mine, "unit": 271.0})
    assert network.load("vp").about["measured"] == {"weights": mine, "unit": 271.0}
    path = _data.DATA / "weights" / "vp.npz"
    assert "measured" not in network.load(path, TRAINED["vp"](SIDES)).about
    beside({"weights": others})
    with pytest.raises(ValueError, match=f"vp.json is about .* {others}; needed: {mine}. Measure"):
        network.load("vp")
    beside({"weights": mine}, checksum=others)
    with pytest.raises(ValueError, match=f"vp.json has sha256 .*; needed: {others}"):
        network.load("vp")


def test_files_without_a_checksum_are_refused(beside, monkeypatch):
    beside({})
    monkeypatch.setattr(_data, "registry", lambda: {})
    with pytest.raises(ValueError, match=r"vp.npz is not in data/sources.toml; needed: a table"):
        network.load("vp")


def test_neighbours_are_the_nearest_of_all(distances, monkeypatch):
    monkeypatch.setattr(distances, "PART", 3)
    u = torch.rand(4, 28, 28, generator=torch.Generator().manual_seed(0))
    whole = torch.rand(10, 28, 28, generator=torch.Generator().manual_seed(1))
    whole[8] = u[2] + 0.01
    found = distances.nearest(u, whole)
    expected = torch.cdist(u.flatten(1), whole.flatten(1)).amin(1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert abs(found[2] - 0.28) < 1e-3


def test_copies_of_training_images_count_as_nearer(distances):
    test = torch.as_tensor(images.fashion("test")[0])
    whole = torch.as_tensor(images.fashion("train")[0])
    found = distances.neighbours(torch.cat([whole[:3], torch.ones(5, *SIDES)]), whole)
    assert found["nearer"] == 3 / 8
    far = torch.cdist(test.flatten(1), whole.flatten(1)).amin(1).median().item()
    assert abs(found["tests"] / far - 1) < 1e-3
