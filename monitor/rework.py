"""Taking a meter's readings again from an instant on: late ones in their place, records and factors in force.

What has to be done again stands in the store, so that it survives a restart. The readings since a kept state
go through the same code as live ones, ordered by their own time; rows whose figures differ get a new ``rev``,
and sinks send them again. It runs in a worker thread, and rests for nine times as long as it worked.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event

from config.words import Spoken
from monitor.clock import Clock
from monitor.pipeline import TOLD, Meter, Pipeline, Sample, refusal
from monitor.store.past import PastReader, PastReading, Place
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.rows import (
    FOR_EVER_MS,
    CheckpointRow,
    Commit,
    IntervalRow,
    LateRow,
    RefusalRow,
    Reworked,
    ReworkRow,
    layout_from_json,
)
from monitor.timestamps import iso_utc
from rules.counters import Verdict, fits_between
from rules.intervals import Interval
from rules.metering import MeterTrack

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0

QUIET_LOOKS = 3
"""So many looks without another late reading, and its burst is over."""

LOOKS_AT_MOST = 60
"""A meter whose late readings never end is done all the same, once a minute."""

REST_SHARE = 9.0

KEPT_EVERY_S = 6 * 3600
"""How often a state is kept of a time that was gone through again."""

COMMITTED_WITHIN_S = 30.0

FAILED, OUT_OF_REACH = "rework_failed", "out_of_reach"
"""Told among a meter's refused readings, where people look: nothing was made again, or not all of it."""

PACE, REST_S = 400, 0.003
"""After so many readings the thread stands back for a moment: the meters are being polled meanwhile."""


