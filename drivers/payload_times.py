"""When a payload says that it was made, and how far that can be believed."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Literal

from drivers.payload_json import number_of
from drivers.refusals import PayloadRefused, sample_of, shorten

EARLIEST_MS = 946_684_800_000  # 2000-01-01: a clock that was never set says 1970
LATEST_AHEAD_MS = 10 * 60 * 1000

# Above this a bare number counts milliseconds: as seconds it would be the year 5138.
_SECONDS_END = 1e11
# Far enough for any clock, and safely inside an int64 of milliseconds.
_MILLISECONDS_END = 1e15

TimeFormat = Literal["auto", "iso8601", "unix_s", "unix_ms", "local"]

Stamp = tuple[int | None, bool]
"""Milliseconds since 1970-01-01 UTC, None for a time that no clock says; and whether it is doubtful."""


def is_plausible(at_ms: int | None, now_ms: int) -> bool:
    """Whether a clock that runs can have said this."""
    return at_ms is not None and EARLIEST_MS <= at_ms <= now_ms + LATEST_AHEAD_MS


def time_reader(form: TimeFormat, path: str, zone: tzinfo) -> Callable[[object, int], Stamp]:
    """How to read the times at a path.

    Parameters
    ----------
    zone : of ``local`` times.

    Returns
    -------
    A function of what lies at the path and of the arrival (milliseconds since 1970-01-01 UTC).
    It raises ``PayloadRefused`` for what is no time at all.
    """
    if form == "unix_s":
        return lambda stamp, _: (_counted(stamp, path, 1000.0), False)
    if form == "unix_ms":
        return lambda stamp, _: (_counted(stamp, path, 1.0), False)
    if form == "local":
        return lambda stamp, now_ms: _local(_parsed(stamp, path), zone, now_ms)
    if form == "iso8601":
        return lambda stamp, _: (_zoned(stamp, path), False)
    return lambda stamp, _: (_any(stamp, path), False)


def _any(stamp: object, path: str) -> int | None:
    """ISO 8601 with a zone, or a number whose size tells whether it counts seconds or milliseconds."""
    if isinstance(stamp, str):
        return _zoned(stamp, path)
    number = _bare(stamp, path)
    return _rounded(number * 1000 if number < _SECONDS_END else number)


def _counted(stamp: object, path: str, factor: float) -> int | None:
    number = number_of(stamp) if isinstance(stamp, str) else _bare(stamp, path)
    if isinstance(stamp, str) and number != number:  # noqa: PLR0124  NaN: no number
        raise PayloadRefused("time_unreadable", path=path, sample=shorten(stamp))
    return _rounded(number * factor)


def _bare(stamp: object, path: str) -> float:
    if isinstance(stamp, bool) or not isinstance(stamp, int | float):
        raise PayloadRefused("time_unreadable", path=path, sample=sample_of(stamp))
    return number_of(stamp)


def _rounded(milliseconds: float) -> int | None:
    return round(milliseconds) if 0 <= milliseconds < _MILLISECONDS_END else None


def _parsed(stamp: object, path: str) -> datetime:
    if not isinstance(stamp, str):
        raise PayloadRefused("time_unreadable", path=path, sample=sample_of(stamp))
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        raise PayloadRefused("time_unreadable", path=path, sample=shorten(stamp)) from None


def _zoned(stamp: object, path: str) -> int | None:
    instant = _parsed(stamp, path)
    if instant.tzinfo is None:
        raise PayloadRefused("time_without_zone", path=path, sample=shorten(str(stamp)))
    return _milliseconds(instant)


def _local(instant: datetime, zone: tzinfo, now_ms: int) -> Stamp:
    """A wall clock's time. In the hour that autumn repeats, the arrival tells which of the two it was.

    One of the two within ten minutes of the arrival is taken; a message that was long on its way gets the
    earlier one and is doubtful, and so is a time in the hour that spring leaves out.
    """
    if instant.tzinfo is not None:
        return _milliseconds(instant), False
    first = _milliseconds(instant.replace(tzinfo=zone, fold=0))
    second = _milliseconds(instant.replace(tzinfo=zone, fold=1))
    if first is None or second is None or first == second:
        return first, False
    if second < first:  # spring: no clock that goes right says this
        return second, True
    near = [at_ms for at_ms in (first, second) if abs(now_ms - at_ms) <= LATEST_AHEAD_MS]
    return (near[0], False) if near else (first, True)


def _milliseconds(instant: datetime) -> int | None:
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:  # the first or last day of the calendar, in a far zone
        return None
    return round(utc.timestamp() * 1000)
