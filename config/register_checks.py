"""A profile of registers that lies: what it says of a value cannot be so, whatever device is asked.

The checks read the finished profile, so that they hold for one device with its overrides just as for
the file; who calls them knows the places.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from config.problems import PathKeys
from drivers.modbus_profile import (
    Limits,
    ModbusProfile,
    RegisterPoint,
    RegisterType,
    Table,
    WritableRegister,
    register_points,
)
from drivers.planner import PlanError, plan_reads
from drivers.profile import is_counter
from drivers.registers import MOD10K, ScanDecoder, encode_value
from rules.quantities import QUANTITIES

_FLOATS = (RegisterType.F32, RegisterType.F64)
_ANY = Limits()


@dataclass(frozen=True, slots=True)
class Lie:
    """Something that cannot be so; ``path`` leads to it from the top of the profile."""

    code: str
    path: PathKeys
    data: Mapping[str, Any] = field(default_factory=dict)
    warning: bool = False


def lies(profile: ModbusProfile) -> list[Lie]:
    """Everything in a profile that cannot be so."""
    points = register_points(profile)
    checks: tuple[Callable[[ModbusProfile, tuple[RegisterPoint, ...]], Iterator[Lie]], ...] = (
        _beyond_limits,
        _patterns,
        _told,
        _rollovers,
        _overlaps,
        _writables,
        _probe,
    )
    return [lie for check in checks for lie in check(profile, points)]


def _beyond_limits(profile: ModbusProfile, points: tuple[RegisterPoint, ...]) -> Iterator[Lie]:
    """Points that no request within the profile's own limits can read, all of their parts together."""
    for register in _registers(points):
        if not _readable(register, profile.limits):
            yield Lie(
                "config.point_beyond_limits",
                ("registers", register.name, "address"),
                {"point": register.name},
            )
    for point in points:
        if not _readable(replace(point, parts=(), factors=()), profile.limits):
            yield Lie("config.point_beyond_limits", ("points", point.name, "address"), {"point": point.name})
        elif not _readable(replace(point, factors=()), profile.limits):
            yield Lie("config.parts_beyond_limits", ("points", point.name, "plus"), {"point": point.name})


def _registers(points: Iterable[RegisterPoint]) -> list[RegisterPoint]:
    """The registers that tell factors of these points."""
    return list(dict.fromkeys(factor.register for point in points for factor in point.factors))


def _readable(point: RegisterPoint, limits: Limits) -> bool:
    try:
        plan_reads([point], limits)
    except PlanError:
        return False
    return True


def _patterns(profile: ModbusProfile, _: tuple[RegisterPoint, ...]) -> Iterator[Lie]:
    """Patterns that the type has no bits for."""
    said: list[tuple[PathKeys, RegisterType, tuple[int, ...]]] = [
        (("defaults", "invalid", kind.value), kind, patterns)
        for kind, patterns in profile.defaults.invalid.items()
    ]
    said += [
        (("points", name, "invalid"), point.type, point.invalid) for name, point in profile.points.items()
    ]
    for path, kind, patterns in said:
        for at, pattern in enumerate(patterns):
            if not 0 <= pattern < 1 << 16 * kind.words:
                data = {"value": f"{pattern:#x}", "type": kind.value, "bits": 16 * kind.words}
                yield Lie("config.pattern_too_wide", (*path, at), data)


def _told(profile: ModbusProfile, _: tuple[RegisterPoint, ...]) -> Iterator[Lie]:
    """Raw values that the register of a factor cannot hold, and factors of 0."""
    for name, point in profile.points.items():
        for at, factor in enumerate(point.factors):
            kind = profile.registers[factor.told_by].type
            low, high = _raw_range(kind)
            for raw, value in (factor.values or {}).items():
                path = ("points", name, "factors", at, "values", str(raw))
                if not low <= raw <= high:
                    yield Lie("config.raw_beyond_type", path, {"value": raw, "type": kind.value})
                elif value == 0:
                    yield Lie("config.scale_zero", path)


def _rollovers(profile: ModbusProfile, points: tuple[RegisterPoint, ...]) -> Iterator[Lie]:
    """Counters that would roll over at what their registers never reach."""
    for point in points:
        modulus = profile.points[point.name].rolls_over_at
        if modulus is None:
            continue
        largest = _rounds(point)
        if modulus > largest * (1 + 1e-9):
            data = {"point": point.name, "value": f"{modulus:.12g}", "largest": f"{largest:.12g}"}
            yield Lie("config.rollover_beyond_type", ("points", point.name, "rolls_over_at"), data)


