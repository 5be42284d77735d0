"""Instants of events as people, files and other programs write them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

QUARTER_S = 900
"""Every offset of today's clocks is a multiple of it; others are those of local mean time."""


class TimeRefusedError(ValueError):
    """No instant can be told from a text; ``code`` names the words, ``data`` fills them."""

    def __init__(self, code: str, **data: Any) -> None:
        self.code = code
        self.data = data
        super().__init__(f"{code}: {data}")


def event_instant(text: str, zone: ZoneInfo) -> datetime:
    """Instant of a text in ISO 8601, in the site's zone; a text without an offset is of that zone.

    Raises
    ------
    TimeRefusedError : it is no instant; or its offset is one that no clock has today, as +08:06, which time
        libraries make of a zone's local mean time: the event would silently move by minutes.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise TimeRefusedError("dr.bad_time", time=text) from None
    if len(text.strip()) <= len("2025-07-15"):
        raise TimeRefusedError("dr.bad_time", time=text)
    offset = at.utcoffset()
    if offset is None:
        return _of_the_zone(at, text, zone)
    if offset % timedelta(seconds=QUARTER_S):
        own = at.replace(tzinfo=zone).isoformat(timespec="minutes")
        raise TimeRefusedError("dr.bad_offset", time=text, guess=own)
    return at.astimezone(zone)


def _of_the_zone(at: datetime, text: str, zone: ZoneInfo) -> datetime:
    earlier, later = (at.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if earlier.utcoffset() == later.utcoffset():
        return earlier
    back = earlier.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    code = "dr.time_twice" if back == at else "dr.time_skipped"
    raise TimeRefusedError(code, time=text, first=earlier.isoformat(), second=later.isoformat())
