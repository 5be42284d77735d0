"""Billing-grade intervals: [start, end) labelled by the start, made from register readings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.counters import CounterState
from rules.quality import Quality

Instants = NDArray[np.datetime64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Interval:
    """One closed interval of one meter.

    Attributes
    ----------
    start_s, duration_s : [start, start + duration), seconds since 1970 UTC.
    quantity : advance of the register over the interval, in the meter's unit (kWh, m3).
    coverage : share of the interval that lies between readings close enough together, 0 to 1.
    quality : ``Quality`` of the quantity.
    rate_avg : quantity an hour (kW, m3/h); NaN where it was caught up.
    rate_max, rate_min : extremes of the rate point inside the interval; NaN without one or caught up.
    caught_up : the interval was crossed without readings, its share is energy and never a peak.
    register_start, register_end : what the display shows at both edges, interpolated, in the meter's
        unit; where the register was replaced or rolled over inside, the start is told as the new one
        would have shown it, so that the difference is always the quantity.
    epoch : which life of the counter; +1 at each reset or replacement.
    """

    start_s: int
    duration_s: int
    quantity: float
    coverage: float
    quality: int
    rate_avg: float
    rate_max: float
    rate_min: float
    caught_up: bool
    register_start: float
    register_end: float
    epoch: int


@dataclass(frozen=True, slots=True)
class IntervalSeries:
    """Closed intervals of one meter as parallel arrays, ordered by start; absent = not known.

    start : (n,) datetime64[s] UTC; duration_s : (n,) int64; quantity : (n,) float64 kWh or m3;
    coverage : (n,) float64; quality : (n,) uint8; rate_avg, rate_max : (n,) float64 kW or m3/h;
    caught_up : (n,) bool.
    """

    start: Instants
    duration_s: NDArray[np.int64]
    quantity: Floats
    coverage: Floats
    quality: Bytes
    rate_avg: Floats
    rate_max: Floats
    caught_up: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of intervals."""
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Readings:
    """Believed readings of one counter as parallel arrays, ordered by time.

    Attributes
    ----------
    at_ms : (n,) int64, strictly rising.
    total : (n,) float64, the counter's total.
    rate : (n,) float64, what the rate point showed; NaN without one.
    quality : (n,) uint8.
    """

    at_ms: NDArray[np.int64]
    total: Floats
    rate: Floats
    quality: Bytes


def close_interval(
    readings: Readings, start_s: int, duration_s: int, max_gap_ms: int, counter: CounterState
) -> Interval | None:
    """Close [start, start + duration) from the readings around it.

    Energy is the difference of the total at both edges, each interpolated between its neighbours. Where
    the neighbours of an edge lie further apart than ``max_gap_ms`` the share is a guess by time: the
    interval is caught up, counts as energy and never as a peak. A pure function of the readings, so that
    closing twice, late or after a restart gives the same row.

    Parameters
    ----------
    readings : at least up to the first reading at or after the end.
    max_gap_ms : the longest silence between two readings that still counts as measured.
    counter : the counter's state; its epoch and offset are the interval's.

    Returns
    -------
    None while no reading stands at or after the end, or none before it.
    """
    at_ms, total = readings.at_ms, readings.total
    start_ms, end_ms = start_s * 1000, (start_s + duration_s) * 1000
    after = int(np.searchsorted(at_ms, end_ms))
    if after == len(at_ms) or at_ms[0] >= end_ms:
        return None
    before = max(int(np.searchsorted(at_ms, start_ms, side="right")) - 1, 0)
    partial = bool(at_ms[before] > start_ms)
    register_start = float(total[before]) if partial else _at(readings, before, start_ms)
    register_end = _at(readings, max(after - 1, before), end_ms)

    window = slice(before, after + 1)
    times = at_ms[window]
    gaps = np.diff(times)
    inside = np.minimum(times[1:], end_ms) - np.maximum(times[:-1], start_ms)
    measured_ms = float(np.clip(inside, 0, None)[gaps <= max_gap_ms].sum())
    caught_up = partial or _edge_is_guessed(gaps, max_gap_ms, times, start_ms, end_ms)

    quantity = max(0.0, register_end - register_start)  # the total never goes back; rounding may, by a hair
    worst = int(readings.quality[window].max())
    rates = readings.rate[window][(times >= start_ms) & (times < end_ms)]
    rates = rates[np.isfinite(rates)]
    known = rates.size > 0 and not caught_up
    return Interval(
        start_s=start_s,
        duration_s=duration_s,
        quantity=quantity,
        coverage=min(1.0, measured_ms / (end_ms - start_ms)),
        quality=max(worst, Quality.ESTIMATED) if caught_up else worst,
        rate_avg=float("nan") if caught_up else quantity * 3600 / duration_s,
        rate_max=float(rates.max()) if known else float("nan"),
        rate_min=float(rates.min()) if known else float("nan"),
        caught_up=caught_up,
        register_start=register_start - counter.offset,
        register_end=register_end - counter.offset,
        epoch=counter.epoch,
    )


def _at(readings: Readings, left: int, instant_ms: int) -> float:
    """Total at an instant between readings ``left`` and ``left + 1``, by straight line."""
    t0 = int(readings.at_ms[left])
    a = float(readings.total[left])
    if t0 == instant_ms or left + 1 == len(readings.at_ms):
        return a
    t1, b = int(readings.at_ms[left + 1]), float(readings.total[left + 1])
    return a + (b - a) * ((instant_ms - t0) / (t1 - t0))


def _edge_is_guessed(
    gaps: NDArray[np.int64], max_gap_ms: int, times: NDArray[np.int64], start_ms: int, end_ms: int
) -> bool:
    """Whether an edge lies strictly inside a silence that is too long."""
    long = gaps > max_gap_ms
    crosses_start = (times[:-1] < start_ms) & (times[1:] > start_ms)
    crosses_end = (times[:-1] < end_ms) & (times[1:] > end_ms)
    return bool((long & (crosses_start | crosses_end)).any())
