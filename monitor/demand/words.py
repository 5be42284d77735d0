"""The notes of bills and demands in words."""

from datetime import tzinfo
from decimal import Decimal
from typing import Any

from config.words import say
from monitor.timestamps import local_text
from rules.tariff.parts import Note


def note_words(note: Note, language: str, zone: tzinfo) -> str:
    """A note as a sentence, with its cure."""
    return say(f"bill.note_{note.code}", language, **_filled(note.data, language, zone))


def period_words(key: str, language: str) -> str:
    """Name of a tariff's period, as 半尖峰."""
    return say(f"bill.period_{key}", language)


def _filled(data: Any, language: str, zone: tzinfo) -> dict[str, str]:
    return {key: _text(key, value, language, zone) for key, value in data.items()}


def _text(key: str, value: Any, language: str, zone: tzinfo) -> str:
    comma = say("config.comma", language)
    if key in ("periods", "period"):
        keys = (value,) if isinstance(value, str) else value
        return comma.join(period_words(one, language) for one in keys)
    named = {
        "season": lambda: say(f"bill.season_{value}", language),
        "at_s": lambda: local_text(value * 1000, zone)[:16],
        "share": lambda: f"{value:.2%}",
    }
    if key in named:
        return named[key]()
    if isinstance(value, tuple):
        return comma.join(map(str, value))
    if isinstance(value, float | Decimal):
        return f"{value:,.2f}"
    return "-" if value is None else str(value)
