"""Decoding the payloads of one part of a device: pure, and safe against any bytes.

A payload gives a value for each point of its part, or it is refused with a code that names a text in the
word catalogue. Nothing else ever comes out of here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.mqtt_profile import Delta, MqttPart
from drivers.payload_json import ABSENT, number_of, parse, steps_of, walk
from drivers.payload_times import Stamp, is_plausible, time_reader
from drivers.profile import conversion
from drivers.refusals import PayloadRefused, sample_of
from rules.quality import Quality
from rules.scan import Qualities, Values

KEY_MAX = 64  # characters of a duplicate's key

_GOOD = int(Quality.GOOD)
_MISSING = int(Quality.MISSING)
_SUSPECT = int(Quality.SUSPECT)


@dataclass(slots=True, eq=False)  # one a message: frozen costs four times as much to make
class Reading:
    """What one payload gave. Nothing of it is set to something else once it is made.

    Attributes
    ----------
    values : (n,) float64 in the layout's units and order, NaN = missing.
    quality : (n,) uint8 of ``Quality``.
    at_ms : the payload's own instant; None when its arrival must stand for it.
    found : the paths that gave a value, for people who look whether a profile fits.
    given : (n,) bool, of which points the payload spoke; None for all.
    key : what is the same when the message comes twice, where the profile names such a thing.
    count : the device's own count of messages, where the profile names one.
    """

    values: Values
    quality: Qualities
    at_ms: int | None
    found: tuple[str, ...]
    given: NDArray[np.bool_] | None = None
    key: str | None = None
    count: float | None = None


class _Point(NamedTuple):
    path: str
    steps: tuple[str, ...]
    scale: float
    offset: float
    words: dict[str, float] | None = None


_NO_TIME: Stamp = (None, True)


class _Clock:
    """Where the time of a message lies, and how it is read."""

    def __init__(self, path: str, read: Callable[[object, int], Stamp]) -> None:
        self.path = path
        self._steps = steps_of(path)
        self._read = read

    def look(self, root: object, now_ms: int) -> Stamp:
        """The message's own instant if it is plausible, and whether there should have been a better one."""
        found = walk(root, self._steps)
        if found is ABSENT or found is None:
            return _NO_TIME
        stamp = self._read(found, now_ms)
        return stamp if is_plausible(stamp[0], now_ms) else _NO_TIME


class PartDecoder:
    """Decodes the payloads of one part of a profile; paths are taken apart once.

    Parameters
    ----------
    zone : of times that say none.

    Attributes
    ----------
    paths : all that a payload should hold a value at.
    """

    def __init__(self, part: MqttPart, zone: tzinfo = UTC) -> None:
        self._is_json = part.payload == "json"
        self._clock = _clock_of(part, zone)
        self._deltas = tuple((steps_of(delta.under), _clock_of(delta, zone)) for delta in part.deltas)
        self._key = _steps_or_none(part.duplicate_by)
        self._count = _steps_or_none(part.restart_by)
        self._decoded = _steps_or_none(part.decoded)
        self._points = tuple(
            _Point(
                point.path,
                steps_of(point.path),
                point.scale * conversion(name, point.unit),
                point.offset * conversion(name, point.unit),
                point.words,
            )
            for name, point in part.points.items()
        )
        times = () if part.time is None else (part.time,)
        self.paths: tuple[str, ...] = (*times, *(point.path for point in self._points))

    def decode(self, payload: bytes, now_ms: int) -> Reading:
        """Values of one payload.

        Parameters
        ----------
        payload : as it came from the broker.
        now_ms : instant of its arrival, to judge the payload's own timestamp by.

        Raises
        ------
        PayloadRefused
            When the payload as a whole cannot be read, or gave no value at all.
        """
        root = parse(payload, is_json=self._is_json)
        if self._decoded is not None and _is_nothing(walk(root, self._decoded)):
            raise PayloadRefused("not_decoded", path=".".join(self._decoded))
        at_ms, doubtful = None, False
        found: list[str] = []
        if self._clock is not None:
            at_ms, doubtful = self._clock.look(root, now_ms)
            if at_ms is not None:
                found.append(self._clock.path)
        values, quality, _ = self._values(root, doubtful, found)
        if quality.count(_MISSING) == len(quality):
            raise PayloadRefused("no_value", paths=self._wanted(), sample=sample_of(root))
        return Reading(
            np.array(values),
            np.frombuffer(quality, dtype=np.uint8),
            at_ms,
            tuple(found),
            key=None if self._key is None else _key(walk(root, self._key)),
            count=None if self._count is None else number_of(walk(root, self._count)),
        )

    def decode_delta(self, which: int, payload: bytes, now_ms: int) -> Reading | None:
        """Values of a message that carries only what changed; None where it is about something else.

        Parameters
        ----------
        which : position among the part's ``deltas``.

        Raises
        ------
        PayloadRefused
            When the message as a whole cannot be read.
        """
        under, clock = self._deltas[which]
        whole = parse(payload, is_json=True)
        root = walk(whole, under)
        found: list[str] = []
        stamp = (None, False) if clock is None else clock.look(whole, now_ms)
        values, quality, given = self._values(root, stamp[1], found)
        if not any(given):
            return None
        return Reading(
            np.array(values), np.frombuffer(quality, dtype=np.uint8), stamp[0], tuple(found), np.array(given)
        )

    def _values(
        self, root: object, doubtful: bool, found: list[str]
    ) -> tuple[list[float], bytearray, list[bool]]:
        """Value and quality of each point, and whether the payload spoke of it."""
        values, quality, given = [], bytearray(), []
        trust = _SUSPECT if doubtful else _GOOD
        for path, steps, scale, offset, words in self._points:
            raw = walk(root, steps)
            number = number_of(raw) if words is None else words.get(str(raw).lower(), math.nan)
            value = number * scale + offset
            given.append(raw is not ABSENT)
            if isfinite(value):
                values.append(value)
                quality.append(trust)
                found.append(path)
            else:
                values.append(math.nan)
                quality.append(_MISSING)
        return values, quality, given

    def _wanted(self) -> str:
        return ", ".join(point.path for point in self._points)


def _is_nothing(node: object) -> bool:
    return node is ABSENT or node is None


def _steps_or_none(path: str | None) -> tuple[str, ...] | None:
    return None if path is None else steps_of(path)


def _clock_of(source: MqttPart | Delta, zone: tzinfo) -> _Clock | None:
    if source.time is None:
        return None
    return _Clock(source.time, time_reader(source.time_format, source.time, zone))


def _key(raw: object) -> str | None:
    """Text of a number or a short text; anything else tells nothing."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    return raw[:KEY_MAX] if isinstance(raw, str) else f"{number_of(raw):.17g}"
