"""After each day: what was expected of it, with a band, and whether the building has begun to use otherwise.

State decides: every day of the last half-year and of this one is told, so that a call after a week of
darkness catches up, and a call too many changes nothing.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import isfinite, sqrt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from config.loading import LoadedSite
from config.site import COMMODITY_UNITS, Commodity
from config.words import Spoken, say, say_error
from monitor.adjusted.base_model import BaseModel, base_model, inputs_hash, kept_key
from monitor.adjusted.climate import WeatherSource, span_s
from monitor.adjusted.observations import Observed, Subject, observed, subject_of
from monitor.store.reader import StoreReader
from monitor.store.rows import ConditionRow, ResultRow
from rules.adjustments import Book
from rules.calendar import day_start_s, half_year_of
from rules.models.avoided import far_from_base
from rules.models.changes import Change, ChangeKind, Spread, changes
from rules.models.findings import ModelFinding, remark
from rules.models.fitted import FittedModel
from rules.models.observations import Floats, ReportingSeries
from rules.models.students_t import t_value
from rules.models.uncertainty import CONFIDENCE, savings_band
from rules.models.weather import days_between
from rules.savings import ONE_DAY, Days

log = logging.getLogger(__name__)

EXPECTED, CHANGE = "expected", "change"
"""Kinds of the results."""

CONDITIONS = "expected/"
"""Under names that begin so page and ``status`` find what there is to ask about."""

LOOK_AGAIN_S = 3600
"""How often finished days are looked at again, for readings and weather that came late."""

ASK_FOR_DAYS = 28
"""So long a change is asked about."""

NEAR_DAYS = 7
"""So near to a change, an adjustment that was written down explains it."""

REPORTING_MONTHS = 6.0

SILENT_DAYS = 3
"""Weather that is missing for so long is told: files may come a day or two late."""

NO_EXPECTATION_NOW = "savings.no_expectation_now"


@dataclass(slots=True)
class Due:
    """What is to be written."""

    results: list[ResultRow] = field(default_factory=list)
    conditions: list[ConditionRow] = field(default_factory=list)
    models: list[tuple[str, BaseModel]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.results or self.conditions or self.models)


@dataclass(frozen=True, slots=True)
class Today:
    """One day held against the expected; sums since the half-year began. NaN = not known. [use]"""

    day: date
    expected: float
    half_width: float
    actual: float
    cumulative: float
    cumulative_half: float


class Expectations:
    """Tells what is due of every commodity. ``due`` blocks: it belongs in a worker thread."""

    def __init__(self, loaded: LoadedSite, reader: StoreReader) -> None:
        self._loaded = loaded
        self._reader = reader
        self._zone = ZoneInfo(loaded.site.site.timezone)
        self._looked_at: tuple[date, int] | None = None
        self._seen: dict[Commodity, object] = {}
        self._told: dict[str, ConditionRow] | None = None

    def due(self, now_s: int) -> Due:
        """Days up to yesterday, of every commodity whose use or weather has changed since the last look."""
        due, today = Due(), datetime.fromtimestamp(now_s, UTC).astimezone(self._zone).date()
        if self._looked_at is not None:
            day, looked_s = self._looked_at
            if day == today and 0 <= now_s - looked_s < LOOK_AGAIN_S:
                return due
        if self._told is None:
            self._told = {
                row.device: row for row in self._reader.conditions() if row.device.startswith(CONDITIONS)
            }
        for commodity in self._loaded.site.commodities:
            self._add(due, subject_of(self._loaded, self._reader, commodity), today, now_s)
        self._looked_at = (today, now_s)
        return due

    def _add(self, due: Due, subject: Subject, today: date, now_s: int) -> None:
        yesterday = today - ONE_DAY
        days = watched_days(yesterday)
        source = subject.source_for(days)
        inputs = inputs_hash(subject, source, REPORTING_MONTHS)
        seen = (inputs, days, source, _stamp(subject, source, days))
        if self._seen.get(subject.commodity) == seen:
            return
        base = base_model(subject, source, REPORTING_MONTHS)
        if subject.reader.expected.model(kept_key(subject.commodity, subject.step), inputs) is None:
            due.models.append((kept_key(subject.commodity, subject.step), base))
        condition = None
        if base.model is None or base.source is None or base.spread is None:
            condition = _insufficient(subject, base)
        else:
            seen_days = observed(subject, base.source, days)
            far = far_from_base(base.model, seen_days.conditions)
            unfit = [one for one in (*seen_days.findings, far) if one is not None and one.refuses]
            if unfit:
                condition = "insufficient", _no_expectation(NO_EXPECTATION_NOW, subject, unfit[0])
            else:
                told = held_against(base, seen_days, days)
                due.results += [_row(subject, base, one) for one in told]
                found = _changes(told, base.spread)
                due.results += [_change_row(subject, base.spread, told, one) for one in found]
                asked = _asked(subject, base.spread, told, found, today)
                condition = asked or _silent(subject, base.source, seen_days, days)
        self._condition(due, subject, condition, now_s)
        self._seen[subject.commodity] = seen

    def _condition(
        self, due: Due, subject: Subject, found: tuple[str, dict[str, Any] | None] | None, now_s: int
    ) -> None:
        name = f"{CONDITIONS}{subject.commodity}"
        state, error = found or ("ok", None)
        told = self._told if self._told is not None else {}
        before = told.get(name)
        if before is not None and (before.condition, before.error) == (state, error):
            return
        if before is None and error is None:
            return
        same = before is not None and before.condition == state
        row = ConditionRow(name, state, before.since_ms if before and same else 1000 * now_s, error)
        told[name] = row
        due.conditions.append(row)
        if state == "changed" and not same:
            log.warning(Spoken("log.trouble", error=error))


def asked_words(error: Mapping[str, Any], language: str) -> str:
    """A change, or why there is no expectation, in words."""
    data = error.get("data") or {}
    named = (
        {"commodity": say(f"report.commodity_{data['commodity']}", language)} if "commodity" in data else {}
    )
    return say_error(
        {"code": error["code"], "data": {**data, **named, "why": _why(data, language)}}, language
    )


def _why(data: Mapping[str, Any], language: str) -> str:
    """The words of the finding that stands behind it, with its cure."""
    code = f"savings.f_{data.get('reason')}"
    told = say_error({"code": code, "data": data.get("facts")}, language)
    return "" if told == code else told


def watched_days(yesterday: date) -> Days:
    """The half-year before that of a day, and that one up to it."""
    this = half_year_of(yesterday)
    return half_year_of(this.start - ONE_DAY).start, yesterday


def _stamp(subject: Subject, source: WeatherSource | None, days: Days) -> tuple[object, ...]:
    start_s, end_s = span_s(*days, subject.zone)
    reader = subject.reader
    meters = [reader.expected.stamp(meter, start_s, end_s) for meter in subject.settings.meters]
    booked = (subject.commodity, *subject.settings.meters)
    rows = [(one, row.start, row.end, row.quantity) for one in booked for row in reader.ledger(one, *days)]
    explained = tuple(_explained(subject))
    return (*meters, *rows, explained, source.stamp(reader.climate, start_s, end_s) if source else None)


def _explained(subject: Subject) -> list[date]:
    """Days on which what people have written down begins, or is over: a change near one is explained."""
    kept = subject.reader.answers.kept(Book.NON_ROUTINE, subject.commodity)
    events = [one.adjustment for one in kept if one.withdrawn is None]
    return [one.start for one in events] + [one.end + ONE_DAY for one in events if one.end is not None]


def held_against(base: BaseModel, seen: Observed, days: Days) -> list[Today]:
    """Each day of a span against the base model; sums begin anew with each half-year."""
    if base.model is None or base.spread is None:
        raise ValueError("there is no model to hold days against")
    series = seen.as_reporting()
    expected = base.model.predicted(series.conditions)
    halves = half_widths(base.model, base.spread, series, expected)
    found: list[Today] = []
    for rows in _half_years(days):
        sums = _cumulated(base.model, series, expected, rows)
        for at, (difference, half) in zip(range(rows.start, rows.stop), sums, strict=True):
            day = days[0] + timedelta(days=at)
            figures = float(expected[at]), float(halves[at]), float(series.use[at])
            found.append(Today(day, *figures, difference, half))
    return found


def half_widths(model: FittedModel, spread: Spread, series: ReportingSeries, expected: Floats) -> Floats:
    """(n,) half of each day's band, 90 %: the noise of one day and the coefficients' own error."""
    quality = model.quality
    t = t_value(CONFIDENCE, quality.freedom)
    sigma = spread.rms * sqrt(quality.n / quality.freedom)
    scale = expected if spread.proportional else np.full(len(expected), spread.mean)
    half = np.full(len(expected), np.nan)
    for at in np.flatnonzero(np.isfinite(expected)):
        row = np.zeros(len(expected), dtype=bool)
        row[at] = True
        half[at] = t * sigma * scale[at] * sqrt(1.0 + model.leverage(series.conditions.taken(row)))
    return half


def _cumulated(
    model: FittedModel, series: ReportingSeries, expected: Floats, rows: slice
) -> Iterator[tuple[float, float]]:
    """Actual minus expected since the rows began, and half of its band, up to each of them."""
    known = np.zeros(len(expected), dtype=bool)
    total = total_expected = 0.0
    for at in range(rows.start, rows.stop):
        if isfinite(expected[at]) and isfinite(series.use[at]):
            known[at] = True
            total += float(series.use[at] - expected[at])
            total_expected += float(expected[at])
        if not known.any():
            yield np.nan, np.nan
            continue
        counted = series.conditions.taken(known)
        yield total, savings_band(model, counted, total_expected, -total).half_width


def _half_years(days: Days) -> Iterator[slice]:
    first, last = days
    dates = days_between(first, last)
    starts = [at for at, day in enumerate(dates) if at == 0 or (day.month, day.day) in {(1, 1), (7, 1)}]
    for at, until in zip(starts, [*starts[1:], len(dates)], strict=True):
        yield slice(at, until)


def _changes(told: Sequence[Today], spread: Spread) -> tuple[Change, ...]:
    use, expected = (np.array([getattr(one, name) for one in told]) for name in ("actual", "expected"))
    return changes(spread.shares(use, expected), spread)


# -- rows -----------------------------------------------------------------------------------------------


def _row(subject: Subject, base: BaseModel, one: Today) -> ResultRow:
    figures = {
        "actual": one.actual,
        "expected": one.expected,
        "low": one.expected - one.half_width,
        "high": one.expected + one.half_width,
        "difference": one.actual - one.expected,
        "cumulative": one.cumulative,
        "cumulative_half_width": one.cumulative_half,
    }
    data: dict[str, Any] = {name: round(value, 3) for name, value in figures.items() if isfinite(value)}
    data |= {"model": base.model.name if base.model else "", "unit": COMMODITY_UNITS[subject.commodity]}
    return ResultRow(EXPECTED, subject.commodity.value, day_start_s(one.day, subject.zone), data)


def _change_row(subject: Subject, spread: Spread, told: Sequence[Today], found: Change) -> ResultRow:
    day = told[found.at].day
    data = _change_data(subject, spread, told, found)
    return ResultRow(CHANGE, subject.commodity.value, day_start_s(day, subject.zone), data)


def _change_data(subject: Subject, spread: Spread, told: Sequence[Today], found: Change) -> dict[str, Any]:
    """What the words of a change are filled with; per day of a mean day's expected use."""
    return {
        "kind": found.kind.value,
        "commodity": subject.commodity.value,
        "day": told[found.at].day.isoformat(),
        "found": told[found.found_at].day.isoformat(),
        "percent": round(100 * found.share, 1),
        "half_width_percent": round(100 * found.half_width, 1),
        "per_day": round(found.share * spread.mean),
        "unit": COMMODITY_UNITS[subject.commodity],
    }