@dataclass(slots=True)
class Again:
    """A meter while its readings are taken again."""

    meter: Meter
    track: MeterTrack
    now_ms: int
    scan_id: int
    intervals: dict[int, Interval] = field(default_factory=dict)
    refusals: list[RefusalRow] = field(default_factory=list)
    checkpoints: list[CheckpointRow] = field(default_factory=list)

    def take(self, reading: PastReading) -> None:
        """Take a reading that came in time: whatever there was to tell of it was told then."""
        self._take(Sample(reading.at_ms, reading.raw, reading.rate, reading.quality))
        self.scan_id = reading.scan_id

    def take_late(self, row: LateRow, after: PastReading | None) -> None:
        """Take a reading that came late, unless its time cannot be right."""
        sample, before = Sample(row.at_ms, row.raw, row.rate, row.quality), self.track.counter
        unmetered = self.track.unmetered
        if before is None or after is None or fits_between(before, row.raw, after.raw):
            verdict = self._take(sample)
        else:
            verdict = Verdict.LATE
        if before is not None and verdict in TOLD and not row.judged:
            told = refusal(self.meter.id, sample, verdict, before, unmetered, self.now_ms)
            self.refusals.append(told)

    def refuse(self, rows: Iterable[LateRow]) -> None:
        """Tell of readings that are older than all that is kept."""
        counter = self.track.counter
        for row in rows:
            if counter is not None and not row.judged:
                sample = Sample(row.at_ms, row.raw, row.rate, row.quality)
                told = refusal(self.meter.id, sample, Verdict.LATE, counter, 0.0, self.now_ms)
                self.refusals.append(told)

    def _take(self, sample: Sample) -> Verdict:
        self.track.heard_ms = max(self.track.heard_ms, sample.at_ms)
        verdict = self.track.take(sample.at_ms, sample.raw, sample.rate, sample.quality)
        slot = self.track.open_start_s // KEPT_EVERY_S
        for one in self.track.close_due():
            self.intervals[one.start_s] = one
        if self.track.open_start_s // KEPT_EVERY_S > slot:
            self.keep()
        return verdict

    def keep(self) -> None:
        """Keep the state as it is now."""
        row = CheckpointRow(
            self.meter.id, self.track.heard_ms, self.track.open_start_s, self.scan_id, self.track.save()
        )
        self.checkpoints.append(row)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the track to go on with, or None where everything after ``void_before_ms`` stays."""

    again: Again
    track: MeterTrack | None
    void_after_ms: int
    void_before_ms: int

    def reaches(self, row: ReworkRow) -> bool:
        """Whether what is kept reaches back to all that was asked for."""
        return self.void_after_ms < row.from_ms


def take_again(past: PastReader, meter: Meter, row: ReworkRow, upto_id: int, now_ms: int) -> Outcome | None:
    """Take a meter's readings again from the last kept state before an instant.

    It ends at the first kept state after ``row.to_ms`` from which everything goes on as it did; else with
    the last scan that was asked for.

    Returns
    -------
    None when no state of the meter is kept.
    """
    rules = meter.rules
    start = past.checkpoint_before(meter.id, row.from_ms)
    if start is None:
        return None
    late = past.late_readings(meter.id, min(row.from_ms, start.at_ms + 1) - 1)
    late_scans = {one.scan_id for one in late}
    again = Again(meter, MeterTrack.restore(rules, start.state), now_ms, start.scan_id)
    places, position = _places(past, meter), start.scan_id
    again.refuse([one for one in late if one.at_ms <= start.at_ms])
    queue = _Merge(again, (one for one in late if one.at_ms > start.at_ms))
    for kept in past.checkpoints_after(meter.id, max(row.to_ms, start.at_ms)):
        if position <= kept.scan_id <= upto_id:
            queue.feed(_in_time(past, places, position, kept.scan_id, late_scans))
            position = kept.scan_id
            state = past.state_at(kept)
            if state and again.track.goes_on_like(MeterTrack.restore(rules, state)):
                return Outcome(again, None, start.at_ms, kept.at_ms)
    queue.feed(_in_time(past, places, position, upto_id, late_scans))
    queue.finish()
    return Outcome(again, again.track, start.at_ms, FOR_EVER_MS)


class _Merge:
    """Puts late readings in their place among those that came in time."""

    def __init__(self, again: Again, late: Iterator[LateRow]) -> None:
        self._again = again
        self._late = late
        self._next = next(late, None)

    def feed(self, readings: Iterable[PastReading]) -> None:
        """Take readings that came in time, each after the late ones that are dated before it."""
        for count, reading in enumerate(readings):
            if count % PACE == 0:
                Event().wait(REST_S)
            while self._next is not None and self._next.at_ms < reading.at_ms:
                self._again.take_late(self._next, reading)
                self._next = next(self._late, None)
            self._again.take(reading)

    def finish(self) -> None:
        """Take the late ones that are left: nothing that came in time is dated after them."""
        while self._next is not None:
            self._again.take_late(self._next, None)
            self._next = next(self._late, None)


def _in_time(
    past: PastReader, places: Mapping[int, Place], after_id: int, upto_id: int, late_scans: set[int]
) -> Iterator[PastReading]:
    return (one for one in past.readings(places, after_id, upto_id) if one.scan_id not in late_scans)


def _places(past: PastReader, meter: Meter) -> dict[int, Place]:
    """Where the meter's register and rate are in every layout that its part of the device has had."""
    device, _, part = meter.layout.partition("/")
    found = {}
    for id_, spec in past.layouts_of(device, part).items():
        layout = layout_from_json(device, part, spec)
        if layout.has(meter.counter_name):
            rate = meter.rate_name
            place = layout.index(rate) if rate and layout.has(rate) else None
            found[id_] = Place(layout.index(meter.counter_name), place)
    return found


