"""What each day used, by the same order of sources as ``usage_over``, and two runs of days held together.

Only days that both sides know are compared: a half-known year never looks like a saving.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from fractions import Fraction
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from rules.calendar import day_start_s
from rules.intervals import IntervalSeries
from rules.quality import Quality
from rules.savings import ONE_DAY, Booked, Days, answered_shares, apportion_by_day

KNOWN_SHARE = 0.95
"""A day is known when each meter answers for at least this share of it."""

Figures = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeteredDays:
    """What closed intervals say of each day: (n,) in the meter's unit, and (n,) s that they answer for."""

    quantity: Figures
    answered_s: Figures

    @classmethod
    def silent(cls, days: int) -> "MeteredDays":
        """Days of which nothing is known."""
        return cls(np.zeros(days), np.zeros(days))

    def put(self, at: int, part: "MeteredDays") -> None:
        """Write what is known of some of the days, from the one at position ``at``."""
        days = slice(at, at + len(part.quantity))
        self.quantity[days], self.answered_s[days] = part.quantity, part.answered_s


@dataclass(frozen=True, slots=True)
class MeterDays:
    """What is known of one meter: its ledger, and its closed intervals by day."""

    ledger: Sequence[Booked]
    metered: MeteredDays


@dataclass(frozen=True, slots=True)
class DailyUse:
    """What each of a run of days used.

    Attributes
    ----------
    start : the first day.
    quantity : of each day, what is known of it, in the commodity's unit.
    answered : (n,) share of each day that is answered for, 0 to 1; the mean over meters.
    known : (n,) bool, every meter answers for ``KNOWN_SHARE`` of the day.
    length_s : (n,) int64, 23 or 25 hours where the clocks change.
    spread : days of ledger rows that are longer than a day: each of them has the row's mean.
    """

    start: date
    quantity: tuple[Fraction, ...]
    answered: Figures
    known: NDArray[np.bool_]
    length_s: NDArray[np.int64]
    spread: tuple[Days, ...]

    def __len__(self) -> int:
        """Return the number of days."""
        return len(self.quantity)

    @property
    def days(self) -> list[date]:
        """The days, oldest first."""
        return [self.start + timedelta(days=n) for n in range(len(self))]

    @property
    def coverage(self) -> float:
        """Share of all the time that is answered for, to a millionth, as ``usage_over`` tells it."""
        total_s = float(self.length_s.sum())
        return min(1.0, round(float((self.answered * self.length_s).sum()) / total_s, 6)) if total_s else 0.0


@dataclass(frozen=True, slots=True)
class ComparedDays:
    """Days that both sides know, each with its twin of the base year.

    Attributes
    ----------
    pairs : day and twin.
    actual, base : use of each of these days, in the order of ``pairs``.
    estimated : a figure holds a part of a ledger's row, by days.
    """

    pairs: tuple[Days, ...]
    actual: tuple[Fraction, ...]
    base: tuple[Fraction, ...]
    estimated: bool

    def sums(self, month: int | None = None) -> tuple[Fraction, Fraction] | None:
        """Actual and base over all compared days, or those of one month; None where there are none."""
        chosen = [month is None or day.month == month for day, _ in self.pairs]
        if not any(chosen):
            return None
        actual, base = compress(self.actual, chosen), compress(self.base, chosen)
        return sum(actual, Fraction(0)), sum(base, Fraction(0))


def day_edges_s(start: date, end: date, zone: tzinfo) -> NDArray[np.int64]:
    """First instants of the days from ``start`` to ``end``, and the end of the last: (n + 1,) s."""
    count = (end - start).days + 2
    return np.array([day_start_s(start + timedelta(days=n), zone) for n in range(count)], dtype=np.int64)


def metered_by_day(series: IntervalSeries, start: date, end: date, zone: tzinfo) -> MeteredDays:
    """Share closed intervals out to the days from ``start`` to ``end``, both included.

    Parameters
    ----------
    series : intervals of a day's length at the most; they reach an hour beyond the days.

    Returns
    -------
    An interval that crosses midnight counts by time on both sides, as in ``usage_over``.
    """
    edges_s = day_edges_s(start, end, zone)
    days = len(edges_s) - 1
    start_s = series.start.astype(np.int64)
    end_s = start_s + series.duration_s
    answers = answered_shares(series)
    known = np.isfinite(series.quantity) & (series.quality < Quality.MISSING)
    found = MeteredDays.silent(days)
    first = np.searchsorted(edges_s, start_s, side="right") - 1
    for slot in (first, first + 1):  # the day in which it begins, and the next
        inside = known & (slot >= 0) & (slot < days)
        at = slot[inside]
        inside_s = np.minimum(end_s[inside], edges_s[at + 1]) - np.maximum(start_s[inside], edges_s[at])
        inside_s = np.maximum(inside_s, 0)
        share = inside_s / series.duration_s[inside]
        found.quantity[:] += np.bincount(at, series.quantity[inside] * share, days)
        found.answered_s[:] += np.bincount(at, answers[inside] * inside_s, days)
    return found


