"""The books of a sink, to the row: accepted = delivered + pending + dead + given up, after every step.

A producer remembers what it was told is committed. Real store, real delivery; the far end is an HTTP server
that judges each line. Rows change, servers vanish, refuse, are busy or too small, processes die between an
acknowledgement and its cursor, people have letters tried again, the oldest readings are given up at the
cap or on a full disk: every row stands in exactly one place.
"""

import asyncio
import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.sinks.contract import STREAMS
from monitor.store.courses import Course
from monitor.store.deliveries import UNSETTLED, RetryRequest, ask_retry
from monitor.store.given_up import STORE, Cause, GivenUp, Order
from monitor.store.retention import give_up_oldest_scans
from monitor.store.rows import Commit, Snapshot
from tests.far_ends import InfluxFarEnd, Row
from tests.sink_world import SITE, START_S, World, interval, open_world, picky_server, running, settled

FILE = {"scans": "SELECT id, vals FROM scans", "intervals": "SELECT seq, quantity FROM intervals",
        "results": "SELECT seq, data FROM results"}  # fmt: skip
GONE = "scans.given_up"
SMALL_BYTES = 300  # two lines or three


class Books(RuleBasedStateMachine):
    """One sink, and what a producer and a server know of it."""

    split_rows, max_lines = 20_000, 5_000

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._opened = open_world(Path(self._folder.name))
        self.world: World = self._opened.__enter__()
        self._serving = picky_server()
        self.server = self._serving.__enter__()
        self.far_end = InfluxFarEnd(self.server)
        self.loop = asyncio.Runner()
        self.accepted: dict[str, dict[Any, float]] = {stream: {} for stream in STREAMS}
        self.scan_ids: dict[int, str] = {}
        self.ever: set[Row] = set()
        self.bad: set[str] = set()
        self.next = 0.0
        self.reachable = True
        self.sink = self._sink()

    def teardown(self) -> None:
        try:
            # However it went: once the server is well, nothing waits, and the books are the same.
            self.it_is_well_again()
            self.it_works_until_nothing_waits()
            self.every_row_stands_in_exactly_one_place()
            assert not any(self.loop.run(self.sink.health()).pending.values())
        finally:
            self._close()

    def _close(self) -> None:
        self.loop.close()
        self._serving.__exit__(None, None, None)
        self._opened.__exit__(None, None, None)
        self._folder.cleanup()

    def _sink(self) -> Any:
        return self.world.influx(self.server.url, split_rows=self.split_rows, max_lines=self.max_lines)

    # -- what happens -------------------------------------------------------------------------------

    def _number(self, bad: bool) -> float:
        self.next += 1.0
        if bad:
            self.bad.add(repr(self.next))
            self.far_end.never_take(repr(self.next))
        return self.next

    def _accept(self, stream: str, key: Any, number: float) -> None:
        self.accepted[stream][key] = number
        self.ever.add((stream, repr(number)))

    @initialize()
    def begin(self) -> None:
        self.commit("scans", [False])

    @rule(stream=st.sampled_from(STREAMS), bads=st.lists(st.booleans(), min_size=1, max_size=8))
    def commit(self, stream: str, bads: list[bool]) -> None:
        for bad in bads:
            number = self._number(bad)
            if stream == "scans":
                self.world.scans([[number, 0.0]])
                self.scan_ids[len(self.scan_ids) + 1] = repr(number)
            elif stream == "intervals":
                self.world.intervals(interval(START_S + 900 * int(number), number))
            else:
                self.world.result({"demand_kw": number}, at_s=START_S + int(number))
            self._accept(stream, int(number), number)

    @precondition(lambda self: self.accepted["intervals"])
    @rule(which=st.integers(0, 1000), bad=st.booleans())
    def an_interval_changes(self, which: int, bad: bool) -> None:
        keys = sorted(self.accepted["intervals"])
        key, number = keys[which % len(keys)], self._number(bad)
        self.world.intervals(interval(START_S + 900 * key, number))
        self._accept("intervals", key, number)

    @rule(status=st.sampled_from([401, 403, 404, 429, 500, 503]))
    def it_answers(self, status: int) -> None:
        self.server.status = status
        self.reachable = False

    @rule()
    def it_vanishes(self) -> None:
        self.far_end.go_away()
        self.reachable = False

    @rule()
    def it_takes_small_requests_only(self) -> None:
        self.server.max_bytes = SMALL_BYTES

    @rule()
    def it_is_well_again(self) -> None:
        self.far_end.come_back()
        self.server.status, self.reachable = 204, True

    @rule()
    def it_takes_everything_from_now_on(self) -> None:
        self.far_end.take_all()
        self.server.max_bytes = 1 << 24

    @rule()
    def somebody_wants_the_letters_tried_again(self) -> None:
        ask_retry(self.world.engine, SITE, RetryRequest("city", (), "who", 1))

    @rule(count=st.integers(1, 12), cause=st.sampled_from(Cause))
    def the_oldest_readings_are_given_up(self, count: int, cause: Cause) -> None:
        # What a restart would take again stays: there is a state after all of them.
        self.world.commit(Commit(snapshot=Snapshot(len(self.scan_ids), {}, {})))
        order = Order(SITE, ("city",), cause, int(self.next))
        left = len(self.scan_ids) - sum(row.count for row in self._book(STORE))
        went = give_up_oldest_scans(self.world.reader, self.world.writer, order, at_most=count)
        assert went.count == min(count, left)

    @rule(moments=st.integers(0, 20))
    def it_works_for_a_while_and_dies(self, moments: int) -> None:
        async def story() -> None:
            async with running(self._sink()):
                await asyncio.sleep(moments * 0.002)

        self.loop.run(story())

    @precondition(lambda self: self.reachable)
    @rule()
    def it_works_until_nothing_waits(self) -> None:
        async def story() -> None:
            async with running(self._sink()) as sink:
                await settled(sink)

        self.loop.run(story())

    # -- what must hold -----------------------------------------------------------------------------

    def _stored(self, stream: str) -> dict[int, str]:
        """Position -> the row's number, of all rows as they are now."""
        with self.world.engine.connect() as connection:
            rows = connection.exec_driver_sql(FILE[stream]).all()
        if stream == "scans":
            return {at: repr(struct.unpack_from("<d", values)[0]) for at, values in rows}
        if stream == "results":
            return {at: repr(float(json.loads(data)["demand_kw"])) for at, data in rows}
        return {at: repr(float(quantity)) for at, quantity in rows}

    def _book(self, sink: str) -> list[GivenUp]:
        return [row for row in self.world.reader.given_up() if row.sink == sink]

    def _given_up(self) -> tuple[set[int], set[int]]:
        """Ids of the readings that went, and of those that the sink never got, as the books have them."""
        books = []
        for sink in (STORE, "city"):
            ids = [id_ for row in self._book(sink) for id_ in range(row.first_id, row.last_id + 1)]
            assert len(ids) == len(set(ids)) == sum(row.count for row in self._book(sink))
            books.append(set(ids))
        told = [row["detail"] for row in self.world.reader.deliveries.audit(10_000) if row["action"] == GONE]
        assert sum(one["count"] for one in told) == len(books[0])
        assert sum(one["undelivered"].get("city", 0) for one in told) == len(books[1])
        return books[0], books[1]

    @invariant()
    def every_row_stands_in_exactly_one_place(self) -> None:
        # What a process that died had handed over may still be on its way to disk; this goes behind it.
        self.loop.run(self.sink._commit(Commit()))
        health = self.loop.run(self.sink.health())
        cursors = self.world.reader.cursors("city")
        letters = self.world.reader.deliveries.letters("city", UNSETTLED)
        got = set(self.far_end.got())
        assert got <= self.ever
        for stream in STREAMS:
            rows = self._stored(stream)
            # Nothing that was accepted is missing, and nothing else is there.
            went, missed = self._given_up() if stream == "scans" else (set(), set())
            assert not went & set(rows)
            assert missed <= went
            there = [*rows.values(), *(self.scan_ids[at] for at in went)]
            assert sorted(there) == sorted(map(repr, self.accepted[stream].values()))
            course = Course.of(stream, cursors)
            pending = {at for at in rows if not _is_settled(course, at)}
            rows |= {at: self.scan_ids[at] for at in went}
            dead = {one.position for one in letters if one.stream == stream and one.position in rows}
            delivered = set(rows) - pending - dead - missed
            assert not pending & dead
            assert not missed & dead
            assert len(rows) == len(delivered) + len(pending) + len(dead) + len(missed)
            assert health.pending[stream] == len(pending)
            assert {rows[at] for at in delivered} <= {number for of, number in got if of == stream}
            assert {rows[at] for at in dead} <= self.bad
        assert health.dead_letters == len(letters)


def _is_settled(course: Course, position: int) -> bool:
    between = course.has_backlog and course.live_from < position <= course.live
    return position <= course.behind or between


Books.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestBooks: Callable[[], Any] = Books.TestCase


class DrainBooks(Books):
    """The same, where almost everything is a backlog with live rows beside it."""

    split_rows, max_lines = 3, 2

    @rule()
    def a_backlog_stands_behind_live_rows(self) -> None:
        self.it_vanishes()
        self.commit("scans", [False] * 5)
        self.loop.run(self._begin_a_backlog())
        self.commit("scans", [False] * 2)

    async def _begin_a_backlog(self) -> None:
        """Until the second cursor stands at the newest reading; in vain while intervals wait first."""
        async with running(self._sink()):
            for _ in range(100):
                await asyncio.sleep(0.005)
                if self.world.reader.cursors("city").get("scans/live_from") == len(self.scan_ids):
                    return


DrainBooks.TestCase.settings = Books.TestCase.settings
TestDrainBooks: Callable[[], Any] = DrainBooks.TestCase
