"""Reading the same registers in several ways: what shows a swapped word order or an address that is one off.

A register map that is one off gives plausible numbers, a swapped pair rarely does. So a person who puts a
meter into service sees the raw words, the value as the profile says, and the value in each other way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from drivers.modbus_profile import Limits, RegisterPoint, Table
from drivers.planner import PlanError, plan_reads
from drivers.registers import ScanDecoder
from rules.scan import PointSpec, Values

Words = Mapping[tuple[Table, int], int]
"""What each register held, by table and wire address."""

_OTHER = {"big": "little", "little": "big"}


class Way(StrEnum):
    """A way to read the registers."""

    AS_SAID = "as_said"
    WORDS_SWAPPED = "words_swapped"
    BYTES_SWAPPED = "bytes_swapped"
    ONE_LOWER = "one_lower"
    ONE_HIGHER = "one_higher"


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """All points read in one way.

    Attributes
    ----------
    values : (n,) float64 in the product's units, NaN where there is none.
    convincing : (n,) bool: a value that a working meter may well show, and not a mere zero.
    """

    way: Way
    values: Values
    convincing: NDArray[np.bool_]


def guesses(points: Sequence[RegisterPoint], specs: Sequence[PointSpec], words: Words) -> list[Guess]:
    """Each way to read the points from the words, the profile's own first.

    Parameters
    ----------
    points, specs : of one device, in the same order.
    words : as many registers around the points as the device gave.
    """
    found = []
    for way in Way:
        values = _decoded([_read_so(point, way) for point in points], words)
        found.append(Guess(way, values, _convincing(values, specs)))
    return found


def better_way(found: Sequence[Guess]) -> Guess | None:
    """A way that convinces clearly more than the profile's own, or None."""
    own, *others = found
    best = max(others, key=lambda guess: int(guess.convincing.sum()))
    gained, lost = best.convincing & ~own.convincing, own.convincing & ~best.convincing
    return best if gained.sum() >= 2 and gained.sum() > 2 * lost.sum() else None


def _read_so(point: RegisterPoint, way: Way) -> RegisterPoint | None:
    if way is Way.WORDS_SWAPPED:
        return replace(point, word_order=_OTHER[point.word_order]) if point.type.words > 1 else point
    if way is Way.BYTES_SWAPPED:
        return replace(point, byte_order=_OTHER[point.byte_order])
    shift = {Way.ONE_LOWER: -1, Way.ONE_HIGHER: 1}.get(way, 0)
    return replace(point, address=point.address + shift) if point.address + shift >= 0 else None


def _decoded(points: Sequence[RegisterPoint | None], words: Words) -> Values:
    values = np.full(len(points), np.nan)
    for place, point in enumerate(points):
        if point is not None:
            values[place] = _value(point, words)
    return values


def _value(point: RegisterPoint, words: Words) -> float:
    try:
        blocks = plan_reads([point], Limits(max_regs=125, max_gap=0))
    except PlanError:
        return float("nan")
    payloads = []
    for block in blocks:
        held = [words.get((block.table, block.start + at)) for at in range(block.count)]
        payloads.append(
            None if None in held else b"".join(int(word or 0).to_bytes(2, "big") for word in held)
        )
    return float(ScanDecoder(blocks).decode(payloads)[0][0])


def _convincing(values: Values, specs: Sequence[PointSpec]) -> NDArray[np.bool_]:
    low = np.array([spec.low for spec in specs])
    high = np.array([spec.high for spec in specs])
    with np.errstate(invalid="ignore"):
        # Float registers read the wrong way round are tiny far more often than they are small.
        return np.isfinite(values) & (values >= low) & (values <= high) & (np.abs(values) > 1e-6)
