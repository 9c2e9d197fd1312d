"""Osmosis: steady states and evolutions against SciPy's general solvers."""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from growth import cut

from dpss import images, osmosis


def rows():
    u, v = (
        images.as_positive(images.photograph("camera")),
        images.as_positive(images.photograph("cat", grey=True)),
    )
    drift = osmosis.canonical_drift(v)
    A = osmosis.operator(drift)

    def row(operation, ours, peer, theirs, reach, tolerance):
        return {
            "operation": operation,
            "ours": ours,
            "peer": peer,
            "theirs": theirs,
            "reach": reach,
            "tolerance": tolerance,
        }

    yield row(
        "osmosis, exact, 256², t = 100",
        lambda: osmosis.evolve(u, drift, 100.0),
        "scipy expm_multiply",
        lambda: scipy.sparse.linalg.expm_multiply(100.0 * A, u.ravel()),
        8,
        1e-9,
    )
    yield row(
        "osmosis, exact, 256², t = 1000",
        lambda: osmosis.evolve(u, drift, 1000.0),
        "explicit scheme",
        lambda: osmosis.evolve(u, drift, 1000.0, scheme="explicit"),
        5,
        1e-2,
    )
    yield row(
        "osmosis, steady, compatible, 256²",
        lambda: osmosis.steady_state(u, drift),
        "closed form in NumPy",
        lambda: u.mean() / v.mean() * v,
        0,
        1e-12,
    )
    for n, reach in ((256, 1.2), (512, 1.2), (1024, 1.5)):
        f, g = (np.kron(x, np.ones((n // 256, n // 256))) for x in (u, v))
        mixed = cut(
            osmosis.canonical_drift(g * np.random.default_rng(0).uniform(0.9, 1.1, g.shape))
        )
        yield row(
            f"osmosis, steady, incompatible, {n}²",
            lambda: osmosis.steady_state(f, mixed),
            "scipy spsolve",
            lambda: by_spsolve(f, mixed),
            reach,
            1e-6,
        )


def by_spsolve(u, drift):
    """The steady state as one first writes it: the last equation replaced by w_N = 1, SciPy's default solver."""
    A = osmosis.operator(drift)
    w = scipy.sparse.linalg.spsolve(-A[:-1, :-1], A[:-1, [A.shape[0] - 1]].toarray().ravel())
    w = np.append(w, 1.0)
    return w * (u.sum() / w.sum())
