"""What the drivers count of each device, written down now and then, where page and ``status`` find it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import fields

from drivers.contract import Counts, Driver
from monitor.clock import Clock
from monitor.store.counts import REASON, CountsRow, write_counts
from monitor.store.ledgers import WriterEngine
from monitor.store.reader import UNREADABLE

LOOK_EVERY_S = 5.0
"""Trouble is written down so soon."""

RENEW_EVERY_S = 60.0
"""What counts up while all is well is written down once in this time."""

_NAMES = tuple(one.name for one in fields(Counts) if one.name != "reasons")
ROUTINE = frozenset({"polls", "messages", "readings"})


class CountKeeper:
    """Looks at the drivers' counts, and has those written that changed.

    Parameters
    ----------
    call : has work done in the writer's thread, between two transactions.
    """

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        call: Callable[[Callable[[WriterEngine], object]], None],
        site: str,
        clock: Clock,
    ) -> None:
        self._drivers = drivers
        self._call = call
        self._site = site
        self._clock = clock
        self._since_ms = clock.now_ms()
        self._written: dict[str, dict[str, int]] = {}
        self._renewed_s: float | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Have the counts written that want to be."""
        now_s = self._clock.monotonic_s()
        renew = self._renewed_s is None or now_s - self._renewed_s >= RENEW_EVERY_S
        if renew:
            self._renewed_s = now_s
        now_ms = self._clock.now_ms()
        rows = []
        for driver in self._drivers.values():
            await asyncio.sleep(0)  # with thousands of devices this is long enough to let polls go between
            for device, counts in driver.device_counts().items():
                found = _nonzero(counts)
                if self._wants(device, found, renew):
                    self._written[device] = found
                    rows.append(CountsRow(device, self._since_ms, now_ms, found))
        if rows:
            self._call(lambda engine: self._write(engine, rows))

    def _wants(self, device: str, found: dict[str, int], renew: bool) -> bool:
        known = self._written.get(device)
        if known is None or known == found:
            return known is None
        return renew or any(found.get(name) != known.get(name) for name in found if name not in ROUTINE)

    def _write(self, engine: WriterEngine, rows: list[CountsRow]) -> None:
        try:
            write_counts(engine, self._site, rows)
        except UNREADABLE:
            # The writer tells of a disk in trouble; counts only go up, and are written next time.
            for row in rows:
                self._written.pop(row.device, None)


def _nonzero(counts: Counts) -> dict[str, int]:
    found = {name: value for name in _NAMES if (value := getattr(counts, name))}
    if counts.reasons:
        found |= {f"{REASON}{code}": value for code, value in counts.reasons.items()}
    return found
