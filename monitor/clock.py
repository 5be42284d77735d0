"""The one clock of the product. Everything else is told what time it is."""

import time
from typing import Protocol

from rules.clockwork import CONFIRM_MS, FAR_MS, Standing, first_look, look

HOUR_MS = 3_600_000

# Goes on while the machine sleeps, where there is one: a laptop's sleep is no jump of the clock.
_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """Wall time for labels, monotonic time for waiting."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never step."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never step, and go on while the machine sleeps."""
        return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)


class SteadyClock:
    """The daemon's clock: the time that is believed, whatever somebody sets the machine's clock to.

    Between two calls of ``look`` the time runs on the monotonic clock alone. It never goes back but when
    ``look`` says so.

    Parameters
    ----------
    machine : the clock that may be set.
    floor_ms : time of the newest reading in the store; 0 without one.
    """

    def __init__(self, machine: Clock, floor_ms: int = 0) -> None:
        self._machine = machine
        self._state = first_look(machine.now_ms(), self._steady_ms(), floor_ms)
        self._last_ms = 0
        self._set_back: tuple[int, int] | None = None  # by how much, and when on the steady clock
        self._jumped_at_ms: int | None = None

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC, as they are believed; not to be used while ``is_holding``."""
        self._last_ms = max(self._last_ms, self._state.wall_ms(self._steady_ms()))
        return self._last_ms

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        return self._machine.monotonic_s()

    def _steady_ms(self) -> int:
        return round(self._machine.monotonic_s() * 1000)

    def look(self) -> int:
        """Look at the machine's clock; returns by how many ms the time was set, negative for back."""
        steady_ms, was_holding = self._steady_ms(), self.is_holding
        self._state, step_ms = look(self._state, self._machine.now_ms(), steady_ms)
        if step_ms < 0 or was_holding:
            self._last_ms = 0
        if step_ms < 0:
            self._set_back = (-step_ms, steady_ms)
        if abs(step_ms) > HOUR_MS:
            self._jumped_at_ms = steady_ms
        return step_ms

    @property
    def standing(self) -> Standing:
        """How far the time can be trusted."""
        return self._state.standing

    @property
    def is_holding(self) -> bool:
        """Whether there is no time to believe."""
        return self._state.standing is Standing.HOLDING

    @property
    def is_settled(self) -> bool:
        """Whether the time is sure enough to throw old readings away: no doubt, and no jump for a day."""
        jumped = self._jumped_at_ms is not None and self._steady_ms() - self._jumped_at_ms < FAR_MS
        return self._state.standing is Standing.STEADY and not jumped

    @property
    def was_behind(self) -> bool:
        """Whether the present time showed first as one of before the newest reading in the store."""
        return self._state.was_behind

    @property
    def is_plausible(self) -> bool:
        """Whether the machine's clock shows a time that can be."""
        return self._state.is_plausible

    @property
    def shown_ms(self) -> int:
        """What the machine's clock shows."""
        return self._steady_ms() + self._state.shown_ms

    @property
    def floor_ms(self) -> int:
        """Time of the newest reading that was in the store at the start."""
        return self._state.floor_ms

    def corrected(self, at_ms: int) -> int:
        """The time of a reading on its way: one that began just before the time was set back is set too."""
        if self._set_back is None:
            return at_ms
        by_ms, steady_ms = self._set_back
        if self._steady_ms() - steady_ms > CONFIRM_MS:
            self._set_back = None
        return at_ms - by_ms if at_ms > self.now_ms() else at_ms
