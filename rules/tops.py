"""The highest demand windows of a period, and how many hours the demand lay above what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.intervals import IntervalSeries
from rules.quality import Quality

WHOLE = 1 - 1e-9
"""Coverage of a window that is complete; what lacks is the rounding of a float, no gap."""


def can_be_peaks(series: IntervalSeries, interval_s: int) -> NDArray[np.bool_]:
    """Which windows are complete and measured: (n,) bool. Only they can be a demand, or make a baseline."""
    is_measured = np.isfinite(series.quantity) & (series.quality == Quality.GOOD) & ~series.caught_up
    can: NDArray[np.bool_] = is_measured & (series.coverage >= WHOLE) & (series.duration_s == interval_s)
    return can


def mean_kw(series: IntervalSeries) -> NDArray[np.float64]:
    """Mean power of each window, (n,) kW."""
    power: NDArray[np.float64] = series.quantity * 3600 / series.duration_s
    return power


@dataclass(frozen=True, slots=True)
class Top:
    """One of the highest windows: its start, seconds since 1970 UTC, and its mean. [kW]"""

    start_s: int
    kw: float


def highest(series: IntervalSeries, interval_s: int, count: int) -> tuple[Top, ...]:
    """The highest windows that count, the highest first; of two alike the earlier one."""
    rows = np.flatnonzero(can_be_peaks(series, interval_s))
    power = mean_kw(series)
    order = rows[np.lexsort((rows, -power[rows]))][:count]
    starts = series.start.astype(np.int64)
    return tuple(Top(int(starts[row]), float(power[row])) for row in order)


def duration_curve(series: IntervalSeries, interval_s: int, shares: Sequence[float]) -> tuple[float, ...]:
    """The demand that was passed during a share of the time, for each share.

    Parameters
    ----------
    shares : of the windows that count, 0 (the highest) to 1 (the lowest).

    Returns
    -------
    kW each; NaN where no window counts.
    """
    power = np.sort(mean_kw(series)[can_be_peaks(series, interval_s)])[::-1]
    if not len(power):
        return tuple(float("nan") for _ in shares)
    places = [min(len(power) - 1, int(share * len(power))) for share in shares]
    return tuple(float(power[place]) for place in places)
