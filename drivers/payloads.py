"""Decoding one MQTT payload: pure, and safe against any bytes.

A payload gives a value for each point of its part, or it is refused with a code that names a text in the
word catalogue. Nothing else ever comes out of here.
"""

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

import numpy as np

from drivers.mqtt_profile import MqttPart
from drivers.profile import conversion
from rules.quality import Quality
from rules.scan import Qualities, Values

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
EARLIEST_MS = 946_684_800_000  # 2000-01-01: a clock that was never set says 1970
LATEST_AHEAD_MS = 10 * 60 * 1000

# Above this a bare number counts milliseconds: as seconds it would be the year 5138.
_SECONDS_END = 1e11
# Far enough for any clock, and safely inside an int64 of milliseconds.
_MILLISECONDS_END = 1e15
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SHOWN = 40

# NaN and Infinity are not JSON: they come out as their own names, which are no numbers.
_JSON = json.JSONDecoder(parse_constant=str)

_GOOD = int(Quality.GOOD)
_MISSING = int(Quality.MISSING)
_SUSPECT = int(Quality.SUSPECT)


class PayloadRefused(Exception):
    """A payload that gave nothing; ``code`` names the text, ``data`` fills it."""

    def __init__(self, code: str, /, **data: Any) -> None:
        self.code = f"payload.{code}"
        self.data = data
        super().__init__(f"{self.code}: {data}")


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one payload gave.

    Attributes
    ----------
    values : (n,) float64 in the layout's units and order, NaN = missing.
    quality : (n,) uint8 of ``Quality``.
    at_ms : the payload's own instant; None when its arrival must stand for it.
    found : the paths that gave a value, for people who look whether a profile fits.
    """

    values: Values
    quality: Qualities
    at_ms: int | None
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Point:
    path: str
    steps: tuple[str, ...]
    scale: float
    offset: float


class PartDecoder:
    """Decodes the payloads of one part of a profile; paths are taken apart once."""

    def __init__(self, part: MqttPart) -> None:
        self._json = part.payload == "json"
        self._time = None if part.time is None else (part.time, _steps(part.time))
        self._points = tuple(
            _Point(
                point.path,
                _steps(point.path),
                point.scale * conversion(name, point.unit),
                point.offset * conversion(name, point.unit),
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
        root = _parse(payload, self._json)
        at_ms, doubtful = self._instant(root, now_ms)
        values, quality = [], bytearray()
        trust = _SUSPECT if doubtful else _GOOD
        found = [] if at_ms is None or self._time is None else [self._time[0]]
        for point in self._points:
            value = _number(_walk(root, point.steps)) * point.scale + point.offset
            known = math.isfinite(value)
            values.append(value if known else math.nan)
            quality.append(trust if known else _MISSING)
            if known:
                found.append(point.path)
        if quality.count(_MISSING) == len(quality):
            paths = ", ".join(point.path for point in self._points)
            raise PayloadRefused("no_value", paths=paths, sample=_sample(root))
        return Reading(np.array(values), np.frombuffer(quality, dtype=np.uint8), at_ms, tuple(found))

    def _instant(self, root: object, now_ms: int) -> tuple[int | None, bool]:
        """The payload's own instant if it is plausible, and whether there should have been a better one."""
        if self._time is None:
            return None, False
        path, steps = self._time
        stamp = _walk(root, steps)
        if stamp is None:
            return None, True
        at_ms = _instant_ms(stamp, path)
        if at_ms is None or not EARLIEST_MS <= at_ms <= now_ms + LATEST_AHEAD_MS:
            return None, True
        return at_ms, False


def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


def _parse(payload: bytes, is_json: bool) -> object:
    if len(payload) > MAX_BYTES:
        raise PayloadRefused("too_large", size=len(payload), limit=MAX_BYTES)
    try:
        text = bytes(payload).decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise PayloadRefused("not_text", position=error.start) from None
    if not is_json:
        return text
    try:
        root: object = _JSON.decode(text)
    except RecursionError:
        raise PayloadRefused("too_deep", limit=MAX_DEPTH) from None
    except ValueError:  # not JSON, or a number of thousands of digits
        raise PayloadRefused("not_json", sample=_shorten(text)) from None
    if text.count("{") + text.count("[") > MAX_DEPTH and _is_too_deep(root):
        raise PayloadRefused("too_deep", limit=MAX_DEPTH)
    return root


def _is_too_deep(root: object) -> bool:
    level = [root]
    for _ in range(MAX_DEPTH):
        nested = (node.values() if isinstance(node, dict) else node for node in level if _is_nested(node))
        level = [child for children in nested for child in children]
    return any(_is_nested(node) for node in level)


def _is_nested(node: object) -> TypeGuard[dict[str, object] | list[object]]:
    return isinstance(node, dict | list)


def _walk(root: object, steps: tuple[str, ...]) -> object:
    """What lies at a path; None when there is nothing. A step of digits picks from a list."""
    node = root
    for step in steps:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isdecimal() and len(step) < 7 and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node


def _number(raw: object) -> float:
    """A finite number, or NaN. Plain decimal text counts; true, "NaN", "1,234" and "unavailable" do not."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return math.nan
    if isinstance(raw, str) and not _NUMBER.fullmatch(raw):
        return math.nan
    try:
        value = float(raw)
    except OverflowError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _instant_ms(stamp: object, path: str) -> int | None:
    """Milliseconds since 1970-01-01 UTC; None for a number that no clock says."""
    if isinstance(stamp, str):
        try:
            instant = datetime.fromisoformat(stamp)
        except ValueError:
            raise PayloadRefused("time_unreadable", path=path, sample=_shorten(stamp)) from None
        if instant.tzinfo is None:
            raise PayloadRefused("time_without_zone", path=path, sample=_shorten(stamp))
        return _milliseconds(instant)
    if isinstance(stamp, bool) or not isinstance(stamp, int | float):
        raise PayloadRefused("time_unreadable", path=path, sample=_sample(stamp))
    number = _number(stamp)
    if not 0 <= number < _MILLISECONDS_END:
        return None
    return round(number * 1000 if number < _SECONDS_END else number)


def _milliseconds(instant: datetime) -> int | None:
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:  # the first or last day of the calendar, in a far zone
        return None
    return round(utc.timestamp() * 1000)


def _sample(value: object) -> str:
    """A short look at a payload, for people. Never the whole of it: it may be huge."""
    if isinstance(value, dict):
        return "{" + _shorten(", ".join(str(key) for key in list(value)[:8])) + "}"
    if isinstance(value, list):
        return f"[{len(value)}]"
    return _shorten(value) if isinstance(value, str) else _shorten(f"{value!r:.{_SHOWN}}")


def _shorten(text: str) -> str:
    printable = "".join(sign if sign.isprintable() else "?" for sign in text[: _SHOWN + 1])
    return printable if len(printable) <= _SHOWN else printable[:_SHOWN] + "…"
