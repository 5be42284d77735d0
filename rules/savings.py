"""What a period used, how much of it is known, and how it differs from the base year.

Ledgers come first, registers second, and never both for the same day. What is not known is told as
missing coverage; it never counts as nothing used.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rules.calendar import day_start_s
from rules.intervals import IntervalSeries
from rules.quality import Quality

SIGNIFICANT_DIGITS = 6  # of the larger figure: enough for a percentage with two true decimals
MOST_DECIMALS = 3  # litres of water, watt-hours
ONE_DAY = timedelta(days=1)

Days = tuple[date, date]
"""A run of days, the first and the last included."""


class Booked(Protocol):
    """A ledger row: ``quantity`` was used from ``start`` to ``end``, both days included."""

    @property
    def start(self) -> date:
        """First day."""

    @property
    def end(self) -> date:
        """Last day, inclusive."""

    @property
    def quantity(self) -> float:
        """In the commodity's unit."""


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a ledger row that falls into a period.

    Attributes
    ----------
    row : position of the row among those that were given.
    start, end : the days of the row that lie in the period, inclusive.
    quantity : the row's quantity, by days where it lies only partly inside.
    apportioned : it lies only partly inside.
    """

    row: int
    start: date
    end: date
    quantity: Fraction
    apportioned: bool


@dataclass(frozen=True, slots=True)
class MeterRecord:
    """What is known of one meter: readings written down, and closed intervals."""

    id: str
    ledger: Sequence[Booked]
    series: IntervalSeries


@dataclass(frozen=True, slots=True)
class QualityShares:
    """Shares of the period's time by the quality of what is known; they add up to 1."""

    good: float
    estimated: float
    suspect: float
    missing: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a period used.

    Attributes
    ----------
    quantity : sum of what is known, in the commodity's unit; None where nothing is known at all.
    coverage : share of the period's time that is answered for, 0 to 1; the mean over meters.
    quality : how good that is.
    booked : shares of the commodity's own ledger rows.
    meter_booked : shares of each meter's ledger rows, by meter.
    metered : meters whose closed intervals were counted.
    """

    quantity: Fraction | None
    coverage: float
    quality: QualityShares
    booked: tuple[Share, ...] = ()
    meter_booked: tuple[tuple[str, tuple[Share, ...]], ...] = ()
    metered: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all of the period is answered for."""
        return self.coverage >= 1.0


class Direction(StrEnum):
    """Which way a figure went against the base year."""

    DECREASE = "decrease"
    INCREASE = "increase"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """Actual against base.

    Attributes
    ----------
    change : actual - base; negative means saved. None where either is not known.
    percent : abs(change) / base * 100, two decimals, half up, no trailing zero; None without a base.
    direction : None where either is not known.
    """

    change: Decimal | None
    percent: Decimal | None
    direction: Direction | None


def plain_difference(base: Decimal | None, actual: Decimal | None) -> Change:
    """Hold a figure against the base year's, with no adjustment.

    Examples
    --------
    >>> plain_difference(Decimal(10443), Decimal(12615))
    Change(change=Decimal('2172'), percent=Decimal('20.8'), direction=<Direction.INCREASE: 'increase'>)
    """
    if base is None or actual is None:
        return Change(None, None, None)
    change = actual - base
    if change == 0:
        direction = Direction.UNCHANGED
    else:
        direction = Direction.INCREASE if change > 0 else Direction.DECREASE
    if base == 0:
        return Change(change, None, direction)
    exact = abs(Fraction(change) / Fraction(base)) * 100
    return Change(change, _trimmed(_half_up(exact, 2)), direction)


def printed_figures(*quantities: Fraction | None) -> tuple[Decimal | None, ...]:
    """Round figures that are held against each other to the decimals that all of them are printed with.

    Six digits of the larger one, at most three decimals, at least whole units; half up, no trailing zero.
    Differences are made from these, so that a reader with a pocket calculator finds the same.
    """
    largest = max((abs(quantity) for quantity in quantities if quantity is not None), default=Fraction(0))
    whole_digits = len(str(int(largest)))
    decimals = min(MOST_DECIMALS, max(0, SIGNIFICANT_DIGITS - whole_digits))
    return tuple(
        None if quantity is None else _trimmed(_half_up(quantity, decimals)) for quantity in quantities
    )


def apportion_by_day(rows: Sequence[Booked], start: date, end: date) -> tuple[Share, ...]:
    """Take the shares of ledger rows that fall on the days from ``start`` to ``end``, inclusive.

    A row that lies only partly inside gives its quantity by the number of days, and is marked.
    """
    shares = []
    for number, row in enumerate(rows):
        first, last = max(row.start, start), min(row.end, end)
        if first > last:
            continue
        inside, total = (last - first).days + 1, (row.end - row.start).days + 1
        # A ledger's figure is decimal: its shortest text is what was written.
        quantity = Fraction(repr(float(row.quantity))) * Fraction(inside, total)
        shares.append(Share(number, first, last, quantity, inside < total))
    return tuple(shares)


def days_without(booked: Iterable[Days], start: date, end: date) -> tuple[Days, ...]:
    """Runs of days from ``start`` to ``end``, inclusive, that nothing is booked on."""
    free = []
    at = start
    for first, last in sorted(booked):
        if first > at:
            free.append((at, min(first - ONE_DAY, end)))
        at = max(at, last + ONE_DAY)
        if at > end:
            return tuple(free)
    return (*free, (at, end)) if at <= end else tuple(free)


