"""``energy-monitor kpi|targets|measures list``: key figures, targets and retrofits, as text or JSON."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from config.loading import LoadedSite, load_site
from config.site import COMMODITY_UNITS, Language
from config.words import say
from monitor.cli.words import tell
from monitor.clock import SystemClock
from monitor.reports.kpi import KeyFigure, KpiNote, TargetState, key_figures, target_states
from monitor.reports.measures import MeasureFacts, measure_facts
from monitor.reports.numbers import figure_text, period_text
from monitor.store.reader import StoreReader
from rules.calendar import PeriodError, ReportingPeriod, reporting_period
from rules.savings import ONE_DAY, printed_figures

FINE, WRONG_USE = 0, 2

Lines = list[str]


def run_kpi(path: Path, period_text_: str, language: str, *, as_json: bool) -> int:
    """Print a period's key figures."""
    loaded = load_site(path)
    period = _period(period_text_, language)
    if period is None:
        return WRONG_USE
    today = _today(loaded)
    if period.start >= today:
        begins = {"text": period.id, "start": period.start.isoformat()}
        tell(say("report.not_begun", language, **begins))
        return WRONG_USE
    passed = period.through(today - ONE_DAY)
    figures = _read(loaded, lambda reader: key_figures(reader, loaded.site, passed))
    if as_json:
        facts = {"period": passed.id, "figures": [_figure_facts(one, language) for one in figures]}
        return _print_json(facts)
    lines = [say("kpi.title", language, site=_site(loaded, language), period=_told(passed, language))]
    for one in figures:
        name = say(f"kpi.{one.name}", language)
        if one.value is None:
            lines.append(say("kpi.line_none", language, name=name))
        else:
            value = _figure(one.value, language)
            lines.append(say("kpi.line", language, name=name, value=value, unit=one.unit))
        lines += [f"    {_note(note, language)}" for note in one.notes]
    return _print(lines)


def run_targets(path: Path, period_text_: str | None, language: str, *, as_json: bool) -> int:
    """Print the targets, how far they are, and where they are going."""
    loaded = load_site(path)
    period = None if period_text_ is None else _period(period_text_, language)
    if period is None and period_text_ is not None:
        return WRONG_USE
    today = _today(loaded)
    states = _read(loaded, lambda reader: target_states(reader, loaded.site, period, today))
    if as_json:
        return _print_json({"targets": [_target_facts(one, language) for one in states]})
    if not states:
        return _print([_no_targets(loaded, period, language)])
    return _print([line for one in states for line in _target_lines(one, language)])


def run_measures(path: Path, language: str, *, as_json: bool) -> int:
    """Print the efficiency measures with what they save."""
    loaded = load_site(path)
    found = _read(loaded, lambda reader: measure_facts(reader, loaded.site, _today(loaded)))
    if as_json:
        return _print_json({"measures": [_measure_facts(one, language) for one in found]})
    if not found:
        return _print([say("measures.none", language)])
    return _print([line for one in found for line in _measure_lines(one, language)])


# -- targets ------------------------------------------------------------------------------------------


def _no_targets(loaded: LoadedSite, period: ReportingPeriod | None, language: str) -> str:
    """That there are none at all, or of which other periods there are."""
    periods = sorted((reporting_period(one.period) for one in loaded.site.targets), key=lambda one: one.start)
    if period is None or not periods:
        return say("kpi.no_targets", language)
    known = dict.fromkeys(_told(one, language) for one in periods)
    return say("kpi.no_targets_of", language, period=_told(period, language), known=", ".join(known))


def _target_lines(state: TargetState, language: str) -> Lines:
    target, unit = state.target, COMMODITY_UNITS[state.target.commodity]
    data = {"name": target.name.in_language(_of(language)), "period": _told(state.period, language)}
    wanted = {"quantity": _number(target.quantity, language), "unit": unit}
    lines = [say(f"kpi.target_{target.sense}", language, **data, **wanted)]
    if state.so_far is not None and state.share is not None and state.through is not None:
        done = {"so_far": _fraction(state.so_far, language), "percent": _percent(state.share)}
        lines.append("    " + say("kpi.so_far", language, **done, unit=unit, day=state.through.isoformat()))
    for half_year, quantity in state.parts:
        if quantity is not None:
            part = {"period": _told(half_year, language), "quantity": _fraction(quantity, language)}
            lines.append("    " + say("kpi.part", language, **part, unit=unit))
    if state.forecast is not None:
        expected = {"expected": _rounded(state.forecast.expected, language), "unit": unit}
        if state.forecast.half_width is None:
            lines.append("    " + say("kpi.forecast", language, **expected))
        else:
            half = _rounded(state.forecast.half_width, language)
            lines.append("    " + say("kpi.forecast_band", language, **expected, half=half))
        lines.append("    " + say(f"kpi.method_{state.method}", language))
    if state.is_met is not None:
        lines.append("    " + say("kpi.met" if state.is_met else "kpi.not_met", language))
    return lines + [f"    {_note(note, language)}" for note in state.notes]


