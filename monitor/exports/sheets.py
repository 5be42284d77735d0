"""A sheet: named columns of one kind each, and their values in blocks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64] | NDArray[np.int64] | list[str]
Block = Mapping[str, Values]


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    INSTANT = "instant"  # int64, milliseconds since 1970 UTC; written in the site's zone
    NUMBER = "number"  # float64, NaN = nothing
    WHOLE = "whole"  # int64


@dataclass(frozen=True, slots=True)
class Column:
    """One column; the unit is in its name."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns and their blocks. ``blocks`` may be gone through once; ``total`` is what ``done`` goes up to.

    Each block comes with how much of ``total`` it stands for.
    """

    columns: tuple[Column, ...]
    blocks: Iterator[tuple[Block, int]]
    total: int
