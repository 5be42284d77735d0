"""Local times of a zone as instants: whole columns at once, days of 23 and 25 hours included."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400
_WIDEST_S = 2 * DAY_S  # no zone lies further from UTC

Seconds = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Instants:
    """What local times are.

    Attributes
    ----------
    utc_s : (n,) int64 seconds since 1970 UTC; meaningless where a mask is set.
    skipped : (n,) bool, local times that the clock jumped over.
    doubtful : (n,) bool, local times that were twice, and nothing says which was meant.
    """

    utc_s: Seconds
    skipped: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]


def to_instants(local_s: Seconds, zone: ZoneInfo, series: NDArray[np.int64]) -> Instants:
    """Instants of local times.

    A local time that was twice, because the clock was set back, is resolved where it stands twice in its
    series: the first is the earlier instant.

    Parameters
    ----------
    local_s : (n,) what the clock on the wall showed, as seconds since 1970 of that clock.
    series : (n,) which series each belongs to, as one meter's rows; in the order of the file.
    """
    if not len(local_s):
        nothing = np.zeros(0, dtype=bool)
        return Instants(local_s.copy(), nothing, nothing)
    at_s, before_s, after_s = _changes(int(local_s.min()), int(local_s.max()), zone)
    offsets = np.concatenate((before_s[:1], after_s))
    late = np.searchsorted(at_s + np.minimum(before_s[1:], after_s), local_s, side="right")
    early = np.searchsorted(at_s + np.maximum(before_s[1:], after_s), local_s, side="right")
    unclear = late != early
    grows = np.zeros(len(at_s) + 1, dtype=bool)
    grows[:-1] = after_s > before_s[1:]
    skipped = unclear & grows[early]
    twice = unclear & ~skipped
    second = np.zeros(len(local_s), dtype=bool)
    doubtful = np.zeros(len(local_s), dtype=bool)
    _tell_apart(np.flatnonzero(twice), local_s, series, second, doubtful)
    utc_s = local_s - np.where(second, offsets[late], offsets[early])
    return Instants(utc_s, skipped, doubtful)


def to_local(utc_s: Seconds, zone: ZoneInfo) -> Seconds:
    """What the clock on the wall showed at instants: the inverse of ``to_instants``.

    Parameters
    ----------
    utc_s : (n,) seconds since 1970 UTC.

    Returns
    -------
    (n,) int64 seconds since 1970 of that clock; in the hour that comes twice two instants show the same.
    """
    if not len(utc_s):
        return utc_s.copy()
    at_s, before_s, after_s = _changes(int(utc_s.min()), int(utc_s.max()), zone)
    offsets = np.concatenate((before_s[:1], after_s))
    local_s: Seconds = utc_s + offsets[np.searchsorted(at_s, utc_s, side="right")]
    return local_s


def _tell_apart(
    rows: NDArray[np.intp],
    local_s: Seconds,
    series: NDArray[np.int64],
    second: NDArray[np.bool_],
    doubtful: NDArray[np.bool_],
) -> None:
    """Of a local time that stands twice the later row is the later instant; one alone is in doubt."""
    first: dict[tuple[int, int], int] = {}
    for row in rows.tolist():
        other = first.setdefault((int(series[row]), int(local_s[row])), row)
        second[row] = other != row
        doubtful[row] = other == row
        doubtful[other] = other == row


def _changes(first_s: int, last_s: int, zone: ZoneInfo) -> tuple[Seconds, Seconds, Seconds]:
    """When a zone's offset changes between two local times: instants, and the offsets around each.

    Returns
    -------
    at_s (k,); before_s (k + 1,), whose first entry is the offset at the beginning and whose others are
    those before each change; after_s (k,).
    """
    start_s, end_s = first_s - _WIDEST_S, last_s + _WIDEST_S
    offset = _offset_s(start_s, zone)
    at, before, after = [], [offset], []
    for probe_s in range(start_s, end_s + DAY_S, DAY_S):
        found = _offset_s(probe_s, zone)
        if found != offset:
            at.append(_change_between(probe_s - DAY_S, probe_s, zone))
            before.append(offset)
            after.append(found)
            offset = found
    return (
        np.array(at, dtype=np.int64),
        np.array(before, dtype=np.int64),
        np.array(after, dtype=np.int64),
    )


def _change_between(low_s: int, high_s: int, zone: ZoneInfo) -> int:
    """The first instant with the later offset."""
    old = _offset_s(low_s, zone)
    while high_s - low_s > 1:
        middle_s = (low_s + high_s) // 2
        if _offset_s(middle_s, zone) == old:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s


def _offset_s(utc_s: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(utc_s, UTC).astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101  a ZoneInfo always knows
    return offset // timedelta(seconds=1)