def _target_facts(state: TargetState, language: str) -> dict[str, Any]:
    target, found = state.target, state.forecast
    return {
        "id": target.id,
        "name": target.name.in_language(_of(language)),
        "commodity": target.commodity.value,
        "period": state.period.id,
        "quantity": target.quantity,
        "unit": COMMODITY_UNITS[target.commodity],
        "sense": target.sense,
        "through": None if state.through is None else state.through.isoformat(),
        "so_far": None if state.so_far is None else float(state.so_far),
        "percent": None if state.share is None else float(state.share * 100),
        "parts": [{"period": half.id, "quantity": q and float(q)} for half, q in state.parts],
        "met": state.is_met,
        "forecast": None
        if found is None
        else {"expected": found.expected, "half_width": found.half_width, "confidence": 0.9,
              "blocks": found.blocks, "method": state.method},
        "notes": [{"code": note.code, "text": _note(note, language)} for note in state.notes],
    }  # fmt: skip


# -- measures -----------------------------------------------------------------------------------------


def _measure_lines(facts: MeasureFacts, language: str) -> Lines:
    one = facts.measure
    data = {"id": one.id, "name": one.name_en if language == "en" else one.name_zh_tw}
    lines = [say("measures.line", language, **data, quantity=f"{one.quantity:,}")]
    if facts.stated is not None:
        labels = {"old": f"{one.old_w:g}", "new": f"{one.new_w:g}", "hours": f"{one.hours_a_year:,.10g}"}
        saved = _fraction(facts.stated, language)
        lines.append("    " + say("measures.stated", language, **labels, count=one.quantity, saved=saved))
    if facts.worth is not None and facts.price is not None:
        price = {"price": f"{facts.price.price:g}", "currency": facts.price.currency}
        told = {"since": facts.price.start.isoformat(), "source": facts.price.source}
        lines.append("    " + say("measures.worth", language, worth=f"{facts.worth:,}", **price, **told))
    if facts.verified is not None:
        seen = facts.verified
        days = {"before": seen.days_before, "after": seen.days_after, "meter": one.meter}
        means = {"was": f"{seen.before:,.6g}", "now": f"{seen.after:,.6g}", "saved": f"{seen.a_year:+,.6g}"}
        lines.append("    " + say("measures.verified", language, **days, **means))
    lines += ["    " + say(f"measures.missing_{code}", language, meter=one.meter) for code in facts.missing]
    return [*lines, "    " + say("measures.source", language, source=one.source)]


def _measure_facts(facts: MeasureFacts, language: str) -> dict[str, Any]:
    one, price, seen = facts.measure, facts.price, facts.verified
    return {
        "id": one.id,
        "commodity": one.commodity,
        "name": one.name_en if language == "en" else one.name_zh_tw,
        "quantity": one.quantity,
        "old_w": one.old_w,
        "new_w": one.new_w,
        "hours_a_year": one.hours_a_year,
        "start": one.start and one.start.isoformat(),
        "source": one.source,
        "stated_kwh_a_year": None if facts.stated is None else float(facts.stated),
        "price": None
        if price is None
        else {"price": price.price, "currency": price.currency, "from": price.start.isoformat(),
              "source": price.source},
        "worth_a_year": facts.worth,
        "verified": None
        if seen is None
        else {"meter": one.meter, "before_a_day": seen.before, "after_a_day": seen.after,
              "days_before": seen.days_before, "days_after": seen.days_after, "a_year": seen.a_year},
        "missing": [
            {"code": code, "text": say(f"measures.missing_{code}", language, meter=one.meter)}
            for code in facts.missing
        ],
    }  # fmt: skip


# -- words and numbers ----------------------------------------------------------------------------------


def _figure_facts(one: KeyFigure, language: str) -> dict[str, Any]:
    notes = [{"code": note.code, "text": _note(note, language)} for note in one.notes]
    value = None if one.value is None else float(one.value)
    return {"name": one.name, "value": value, "unit": one.unit, **one.data, "notes": notes}


def _note(note: KpiNote, language: str) -> str:
    return say(f"kpi.note_{note.code}", language, **note.data)


def _read(loaded: LoadedSite, ask: Callable[[StoreReader], Any]) -> Any:
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        return ask(reader)
    finally:
        reader.close()


def _period(text: str, language: str) -> ReportingPeriod | None:
    try:
        return reporting_period(text)
    except PeriodError as error:
        tell(say(error.code, language, **error.data))
        return None


def _today(loaded: LoadedSite) -> date:
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
    return now.astimezone(ZoneInfo(loaded.site.site.timezone)).date()


def _of(language: str) -> Language:
    return cast("Language", language)


def _site(loaded: LoadedSite, language: str) -> str:
    return loaded.site.site.name.in_language(_of(language))


def _told(period: ReportingPeriod, language: str) -> str:
    return period_text(period, _of(language))


def _figure(number: Decimal, language: str) -> str:
    return figure_text(number, _of(language))


def _fraction(quantity: Fraction, language: str) -> str:
    return _figure(printed_figures(quantity)[0] or Decimal(0), language)


def _number(quantity: float, language: str) -> str:
    return _fraction(Fraction(repr(quantity)), language)


def _rounded(quantity: float, language: str) -> str:
    return _fraction(Fraction(quantity), language)


def _percent(share: Fraction) -> str:
    return f"{printed_figures(share * 100)[0] or 0:f}"


def _print(lines: Lines) -> int:
    sys.stdout.write("".join(line + "\n" for line in lines))
    return FINE


def _print_json(facts: dict[str, Any]) -> int:
    sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    return FINE
