"""The shipped weights: they are there, belong to their process, and denoise."""

import pytest
import torch

from dpss import images, network
from dpss.network import SIDES, TRAINED

U = torch.as_tensor(images.fashion("test")[0][:50])


@pytest.mark.parametrize("name", TRAINED)
def test_shipped_weights_are_read_and_denoise(name):
    D = network.load(name)
    process = D.process
    assert process.name == name and D.about["shape"] == list(SIDES)
    assert D.about["done"] == D.about["iterations"] and D.about["count"] == 60_000
    noisy = process.sample(U, 0.4, torch.Generator().manual_seed(0))
    better = (D(noisy, 0.4) - U).square().mean()
    assert better < 0.5 * (noisy - U).square().mean()
    assert better < (U.mean(0) - U).square().mean()


def test_the_labels_of_vp_are_ten():
    D = network.load("vp")
    assert D.network.labels == 10
    noise = torch.randn(10, *SIDES, generator=torch.Generator().manual_seed(0))
    told = D.told(torch.arange(10))(noise, 0.9)
    assert (told - D(noise, 0.9)).abs().amax((1, 2)).min() > 0.1
