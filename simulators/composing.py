"""Values that lie in several registers: parts, and factors that another register tells.

Written apart from the drivers' decoder, so that each checks the other.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from drivers.modbus_profile import RegisterPoint, ToldFactor
from simulators.encode import decoded, encoded, holds

Raws = Mapping[str, int]
"""What the registers that tell factors hold, by their names."""


def places(point: RegisterPoint) -> tuple[RegisterPoint, ...]:
    """Where the parts of a value lie, its own address first."""
    return (point, *point.parts)


def laid_out(point: RegisterPoint, value: float, raws: Raws, wraps: bool = False) -> tuple[bytes, ...]:
    """The bytes on the wire of ``value``, for each of its places.

    Parameters
    ----------
    value, wraps : as for ``encoded``.
    """
    if not (point.parts or point.factors):
        return (encoded(point, value, wraps),)
    left = (value - point.offset) / point.scale / _product(point, raws)
    found: dict[int, bytes] = {}
    # The coarsest place first: each takes the whole units that it counts, the finest what is left.
    *coarse, finest = sorted(_units(point).items(), key=lambda item: -abs(item[1]))
    for at, unit in coarse:
        counted = left / unit if math.isnan(left) else float(math.floor(left / unit))
        found[at] = encoded(_bare(places(point)[at]), counted, wraps)
        left -= counted * unit
    at, unit = finest
    found[at] = encoded(_bare(places(point)[at]), left / unit, wraps)
    return tuple(found[at] for at in range(len(found)))


def put_together(point: RegisterPoint, data: Sequence[bytes], raws: Raws) -> float:
    """The value, in the product's unit, of the bytes at each of its places."""
    if not (point.parts or point.factors):
        return decoded(point, data[0])
    units = _units(point)
    raw = sum(decoded(_bare(place), data[at]) * units[at] for at, place in enumerate(places(point)))
    return raw * _product(point, raws) * point.scale + point.offset


def sensible_raws(points: Iterable[RegisterPoint]) -> dict[str, int]:
    """For each register that tells factors, the raw value whose factors are nearest to 1."""
    asked: dict[RegisterPoint, list[ToldFactor]] = {}
    for factor in (factor for point in points for factor in point.factors):
        asked.setdefault(factor.register, []).append(factor)
    found = {}
    for register, factors in asked.items():
        known = [raw for raw in _choice(factors) if holds(register, raw)]
        found[register.name] = min(known, key=lambda raw: _distance(factors, raw), default=0)
    return found


def _choice(factors: Sequence[ToldFactor]) -> list[int]:
    """Raw values that mean something to all of the factors."""
    tables = [{raw for raw, _ in factor.values} for factor in factors if factor.values is not None]
    return sorted(set.intersection(*tables)) if tables else list(range(-12, 13))


def _distance(factors: Sequence[ToldFactor], raw: int) -> float:
    return sum(abs(math.log10(abs(factor_of(factor, raw)))) for factor in factors)


def factor_of(factor: ToldFactor, raw: int) -> float:
    """What a raw value means; NaN for one that the profile does not know."""
    if factor.values is None:
        return float(10.0 ** (raw + factor.shift))
    return dict(factor.values).get(raw, math.nan)


def _product(point: RegisterPoint, raws: Raws) -> float:
    return math.prod(factor_of(factor, raws[factor.register.name]) for factor in point.factors)


def _units(point: RegisterPoint) -> dict[int, float]:
    """For each place, what its 1 is worth in the raw unit of the whole."""
    return {0: 1.0} | {at: part.scale for at, part in enumerate(point.parts, 1)}


def _bare(place: RegisterPoint) -> RegisterPoint:
    return replace(place, scale=1.0, offset=0.0, parts=(), factors=())
