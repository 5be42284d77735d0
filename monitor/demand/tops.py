"""The demand of a period: highest windows with what ran then, duration curve, highest by tariff period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from config.loading import LoadedSite
from config.site import Commodity
from monitor.demand.machines import ChillerThen, chiller_layouts, chillers_in
from monitor.demand.provenance import WindowRow, rows_of_windows
from monitor.demand.windows import windows_of
from monitor.store.reader import StoreReader
from monitor.store.streams import INTERVAL_COLUMNS, RowStreams, Span
from rules.calendar import ReportingPeriod, month_of
from rules.tariff.parts import CannotBillError, Note, parts_of
from rules.tariff.periods import Period
from rules.tariff.usage import Peak, use_of_parts
from rules.tops import Top, can_be_peaks, duration_curve, highest

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RanThen:
    """Another meter in a window: its mean power, and whether that is measured."""

    meter: str
    kw: float
    is_measured: bool


@dataclass(frozen=True, slots=True)
class TopWindow:
    """One of the highest windows, what it stands on, and what else ran, the largest first.

    ``chillers`` are those whose readings of then are still kept.
    """

    top: Top
    rows: tuple[WindowRow, ...]
    others: tuple[RanThen, ...]
    chillers: tuple[ChillerThen, ...]


@dataclass(frozen=True, slots=True)
class MonthPeaks:
    """The highest demand of a month in each tariff period; ``notes`` where nobody knows the periods."""

    month: str
    peaks: dict[Period, Peak]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is known of the demand of a period.

    Attributes
    ----------
    windows, counting : how many windows there are, and how many of them can be a demand.
    expected : how many there would be, were none missing.
    curve : demand [kW] by the share of time in which it was passed.
    """

    period: ReportingPeriod
    meters: tuple[str, ...]
    windows: int
    counting: int
    expected: int
    curve: dict[float, float]
    tops: tuple[TopWindow, ...]
    months: tuple[MonthPeaks, ...]


def demand_of(
    loaded: LoadedSite,
    reader: StoreReader,
    meters: Sequence[str],
    period: ReportingPeriod,
    count: int,
    shares: Sequence[float] = SHARES,
) -> Demand:
    """Look a period up; its days are over or not, what is closed counts.

    Parameters
    ----------
    count : how many of the highest windows; shares : of the time, for the duration curve.
    """
    zone, interval_s = ZoneInfo(loaded.site.site.timezone), loaded.site.interval_s
    start_s, end_s = period.bounds_s(zone)
    series = windows_of(reader, meters, start_s, end_s)
    tops = highest(series, interval_s, count)
    rows = rows_of_windows(loaded, meters, [top.start_s for top in tops], interval_s)
    others = _others(loaded, meters, tops, interval_s)
    chillers = _chillers(loaded, tops, interval_s)
    curve = dict(zip(shares, duration_curve(series, interval_s, shares), strict=True))
    return Demand(
        period=period,
        meters=tuple(meters),
        windows=len(series),
        counting=int(can_be_peaks(series, interval_s).sum()),
        expected=(end_s - start_s) // interval_s,
        curve=curve,
        tops=tuple(
            TopWindow(top, rows[top.start_s], others[top.start_s], chillers[top.start_s]) for top in tops
        ),
        months=tuple(_months(loaded, reader, meters, period)),
    )


def _others(
    loaded: LoadedSite, meters: Sequence[str], tops: Sequence[Top], interval_s: int
) -> dict[int, tuple[RanThen, ...]]:
    """What the site's other electricity meters showed in some windows."""
    names = [
        one.id
        for one in loaded.site.meters
        if one.commodity is Commodity.ELECTRICITY and one.id not in meters
    ]
    if not names:
        return {top.start_s: () for top in tops}
    streams = RowStreams.open(loaded.store_path, loaded.site.site.id)
    try:
        return {top.start_s: _ran(streams, names, top.start_s, interval_s) for top in tops}
    finally:
        streams.close()


def _chillers(loaded: LoadedSite, tops: Sequence[Top], interval_s: int) -> dict[int, tuple[ChillerThen, ...]]:
    """How far the chillers were loaded in some windows."""
    streams = RowStreams.open(loaded.store_path, loaded.site.site.id)
    try:
        layouts = chiller_layouts(streams)
        spans = {top.start_s: Span(top.start_s, top.start_s + interval_s) for top in tops}
        return {start_s: chillers_in(streams, layouts, span) for start_s, span in spans.items()}
    finally:
        streams.close()


def _ran(streams: RowStreams, names: Sequence[str], start_s: int, interval_s: int) -> tuple[RanThen, ...]:
    found = []
    for block in streams.intervals(Span(start_s, start_s + interval_s), names):
        for values in block:
            row = dict(zip(INTERVAL_COLUMNS, values, strict=True))
            measured = row["quality"] == 0 and not row["caught_up"]
            found.append(RanThen(row["meter"], row["quantity"] * 3600 / row["duration_s"], measured))
    return tuple(sorted(found, key=lambda one: -one.kw))


def _months(
    loaded: LoadedSite, reader: StoreReader, meters: Sequence[str], period: ReportingPeriod
) -> list[MonthPeaks]:
    """Each month's highest demand by tariff period, of the parts of the month together."""
    if loaded.supply is None:
        return []
    zone, found, day = ZoneInfo(loaded.site.site.timezone), [], period.start
    while day <= period.end:
        last = min(month_of(day).end, period.end)
        try:
            parts = parts_of(loaded.supply, day, last)
            span = ReportingPeriod("", day, last).bounds_s(zone)
            uses = use_of_parts(parts, windows_of(reader, meters, *span), zone, loaded.site.interval_s)
        except CannotBillError as error:
            found.append(MonthPeaks(f"{day:%Y-%m}", {}, error.notes))
        else:
            peaks: dict[Period, Peak] = {}
            for use in uses:
                for code, peak in use.peaks.items():
                    if code not in peaks or peak.kw > peaks[code].kw:
                        peaks[code] = peak
            found.append(MonthPeaks(f"{day:%Y-%m}", dict(sorted(peaks.items())), ()))
        day = last + ONE_DAY
    return found