def usage_over(
    start: date, end: date, zone: tzinfo, ledger: Sequence[Booked], meters: Sequence[MeterRecord]
) -> Usage:
    """What was used from ``start`` to ``end``, both days included, of the site's own calendar.

    For each day the commodity's own ledger answers; where it is silent, each meter's ledger; where that
    is silent too, the meter's closed intervals. Never two of them for one day.

    Parameters
    ----------
    ledger : rows of the commodity, which share no day.
    meters : those whose sum is the site's use; their series reach an hour beyond the period.
    """
    booked = apportion_by_day(ledger, start, end)
    tally = _Tally(zone)
    for share in booked:
        tally.book(share)
    left = days_without(((share.start, share.end) for share in booked), start, end)
    meter_booked: list[tuple[str, tuple[Share, ...]]] = []
    metered: list[str] = []
    for meter in meters if left else ():
        shares, intervals = _of_meter(meter, left, zone)
        if shares:
            meter_booked.append((meter.id, shares))
        if intervals.counts:
            metered.append(meter.id)
        tally.add(shares, intervals, len(meters))
    total_s = day_start_s(end + ONE_DAY, zone) - day_start_s(start, zone)
    coverage, quality = tally.shares(total_s)
    quantity = tally.quantity if tally.knows else None
    return Usage(quantity, coverage, quality, booked, tuple(meter_booked), tuple(metered))


def _of_meter(meter: MeterRecord, left: Sequence[Days], zone: tzinfo) -> tuple[tuple[Share, ...], "_Metered"]:
    shares: list[Share] = []
    free: list[Days] = []
    for first, last in left:
        inside = apportion_by_day(meter.ledger, first, last)
        shares += inside
        free += days_without(((share.start, share.end) for share in inside), first, last)
    bounds = [(day_start_s(first, zone), day_start_s(last + ONE_DAY, zone)) for first, last in free]
    return tuple(shares), _metered(meter.series, bounds)


@dataclass(frozen=True, slots=True)
class _Metered:
    """Sum of a meter's intervals, and for each quality below MISSING the seconds answered for."""

    counts: bool
    quantity: Fraction
    answered_s: tuple[float, ...]


def _metered(series: IntervalSeries, bounds: Sequence[tuple[int, int]]) -> _Metered:
    """Sum the intervals inside [from, to) spans; one that crosses an end counts by time."""
    start_s = series.start.astype(np.int64)
    end_s = start_s + series.duration_s
    known = np.isfinite(series.quantity) & (series.quality < Quality.MISSING)
    answers = answered_shares(series)
    quantities: list[float] = []
    answered_s = [0.0, 0.0, 0.0]
    for first_s, last_s in bounds:
        inside_s = np.minimum(end_s, last_s) - np.maximum(start_s, first_s)
        taken = known & (inside_s > 0)
        share = inside_s[taken] / series.duration_s[taken]
        quantities += (series.quantity[taken] * share).tolist()
        for quality in (Quality.GOOD, Quality.ESTIMATED, Quality.SUSPECT):
            of_quality = series.quality[taken] == quality
            answered_s[quality] += float((inside_s[taken] * answers[taken])[of_quality].sum())
    return _Metered(bool(quantities), Fraction(math.fsum(quantities)), tuple(answered_s))


def answered_shares(series: IntervalSeries) -> NDArray[np.float64]:
    """Share of its time that each interval answers for: (n,), 0 to 1.

    All of it, for the register spans the silences inside. Only where a meter's record begins inside an
    interval does it answer for no more than its coverage.
    """
    start_s = series.start.astype(np.int64)
    begins = np.ones(len(series), dtype=bool)
    begins[1:] = start_s[1:] != (start_s + series.duration_s)[:-1]
    return np.where(begins & series.caught_up, series.coverage, 1.0)


class _Tally:
    """Adds up quantities and the seconds that they answer for."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self.quantity = Fraction(0)
        self.knows = False
        self._answered_s = [0.0, 0.0, 0.0]

    def book(self, share: Share, of: int = 1) -> None:
        """Add a ledger's share; a meter is one ``of`` so many that answer for the same time."""
        self.knows = True
        self.quantity += share.quantity
        length_s = day_start_s(share.end + ONE_DAY, self.zone) - day_start_s(share.start, self.zone)
        quality = Quality.ESTIMATED if share.apportioned else Quality.GOOD
        self._answered_s[quality] += length_s / of

    def add(self, shares: Sequence[Share], intervals: _Metered, of: int) -> None:
        """Add what one of so many meters has to say."""
        for share in shares:
            self.book(share, of)
        self.knows = self.knows or intervals.counts
        self.quantity += intervals.quantity
        for quality, answered_s in enumerate(intervals.answered_s):
            self._answered_s[quality] += answered_s / of

    def shares(self, total_s: int) -> tuple[float, QualityShares]:
        """Coverage, and the shares of time by quality, to a millionth."""
        good, estimated, suspect = (round(seconds / total_s, 6) for seconds in self._answered_s)
        coverage = min(1.0, round(math.fsum(self._answered_s) / total_s, 6))
        missing = round(1.0 - coverage, 6)
        return coverage, QualityShares(good, estimated, suspect, missing)


def _half_up(quantity: Fraction, decimals: int) -> Decimal:
    """Round a fraction half up (away from zero), as people do; no step in between rounds first."""
    scale = 10**decimals
    doubled = abs(quantity) * scale * 2
    steps = (doubled.numerator // doubled.denominator + 1) // 2
    return Decimal(steps if quantity >= 0 else -steps).scaleb(-decimals)


def _trimmed(number: Decimal) -> Decimal:
    """Without trailing zeros, and never in powers of ten: 20.80 -> 20.8, 100 stays 100."""
    short = number.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short
