"""Sparkplug payloads, put together byte by byte."""

import struct

from drivers.sparkplug_wire import written_varint

AT_MS = 1_772_417_700_000


def varint(field: int, value: int) -> bytes:
    return written_varint(field << 3) + written_varint(value % 2**64)


def piece(field: int, content: bytes) -> bytes:
    return written_varint(field << 3 | 2) + written_varint(len(content)) + content


def metric(
    name: str | None = None,
    value: float | bool | str | None = None,
    *,
    alias: int | None = None,
    at_ms: int | None = None,
    datatype: int | None = None,
    more: bytes = b"",
) -> bytes:
    said = b"" if name is None else piece(1, name.encode())
    for field, number in ((2, alias), (3, at_ms), (4, datatype)):
        said += b"" if number is None else varint(field, number)
    if isinstance(value, bool):
        said += varint(14, value)
    elif isinstance(value, int):
        said += varint(11, value)
    elif isinstance(value, float):
        said += written_varint(13 << 3 | 1) + struct.pack("<d", value)
    elif isinstance(value, str):
        said += piece(15, value.encode())
    return said + more


def payload(*metrics: bytes, seq: int | None = None, at_ms: int | None = AT_MS) -> bytes:
    said = b"" if at_ms is None else varint(1, at_ms)
    said += b"".join(piece(2, one) for one in metrics)
    return said + (b"" if seq is None else varint(3, seq))
