"""What every sink promises, whatever it delivers to: accepted = delivered + pending + dead letters.

To run another sink through it, write a ``FarEnd`` for it in ``tests/far_ends.py``.
"""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monitor.sinks.contract import STREAMS, Sink, SinkState
from monitor.store.deliveries import BackfillRequest, LetterState, RetryRequest, ask_backfill, ask_retry
from tests.far_ends import FAR_ENDS, FarEnd, Row, drained, influx
from tests.sink_world import SITE, START_S, World, interval, open_world, running, settled, until


class Ledger:
    """Commits rows with one number each, and remembers what was accepted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._next = 0
        self.accepted: list[Row] = []

    def commit(self, stream: str, count: int = 1) -> list[str]:
        numbers = [float(self._next + n) for n in range(count)]
        self._next += count
        if stream == "scans":
            self._world.scans([[number, float("nan")] for number in numbers])
        elif stream == "intervals":
            self._world.intervals(*[interval(START_S + 900 * int(n), n) for n in numbers])
        else:
            for number in numbers:
                self._world.result({"demand_kw": number}, at_s=START_S + int(number))
        self.accepted += [(stream, repr(number)) for number in numbers]
        return [repr(number) for number in numbers]


@pytest.fixture(params=FAR_ENDS, ids=lambda made: made.__name__)
def far_end(request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    with request.param() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as made:
        yield made


@pytest.fixture
def ledger(world: World) -> Ledger:
    return Ledger(world)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_everything_committed_arrives_once(world, far_end, ledger):
    async def story() -> None:
        for stream in far_end.streams:
            ledger.commit(stream, 3)
        async with running(far_end.sink(world)) as sink:
            await settled(sink)
            for stream in far_end.streams:
                ledger.commit(stream, 2)
            health = await settled(sink)
        assert far_end.got() == dict.fromkeys(ledger.accepted, 1)
        assert health.state is SinkState.OK
        assert health.delivered == {s: 5 if s in far_end.streams else 0 for s in STREAMS}
        assert health.sink == far_end.id

    run(story)


def test_after_a_restart_it_goes_on_where_it_was(world, far_end, ledger):
    async def story() -> None:
        for _ in range(3):
            for stream in far_end.streams:
                ledger.commit(stream, 2)
            async with running(far_end.sink(world)) as sink:
                await settled(sink)
        assert far_end.got() == dict.fromkeys(ledger.accepted, 1)

    run(story)


def test_an_outage_is_waited_for_and_costs_nothing(world, far_end, ledger):
    async def story() -> None:
        far_end.go_away()
        ledger.commit(far_end.streams[-1], 5)
        async with running(far_end.sink(world)) as sink:
            await until("backing off", lambda: in_state(sink, SinkState.BACKING_OFF))
            ledger.commit("intervals", 5)
            pending = (await sink.health()).pending
            assert (pending[far_end.streams[-1]], pending["intervals"]) == (5, 5)
            far_end.come_back()
            health = await settled(sink)
        assert set(far_end.got()) == set(ledger.accepted)
        assert (health.state, health.dead_letters) == (SinkState.OK, 0)
        assert health.trouble is not None

    run(story)


def test_locked_out_it_holds_everything(world, far_end, ledger):
    async def story() -> None:
        far_end.lock_out(True)
        ledger.commit(far_end.streams[-1], 5)
        async with running(far_end.sink(world)) as sink:
            await until("holding", lambda: in_state(sink, SinkState.HOLDING))
            cursors = world.reader.cursors(far_end.id)
            assert not any(cursors.get(stream) for stream in STREAMS)
            far_end.lock_out(False)
            health = await settled(sink)
        assert set(far_end.got()) == set(ledger.accepted)
        assert health.dead_letters == 0

    run(story)


def test_one_bad_row_costs_no_other(world, far_end, ledger):
    async def story() -> None:
        numbers = ledger.commit(far_end.streams[-1], 20)
        far_end.never_take(numbers[7])
        async with running(far_end.sink(world)) as sink:
            health = await settled(sink)
        assert set(far_end.got()) == {row for row in ledger.accepted if row[1] != numbers[7]}
        assert health.dead_letters == 1
        assert health.state is SinkState.OK

    run(story)


def test_a_dead_letter_goes_once_somebody_wants_it_tried_again(world, far_end, ledger):
    async def story() -> None:
        numbers = ledger.commit(far_end.streams[-1], 6)
        far_end.never_take(numbers[2])
        far_end.never_take(numbers[4])
        async with running(far_end.sink(world)) as sink:
            await settled(sink)
            (first, second) = world.reader.deliveries.letters(far_end.id)
            assert (first.stream, first.state) == (far_end.streams[-1], LetterState.OPEN)
            asked = ask_retry(world.engine, SITE, RetryRequest(far_end.id, (first.id,), "who", 1))
            assert asked.ids == (first.id,)
            await until("refused again", lambda: in_letter_state(world, first.id, LetterState.OPEN))
            far_end.take_all()
            ask_retry(world.engine, SITE, RetryRequest(far_end.id, (), "who", 2))
            await until("delivered", lambda: in_letter_state(world, first.id, LetterState.DELIVERED))
            await until("delivered", lambda: in_letter_state(world, second.id, LetterState.DELIVERED))
            assert ask_retry(world.engine, SITE, RetryRequest(far_end.id, (), "who", 3)).count == 0
            assert (await sink.health()).dead_letters == 0
        assert set(far_end.got()) == set(ledger.accepted)
        assert [row["action"] for row in world.reader.deliveries.audit()] == ["deadletter.retry"] * 3

    run(story)


async def in_letter_state(world: World, number: int, state: LetterState) -> bool:
    letter = world.reader.deliveries.letter(number)
    return letter is not None and letter.state is state


def test_the_past_is_sent_once_more_when_somebody_wants_it(world, far_end, ledger):
    async def story() -> None:
        ledger.commit("intervals", 7)
        async with running(far_end.sink(world)) as sink:
            await settled(sink)
            far_end.lose()
            start_ms = 1000 * (START_S + 2 * 900)
            wish = BackfillRequest(far_end.id, ("intervals",), start_ms, start_ms + 3 * 900_000, "who", 1)
            begun = ask_backfill(world.engine, SITE, wish)
            assert begun.count == 3
            assert ask_backfill(world.engine, SITE, wish).count in (0, 3)  # gone on with, or done already
            await until("sent again", lambda: all_backfilled(world))
        assert {number for _, number in far_end.got()} == {"2.0", "3.0", "4.0"}

    run(story)


async def all_backfilled(world: World) -> bool:
    return all(one.is_done for one in world.reader.deliveries.backfills())


def test_the_check_tells_and_touches_nothing(world, far_end, ledger):
    async def story() -> None:
        ledger.commit(far_end.streams[-1], 5)
        assert (await far_end.sink(world).check()).ok
        far_end.lock_out(True)
        assert not (await far_end.sink(world).check()).ok
        far_end.go_away()
        assert not (await far_end.sink(world).check()).ok
        assert world.reader.cursors(far_end.id) == {}
        assert not far_end.got()

    run(story)


async def in_state(sink: Sink, state: SinkState) -> bool:
    return (await sink.health()).state is state


class SinkMachine(RuleBasedStateMachine):
    """Commits, faults and restarts in any order; the books must balance after each step."""

    make_far_end: Callable[[], Any] = staticmethod(influx)

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._world_made = open_world(Path(self._folder.name))
        self.world = self._world_made.__enter__()
        self._far_end_made = self.make_far_end()
        self.far_end: FarEnd = self._far_end_made.__enter__()
        self.ledger = Ledger(self.world)
        self.never: set[str] = set()
        self.reachable = True
        self.loop = asyncio.Runner()
        self.sink = self.far_end.sink(self.world)

    def teardown(self) -> None:
        self.loop.close()
        self._far_end_made.__exit__(None, None, None)
        self._world_made.__exit__(None, None, None)
        self._folder.cleanup()

    @rule(stream=st.sampled_from(STREAMS), count=st.integers(1, 12))
    def commit(self, stream: str, count: int) -> None:
        self.ledger.commit(stream, count)

    @rule(stream=st.sampled_from(STREAMS), count=st.integers(1, 4), which=st.integers(0, 3))
    def commit_with_a_bad_one(self, stream: str, count: int, which: int) -> None:
        number = repr(float(len(self.ledger.accepted) + which % count))
        self.never.add(number)
        self.far_end.never_take(number)
        assert number in self.ledger.commit(stream, count)

    @rule()
    def go_away(self) -> None:
        self.far_end.go_away()
        self.reachable = False

    @rule()
    def lock_out(self) -> None:
        self.far_end.lock_out(True)
        self.reachable = False

    @rule()
    def mend(self) -> None:
        self.far_end.come_back()
        self.far_end.lock_out(False)
        self.reachable = True

    @rule(moments=st.integers(0, 30))
    def work_for_a_while_and_die(self, moments: int) -> None:
        async def story() -> None:
            async with running(self.far_end.sink(self.world)):
                await asyncio.sleep(moments * 0.002)

        self.loop.run(story())

    @precondition(lambda self: self.reachable)
    @rule()
    def deliver_everything(self) -> None:
        async def story() -> None:
            async with running(self.far_end.sink(self.world)) as sink:
                health = await settled(sink)
            bad = {row for row in self.ledger.accepted if row[1] in self.never}
            assert set(self.far_end.got()) == set(self.ledger.accepted) - bad
            assert health.dead_letters == len(bad)

        self.loop.run(story())

    @invariant()
    def the_books_balance(self) -> None:
        health = self.loop.run(self.sink.health())
        got = set(self.far_end.got())
        accepted = set(self.ledger.accepted)
        assert got <= accepted
        assert not {row for row in got if row[1] in self.never}
        # What died between acknowledgement and cursor is at the far end and pending as well.
        missing = accepted - got
        assert sum(health.pending.values()) + health.dead_letters >= len(missing)
        for stream in STREAMS:
            known = [row for row in accepted if row[0] == stream]
            assert health.pending[stream] <= len(known)
            behind = len(known) - health.pending[stream]
            gone = {row for row in known if row not in got and row[1] in self.never}
            assert behind <= len([row for row in known if row in got]) + len(gone)


SinkMachine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestInfluxBooks = SinkMachine.TestCase


class DrainMachine(SinkMachine):
    """The same, where almost everything is a backlog with live rows beside it."""

    make_far_end = staticmethod(drained)


DrainMachine.TestCase.settings = SinkMachine.TestCase.settings
TestDrainBooks = DrainMachine.TestCase
