"""Kinds of time: workdays, Saturdays, Sundays and holidays from a dated calendar, and hours of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from enum import IntEnum

import numpy as np

from rules.models.observations import NO_CELL, Instants, Ints

DAY_S = 86400
HOUR_S = 3600
HOURS = 24


class DayType(IntEnum):
    """How a day is used."""

    WORKDAY = 0
    SATURDAY = 1
    SUNDAY = 2
    HOLIDAY = 3


@dataclass(frozen=True, slots=True)
class DatedCalendar:
    """A country's announced days, which hold from ``first`` to ``last``, both included.

    Attributes
    ----------
    holidays : days off that are no weekend by themselves, and weekends that a feast falls on.
    makeup_workdays : Saturdays (or Sundays) that are worked for a bridged day, as Taiwan announces them.
    """

    first: date
    last: date
    holidays: frozenset[date]
    makeup_workdays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a day that is both."""
        both = self.holidays & self.makeup_workdays
        if both:
            raise ValueError(f"both a holiday and a workday: {min(both).isoformat()}")

    def day_type(self, day: date) -> DayType | None:
        """Return how a day is used; None outside the calendar."""
        if not self.first <= day <= self.last:
            return None
        if day in self.makeup_workdays:
            return DayType.WORKDAY
        if day in self.holidays:
            return DayType.HOLIDAY
        return DayType(max(0, day.weekday() - 4))


def day_type_cells(days: Sequence[date], calendar: DatedCalendar) -> Ints:
    """(n,) day types as cells; ``NO_CELL`` outside the calendar."""
    kinds = (calendar.day_type(day) for day in days)
    return np.array([NO_CELL if kind is None else int(kind) for kind in kinds], dtype=np.int64)


def weekday_cells(days: Sequence[date]) -> Ints:
    """(n,) 0 Monday to 6 Sunday."""
    return np.array([day.weekday() for day in days], dtype=np.int64)


def hour_of_week_cells(start: Instants, zone: tzinfo) -> Ints:
    """(n,) 0 to 167 for hours that start at some instants UTC, 0 = Monday 00:00 of the zone."""
    local_s = local_clock_s(start, zone)
    weekday = (local_s // DAY_S + 3) % 7  # 1970 began on a Thursday
    return weekday * HOURS + local_s % DAY_S // HOUR_S


def hour_of_day_type_cells(start: Instants, zone: tzinfo, calendar: DatedCalendar) -> Ints:
    """(n,) 0 to 95: day type times 24 plus the hour of the zone; ``NO_CELL`` outside the calendar."""
    local_s = local_clock_s(start, zone)
    days, of_day = np.unique(local_s // DAY_S, return_inverse=True)
    dates = days.astype("datetime64[D]").astype(object).tolist()
    kind = day_type_cells(dates, calendar)[of_day]
    return np.where(kind == NO_CELL, NO_CELL, kind * HOURS + local_s % DAY_S // HOUR_S)


def local_dates(start: Instants, zone: tzinfo) -> list[date]:
    """Return the day of the zone on which each instant UTC lies."""
    dates: list[date] = (local_clock_s(start, zone) // DAY_S).astype("datetime64[D]").astype(object).tolist()
    return dates


def local_clock_s(start: Instants, zone: tzinfo) -> Ints:
    """Clock time of the zone as seconds since 1970; the zone is asked twice a day, more only where clocks
    change.
    """
    utc_s = start.astype("datetime64[s]").astype(np.int64)
    days, of_row = np.unique(utc_s // DAY_S, return_inverse=True)
    at_start = np.array([_offset_s(int(day) * DAY_S, zone) for day in days], dtype=np.int64)
    at_end = np.array([_offset_s((int(day) + 1) * DAY_S - 1, zone) for day in days], dtype=np.int64)
    offset = at_start[of_row]
    for row in np.flatnonzero((at_start != at_end)[of_row]):
        offset[row] = _offset_s(int(utc_s[row]), zone)
    return utc_s + offset


def _offset_s(instant_s: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(instant_s, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
