"""Letting old rows go: in steps so small that live commits are not held up, and never what somebody needs."""

import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from sqlalchemy import Engine, Table, and_, delete, func, or_, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from monitor.store import schema
from monitor.store.given_up import Book, Order, Went
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, pack_scan
from monitor.store.waiting import room_for
from monitor.store.writer import Writer

STEP_S = 0.01
"""What a step may take of the writer's time; the slowest one has to stay far below 100 ms."""

FIRST_STEP, LEAST_A_STEP, MOST_A_STEP = 250, 50, 5_000
"""Rows a step, at first, at least and at most: a disk whose every commit is slow comes to an end as well."""

DONE_WITHIN_S = 60.0

HEALTH, HEALTH_KEPT_MS = "daemon", 30 * 86_400_000
"""The results of this kind are kept so long: a row a minute, and nobody bills by them."""

LOOKED_AT = 50
"""So many of the oldest scans tell how large one is."""

DAY_MS = 86_400_000
EACH_HOUR_MS, EACH_QUARTER_DAY_MS, EACH_DAY_MS = 26 * 3_600_000, 8 * DAY_MS, 62 * DAY_MS
"""How long a meter's states are kept of each hour, of each sixth hour and of each day."""


class Steps:
    """Deletes in the writer's thread, one small transaction after the other, between live commits.

    How many rows make a step follows from how long the last one took on this disk. ``failure`` is what the
    database said of a step that it did not take.
    """

    def __init__(self, writer: Writer, timer: Callable[[], float] = monotonic) -> None:
        self._writer = writer
        self._timer = timer
        self.rows = FIRST_STEP
        self.slowest_s = 0.0
        self.failure: str | None = None

    def do(self, work: Callable[[Engine, int], int]) -> int | None:
        """One step: ``work`` deletes so many rows at most, and tells how many it did.

        Returns
        -------
        That number; None when the writer has ended, or the disk did not take it.
        """
        done, told = threading.Event(), [-1]

        def step(engine: Engine) -> None:
            began_s = self._timer()
            try:
                told[0] = work(engine, self.rows)
            except SQLAlchemyError as error:
                self.failure = str(error.__cause__ or error)
            finally:
                self._learn(self._timer() - began_s)
                done.set()

        self._writer.call(step)
        waited_s = 0.0
        while not done.wait(0.5):
            waited_s += 0.5
            if waited_s >= DONE_WITHIN_S or self._writer.ended():
                return None
        return None if told[0] < 0 else told[0]

    def _learn(self, took_s: float) -> None:
        self.slowest_s = max(self.slowest_s, took_s)
        if took_s > STEP_S:
            self.rows = max(LEAST_A_STEP, self.rows // 2)
        elif took_s < STEP_S / 4:
            self.rows = min(MOST_A_STEP, self.rows * 2)


def delete_old_scans(
    reader: StoreReader, writer: Writer, before_ms: int, sinks: Iterable[str], steps: Steps | None = None
) -> int:
    """Delete scans from before an instant; blocks, so it runs in a thread of its own.

    What a sink has not delivered yet, or a restart would take again, stays whatever its age. Intervals
    and everything made from them are kept for good.

    Returns
    -------
    How many ids were let go.
    """
    span = reader.scan_ids_before(before_ms)
    if span is None:
        return 0
    oldest, last = span
    needed = [reader.snapshot_position(), *(reader.cursors(sink).get("scans", 0) for sink in sinks)]
    last = min(last, *needed)
    return _forget_scans(steps or Steps(writer), oldest, last, lambda: True)


def give_up_oldest_scans(
    reader: StoreReader,
    writer: Writer,
    order: Order,
    go_on: Callable[[], bool] = lambda: True,
    steps: Steps | None = None,
    *,
    at_most: int = 2**62,
) -> Went:
    """Delete the oldest scans, delivered or not, as long as there is need, and no more than so many.

    What a restart would take again stays, and so does everything else: ledgers and intervals are never
    given up. Returns what went, as the books have it.
    """
    book = Book(order, writer.acknowledged)
    span = reader.scan_ids_before(2**62)
    if span is not None:
        last = min(span[1], span[0] + at_most - 1, reader.snapshot_position())
        _forget_scans(steps or Steps(writer), span[0], last, go_on, book)
    return book.went


def oldest_within(reader: StoreReader, room: float) -> int:
    """About how many of the oldest scans take so many bytes."""
    oldest = reader.follow(0, LOOKED_AT)
    size = room_for(Commit(scans=[(id_, layout, 0, *pack_scan(scan))]) for id_, layout, scan in oldest)
    return 1 + int(room * len(oldest) / size) if size else 0


def _forget_scans(
    steps: Steps, oldest: int, last: int, go_on: Callable[[], bool], book: Book | None = None
) -> int:
    ids = schema.scans.c.id
    upto = oldest - 1
    while upto < last and go_on():

        def forget(engine: Engine, rows: int, after: int = upto) -> int:
            until = min(after + rows, last)
            with engine.begin() as connection:
                went = None if book is None else book.enter(connection, until)
                connection.execute(delete(schema.scans).where(ids <= until))
            if book is not None and went is not None:
                book.keep(went)
            return until

        until = steps.do(forget)
        if until is None:
            break
        upto = until
    return max(0, upto - oldest + 1)


def thin_out(writer: Writer, site: str, now_ms: int) -> int:
    """Let go of past states and late readings in steps; blocks. Returns how many rows went."""
    steps, gone = Steps(writer), 0
    while count := steps.do(lambda engine, rows: thin_out_states(engine, site, now_ms, rows)):
        gone += count
    return gone


def thin_out_states(engine: Engine, site: str, now_ms: int, at_most: int = 2**31) -> int:
    """Let go of meters' past states that are closer together than anybody needs, or older than their scans.

    For the writer's thread. Late readings go with the states from which they were taken again. Returns how
    many rows went; 0 when none is left to go.
    """
    states, late = schema.checkpoints, schema.late_readings
    of_site = states.c.site == site
    with engine.begin() as connection:
        oldest_scan = connection.scalar(select(func.min(schema.scans.c.id))) or 0
        too_many = or_(
            and_(states.c.at_ms < now_ms - EACH_HOUR_MS, states.c.slot_s % 21_600 >= 3600),
            and_(states.c.at_ms < now_ms - EACH_QUARTER_DAY_MS, states.c.slot_s % 86_400 >= 3600),
            states.c.at_ms < now_ms - EACH_DAY_MS,
        )
        # The state of before the first reading is of use for as long as all of its scans are there.
        unneeded = or_(and_(too_many, states.c.at_ms >= 0), states.c.scan_id < oldest_scan - 1)
        gone = connection.execute(_some_of(states, at_most, of_site, unneeded)).rowcount
        if gone >= at_most:
            return int(gone)
        oldest_ms = connection.scalar(select(func.min(states.c.at_ms)).where(of_site))
        if oldest_ms is not None:
            old = (late.c.site == site, late.c.at_ms < oldest_ms)
            gone += connection.execute(_some_of(late, at_most - gone, *old)).rowcount
    return int(gone)


def forget_health(reader: StoreReader, writer: Writer, site: str, now_ms: int, sinks: Iterable[str]) -> int:
    """Let go of what the daemon told of itself a month ago, once every sink has it; blocks.

    It is no billing data, and a row a minute for good would outgrow what is. Returns how many rows went.
    """
    table = schema.results
    positions = [reader.cursors(sink).get("results", 0) for sink in sinks]
    old = [table.c.site == site, table.c.kind == HEALTH, table.c.at_s < (now_ms - HEALTH_KEPT_MS) // 1000]
    old.append(table.c.seq < reader.newest_position("results"))  # no number is given twice
    if positions:
        old.append(table.c.seq <= min(positions))

    def forget(engine: Engine, rows: int) -> int:
        with engine.begin() as connection:
            return int(connection.execute(_some_of(table, rows, *old)).rowcount)

    steps, gone = Steps(writer), 0
    while count := steps.do(forget):
        gone += count
    return gone


def _some_of(table: Table, at_most: int, *which: Any) -> Any:
    key = list(table.primary_key.columns)
    return delete(table).where(tuple_(*key).in_(select(*key).where(*which).limit(at_most)))
