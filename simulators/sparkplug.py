"""A Sparkplug B node of simulated devices: births when it begins or is asked, then only what changed.

Written apart from the driver's decoder: each checks the other.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

_DOUBLE, _BOOLEAN, _INT64 = 10, 11, 4  # Sparkplug's data types


class Sent(NamedTuple):
    """A message of the node."""

    topic: str
    payload: bytes


class SparkplugNode:
    """One edge node; its messages are numbered over all its devices."""

    def __init__(self, group: str, node: str) -> None:
        self.command_topic = f"spBv1.0/{group}/NCMD/{node}"
        self._group = group
        self._node = node
        self._seq = 0
        self._is_born = False
        self._last: dict[str, dict[str, float]] = {}
        self._aliases: dict[tuple[str, str], int] = {}

    def begin_anew(self) -> None:
        """Everything is born again, from the next message on."""
        self._is_born = False
        self._last.clear()

    def say(self, device: str, values: Mapping[str, float], at_ms: int) -> list[Sent]:
        """What goes out when a device has these values, by metric name."""
        last, self._last[device] = self._last.get(device), dict(values)
        if last is not None:
            changed = {name: value for name, value in values.items() if value != last[name]}
            numbered = [
                _metric(at_ms, alias=self._alias(device, name), content=_double_field(13, value))
                for name, value in changed.items()
            ]
            return [self._sent("DDATA" if device else "NDATA", device, numbered, at_ms)] if changed else []
        named = [
            _metric(at_ms, name, self._alias(device, name), _DOUBLE, _double_field(13, value))
            for name, value in values.items()
        ]
        sent = []
        if not self._is_born:
            self._is_born, self._seq = True, 0
            own = [
                _metric(at_ms, name="bdSeq", datatype=_INT64, content=_varint_field(11, 0)),
                _metric(at_ms, "Node Control/Rebirth", datatype=_BOOLEAN, content=_varint_field(14, 0)),
            ]
            sent.append(self._sent("NBIRTH", "", own if device else own + named, at_ms))
        if device:
            sent.append(self._sent("DBIRTH", device, named, at_ms))
        return sent

    def _alias(self, device: str, name: str) -> int:
        return self._aliases.setdefault((device, name), len(self._aliases) + 1)

    def _sent(self, kind: str, device: str, metrics: list[bytes], at_ms: int) -> Sent:
        payload = _varint_field(1, at_ms) + b"".join(_piece(2, metric) for metric in metrics)
        payload += _varint_field(3, self._seq)
        self._seq = (self._seq + 1) % 256
        topic = f"spBv1.0/{self._group}/{kind}/{self._node}"
        return Sent(f"{topic}/{device}" if device else topic, payload)


def _metric(
    at_ms: int, name: str = "", alias: int | None = None, datatype: int | None = None, content: bytes = b""
) -> bytes:
    said = _piece(1, name.encode()) if name else b""
    said += b"" if alias is None else _varint_field(2, alias)
    said += _varint_field(3, at_ms)
    return said + (b"" if datatype is None else _varint_field(4, datatype)) + content


def _varint_field(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double_field(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _piece(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = []
    while True:
        groups.append(value & 0x7F)
        value >>= 7
        if not value:
            return bytes(group | 0x80 for group in groups[:-1]) + bytes(groups[-1:])
