"""The bytes of a Sparkplug B payload: read exactly, within set bounds, or refused.

Sparkplug's payload is one protocol-buffer message [1]_. Of its schema this reads what a meter can say (name,
alias, time, type, number, flags, quality) and steps over the rest.

References
----------
.. [1] Eclipse Tahu, ``sparkplug_b/sparkplug_b.proto``; Eclipse Sparkplug 3.0.0, chapter 6.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.refusals import PayloadRefused

MAX_METRICS = 10_000

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_FIRST_KEY = 8  # there is no field 0
_LONGEST = 10  # bytes of a varint
_U32, _U64 = 2**32 - 1, 2**64 - 1

# A field's key is its number * 8 + its wire type; one that comes with another wire type is none of these.
_PAYLOAD_TIME, _METRIC, _SEQ = 1 << 3 | _VARINT, 2 << 3 | _BYTES, 3 << 3 | _VARINT
_NAME, _ALIAS, _TIME, _DATATYPE = 1 << 3 | _BYTES, 2 << 3 | _VARINT, 3 << 3 | _VARINT, 4 << 3 | _VARINT
_IS_HISTORICAL, _IS_NULL, _PROPERTIES = 5 << 3 | _VARINT, 7 << 3 | _VARINT, 9 << 3 | _BYTES
_FIRST_VALUE, _LAST_VALUE = 10, 19
_BOOLEAN = 14 << 3 | _VARINT
_PROPERTY_NAME, _PROPERTY_VALUE = 1 << 3 | _BYTES, 2 << 3 | _BYTES
_PROPERTY_INT, _PROPERTY_LONG = 3 << 3 | _VARINT, 4 << 3 | _VARINT

_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")
_VALUES: dict[int, Callable[[Any], float | int]] = {
    10 << 3 | _VARINT: lambda raw: int(raw) & _U32,
    11 << 3 | _VARINT: int,
    12 << 3 | _FIXED32: lambda raw: float(_FLOAT.unpack(raw)[0]),
    13 << 3 | _FIXED64: lambda raw: float(_DOUBLE.unpack(raw)[0]),
}

_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
"""Int8, Int16, Int32, Int64: they travel as two's complement in an unsigned field."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a payload; None for what it leaves out.

    Attributes
    ----------
    value : the number as it travelled, integers unsigned; None for a null and for what is no number.
    quality : the property ``Quality``: 192 good, 500 stale, 0 bad.
    """

    name: str | None = None
    alias: int | None = None
    at_ms: int | None = None
    datatype: int | None = None
    is_historical: bool = False
    value: float | int | None = None
    is_true: bool = False
    quality: int | None = None

    def number(self, datatype: int | None) -> float | int | None:
        """The value, with the sign that a data type gives it."""
        bits = _SIGNED_BITS.get(datatype or 0)
        if bits is None or not isinstance(self.value, int):
            return self.value
        raw = self.value & ((1 << bits) - 1)
        return raw - (1 << bits) if raw >> (bits - 1) else raw


@dataclass(frozen=True, slots=True)
class Payload:
    """One message; None for what it leaves out."""

    at_ms: int | None
    seq: int | None
    metrics: tuple[Metric, ...]


def read_payload(data: bytes) -> Payload:
    """Take a payload apart.

    Raises
    ------
    PayloadRefused
        ``not_sparkplug`` for bytes that are no such message, ``too_many_metrics``.
    """
    at_ms = seq = None
    metrics: list[Metric] = []
    for key, raw in _fields(data):
        if key == _METRIC:
            if len(metrics) == MAX_METRICS:
                raise PayloadRefused("too_many_metrics", limit=MAX_METRICS)
            metrics.append(_metric(raw))
        elif key == _PAYLOAD_TIME:
            at_ms = raw
        elif key == _SEQ:
            seq = raw
    return Payload(at_ms, seq, tuple(metrics))


def _metric(data: bytes) -> Metric:
    fields = _fields(data)
    said: dict[int, Any] = dict(fields)  # of a field that comes twice the last one counts
    held = [key for key, _ in fields if _FIRST_VALUE <= key >> 3 <= _LAST_VALUE]
    read = _VALUES.get(held[-1]) if held else None  # one of them only holds the value: the last
    name, properties = said.get(_NAME), said.get(_PROPERTIES)
    return Metric(
        None if name is None else _text(name),
        said.get(_ALIAS),
        said.get(_TIME),
        said.get(_DATATYPE),
        bool(said.get(_IS_HISTORICAL)),
        None if read is None or said.get(_IS_NULL) else read(said[held[-1]]),
        bool(said.get(_BOOLEAN)),
        None if properties is None else _quality(properties),
    )


def _quality(data: bytes) -> int | None:
    """The property ``Quality`` of a property set: keys and values stand in two lists of the same order."""
    fields = _fields(data)
    names = [raw for key, raw in fields if key == _PROPERTY_NAME]
    values = [raw for key, raw in fields if key == _PROPERTY_VALUE]
    for name, value in zip(names, values, strict=False):
        if name == b"Quality":
            said: dict[int, Any] = dict(_fields(value))
            quality: int | None = said.get(_PROPERTY_INT, said.get(_PROPERTY_LONG))
            return quality
    return None


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadRefused("not_sparkplug", position=error.start) from None


def _fields(data: bytes) -> list[tuple[int, Any]]:
    """Key (number and wire type) and content of each field: an int of a varint, the bytes of all else."""
    found: list[tuple[int, Any]] = []
    position, end = 0, len(data)
    while position < end:
        key = data[position]
        position += 1
        if key > 0x7F:
            key, position = _varint(data, position - 1)
        if not _FIRST_KEY <= key <= _U32:
            raise PayloadRefused("not_sparkplug", position=position)
        wire = key & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            found.append((key, value))
            continue
        if wire == _BYTES:
            size, position = _varint(data, position)
        else:
            size = _SIZES.get(wire, end)  # groups are not in the schema
        stop = position + size
        if stop > end:
            raise PayloadRefused("not_sparkplug", position=position)
        found.append((key, data[position:stop]))
        position = stop
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ended."""
    value = shift = 0
    for byte in data[position : position + _LONGEST]:
        position += 1
        if byte < 0x80:
            return (value | byte << shift) & _U64, position
        value |= (byte & 0x7F) << shift
        shift += 7
    raise PayloadRefused("not_sparkplug", position=position)


def rebirth_request(at_ms: int) -> bytes:
    """What a node must answer with all its births: ``Node Control/Rebirth`` = true, as NCMD."""
    name = b"Node Control/Rebirth"
    metric = b"\x0a" + bytes([len(name)]) + name + b"\x18" + written_varint(at_ms) + b"\x20\x0b\x70\x01"
    return b"\x08" + written_varint(at_ms) + b"\x12" + bytes([len(metric)]) + metric


def written_varint(value: int) -> bytes:
    """A number below 2**64 as a varint."""
    written = bytearray()
    while value > 0x7F:
        written.append(0x80 | value & 0x7F)
        value >>= 7
    written.append(value)
    return bytes(written)
