"""Values to registers and back, one at a time.

Written apart from the drivers' decoder, so that each checks the other.
"""

import math
import struct

from drivers.modbus_profile import RegisterPoint, RegisterType

_CODES = {
    RegisterType.U16: "H",
    RegisterType.BITS16: "H",
    RegisterType.I16: "h",
    RegisterType.U32: "I",
    RegisterType.I32: "i",
    RegisterType.U64: "Q",
    RegisterType.I64: "q",
    RegisterType.F32: "f",
    RegisterType.F64: "d",
}


def _range(kind: RegisterType) -> tuple[int, int]:
    if kind is RegisterType.MOD10K:
        return 0, 99_999_999
    bits = 16 * kind.words
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.value[0] == "i" else (0, (1 << bits) - 1)


def holds(point: RegisterPoint, raw: int) -> bool:
    """Whether a raw whole number fits the point's type."""
    low, high = _range(point.type)
    return low <= raw <= high


def encoded(point: RegisterPoint, value: float, wraps: bool = False) -> bytes:
    """The bytes on the wire of ``value``, two a register in the order of addresses.

    Parameters
    ----------
    value : in the product's unit; NaN becomes the pattern that means 'no value'.
    wraps : what an integer type cannot hold starts again at 0, as a counter does; else it stops at
        the end of the range, as a gauge does.
    """
    if math.isnan(value):
        return _swapped(point, _no_value(point))
    raw = (value - point.offset) / point.scale
    if point.type in (RegisterType.F32, RegisterType.F64):
        return _swapped(point, struct.pack(">" + _CODES[point.type], raw))
    low, high = _range(point.type)
    whole = math.floor(raw) if wraps else round(raw)
    whole = whole % (high + 1) if wraps else min(max(whole, low), high)
    if point.type is RegisterType.MOD10K:
        return _swapped(point, struct.pack(">HH", whole // 10_000, whole % 10_000))
    return _swapped(point, struct.pack(">" + _CODES[point.type], whole))


def _no_value(point: RegisterPoint) -> bytes:
    """The profile's own pattern, or all ones, which is NaN for a float."""
    ones = (1 << 16 * point.type.words) - 1
    return (point.invalid[0] if point.invalid else ones).to_bytes(2 * point.type.words, "big")


def decoded(point: RegisterPoint, data: bytes) -> float:
    """The value, in the product's unit, of bytes from the wire."""
    ordered = _swapped(point, data)
    if point.type is RegisterType.MOD10K:
        high, low = struct.unpack(">HH", ordered)
        raw: float = high * 10_000 + low if max(high, low) < 10_000 else math.nan
    else:
        raw = struct.unpack(">" + _CODES[point.type], ordered)[0]
    return raw * point.scale + point.offset


def _swapped(point: RegisterPoint, data: bytes) -> bytes:
    """Big-endian bytes to the wire's order; its own inverse."""
    if point.word_order == "big" and point.byte_order == "big":
        return data
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    if point.word_order == "little":
        words.reverse()
    if point.byte_order == "little":
        words = [word[::-1] for word in words]
    return b"".join(words)
