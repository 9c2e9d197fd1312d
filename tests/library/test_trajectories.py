"""There and back: four ways, their ends, their shares, and what is refused."""

import re

import numpy as np
import pytest
import torch

from dpss import figures, images, osmosis
from dpss.trajectories import there_and_back

U = images.photograph("camera").reshape(16, 16, 16, 16).mean((1, 3))
COLOUR = np.stack([U, U[::-1], 0.5 * U])
SHARES = [0.0, 0.3, 0.7, 1.0]


def drawn(seed=3):
    return torch.Generator().manual_seed(seed)


def noise(shape, seed=3):
    return torch.randn(shape, generator=drawn(seed), dtype=torch.float64).numpy()


@pytest.mark.parametrize("u", [U, COLOUR], ids=["grey", "colour"])
def test_states_stand_at_the_shares_that_were_asked_for(u):
    ways = there_and_back(u, SHARES, generator=drawn())
    assert list(ways) == ["VP there", "osmosis there", "osmosis back", "VP back"]
    for way in ways.values():
        assert way.shape == (4, *u.shape) and way.dtype == u.dtype
        whole = np.linalg.norm(way[0] - way[-1])
        done = [1 - np.linalg.norm(state - way[-1]) / whole for state in way]
        np.testing.assert_allclose(done, SHARES, atol=1e-6)


def test_ends_are_the_picture_and_the_noise_and_the_mean_stays_under_osmosis():
    e = noise(U.shape)
    ways = there_and_back(U, SHARES, 7.0, drawn())
    end = (U.mean() + 7) / (e.mean() + 7) * (e + 7) - 7
    for name, first, last in (
        ("VP there", U, e),
        ("osmosis there", U, end),
        ("osmosis back", end, U),
        ("VP back", e, U),
    ):
        np.testing.assert_allclose(ways[name][0], first, atol=1e-9)
        np.testing.assert_allclose(ways[name][-1], last, atol=1e-9)
        if "osmosis" in name:
            np.testing.assert_allclose(ways[name].mean((1, 2)), U.mean(), atol=1e-9)


def test_states_lie_on_the_evolutions():
    e = noise(U.shape)
    ways = there_and_back(U, [0.4], generator=drawn())
    weights = np.linalg.lstsq(
        np.stack([U.ravel(), e.ravel()], 1), ways["VP there"][0].ravel(), rcond=None
    )[0]
    np.testing.assert_allclose((weights**2).sum(), 1, atol=1e-9)
    np.testing.assert_allclose(weights[0] * U + weights[1] * e, ways["VP there"][0], atol=1e-9)
    for name, start, goal in (
        ("osmosis there", U + 6, e + 6),
        ("osmosis back", (U.mean() + 6) / (e.mean() + 6) * (e + 6), U + 6),
    ):
        drift = osmosis.canonical_drift(goal)
        gaps = [
            np.abs(osmosis.evolve(start, drift, t) - 6 - ways[name][0]).max()
            for t in np.geomspace(0.01, 100, 400)
        ]
        assert min(gaps) < 0.05 < max(gaps)


def test_shares_may_come_in_any_order_and_twice():
    found = there_and_back(U, [0.7, 0.2, 0.7, 0.0], generator=drawn())
    sorted_ = there_and_back(U, [0.0, 0.2, 0.7], generator=drawn())
    for name in found:
        for i, j in ((0, 2), (1, 1), (2, 2), (3, 0)):
            np.testing.assert_allclose(found[name][i], sorted_[name][j], atol=1e-6)


def test_tensors_come_back_as_tensors():
    ways = there_and_back(torch.from_numpy(U).float(), [0.5], generator=drawn())
    exact = there_and_back(U, [0.5], generator=drawn())
    for name, way in ways.items():
        assert way.dtype == torch.float32
        np.testing.assert_allclose(way.numpy(), exact[name], atol=1e-4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(u=np.zeros((2, 3, 4, 4))), "u has shape"),
        (dict(u=U, shares=[0.5, 1.5]), "shares holds 1.5"),
        (dict(u=U, shares=0.5), "shares has shape"),
        (dict(u=U, offset=0.0), "offset"),
        (dict(u=U, offset=1.5), "so that the noise becomes positive"),
        (dict(u=8 * U, offset=6.0), "so that u becomes positive"),
        (dict(u=U, generator=3), "generator"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        there_and_back(**arguments)


def test_the_figure_has_a_row_for_each_way_and_says_the_variances():
    fig = figures.trajectories(U, [0.25, 0.75], generator=drawn())
    ways = there_and_back(U, [0.25, 0.75], generator=drawn())
    assert len(fig.images) == 8
    said = fig.describe()
    for name, way in ways.items():
        assert f"{name} {float(f'{way[0].var():.9g}'):.2g}" in said
    titles = [text.get_text() for text in fig.texts]
    variances = [f"{float(f'{state.var():.9g}'):.2g}" for state in ways["osmosis back"]]
    assert f"osmosis back: 25, 75 %; variance {', '.join(variances)}" in titles


def test_many_states_leave_no_room_for_their_variances():
    shares = np.linspace(0, 1, 6)
    fig = figures.trajectories(U, shares, generator=drawn())
    titles = [text.get_text() for text in fig.texts]
    assert "VP back: 0, 20, 40, 60, 80, 100 %" in titles
    assert "Variances: VP there" in fig.describe()
