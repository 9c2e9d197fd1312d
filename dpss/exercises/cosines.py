"""The cosine vectors of a line, which exercises of several pages need."""

import numpy as np


def cosines(n):
    """The orthonormal cosine vectors of a line of n pixels, one in each row."""
    rows = np.cos(np.pi / n * np.outer(np.arange(n), np.arange(n) + 0.5))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
