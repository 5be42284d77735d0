"""What one poll of one device gave: the unit of the hot path."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rules.quantities import Kind

Values = NDArray[np.float64]
Qualities = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PointSpec:
    """One point of a layout.

    Attributes
    ----------
    name : quantity, a key of ``rules.quantities.QUANTITIES``.
    unit : the quantity's unit, after the driver's conversion.
    kind : gauge, counter, status or setpoint.
    low, high : plausible range in ``unit``; outside it a value is SUSPECT. Infinite = no limit.
    rolls_over_at : the counter's modulus in ``unit``, or None when it never rolls over.
    """

    name: str
    unit: str
    kind: Kind
    low: float = -np.inf
    high: float = np.inf
    rolls_over_at: float | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The points that arrive together from one part of one device, in order.

    A device whose points come at different rates has several parts, so that "not read now" is never
    mistaken for "missing".

    Attributes
    ----------
    device : id of the device in the site file.
    part : name of the part; ``main`` where there is one only.
    family : electricity, water, chilled_water, chiller or weather; says which measurement it becomes.
    points : the points, in the order of a scan's values.
    key : ``device/part``, unique in a site.
    """

    device: str
    part: str
    family: str
    points: tuple[PointSpec, ...]
    key: str = field(init=False, repr=False, compare=False)  # kept: it is asked for with each scan

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.device}/{self.part}")

    def has(self, name: str) -> bool:
        """Whether a point of this name is in the layout."""
        return any(point.name == name for point in self.points)

    def index(self, name: str) -> int:
        """Position of a point; KeyError when the layout has no such point."""
        for position, point in enumerate(self.points):
            if point.name == name:
                return position
        raise KeyError(name)


@dataclass(slots=True, eq=False)  # one a poll: frozen costs four times as much to make
class Scan:
    """One device part at one instant. Nothing of it is set to something else once it is made.

    Attributes
    ----------
    layout : which points, in order.
    at_ms : instant of the reading, milliseconds since 1970-01-01 UTC.
    values : (n,) float64 in the layout's units, NaN = missing.
    quality : (n,) uint8 of ``Quality``.
    """

    layout: Layout
    at_ms: int
    values: Values
    quality: Qualities
