"""A value with everything that a person needs to trust it, and what becomes of several of them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from config.site import LocalName
from rules.quality import Quality

GONE_AFTER_MS = 60_000
"""So long out of date, a part is no longer carried on in a sum: the sum goes on without it, and says so."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A meter that a value is without, and since when; None where it was never read."""

    meter: str
    name: LocalName
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A value with everything a person needs to trust it.

    Attributes
    ----------
    value : in ``unit``; NaN = not known.
    at_ms : instant of the oldest reading in it; None when there is none.
    stale_after_ms : how old it may become.
    note : key of a text that explains it, empty for none.
    lacks : what it is without: its value is that of the rest, or not known at all.
    doubted : the meters because of which it is suspect.
    """

    value: float
    unit: str
    quality: Quality = Quality.GOOD
    at_ms: int | None = None
    stale_after_ms: int = 0
    note: str = ""
    lacks: tuple[Lack, ...] = ()
    doubted: tuple[LocalName, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is a value at all."""
        return math.isfinite(self.value)

    @property
    def whole(self) -> bool:
        """Whether there is a value, and nothing is missing in it."""
        return self.known and not self.lacks

    def is_stale(self, now_ms: int) -> bool:
        """Whether it is older than it may be."""
        return self.at_ms is not None and now_ms - self.at_ms > self.stale_after_ms

    def is_gone(self, now_ms: int) -> bool:
        """Whether it is so old that it says nothing about now."""
        return self.at_ms is not None and now_ms - self.at_ms > self.stale_after_ms + GONE_AFTER_MS


def missing(unit: str, note: str = "", lacks: Iterable[Lack] = ()) -> Reading:
    """A value that nobody gave."""
    return Reading(math.nan, unit, Quality.MISSING, note=note, lacks=tuple(lacks))


def combined(parts: Sequence[Reading], unit: str, rule: Callable[[list[float]], float]) -> Reading:
    """One value of several: the worst quality and the oldest instant win; one unknown makes all unknown.

    It is stale as soon as the first of them is. What a part is without is missing in the whole.
    """
    if not parts or not all(part.whole for part in parts):
        return missing(unit, lacks=lacks_of(parts))
    return _together(parts, unit, rule([part.value for part in parts]))


def summed(shares: Sequence[float], parts: Sequence[Reading], unit: str) -> Reading:
    """Sum of parts, each times its share; with a part missing the sum of the rest, which says what it lacks.

    Of the rest nothing can be said where something is subtracted: it is neither less nor more than the whole.
    """
    lacks = lacks_of(parts)
    known = [(share, part) for share, part in zip(shares, parts, strict=True) if part.known]
    if not known or (lacks and min(shares) < 0) or (len(known) < len(parts) and not lacks):
        return missing(unit, lacks=lacks)
    total = _together([part for _, part in known], unit, sum(share * part.value for share, part in known))
    return replace(total, lacks=lacks)


def lacks_of(parts: Iterable[Reading]) -> tuple[Lack, ...]:
    """Everything that some values are without, each meter once."""
    return tuple({lack.meter: lack for part in parts for lack in part.lacks}.values())


def _together(parts: Sequence[Reading], unit: str, value: float) -> Reading:
    # How old the rest is says nothing about what it is without, and that is told by itself.
    dated = [part for part in parts if part.at_ms is not None and not part.lacks]
    dated = dated or [part for part in parts if part.at_ms is not None]
    oldest_ms = min((part.at_ms or 0 for part in dated), default=None)
    expires_ms = min(((part.at_ms or 0) + part.stale_after_ms for part in dated), default=0)
    return Reading(
        value,
        unit,
        max(part.quality for part in parts),
        oldest_ms,
        max(0, expires_ms - (oldest_ms or 0)),
        next((part.note for part in parts if part.note), ""),
    )


def estimated(reading: Reading, note: str) -> Reading:
    """The same value, told as an estimate."""
    return replace(reading, quality=max(reading.quality, Quality.ESTIMATED), note=note)


def doubted(reading: Reading, note: str) -> Reading:
    """The same value, told as suspect."""
    return replace(reading, quality=max(reading.quality, Quality.SUSPECT), note=note)
