"""The summary of a period: each commodity against its own base year, and where every figure comes from.

Made from the store alone and without a time of creation, so that it can be made again byte for byte.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal
from zoneinfo import ZoneInfo

from config.meter_checks import formulas_of
from config.site import COMMODITY_UNITS, Commodity, CommoditySettings, Language, Site, every_meter
from monitor.adjusted.locked import ledger_findings, lock_findings, other_year_findings
from monitor.reports.curtailment import Curtailed, curtailed
from monitor.reports.lives import life_facts
from monitor.store.booked import LedgerEntry
from monitor.store.reader import StoreReader
from monitor.virtual import doubtful_parts
from rules.adjustments import AdjustmentShare, Book, sum_of_shares
from rules.calendar import BaselinePeriod, ReportingPeriod, day_start_s
from rules.savings import (
    ONE_DAY,
    Change,
    Days,
    MeterRecord,
    Share,
    Usage,
    days_without,
    plain_difference,
    printed_figures,
    usage_over,
)

Figure = Literal["base", "actual"]

LONGEST_INTERVAL_S = 3600  # one may begin before local midnight and end after it
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FigureSource:
    """Where a part of a figure comes from: a ledger's row, or a meter's closed intervals.

    ``counted`` is what the row gives to the figure and ``days`` the days that it gives it for; for
    intervals ``entry`` is None and both are None.
    """

    figure: Figure
    subject: str
    entry: LedgerEntry | None = None
    counted: Decimal | None = None
    days: tuple[date, date] | None = None
    apportioned: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A footnote; ``code`` names the text in the word catalogue, ``data`` fills it."""

    code: str
    figure: Figure | None = None
    data: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Saving:
    """One commodity against its base year.

    ``base`` and ``actual`` are None where nothing is known; ``change`` is made from the printed figures.
    """

    commodity: Commodity
    unit: str
    base_year: int
    base_period: BaselinePeriod
    base: Decimal | None
    actual: Decimal | None
    change: Change
    base_usage: Usage
    actual_usage: Usage
    reasons: tuple[str, ...]
    sources: tuple[FigureSource, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a site answers for in a period; ``meters`` are the names of those that were counted.

    ``curtailed`` is what demand response brought, by programme; empty where nothing was settled.
    """

    site: str
    name: str
    period: ReportingPeriod
    language: Language
    savings: tuple[Saving, ...]
    meters: Mapping[str, str]
    curtailed: tuple[Curtailed, ...] = ()


def half_year_summary(
    reader: StoreReader, site: Site, period: ReportingPeriod, language: Language
) -> Summary:
    """Hold a period against the base years: a half-year, a year, a month, or the days so far.

    Parameters
    ----------
    reader : of the site's store.
    period : what is answered for; ``period.through(day)`` for one that is not over.
    language : of names and texts.

    Returns
    -------
    The commodities in the site file's order.
    """
    return summary_of(reader, site, period, language, tuple(site.commodities))


def summary_of(
    reader: StoreReader,
    site: Site,
    period: ReportingPeriod,
    language: Language,
    commodities: Sequence[Commodity],
) -> Summary:
    """The same of some commodities, in their order."""
    savings = tuple(
        _saving(reader, site, period, commodity, site.commodities[commodity]) for commodity in commodities
    )
    return Summary(
        site=site.site.id,
        name=site.site.name.in_language(language),
        period=period,
        language=language,
        savings=savings,
        meters={meter.id: meter.name.in_language(language) for meter in every_meter(site)},
        curtailed=curtailed(reader, period, language),
    )


def _saving(
    reader: StoreReader,
    site: Site,
    period: ReportingPeriod,
    commodity: Commodity,
    settings: CommoditySettings,
) -> Saving:
    base_period = period.baseline(settings.base_year)
    before = _gather(reader, site, commodity, settings.meters, base_period)
    after = _gather(reader, site, commodity, settings.meters, period)
    adjusted = reader.answers.adjustments(commodity.value, base_period, Book.BASE)
    known = before.usage.quantity
    base_quantity = known if known is None else known + sum_of_shares(adjusted)[0]
    base, actual = printed_figures(base_quantity, after.usage.quantity)
    compared = base is not None and actual is not None
    leap = _leap_notes(base_period) if compared else []
    sums = [
        *_formula_notes(reader, site, before.usage.metered, base_period, "base"),
        *_formula_notes(reader, site, after.usage.metered, period, "actual"),
    ]
    lives = [
        *_life_notes(reader, site, before.usage.metered, base_period, "base"),
        *_life_notes(reader, site, after.usage.metered, period, "actual"),
    ]
    return Saving(
        commodity=commodity,
        unit=COMMODITY_UNITS[commodity],
        base_year=settings.base_year,
        base_period=base_period,
        base=base,
        actual=actual,
        change=plain_difference(base, actual),
        base_usage=before.usage,
        actual_usage=after.usage,
        reasons=tuple(reader.reasons(commodity, period.start, period.end)),
        sources=(*before.sources("base"), *after.sources("actual")),
        notes=(
            *before.notes("base"),
            *_base_notes(reader, site, base_period, commodity, adjusted),
            *after.notes("actual"),
            *sums,
            *lives,
            *leap,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What the store knows of one commodity over one period."""

    usage: Usage
    commodity: Commodity
    ledger: list[LedgerEntry]
    meter_ledgers: dict[str, list[LedgerEntry]]
    left_out: list[LedgerEntry]

    def sources(self, figure: Figure) -> list[FigureSource]:
        """Every row and every meter behind the figure."""
        found = [_booked(figure, self.commodity, self.ledger, share) for share in self.usage.booked]
        for meter, shares in self.usage.meter_booked:
            found += [_booked(figure, meter, self.meter_ledgers[meter], share) for share in shares]
        found += [FigureSource(figure, meter) for meter in self.usage.metered]
        return found

    def notes(self, figure: Figure) -> list[Note]:
        """Everything that a reader must know of the figure."""
        left_out = [Note("report.note_reading_left_out", figure, {"entry": entry}) for entry in self.left_out]
        if self.usage.quantity is None:
            return [Note("report.note_nothing", figure), *left_out]
        return self._notes_of_usage(figure) + left_out

    def _notes_of_usage(self, figure: Figure) -> list[Note]:
        usage = self.usage
        notes = []
        if not usage.complete:
            notes.append(Note("report.note_coverage", figure, {"percent": _percent_below(usage.coverage)}))
        for name, share in (("estimated", usage.quality.estimated), ("suspect", usage.quality.suspect)):
            if share > 0:
                notes.append(Note(f"report.note_{name}", figure, {"percent": _percent_above(share)}))
        notes += [
            Note("report.note_apportioned", figure, {"source": source})
            for source in self.sources(figure)
            if source.apportioned
        ]
        return notes


def _gather(
    reader: StoreReader,
    site: Site,
    commodity: Commodity,
    meters: tuple[str, ...],
    period: ReportingPeriod | BaselinePeriod,
) -> _Gathered:
    """Ask the ledgers first, and the intervals only for the days on which they are silent."""
    zone = ZoneInfo(site.site.timezone)
    ledger = reader.ledger(commodity, period.start, period.end)
    left = days_without(((row.start, row.end) for row in ledger), period.start, period.end)
    left_out = _left_out(reader, commodity, left)
    records: list[MeterRecord] = []
    meter_ledgers: dict[str, list[LedgerEntry]] = {}
    if left:
        start_s = day_start_s(left[0][0], zone) - LONGEST_INTERVAL_S
        end_s = day_start_s(left[-1][1] + ONE_DAY, zone)
        for meter in meters:
            meter_ledgers[meter] = reader.ledger(meter, period.start, period.end)
            booked = [(row.start, row.end) for row in meter_ledgers[meter]]
            left_out += _left_out(
                reader, meter, [run for days in left for run in days_without(booked, *days)]
            )
            records.append(MeterRecord(meter, meter_ledgers[meter], reader.intervals(meter, start_s, end_s)))
    usage = usage_over(period.start, period.end, zone, ledger, records)
    return _Gathered(usage, commodity, ledger, meter_ledgers, left_out)


def _left_out(reader: StoreReader, subject: str, free: Sequence[Days]) -> list[LedgerEntry]:
    """Readings that gave way to the ledger although they know days that nothing is booked on."""
    if not free:
        return []
    return [
        entry
        for entry in reader.readings_left_out(subject, free[0][0], free[-1][1])
        if any(entry.start <= last and entry.end >= first for first, last in free)
    ]


def _booked(figure: Figure, subject: str, rows: list[LedgerEntry], share: Share) -> FigureSource:
    counted = printed_figures(share.quantity)[0]
    days = (share.start, share.end)
    return FigureSource(figure, subject, rows[share.row], counted, days, share.apportioned)


def _formula_notes(
    reader: StoreReader,
    site: Site,
    metered: Sequence[str],
    period: ReportingPeriod | BaselinePeriod,
    figure: Figure,
) -> Iterator[Note]:
    """What a virtual meter is a sum of, down to registers, and which of these is trusted least."""
    formulas = formulas_of(site)
    start_s, end_s = period.bounds_s(ZoneInfo(site.site.timezone))
    waiting = [meter for meter in metered if meter in formulas]
    for meter in waiting:
        formula = formulas[meter]
        waiting += [part for part in formula.parts if part in formulas and part not in waiting]
        data: dict[str, Any] = {"meter": meter, "formula": formula.text}
        doubtful = doubtful_parts(reader, formulas, meter, start_s, end_s)
        if not doubtful:
            yield Note("report.note_formula", figure, data)
            continue
        part, count = next(iter(doubtful.items()))
        yield Note("report.note_formula_doubt", figure, data | {"part": part, "count": count})


def _life_notes(
    reader: StoreReader,
    site: Site,
    metered: Sequence[str],
    period: ReportingPeriod | BaselinePeriod,
    figure: Figure,
) -> Iterator[Note]:
    """What was done to the registers behind a figure while it was counted."""
    for _, code, data in life_facts(reader, site, metered, period):
        yield Note(code, figure, data)


def _base_notes(
    reader: StoreReader,
    site: Site,
    base_period: BaselinePeriod,
    commodity: Commodity,
    adjusted: Sequence[AdjustmentShare],
) -> list[Note]:
    """That the base year is locked and holds, and what it was adjusted for since; what the audit lacks."""
    days, meters = (base_period.start, base_period.end), site.commodities[commodity].meters
    notes = []
    for lock in reader.answers.locks(commodity.value):
        if lock.holds(*days):
            broken = any(lock_findings(reader, site.site.id, lock, meters))
            code = "report.note_base_differs" if broken else "report.note_base_locked"
            notes.append(Note(code, "base", {"lock": lock}))
    notes += [Note("report.note_base_adjusted", "base", {"share": share}) for share in adjusted]
    return notes + [
        Note("report.note_agreed", "base", {"finding": one})
        for one in (
            *other_year_findings(reader, commodity.value, base_period.start.year),
            *ledger_findings(reader, Book.BASE, commodity.value, *days),
        )
    ]


def _leap_notes(base_period: BaselinePeriod) -> list[Note]:
    if base_period.leap_days == 0:
        return []
    return [Note(f"report.note_leap_{'longer' if base_period.leap_days > 0 else 'shorter'}")]


def _percent_below(share: float) -> Decimal:
    """A share as a percentage that never says more than is so: 0.999999 is not 100 %."""
    return _percent(math.floor(share * 10_000))


def _percent_above(share: float) -> Decimal:
    """A share of doubt as a percentage that is never nothing."""
    return _percent(math.ceil(round(share * 10_000, 6)))


def _percent(hundredths: int) -> Decimal:
    return printed_figures(Fraction(hundredths, 100))[0] or Decimal(0)
