"""The world's time, which is not always the machine's."""

import time
from dataclasses import dataclass


def machine_s() -> float:
    """The machine's time, seconds since 1970 UTC."""
    return time.time()  # noqa: TID251  the far end of the wire has a clock of its own


@dataclass(frozen=True, slots=True)
class WorldClock:
    """The world's time: the machine's, or from an instant of its own and at a speed of its own.

    ``since_s`` : the machine's time at the start; ``start_s`` : the world's then, None = the machine's.
    """

    since_s: float
    start_s: float | None = None
    speed: float = 1.0

    def now_s(self) -> float:
        """Seconds since 1970 UTC, in the world."""
        now_s = machine_s()
        if self.start_s is None and self.speed == 1.0:
            return now_s  # follows the machine's clock even where that is set
        start_s = self.since_s if self.start_s is None else self.start_s
        return start_s + (now_s - self.since_s) * self.speed
