"""The days before an event: which may be used, which are, and why the others fell out."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from rules.baseline.load import DailyLoad, touched_days
from rules.baseline.method import DayKinds, Days, Selection
from rules.models.day_types import DayType
from rules.models.observations import Flags, Floats, Ints

SlotSpan = tuple[int, int]
"""From one interval to another, counted from a day's midnight."""


class Reason(StrEnum):
    """Why a day does not count."""

    EVENT = "event"
    WEEKEND = "weekend"
    OFF_PEAK = "off_peak"
    WORKDAY = "workday"
    """where the event is on none, and days like its own are wanted"""
    INCOMPLETE = "incomplete"
    TOO_LOW = "too_low"
    OUTSIDE_LOOKBACK = "outside_lookback"
    """this day, and every one before it"""
    NOTHING_KNOWN = "nothing_known"
    """of this day, and of none before it"""
    NOT_CHOSEN = "not_chosen"
    """found, but not among the highest or the middle ones"""


@dataclass(frozen=True, slots=True)
class DayUsed:
    """A day that the baseline is made of, and what of its window counts. [kW]"""

    day: date
    kw: float


@dataclass(frozen=True, slots=True)
class DayLeftOut:
    """A day that does not count, and why; ``kw`` is its window where it is known."""

    day: date
    reason: Reason
    kw: float | None = None


@dataclass(frozen=True, slots=True)
class DayBook:
    """What kind each day of a load is.

    Attributes
    ----------
    kind : (days,) ``DayType``; an off-peak day is a holiday, on whatever weekday it falls.
    listed : (days,) bool, whether the off-peak days of its year are known.
    event : (days,) bool, days with an event, whatever became of it.
    """

    kind: Ints
    listed: Flags
    event: Flags


def day_book(
    load: DailyLoad, off_peak: Mapping[int, Collection[date]], event_days: Collection[date]
) -> DayBook:
    """Make the book of a load's days.

    Parameters
    ----------
    off_peak : the off-peak days by year; a year that is missing has no list.
    """
    days = [load.day_of(row) for row in range(load.days)]
    kinds = [day_kind(day, off_peak) for day in days]
    return DayBook(
        kind=np.array([int(kind) for kind in kinds], dtype=np.int64),
        listed=np.array([day.year in off_peak for day in days], dtype=bool),
        event=np.array([day in event_days for day in days], dtype=bool),
    )


def day_kind(day: date, off_peak: Mapping[int, Collection[date]]) -> DayType:
    """Workday, Saturday, Sunday, or holiday where it is an off-peak day."""
    if day in off_peak.get(day.year, ()):
        return DayType.HOLIDAY
    return DayType(max(0, day.weekday() - 4))


@dataclass(frozen=True, slots=True)
class Found:
    """The days of a baseline: those used, the latest first, and those left out; ``short`` by how many."""

    used: tuple[DayUsed, ...]
    left_out: tuple[DayLeftOut, ...]
    short: int


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for before an event.

    Attributes
    ----------
    rule : the method's days.
    row : the event's own day, as a row of the load.
    own_rows : rows of every day that the event itself touches.
    like : whether the event is on a workday.
    spans : the spans of a day that must be known, the window first.
    window : (days,) what counts of each day's window, NaN = not wholly known. [kW]
    known : (days,) bool, all spans are wholly known.
    """

    rule: Days
    row: int
    own_rows: range
    like: bool
    spans: tuple[SlotSpan, ...]
    window: Floats
    known: Flags


def find_days(load: DailyLoad, book: DayBook, search: Search) -> Found:
    """Find the days, going back from the event."""
    rule = search.rule
    left_out: list[DayLeftOut] = []
    low: set[int] = set()
    rows = _eligible(load, book, search, left_out.append)
    taken: list[int] = []
    while True:
        while len(taken) < rule.wanted and (row := next(rows, None)) is not None:
            taken.append(row)
        below = _too_low(search.window, taken, rule.drop_below)
        if not below:
            break
        low |= below
        taken = [row for row in taken if row not in below]
    left_out += [DayLeftOut(load.day_of(row), Reason.TOO_LOW, float(search.window[row])) for row in low]
    short = rule.wanted - len(taken)
    chosen = set(taken) if short else _chosen(search.window, taken, rule)
    left_out += [
        DayLeftOut(load.day_of(row), Reason.NOT_CHOSEN, float(search.window[row]))
        for row in taken
        if row not in chosen
    ]
    used = tuple(DayUsed(load.day_of(row), float(search.window[row])) for row in taken if row in chosen)
    return Found(used, tuple(sorted(left_out, key=lambda one: one.day, reverse=True)), short)


def _eligible(
    load: DailyLoad, book: DayBook, search: Search, leave_out: Callable[[DayLeftOut], None]
) -> Iterator[int]:
    """Yield rows that may be used, the latest first, and tell of the others."""
    lookback = search.rule.lookback_days
    offsets = sorted({day for span in search.spans for day in touched_days(*span, load.slots)})
    own, events, kinds, known = search.own_rows, book.event, book.kind, search.known
    last = min(search.row - 1, load.days - 1)
    for row in range(last, -1, -1):
        if lookback is not None and search.row - row > lookback:
            break
        touched = [row + offset for offset in offsets]
        reason: Reason | None
        if any(one in own or (0 <= one < load.days and events[one]) for one in touched):
            reason = Reason.EVENT
        else:
            reason = _unlike(DayType(kinds[row]), search) or (None if known[row] else Reason.INCOMPLETE)
        if reason is None:
            yield row
        else:
            leave_out(DayLeftOut(load.day_of(row), reason))
    before = load.day_of(search.row) - timedelta(days=lookback + 1) if lookback is not None else None
    if before is not None and before >= load.first - timedelta(days=1):
        leave_out(DayLeftOut(before, Reason.OUTSIDE_LOOKBACK))
    else:
        leave_out(DayLeftOut(load.day_of(min(-1, last)), Reason.NOTHING_KNOWN))


def _unlike(kind: DayType, search: Search) -> Reason | None:
    """Why a day of this kind is not one of those that are wanted."""
    if search.rule.kinds is DayKinds.LIKE and not search.like:
        return Reason.WORKDAY if kind is DayType.WORKDAY else None
    if kind is DayType.WORKDAY:
        return None
    return Reason.OFF_PEAK if kind is DayType.HOLIDAY else Reason.WEEKEND


def _too_low(window: Floats, rows: list[int], share: float | None) -> set[int]:
    if share is None or not rows:
        return set()
    mean_kw = float(np.mean(window[rows]))
    return {row for row in rows if window[row] < share * mean_kw} if mean_kw > 0 else set()


def _chosen(window: Floats, rows: list[int], rule: Days) -> set[int]:
    """Those of the rows that count; of equal days the later one is the higher."""
    if rule.count is None:
        return set(rows)
    falling = sorted(rows, key=lambda row: (-window[row], -row))
    spare = (len(rows) - rule.count) // 2 if rule.select is Selection.MIDDLE else 0
    return set(falling[spare : spare + rule.count])
