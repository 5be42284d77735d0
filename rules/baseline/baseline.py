"""A baseline for a window: its days, their statistic, what the event day adds, and all that it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

import numpy as np

from rules.baseline.adjusting import Adjusted, adjust
from rules.baseline.days import DayBook, DayLeftOut, DayUsed, Search, SlotSpan, find_days
from rules.baseline.load import DailyLoad, NotAlignedError, touched_days
from rules.baseline.method import Anchor, Days, Method, Span, Statistic
from rules.models.day_types import DAY_S, HOUR_S, DayType, local_clock_s
from rules.models.findings import ModelFinding, refusal, remark
from rules.models.observations import Floats


@dataclass(frozen=True, slots=True)
class Occasion:
    """The window that a baseline is wanted for.

    Attributes
    ----------
    start_s, end_s : [start, end), seconds since 1970 UTC.
    notice_s : when it was announced; None where that is not known.
    """

    start_s: int
    end_s: int
    notice_s: int | None = None

    def __post_init__(self) -> None:
        """Refuse a window that cannot be."""
        if self.end_s <= self.start_s:
            raise ValueError("a window ends after it begins")
        if self.notice_s is not None and self.notice_s > self.start_s:
            raise ValueError("a notice comes before the event")

    @property
    def hours(self) -> float:
        """Length. [h]"""
        return (self.end_s - self.start_s) / HOUR_S


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the load.

    Attributes
    ----------
    book : the kind of each of the load's days.
    zone : the site's.
    contract_kw : regular contract capacity; None where nobody said. [kW]
    """

    book: DayBook
    zone: tzinfo
    contract_kw: float | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the customer would have drawn.

    Attributes
    ----------
    kw : the baseline; None where the method gives no number. [kW]
    unadjusted_kw : before the event day's adjustment and the contract's cap. [kW]
    adjusted : what the adjustment did; None without one.
    days : the days that it is made of, the latest first.
    left_out : days that fell out on the way, the latest first, each with its reason.
    findings : why there is no number, or what to know about it.
    """

    kw: float | None
    unadjusted_kw: float | None
    adjusted: Adjusted | None
    days: tuple[DayUsed, ...]
    left_out: tuple[DayLeftOut, ...]
    findings: tuple[ModelFinding, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a window lies: row of its day, its intervals, and the clock's midnight of that day. [s]"""

    row: int
    window: SlotSpan
    midnight_s: int


def window_kw(load: DailyLoad, occasion: Occasion, statistic: Statistic, zone: tzinfo) -> float | None:
    """What was drawn in a window; None where it is not wholly known. [kW]

    Raises
    ------
    NotAlignedError : an edge lies inside an interval.
    """
    place = _place(load, occasion, zone)
    return _at(_statistic(load, statistic, place.window), place.row)


def baseline(load: DailyLoad, method: Method, occasion: Occasion, around: Surroundings) -> Baseline:
    """Work a method out.

    Days on which there was an event are never used, whatever else is lacking.

    Raises
    ------
    NotAlignedError : an edge of the window lies inside an interval.
    """
    place = _place(load, occasion, around.zone)
    if method.days is None:
        return _of_the_same_day(load, method, occasion, around, place)
    return _of_days_before(load, method, method.days, occasion, around, place)


def baseline_again(
    load: DailyLoad, method: Method, occasion: Occasion, around: Surroundings, days: Sequence[date]
) -> float | None:
    """The figure of a baseline of which the days are known; None where it cannot be worked out. [kW]

    Nothing is looked for: whether they are the right days takes the load of all the days that fell out.

    Raises
    ------
    NotAlignedError : an edge of the window lies inside an interval.
    """
    place = _place(load, occasion, around.zone)
    if method.days is None:
        return _of_the_same_day(load, method, occasion, around, place).kw
    rows = [load.row_of(day) for day in days]
    kw = _mean_of(_statistic(load, method.statistic, place.window), rows)
    if kw is not None and method.adjustment is not None:
        hours = _slots(load, method.adjustment.span, occasion, around.zone, place)
        before = None if hours is None else load.means(*hours)
        days_kw = None if before is None else _mean_of(before, rows)
        if before is None or days_kw is None:
            return None
        kw = adjust(method.adjustment, kw, _at(before, place.row), days_kw).kw
    return _capped(method, kw, around)[0]


def _mean_of(column: Floats, rows: Sequence[int]) -> float | None:
    """The mean of some days' figures; None where one is not known, or there are none."""
    known = [figure for row in rows if (figure := _at(column, row)) is not None]
    return float(np.mean(known)) if known and len(known) == len(rows) else None


def measured_until_s(method: Method, occasion: Occasion, zone: tzinfo) -> int | None:
    """When the last hour of the event's own day that a method looks at has passed, seconds since 1970 UTC.

    Before that it gives no number. None where it looks at none of them; without a notice its hours are
    counted from the start, which is the latest that a notice can be.
    """
    spans = [*method.same_day, *(() if method.adjustment is None else (method.adjustment.span,))]
    start, end = (
        datetime.fromtimestamp(at, UTC).astimezone(zone) for at in (occasion.start_s, occasion.end_s)
    )
    notice_s = occasion.start_s if occasion.notice_s is None else occasion.notice_s
    anchors = {
        Anchor.START: start,
        Anchor.END: end,
        Anchor.NOTICE: datetime.fromtimestamp(notice_s, UTC).astimezone(zone),
        Anchor.MIDNIGHT: start.replace(hour=0, minute=0, second=0),
    }
    ends = [int((anchors[one.anchor] + timedelta(hours=one.to_h)).timestamp()) for one in spans]
    return max(ends, default=None)


