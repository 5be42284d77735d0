"""Targets and key figures: how far a period is, where it is going, and figures by square metre and head.

The forecast takes the days that are left from the same days of the reference year, scaled by how this year's
days so far stand to theirs. Its band comes from how that ratio went up and down in blocks of the days so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from statistics import fmean, stdev

from rules.models.students_t import t_value

CONFIDENCE = 0.90
LEAST_BLOCKS = 4
"""Of fewer blocks no scatter is told."""

DAYS_A_BLOCK = 7


@dataclass(frozen=True, slots=True)
class Pace:
    """One block of the days so far: what it used, and what its twin of the reference year did."""

    actual: float
    reference: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where a period ends.

    Attributes
    ----------
    expected : so far, and what is expected of the days that are left.
    half_width : half of its 90 % band; None where the days so far say too little of scatter.
    blocks : how many blocks the scatter was taken from.
    ratio : this year's days so far to the reference year's.
    """

    expected: float
    half_width: float | None
    blocks: int
    ratio: float


def forecast(
    so_far: float, paces: Sequence[Pace], reference_left: float, blocks_left: float
) -> Forecast | None:
    """Forecast a period's end.

    Parameters
    ----------
    so_far : used until now.
    paces : blocks of equal length of the days so far that both years know.
    reference_left : what the reference year used on the days that are left.
    blocks_left : how many blocks these days are; may be a fraction.

    Returns
    -------
    None without a block whose twin used anything.

    Notes
    -----
    Half width = t(90 %, n - 1) * s * mean reference a block * sqrt(m + m^2 / n). s is the standard deviation
    of the blocks' ratios, n the blocks so far and m those left: the scatter of what is left, and that of
    the ratio itself. Blocks are taken as independent.
    """
    reference = sum(pace.reference for pace in paces)
    if reference <= 0:
        return None
    ratio = sum(pace.actual for pace in paces) / reference
    expected = so_far + ratio * reference_left
    ratios = [pace.actual / pace.reference for pace in paces if pace.reference > 0]
    n = len(ratios)
    if n < LEAST_BLOCKS:
        return Forecast(expected, None, n, ratio)
    a_block = reference_left / blocks_left if blocks_left > 0 else 0.0
    spread = sqrt(blocks_left + blocks_left**2 / n) if blocks_left > 0 else 0.0
    half = t_value(CONFIDENCE, n - 1) * stdev(ratios) * abs(a_block) * spread
    return Forecast(expected, half, n, ratio)


def even_forecast(so_far: float, days: int, days_left: int, blocks: Sequence[float]) -> Forecast | None:
    """Forecast without a reference year: the days that are left go on like those so far.

    Parameters
    ----------
    blocks : what each block of ``DAYS_A_BLOCK`` known days so far used.
    """
    if days <= 0:
        return None
    mean = fmean(blocks) if blocks else so_far / days * DAYS_A_BLOCK
    left = days_left / DAYS_A_BLOCK
    expected = so_far + so_far / days * days_left
    n = len(blocks)
    if n < LEAST_BLOCKS or mean <= 0:
        return Forecast(expected, None, n, 1.0)
    half = t_value(CONFIDENCE, n - 1) * stdev(blocks) * sqrt(left + left**2 / n)
    return Forecast(expected, half, n, 1.0)


def share_of(quantity: Fraction, target: float) -> Fraction:
    """A quantity as a share of its target.

    Examples
    --------
    >>> share_of(Fraction(206), 200.0)
    Fraction(103, 100)
    """
    return quantity / Fraction(repr(float(target)))


def counted_area_m2(floor_m2: float, parking_m2: float, *, with_parking: bool) -> float:
    """The area that a key figure is of; parking is left out unless it is wanted."""
    return floor_m2 if with_parking else floor_m2 - parking_m2
