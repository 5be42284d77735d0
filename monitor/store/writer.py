"""The one writer: a thread that commits at once when somebody waits, with all that came meanwhile."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import chain
from operator import attrgetter
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, Table, event, select
from sqlalchemy.dialects.sqlite import insert as upsert

from config.words import Spoken
from monitor.store import schema
from monitor.store.base_guard import kept_apart, locked_spans
from monitor.store.database import speaks_of_damage
from monitor.store.deliveries import write_deliveries
from monitor.store.given_up import Went, book_unwritten, with_rows
from monitor.store.interval_rows import guarded_upsert, write_intervals
from monitor.store.life import write_meter_life
from monitor.store.order import newest_seq
from monitor.store.rows import Commit, IntervalRow, ResultRow, ScanRow, Snapshot, layout_to_json, pack_scan
from monitor.store.waiting import cursors_of, let_go, room_for
from rules.scan import Layout

log = logging.getLogger(__name__)

RETRY_FIRST_S, RETRY_CAP_S = 0.25, 10.0

LAST_TRIES_S = 3.0
"""At the end, how long a commit that fails is tried again: a disk may be in trouble for an instant only."""

GATHER_S = 0.05
"""How long commits may gather for one transaction: only while nobody waits to hear that one is safe."""

_RESULT_COLUMNS = ("site", "kind", "subject", "at_s", "data", "rev", "seq")
_RESULT_SQL = guarded_upsert(schema.results, _RESULT_COLUMNS, ("data",))
_SCAN_SQL = "INSERT INTO scans (id, layout_id, at_ms, vals, quality) VALUES (?, ?, ?, ?, ?)"
_SCAN_STEPS = {rows: _SCAN_SQL + ", (?, ?, ?, ?, ?)" * (rows - 1) for rows in (64, 8, 1)}
"""One statement for many rows: after each, other threads may take their turn, and it is long until ours."""

_OFTEN = ("scans", "intervals", "done")
_rare_rows = attrgetter(*(one.name for one in fields(Commit) if one.name not in _OFTEN))


class Writer:
    """Writes commits in the order in which they came.

    A commit that fails (a full disk) is kept and tried again for ever: nothing is given up here.
    ``submit`` may be called from any thread.

    Attributes
    ----------
    tries : how often it has tried to write, whatever came of it.
    last_error : what the disk said at the last try; None where that succeeded.
    damage : what the database said when it found its own file damaged.
    """

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site
        self._waiting: list[Commit] = []
        self._calls: list[Callable[[Engine], object]] = []
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._idle = False
        self._awaited = False
        self._closing = False
        self._let_go: list[Went] = []  # raw readings for which there was no room, to be booked
        self._hurried = False
        self._last_try_s = 0.0
        self.tries = 0
        self.last_error: str | None = None
        self.damage: str | None = None
        event.listen(engine, "handle_error", self._hear)
        with engine.connect() as connection:
            self._seq = newest_seq(connection)
            self._locked = locked_spans(connection, site)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, commit: Commit) -> None:
        """Hand over; returns at once. ``commit.done`` are called when it is safe."""
        with self._lock:
            self._waiting.append(commit)
            if commit.done:
                self._awaited = True
            if self._idle and (self._awaited or len(self._waiting) == 1):
                self._wake.notify()

    def call(self, work: Callable[[Engine], object]) -> None:
        """Have ``work`` done in the writer's thread, between two transactions; returns at once."""
        with self._wake:
            self._calls.append(work)
            self._wake.notify()

    def try_now(self) -> None:
        """Try what waits at once, though the writer rests after a failure: somebody has made room."""
        with self._wake:
            self._hurried = True
            self._wake.notify()

    def ended(self) -> bool:
        """Whether it was closed, so that nothing more gets to disk."""
        return self._closing and not self._thread.is_alive()

    def waiting(self) -> int:
        """How many commits are not on disk yet."""
        return len(self._waiting)

    def acknowledged(self) -> dict[tuple[str, str], int]:
        """Cursors that wait for the disk: their sinks have what lies behind them."""
        return cursors_of(self._all_waiting())

    def waiting_bytes(self) -> int:
        """About how much room on the disk what waits will take."""
        return room_for(self._all_waiting())

    def unwritten_intervals(self) -> list[IntervalRow]:
        """Closed intervals that may not be on disk yet, in the order in which they will be."""
        return [row for commit in self._all_waiting() for row in commit.intervals]

    def _all_waiting(self) -> list[Commit]:
        """What waits now, to be walked without the lock: it may be much, and readings come meanwhile."""
        with self._lock:
            return list(self._waiting)

    def close(self, timeout_s: float = 8.0) -> bool:
        """Write what is waiting and end. Returns whether all of it got to disk."""
        with self._wake:
            self._last_try_s = monotonic() + LAST_TRIES_S
            self._closing = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._waiting

    def _run(self) -> None:
        delay_s = RETRY_FIRST_S
        while True:
            with self._wake:
                self._idle = True
                while not (self._waiting or self._calls or self._closing):
                    self._wake.wait()
                self._wake.wait_for(lambda: self._awaited or self._calls or self._closing, GATHER_S)
                self._idle = self._awaited = self._hurried = False
                group, calls = list(self._waiting), list(self._calls)
                self._calls.clear()
                closing = self._closing
            self._do(calls)
            if self.last_error is not None:
                group = self._bounded(group)
            if not group:
                if closing:
                    return
                continue
            try:
                self._write(group)
            except Exception as error:  # noqa: BLE001  whatever the disk says, the rows are kept
                self._complain(error)
                self.tries += 1
                if closing and monotonic() >= self._last_try_s:
                    return
                self._rest(delay_s)
                delay_s = min(RETRY_CAP_S, delay_s * 2)
                continue
            delay_s = RETRY_FIRST_S
            self.last_error = None
            self._let_go.clear()
            with self._wake:
                del self._waiting[: len(group)]
            self.tries += 1
            _tell_that_safe(group)

    def _bounded(self, group: list[Commit]) -> list[Commit]:
        """What is left of all that waits where too many readings do."""
        kept = list(group)
        gone = let_go(kept)
        if gone:
            log.error(Spoken("care.log_let_go", count=len(gone)))
        self._let_go = with_rows(self._let_go, gone)
        with self._lock:
            self._waiting[: len(group)] = kept
        return kept

    def _rest(self, delay_s: float) -> None:
        """Wait before the next try, only shortly at the end. Calls are done meanwhile: one may make room."""
        until_s, closing = monotonic() + delay_s, self._closing
        if closing:
            until_s = min(until_s, monotonic() + RETRY_FIRST_S)
        while self._closing == closing and not self._hurried and (left_s := until_s - monotonic()) > 0:
            with self._wake:
                self._wake.wait_for(lambda: self._closing != closing or self._hurried or self._calls, left_s)
                calls = list(self._calls)
                self._calls.clear()
            self._do(calls)

    def _do(self, calls: Sequence[Callable[[Engine], object]]) -> None:
        for work in (*calls, self._follow_order) if calls else ():
            try:
                work(self._engine)
            except Exception:
                # Whoever asked looks for the answer; what is read from the meters must go on.
                log.exception("a request to the store's writer failed")

    def _follow_order(self, engine: Engine) -> None:
        """An import takes numbers in the order of change as well; a request may lock a base year."""
        with engine.connect() as connection:
            self._seq = max(self._seq, newest_seq(connection))
            self._locked = locked_spans(connection, self._site)

    def _complain(self, error: Exception) -> None:
        text = str(error.__cause__ or error)
        if text != self.last_error:
            log.error(Spoken("log.store_unwritable", count=len(self._waiting), reason=text))
        self.last_error = text
        self._look_for_damage(text)

    def _hear(self, context: ExceptionContext) -> None:
        """Every error of the database, whoever asked: a damaged file is noticed by its first."""
        self._look_for_damage(str(context.original_exception))

    def _look_for_damage(self, text: str) -> None:
        if self.damage is None and speaks_of_damage(text):
            self.damage = text

    def _write(self, group: Sequence[Commit]) -> None:
        seq = self._seq
        with self._engine.begin() as connection:
            _write_scans(connection, [row for commit in group for row in commit.scans])
            book_unwritten(connection, self._site, self._let_go)
            intervals = [row for commit in group for row in commit.intervals]
            intervals = kept_apart(connection, self._site, intervals, self._locked)
            seq = write_intervals(connection, self._site, intervals, seq)
            for commit in group:
                if not any(_rare_rows(commit)):
                    continue  # nearly all of them
                seq = write_results(connection, self._site, commit.results, seq)
                self._write_rest(connection, commit)
        self._seq = seq

    def _write_rest(self, connection: Connection, commit: Commit) -> None:
        site = self._site
        for row in commit.conditions:
            error = None if row.error is None else json.dumps(row.error, ensure_ascii=False)
            _put(
                connection,
                schema.device_conditions,
                {"site": site, "device": row.device},
                {"condition": row.condition, "since_ms": row.since_ms, "error": error},
            )
        write_meter_life(connection, site, commit)
        write_deliveries(connection, site, commit)
        if commit.snapshot is not None:
            _write_snapshot(connection, site, commit.snapshot)


