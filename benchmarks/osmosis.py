"""Osmosis: steady states and evolutions against SciPy's general solvers."""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from growth import cut
from row import Row

from dpss import images, osmosis


def rows():
    u = images.as_positive(images.photograph("camera"))
    v = images.as_positive(images.photograph("cat", grey=True))
    drift = osmosis.canonical_drift(v)
    A = osmosis.operator(drift)

    yield Row(
        "osmosis, exact, 256², t = 100",
        lambda: osmosis.evolve(u, drift, 100.0),
        "scipy expm_multiply",
        lambda: scipy.sparse.linalg.expm_multiply(100.0 * A, u.ravel()),
        8,
        1e-9,
    )
    yield Row(
        "osmosis, exact, 256², t = 1000",
        lambda: osmosis.evolve(u, drift, 1000.0),
        "explicit scheme",
        lambda: osmosis.evolve(u, drift, 1000.0, scheme="explicit"),
        5,
        1e-2,
    )
    yield Row(
        "osmosis, steady, compatible, 256²",
        lambda: osmosis.steady_state(u, drift),
        "closed form in NumPy",
        lambda: u.mean() / v.mean() * v,
        0,
        1e-12,
    )
    for n, reach in ((256, 1.2), (512, 1.2), (1024, 1.5)):
        yield incompatible(*(np.kron(x, np.ones((n // 256, n // 256))) for x in (u, v)), reach)


def incompatible(f, g, reach):
    drift = cut(osmosis.canonical_drift(g * np.random.default_rng(0).uniform(0.9, 1.1, g.shape)))
    return Row(
        f"osmosis, steady, incompatible, {len(f)}²",
        lambda: osmosis.steady_state(f, drift),
        "scipy spsolve",
        lambda: by_spsolve(f, drift),
        reach,
        1e-6,
    )


def by_spsolve(u, drift):
    """The steady state as one first writes it: w_N = 1 for the last equation, SciPy's default."""
    A = osmosis.operator(drift)
    w = scipy.sparse.linalg.spsolve(-A[:-1, :-1], A[:-1, [A.shape[0] - 1]].toarray().ravel())
    w = np.append(w, 1.0)
    return w * (u.sum() / w.sum())
