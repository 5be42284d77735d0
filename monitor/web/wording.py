"""How the page says numbers, instants and ages."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.site import Language
from config.words import say
from monitor.web.readings import Reading

NO_VALUE = "—"
UNITS = {"degC": "°C", "m3/h": "m³/h", "m3": "m³", "%": "%"}


def number(value: float, decimals: int = 0) -> str:
    """A figure with thousands apart; a dash for what is not known."""
    if not math.isfinite(value):
        return NO_VALUE
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def finer(value: float, below: float) -> int:
    """One decimal for small figures, none for large ones."""
    return 1 if abs(value) < below else 0


@dataclass(frozen=True, slots=True)
class Words:
    """Says things in one language and zone."""

    language: Language
    zone: ZoneInfo

    def __call__(self, key: str, **data: Any) -> str:
        """The text ``page.<key>``."""
        return say(f"page.{key}", self.language, **data)

    def clock(self, at_s: float, seconds: bool = False) -> str:
        """Time of day at the site."""
        local = datetime.fromtimestamp(at_s, tz=self.zone)
        return local.strftime("%H:%M:%S" if seconds else "%H:%M")

    def moment(self, at_ms: int, now_ms: int) -> str:
        """Time of day, with the date where it is not today."""
        at, now = (datetime.fromtimestamp(ms / 1000, tz=self.zone) for ms in (at_ms, now_ms))
        if at.date() == now.date():
            return at.strftime("%H:%M:%S")
        return f"{at.year}/{at.month}/{at.day} {at:%H:%M}"

    def age(self, age_ms: float) -> str:
        """How long ago."""
        seconds = max(0, int(age_ms // 1000))
        for size, key in ((86_400, "age_d"), (3_600, "age_h"), (60, "age_min")):
            if seconds >= 2 * size:
                return self(key, n=seconds // size)
        return self("age_s", n=seconds)

    def reading(self, one: Reading, decimals: int) -> dict[str, Any]:
        """A reading for the page: text, unit, quality in words, instant."""
        return {
            "v": number(one.value, decimals),
            "u": UNITS.get(one.unit, one.unit),
            "q": one.quality.name.lower() if one.known else "missing",
            "at": one.at_ms if one.known else None,
            "st": one.stale_after_ms,
            "n": say(one.note, self.language) if one.note else "",
        }

    def shown(self, reading: dict[str, Any], now_ms: int) -> tuple[str, str]:
        """Quality and age as they are at an instant; between events the browser tells them likewise."""
        at_ms = reading["at"]
        if at_ms is None:
            return reading["q"], self("age_none")
        quality = "stale" if now_ms - at_ms > reading["st"] else reading["q"]
        return quality, self.age(now_ms - at_ms)
