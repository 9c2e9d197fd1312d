"""What a page prints: a check after each statement, and how what the reader predicted came out."""

import numpy as np
import torch

from . import _arrays


def check(
    claim: str,
    what: str,
    value: float | list | np.ndarray | torch.Tensor,
    *,
    below: float | None = None,
    above: float | None = None,
) -> None:
    """Print that the defect of a statement is below a bound, or that of a counterexample above one.

    `claim`: its identifier in the ledger, `what`: the words to print. `value`: number, list, array
    or tensor of any type; its largest magnitude counts (NaN never passes). Exactly one of `below`
    (a statement holds) and `above` (it fails where a hypothesis is dropped) is given. Only the
    bound is printed, so that the output is the same on every machine. Raises AssertionError where
    the bound is missed, ValueError or TypeError for what has no magnitude.

    >>> check("I2", "C Cᵀ is the identity", 2e-16, below=1e-12)
    I2  C Cᵀ is the identity: defect < 1e-12
    """
    if (below is None) == (above is None):
        raise ValueError("below and above: exactly one of them is needed")
    size = _largest(value)
    if below is not None:
        if not size < below:
            raise AssertionError(f"{claim}  {what}: defect {size:.3g}, needed < {below:g}")
        print(f"{claim}  {what}: defect < {below:g}")
    else:
        if not size > above:
            raise AssertionError(f"{claim}  {what}: violation {size:.3g}, needed > {above:g}")
        print(f"{claim}  {what}: violation > {above:g}")


def outcome(prediction: str, result: str | float, digits: int = 2) -> None:
    """Print the outcome of what a page asked its reader to predict.

    `prediction`: its name, page and word. `result`: the option that came out, in the words of the
    page, or a number, printed with `digits` significant digits, so that the output is the same on
    every machine. The built page marks the reader's prediction by what is printed here. Raises
    ValueError for a number that is not finite, TypeError for what is neither words nor a number.

    >>> outcome("05-half", 0.25871)
    05-half  0.26
    """
    if not isinstance(result, str):
        number, digits = _arrays.number(result, "result"), _arrays.count(digits, "digits")
        result = f"{number:.{digits}g}"
    print(f"{prediction}  {result}")


def _largest(value):
    """The largest magnitude of numbers of any kind, complex ones included."""
    if isinstance(value, torch.Tensor):
        value = _arrays.plain(value, "value").detach().cpu().to(torch.complex128).numpy()
    value = _arrays.plain(value if isinstance(value, np.ndarray) else np.asarray(value), "value")
    if value.dtype.kind not in "biufc":
        raise TypeError(f"value has dtype {value.dtype}; needed: numbers")
    if value.size == 0:
        raise ValueError("value is empty; needed: at least one number")
    return float(np.abs(value.astype(np.complex128)).max())
