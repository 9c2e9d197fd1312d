"""A line of the table: an operation of the library beside a peer's."""

from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    operation: str
    ours: Callable
    peer: str
    theirs: Callable
    reach: float  # how many times as long the peer is to take
    tolerance: float | None = None  # of the results; None where the peer solves another problem
