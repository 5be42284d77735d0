"""The model of a device profile: what a kind of device is, as data.

A profile is one YAML file in ``drivers/profiles``; ``config`` reads it. The same file drives the poller,
the decode tests and the simulator.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from drivers.settings import Settings
from rules.quantities import CONVERSIONS, QUANTITIES, Kind
from rules.scan import Layout, PointSpec


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

    @property
    def words(self) -> int:
        """How many 16-bit registers the value takes."""
        return {"16": 1, "32": 2, "64": 4}[self.value[-2:]]


class Table(StrEnum):
    """Which of Modbus's register tables."""

    HOLDING = "holding"
    INPUT = "input"


Order = Literal["big", "little"]
Family = Literal["electricity", "water", "chilled_water", "chiller", "weather"]


def conversion(name: str, unit: str) -> float:
    """Factor from a profile's unit to the quantity's own. KeyError when they do not fit."""
    return CONVERSIONS[QUANTITIES[name].unit][unit]


class PointBase(Settings):
    """What every point says, whatever carries it."""

    unit: str = Field(default="", description="Unit of raw * scale + offset.")
    scale: float = 1.0
    offset: float = 0.0
    valid: tuple[float, float] | None = Field(
        default=None, description="Plausible range in the product's unit; outside it a value is suspect."
    )
    rolls_over_at: float | None = Field(
        default=None, gt=0, description="The counter's modulus in the product's unit."
    )
    grade: Literal["A", "B", "C"] = "A"
    note: str | None = None

    @model_validator(mode="after")
    def _scale_is_not_zero(self) -> "PointBase":
        if self.scale == 0:
            raise ValueError("scale 0 would make every reading 0")
        return self

    def spec(self, name: str) -> PointSpec:
        """The point as the rules see it, in the product's unit."""
        quantity = QUANTITIES[name]
        low, high = self.valid or (float("-inf"), float("inf"))
        return PointSpec(name, quantity.unit, quantity.kind, low, high, self.rolls_over_at)


class ModbusPoint(PointBase):
    """A value in registers. ``address`` counts as the profile's ``addressing`` says."""

    address: int = Field(ge=0, le=65536)
    type: RegisterType
    table: Table | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    invalid: tuple[int, ...] = Field(
        default=(), description="Raw bit patterns, as one big-endian number, that mean 'no value'."
    )
    writable: tuple[float, float] | None = Field(
        default=None, description="Range that may be written, in the product's unit."
    )


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


class ProfileBase(Settings):
    """What every profile says."""

    profile: str = Field(pattern=r"^[a-z0-9_]+$")
    version: int = Field(ge=1)
    maker: str
    model: str
    family: Family
    source: tuple[str, ...] = Field(min_length=1, description="The documents that the facts come from.")


class ModbusProfile(ProfileBase):
    """A device read by registers."""

    transport: Literal["modbus"] = "modbus"
    defaults: Defaults = Defaults()
    limits: Limits = Limits()
    probe: Probe | None = None
    points: dict[str, ModbusPoint] = Field(min_length=1)

    @model_validator(mode="after")
    def _points_make_sense(self) -> "ModbusProfile":
        _check_points(self.points)
        if self.probe and self.probe.point not in self.points:
            raise ValueError(f"probe.point: no point '{self.probe.point}' in this profile")
        return self


class MqttPoint(PointBase):
    """A value in a payload; ``path`` as ``v.kw``, empty when the payload is the number itself."""

    path: str = ""


class MqttPart(Settings):
    """One topic and what its payload carries."""

    topic: str = Field(default="{topic}", description="{topic} is the device's.")
    payload: Literal["json", "plain"] = "json"
    time: str | None = Field(default=None, description="Path of the payload's own timestamp (ISO 8601).")
    points: dict[str, MqttPoint] = Field(min_length=1)

    @model_validator(mode="after")
    def _points_make_sense(self) -> "MqttPart":
        _check_points(self.points)
        return self


class MqttProfile(ProfileBase):
    """A device that publishes."""

    transport: Literal["mqtt"]
    parts: dict[str, MqttPart] = Field(min_length=1)

    def layouts(self, device: str) -> dict[str, Layout]:
        """One layout a part, by the part's name."""
        return {
            name: Layout(
                device, name, self.family, tuple(point.spec(key) for key, point in part.points.items())
            )
            for name, part in self.parts.items()
        }


Profile = Annotated[ModbusProfile | MqttProfile, Field(discriminator="transport")]


def _check_points(points: dict[str, ModbusPoint] | dict[str, MqttPoint]) -> None:
    for name, point in points.items():
        quantity = QUANTITIES.get(name)
        if quantity is None:
            raise ValueError(f"points.{name}: not a known quantity")
        if point.unit not in CONVERSIONS[quantity.unit]:
            known = ", ".join(unit or "''" for unit in CONVERSIONS[quantity.unit])
            raise ValueError(f"points.{name}.unit: '{point.unit}' is not a unit of it ({known})")


@dataclass(frozen=True, slots=True)
class RegisterPoint:
    """A point with everything resolved: what the planner joins and the decoder decodes.

    value = raw * scale + offset, in the product's unit; ``address`` is what goes on the wire.
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

    @property
    def end(self) -> int:
        """First address after the value."""
        return self.address + self.type.words


def register_points(
    profile: ModbusProfile,
    only: Iterable[str] | None = None,
    word_order: Order | None = None,
) -> tuple[RegisterPoint, ...]:
    """Resolve a profile's points for one device.

    Parameters
    ----------
    only : names to read; all when None. KeyError for a name that the profile lacks.
    word_order : the device's own, where its menu was changed.
    """
    defaults = profile.defaults
    base = 1 if defaults.addressing == "one_based" else 0
    resolved = []
    for name in profile.points if only is None else only:
        point = profile.points[name]
        factor = conversion(name, point.unit)
        resolved.append(
            RegisterPoint(
                name=name,
                table=point.table or defaults.table,
                address=point.address - base,
                type=point.type,
                word_order=word_order or point.word_order or defaults.word_order,
                byte_order=point.byte_order or defaults.byte_order,
                scale=point.scale * factor,
                offset=point.offset * factor,
                invalid=point.invalid or defaults.invalid.get(point.type, ()),
            )
        )
    return tuple(resolved)


def modbus_layout(profile: ModbusProfile, device: str, only: Iterable[str] | None = None) -> Layout:
    """The layout of a device's scans: its points in the profile's order."""
    names = tuple(profile.points if only is None else only)
    return Layout(device, "main", profile.family, tuple(profile.points[n].spec(n) for n in names))


def is_counter(name: str) -> bool:
    """Whether a quantity counts up for ever."""
    return QUANTITIES[name].kind is Kind.COUNTER
