"""Whether a register that stands still may do so: held against what the rate point says meanwhile."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rules.counters import MS_AN_HOUR, CounterLimits, CounterState
from rules.intervals import Interval
from rules.quality import Quality

STEPS = 5
"""So many of the register's own steps must have gone by before its silence says anything."""

LEAST_SHARE = 0.001
"""Of the most that can be metered: below it a rate may be noise that no register counts."""

KEPT = 400
"""Intervals kept to be told again as suspect, at the most."""


@dataclass(slots=True)
class StillWatch:
    """Follows one register since it moved last.

    Attributes
    ----------
    quantity : what the rate point says has gone by since then, in the meter's unit.
    stuck : whether that was too much.
    closed : intervals that were closed meanwhile and not told as suspect.
    """

    quantity: float = 0.0
    stuck: bool = False
    closed: list[Interval] = field(default_factory=list)

    def moved(self) -> None:
        """The register moved: whatever was held against it is over."""
        self.quantity, self.stuck = 0.0, False
        if self.closed:
            self.closed.clear()

    def stood(self, elapsed_ms: int, rate: float) -> None:
        """Add a time at a rate; what is not known, or flows the other way, says nothing here."""
        if rate > 0:
            self.quantity += rate * elapsed_ms / MS_AN_HOUR

    def judge(self, state: CounterState, limits: CounterLimits, stuck_after_ms: int) -> bool:
        """Whether the register is found stuck now, and was not before."""
        still_ms = state.at_ms - state.moved_at_ms
        if self.stuck or still_ms < stuck_after_ms:
            return False
        # A register whose step nobody has seen is given the one that an hour at full power makes.
        unknown = math.isinf(state.resolution)
        grain = limits.max_rate if unknown else state.resolution * limits.factors.at(state.at_ms)
        least = LEAST_SHARE * limits.max_rate * still_ms / MS_AN_HOUR
        self.stuck = self.quantity > max(STEPS * grain, least)
        return self.stuck

    def keep(self, closed: list[Interval], moved_at_ms: int) -> None:
        """Remember intervals over which the register stood still, until it is known why."""
        if self.quantity > 0 and not self.stuck:
            self.closed += [one for one in closed if one.start_s * 1000 >= moved_at_ms]
            del self.closed[:-KEPT]

    def doubted(self) -> list[Interval]:
        """The intervals that were closed too early, told as suspect."""
        told = [replace(one, quality=max(one.quality, Quality.SUSPECT)) for one in self.closed]
        self.closed.clear()
        return told

    def as_data(self) -> dict[str, Any]:
        """For a snapshot; ``of_data`` is its inverse."""
        return asdict(self)

    @classmethod
    def of_data(cls, data: dict[str, Any]) -> "StillWatch":
        """Make the watch of which ``as_data`` told."""
        return cls(data["quantity"], data["stuck"], [Interval(**one) for one in data["closed"]])
