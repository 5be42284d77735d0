"""Registers to numbers: the decoder of the hot path.

The bytes of all blocks are decoded at once, without an object a point: one gather puts every value's
bytes into big-endian order whatever its word and byte order, then each type is one view. Values made of
parts, and those whose factor another register tells, are put together afterwards, again as vectors.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.modbus_profile import RegisterPoint, RegisterType, ToldFactor
from drivers.planner import Block
from rules.quality import Quality
from rules.scan import Qualities, Values

MOD10K = 10_000
"""Each register of a ``mod10k`` pair counts to one less."""

LARGEST_EXPONENT = 30
"""No unit of measurement is larger or smaller than ten to this: such a register tells something else."""

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
    RegisterType.MOD10K: ">u2",
}
_CODES = {"u2": "H", "i2": "h", "u4": "I", "i4": "i", "u8": "Q", "i8": "q", "f4": "f", "f8": "d"}

_Slots = NDArray[np.intp]


def unwarned() -> np.errstate:
    """Let numbers that are none pass without numpy's warnings: the decoder tells them itself.

    It holds for the task that enters it (numpy keeps it in a context variable), also over its waits.
    """
    return np.errstate(over="ignore", invalid="ignore")


class ScanDecoder:
    """Decodes all blocks of one device into one scan, each type with one gather over all of them.

    Each number has a slot: first the scan's points, then the parts of values and the registers that tell
    factors, which no scan shows.

    Parameters
    ----------
    blocks : the device's reads; their places fill the scan.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._size = sum(len(block.points) for block in blocks)
        found = _Slotted(blocks)
        self._groups = tuple(_group(kind, members) for (kind, _), members in found.alike.items())
        self._lengths = [2 * block.count for block in blocks]
        self._slots = tuple(np.array(slots, dtype=np.intp) for slots in found.by_block)
        self._slot_count = found.count
        self._whole = _Composition(found) if found.composed else None

    def decode(self, payloads: Sequence[bytes | None]) -> tuple[Values, Qualities]:
        """Values and qualities of a scan.

        Parameters
        ----------
        payloads : for each block its registers as they came, two bytes each; None where it was refused. One
            that is not of the block's size tells nothing either.

        Returns
        -------
        values : (n,) float64 in the product's units, NaN where there is none.
        quality : (n,) uint8, GOOD or MISSING.
        """
        with unwarned():
            return self.decode_unwarned(payloads)

    def decode_unwarned(self, payloads: Sequence[bytes | None]) -> tuple[Values, Qualities]:
        """``decode`` for who has entered ``unwarned`` once for many: entering takes a fifth of the time."""
        values = np.empty(self._slot_count)
        quality = np.zeros(self._size, dtype=np.uint8)
        whole, refused = self._bytes(payloads)
        raw = np.frombuffer(whole, dtype=np.uint8)
        for group in self._groups:
            group.decode(raw, values)
        for slots in refused:
            values[slots] = np.nan
        if self._whole is not None:
            self._whole.put_together(values)
        # The sum of finite numbers is finite: quicker than a test of each. A product with zeros would be
        # quicker still, but lets go of the interpreter, and another thread may keep it for 5 ms.
        doubtful = not math.isfinite(np.add.reduce(values))
        values = values[: self._size]
        if doubtful:
            missing = ~np.isfinite(values)
            values[missing] = np.nan
            quality[missing] = Quality.MISSING
        return values, quality

    def _bytes(self, payloads: Sequence[bytes | None]) -> tuple[bytes, Sequence[_Slots]]:
        """The bytes of all blocks, and the slots of those that were refused or are not of their size."""
        if None not in payloads and list(map(len, payloads)) == self._lengths:  # type: ignore[arg-type]
            return b"".join(payloads), ()  # type: ignore[arg-type]
        sound: list[bytes] = []
        refused = []
        for payload, length, slots in zip(payloads, self._lengths, self._slots, strict=True):
            fits = payload is not None and len(payload) == length
            sound.append(payload if payload is not None and fits else bytes(length))
            if not fits:
                refused.append(slots)
        return b"".join(sound), refused


