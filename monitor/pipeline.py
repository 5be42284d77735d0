"""The way of the data, on one page.

    Scan -> validate -> counters -> interval close -> one transaction -> (readers, sinks)

``accept`` is called on the event loop for every scan, decides everything in memory and hands one commit
to the store's writer. What it keeps in memory is a cache of the store: the last snapshot plus the scans
committed after it give the same state again, so that nothing depends on having been awake.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from drivers.payload_times import LATEST_AHEAD_MS
from monitor.store.reader import StoreReader
from monitor.store.rows import (
    FOR_EVER_MS,
    CheckpointRow,
    Commit,
    IntervalRow,
    LateRow,
    RefusalRow,
    Reworked,
    ReworkRow,
    Snapshot,
    pack_scan,
)
from rules.counters import CounterState, Replacement, Verdict
from rules.intervals import Readings
from rules.metering import MeterRules, MeterTrack, saved_factors
from rules.quality import Quality
from rules.scan import Layout, Scan
from rules.setback import gathers_longer, is_ahead, reopened_s, set_back, untold
from rules.validation import Validator

log = logging.getLogger(__name__)

FOR_EVER_S = 2**40

SETTLED_MS = 60_000
"""How long after an interval's end the state is written down: its rows are closed, and little is open yet."""

CHECKPOINT_S = 3600
"""How often the meters' states are kept beyond the last one: from there their readings can be taken again."""

LATE_AT_MOST_MS = 7 * 86_400_000
"""A reading that comes later than this is kept in its scan and refused: intervals settle after a week."""

_COUNTED, _LATE, _SUSPECT = Verdict.COUNTED, Verdict.LATE, int(Quality.SUSPECT)

TOLD = (Verdict.BACKWARD, Verdict.SPIKE, Verdict.LATE, Verdict.NEW_EPOCH, Verdict.CAUGHT_UP, Verdict.STUCK)
"""Verdicts that are kept, for people to see and to count."""


class Stamps(Protocol):
    """Who looks after the times of scans."""

    def timed(self, scan: Scan, on_commit: Callable[[], None] | None) -> Scan | None:
        """The scan with the time that it deserves; None when it is kept until there is one."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter as the pipeline sees it: where its register and its rate are, and its rules."""

    id: str
    layout: str  # key of the layout that carries the counter
    counter: int  # position in that layout
    rate: int | None
    rules: MeterRules
    counter_name: str = ""  # of both points: where they are in the scans of older layouts
    rate_name: str | None = None
    own_time: bool = False  # its readings carry a time of their own: one that comes late belongs there


@dataclass(slots=True)  # one a reading: frozen costs four times as much to make
class Sample:
    """One reading of one meter's register."""

    at_ms: int
    raw: float
    rate: float
    quality: int


@dataclass(frozen=True, slots=True)
class _Route:
    """What happens to the scans of one layout."""

    layout_id: int
    validator: Validator
    meters: tuple[Meter, ...]


