"""A meter's demand by days of its zone, so that a window is asked of all days at once."""

from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

import numpy as np

from rules.models.day_types import DAY_S, local_clock_s
from rules.models.observations import Floats, Instants, Ints


class NotAlignedError(ValueError):
    """An instant that does not lie at the edge of an interval of the zone's clock."""


@dataclass(frozen=True, slots=True)
class DailyLoad:
    """Demand by local day and interval of the day.

    Where clocks are set forward the skipped intervals are missing; where they are set back, an interval that
    comes twice is the mean of both.

    Attributes
    ----------
    first : the first day.
    interval_s : length of an interval. [s]
    kw : (days, slots) mean demand, NaN = missing. [kW]
    sums : (days, slots + 1) sums of ``kw`` from midnight on, what is missing left out. [kW]
    missing : (days, slots + 1) how many are missing, from midnight on.

    A day's sums begin at its own midnight, so that no other day can change them, not even by rounding.
    """

    first: date
    interval_s: int
    kw: Floats
    sums: Floats
    missing: Ints

    @property
    def days(self) -> int:
        """Number of days."""
        return len(self.kw)

    @property
    def slots(self) -> int:
        """Intervals a day."""
        return DAY_S // self.interval_s

    def row_of(self, day: date) -> int:
        """Row of a day; outside 0 to ``days`` - 1 where nothing is known of it."""
        return (day - self.first).days

    def day_of(self, row: int) -> date:
        """Day of a row."""
        return self.first + timedelta(days=row)

    def means(self, from_slot: int, to_slot: int) -> Floats:
        """(days,) mean demand from one interval to another, counted from each day's midnight. [kW]

        Below zero is the day before, from ``slots`` on the day after. NaN where any interval is missing.
        """
        total, missing = np.zeros(self.days), np.zeros(self.days, dtype=np.int64)
        for offset, first, last in self._pieces(from_slot, to_slot):
            total += self._shifted(self.sums[:, last] - self.sums[:, first], offset, 0.0)
            gaps = self.missing[:, last] - self.missing[:, first]
            missing += self._shifted(gaps.astype(np.float64), offset, 1.0).astype(np.int64)
        return np.where(missing > 0, np.nan, total / (to_slot - from_slot))

    def maxima(self, from_slot: int, to_slot: int) -> Floats:
        """(days,) highest demand of an interval, asked as ``means`` is. [kW]"""
        pieces = [
            self._shifted(self.kw[:, first:last].max(axis=1), offset, np.nan)  # NaN where any is missing
            for offset, first, last in self._pieces(from_slot, to_slot)
        ]
        highest: Floats = np.maximum.reduce(pieces)
        return highest

    def _pieces(self, from_slot: int, to_slot: int) -> list[tuple[int, int, int]]:
        """(offset in days, first slot, last slot) of the days that a span touches."""
        offsets = touched_days(from_slot, to_slot, self.slots)
        return [
            (day, max(from_slot - day * self.slots, 0), min(to_slot - day * self.slots, self.slots))
            for day in offsets
        ]

    def _shifted(self, column: Floats, offset: int, absent: float) -> Floats:
        """(days,) what stands ``offset`` days further on."""
        if offset == 0:
            return column
        moved = np.full(self.days, absent)
        if offset < 0:
            moved[-offset:] = column[:offset]
        else:
            moved[:-offset] = column[offset:]
        return moved


def touched_days(from_slot: int, to_slot: int, slots: int) -> range:
    """Which days a span of intervals touches, counted from the day whose midnight it is counted from."""
    return range(from_slot // slots, -(-to_slot // slots))


def daily_load(start: Instants, mean_kw: Floats, interval_s: int, zone: tzinfo) -> DailyLoad:
    """Lay a series out by days.

    Parameters
    ----------
    start : (n,) datetime64[s] UTC, starts of intervals, rising.
    mean_kw : (n,) mean demand, NaN = not measured. [kW]
    interval_s : length of every interval; divides a day. [s]

    Raises
    ------
    NotAlignedError : an interval does not begin at a multiple of ``interval_s`` of the zone's clock.
    """
    slots = DAY_S // interval_s
    local_s = local_clock_s(start, zone)
    if (local_s % interval_s).any():
        raise NotAlignedError(f"not every interval begins at a multiple of {interval_s} s")
    first_day = int(local_s.min()) // DAY_S if len(local_s) else 0
    days = int(local_s.max()) // DAY_S - first_day + 1 if len(local_s) else 0
    at = local_s // interval_s - first_day * slots
    size = days * slots
    seen = np.bincount(at, minlength=size)
    total = np.bincount(at, weights=mean_kw, minlength=size)
    kw = np.where(seen > 0, total / np.maximum(seen, 1), np.nan).reshape(days, slots)
    absent = np.isnan(kw)
    return DailyLoad(
        first=date(1970, 1, 1) + timedelta(days=first_day),
        interval_s=interval_s,
        kw=kw,
        sums=_from_midnight(np.where(absent, 0.0, kw)),
        missing=_from_midnight(absent.astype(np.float64)).astype(np.int64),
    )


def _from_midnight(values: Floats) -> Floats:
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums
