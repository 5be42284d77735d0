"""What a commodity saved in a period: three answers side by side, never mixed.

The plain difference is the report's own; the adjusted one asks the base year's model what the building would
have used; the third adds what neither meter nor weather explains, out of the ledger of adjustments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite

import numpy as np

from config.loading import LoadedSite
from config.site import COMMODITY_UNITS, Commodity, Language
from monitor.adjusted.base_model import BaseModel, fitted, inputs_hash, of_base_year
from monitor.adjusted.expected import half_widths
from monitor.adjusted.locked import ledger_findings, lock_findings, other_year_findings, weather_findings
from monitor.adjusted.observations import Subject, observed, subject_of
from monitor.adjusted.replaced import registers_of, replaced_findings
from monitor.reports.summary import Saving, Summary, summary_of
from monitor.store.base_rows import BaseLock
from monitor.store.reader import StoreReader
from rules.adjustments import AdjustmentShare, Book
from rules.calendar import ReportingPeriod
from rules.models.avoided import AvoidedEnergy, avoided_energy
from rules.models.day_types import local_dates
from rules.models.findings import ModelFinding, refused
from rules.models.fitted import Step
from rules.models.non_routine import FurtherAdjusted, further_adjusted
from rules.models.observations import Flags, Floats, Instants, ReportingSeries
from rules.models.uncertainty import DAYS_A_MONTH, Variant
from rules.savings import Days, days_without


@dataclass(frozen=True, slots=True)
class AdjustedSaving:
    """The second answer.

    Attributes
    ----------
    base : the base year's model; its findings are of the base year.
    avoided : None where a finding refuses.
    findings : of the reporting period.
    days : each row's local day; ``start`` its first instant by the hour, its day by the day.
    use, expected, half_width : (n,) by row, NaN = not known; the band is of single days. [use]
    """

    base: BaseModel
    avoided: AvoidedEnergy | None
    findings: tuple[ModelFinding, ...]
    days: tuple[date, ...]
    start: Instants
    use: Floats
    expected: Floats
    half_width: Floats


@dataclass(frozen=True, slots=True)
class CountedAdjustment:
    """A non-routine adjustment, and what of it falls on days that the sums hold. [use]

    Without a second answer there are no such sums: ``counted_days`` is None, and the quantity is the whole
    share of the period.
    """

    share: AdjustmentShare
    counted_days: int | None
    quantity: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class SavingsAnswer:
    """Three answers about one commodity and period.

    ``locks`` are the parts of the base year that are locked. ``further`` is None where the second answer is
    none or has no band; with no adjustments it is the second answer. ``meters`` are findings of registers
    that were replaced in the base year or the period; ``broken`` are those of locks that no longer hold, by
    the lock's id, ``agreed`` those of ledgers that are not what the audit has.
    """

    commodity: Commodity
    unit: str
    summary: Summary
    plain: Saving
    locks: tuple[BaseLock, ...]
    adjusted: AdjustedSaving
    counted: tuple[CountedAdjustment, ...]
    further: FurtherAdjusted | None
    meters: tuple[ModelFinding, ...]
    broken: Mapping[int, tuple[ModelFinding, ...]]
    agreed: Mapping[Book, tuple[ModelFinding, ...]]

    @property
    def period(self) -> ReportingPeriod:
        """What is answered for."""
        return self.summary.period

    @property
    def language(self) -> Language:
        """Of names and texts."""
        return self.summary.language

    @property
    def unlocked(self) -> tuple[Days, ...]:
        """Runs of the base year's days that no lock holds: the model stands on them too."""
        year = self.plain.base_year
        held = [(one.scope.start, one.scope.end) for one in self.locks]
        return days_without(held, date(year, 1, 1), date(year, 12, 31))