class Pipeline:
    """Turns scans into commits.

    Parameters
    ----------
    layouts : every layout that drivers deliver, with its id in the store, by key.
    meters : all meters.
    submit : hands a commit to the writer; returns at once.
    clock_ms : the daemon's wall clock; says when a snapshot is due, whatever the readings' own stamps say.
    interval_s : length of an interval: there is one snapshot for each.
    stamps : looks after the scans' times while the machine's clock is in doubt.
    """

    def __init__(
        self,
        layouts: Mapping[str, tuple[int, Layout]],
        meters: Sequence[Meter],
        submit: Callable[[Commit], None],
        *,
        clock_ms: Callable[[], int],
        interval_s: int,
        stamps: Stamps | None = None,
    ) -> None:
        self._submit = submit
        self._stamps = stamps
        self._meters = {meter.id: meter for meter in meters}
        self._tracks = {meter.id: MeterTrack(meter.rules) for meter in meters}
        self._reworking: dict[str, list[Sample]] = {}
        self._latest: dict[int, Scan] = {}
        self._scan_id = 0
        self._clock_ms = clock_ms
        self._interval_ms = interval_s * 1000
        self._settled_ms = min(SETTLED_MS, self._interval_ms // 10)
        self._snapshot_slot = self._slot()
        by_layout: dict[str, list[Meter]] = {}
        for meter in meters:
            by_layout.setdefault(meter.layout, []).append(meter)
        self._routes = {
            key: _Route(layout_id, Validator(layout), tuple(by_layout.get(key, ())))
            for key, (layout_id, layout) in layouts.items()
        }

    # -- live ---------------------------------------------------------------------------------------

    def accept(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        """Take a scan from a driver. ``on_commit`` is called once it is on disk."""
        timed = scan if self._stamps is None else self._stamps.timed(scan, on_commit)
        if timed is not None:
            self._accept(timed, on_commit)

    def _accept(self, scan: Scan, on_commit: Callable[[], None] | None) -> None:
        route, now_ms = self._routes[scan.layout.key], self._clock_ms()
        route.validator.grade(scan)
        self._scan_id += 1
        values, quality = pack_scan(scan)
        commit = Commit(
            scans=[(self._scan_id, route.layout_id, scan.at_ms, values, quality)],
            done=[] if on_commit is None else [on_commit],
        )
        self._measure(route, scan, commit, now_ms)
        slot = (now_ms - self._settled_ms) // self._interval_ms
        if slot != self._snapshot_slot:
            commit.snapshot = self.snapshot()
            if self._hour(slot) != self._hour(self._snapshot_slot):
                commit.checkpoints = self._checkpoints(self._tracks, commit.snapshot.meters)
            self._snapshot_slot = slot
        self._submit(commit)

    def set_back(
        self,
        by_ms: int,
        now_ms: int,
        reader: StoreReader,
        unwritten: Sequence[IntervalRow] = (),
        *,
        unseen_ms: int = 0,
    ) -> None:
        """Go on at ``now_ms`` where times were ``by_ms`` ahead.

        Parameters
        ----------
        unwritten : closed intervals that the store may not have yet, in order; taken before this is called.
        """
        commit = Commit()
        for meter_id, track in self._tracks.items():
            if not is_ahead(track, now_ms):
                gathers_longer(track, by_ms + unseen_ms)
                continue
            ahead = _ahead(reader, meter_id, reopened_s(track, by_ms), unwritten)
            closed = sum(quantity for _, quantity in ahead.values())
            self._tracks[meter_id] = set_back(track, by_ms, closed, unseen_ms=unseen_ms)
            # Nobody can take its readings again from before: their times were others.
            self._reworking.pop(meter_id, None)
            commit.begun_anew.append(meter_id)
            commit.intervals += [
                IntervalRow(meter_id, untold(start_s, duration_s))
                for start_s, (duration_s, _) in sorted(ahead.items())
            ]
        commit.snapshot = self.snapshot()
        commit.checkpoints = self._checkpoints(self._tracks, commit.snapshot.meters)
        self._snapshot_slot = self._slot()
        self._submit(commit)

    def gathered_unseen(self, by_ms: int) -> None:
        """What the registers show next may have gathered for so much longer than times tell."""
        for track in self._tracks.values():
            gathers_longer(track, by_ms)
        snapshot = self.snapshot()
        self._submit(Commit(snapshot=snapshot, checkpoints=self._checkpoints(self._tracks, snapshot.meters)))

    def _slot(self) -> int:
        return (self._clock_ms() - self._settled_ms) // self._interval_ms

    def _measure(self, route: _Route, scan: Scan, commit: Commit, now_ms: int) -> None:
        """Advance the meters of a scan and close what has become due."""
        self._latest[route.layout_id] = scan
        value, trust = scan.values.item, scan.quality.item
        for meter in route.meters:
            raw: float = value(meter.counter)
            if not math.isfinite(raw):
                continue
            rate = math.nan
            if meter.rate is not None and trust(meter.rate) < _SUSPECT:
                rate = value(meter.rate)
            quality = min(trust(meter.counter), _SUSPECT)
            self._take(meter, Sample(scan.at_ms, raw, rate, quality), commit, now_ms)

    def _take(self, meter: Meter, sample: Sample, commit: Commit, now_ms: int) -> None:
        """Advance one meter, keep what has to be told of the reading, and close what has become due."""
        track = self._tracks[meter.id]
        before, unmetered = track.counter, track.unmetered
        verdict = track.take(sample.at_ms, sample.raw, sample.rate, sample.quality)
        late = _is_late(track, sample.at_ms, now_ms)
        if late and meter.own_time and verdict is not Verdict.REPEATED:
            commit.late.append(
                LateRow(meter.id, sample.at_ms, self._scan_id, sample.raw, sample.rate, sample.quality)
            )
            commit.reworks.append(ReworkRow(meter.id, sample.at_ms, sample.at_ms))
        elif verdict is not _COUNTED and verdict in TOLD and before is not None:
            commit.refusals.append(
                refusal(meter.id, sample, verdict, before, track.unmetered or unmetered, now_ms)
            )
        if self._reworking and meter.id in self._reworking and verdict is not _LATE:
            self._reworking[meter.id].append(sample)
        if closed := track.close_due():
            commit.intervals += [IntervalRow(meter.id, interval) for interval in closed]

    def unclosed(self, meter_id: str) -> tuple[MeterRules, Readings] | None:
        """What no interval has closed over yet of a meter, and its rules; None before its first reading."""
        track = self._tracks.get(meter_id)
        return None if track is None or track.counter is None else (track.rules, track.unclosed())

    # -- taking readings again ------------------------------------------------------------------------

    def begin_rework(self, meter_id: str) -> tuple[Meter, int] | None:
        """Remember a meter's readings from now on, while those up to a scan are taken again.

        Returns
        -------
        The meter, and the last scan that was accepted; None for a meter that is not followed here.
        """
        if meter_id not in self._meters:
            return None
        self._reworking[meter_id] = []
        return self._meters[meter_id], self._scan_id

    def finish_rework(self, done: Reworked, commit: Commit, track: MeterTrack | None) -> bool:
        """Go on from readings that were taken again, with those that came meanwhile, and commit it all.

        Parameters
        ----------
        track : the meter after the last scan that ``begin_rework`` told; None where it goes on as it is.

        Returns
        -------
        False when it is worth nothing: the meter's times were set meanwhile.
        """
        since = self._reworking.pop(done.row.meter, None)
        if since is None:
            return False
        commit.reworked.append(done)
        if track is not None:
            self._tracks[done.row.meter] = track
            for sample in since:
                track.take(sample.at_ms, sample.raw, sample.rate, sample.quality)
                commit.intervals += [IntervalRow(done.row.meter, one) for one in track.close_due()]
            commit.checkpoints += self._checkpoints([done.row.meter])
        commit.snapshot = self.snapshot()  # a restart need not ask for it again
        self._submit(commit)
        return True

    def forget_rework(self, row: ReworkRow, told: Sequence[RefusalRow] = ()) -> None:
        """Let go of what cannot be made again: nothing of that meter is kept, or nobody follows it."""
        self._reworking.pop(row.meter, None)
        done = Reworked(row, 0, FOR_EVER_MS, FOR_EVER_MS)
        self._submit(Commit(reworked=[done], refusals=list(told)))

    def learn(self, replacements: Mapping[str, tuple[Replacement, ...]]) -> None:
        """Take over what people wrote down; what lies before a meter's newest reading is for a rework."""
        for meter_id, meter in self._meters.items():
            records = replacements.get(meter_id, ())
            if records != meter.rules.replacements:
                rules = replace(meter.rules, replacements=records)
                self._meters[meter_id] = replace(meter, rules=rules)
                self._tracks[meter_id].rules = rules

    # -- restart ------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The state after everything accepted so far."""
        states = {meter_id: track.save() for meter_id, track in self._tracks.items()}
        return Snapshot(self._scan_id, states, dict(self._latest))

    def restore(self, reader: StoreReader) -> int:
        """Take up where the store stands: its snapshot, then every scan committed after it.

        Intervals that these scans close are submitted again; unchanged rows are left as they are.
        Returns how many scans were taken again.
        """
        self.learn(reader.past.replacements())
        asked = Commit()
        for meter_id, state in reader.snapshot_states().items():
            if meter_id in self._meters:
                rules = self._meters[meter_id].rules
                self._tracks[meter_id] = MeterTrack.restore(rules, state)
                changed_ms = saved_factors(state).differ_from(rules.limits.factors)
                if changed_ms is not None:
                    asked.reworks.append(ReworkRow(meter_id, changed_ms, FOR_EVER_MS))
        self._latest = reader.snapshot_latest()
        self._scan_id = reader.snapshot_position()
        replayed = 0
        while scans := reader.follow(self._scan_id):
            commit, now_ms = Commit(), self._clock_ms()
            for scan_id, layout_id, scan in scans:
                self._scan_id = scan_id
                route = self._routes.get(scan.layout.key)
                # A layout that has changed since is history: its meters go on with the next scan.
                if route is not None and route.layout_id == layout_id:
                    self._measure(route, scan, commit, now_ms)
            commit.refusals.clear()  # they were kept when they were new
            replayed += len(scans)
            if commit:
                self._submit(commit)
        self._scan_id = reader.next_after(self._scan_id)
        asked.checkpoints = self._checkpoints(self._meters.keys() - reader.past.meters_with_checkpoints())
        if asked:
            self._submit(asked)
        return replayed

    def _hour(self, slot: int) -> int:
        return slot * self._interval_ms // (1000 * CHECKPOINT_S)

    def _checkpoints(
        self, meters: Iterable[str], saved: Mapping[str, bytes] | None = None
    ) -> list[CheckpointRow]:
        """The states of meters as they are after everything accepted so far; ``saved`` has them already."""
        rows = []
        for meter_id in meters:
            track = self._tracks[meter_id]
            counted_ms = -1 if track.counter is None else track.counter.at_ms
            at_ms = max(counted_ms, track.heard_ms)
            state = track.save() if saved is None else saved[meter_id]
            rows.append(CheckpointRow(meter_id, at_ms, track.open_start_s, self._scan_id, state))
        return rows


def _ahead(
    reader: StoreReader, meter_id: str, from_s: int, unwritten: Sequence[IntervalRow]
) -> dict[int, tuple[int, float]]:
    """Length (s) and quantity of a meter's intervals from an instant on, by start; on disk or not yet."""
    rows = reader.intervals(meter_id, from_s, FOR_EVER_S)
    starts = rows.start.astype(int).tolist()
    known = zip(rows.duration_s.tolist(), rows.quantity.tolist(), strict=True)
    ahead = dict(zip(starts, known, strict=True))
    for row in unwritten:
        if row.meter == meter_id and row.interval.start_s >= from_s:
            ahead[row.interval.start_s] = (row.interval.duration_s, row.interval.quantity)
    return ahead


def _is_late(track: MeterTrack, at_ms: int, now_ms: int) -> bool:
    """Whether a reading with a time of its own comes after a newer one, and not too long after it.

    What is dated ahead of the clock makes nothing late: one wrong date would hold up all that is right.
    """
    heard_ms = track.heard_ms
    if heard_ms < at_ms <= now_ms + LATEST_AHEAD_MS:
        track.heard_ms = at_ms
    return now_ms - LATE_AT_MOST_MS <= at_ms < heard_ms


def refusal(
    meter: str, sample: Sample, verdict: Verdict, before: CounterState, unmetered: float, now_ms: int
) -> RefusalRow:
    """A reading that people have to hear of, with the figures that its words need."""
    data = {
        "before": before.raw,
        "before_ms": before.at_ms,
        "moved_ms": before.moved_at_ms,
        "unmetered": unmetered,
    }
    return RefusalRow(meter, sample.at_ms, verdict.value, sample.raw, now_ms, data)
