"""One local day as a curve of mean power."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

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
    """Mean power of all meters by interval; a gap where one of them is not known or was caught up."""
    start_s, end_s = day_start_s(day, zone), day_start_s(day + timedelta(1), zone)
    total = np.zeros(-(-(end_s - start_s) // interval_s))
    worst = np.zeros(len(total), dtype=np.uint8)
    for one in meters:
        slots = np.full(len(total), np.nan)
        place = (one.start.astype(np.int64) - start_s) // interval_s
        slots[place] = np.where(one.caught_up, np.nan, one.rate_avg)
        total = total + slots
        worst[place] = np.maximum(worst[place], one.quality)
    if not len(meters) or np.isnan(total).all():
        return None
    starts = [datetime.fromtimestamp(start_s + n * interval_s, tz=UTC) for n in range(len(total))]
    local = [at.astimezone(zone) for at in starts]
    hours = tuple(at.hour + at.minute / 60 + at.second / 3600 for at in local)
    highest = int(np.nanargmax(total))
    return DayCurve(
        day,
        hours,
        tuple(float(value) for value in total),
        highest,
        Quality(int(worst[highest])),
        (start_s + (highest + 1) * interval_s) * 1000,
    )
