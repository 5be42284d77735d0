"""The half-year so far against the same days of the base year: only days that both sides know are held up."""

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from config.site import COMMODITY_UNITS, Commodity, CommoditySettings
from monitor.store.known_days import known_days
from monitor.store.reader import StoreReader
from rules.calendar import half_year_of
from rules.daily import ComparedDays
from rules.savings import ONE_DAY, Change, plain_difference, printed_figures


@dataclass(frozen=True, slots=True)
class MonthPair:
    """One month of both years, over the days that both know; NaN where there are none."""

    month: int
    actual: float
    base: float


@dataclass(frozen=True, slots=True)
class HalfYear:
    """A half-year so far beside its base year.

    Attributes
    ----------
    year, half : which half-year; ``base_year`` it is held against.
    first, last : the days that have passed; ``last`` lies before ``first`` on the first day.
    actual, base : use over the compared days, in ``unit``, as the report prints it; None when none can be
        compared.
    change : actual against base, as the report tells it.
    days, compared : days that have passed, and how many of them both sides know.
    estimated : a figure holds a part of a longer ledger entry, by days.
    base_known : something is known of the base year's days.
    """

    year: int
    half: int
    base_year: int
    unit: str
    first: date
    last: date
    actual: Decimal | None
    base: Decimal | None
    change: Change
    days: int
    compared: int
    estimated: bool
    base_known: bool
    months: tuple[MonthPair, ...]


def compare(
    reader: StoreReader, commodity: Commodity, settings: CommoditySettings, *, today: date, zone: ZoneInfo
) -> HalfYear:
    """Hold the days before ``today`` against the same days of the base year."""
    half, yesterday = half_year_of(today), today - ONE_DAY
    compared, days, base_known = ComparedDays((), (), (), estimated=False), 0, False
    if half.holds(yesterday):
        passed = half.through(yesterday)
        _, base_days, compared = known_days(reader, commodity, settings, passed, zone)
        days, base_known = passed.days, bool(base_days.known.any())
    base, actual = printed_figures(*reversed(compared.sums() or (None, None)))
    return HalfYear(
        year=today.year,
        half=1 if half.start.month == 1 else 2,
        base_year=settings.base_year,
        unit=COMMODITY_UNITS[commodity],
        first=half.start,
        last=yesterday,
        actual=actual,
        base=base,
        change=plain_difference(base, actual),
        days=days,
        compared=len(compared.pairs),
        estimated=compared.estimated,
        base_known=base_known,
        months=tuple(_month(compared, month) for month in range(half.start.month, half.start.month + 6)),
    )


def _month(compared: ComparedDays, month: int) -> MonthPair:
    actual, base = compared.sums(month) or (math.nan, math.nan)
    return MonthPair(month, float(actual), float(base))