def _tell_that_safe(group: Sequence[Commit]) -> None:
    for commit in group:
        for callback in commit.done:
            try:
                callback()
            except Exception:
                log.exception("who waited for a commit could not be told")  # the next ones are written


def _write_scans(connection: Connection, rows: Sequence[ScanRow]) -> None:
    cursor, done = connection.connection.cursor(), 0
    for step, sql in _SCAN_STEPS.items():
        upto = done + (len(rows) - done) // step * step
        several = [tuple(chain.from_iterable(rows[at : at + step])) for at in range(done, upto, step)]
        if several:
            cursor.executemany(sql, several)
        done = upto
    cursor.close()


def write_results(connection: Connection, site: str, rows: Sequence[ResultRow], seq: int) -> int:
    """Upsert results; returns the last ``seq`` used. Unchanged rows keep theirs."""
    values = []
    for row in rows:
        seq += 1
        data = json.dumps(row.data, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        values.append((site, row.kind, row.subject, row.at_s, data, 0, seq))
    if values:
        connection.exec_driver_sql(_RESULT_SQL, values)
    return seq


def _put(connection: Connection, table: Table, key: dict[str, Any], rest: dict[str, Any]) -> None:
    statement = upsert(table).values(**key, **rest)
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=rest)
    )


def _write_snapshot(connection: Connection, site: str, snapshot: Snapshot) -> None:
    states = {**snapshot.meters, "": b""}  # the empty name holds the pipeline's own position
    _put_all(
        connection,
        schema.snapshots,
        [
            {"site": site, "meter": meter, "scan_id": snapshot.scan_id, "state": state}
            for meter, state in states.items()
        ],
    )
    packed = {layout_id: (scan.at_ms, *pack_scan(scan)) for layout_id, scan in snapshot.latest.items()}
    _put_all(
        connection,
        schema.latest,
        [
            {"layout_id": layout_id, "at_ms": at_ms, "vals": values, "quality": quality}
            for layout_id, (at_ms, values, quality) in packed.items()
        ],
    )


