"""What is shed is handed back: a device that comes late, a store that says nothing, the end of the daemon."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.exc import DBAPIError

from drivers.contract import DeviceCondition, DeviceNews, Refused, Where
from monitor.dispatch import journal
from monitor.dispatch.journal import Journal
from monitor.store.event_reader import EventReader
from monitor.store.writes import Outcome, WriteRow
from rules.curtailment import Life, Mode, Plan, Track
from rules.limiter import LimiterRules
from rules.shedding import Action
from tests.far_dispatch import BEGIN_MS, STOOD, World


def plan_of(*, resumes=False, writes=14):
    action = Action(
        "a0", "d0", "p", to=50.0, by=None, low=40.0, high=100.0, release=None, expected_kw=10.0,
        writes_per_day=writes,
    )  # fmt: skip
    return Plan("summer", Mode.LIVE, 7200.0, (action,), resumes=resumes, notify_s=0)


@pytest.fixture
def world(tmp_path):
    one = World(tmp_path, plan_of(), LimiterRules(dead_man_s=7200.0))
    one.orders = None
    yield one
    one.engine.dispose()


async def begun(world, length_s=3600):
    """The dispatcher without a limiter, and an event that has shed."""
    await world.begin()
    await world.event(length_s)
    await world.step()
    assert world.wire.shown["d0"] == 50.0


def abort(world):
    (row,) = EventReader(world.engine, "hall").events()
    world.dispatcher._runs[row.id].becomes(Life.ABORTED, world.machine.ms)


def test_a_device_that_obeys_late_is_handed_back_all_the_same(world):
    """It showed what stood before when the answer was due, and carried the command out after that."""

    async def lived():
        await world.begin()
        world.wire.wrong = {"d0": "disobeys"}
        await world.event(3600)
        await world.dispatcher._turn()
        await asyncio.gather(*world.dispatcher._tasks)
        world.wire.wrong = {}
        await world.step()
        assert ("d0", STOOD, True) in [one[1:] for one in world.wire.written]

    asyncio.run(lived())
    assert EventReader(world.engine, "hall").shed() == []


def test_a_release_is_tried_until_the_device_is_there_again_however_long_that_takes(world):
    refused = []

    async def refuse(device, point, value, *, own=False):
        refused.append(world.machine.ms)
        raise Refused(Where("far", device), "modbus.exception", exception=4)

    async def lived():
        await begun(world)
        real, world.wire.write = world.wire.write, refuse
        abort(world)
        for _ in range(6 * 60):
            await world.step()
        world.wire.write = real
        last_ms = world.machine.ms
        while EventReader(world.engine, "hall").shed():
            await world.step()
        return last_ms

    last_ms = asyncio.run(lived())
    assert 7 <= len(refused) < 14
    assert world.machine.ms - last_ms <= 4 * 3_600_000


def test_a_device_that_is_there_again_is_tried_at_once(world):
    async def lived():
        await begun(world)
        world.wire.wrong = {"d0": "offline"}
        world.dispatcher.heard(DeviceNews("d0", DeviceCondition.OFFLINE))
        abort(world)
        for _ in range(30):
            await world.step()
        (run,) = world.dispatcher._runs.values()
        run.rests("a0", world.machine.monotonic_s() + 3000)
        world.wire.wrong = {}
        world.dispatcher.heard(DeviceNews("d0", DeviceCondition.ONLINE))
        await world.step()

    asyncio.run(lived())
    assert world.wire.shown["d0"] == STOOD


def test_a_store_that_cannot_be_asked_keeps_nothing_shed(world):
    async def unanswered(*_):
        raise TimeoutError("no answer within 15 s")

    async def lived():
        await begun(world)
        abort(world)
        for name in ("used", "intend", "settle", "note"):
            setattr(world.dispatcher._journal, name, unanswered)
        await world.step()

    asyncio.run(lived())
    assert world.wire.shown["d0"] == STOOD


def test_a_disk_that_says_nothing_is_waited_for_a_while_only(monkeypatch):
    monkeypatch.setattr(journal, "ANSWER_S", 0.05)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        asyncio.run(Journal(lambda _work: None, "hall", lambda: 0.0).used("d", "p", 0))


def test_what_the_store_could_not_keep_is_kept_once_it_can(world):
    """Else the next start would write the release again, over whatever somebody has set since."""

    async def lived():
        await begun(world)
        abort(world)
        with world.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")  # it is read, and takes nothing
            await world.step()
            assert world.wire.shown["d0"] == STOOD
            assert [run for run in world.dispatcher._runs.values() if not run.is_over] == []
            assert EventReader(world.engine, "hall").shed() == ["event-1"]
            await world.step()
            connection.exec_driver_sql("PRAGMA query_only = OFF")
        await world.step()

    asyncio.run(lived())
    reader = EventReader(world.engine, "hall")
    assert reader.shed() == []
    releases = [one for one in reader.writes("event-1") if one["purpose"] == "release"]
    assert [one["outcome"] for one in releases] == ["obeyed"]
    assert [one[1:] for one in world.wire.written] == [("d0", 50.0, False), ("d0", STOOD, True)]


def test_a_late_payment_changes_nothing_of_what_was_shed_since(world):
    async def lived():
        await begun(world)
        keeper = world.dispatcher._journal
        (run,) = world.dispatcher._runs.values()
        shed, write = run.track("a0"), WriteRow("event-1", "a0", "d0", "p", "release", STOOD, STOOD, BEGIN_MS)
        with world.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
            with pytest.raises(DBAPIError):
                await keeper.settle("event-1", "a0", Track(back_ms=BEGIN_MS), Outcome("obeyed"), None, write)
            connection.exec_driver_sql("PRAGMA query_only = OFF")
        await keeper.intend("event-1", "a0", shed, replace(write, purpose="shed", at_ms=BEGIN_MS + 1))
        keeper.pay()
        assert not keeper.owes

    asyncio.run(lived())
    reader = EventReader(world.engine, "hall")
    assert reader.shed() == ["event-1"]
    assert [one["outcome"] for one in reader.writes("event-1")] == ["obeyed", "pending", "obeyed"]


def test_a_disk_that_stays_silent_is_waited_for_shortly_until_it_has_done_something(world, monkeypatch):
    monkeypatch.setattr(journal, "ANSWER_S", 0.05)
    monkeypatch.setattr(journal, "SILENT_S", 0.01)
    calls = []
    keeper = Journal(calls.append, "hall", lambda: 0.0)

    async def waited():
        for patience in ("0.05", "0.01", "0.05"):
            with pytest.raises(TimeoutError, match=f"within {patience} s"):
                await keeper.used("d", "p", 0)
            if len(calls) == 2:
                calls[0](world.engine)

    asyncio.run(waited())


def test_the_end_waits_for_no_rest(world):
    async def lived():
        await begun(world)
        (run,) = world.dispatcher._runs.values()
        run.rests("a0", world.machine.monotonic_s() + 1000)
        turning = asyncio.create_task(world.dispatcher.run())
        await world.dispatcher.hand_back(60)
        turning.cancel()

    asyncio.run(lived())
    assert world.wire.shown["d0"] == STOOD


def test_a_reload_leaves_what_resumes_as_it_is_whatever_is_asked_meanwhile(tmp_path):
    world = World(tmp_path, plan_of(resumes=True), LimiterRules(dead_man_s=7200.0))
    world.orders = None

    async def lived():
        await begun(world)
        turning = asyncio.create_task(world.dispatcher.run())
        await asyncio.sleep(0.1)
        await world.dispatcher.hand_back(60, goes_on=True)
        world.dispatcher.changed()
        await asyncio.sleep(0.3)
        turning.cancel()

    asyncio.run(lived())
    assert world.wire.shown["d0"] == 50.0
    world.engine.dispose()
