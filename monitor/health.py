"""The daemon's own health as a result a minute, so that every sink shows whether it lives and how it is."""

import asyncio
import os
import resource
from collections.abc import Mapping
from pathlib import Path

from drivers.contract import Driver
from monitor.clock import SteadyClock
from monitor.store.retention import HEALTH
from monitor.store.rows import Commit, ResultRow
from monitor.store.writer import Writer

SUBJECT = "health"
EVERY_S = 60
COUNTED = ("polls", "messages", "readings", "silent", "bad", "refused")
_STATM = Path("/proc/self/statm")


class Health:
    """Writes how the daemon is once a minute, on the minute."""

    def __init__(self, drivers: Mapping[str, Driver], writer: Writer, clock: SteadyClock) -> None:
        self._drivers = drivers
        self._writer = writer
        self._clock = clock
        self._began_s = clock.monotonic_s()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S - self._clock.now_ms() / 1000 % EVERY_S)
            if not self._clock.is_holding:
                self._writer.submit(Commit(results=[self.row(self._clock.now_ms() // 1000)]))

    def row(self, now_s: int) -> ResultRow:
        """How it is now; what is counted is counted since the start."""
        counts = [one for driver in self._drivers.values() for one in driver.device_counts().values()]
        data = {
            "uptime_s": round(self._clock.monotonic_s() - self._began_s, 1),
            "memory_mb": round(memory_bytes() / 1e6, 1),
            "queue_commits": float(self._writer.waiting()),
            "devices": float(len(counts)),
        }
        data |= {name: float(sum(getattr(one, name) for one in counts)) for name in COUNTED}
        return ResultRow(HEALTH, SUBJECT, now_s - now_s % EVERY_S, data)


def memory_bytes() -> int:
    """Memory that this process takes; where the system does not say, the most that it ever took."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
