"""When the machine's clock is set: what happens to readings, and who is told."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from heapq import merge
from operator import itemgetter
from typing import Any

import numpy as np

from config.words import Spoken
from monitor.clock import SteadyClock
from monitor.pipeline import Pipeline
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, ConditionRow, ResultRow
from monitor.store.writer import Writer
from monitor.timestamps import iso_utc
from rules.clockwork import CONFIRM_FAR_MS, CONFIRM_MS, Standing
from rules.quality import Quality
from rules.scan import Scan

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0

CONDITION = "clock"
"""Under this name page and ``status`` find how the clock is, and results each time it was set."""

HELD_AT_MOST = 20_000
"""Scans that are kept while there is no time; the oldest go, for registers tell their energy later."""

ARRIVAL_MS = 10_000
"""A scan whose time is further from the clock's than this carries a time of its own."""

DOWN_AT_MOST_MS = 7 * 86_400_000
"""How long a register may have gathered unseen where nobody knows how long the daemon was down."""

NEWEST_OF = 500
"""Among so many last scans the newest time is looked for: they stand in the order of commitment."""

OnCommit = Callable[[], None] | None


def newest_reading_ms(reader: StoreReader) -> int:
    """Time of the newest reading in the store; 0 without one."""
    scans = reader.follow(max(0, reader.last_scan_id() - NEWEST_OF))
    return max((scan.at_ms for _, _, scan in scans), default=0)


class HeldScans:
    """The times of scans while the clock is in doubt: kept back without one, marked with a doubtful one."""

    def __init__(self, clock: SteadyClock) -> None:
        self._clock = clock
        # Number in the order of arrival, scan, whom to tell, when it was taken; one queue for each kind.
        self._held: deque[tuple[int, Scan, OnCommit, float | None]] = deque()
        self._owed: deque[tuple[int, Scan, OnCommit, float | None]] = deque()
        self._count = 0
        self.lost = 0

    def timed(self, scan: Scan, on_commit: OnCommit) -> Scan | None:
        """The scan with the time that it deserves; None when it is kept until there is one."""
        standing = self._clock.standing
        if standing is Standing.HOLDING:
            is_arrival = abs(scan.at_ms - self._clock.now_ms()) <= ARRIVAL_MS
            taken_s = self._clock.monotonic_s() if is_arrival else None
            self._count += 1
            queue = self._held if on_commit is None else self._owed
            queue.append((self._count, scan, on_commit, taken_s))
            self._forget()
            return None
        at_ms = self._clock.corrected(scan.at_ms)
        if standing is Standing.DOUBTFUL:
            doubtful = np.maximum(scan.quality, Quality.SUSPECT).astype(np.uint8)
            return replace(scan, at_ms=at_ms, quality=doubtful)
        return scan if at_ms == scan.at_ms else replace(scan, at_ms=at_ms)

    def release(self) -> list[tuple[Scan, OnCommit]]:
        """Everything that was kept back, with the times that the clock gives it now, in order."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        released = []
        for _, scan, on_commit, taken_s in merge(self._held, self._owed, key=itemgetter(0)):
            at_ms = scan.at_ms if taken_s is None else now_ms - round((now_s - taken_s) * 1000)
            released.append((replace(scan, at_ms=at_ms), on_commit))
        self._held.clear()
        self._owed.clear()
        return released

    def _forget(self) -> None:
        """Let the oldest go. What wants to be acknowledged stays: a broker sends only so many ahead."""
        if self._held and len(self._held) + len(self._owed) > HELD_AT_MOST:
            self._held.popleft()
            self.lost += 1


class Timekeeper:
    """Looks at the machine's clock once a second, and carries out what follows from it."""

    def __init__(
        self, clock: SteadyClock, pipeline: Pipeline, held: HeldScans, reader: StoreReader, writer: Writer
    ) -> None:
        self._clock = clock
        self._pipeline = pipeline
        self._held = held
        self._reader = reader
        self._writer = writer
        self._told: tuple[Standing, str] | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Look once. What was accepted before it and after it is on the right side of a step."""
        was_holding = self._clock.is_holding
        step_ms = self._clock.look()
        if step_ms < 0:
            self._set_back(-step_ms, unseen_ms=DOWN_AT_MOST_MS if was_holding else 0)
        if step_ms:
            self._record(step_ms)
        if was_holding and not self._clock.is_holding:
            if not step_ms and self._clock.was_behind:
                # Nobody knows how long it was down: it has come back to where the readings end.
                self._pipeline.gathered_unseen(DOWN_AT_MOST_MS)
            self._release()
        self._tell()

    def _set_back(self, by_ms: int, unseen_ms: int) -> None:
        # In this order: what gets to disk in between is in both.
        unwritten = self._writer.unwritten_intervals()
        now_ms = self._clock.now_ms()
        self._pipeline.set_back(by_ms, now_ms, self._reader, unwritten, unseen_ms=unseen_ms)

    def _record(self, step_ms: int) -> None:
        """Keep that the time was set: results stay for good, and sinks tell of them."""
        now_ms = self._clock.now_ms()
        row = ResultRow(CONDITION, CONDITION, now_ms // 1000, {"step_s": step_ms / 1000})
        self._writer.submit(Commit(results=[row]))
        log.warning(Spoken("log.clock_set", step_s=f"{step_ms / 1000:+.1f}", now=iso_utc(now_ms)))

    def _release(self) -> None:
        released = self._held.release()
        for scan, on_commit in released:
            self._pipeline.accept(scan, on_commit)
        log.warning(Spoken("log.clock_again", kept=len(released), lost=self._held.lost))
        self._held.lost = 0

    def _tell(self) -> None:
        error = self._error()
        told = (self._clock.standing, error["code"] if error else "")
        if self._told == told:
            return
        self._told = told
        row = ConditionRow(CONDITION, self._clock.standing.value, self._clock.now_ms(), error)
        self._writer.submit(Commit(conditions=[row]))
        if error is not None:
            log.warning(Spoken("log.trouble", error=error))

    def _error(self) -> dict[str, Any] | None:
        if self._clock.standing is Standing.STEADY:
            return None
        data = {"shown": iso_utc(max(0, self._clock.shown_ms))}
        if not self._clock.is_plausible:
            return {"code": "clock.impossible", "data": data}
        if self._clock.is_holding:
            data |= {"newest": iso_utc(self._clock.floor_ms), "minutes": str(CONFIRM_FAR_MS // 60_000)}
            return {"code": "clock.behind", "data": data}
        data |= {"seconds": str(CONFIRM_MS // 1000), "minutes": str(CONFIRM_FAR_MS // 60_000)}
        return {"code": "clock.jumped", "data": data}