@dataclass(frozen=True, slots=True)
class _Group:
    """The numbers of one type, either all with invalid patterns or none.

    ``gather`` leads to each number's bytes in big-endian order, ``slots`` to where it belongs.
    """

    dtype: np.dtype[Any]  # made once: numpy takes longer to read its name than to use it
    size: int  # bytes a number
    pairs: bool  # mod10k: two numbers make one
    gather: NDArray[np.intp]  # (n * size,) positions in the bytes of all blocks
    slots: _Slots  # (n,)
    scale: Values | None  # None when all are 1
    offset: Values | None  # None when all are 0
    invalid: NDArray[np.uint64] | None  # (n, k) patterns that mean "no value"; padded by repetition

    def decode(self, raw: NDArray[np.uint8], values: Values) -> None:
        """Put the numbers, NaN or infinite where there is none, into their slots."""
        ordered = raw[self.gather]
        numbers = ordered.view(self.dtype).astype(np.float64)
        if self.pairs:
            numbers[numbers >= MOD10K] = np.nan
            numbers = numbers[0::2] * MOD10K + numbers[1::2]
        if self.scale is not None:
            numbers *= self.scale
        if self.offset is not None:
            numbers += self.offset
        if self.invalid is not None:
            patterns = ordered.view(f">u{self.size}")
            numbers[(patterns[:, None] == self.invalid).any(axis=1)] = np.nan
        values[self.slots] = numbers


@dataclass(frozen=True, slots=True)
class _Member:
    """One number: where its bytes lie in those of all blocks, and its slot."""

    bytes_at: list[int]
    point: RegisterPoint
    slot: int
    is_raw: bool  # its scale and offset come last, when the value is put together


class _Slotted:
    """Every number of the blocks with its slot: the scan's points, then parts, then what tells factors."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.alike: dict[tuple[RegisterType, bool], list[_Member]] = {}
        self.by_block: list[list[int]] = []
        self.count = sum(len(block.points) for block in blocks)
        self.composed: list[tuple[RegisterPoint, int, list[int]]] = []
        self.told: dict[RegisterPoint, int] = {}
        first_byte = 0
        for block in blocks:
            self.by_block.append([])
            for point, place in zip(block.points, block.places, strict=True):
                whole = bool(point.parts or point.factors)
                self._add(point, place, first_byte - 2 * block.start, is_raw=whole)
                parts = [self._new(part, first_byte - 2 * block.start) for part in point.parts]
                if whole:
                    self.composed.append((point, place, parts))
            for register in block.told:
                self.told[register] = self._new(register, first_byte - 2 * block.start)
            first_byte += 2 * block.count

    def _new(self, point: RegisterPoint, first_byte: int) -> int:
        slot, self.count = self.count, self.count + 1
        self._add(point, slot, first_byte, is_raw=False)
        return slot

    def _add(self, point: RegisterPoint, slot: int, first_byte: int, *, is_raw: bool) -> None:
        bytes_at = [first_byte + at for at in _byte_places(point)]
        members = self.alike.setdefault((point.type, bool(point.invalid)), [])
        members.append(_Member(bytes_at, point, slot, is_raw))
        self.by_block[-1].append(slot)


class _Composition:
    """Puts values together: (raw + parts) * factors * scale + offset.

    The first parts of all values are one vector, the second parts the next; factors likewise.
    """

    def __init__(self, found: _Slotted) -> None:
        points = [point for point, _, _ in found.composed]
        self._slots = np.array([slot for _, slot, _ in found.composed], dtype=np.intp)
        self._parts = [_layer(rank) for rank in _ranks([parts for _, _, parts in found.composed])]
        told = list(dict.fromkeys(factor for point in points for factor in point.factors))
        self._told = [_Told(factor, found.told[factor.register]) for factor in told]
        self._factors = [
            _layer(rank)
            for rank in _ranks([[told.index(factor) for factor in point.factors] for point in points])
        ]
        self._scale = np.array([point.scale for point in points])
        self._offset = np.array([point.offset for point in points])

    def put_together(self, values: Values) -> None:
        numbers = values[self._slots]
        for owners, slots in self._parts:
            numbers[owners] += values[slots]
        if self._told:
            factors = np.array([told.factor(values) for told in self._told])
            for owners, which in self._factors:
                numbers[owners] *= factors[which]
        values[self._slots] = numbers * self._scale + self._offset


def _ranks(of_each: Sequence[Sequence[int]]) -> Iterable[list[tuple[int, int]]]:
    """First entries of all with their owner's number, then the second ones, and so on."""
    for rank in range(max(map(len, of_each))):
        yield [(owner, entries[rank]) for owner, entries in enumerate(of_each) if rank < len(entries)]


