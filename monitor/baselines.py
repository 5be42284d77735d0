"""A site's demand by days out of the store, and what a baseline needs to know beside it.

Only complete, measured intervals count: what was caught up, estimated or doubted is missing here, since a
baseline is money. A formula over meters has rows like any meter.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from config.baseline_presets import Preset
from config.off_peak_days import DEFAULT_CALENDAR, load_calendar
from config.site import Commodity, Contract, Site
from monitor.store.database import StoreError
from monitor.store.reader import StoreReader
from rules.baseline.baseline import Baseline, Occasion, Surroundings, baseline
from rules.baseline.days import day_book
from rules.baseline.load import DailyLoad, daily_load
from rules.intervals import IntervalSeries
from rules.models.day_types import DAY_S, HOUR_S
from rules.models.findings import remark
from rules.models.observations import Floats, Instants
from rules.tops import can_be_peaks

LONGEST_LOOKBACK_D = 366
"""So far back is read where a method sets no limit itself."""


@dataclass(frozen=True, slots=True)
class SiteLoad:
    """The demand of some meters together, by days, and what is known of the days.

    Attributes
    ----------
    meters : whose sum it is.
    load, around : for ``rules.baseline``.
    unverified_years : whose list of off-peak days is background knowledge.
    contract : the site's; None where it names none.
    """

    meters: tuple[str, ...]
    load: DailyLoad
    around: Surroundings
    unverified_years: tuple[int, ...]
    contract: Contract | None

    def around_on(self, day: date) -> Surroundings:
        """What is known beside the load, with the contract capacity that holds on a day."""
        if self.contract is None:
            return self.around
        return replace(self.around, contract_kw=self.contract.on(day).capacity_kw)


def metered(site: Site) -> tuple[str, ...]:
    """The meters that make up the site's electricity; empty where nobody said."""
    settings = site.commodities.get(Commodity.ELECTRICITY)
    return () if settings is None else settings.meters


def site_load(
    reader: StoreReader,
    site: Site,
    folder: Path,
    meters: Sequence[str],
    span_s: tuple[int, int],
    event_days: Collection[date] = (),
) -> SiteLoad:
    """Read the demand of some meters together.

    Parameters
    ----------
    folder : the site file's.
    span_s : [start, end) of what is looked at, seconds UTC.
    event_days : days with an event that the store does not know of.

    Raises
    ------
    StoreError : nothing was measured in the span.
    ConfigurationError : the calendar of off-peak days cannot be read.
    """
    zone = ZoneInfo(site.site.timezone)
    start, kw = together([reader.intervals(meter, *span_s) for meter in meters], site.interval_s)
    if not np.isfinite(kw).any():
        first, last = (datetime.fromtimestamp(at, zone).date().isoformat() for at in span_s)
        raise StoreError("dr.nothing_measured", meters=", ".join(meters), first=first, last=last)
    load = daily_load(start, kw, site.interval_s, zone)
    named = site.tariff.calendar if site.tariff is not None else None
    calendar = load_calendar(named or DEFAULT_CALENDAR, folder)
    lists = {year: frozenset(one.days) for year, one in calendar.lists.items()}
    known = {*event_days, *called_days(reader, zone)}
    years = {load.day_of(row).year for row in (0, load.days - 1)}
    around = Surroundings(day_book(load, lists, known), zone)
    return SiteLoad(tuple(meters), load, around, calendar.unverified(years), site.contract)


def preset_baseline(preset: Preset, found: SiteLoad, occasion: Occasion, day: date) -> Baseline:
    """What a preset says of a window that begins on a day; also that its text is one of other days.

    Raises
    ------
    NotAlignedError : an edge of the window lies inside an interval.
    """
    worked = baseline(found.load, preset.method, occasion, found.around_on(day))
    if (preset.first is None or preset.first <= day) and (preset.last is None or day <= preset.last):
        return worked
    first, last = ("…" if at is None else at.isoformat() for at in (preset.first, preset.last))
    other = remark("preset_of_other_days", preset=preset.id, day=day.isoformat(), first=first, last=last)
    return replace(worked, findings=(*worked.findings, other))


def called_days(reader: StoreReader, zone: ZoneInfo) -> set[date]:
    """Every day that an event touched, of those that the store knows."""
    days: set[date] = set()
    for start_s, end_s in reader.past.curtailment.spans():
        day = datetime.fromtimestamp(start_s, UTC).astimezone(zone).date()
        last = datetime.fromtimestamp(max(start_s, end_s - 1), UTC).astimezone(zone).date()
        while day <= last:
            days.add(day)
            day += timedelta(days=1)
    return days


def span_of(occasion: Occasion, presets: Sequence[Preset]) -> tuple[int, int]:
    """[start, end) that must be read for a window, seconds UTC."""
    lookbacks = [
        LONGEST_LOOKBACK_D if days.lookback_days is None else days.lookback_days
        for preset in presets
        if (days := preset.method.days) is not None
    ]
    before_s = (max(lookbacks, default=1) + 2) * DAY_S
    return occasion.start_s - before_s, occasion.end_s + 2 * DAY_S


def measured_kw(series: IntervalSeries, interval_s: int) -> Floats:
    """(n,) mean demand, NaN where an interval is not complete, measured and of the site's length. [kW]"""
    return np.where(can_be_peaks(series, interval_s), series.quantity * HOUR_S / interval_s, np.nan)


def together(series: Sequence[IntervalSeries], interval_s: int) -> tuple[Instants, Floats]:
    """Starts that every meter has, and the sum of their demand."""
    common = series[0].start
    for one in series[1:]:
        common = np.intersect1d(common, one.start, assume_unique=True)
    kw = np.zeros(len(common))
    for one in series:
        kw += measured_kw(one, interval_s)[np.searchsorted(one.start, common)]
    # A row of another length may begin between two edges; it has no demand, and no place by days.
    on_edge = common.astype("datetime64[s]").astype(np.int64) % interval_s == 0
    return common[on_edge], kw[on_edge]


def as_data(found: Baseline) -> dict[str, Any]:
    """A baseline as plain lists, texts and numbers."""
    adjusted = found.adjusted
    return {
        "kw": found.kw,
        "unadjusted_kw": found.unadjusted_kw,
        "adjustment": None
        if adjusted is None
        else {
            "kind": str(adjusted.kind),
            "event_day_kw": adjusted.event_day_kw,
            "days_kw": adjusted.days_kw,
            "amount": adjusted.amount,
            "unlimited": adjusted.unlimited,
        },
        "days": [{"day": one.day.isoformat(), "kw": one.kw} for one in found.days],
        "left_out": [
            {"day": one.day.isoformat(), "reason": str(one.reason), "kw": one.kw} for one in found.left_out
        ],
        "findings": [
            {"code": one.code, "refuses": one.refuses, "facts": dict(one.facts)} for one in found.findings
        ],
    }
