"""What every device profile says, whatever carries it: facts about a kind of device, as data.

A profile is one YAML file in ``drivers/profiles``; ``config`` reads it. The same file drives the poller,
the decode tests and the simulator. ``modbus_profile`` and ``mqtt_profile`` say the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field, model_validator

from drivers.settings import Settings
from rules.quantities import CONVERSIONS, QUANTITIES, Kind
from rules.scan import PointSpec

Family = Literal["electricity", "water", "chilled_water", "heat", "pulse", "chiller", "drive", "weather"]


def conversion(name: str, unit: str) -> float:
    """Factor from a profile's unit to the quantity's own. KeyError when they do not fit."""
    return CONVERSIONS[QUANTITIES[name].unit][unit]


def is_counter(name: str) -> bool:
    """Whether a quantity counts up for ever."""
    return QUANTITIES[name].kind is Kind.COUNTER


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
    unverified: bool = Field(
        default=False,
        description="One secondary source only: compare it with the device's display before relying on it.",
    )
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


class ProfileBase(Settings, ABC):
    """What every profile says."""

    profile: str = Field(pattern=r"^[a-z0-9_]+$")
    version: int = Field(ge=1)
    maker: str
    model: str
    family: Family
    source: tuple[str, ...] = Field(min_length=1, description="The documents that the facts come from.")
    note: str | None = None

    @property
    def full_name(self) -> str:
        """Maker and model, as a person says it."""
        return self.model if self.maker == "any" else f"{self.maker} {self.model}"

    @abstractmethod
    def every_point(self) -> Mapping[str, PointBase]:
        """Everything that the device tells, by the name of its quantity."""


def check_points(points: Iterable[tuple[str, PointBase]]) -> None:
    """Refuse quantities and units that nobody knows. Raises ValueError."""
    for name, point in points:
        quantity = QUANTITIES.get(name)
        if quantity is None:
            raise ValueError(f"points.{name}: not a known quantity")
        if point.unit not in CONVERSIONS[quantity.unit]:
            known = ", ".join(unit or "''" for unit in CONVERSIONS[quantity.unit])
            raise ValueError(f"points.{name}.unit: '{point.unit}' is not a unit of it ({known})")
