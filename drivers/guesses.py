"""Reading the same registers in several ways: what shows a swapped word order or an address that is one off.

A register map that is one off gives plausible numbers, a swapped pair rarely does. So a person who puts a
meter into service sees the raw words, the value as the profile says, and the value in each other way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from drivers.modbus_profile import Limits, Order, RegisterPoint, Table
from drivers.planner import PlanError, plan_reads
from drivers.registers import ScanDecoder
from rules.scan import PointSpec, Values

Words = Mapping[tuple[Table, int], int]
"""What each register held, by table and wire address."""


# What a meter in a building shows, by unit, where its profile names no range of its own.
_ORDINARY: Mapping[str, tuple[float, float]] = {
    "": (-2.0, 65536.0),
    "V": (0.0, 500_000.0),
    "A": (0.0, 100_000.0),
    "Hz": (10.0, 400.0),
    "kW": (-1e6, 1e6),
    "kvar": (-1e6, 1e6),
    "kVA": (0.0, 1e6),
    "kWh": (0.0, 1e10),
    "m3": (0.0, 1e10),
    "m3/h": (-1e5, 1e5),
    "L/s": (-1e5, 1e5),
    "m/s": (-100.0, 100.0),
    "K": (-100.0, 100.0),
    "rpm": (-1e5, 1e5),
    "degC": (-60.0, 250.0),
    "%": (-200.0, 200.0),
}
_TINY = 1e-9
_NOTHING = 1e-3  # float registers read the wrong way round are tiny far more often than they are small


class Way(StrEnum):
    """A way to read the registers."""

    AS_SAID = "as_said"
    WORDS_SWAPPED = "words_swapped"
    BYTES_SWAPPED = "bytes_swapped"
    ONE_LOWER = "one_lower"
    ONE_HIGHER = "one_higher"


_SHIFTS = {Way.ONE_LOWER: -1, Way.ONE_HIGHER: 1}


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
    # Of two that convince alike, the shifted address: it also explains why some swapped values look right.
    best = max(others, key=lambda guess: (int(guess.convincing.sum()), guess.way in _SHIFTS))
    gained, lost = best.convincing & ~own.convincing, own.convincing & ~best.convincing
    return best if gained.sum() >= 2 and gained.sum() > 2 * lost.sum() else None


def _read_so(point: RegisterPoint, way: Way) -> RegisterPoint | None:
    """A point as it is read in one way, its parts alike; None where no such address is."""
    shift = _SHIFTS.get(way, 0)
    if point.span[0] + shift < 0:
        return None
    swaps_words = way is Way.WORDS_SWAPPED and point.type.words > 1
    return replace(
        point,
        address=point.address + shift,
        word_order=_other(point.word_order) if swaps_words else point.word_order,
        byte_order=_other(point.byte_order) if way is Way.BYTES_SWAPPED else point.byte_order,
        parts=tuple(part for part in (_read_so(part, way) for part in point.parts) if part is not None),
    )


def _other(order: Order) -> Order:
    return "little" if order == "big" else "big"


def _decoded(points: Sequence[RegisterPoint | None], words: Words) -> Values:
    values = np.full(len(points), np.nan)
    for place, point in enumerate(points):
        if point is not None:
            values[place] = _value(point, words)
    return values


def _value(point: RegisterPoint, words: Words) -> float:
    needed = (point, *point.parts, *(told.register for told in point.factors))
    places = [(one.table, address) for one in needed for address in range(one.address, one.end)]
    if any(place not in words for place in places):
        return float("nan")
    try:
        blocks = plan_reads([point], Limits(max_regs=125, max_gap=125))
    except PlanError:
        return float("nan")
    payloads = [
        b"".join(words.get((b.table, b.start + at), 0).to_bytes(2, "big") for at in range(b.count))
        for b in blocks
    ]
    return float(ScanDecoder(blocks).decode(payloads)[0][0])


def unlikely(values: Values, specs: Sequence[PointSpec]) -> NDArray[np.bool_]:
    """Which values no working meter shows: out of range, or so tiny that they were read the wrong way."""
    low, high = _ordinary(specs)
    with np.errstate(invalid="ignore"):
        tiny = (values != 0) & (np.abs(values) < _TINY)
        odd: NDArray[np.bool_] = np.isfinite(values) & ((values < low) | (values > high) | tiny)
    return odd


def _convincing(values: Values, specs: Sequence[PointSpec]) -> NDArray[np.bool_]:
    low, high = _ordinary(specs)
    with np.errstate(invalid="ignore"):
        return np.isfinite(values) & (values >= low) & (values <= high) & (np.abs(values) > _NOTHING)


def _ordinary(specs: Sequence[PointSpec]) -> tuple[Values, Values]:
    """Least and most of each point."""
    ranges = [_ORDINARY.get(spec.unit, (-1e12, 1e12)) for spec in specs]
    low = np.array([max(spec.low, least) for spec, (least, _) in zip(specs, ranges, strict=True)])
    high = np.array([min(spec.high, most) for spec, (_, most) in zip(specs, ranges, strict=True)])
    return low, high
