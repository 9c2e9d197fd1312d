"""Filters of `dpss` beside SciPy's, in one process, on one thread: `make bench`.

Prints the median of several runs and the ratio to the peer; ratios travel between machines, seconds do not.
"""
import statistics
import time

import numpy as np
import scipy.ndimage
import scipy.sparse.linalg
import torch

from dpss import diffusion, images, osmosis


def seconds(function, repeats=5):
    function()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main():
    torch.set_num_threads(1)
    u = images.photograph("camera")
    positive, guide = images.as_positive(u), images.as_positive(images.photograph("cat", grey=True))
    drift = osmosis.canonical_drift(guide)
    A = osmosis.operator(drift)
    rows = [
        ("homogeneous diffusion, t = 8", lambda: diffusion.homogeneous(u, 8.0),
         "scipy.ndimage.gaussian_filter, truncate 8", lambda: scipy.ndimage.gaussian_filter(u, 4.0, truncate=8, mode="reflect")),
        ("osmosis, exact, t = 20", lambda: osmosis.evolve(positive, drift, 20.0),
         "scipy.sparse.linalg.expm_multiply", lambda: scipy.sparse.linalg.expm_multiply(20.0 * A, positive.ravel())),
    ]
    for ours, function, peer, other in rows:
        gap = np.abs(np.ravel(function()) - np.ravel(other())).max()
        mine, theirs = seconds(function), seconds(other)
        print(f"{ours:30} {mine:8.4f} s   {peer:44} {theirs:8.4f} s   ratio {theirs / mine:6.1f}   largest gap {gap:.1e}")


if __name__ == "__main__":
    main()
