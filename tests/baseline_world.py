"""A meter's year of quarter hours in Taipei, and the ten days of the reference's worked examples."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from rules.baseline.baseline import Occasion, Surroundings
from rules.baseline.days import day_book
from rules.baseline.load import DailyLoad, daily_load

TAIPEI = ZoneInfo("Asia/Taipei")
QUARTER_S = 900
SLOTS = 96

EVENT = date(2025, 7, 15)  # a Tuesday
FIRST = date(2025, 6, 1)
MEANS = (1000, 1020, 980, 1040, 960, 1010, 990, 1030, 970, 1100)
MAXIMA = (1050, 1075, 1020, 1095, 1010, 1060, 1040, 1080, 1020, 1150)
BEFORE = (900, 930, 880, 925, 870, 905, 895, 915, 875, 1000)
TEN = tuple(date(2025, 7, day) for day in (14, 11, 10, 9, 8, 7, 4, 3, 2, 1))  # 1 = latest
WINDOW = slice(13 * 4, 15 * 4)
HOURS_BEFORE = slice(9 * 4, 12 * 4)  # hours -4 to -1


def instant_s(day: date, hour: float, zone: ZoneInfo = TAIPEI) -> int:
    """An hour of a day's clock as seconds UTC."""
    midnight = datetime.combine(day, datetime.min.time(), tzinfo=zone)
    return int((midnight + timedelta(hours=hour)).timestamp())


def occasion(day: date = EVENT, start: float = 13, end: float = 15, notice: float | None = None) -> Occasion:
    """A window of a day's clock."""
    notice_s = None if notice is None else instant_s(day, notice)
    return Occasion(instant_s(day, start), instant_s(day, end), notice_s)


def laid_out(kw, first: date = FIRST, zone: ZoneInfo = TAIPEI) -> DailyLoad:
    """(days, slots) of a zone without clock changes as a load; NaN = missing."""
    flat = np.asarray(kw, dtype=float).reshape(-1)
    begin = np.datetime64(datetime.fromtimestamp(instant_s(first, 0, zone), UTC).replace(tzinfo=None), "s")
    start = begin + np.arange(len(flat)) * np.timedelta64(QUARTER_S, "s")
    return daily_load(start, flat, QUARTER_S, zone)


def around(load: DailyLoad, off_peak=None, events=(), contract_kw=None, zone=TAIPEI) -> Surroundings:
    """What is known beside a load; the off-peak days of 2025 are none unless said."""
    lists = {2025: ()} if off_peak is None else off_peak
    return Surroundings(day_book(load, lists, set(events)), zone, contract_kw)


def table_kw() -> np.ndarray:
    """(days, slots) the worked examples' days: window, hours before and event day; else 500 kW."""
    kw = np.full(((EVENT - FIRST).days + 1, SLOTS), 500.0)
    rows = [(day - FIRST).days for day in TEN]
    for row, mean, highest, before in zip(rows, MEANS, MAXIMA, BEFORE, strict=True):
        _window(kw, row, mean, highest)
        kw[row, HOURS_BEFORE] = before
    _window(kw, -1, 840, 900)
    kw[-1, HOURS_BEFORE] = 955.5
    return kw


def _window(kw: np.ndarray, row: int, mean: float, highest: float) -> None:
    kw[row, WINDOW] = (8 * mean - highest) / 7
    kw[row, WINDOW.start + 3] = highest
