"""``energy-monitor dr presets|programmes``: what there is, with source, grade and validity."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from config.baseline_presets import Preset, load_preset, preset_names
from config.programme_texts import load_programme, programme_names
from config.words import say
from monitor.cli.dr_words import doubts, named
from monitor.cli.words import plain
from monitor.event_words import number
from rules.baseline.method import DayKinds, Selection
from rules.settlement.programme import BidCredit, Notice, NoticeKind, Programme, RateCredit

FINE = 0


def run_presets(language: str, *, as_json: bool) -> int:
    """List the baseline presets that come with the product."""
    presets = [load_preset(name, Path()) for name in preset_names()]
    if as_json:
        _write([_preset_data(preset, language) for preset in presets])
        return FINE
    _show([(preset, _method_words(preset, language)) for preset in presets], language)
    return FINE


def run_programmes(language: str, *, as_json: bool) -> int:
    """List the programmes' texts that come with the product."""
    texts = [load_programme(name, Path()) for name in programme_names()]
    if as_json:
        _write([_programme_data(text, language) for text in texts])
        return FINE
    _show([(text, _programme_words(text, language)) for text in texts], language)
    return FINE


def _show(things: list[tuple[Any, list[str]]], language: str) -> None:
    console = Console()
    for number_, (thing, words) in enumerate(things):
        if number_:
            console.print()
        valid = _valid(thing, language)
        console.print(plain(f"{thing.id}  {named(thing, language)}"), style="bold", soft_wrap=True)
        for line in [*words, *([valid] if valid else []), *doubts(thing, language)]:
            console.print(plain(f"  {line}"), soft_wrap=True)
        source = say("dr.source", language, grade=thing.grade, source=thing.source)
        console.print(plain(f"  {source}"), style="dim", soft_wrap=True)


def _valid(thing: Preset | Programme, language: str) -> str:
    if thing.first is None and thing.last is None:
        return say("dr.valid_unknown", language) if isinstance(thing, Programme) else ""
    shown = ["…" if day is None else day.isoformat() for day in (thing.first, thing.last)]
    return say("dr.valid", language, first=shown[0], last=shown[1])


def _method_words(preset: Preset, language: str) -> list[str]:
    method, days = preset.method, preset.method.days
    lines = []
    if days is None:
        spans = "、" if language != "en" else ", "
        told = spans.join(
            say(f"dr.span_{span.anchor}", language, first=number(span.from_h), last=number(span.to_h))
            for span in method.same_day
        )
        lines.append(say("dr.method_same_day", language, spans=told))
    else:
        key = "method_days" if days.kinds is DayKinds.WORKDAYS else "method_like_days"
        text = say(f"dr.{key}", language, wanted=days.wanted)
        if days.select is not Selection.ALL:
            text += say(f"dr.method_{days.select}", language, count=days.count)
        if days.lookback_days is not None:
            text += say("dr.method_lookback", language, days=days.lookback_days)
        if days.drop_below is not None:
            text += say("dr.method_drop", language, percent=number(100 * days.drop_below))
        lines += [text, say(f"dr.method_{method.statistic}", language)]
    if method.adjustment is not None:
        rule, span = method.adjustment, method.adjustment.span
        hours = say(f"dr.span_{span.anchor}", language, first=number(span.from_h), last=number(span.to_h))
        text = say(f"dr.method_{rule.kind}", language, hours=hours)
        if rule.low is not None and rule.high is not None:
            text += say("dr.method_limits", language, low=number(rule.low), high=number(rule.high))
        lines.append(text + (say("dr.method_upward", language) if rule.upward_only else ""))
    if method.contract_cap:
        lines.append(say("dr.method_cap", language))
    return lines


def _programme_words(text: Programme, language: str) -> list[str]:
    comma = say("config.comma", language)
    lines = [say(f"dr.programme_{text.statistic}", language, baseline=text.baseline)]
    if text.notices:
        lines.append(
            say(
                "dr.programme_notice",
                language,
                notices=comma.join(_notice(one, language) for one in text.notices),
            )
        )
    limits = []
    if text.durations_h:
        limits.append(say("dr.limit_hours", language, hours=comma.join(f"{h:f}" for h in text.durations_h)))
    if text.events_a_day is not None:
        limits.append(say("dr.limit_a_day", language, count=text.events_a_day))
    if text.hours_a_month is not None:
        limits.append(say("dr.limit_a_month", language, hours=f"{text.hours_a_month:f}"))
    if text.minimum_kw is not None:
        limits.append(say("dr.limit_minimum", language, kw=f"{text.minimum_kw:f}"))
    if text.season is not None:
        first, last = (f"{month:02d}-{day:02d}" for month, day in text.season)
        limits.append(say("dr.limit_season", language, first=first, last=last))
    return [*lines, *([comma.join(limits)] if limits else []), *_credit(text, language)]


def _notice(one: Notice, language: str) -> str:
    if one.kind is NoticeKind.DAY_BEFORE:
        return say("dr.notice_day_before", language, time=f"{one.by:%H:%M}")
    return say("dr.notice_before_start", language, minutes=one.minutes)


def _credit(text: Programme, language: str) -> list[str]:
    credit, comma = text.credit, say("config.comma", language)
    if isinstance(credit, BidCredit):
        lines = [say("dr.credit_is_bid", language, cap="–" if credit.cap is None else f"{credit.cap:.2f}")]
        if credit.same_day_bonus:
            lines.append(say("dr.credit_bonus", language, bonus=f"{credit.same_day_bonus:.2f}"))
    elif isinstance(credit, RateCredit):
        rates = comma.join(f"{hours:f} h {rate:f}" for hours, rate in credit.rates)
        lines = [say("dr.credit_is_rate", language, rates=rates)]
    else:
        rates = comma.join(f"{minutes} min {rate:f}" for minutes, rate in credit.capacity)
        lines = [say("dr.credit_is_capacity", language, rates=rates, energy=f"{credit.energy:f}")]
    if credit.steps:
        steps = comma.join(_step(one, language) for one in credit.steps)
        lines.append(say("dr.credit_steps", language, steps=steps))
    return lines


def _step(step: Any, language: str) -> str:
    if step.below is not None:
        return say("dr.step_below", language, percent=f"{step.below:f}", ratio=f"{step.ratio:f}")
    if step.through is not None:
        return say("dr.step_through", language, percent=f"{step.through:f}", ratio=f"{step.ratio:f}")
    return say("dr.step_else", language, ratio=f"{step.ratio:f}")


def _preset_data(preset: Preset, language: str) -> dict[str, Any]:
    return {**_common(preset, language), "digest": preset.digest, "method": _method_words(preset, language)}


def _programme_data(text: Programme, language: str) -> dict[str, Any]:
    credit = text.credit
    kind = (
        "bid" if isinstance(credit, BidCredit) else "rate" if isinstance(credit, RateCredit) else "capacity"
    )
    return {
        **_common(text, language),
        "family": text.family,
        "baseline": text.baseline,
        "statistic": str(text.statistic),
        "credit": kind,
        "rules": _programme_words(text, language),
    }


def _common(thing: Preset | Programme, language: str) -> dict[str, Any]:
    return {
        "id": thing.id,
        "name": named(thing, language),
        "grade": thing.grade,
        "source": thing.source,
        "unverified": list(thing.unverified[language]),
        "from": None if thing.first is None else thing.first.isoformat(),
        "through": None if thing.last is None else thing.last.isoformat(),
    }


def _write(rows: list[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
