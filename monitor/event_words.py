"""What is refused of events, or cannot be told of them, in words."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from config.words import say
from monitor.store.database import StoreError
from monitor.timestamps import local_text


def number(value: float, decimals: int = 3) -> str:
    """A figure with thousands separators and at most some decimals, without zeros at its end."""
    text = f"{value:,.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-0", "0", text == "-0")


def refusal_text(error: StoreError, zone: tzinfo, language: str) -> str:
    """A refusal as people read it."""
    return error_text({"code": error.code, "data": error.data}, zone, language)


def error_text(error: Mapping[str, Any], zone: tzinfo, language: str) -> str:
    """A code and its data as people read them: instants in local time, lives in words, figures in short."""
    data = {key: number(one) if isinstance(one, float) else one for key, one in error["data"].items()}
    for key in ("start", "end", "now", "asked", "at"):
        if key in data:
            at = datetime.fromisoformat(str(data[key]))
            data[key] = local_text(round(at.timestamp() * 1000), zone)
    if "life" in data:
        data["life"] = say(f"dispatch.life_{data['life']}", language)
    return say(error["code"], language, **data)
