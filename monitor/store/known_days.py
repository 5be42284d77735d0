"""What the store knows of each day of a commodity, for whoever compares days: the page and the results."""

from dataclasses import replace
from datetime import date, timedelta
from operator import add
from zoneinfo import ZoneInfo

from config.site import Commodity, CommoditySettings
from monitor.store.booked import LedgerEntry
from monitor.store.reader import StoreReader
from rules.adjustments import Book, by_day
from rules.calendar import ReportingPeriod, day_start_s
from rules.daily import (
    ComparedDays,
    DailyUse,
    MeterDays,
    MeteredDays,
    compare_days,
    metered_by_day,
    use_by_day,
)
from rules.savings import ONE_DAY, Days, days_without

LONGEST_INTERVAL_S = 3600  # one may begin before local midnight and end after it
DAYS_AT_ONCE = timedelta(days=31)
"""Half a year of intervals at once would be most of the page's memory."""


def known_days(
    reader: StoreReader,
    commodity: Commodity,
    settings: CommoditySettings,
    period: ReportingPeriod,
    zone: ZoneInfo,
) -> tuple[DailyUse, DailyUse, ComparedDays]:
    """Each day of a period, each day of its base period with the locked base year's adjustments, and those
    that both know. A day that is known but for a part is made whole: the part is no saving.
    """
    days = period.start, period.end
    actual = days_used(reader, commodity, settings.meters, days, zone, whole_days=True)
    twin = period.baseline(settings.base_year)
    base = days_used(reader, commodity, settings.meters, (twin.start, twin.end), zone, whole_days=True)
    adjusted = reader.answers.adjustments(commodity.value, twin, Book.BASE)
    if adjusted:
        extra = by_day(adjusted, twin.start, twin.end)
        base = replace(base, quantity=tuple(map(add, base.quantity, extra)))
    return actual, base, compare_days(actual, base, settings.base_year)


def days_used(
    reader: StoreReader,
    commodity: Commodity,
    meters: tuple[str, ...],
    days: Days,
    zone: ZoneInfo,
    *,
    spread_rows: bool = True,
    of_meters_alone: bool = False,
    whole_days: bool = False,
) -> DailyUse:
    """Ask the ledgers first, and the intervals only for the days on which they are silent.

    Parameters
    ----------
    spread_rows : ledger rows of several days tell the mean of them for each. Else they are silent: a month's
        bill says nothing of any day.
    of_meters_alone : leave the commodity's own ledger out, where a sub-meter is asked.
    whole_days : as ``use_by_day`` has it.
    """
    start, end = days
    ledger = [] if of_meters_alone else _rows(reader, commodity, days, spread_rows)
    left = days_without([(row.start, row.end) for row in ledger], start, end)
    records = []
    for meter in meters:
        own = _rows(reader, meter, days, spread_rows)
        booked = [(row.start, row.end) for row in own]
        metered = MeteredDays.silent((end - start).days + 1)
        for first, last in (run for free in left for run in days_without(booked, *free)):
            _put_metered(reader, meter, first, last, zone, metered, start)
        records.append(MeterDays(own, metered))
    return use_by_day(start, end, zone, ledger, records, whole_days=whole_days)


def _rows(reader: StoreReader, subject: str, days: Days, spread_rows: bool) -> list[LedgerEntry]:
    rows = reader.ledger(subject, *days)
    return rows if spread_rows else [row for row in rows if row.start == row.end]


def _put_metered(
    reader: StoreReader,
    meter: str,
    first: date,
    last: date,
    zone: ZoneInfo,
    metered: MeteredDays,
    start: date,
) -> None:
    while first <= last:
        until = min(last, first + DAYS_AT_ONCE - ONE_DAY)
        # One interval more before the block, so that the first one is known to follow another.
        from_s = day_start_s(first, zone) - 2 * LONGEST_INTERVAL_S
        series = reader.intervals(meter, from_s, day_start_s(until + ONE_DAY, zone))
        metered.put((first - start).days, metered_by_day(series, first, until, zone))
        first = until + ONE_DAY
