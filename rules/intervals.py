"""Billing-grade intervals: [start, end) labelled by the start, made from register readings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.counters import NO_CHANGE, Life
from rules.factors import Factors
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
    quantity : advance of the register over the interval times its factor, in the meter's unit (kWh, m3).
    coverage : share of the interval that lies between readings close enough together, 0 to 1.
    quality : ``Quality`` of the quantity.
    rate_avg : quantity an hour (kW, m3/h); NaN where it was caught up.
    rate_max, rate_min : extremes of the rate point inside the interval; NaN without one or caught up.
    caught_up : the interval was crossed without readings, its share is energy and never a peak.
    register_start, register_end : what the display shows at both edges, interpolated, factors left out;
        where the register was replaced or rolled over inside, the start is told as the new one would
        have shown it, so that quantity = (register_end - register_start) * factor always.
    epoch : which life of the counter; +1 at each reset or replacement.
    factor : what the register's advance was multiplied by; where that changed inside, the mean by advance.
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
    factor: float = 1.0


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
    heard_ms : (m,) int64, the instants among them at which somebody read; all of them when left out.
    """

    at_ms: NDArray[np.int64]
    total: Floats
    rate: Floats
    quality: Bytes
    heard_ms: NDArray[np.int64] | None = None

    def cut_at_changes(self, factors: Factors, max_rate: float) -> "Readings":
        """The same with a point at each change of the factor between two readings, which nobody read."""
        at_ms = self.at_ms
        inside = [change for change in factors.between(int(at_ms[0]), int(at_ms[-1])) if change not in at_ms]
        steps = sorted({int(np.searchsorted(at_ms, change)) for change in inside})
        places, knots = [], []
        for after in steps:
            a, b = ((int(at_ms[i]), float(self.total[i])) for i in (after - 1, after))
            found = factors.split(max_rate, a, b)
            places += [after] * len(found)
            knots += found
        if not knots:
            return self
        worst = np.maximum(self.quality[:-1], self.quality[1:])
        return Readings(
            np.insert(at_ms, places, [change for change, _ in knots]),
            np.insert(self.total, places, [total for _, total in knots]),
            np.insert(self.rate, places, np.nan),
            np.insert(self.quality, places, worst[np.array(places) - 1]),
            at_ms,
        )


def close_interval(
    readings: Readings,
    start_s: int,
    duration_s: int,
    max_gap_ms: int,
    life: Life,
    factors: Factors = NO_CHANGE,
) -> Interval | None:
    """Close [start, start + duration) from the readings around it.

    Energy is the difference of the total at both edges, each interpolated between its neighbours, times the
    factor in force. Where the neighbours of an edge lie further apart than ``max_gap_ms`` the share is a
    guess by time: the interval is caught up, counts as energy and never as a peak. A pure function of the
    readings, so that closing twice, late or after a restart gives the same row.

    Parameters
    ----------
    readings : at least up to the first reading at or after the end; cut at the changes of the factor.
    max_gap_ms : the longest silence between two readings that still counts as measured.
    life : of the register that is in force at the end.

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

    measured_ms, guessed = _measured(readings, start_ms, end_ms, max_gap_ms)
    caught_up = partial or guessed
    window = slice(before, after + 1)
    times = at_ms[window]
    advance = max(0.0, register_end - register_start)  # it never goes back; rounding may, by a hair
    quantity, factor = advance * factors.at(start_ms), factors.at(start_ms)
    if len(spans := factors.spans(start_ms, end_ms)) > 1:
        quantity = _by_factor(readings, spans)
        factor = quantity / advance if advance > 0 else spans[-1][2]
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
        register_start=register_start - life.offset,
        register_end=register_end - life.offset,
        epoch=life.epoch,
        factor=factor,
    )


def _by_factor(readings: Readings, spans: list[tuple[int, int, float]]) -> float:
    """Sum of the advances of each span, each times its own factor; before the first reading there is none."""
    at_ms = readings.at_ms
    quantity = 0.0
    for begin_ms, end_ms, factor in spans:
        a, b = (_at(readings, int(np.searchsorted(at_ms, t, side="right")) - 1, t) if t > at_ms[0]
                else float(readings.total[0]) for t in (begin_ms, end_ms))  # fmt: skip
        quantity += max(0.0, b - a) * factor
    return quantity


def _at(readings: Readings, left: int, instant_ms: int) -> float:
    """Total at an instant between readings ``left`` and ``left + 1``, by straight line."""
    t0 = int(readings.at_ms[left])
    a = float(readings.total[left])
    if t0 == instant_ms or left + 1 == len(readings.at_ms):
        return a
    t1, b = int(readings.at_ms[left + 1]), float(readings.total[left + 1])
    return a + (b - a) * ((instant_ms - t0) / (t1 - t0))


def _measured(readings: Readings, start_ms: int, end_ms: int, max_gap_ms: int) -> tuple[float, bool]:
    """How much of a time lies between readings close enough together, and whether an edge does not. [ms]"""
    heard = readings.at_ms if readings.heard_ms is None else readings.heard_ms
    before = max(int(np.searchsorted(heard, start_ms, side="right")) - 1, 0)
    times = heard[before : int(np.searchsorted(heard, end_ms)) + 1]
    gaps = np.diff(times)
    inside = np.minimum(times[1:], end_ms) - np.maximum(times[:-1], start_ms)
    long = gaps > max_gap_ms
    crosses_start = (times[:-1] < start_ms) & (times[1:] > start_ms)
    crosses_end = (times[:-1] < end_ms) & (times[1:] > end_ms)
    measured_ms = float(np.clip(inside, 0, None)[~long].sum())
    return measured_ms, bool((long & (crosses_start | crosses_end)).any())