def _put_all(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Put rows in the place of those with the same key."""
    if rows:
        statement = upsert(table)
        key = list(table.primary_key.columns)
        rest = {name: statement.excluded[name] for name in rows[0] if table.c[name] not in key}
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=rest), rows)


def register_layouts(engine: Engine, site: str, layouts: Sequence[Layout]) -> dict[str, int]:
    """Ids of the layouts as they are now, by ``Layout.key``; a changed layout gets a new id."""
    ids: dict[str, int] = {}
    with engine.begin() as connection:
        for layout in layouts:
            key = {
                "site": site,
                "device": layout.device,
                "part": layout.part,
                "spec": layout_to_json(layout),
            }
            connection.execute(upsert(schema.layouts).values(**key).on_conflict_do_nothing())
            found = select(schema.layouts.c.id).filter_by(**key)
            ids[layout.key] = connection.execute(found).scalar_one()
    return ids


def submit_and_wait(writer: Writer, commit: Commit, timeout_s: float = 30.0) -> bool:
    """Submit and block until it is on disk; for worker threads and commands, never on the event loop.

    Returns False when the time is over, or the writer has ended without it.
    """
    safe = threading.Event()
    commit.done.append(safe.set)
    writer.submit(commit)
    waited_s = 0.0
    while not safe.wait(0.5):
        waited_s += 0.5
        if waited_s >= timeout_s or writer.ended():
            return safe.is_set()
    return True
