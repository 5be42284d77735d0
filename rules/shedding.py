"""One action of a plan: the value that sheds, and which way it sheds.

Pure. A value that was found may shed more than the plan asks for: an action never takes load back on, so that
such a value is left as it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SAME = 1e-6
"""Values that differ by no more than this, or by this share, are the same: registers round."""


class Sheds(StrEnum):
    """Which way a value goes to shed load: a limit down, a chilled-water set-point up.

    Either way is a value of its own, as on or off: nothing lies beyond it.
    """

    DOWN = "down"
    UP = "up"
    EITHER = "either"


SHEDS: Mapping[str, Sheds] = {
    "demand_limit_setpoint": Sheds.DOWN,
    "chw_setpoint": Sheds.UP,
    "speed_reference": Sheds.DOWN,
    "speed_reference2": Sheds.DOWN,
    "frequency_reference": Sheds.DOWN,
    "enable_setpoint": Sheds.EITHER,
}
"""Quantities of which it is clear. Of a valve it is not: it may cool, heat or bypass."""


def direction(quantity: str, said: Sheds | None, by: float | None, *, is_switch: bool) -> Sheds | None:
    """Which way an action sheds; None where nobody can tell.

    Parameters
    ----------
    quantity : what is written.
    said : what the action or its point's profile says.
    by : of a relative action: it tells itself where nothing is said.
    is_switch : whether the point knows on and off alone.
    """
    found = SHEDS.get(quantity) if said is None else said
    if by and found in (None, Sheds.EITHER):
        return Sheds.UP if by > 0 else Sheds.DOWN
    return Sheds.EITHER if found is None and is_switch else found


def puts_load_on(sheds: Sheds | None, by: float | None) -> bool:
    """Whether a relative action goes against the way in which its value sheds."""
    return by is not None and ((sheds is Sheds.DOWN and by > 0) or (sheds is Sheds.UP and by < 0))


@dataclass(frozen=True, slots=True)
class Ramp:
    """A value is approached by ``step`` every ``every_s`` seconds."""

    step: float
    every_s: float


@dataclass(frozen=True, slots=True)
class Action:
    """One writable point, and what becomes of it while an event is active. Values in the product's unit.

    Attributes
    ----------
    to, by : the value itself, or what is added to what stood; exactly one is given.
    low, high : what may be written while shedding, the operator's floors within what the device bears.
    release : what hands it back; None = what stood before.
    expected_kw : what it is expected to save. [kW]
    min_off_s, min_on_s : once shed it stays so, and once handed back it stays so, at least so long. [s]
    after_s : seconds after the event's start.
    sheds : which way it sheds; against it nothing is ever written but what hands it back.
    """

    id: str
    device: str
    point: str
    to: float | None
    by: float | None
    low: float
    high: float
    release: float | None
    expected_kw: float = 0.0
    ramp: Ramp | None = None
    min_off_s: float = 0.0
    min_on_s: float = 0.0
    priority: int = 1
    rotates: bool = False
    writes_per_day: int = 96
    after_s: float = 0.0
    sheds: Sheds = Sheds.EITHER

    def target(self, stood: float) -> float:
        """The value that sheds, within the floors; what stood, where that sheds as much.

        Parameters
        ----------
        stood : what the device went by before.

        Examples
        --------
        >>> limit = Action("a", "ch", "limit", 60, None, 40, 100, None, sheds=Sheds.DOWN)
        >>> limit.target(100), limit.target(50)
        (60, 50)
        """
        wanted = self.to if self.to is not None else stood + (self.by or 0.0)
        wanted = min(max(wanted, self.low), self.high)
        if self.sheds is Sheds.DOWN:
            return min(wanted, stood)
        return max(wanted, stood) if self.sheds is Sheds.UP else wanted

    def sheds_already(self, stood: float) -> bool:
        """Whether what stands sheds as much as the action would, or more."""
        return math.isclose(self.target(stood), stood, rel_tol=SAME, abs_tol=SAME)

    def value_at(self, stood: float, shed_s: float) -> float:
        """The value so long after the first write, within the floors all the way. [s]

        What already sheds as much stays as it is, within the floors or not: it is not to be written.
        """
        target = self.target(stood)
        if self.ramp is None or self.sheds_already(stood):
            return target
        steps = 1 + math.floor(max(shed_s, 0.0) / self.ramp.every_s)
        way = target - stood
        value = stood + math.copysign(min(abs(way), steps * self.ramp.step), way)
        return min(max(value, self.low), self.high)