def _of_days_before(
    load: DailyLoad, method: Method, rule: Days, occasion: Occasion, around: Surroundings, place: _Place
) -> Baseline:
    spans = [place.window]
    adjustment = method.adjustment
    hours = None if adjustment is None else _slots(load, adjustment.span, occasion, around.zone, place)
    if adjustment is not None and hours is None:
        return _none(refusal("no_notice"))
    if hours is not None:
        spans.append(hours)
    window = _statistic(load, method.statistic, place.window)
    before = window if hours is None else load.means(*hours)
    search = Search(
        rule=rule,
        row=place.row,
        own_rows=range(place.row, place.row + touched_days(*place.window, load.slots).stop),
        like=_on_a_workday(load, around.book, place.row),
        spans=tuple(spans),
        window=window,
        known=np.isfinite(window) & np.isfinite(before),
    )
    found = find_days(load, around.book, search)
    findings = _unlisted(load, around.book, [one.day for one in found.used])
    if found.short:
        short = refusal("too_few_days", found=rule.wanted - found.short, wanted=rule.wanted)
        return Baseline(None, None, None, found.used, found.left_out, (short, *findings))
    raw_kw = float(np.mean([one.kw for one in found.used]))
    adjusted = None
    if adjustment is not None:
        rows = [load.row_of(one.day) for one in found.used]
        adjusted = adjust(adjustment, raw_kw, _at(before, place.row), float(np.mean(before[rows])))
        findings = (*findings, *adjusted.findings)
    kw, more = _capped(method, raw_kw if adjusted is None else adjusted.kw, around)
    return Baseline(kw, raw_kw, adjusted, found.used, found.left_out, (*findings, *more))


def _of_the_same_day(
    load: DailyLoad, method: Method, occasion: Occasion, around: Surroundings, place: _Place
) -> Baseline:
    """The mean of hours of the event's own day: each interval counts alike."""
    sums, count = 0.0, 0
    for span in method.same_day:
        slots = _slots(load, span, occasion, around.zone, place)
        if slots is None:
            return _none(refusal("no_notice"))
        mean_kw = _at(load.means(*slots), place.row)
        if mean_kw is None:
            return _none(refusal("event_day_incomplete"))
        length = slots[1] - slots[0]
        sums, count = sums + mean_kw * length, count + length
    kw, more = _capped(method, sums / count, around)
    return Baseline(kw, sums / count, None, (), (), more)


def _none(finding: ModelFinding) -> Baseline:
    return Baseline(None, None, None, (), (), (finding,))


def _capped(
    method: Method, kw: float | None, around: Surroundings
) -> tuple[float | None, tuple[ModelFinding, ...]]:
    if not method.contract_cap or kw is None:
        return kw, ()
    if around.contract_kw is None:
        return None, (refusal("no_contract"),)
    if kw <= around.contract_kw:
        return kw, ()
    return around.contract_kw, (remark("contract_cap", kw=kw, contract_kw=around.contract_kw),)


def _place(load: DailyLoad, occasion: Occasion, zone: tzinfo) -> _Place:
    """Where the window lies by the clock on the wall."""
    edges = np.array([occasion.start_s, occasion.end_s], dtype="datetime64[s]")
    start_s, end_s = (int(edge) for edge in local_clock_s(edges, zone))
    day_s = start_s // DAY_S * DAY_S
    if (start_s - day_s) % load.interval_s or (end_s - day_s) % load.interval_s or end_s <= start_s:
        raise NotAlignedError("the window's edges are no edges of intervals")
    first_s = (load.first - date(1970, 1, 1)).days * DAY_S
    window = ((start_s - day_s) // load.interval_s, (end_s - day_s) // load.interval_s)
    return _Place((day_s - first_s) // DAY_S, window, day_s)


def _slots(load: DailyLoad, span: Span, occasion: Occasion, zone: tzinfo, place: _Place) -> SlotSpan | None:
    """Intervals of a span, counted from the midnight of the event's day; None without a notice.

    A notice between two edges counts from the beginning of its interval: what came after it is left out.
    """
    if span.anchor is Anchor.NOTICE:
        if occasion.notice_s is None:
            return None
        local = datetime.fromtimestamp(occasion.notice_s, UTC).astimezone(zone).replace(tzinfo=UTC)
        anchor = (int(local.timestamp()) - place.midnight_s) // load.interval_s
    else:
        anchor = {Anchor.START: place.window[0], Anchor.END: place.window[1], Anchor.MIDNIGHT: 0}[span.anchor]
    an_hour = HOUR_S / load.interval_s
    return anchor + round(span.from_h * an_hour), anchor + round(span.to_h * an_hour)


def _statistic(load: DailyLoad, statistic: Statistic, window: SlotSpan) -> Floats:
    return load.maxima(*window) if statistic is Statistic.MAXIMUM else load.means(*window)


def _at(column: Floats, row: int) -> float | None:
    """A day's figure; None where it is not known."""
    if not 0 <= row < len(column) or not np.isfinite(column[row]):
        return None
    return float(column[row])


def _on_a_workday(load: DailyLoad, book: DayBook, row: int) -> bool:
    if 0 <= row < load.days:
        return bool(book.kind[row] == DayType.WORKDAY)
    return load.day_of(row).weekday() < 5


def _unlisted(load: DailyLoad, book: DayBook, days: list[date]) -> tuple[ModelFinding, ...]:
    """Years whose off-peak days nobody wrote down: one of the days may be one."""
    years = sorted({day.year for day in days if not book.listed[load.row_of(day)]})
    return tuple(remark("no_off_peak_list", year=year) for year in years)
