"""Demand response in words: reasons, findings, days and figures, one way for every command."""

from datetime import date, datetime
from typing import Any

from config.baseline_presets import Preset
from config.words import say
from monitor.event_words import counted, number
from rules.baseline.days import DayLeftOut
from rules.models.findings import ModelFinding
from rules.settlement.programme import Programme


def kw_text(kw: float | None, language: str) -> str:
    """A power to the watt, without zeros at its end."""
    return say("dr.no_number", language) if kw is None else f"{number(kw)} kW"


def day_text(day: date, language: str) -> str:
    """A day with its weekday."""
    return f"{day.isoformat()} {say(f'dr.weekday_{day.isoweekday()}', language)}"


def span_text(start: datetime, end: datetime) -> str:
    """A window of one day as 2025-07-15 13:00-15:00."""
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M}–{last}"


def finding_text(finding: ModelFinding, language: str) -> str:
    """A finding in words."""
    facts = {name: number(value) if isinstance(value, float) else value for name, value in finding.facts}
    told = dict(finding.facts)
    key = counted(f"dr.finding_{finding.code}", told.get("count", told.get("found")), language)
    return say(key, language, **facts)


def left_out_text(one: DayLeftOut, language: str) -> str:
    """Why a day fell out."""
    return say(f"dr.left_out_{one.reason}", language)


def named(thing: Preset | Programme, language: str) -> str:
    """Name of a preset or a programme's text."""
    return thing.names[language]


def doubts(thing: Preset | Programme, language: str) -> list[str]:
    """What of a preset or a text is not certain, one line each."""
    lines = [say("dr.unverified_grade", language)] if thing.grade == "B" else []
    return [*lines, *(say("dr.unverified", language, text=text) for text in thing.unverified[language])]


def finding_data(finding: ModelFinding, language: str) -> dict[str, Any]:
    """A finding for a program, with its words."""
    return {
        "code": finding.code,
        "refuses": finding.refuses,
        "facts": dict(finding.facts),
        "text": finding_text(finding, language),
    }