def _asked(
    subject: Subject, spread: Spread, told: Sequence[Today], found: Sequence[Change], today: date
) -> tuple[str, dict[str, Any]] | None:
    """The newest change that is still to be asked about."""
    explained = _explained(subject)
    fresh = [
        one
        for one in found
        if (today - told[one.found_at].day).days <= ASK_FOR_DAYS
        and not any(abs((day - told[one.at].day).days) <= NEAR_DAYS for day in explained)
    ]
    if not fresh:
        return None
    newest = fresh[-1]
    code = "savings.change_step" if newest.kind is ChangeKind.STEP else "savings.change_drift"
    return "changed", {"code": code, "data": _change_data(subject, spread, told, newest)}


def _insufficient(subject: Subject, base: BaseModel) -> tuple[str, dict[str, Any]]:
    """Why there is no expected use: no trouble of the site, but to be told where a person looks."""
    still = ModelFinding("use_never_varies", refuses=True)
    refusing = [one for one in base.findings if one.refuses or one.code == still.code]
    return "insufficient", _no_expectation("savings.no_expectation", subject, next(iter(refusing), still))


def _silent(
    subject: Subject, source: WeatherSource, seen: Observed, days: Days
) -> tuple[str, dict[str, Any]] | None:
    """That calendar or weather say nothing any more: nothing is expected of the days, and all looks quiet."""
    found = None
    if subject.calendar is not None and subject.calendar.day_type(days[1]) is None:
        found = next(one for one in seen.findings if one.code == "calendar_ends")
    known = np.flatnonzero(np.isfinite(seen.conditions.temperature))
    heard = int(known[-1]) + 1 if len(known) else 0
    if len(seen.use) - heard >= SILENT_DAYS:
        since = days[0] + timedelta(days=heard)
        found = remark("weather_silent", source=source.name, since=since.isoformat())
    return None if found is None else ("insufficient", _no_expectation(NO_EXPECTATION_NOW, subject, found))


def _no_expectation(code: str, subject: Subject, found: ModelFinding) -> dict[str, Any]:
    name = subject.commodity.value
    facts = {"reason": found.code, "facts": dict(found.facts)}
    data = {"commodity": name, "id": name, "base_year": subject.settings.base_year, **facts}
    return {"code": code, "data": data}
