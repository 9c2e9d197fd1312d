"""Checks that a page prints: each statement of the book is followed by one."""

import numpy as np
import torch


def check(claim, what, value, *, below=None, above=None):
    """Print that the defect of a statement is below a bound, or the violation by a counterexample above one.

    `claim`: its identifier in the ledger, `what`: the words to print. `value`: number or array; its largest magnitude counts (NaN never
    passes). Exactly one of `below` (a statement holds) and `above` (it fails where a hypothesis is dropped) is given. Only the bound is
    printed, so that the output is the same on every machine. Raises AssertionError where the bound is missed.

    >>> check("I2", "C Cᵀ is the identity", 2e-16, below=1e-12)
    I2  C Cᵀ is the identity: defect < 1e-12
    """
    if (below is None) == (above is None):
        raise ValueError("below and above: exactly one of them is needed")
    value = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if value.size == 0:
        raise ValueError("value is empty; needed: at least one number")
    size = float(np.abs(value).max())
    if below is not None:
        if not size < below:
            raise AssertionError(f"{claim}  {what}: defect {size:.3g}, needed < {below:g}")
        print(f"{claim}  {what}: defect < {below:g}")
    else:
        if not size > above:
            raise AssertionError(f"{claim}  {what}: violation {size:.3g}, needed > {above:g}")
        print(f"{claim}  {what}: violation > {above:g}")
