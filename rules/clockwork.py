"""Which time a reading gets when the machine's clock is set: decided from the wall clock and a steady one.

The time that is believed runs on the steady clock. A wall clock that shows something else is followed once
that is plausible and has held for a while; until then readings keep the time as it was.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

STEP_MS = 2_000
"""Below this a clock was trimmed, not set; readings follow at ``SLEW`` without ever going back."""

SLEW = 0.05

CONFIRM_MS = 60_000
"""So long must another time hold before it is believed."""

FAR_MS, CONFIRM_FAR_MS = 86_400_000, 600_000
"""A jump of more than a day, and how long that must hold."""

GAP_MS = 60_000
"""A jump forward of up to a minute is believed at once: a machine that was paused."""

EARLIEST_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
LATEST_MS = int(datetime(2080, 1, 1, tzinfo=UTC).timestamp() * 1000)
"""No clock of a machine on which this runs can be right outside of these."""


class Standing(StrEnum):
    """How far the time can be trusted."""

    STEADY = "steady"
    DOUBTFUL = "doubtful"  # the machine's clock shows another time, which is not believed yet
    HOLDING = "holding"  # no time is believed: readings wait for one


@dataclass(frozen=True, slots=True)
class Clockwork:
    """What is known of the time at the last look. All in ms; an offset is wall minus steady clock.

    Attributes
    ----------
    floor_ms : time of the newest reading that was kept before the start: no clock is believed at once
        that shows less.
    offset_ms : the believed one; None while none is.
    shown_ms : what the machine's clock shows, and has shown since ``since_ms`` of the steady clock.
    at_ms : the last look, on the steady clock.
    """

    floor_ms: int
    offset_ms: int | None
    shown_ms: int
    since_ms: int
    at_ms: int

    @property
    def standing(self) -> Standing:
        """How far the time can be trusted."""
        if self.offset_ms is None:
            return Standing.HOLDING
        trimmed = abs(self.shown_ms - self.offset_ms) <= STEP_MS
        return Standing.STEADY if trimmed else Standing.DOUBTFUL

    @property
    def was_behind(self) -> bool:
        """Whether the machine's clock, as it goes now, showed less than the newest reading at first."""
        return self.since_ms + self.shown_ms < self.floor_ms - STEP_MS

    @property
    def is_plausible(self) -> bool:
        """Whether the machine's clock shows a time that can be."""
        return EARLIEST_MS <= self.at_ms + self.shown_ms <= LATEST_MS

    def wall_ms(self, steady_ms: int) -> int:
        """The believed time, or what the machine's clock shows where none is believed."""
        return steady_ms + (self.shown_ms if self.offset_ms is None else self.offset_ms)


def first_look(wall_ms: int, steady_ms: int, floor_ms: int) -> Clockwork:
    """Begin, with the time of the newest reading that was kept (0 for none)."""
    shown_ms = wall_ms - steady_ms
    state = Clockwork(floor_ms, None, shown_ms, steady_ms, steady_ms)
    believed = state.is_plausible and wall_ms >= floor_ms - STEP_MS
    return replace(state, offset_ms=shown_ms if believed else None)


def look(state: Clockwork, wall_ms: int, steady_ms: int) -> tuple[Clockwork, int]:
    """Look at the machine's clock again.

    Returns
    -------
    The state to go on with, and by how much readings' times were set: negative means back, 0 for none. Where
    the first time that is believed lies behind the readings in the store, these are set back to before it
    was shown first.
    """
    shown_ms = wall_ms - steady_ms
    held = abs(shown_ms - state.shown_ms) <= STEP_MS
    seen = replace(
        state,
        shown_ms=state.shown_ms if held else shown_ms,
        since_ms=state.since_ms if held else steady_ms,
        at_ms=steady_ms,
    )
    if state.offset_ms is not None and abs(shown_ms - state.offset_ms) <= STEP_MS:
        slewed_ms = max(shown_ms, state.offset_ms - round(SLEW * (steady_ms - state.at_ms)))
        return replace(seen, offset_ms=slewed_ms, shown_ms=shown_ms), 0
    if not seen.is_plausible:
        return seen, 0
    held_ms = steady_ms - seen.since_ms
    if state.offset_ms is None:
        behind_ms = max(0, state.floor_ms - wall_ms)
        believed = behind_ms <= STEP_MS or held_ms >= CONFIRM_FAR_MS
        step_ms = -(behind_ms + held_ms) if behind_ms > STEP_MS else 0
    else:
        step_ms = shown_ms - state.offset_ms
        wait_ms = CONFIRM_MS if abs(step_ms) <= FAR_MS else CONFIRM_FAR_MS
        believed = 0 < step_ms <= GAP_MS or held_ms >= wait_ms
    if not believed:
        return seen, 0
    return replace(seen, offset_ms=shown_ms, shown_ms=shown_ms), step_ms
