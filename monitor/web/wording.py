"""How the page says numbers, instants and ages."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.site import Language
from config.words import say
from monitor.web.reading import Lack, Reading

NO_VALUE = "—"
UNITS = {"degC": "°C", "m3/h": "m³/h", "m3": "m³", "%": "%"}


def quality_of(one: Reading) -> str:
    """How far it can be trusted: a value that something is missing in is ``partial``."""
    if not one.known:
        return "missing"
    return "partial" if one.lacks else one.quality.name.lower()


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
    now_ms: int = 0

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

    def listed(self, texts: Iterable[str]) -> str:
        """Several things in a row."""
        return self("listed_by").join(texts)

    def lacks(self, lacks: Sequence[Lack]) -> str:
        """The meters that a value is without, and since when."""
        return self.listed(self._lack(one) for one in lacks)

    def _lack(self, one: Lack) -> str:
        name = one.name.in_language(self.language)
        if one.since_ms is None:
            return self("part_never", name=name)
        return self("part_since", name=name, since=self.moment(one.since_ms, self.now_ms))

    def note(self, one: Reading) -> str:
        """What has to be said of a reading beside its value."""
        texts = []
        if one.lacks and one.known:
            texts.append(self("note_without", parts=self.lacks(one.lacks)))
        elif one.lacks:
            texts.append(self("note_lacking", parts=self.lacks(one.lacks)))
        if one.known and one.doubted:
            names = self.listed(name.in_language(self.language) for name in one.doubted)
            texts.append(self("note_doubted", names=names))
        if one.note and not one.lacks:
            texts.append(say(one.note, self.language))
        return self("note_and").join(texts)

    def reading(self, one: Reading, decimals: int) -> dict[str, Any]:
        """A reading for the page: text, unit, quality in words, instant."""
        return {
            "v": number(one.value, decimals),
            "u": UNITS.get(one.unit, one.unit),
            "q": quality_of(one),
            "at": one.at_ms if one.known else None,
            "st": one.stale_after_ms,
            "n": self.note(one),
        }

    def shown(self, reading: dict[str, Any], now_ms: int) -> tuple[str, str]:
        """Quality and age as they are at an instant; between events the browser tells them likewise."""
        at_ms = reading["at"]
        if at_ms is None:
            return reading["q"], self("age_none")
        quality = "stale" if now_ms - at_ms > reading["st"] else reading["q"]
        return quality, self.age(now_ms - at_ms)
