"""Registers to numbers and back: the decoder of the hot path.

The bytes of all blocks are decoded at once, without an object a point: one gather puts every value's
bytes into big-endian order whatever its word and byte order, then each type is one view.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.modbus_profile import RegisterPoint, RegisterType
from drivers.planner import Block
from rules.quality import Quality
from rules.scan import Qualities, Values

_DTYPES = {
    RegisterType.U16: ">u2",
    RegisterType.BITS16: ">u2",
    RegisterType.I16: ">i2",
    RegisterType.U32: ">u4",
    RegisterType.I32: ">i4",
    RegisterType.U64: ">u8",
    RegisterType.I64: ">i8",
    RegisterType.F32: ">f4",
    RegisterType.F64: ">f8",
    RegisterType.MOD10K: ">u4",
}
_CODES = {"u2": "H", "i2": "h", "u4": "I", "i4": "i", "u8": "Q", "i8": "q", "f4": "f", "f8": "d"}
_STRUCTS = {kind: struct.Struct(">" + _CODES[dtype[1:]]) for kind, dtype in _DTYPES.items()}
_FLOATS = frozenset((RegisterType.F32, RegisterType.F64))


MOD10K = 10_000
"""Each register of a ``mod10k`` pair counts to one less."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The points of one type in a scan, either all with invalid patterns or none."""

    type: RegisterType
    dtype: str
    gather: NDArray[np.intp]  # (n * size,) byte positions, each value's bytes in big-endian order
    places: NDArray[np.intp]  # (n,) positions in the scan
    scale: Values | None  # None when all are 1
    offset: Values | None  # None when all are 0
    raw_dtype: str  # the same bits as an unsigned number
    invalid: NDArray[np.uint64] | None  # (n, k) patterns that mean "no value"; padded by repetition


class ScanDecoder:
    """Decodes all blocks of one device into one scan, each type with one gather over all of them.

    Parameters
    ----------
    blocks : the device's reads; their places fill the scan.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        alike: dict[tuple[RegisterType, bool], list[tuple[list[int], RegisterPoint, int]]] = {}
        first_byte = 0
        for block in blocks:
            for point, place in zip(block.points, block.places, strict=True):
                bytes_at = [first_byte + at for at in _byte_places(point, block.start)]
                alike.setdefault((point.type, bool(point.invalid)), []).append((bytes_at, point, place))
            first_byte += 2 * block.count
        self._size = sum(len(block.points) for block in blocks)
        self._groups = tuple(_group(kind, members) for (kind, _), members in alike.items())
        self._blanks = tuple(bytes(2 * block.count) for block in blocks)
        self._places = tuple(np.array(block.places, dtype=np.intp) for block in blocks)

    def decode(self, payloads: Sequence[bytes | None]) -> tuple[Values, Qualities]:
        """Values and qualities of a scan.

        Parameters
        ----------
        payloads : for each block its registers as they came, two bytes each; None where it was refused.

        Returns
        -------
        values : (n,) float64 in the product's units, NaN where there is none.
        quality : (n,) uint8, GOOD or MISSING.
        """
        values = np.empty(self._size)
        quality = np.zeros(self._size, dtype=np.uint8)
        whole = b"".join(
            blank if payload is None else payload
            for payload, blank in zip(payloads, self._blanks, strict=True)
        )
        raw = np.frombuffer(whole, dtype=np.uint8)
        for group in self._groups:
            _decode_group(group, raw, values, quality)
        for payload, places in zip(payloads, self._places, strict=True):
            if payload is None:
                values[places] = np.nan
                quality[places] = Quality.MISSING
        return values, quality


def _decode_group(group: _Group, raw: NDArray[np.uint8], values: Values, quality: Qualities) -> None:
    ordered = raw[group.gather]
    numbers = _numbers(group, ordered)
    if group.scale is not None:
        numbers *= group.scale
    if group.offset is not None:
        numbers += group.offset
    bad = ~np.isfinite(numbers)
    if group.invalid is not None:
        patterns = ordered.view(group.raw_dtype)
        bad |= (patterns[:, None] == group.invalid).any(axis=1)
    if bad.any():
        numbers[bad] = np.nan
        quality[group.places[bad]] = Quality.MISSING
    values[group.places] = numbers


def _numbers(group: _Group, ordered: NDArray[np.uint8]) -> Values:
    """Raw numbers, as yet without scale; NaN where the bits cannot be one."""
    if group.type is not RegisterType.MOD10K:
        return ordered.view(group.dtype).astype(np.float64)
    pairs = ordered.view(">u2").astype(np.float64).reshape(-1, 2)
    pairs[pairs > MOD10K - 1] = np.nan
    return pairs[:, 0] * MOD10K + pairs[:, 1]


def _group(kind: RegisterType, members: list[tuple[list[int], RegisterPoint, int]]) -> _Group:
    points = [point for _, point, _ in members]
    gather = [at for bytes_at, _, _ in members for at in bytes_at]
    scale = np.array([point.scale for point in points])
    offset = np.array([point.offset for point in points])
    widest = max(len(point.invalid) for point in points)
    invalid = np.array([_padded(point.invalid, widest) for point in points], dtype=np.uint64)
    return _Group(
        type=kind,
        dtype=_DTYPES[kind],
        gather=np.array(gather, dtype=np.intp),
        places=np.array([place for _, _, place in members], dtype=np.intp),
        scale=None if (scale == 1.0).all() else scale,
        offset=None if (offset == 0.0).all() else offset,
        raw_dtype=f">u{kind.words * 2}",
        invalid=invalid if widest else None,
    )


def _padded(patterns: tuple[int, ...], width: int) -> list[int]:
    return [*patterns, *patterns[-1:] * (width - len(patterns))]


def _byte_places(point: RegisterPoint, start: int) -> list[int]:
    """Positions in the block of a value's bytes, the most significant first."""
    words = list(range(point.type.words))
    if point.word_order == "little":
        words.reverse()
    first = 2 * (point.address - start)
    pair = (0, 1) if point.byte_order == "big" else (1, 0)
    return [first + 2 * word + byte for word in words for byte in pair]


def encode_value(point: RegisterPoint, value: float) -> tuple[int, ...]:
    """Registers that say ``value``: the inverse of the decoder, for writing and for simulators.

    Parameters
    ----------
    value : in the product's unit; NaN only where the type is a float.

    Returns
    -------
    (words,) registers in the order of their addresses.

    Raises
    ------
    OverflowError : the type cannot hold it.
    """
    raw = (value - point.offset) / point.scale
    try:
        data = _packed(point.type, raw)
    except (struct.error, ValueError, OverflowError) as error:
        raise OverflowError(f"{point.name}: {value} does not fit {point.type.value}") from error
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if point.word_order == "little":
        words.reverse()
    return tuple(int.from_bytes(word, "big" if point.byte_order == "big" else "little") for word in words)


def _packed(kind: RegisterType, raw: float) -> bytes:
    if kind in _FLOATS:
        return _STRUCTS[kind].pack(raw)
    if kind is RegisterType.MOD10K:
        high, low = divmod(round(raw), MOD10K)
        if not 0 <= high < MOD10K:
            raise OverflowError(raw)
        return struct.pack(">HH", high, low)
    return _STRUCTS[kind].pack(round(raw))
