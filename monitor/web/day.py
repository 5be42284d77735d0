"""One local day as a curve of mean power."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from monitor.web.snapshot import DayCurve
from rules.calendar import day_start_s
from rules.intervals import IntervalSeries
from rules.quality import Quality

DAYS_A_YEAR = 365.2425


def same_weekday(day: date, year: int) -> date | None:
    """The day of an earlier year with the same weekday and nearly the same date; None for a later year."""
    if year >= day.year:
        return None
    return day - timedelta(weeks=round((day.year - year) * DAYS_A_YEAR / 7))


def day_curve(
    meters: Sequence[IntervalSeries], day: date, zone: ZoneInfo, interval_s: int
) -> DayCurve | None:
    """Mean power of all meters by interval; a gap where one of them is not known or was caught up.

    The axis is the wall clock's, so that two days can be laid over each other: where the clocks skip an
    hour it stays empty, and an hour that comes twice shows the higher of the two means.
    """
    start_s, end_s = day_start_s(day, zone), day_start_s(day + timedelta(1), zone)
    first_s = -(-start_s // interval_s) * interval_s
    total = np.zeros(max(0, -(-(end_s - first_s) // interval_s)))
    worst = np.zeros(len(total), dtype=np.uint8)
    for one in meters:
        slots = np.full(len(total), np.nan)
        place = (one.start.astype(np.int64) - first_s) // interval_s
        inside = (place >= 0) & (place < len(total))
        slots[place[inside]] = np.where(one.caught_up, np.nan, one.rate_avg)[inside]
        total = total + slots
        worst[place[inside]] = np.maximum(worst[place[inside]], one.quality[inside])
    if not len(meters) or np.isnan(total).all():
        return None
    clock_s = _clock_s(first_s, len(total), zone, interval_s)
    shown = _by_clock(total, clock_s, interval_s)
    phase_s = clock_s[0] % interval_s
    hours = [(n * interval_s + phase_s) / 3600 for n in range(len(shown))]
    mean_kw = [math.nan if at is None else float(total[at]) for at in shown]
    highest = int(np.nanargmax(mean_kw))
    instant = shown[highest] or 0
    return DayCurve(
        day,
        tuple(hours),
        tuple(mean_kw),
        highest,
        Quality(int(worst[instant])),
        (first_s + (instant + 1) * interval_s) * 1000,
    )


def _clock_s(first_s: int, count: int, zone: ZoneInfo, interval_s: int) -> list[int]:
    """What the wall clock shows at the start of each interval, seconds since its midnight."""
    starts = [datetime.fromtimestamp(first_s + n * interval_s, tz=UTC).astimezone(zone) for n in range(count)]
    return [at.hour * 3600 + at.minute * 60 + at.second for at in starts]


def _by_clock(total: NDArray[np.float64], clock_s: list[int], interval_s: int) -> list[int | None]:
    """For each interval of the clock's day the position of its mean; None where the clock skips it."""
    shown: list[int | None] = [None] * -(-86_400 // interval_s)
    for at, seconds in enumerate(clock_s):
        before = shown[seconds // interval_s]
        if before is None or np.isnan(total[before]) or total[at] > total[before]:
            shown[seconds // interval_s] = at
    return shown
