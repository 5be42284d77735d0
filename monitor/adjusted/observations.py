"""From the store to what models are fitted on and asked about: a row a day or hour, nothing left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from config.loading import LoadedSite
from config.office_days import load_workdays
from config.site import Commodity, CommoditySettings, WeatherSettings
from monitor.adjusted.climate import HOUR_S, WeatherSource, best_source, climate_of, sources_of, span_s
from monitor.store.known_days import days_used
from monitor.store.reader import StoreReader
from rules.adjustments import Book, by_day, shares_within
from rules.daily import KNOWN_SHARE, DailyUse
from rules.models.day_types import (
    DatedCalendar,
    day_type_cells,
    hour_of_day_type_cells,
    hour_of_week_cells,
    local_dates,
    weekday_cells,
)
from rules.models.findings import ModelFinding, refusal, refused, remark
from rules.models.fitted import Step
from rules.models.observations import BaselineSeries, Conditions, Floats, Instants, ReportingSeries
from rules.models.weather import (
    PLAUSIBLE_DAY_C,
    days_between,
    screened_temperatures_c,
    zero_is_missing,
)
from rules.quality import Quality
from rules.savings import Days, answered_shares

DAYS_AT_ONCE = timedelta(days=31)
ALL_BUT_ROUNDING = 1.0 - 1e-6


@dataclass(frozen=True, slots=True)
class Subject:
    """A commodity of a site, with everything that its expected use is asked of.

    ``calendar`` is None where days of the week are all that is known of days.
    """

    reader: StoreReader
    commodity: Commodity
    settings: CommoditySettings
    weather: WeatherSettings
    zone: ZoneInfo
    calendar: DatedCalendar | None
    step: Step = Step.DAY

    @property
    def base_days(self) -> Days:
        """First and last day of the base year."""
        year = self.settings.base_year
        return date(year, 1, 1), date(year, 12, 31)

    def source_for(self, *spans: Days) -> WeatherSource | None:
        """The weather that knows most of the base year and of some spans."""
        climate = self.reader.climate
        return best_source(sources_of(self.weather, climate), climate, [self.base_days, *spans], self.zone)


@dataclass(frozen=True, slots=True)
class Observed:
    """Rows of a span of days: start (n,) local days, or hours UTC; use (n,) NaN = missing; conditions."""

    start: Instants
    use: Floats
    conditions: Conditions
    findings: tuple[ModelFinding, ...]

    def as_base(self) -> BaselineSeries:
        """As what a model is fitted on."""
        return BaselineSeries(self.start, self.use, self.conditions)

    def as_reporting(self) -> ReportingSeries:
        """As what a model is asked about."""
        return ReportingSeries(self.start, self.use, self.conditions)


def subject_of(
    loaded: LoadedSite, reader: StoreReader, commodity: Commodity, step: Step = Step.DAY
) -> Subject:
    """A commodity of a site that was loaded. KeyError for one that it has not."""
    site = loaded.site
    calendar = load_workdays(site.calendar, loaded.folder) if site.calendar is not None else None
    zone = ZoneInfo(site.site.timezone)
    return Subject(reader, commodity, site.commodities[commodity], site.weather, zone, calendar, step)


def observed(subject: Subject, source: WeatherSource, days: Days, book: Book | None = None) -> Observed:
    """Each day of a span, or each hour, with its use and its conditions; NaN for what is missing.

    Parameters
    ----------
    book : whose adjustments are in the use: those of the base year, where it is that.
    """
    climate = climate_of(source, subject.reader.climate, days, subject.zone, subject.settings.second_driver)
    temperature, moisture = climate.by_day(days, subject.zone)
    means = screened_temperatures_c(temperature, PLAUSIBLE_DAY_C)
    of_days = () if refused(climate.findings) else means.findings
    findings = [*climate.findings, *of_days, *_of_calendar(subject, days)]
    if subject.step is Step.HOUR:
        if climate.coarse:
            findings.append(refusal("weather_too_coarse", source=source.name))
        use, told = hourly_use(subject, climate.start, days)
        findings += told
        start, cell = climate.start, _hour_cells(subject, climate.start)
        conditions = Conditions(climate.temperature_c, cell, climate.moisture)
    else:
        dates = days_between(*days)
        start = np.array(dates, dtype="datetime64[s]")
        use, told = _daily_use(subject, days)
        findings += told
        calendar = subject.calendar
        cell = weekday_cells(dates) if calendar is None else day_type_cells(dates, calendar)
        conditions = Conditions(means.values, cell, moisture)
    # Before adjustments: a silent meter with one upon it is no use.
    use, zero = zero_is_missing(use, electricity=subject.commodity is Commodity.ELECTRICITY)
    if book is not None:
        use = use + _adjustments(subject, start, days, book)
    if zero.any():
        findings.append(remark("zeros_missing", rows=int(zero.sum())))
    return Observed(start, use, conditions, tuple(findings))


def _adjustments(subject: Subject, start: Instants, days: Days, book: Book) -> Floats:
    """(n,) what a ledger of adjustments gives to each row; the hours of a day alike."""
    shares = subject.reader.answers.kept(book, subject.commodity)
    counting = [one.adjustment for one in shares if one.withdrawn is None]
    extra = np.array([float(one) for one in by_day(shares_within(counting, *days), *days)])
    if subject.step is Step.DAY:
        return extra
    of_row = np.array([(day - days[0]).days for day in local_dates(start, subject.zone)], dtype=np.int64)
    inside = (of_row >= 0) & (of_row < len(extra))
    hours = np.bincount(of_row[inside], minlength=len(extra))
    at = np.where(inside, of_row, 0)
    return np.where(inside, extra[at] / np.maximum(hours, 1)[at], 0.0)


def _of_calendar(subject: Subject, days: Days) -> list[ModelFinding]:
    calendar = subject.calendar
    if calendar is None:
        return [remark("calendar_none")]
    outside = sorted({day.year for day in days if calendar.day_type(day) is None})
    return [remark("calendar_ends", years=", ".join(map(str, outside)))] if outside else []


def _daily_use(subject: Subject, days: Days) -> tuple[Floats, list[ModelFinding]]:
    """(n,) use of each day that is known whole; a bill of several days tells nothing of any of them."""
    commodity, meters = subject.commodity, subject.settings.meters
    use = days_used(subject.reader, commodity, meters, days, subject.zone, spread_rows=False, whole_days=True)
    values = np.array([float(one) for one in use.quantity])
    values = np.where(use.known, values, np.nan)
    billed, part = _billed_only(subject, use), int((use.known & (use.answered < ALL_BUT_ROUNDING)).sum())
    found = [remark("bills_only", rows=billed)] if billed else []
    return values, [*found, *_parts_told(part)]


def _parts_told(rows: int) -> list[ModelFinding]:
    return [remark("parts_made_whole", rows=rows)] if rows else []


def without_weather(subject: Subject) -> tuple[ModelFinding, ...]:
    """All that the base year lacks beside the weather: nobody is to mend one thing to hear of another.

    Vehicles go in any weather: where their days are not known, weather is not what helps.
    """
    use, told = _daily_use(subject, subject.base_days)
    if np.isfinite(use).any():
        return (*told, refusal("no_weather"))
    billed = sum(int(one.fact("rows")) for one in told)
    missing = refusal("no_daily_use", rows=billed)
    if subject.commodity is Commodity.VEHICLE_FUEL:
        return (missing,)
    return (missing, refusal("no_weather"))


def _billed_only(subject: Subject, use: DailyUse) -> int:
    """How many days only a bill of several days tells of."""
    first, last = use.days[0], use.days[-1]
    of_days = np.zeros(len(use), dtype=bool)
    for row in subject.reader.ledger(subject.commodity, first, last):
        if row.end > row.start:
            of_days[max(0, (row.start - first).days) : (row.end - first).days + 1] = True
    return int((of_days & ~use.known).sum())


def _hour_cells(subject: Subject, start: Instants) -> np.ndarray:
    if subject.calendar is None:
        return hour_of_week_cells(start, subject.zone)
    return hour_of_day_type_cells(start, subject.zone, subject.calendar)


def hourly_use(subject: Subject, start: Instants, days: Days) -> tuple[Floats, list[ModelFinding]]:
    """(n,) use of each hour that every meter answers for; NaN for the others. Parts are made whole."""
    total, known = np.zeros(len(start)), np.ones(len(start), dtype=bool)
    part = np.zeros(len(start), dtype=bool)
    for meter in subject.settings.meters:
        quantity, answered_s = _metered_hours(subject, meter, start, days)
        answered = answered_s / HOUR_S
        total += quantity / np.where((answered >= KNOWN_SHARE) & (answered < 1.0), answered, 1.0)
        known &= answered >= KNOWN_SHARE
        part |= answered < ALL_BUT_ROUNDING
    use = np.where(known & bool(subject.settings.meters), total, np.nan)
    return use, _parts_told(int((known & part).sum()))


def _metered_hours(subject: Subject, meter: str, start: Instants, days: Days) -> Sequence[Floats]:
    grid_s = start.astype(np.int64)
    quantity, answered_s = np.zeros(len(grid_s)), np.zeros(len(grid_s))
    first, last = days
    while first <= last:
        until = min(last, first + DAYS_AT_ONCE - timedelta(days=1))
        from_s, to_s = span_s(first, until, subject.zone)
        # One interval more before the block, so that the first one is known to follow another.
        series = subject.reader.intervals(meter, from_s - HOUR_S, to_s)
        begins = series.start.astype(np.int64)
        known = np.isfinite(series.quantity) & (series.quality < Quality.MISSING) & (begins >= from_s)
        place = (begins - grid_s[0]) // HOUR_S
        known &= (
            (place >= 0)
            & (place < len(grid_s))
            & (begins + series.duration_s <= (grid_s[0] + (place + 1) * HOUR_S))
        )
        answers = answered_shares(series) * series.duration_s
        quantity += np.bincount(place[known], series.quantity[known], len(grid_s))
        answered_s += np.bincount(place[known], answers[known], len(grid_s))
        first = until + timedelta(days=1)
    return quantity, answered_s