class Reworker:
    """Does what the store says is to be done again, one meter at a time."""

    def __init__(self, pipeline: Pipeline, reader: StoreReader, clock: Clock) -> None:
        self._pipeline = pipeline
        self._reader = reader
        self._clock = clock
        self._looks: dict[str, tuple[int, int, int]] = {}  # by meter: asked, quiet looks, looks

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            began_s = self._clock.monotonic_s()
            try:
                worked = await self.step()
            except UNREADABLE as error:
                log.warning(Spoken("log.rework_waits", reason=error))
                continue
            except Exception:
                log.exception("intervals cannot be made again now")
                continue
            if worked:
                await asyncio.sleep(REST_SHARE * (self._clock.monotonic_s() - began_s))

    async def step(self) -> bool:
        """Do the first meter whose burst of late readings is over; returns whether there was one."""
        past = self._reader.past
        rows = await asyncio.to_thread(past.reworks)
        self._looks = {row.meter: self._looked(row) for row in rows}
        for row in rows:
            _, quiet, looks = self._looks[row.meter]
            if quiet >= QUIET_LOOKS or looks >= LOOKS_AT_MOST:
                del self._looks[row.meter]
                await self._do_or_drop(row)
                return True
        return False

    def _looked(self, row: ReworkRow) -> tuple[int, int, int]:
        asked, quiet, looks = self._looks.get(row.meter, (0, 0, 0))
        return row.asked, quiet + 1 if asked == row.asked else 0, looks + 1

    async def _do_or_drop(self, row: ReworkRow) -> None:
        """One meter's past that cannot be gone through must not stop the reading of all others."""
        try:
            await self.do(row)
        except UNREADABLE:
            raise  # the disk may be well again soon
        except Exception:
            log.exception("%s: its intervals cannot be made again, and stay as they are", row.meter)
            now_ms = self._clock.now_ms()
            self._pipeline.forget_rework(row, [RefusalRow(row.meter, now_ms, FAILED, 0.0, now_ms)])

    async def do(self, row: ReworkRow) -> None:
        """Take one meter's readings again, and go on from there."""
        past = self._reader.past
        self._pipeline.learn(await asyncio.to_thread(past.replacements))
        begun = self._pipeline.begin_rework(row.meter)
        if begun is None:
            self._pipeline.forget_rework(row)
            return
        meter, upto_id = begun
        outcome = await asyncio.to_thread(self._take_again, past, meter, row, upto_id)
        if outcome is None:
            self._pipeline.forget_rework(row)
            return
        again = outcome.again
        commit = Commit(
            intervals=[IntervalRow(row.meter, one) for one in again.intervals.values()],
            refusals=again.refusals,
            checkpoints=again.checkpoints,
        )
        done = Reworked(row, upto_id, outcome.void_after_ms, outcome.void_before_ms)
        if self._pipeline.finish_rework(done, commit, outcome.track):
            log.info(Spoken("log.rework_done", meter=row.meter, count=len(again.intervals)))
        if any(one.code == OUT_OF_REACH for one in again.refusals):
            reach = iso_utc(outcome.void_after_ms)
            log.warning(Spoken("log.rework_reach", meter=row.meter, reach=reach))

    def _take_again(self, past: PastReader, meter: Meter, row: ReworkRow, upto_id: int) -> Outcome | None:
        waited_s = 0.0
        while self._reader.last_scan_id() < upto_id:  # what was accepted is about to be committed
            if waited_s >= COMMITTED_WITHIN_S:
                raise OSError("the store does not take up what was read")
            Event().wait(0.05)
            waited_s += 0.05
        outcome = take_again(past, meter, row, upto_id, self._clock.now_ms())
        if outcome is not None:
            for start_s in past.unchanged(meter.id, outcome.again.intervals):
                del outcome.again.intervals[start_s]
            self._tell_reach(outcome, row)
        return outcome

    def _tell_reach(self, outcome: Outcome, row: ReworkRow) -> None:
        """Tell where what was asked for lies before all that is kept, and there are intervals."""
        span, again = self._reader.interval_span(row.meter), outcome.again
        is_told = bool(again.refusals) and row.to_ms < FOR_EVER_MS  # as a reading that came too late
        if outcome.reaches(row) or is_told or span is None or 1000 * span[0] >= outcome.void_after_ms:
            return
        counter = again.track.counter
        at_ms, raw = outcome.void_after_ms, 0.0 if counter is None else counter.raw
        data = {"before": raw, "before_ms": at_ms, "moved_ms": at_ms, "unmetered": 0.0}
        again.refusals.append(RefusalRow(row.meter, at_ms, OUT_OF_REACH, raw, again.now_ms, data))
