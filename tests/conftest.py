"""Shared set-up: one thread, repeatable property tests, a seeded generator."""

import hypothesis
import pytest
import torch

torch.set_num_threads(1)

# Derandomised: `make test` gives the same verdict twice. No deadline: shared machines may be slow.
hypothesis.settings.register_profile(
    "book",
    derandomize=True,
    deadline=None,
    max_examples=40,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("book")


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(20240511)
