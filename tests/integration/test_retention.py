"""Old readings go, each night or as soon as it can be, in steps that hold no live commit up for long."""

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from monitor.clock import SteadyClock
from monitor.store.retention import LEAST_A_STEP, Steps
from monitor.store.rows import Commit
from monitor.store.writer import submit_and_wait
from monitor.storekeeping import last_night_ms
from tests.keeping_world import T0, Keeping
from tests.sink_world import until

TAIPEI = ZoneInfo("Asia/Taipei")
DAY_MS, START = 86_400_000, 100_000_000


@pytest.fixture
def hall(tmp_path):
    """1,000 readings that its sink has."""
    one = Keeping(tmp_path, 10**9)
    one.feed(START, START + 30_000)
    assert submit_and_wait(one.house.writer, Commit(cursors={("city", "scans"): 1000}))
    yield one
    one.house.leave()


def done_ms(one):
    rows = one.house.reader.conditions()
    return next((row.since_ms for row in rows if row.device == "store/retention"), None)


def at(one, ms):
    """A daemon that is started then, with a clock that is right."""
    one.house.clock.ms = ms
    one.clock = SteadyClock(one.house.clock)


def test_the_last_night_is_that_of_the_site():
    for now, night in (
        ("2026-07-01T03:19:59+08:00", "2026-06-30T03:20:00+08:00"),
        ("2026-07-01T03:20:00+08:00", "2026-07-01T03:20:00+08:00"),
        ("2026-07-01T23:00:00+08:00", "2026-07-01T03:20:00+08:00"),
    ):
        found = last_night_ms(round(datetime.fromisoformat(now).timestamp() * 1000), TAIPEI)
        assert datetime.fromtimestamp(found / 1000, UTC) == datetime.fromisoformat(night)


def test_a_night_that_was_missed_is_made_up_for_at_the_next_start(hall):
    """Off, suspended or reloading at 03:20: whoever is there next does it, once, and not again that day."""
    days = hall.loaded.site.store.keep_scans_days
    asyncio.run(hall.keeper().forget())
    hall.house.settle()
    assert (hall.scans(), done_ms(hall)) == (1000, hall.house.clock.ms)  # none is old yet
    late_ms = (T0 + START + 15_000) * 1000 + days * DAY_MS
    at(hall, late_ms)
    keeper = hall.keeper()
    assert keeper.is_night_due()
    asyncio.run(keeper.forget())
    hall.house.settle()
    assert hall.scans() == 500
    assert done_ms(hall) == late_ms
    assert not keeper.is_night_due()
    assert not hall.keeper().is_night_due()  # nor after a restart
    hall.house.clock.ms = last_night_ms(late_ms, TAIPEI) + DAY_MS  # time passes
    assert keeper.is_night_due()
    hall.clock = SteadyClock(hall.house.clock, floor_ms=hall.house.clock.ms + 10**12)
    assert not hall.clock.is_settled
    assert not hall.keeper().is_night_due()  # a time that nobody believes throws nothing away


def test_a_daemon_that_starts_asks_at_once(hall):
    at(hall, (T0 + START + 15_000) * 1000 + hall.loaded.site.store.keep_scans_days * DAY_MS)

    async def story():
        task = asyncio.create_task(hall.keeper().forget_in_time())
        await until("the night is done", reached)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def reached():
        return done_ms(hall) is not None

    asyncio.run(story())
    assert hall.scans() == 500


def test_what_no_sink_had_yet_stays_whatever_its_age(hall):
    assert submit_and_wait(hall.house.writer, Commit(cursors={("city", "scans"): 100}))
    at(hall, (T0 + START + 60_000) * 1000 + hall.loaded.site.store.keep_scans_days * DAY_MS)
    asyncio.run(hall.keeper().forget())
    assert hall.scans() == 900


def test_a_night_on_a_disk_that_refuses_is_tried_again(hall):
    at(hall, (T0 + START + 15_000) * 1000 + hall.loaded.site.store.keep_scans_days * DAY_MS)
    hall.house.ask("CREATE TRIGGER t BEFORE DELETE ON scans BEGIN SELECT RAISE(ABORT, 'no'); END")
    asyncio.run(hall.keeper().forget())
    hall.house.settle()
    assert (hall.scans(), done_ms(hall)) == (1000, None)
    hall.house.ask("DROP TRIGGER t")
    assert hall.keeper().is_night_due()


class SlowDisk:
    """A disk on which a step takes so long, in a time of its own."""

    def __init__(self, a_step_s, a_row_s):
        self.a_step_s, self.a_row_s, self.now_s = a_step_s, a_row_s, 0.0
        self.took_s, self.rows = [], []

    def timer(self):
        return self.now_s

    def work(self, engine, rows):
        took_s = self.a_step_s + rows * self.a_row_s
        self.now_s += took_s
        self.took_s.append(took_s)
        self.rows.append(rows)
        return rows


@pytest.mark.parametrize(
    ("a_step_s", "a_row_s"), [(0.0001, 1e-6), (0.001, 1e-5), (0.005, 1e-4), (0.03, 1e-5), (0.0, 3e-4)]
)
def test_no_step_holds_the_writer_for_100_ms_on_any_disk(hall, a_step_s, a_row_s):
    """From a quick disk to one of 0.3 ms a row, or of 30 ms a commit: rows follow what the last step took."""
    disk = SlowDisk(a_step_s, a_row_s)
    steps = Steps(hall.house.writer, disk.timer)
    for _ in range(40):
        assert steps.do(disk.work) is not None
    assert max(disk.took_s) < 0.1
    assert min(disk.rows) >= LEAST_A_STEP  # it comes to an end
    assert steps.slowest_s == pytest.approx(max(disk.took_s))


def test_a_disk_that_slows_down_gets_smaller_steps(hall):
    disk = SlowDisk(0.0001, 4e-7)
    steps = Steps(hall.house.writer, disk.timer)
    for _ in range(10):
        steps.do(disk.work)
    assert disk.rows[-1] == 5_000
    disk.a_row_s *= 40
    for _ in range(10):
        steps.do(disk.work)
    assert max(disk.took_s) < 0.1
    assert disk.took_s[-1] < 0.02