def savings_answer(
    reader: StoreReader,
    loaded: LoadedSite,
    commodity: Commodity,
    period: ReportingPeriod,
    language: Language,
    *,
    step: Step = Step.DAY,
    variant: Variant = Variant.PROJECTION,
) -> SavingsAnswer:
    """Answer for a commodity of the site; ``period`` holds whole days that are over."""
    summary = summary_of(reader, loaded.site, period, language, (commodity,))
    subject = subject_of(loaded, reader, commodity, step)
    adjusted = _adjusted(subject, period, variant)
    counted = tuple(_counted(reader, commodity, period, adjusted))
    registers = registers_of(loaded.site, subject.settings.meters)
    spans = (subject.base_days, (period.start, period.end))
    meters = replaced_findings(reader, registers, spans, subject.zone)
    locks = tuple(one for one in reader.answers.locks(commodity) if one.holds(*subject.base_days))
    site, metered = loaded.site.site.id, subject.settings.meters
    broken = {one.id: tuple(lock_findings(reader, site, one, metered)) for one in locks}
    agreed = {
        book: ledger_findings(reader, book, commodity, *days)
        for book, days in zip((Book.BASE, Book.NON_ROUTINE), spans, strict=True)
    }
    agreed[Book.BASE] += (
        *other_year_findings(reader, commodity, subject.settings.base_year),
        *weather_findings(reader, locks, adjusted.base.source),
    )
    plain = summary.savings[0]
    return SavingsAnswer(
        commodity, COMMODITY_UNITS[commodity], summary, plain, locks, adjusted, counted,
        _further(adjusted.avoided, counted), meters, broken, agreed,
    )  # fmt: skip


def _further(found: AvoidedEnergy | None, counted: Sequence[CountedAdjustment]) -> FurtherAdjusted | None:
    if found is None or found.band is None or not isfinite(found.band.half_width):
        return None
    total = sum(one.quantity for one in counted)
    half = float(np.sqrt(sum(one.uncertainty**2 for one in counted)))
    return further_adjusted(found.avoided, found.band.half_width, total, half)


def _adjusted(subject: Subject, period: ReportingPeriod, variant: Variant) -> AdjustedSaving:
    days = (period.start, period.end)
    source = subject.source_for(days)
    # Fitted anew, never as it was kept: what is answered for stands on rows that are locked and hashed.
    months = _limit_months(period)
    base = fitted(subject, source, inputs_hash(subject, source, months), months)
    if base.model is None or source is None:
        nothing = np.empty(0)
        never = np.empty(0, dtype="datetime64[s]")
        return AdjustedSaving(base, None, (), (), never, nothing, nothing, nothing)
    seen = observed(subject, source, days)
    series = seen.as_reporting()
    dates = _dates(subject, series)
    expected = base.model.predicted(series.conditions)
    half = np.full(len(expected), np.nan)
    if base.spread is not None:
        half = half_widths(base.model, base.spread, series, expected)
    if refused(seen.findings):
        return AdjustedSaving(base, None, seen.findings, dates, series.start, series.use, expected, half)
    avoided = avoided_energy(base.model, series, variant)
    inside = of_base_year(subject, days)
    findings = (*inside, *_worth_saying_twice(seen.findings, base), *avoided.findings)
    kept = None if refused(avoided.findings) else avoided
    return AdjustedSaving(base, kept, findings, dates, series.start, series.use, expected, half)


def _worth_saying_twice(findings: Sequence[ModelFinding], base: BaseModel) -> list[ModelFinding]:
    """Without what holds for the site as a whole and was said of the base year."""
    return [one for one in findings if one.code != "calendar_none" or one not in base.findings]


def _limit_months(period: ReportingPeriod) -> float:
    """Length for the limit of CV(RMSE), in its three classes, so that kept models serve all of a class."""
    months = period.days / DAYS_A_MONTH
    return 6.0 if months < 11.9 else 12.0 if months <= 60 else 61.0


def _dates(subject: Subject, series: ReportingSeries) -> tuple[date, ...]:
    if subject.step is Step.HOUR:
        return tuple(local_dates(series.start, subject.zone))
    return tuple(series.start.astype("datetime64[D]").astype(object).tolist())


def _counted(
    reader: StoreReader, commodity: Commodity, period: ReportingPeriod, adjusted: AdjustedSaving
) -> list[CountedAdjustment]:
    """What of each adjustment falls on days that both sums hold: the others are in neither."""
    shares = reader.answers.adjustments(commodity, period)
    if adjusted.avoided is None:
        return [CountedAdjustment(one, None, float(one.quantity), one.uncertainty) for one in shares]
    rows = np.isfinite(adjusted.use) & np.isfinite(adjusted.expected)
    found = []
    for share in shares:
        inside = np.array([share.start <= day <= share.end for day in adjusted.days], dtype=bool)
        part = _part(rows, inside)
        days = round(part * share.days)
        found.append(CountedAdjustment(share, days, float(share.quantity) * part, share.uncertainty * part))
    return found


def _part(rows: Flags, inside: Flags) -> float:
    """Share of the rows inside that are counted."""
    return float((rows & inside).sum() / inside.sum()) if inside.any() else 0.0