def _layer(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    owners, entries = zip(*pairs, strict=True)
    return np.array(owners, dtype=np.intp), np.array(entries, dtype=np.intp)


class _Told:
    """A factor that a register tells; NaN for a raw value that means nothing."""

    def __init__(self, factor: ToldFactor, slot: int) -> None:
        self._slot = slot
        self._shift = factor.shift
        self._values: Mapping[float, float] | None = (
            dict(factor.values) if factor.values is not None else None
        )

    def factor(self, values: Values) -> float:
        raw = float(values[self._slot])
        if self._values is not None:
            return self._values.get(raw, math.nan)
        exponent = raw + self._shift
        return 10.0**exponent if abs(exponent) <= LARGEST_EXPONENT and raw % 1 == 0 else math.nan


def _group(kind: RegisterType, members: Sequence[_Member]) -> _Group:
    scale = np.array([1.0 if member.is_raw else member.point.scale for member in members])
    offset = np.array([0.0 if member.is_raw else member.point.offset for member in members])
    widest = max(len(member.point.invalid) for member in members)
    patterns = [_padded(member.point.invalid, widest) for member in members]
    return _Group(
        dtype=np.dtype(_DTYPES[kind]),
        pairs=kind is RegisterType.MOD10K,
        size=2 * kind.words,
        gather=np.array([at for member in members for at in member.bytes_at], dtype=np.intp),
        slots=np.array([member.slot for member in members], dtype=np.intp),
        scale=None if (scale == 1.0).all() else scale,
        offset=None if (offset == 0.0).all() else offset,
        invalid=np.array(patterns, dtype=np.uint64) if widest else None,
    )


def _padded(patterns: tuple[int, ...], width: int) -> list[int]:
    return [*patterns, *patterns[-1:] * (width - len(patterns))]


def _byte_places(point: RegisterPoint) -> list[int]:
    """Positions of a value's bytes in its table, the most significant first."""
    words = list(range(point.address, point.end))
    if point.word_order == "little":
        words.reverse()
    pair = (0, 1) if point.byte_order == "big" else (1, 0)
    return [2 * word + byte for word in words for byte in pair]


def encode_value(point: RegisterPoint, value: float) -> tuple[int, ...]:
    """Registers that say ``value``: the inverse of the decoder, for writing.

    Parameters
    ----------
    value : in the product's unit; NaN only where the type is a float.

    Returns
    -------
    (words,) registers in the order of their addresses.

    Raises
    ------
    OverflowError : the type cannot hold it.
    ValueError : the value is put together from several registers.
    """
    if point.parts or point.factors:
        raise ValueError(f"{point.name} is put together from several registers and cannot be written")
    try:
        data = _packed(point.type, (value - point.offset) / point.scale)
    except (struct.error, ValueError, OverflowError) as error:
        raise OverflowError(f"{point.name}: {value} does not fit {point.type.value}") from error
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if point.word_order == "little":
        words.reverse()
    return tuple(int.from_bytes(word, point.byte_order) for word in words)


def _packed(kind: RegisterType, raw: float) -> bytes:
    """Big-endian bytes of a raw number."""
    if kind is RegisterType.MOD10K:
        high, low = divmod(round(raw), MOD10K)
        if not 0 <= high < MOD10K:
            raise OverflowError(raw)
        return struct.pack(">HH", high, low)
    if kind in {RegisterType.F32, RegisterType.F64}:
        return struct.pack(f">{_CODES[_DTYPES[kind][1:]]}", raw)
    return struct.pack(f">{_CODES[_DTYPES[kind][1:]]}", round(raw))
