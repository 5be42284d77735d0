"""The way of the data, on one page.

    Scan -> validate -> counters -> interval close -> one transaction -> (readers, sinks)

``accept`` is called on the event loop for every scan, decides everything in memory and hands one commit
to the store's writer. What it keeps in memory is a cache of the store: the last snapshot plus the scans
committed after it give the same state again, so that nothing depends on having been awake.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, IntervalRow, RefusalRow, Snapshot, pack_scan
from rules.counters import Verdict
from rules.metering import MeterRules, MeterTrack
from rules.quality import Quality
from rules.scan import Layout, Scan
from rules.setback import is_ahead, reopened_s, set_back, untold
from rules.validation import Validator

log = logging.getLogger(__name__)

FOR_EVER_S = 2**40

SETTLED_MS = 60_000
"""How long after an interval's end the state is written down: its rows are closed, and little is open yet."""


TOLD = (Verdict.BACKWARD, Verdict.SPIKE, Verdict.LATE, Verdict.NEW_EPOCH, Verdict.CAUGHT_UP)
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
        self._latest: dict[int, Scan] = {}
        self._scan_id = 0
        self._clock_ms = clock_ms
        self._interval_ms = interval_s * 1000
        self._settled_ms = min(SETTLED_MS, self._interval_ms // 10)
        self._snapshot_slot = self._slot()
        self._routes = {
            key: _Route(
                layout_id,
                Validator(layout),
                tuple(meter for meter in meters if meter.layout == key),
            )
            for key, (layout_id, layout) in layouts.items()
        }

    # -- live ---------------------------------------------------------------------------------------

    def accept(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        """Take a scan from a driver. ``on_commit`` is called once it is on disk."""
        timed = scan if self._stamps is None else self._stamps.timed(scan, on_commit)
        if timed is not None:
            self._accept(timed, on_commit)

    def _accept(self, scan: Scan, on_commit: Callable[[], None] | None) -> None:
        route = self._routes[scan.layout.key]
        route.validator.grade(scan)
        self._scan_id += 1
        commit = Commit(
            scans=[(self._scan_id, route.layout_id, scan.at_ms, *pack_scan(scan))],
            done=[] if on_commit is None else [on_commit],
        )
        self._measure(route, scan, commit)
        slot = self._slot()
        if slot != self._snapshot_slot:
            commit.snapshot = self.snapshot()
            self._snapshot_slot = slot
        self._submit(commit)

    def set_back(self, by_ms: int, now_ms: int, reader: StoreReader, *, unseen_ms: int = 0) -> None:
        """Go on at ``now_ms`` where times were ``by_ms`` ahead; everything accepted must be in the store."""
        commit = Commit()
        for meter_id, track in self._tracks.items():
            if not is_ahead(track, now_ms):
                continue
            rows = reader.intervals(meter_id, reopened_s(track, by_ms), FOR_EVER_S)
            self._tracks[meter_id] = set_back(track, by_ms, float(rows.quantity.sum()), unseen_ms=unseen_ms)
            commit.intervals += [
                IntervalRow(meter_id, untold(start_s, duration_s))
                for start_s, duration_s in zip(
                    rows.start.astype(int).tolist(), rows.duration_s.tolist(), strict=True
                )
            ]
        commit.snapshot = self.snapshot()
        self._snapshot_slot = self._slot()
        self._submit(commit)

    def _slot(self) -> int:
        return (self._clock_ms() - self._settled_ms) // self._interval_ms

    def _measure(self, route: _Route, scan: Scan, commit: Commit) -> None:
        """Advance the meters of a scan and close what has become due."""
        self._latest[route.layout_id] = scan
        for meter in route.meters:
            raw = float(scan.values[meter.counter])
            if not math.isfinite(raw):
                continue
            track = self._tracks[meter.id]
            rate = math.nan
            if meter.rate is not None and scan.quality[meter.rate] < Quality.SUSPECT:
                rate = float(scan.values[meter.rate])
            quality = int(scan.quality[meter.counter])
            verdict = track.take(scan.at_ms, raw, rate, min(quality, Quality.SUSPECT))
            if verdict in TOLD:
                commit.refusals.append(RefusalRow(meter.id, scan.at_ms, verdict.value, raw))
            commit.intervals += [IntervalRow(meter.id, interval) for interval in track.close_due()]

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
        for meter_id, state in reader.snapshot_states().items():
            if meter_id in self._meters:
                self._tracks[meter_id] = MeterTrack.restore(self._meters[meter_id].rules, state)
        self._latest = reader.snapshot_latest()
        self._scan_id = reader.snapshot_position()
        replayed = 0
        while scans := reader.follow(self._scan_id):
            commit = Commit()
            for scan_id, layout_id, scan in scans:
                self._scan_id = scan_id
                route = self._routes.get(scan.layout.key)
                # A layout that has changed since is history: its meters go on with the next scan.
                if route is not None and route.layout_id == layout_id:
                    self._measure(route, scan, commit)
            commit.refusals.clear()  # they were kept when they were new
            replayed += len(scans)
            if commit:
                self._submit(commit)
        return replayed