def _rounds(point: RegisterPoint) -> float:
    """What a counter's registers can count in one round, in the product's unit; infinite for floats."""
    if point.type in _FLOATS or any(factor.values is None for factor in point.factors):
        return math.inf
    factors = [max(abs(value) for _, value in factor.values or ()) for factor in point.factors]
    scale = abs(point.scale) * math.prod(factors)
    below = sum(_states(part.type) * abs(part.scale) for part in point.parts)
    return (_states(point.type) + below) * scale


def _states(kind: RegisterType) -> float:
    return float(MOD10K**2 if kind is RegisterType.MOD10K else 1 << 16 * kind.words)


def _raw_range(kind: RegisterType) -> tuple[float, float]:
    if kind in _FLOATS:
        return -math.inf, math.inf
    half = 1 << 16 * kind.words - 1
    return (-half, half - 1) if kind.value[0] == "i" else (0, _states(kind) - 1)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Registers that a value takes, and where the profile says so."""

    at: RegisterPoint
    path: PathKeys
    owner: str
    excused: bool  # the profile says in a note why it reads them twice, or they tell a factor


def _overlaps(profile: ModbusProfile, points: tuple[RegisterPoint, ...]) -> Iterator[Lie]:
    """Values that share registers: an address that is off, unless the very same value is read twice.

    The same registers may tell a factor and be a point; and two points may read the same registers when
    one of them has a ``note`` that says why (a status word of which one bit is a quantity of its own).
    """
    taken: list[_Taken] = []
    for point in points:
        noted, path = profile.points[point.name].note is not None, ("points", point.name)
        taken.append(_Taken(point, (*path, "address"), point.name, noted))
        taken += [
            _Taken(part, (*path, "plus", at, "address"), point.name, noted)
            for at, part in enumerate(point.parts)
        ]
    for register in _registers(points):
        taken.append(_Taken(register, ("registers", register.name, "address"), register.name, excused=True))
    taken.sort(key=lambda one: one.at.address)
    for one, other in combinations(taken, 2):
        if other.at.address >= one.at.end or one.at.table is not other.at.table:
            continue
        same = (one.at.address, one.at.end) == (other.at.address, other.at.end)
        if same and one.owner != other.owner and (one.excused or other.excused):
            continue
        first = max(one.at.address, other.at.address)
        code = "config.same_registers" if same else "config.registers_overlap"
        yield Lie(code, other.path, {"point": other.owner, "other": one.owner, "register": first})


def _writables(profile: ModbusProfile, points: tuple[RegisterPoint, ...]) -> Iterator[Lie]:
    for point in points:
        writable, path = profile.points[point.name].writable, ("points", point.name, "writable")
        if writable is None:
            continue
        data: dict[str, Any] = {"point": point.name}
        if point.table is not Table.HOLDING:
            yield Lie("config.writable_input", path, data)
        elif is_counter(point.name):
            yield Lie("config.writable_counter", path, data)
        elif point.parts or point.factors:
            yield Lie("config.writable_composed", path, data)
        else:
            yield from _beyond_type(point, writable, path)
        shown = writable.read_back
        if shown is not None and QUANTITIES[shown].unit != QUANTITIES[point.name].unit:
            units = {"unit": QUANTITIES[shown].unit or "-", "wanted": QUANTITIES[point.name].unit or "-"}
            yield Lie("config.read_back_unit", (*path, "read_back"), {"point": shown, **units})


def _beyond_type(point: RegisterPoint, writable: WritableRegister, path: PathKeys) -> Iterator[Lie]:
    """Values to write that the registers cannot hold; a release that they hold only nearly is none."""
    said = [((*path, "between", at), value, 0.51) for at, value in enumerate(writable.between)]
    if writable.release is not None:
        said.append(((*path, "release"), writable.release, 0.05))
    for where, value, steps in said:
        if not _can_be_written(point, value, steps * abs(point.scale)):
            data = {"point": point.name, "value": f"{value:g}", "type": point.type.value}
            yield Lie("config.writable_beyond_type", where, data)


def _can_be_written(point: RegisterPoint, value: float, tolerance: float) -> bool:
    """Whether a value reads back as itself, and not as 'no value'."""
    try:
        words = encode_value(point, value)
    except OverflowError:
        return False
    blocks = plan_reads([point], _ANY)
    read = ScanDecoder(blocks).decode([b"".join(word.to_bytes(2, "big") for word in words)])[0][0]
    return math.isclose(read, value, rel_tol=1e-6, abs_tol=tolerance)


def _probe(profile: ModbusProfile, _: tuple[RegisterPoint, ...]) -> Iterator[Lie]:
    probe = profile.probe
    if probe is None:
        return
    point, (low, high) = profile.points[probe.point], probe.between
    if point.unverified:
        yield Lie("config.probe_unverified", ("probe", "point"), {"point": probe.point}, warning=True)
    if point.valid is not None and (high < point.valid[0] or low > point.valid[1]):
        yield Lie("config.probe_outside", ("probe", "between"), {"point": probe.point})
