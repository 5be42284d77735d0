"""Profiles of devices that are read by registers: Modbus, whatever the wire."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from drivers.profile import PointBase, ProfileBase, check_points, conversion
from drivers.settings import Settings
from drivers.writable import Writable
from rules.scan import Layout


class RegisterType(StrEnum):
    """How the bits of a register value are read."""

    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    BITS16 = "bits16"
    MOD10K = "mod10k"
    """Two registers of 0 to 9999 each: high * 10000 + low (SATEC's basic set)."""

    @property
    def words(self) -> int:
        """How many 16-bit registers the value takes."""
        return {"16": 1, "32": 2, "64": 4, "0k": 2}[self.value[-2:]]


class Table(StrEnum):
    """Which of Modbus's register tables."""

    HOLDING = "holding"
    INPUT = "input"


Order = Literal["big", "little"]


class RegisterValue(Settings):
    """Where a raw number lies and how its bits are read; what is left out is the profile's default."""

    address: int = Field(ge=0, le=65536, description="Counts as the profile's ``addressing`` says.")
    type: RegisterType
    table: Table | None = None
    word_order: Order | None = None
    byte_order: Order | None = None


class Factor(Settings):
    """A factor that another register of the device tells: a scale, a decimal exponent, or a unit.

    Exactly one of ``values`` and ``power_of_ten``; a value that ``values`` does not know makes the point
    missing, never wrong.
    """

    told_by: str = Field(description="Name in the profile's ``registers``.")
    values: dict[int, float] | None = Field(
        default=None,
        description="Raw value to factor, as {0: 1, 3: 0.001}; a unit counts as its factor to the point's.",
    )
    power_of_ten: bool = Field(default=False, description="The factor is 10 ** (raw + shift).")
    shift: int = Field(default=0, ge=-12, le=12)

    @model_validator(mode="after")
    def _exactly_one(self) -> "Factor":
        if (self.values is None) == (not self.power_of_ten):
            raise ValueError("give exactly one of 'values' and 'power_of_ten'")
        return self


class Part(RegisterValue):
    """A further part of a value, as a fraction register beside an integer one: its raw * scale is added."""

    scale: float = Field(default=1.0, description="To the point's raw unit, before its own scale.")


class WritableRegister(Writable):
    """What may be written to a register, and how."""

    function: Literal["auto", "single", "multiple"] = Field(
        default="auto",
        description="Write single register (6) or multiple (16); auto takes 6 where one register is enough.",
    )


class ModbusPoint(PointBase, RegisterValue):
    """A value in registers: (raw + parts) * factors * scale + offset, in ``unit``."""

    invalid: tuple[int, ...] = Field(
        default=(), description="Raw bit patterns, as one big-endian number, that mean 'no value'."
    )
    plus: tuple[Part, ...] = Field(default=(), description="Further parts of the value, in the same request.")
    factors: tuple[Factor, ...] = Field(default=(), description="Factors that other registers tell.")
    writable: WritableRegister | None = None


class Defaults(Settings):
    """What holds for every point that does not say otherwise."""

    table: Table = Table.HOLDING
    addressing: Literal["zero_based", "one_based"] = "zero_based"
    word_order: Order = "big"
    byte_order: Order = "big"
    invalid: dict[RegisterType, tuple[int, ...]] = Field(
        default_factory=dict, description="Raw bit patterns by type that mean 'no value', as a point's own."
    )


class Limits(Settings):
    """What the device bears in one request."""

    max_regs: int = Field(default=120, ge=1, le=125)
    max_gap: int = Field(default=8, ge=0, description="Largest gap to read across, in registers.")
    never_read: tuple[tuple[int, int], ...] = Field(
        default=(), description="Inclusive ranges of wire addresses that no request may touch."
    )
    even_count: bool = Field(default=False, description="Only even register counts are answered.")
    pause_ms: float = Field(default=0.0, ge=0, le=10000)


class Probe(Settings):
    """One point whose value tells whether the profile fits the device."""

    point: str
    between: tuple[float, float] = Field(description="In the product's unit.")


class ModbusProfile(ProfileBase):
    """A device read by registers."""

    transport: Literal["modbus"] = "modbus"
    defaults: Defaults = Defaults()
    limits: Limits = Limits()
    probe: Probe | None = None
    registers: dict[str, RegisterValue] = Field(
        default_factory=dict, description="Registers that are no quantity but tell a factor of other points."
    )
    points: dict[str, ModbusPoint] = Field(min_length=1)

    def every_point(self) -> dict[str, ModbusPoint]:
        """Everything that the device tells."""
        return self.points

    @model_validator(mode="after")
    def _points_make_sense(self) -> "ModbusProfile":
        check_points(self.points.items())
        if self.probe and self.probe.point not in self.points:
            raise ValueError(f"probe.point: no point '{self.probe.point}' in this profile")
        for name, point in self.points.items():
            for factor in point.factors:
                if factor.told_by not in self.registers:
                    raise ValueError(f"points.{name}: no register '{factor.told_by}' in this profile")
        return self


@dataclass(frozen=True, slots=True)
class RegisterPoint:
    """A value with everything resolved: what the planner joins and the decoder decodes.

    value = (raw + parts) * factors * scale + offset, in the product's unit; ``address`` is what goes on
    the wire. A part is a value of its own whose ``scale`` leads to the raw unit of the whole.
    """

    name: str
    table: Table
    address: int
    type: RegisterType
    word_order: Order
    byte_order: Order
    scale: float
    offset: float
    invalid: tuple[int, ...] = ()
    parts: tuple["RegisterPoint", ...] = ()
    factors: tuple["ToldFactor", ...] = ()

    @property
    def end(self) -> int:
        """First address after the value, its parts left aside."""
        return self.address + self.type.words

    @property
    def span(self) -> tuple[int, int]:
        """First address of the value with its parts, and the first after them."""
        if not self.parts:
            return self.address, self.end
        places = (self, *self.parts)
        return min(place.address for place in places), max(place.end for place in places)


@dataclass(frozen=True, slots=True)
class ToldFactor:
    """A factor resolved: the register that tells it, and what its raw value means.

    Attributes
    ----------
    values : raw value and factor; None where the factor is 10 ** (raw + shift).
    """

    register: RegisterPoint
    values: tuple[tuple[int, float], ...] | None
    shift: int


def register_points(
    profile: ModbusProfile,
    only: Iterable[str] | None = None,
    word_order: Order | None = None,
) -> tuple[RegisterPoint, ...]:
    """Resolve a profile's points.

    Parameters
    ----------
    only : names to read; all when None. KeyError for a name that the profile lacks.
    word_order : the device's own, where its menu was changed.
    """
    resolver = _Resolver(profile, word_order)
    return tuple(resolver.point(name) for name in (profile.points if only is None else only))


class _Resolver:
    """Fills in what a profile leaves to its defaults."""

    def __init__(self, profile: ModbusProfile, word_order: Order | None) -> None:
        self._profile = profile
        self._defaults = profile.defaults
        self._word_order = word_order
        self._base = 1 if profile.defaults.addressing == "one_based" else 0

    def point(self, name: str) -> RegisterPoint:
        point = self._profile.points[name]
        factor = conversion(name, point.unit)
        whole = self._value(name, point, point.table)
        return replace(
            whole,
            scale=point.scale * factor,
            offset=point.offset * factor,
            invalid=point.invalid or whole.invalid,
            # A part lies where its point lies, unless it says otherwise.
            parts=tuple(
                replace(self._value(name, part, part.table or point.table), scale=part.scale)
                for part in point.plus
            ),
            factors=tuple(self._factor(told) for told in point.factors),
        )

    def _factor(self, factor: Factor) -> ToldFactor:
        register = self._profile.registers[factor.told_by]
        values = tuple(factor.values.items()) if factor.values is not None else None
        return ToldFactor(self._value(factor.told_by, register, register.table), values, factor.shift)

    def _value(self, name: str, value: RegisterValue, table: Table | None) -> RegisterPoint:
        return RegisterPoint(
            name=name,
            table=table or self._defaults.table,
            address=value.address - self._base,
            type=value.type,
            word_order=self._word_order or value.word_order or self._defaults.word_order,
            byte_order=value.byte_order or self._defaults.byte_order,
            scale=1.0,
            offset=0.0,
            invalid=self._defaults.invalid.get(value.type, ()),
        )


def modbus_layout(profile: ModbusProfile, device: str, only: Iterable[str] | None = None) -> Layout:
    """The layout of a device's scans: its points in the profile's order."""
    names = tuple(profile.points if only is None else only)
    return Layout(device, "main", profile.family, tuple(profile.points[n].spec(n) for n in names))