def use_by_day(
    start: date,
    end: date,
    zone: tzinfo,
    ledger: Sequence[Booked],
    meters: Sequence[MeterDays],
    *,
    whole_days: bool = False,
) -> DailyUse:
    """What each day from ``start`` to ``end``, both included, used.

    For each day the commodity's own ledger answers; where it is silent, each meter's ledger; where that
    is silent too, the meter's closed intervals. Never two of them for one day: the sum over the days and
    their coverage are those of ``usage_over``.

    Parameters
    ----------
    whole_days : a day that is known but for a part of its time is told as the whole that its rate comes to,
        for models: else the part that is missing looks like a saving.

    References
    ----------
    .. [1] CalTRACK 2.0, 2.2.2: what is missing of a day is taken as the mean of what is there.
    """
    length_s = np.diff(day_edges_s(start, end, zone))
    booked, spread = _booked_by_day(ledger, start, end)
    quantity = list(booked)
    of_meters = [_of_meter(meter, start, end, length_s, whole_days) for meter in meters]
    told = np.array([one is not None for one in booked], dtype=bool)
    shares = np.array([answered for _, answered, _ in of_meters]).reshape(len(meters), len(length_s))
    answered = np.where(told, 1.0, shares.mean(axis=0) if meters else 0.0)
    weakest = np.where(told, 1.0, shares.min(axis=0) if meters else 0.0)
    for position in np.flatnonzero(~told):
        quantity[position] = sum((one[position] for one, _, _ in of_meters), Fraction(0))
    for _, _, rows in of_meters:
        spread += rows
    return DailyUse(
        start,
        tuple(one if one is not None else Fraction(0) for one in quantity),
        answered,
        weakest >= KNOWN_SHARE,
        length_s,
        tuple(spread),
    )


def compare_days(actual: DailyUse, base: DailyUse, base_year: int) -> ComparedDays:
    """Hold the days that both sides know against each other, each with the same date of the base year.

    The 29th of February has no twin in a common year, and is compared with nothing.

    Parameters
    ----------
    base_year : the year that the first of the actual days is held against.
    """
    shift = base_year - actual.start.year
    pairs, after, before = [], [], []
    for position, day in enumerate(actual.days):
        twin = _twin(day, shift)
        if twin is None:
            continue
        at = (twin - base.start).days
        if 0 <= at < len(base) and actual.known[position] and base.known[at]:
            pairs.append((day, twin))
            after.append(actual.quantity[position])
            before.append(base.quantity[at])
    cut = _cuts_a_row(actual, {day for day, _ in pairs}) or _cuts_a_row(base, {twin for _, twin in pairs})
    return ComparedDays(tuple(pairs), tuple(after), tuple(before), cut)


def base_of_unknown(actual: DailyUse, base: DailyUse, base_year: int) -> Fraction | None:
    """What the base year used on the days that are not known of the actual ones.

    Returns
    -------
    None where it does not know one of them either.
    """
    shift, total = base_year - actual.start.year, Fraction(0)
    for day, known in zip(actual.days, actual.known.tolist(), strict=True):
        if known:
            continue
        twin = _twin(day, shift)
        at = -1 if twin is None else (twin - base.start).days
        if not (0 <= at < len(base) and base.known[at]):
            return None
        total += base.quantity[at]
    return total


def _twin(day: date, shift: int) -> date | None:
    try:
        return day.replace(year=day.year + shift)
    except ValueError:
        return None


def _of_meter(
    meter: MeterDays, start: date, end: date, length_s: NDArray[np.int64], whole_days: bool
) -> tuple[list[Fraction], Figures, list[Days]]:
    booked, spread = _booked_by_day(meter.ledger, start, end)
    told = np.array([one is not None for one in booked], dtype=bool)
    answered = meter.metered.answered_s / np.maximum(length_s, 1)
    metered = meter.metered.quantity
    if whole_days:
        metered = metered / np.where((answered >= KNOWN_SHARE) & (answered < 1.0), answered, 1.0)
    quantity = [
        one if one is not None else Fraction(figure)
        for one, figure in zip(booked, metered.tolist(), strict=True)
    ]
    return quantity, np.where(told, 1.0, answered), spread


def _booked_by_day(
    rows: Sequence[Booked], start: date, end: date
) -> tuple[list[Fraction | None], list[Days]]:
    """Each day's share of the row that it lies in, None where there is none; and the rows of several days."""
    quantity: list[Fraction | None] = [None] * ((end - start).days + 1)
    spread = []
    for share in apportion_by_day(rows, start, end):
        row, days = rows[share.row], (share.end - share.start).days + 1
        at = (share.start - start).days
        quantity[at : at + days] = [share.quantity / days] * days
        if row.end > row.start:
            spread.append((row.start, row.end))
    return quantity, spread


def _cuts_a_row(use: DailyUse, compared: Collection[date]) -> bool:
    """Whether a row of several days lies only partly on the compared days."""
    for days in use.spread:
        inside = [day in compared for day in _days_of(days)]
        if any(inside) and not all(inside):
            return True
    return False


def _days_of(days: Days) -> Iterator[date]:
    at, last = days
    while at <= last:
        yield at
        at += ONE_DAY
