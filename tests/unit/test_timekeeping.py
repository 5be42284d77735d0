"""A clock that is set while meters are read: real store and pipeline, a clock that the test sets."""

import math
import threading

import numpy as np
import pytest

from monitor import timekeeping
from monitor.clock import SteadyClock, SystemClock
from monitor.store.rows import Commit
from rules.clockwork import CONFIRM_FAR_MS, CONFIRM_MS, Standing
from rules.metering import MeterTrack
from rules.quality import Quality
from rules.setback import gathers_longer
from tests.clock_house import HOUR_S, KW, METER, START_S, House, Machine


@pytest.fixture
def house(tmp_path):
    one = House(tmp_path / "energy.db", Machine())
    yield one
    one.leave()


def test_nobody_touches_the_clock(house):
    house.read_for(2 * HOUR_S)
    assert [row[0] for row in house.rows()] == list(range(0, 2 * HOUR_S, 900))
    assert all(row[1] == pytest.approx(900.0) for row in house.rows()[1:])
    assert house.condition().condition == "steady"


@pytest.mark.parametrize("back_s", [HOUR_S, 4000, 300, 30, 9 * HOUR_S])
def test_set_back_nothing_is_lost_and_nothing_is_negative(house, back_s):
    house.read_for(2 * HOUR_S + 450)
    first = house.reader.intervals("main", 0, 2**40).quantity[0]
    house.machine.set(-back_s)
    house.read_for(CONFIRM_MS // 1000)
    assert house.condition().condition == "doubtful"
    assert house.condition().error["code"] == "clock.jumped"
    house.read_for(10)
    assert house.condition().condition == "steady"
    began_s = (house.clock.now_ms() // 1000 - START_S) // 900 * 900
    house.read_for(back_s + 2 * HOUR_S)
    rows = house.rows()
    assert all(row[1] >= 0 for row in rows)
    starts = [row[0] for row in rows]
    assert starts == sorted(set(starts))
    # The interval in which it was set holds what was counted twice over: energy, suspect, and no peak.
    (doubled,) = [row for row in rows if row[3] and row[0] == began_s]
    assert doubled[2] == Quality.SUSPECT
    after = [row for row in rows if row[0] > began_s]
    assert [row[1] for row in after] == pytest.approx([900.0] * len(after))
    assert all(row[2] == Quality.GOOD and not row[3] for row in after)
    assert house.counted() == pytest.approx(house.machine.steady_s - 1000.0 - 900.0 + first)
    result = house.reader.newest_result("clock", "clock")
    assert result.data == {"step_s": pytest.approx(-back_s, abs=0.1)}
    rates = house.reader.intervals("main", 0, 2**40).rate_avg
    assert np.nanmax(rates) == pytest.approx(KW)


def test_set_back_to_after_the_last_reading_what_was_gathered_is_caught_up_and_no_spike(house):
    """Readings are seldom, and the clock is set between two: the step took longer than the times tell."""
    house.read_for(HOUR_S)
    house.machine.set(-100)
    house.read_for(CONFIRM_MS // 1000 - 10)
    house.machine.steady_s += 110
    house.keeper.look()  # ten seconds after the last reading, as times are now
    house.pipeline.accept(house.scan())
    house.settle()
    assert house.condition().condition == "steady"
    assert [one.code for one in house.reader.past.refusals("main", 0, 10)] == ["caught_up"]
    before, last = house.pipeline._tracks["main"].open_readings()[-2:]
    assert (last[0] - before[0], last[1] - before[1]) == (10_000, pytest.approx(110.0))


def test_a_meter_that_was_never_read_has_gathered_nothing():
    track = MeterTrack(METER.rules)
    gathers_longer(track, 1000)
    assert track.counter is None


def test_scans_of_the_doubtful_minute_are_suspect_and_keep_the_time_as_it_was(house):
    house.read_for(100)
    house.machine.set(-HOUR_S)
    house.read_for(50)
    times = [scan.at_ms // 1000 - START_S for scan in house.scans()]
    assert times == list(range(10, 160, 10))
    assert [int(scan.quality.max()) for scan in house.scans()] == [0] * 10 + [Quality.SUSPECT] * 5
    house.machine.set(HOUR_S)
    house.read_for(1000)
    assert house.scans()[-1].quality.max() == Quality.GOOD
    assert house.reader.newest_result("clock", "clock") is None


def test_a_scan_on_its_way_is_set_back_with_the_clock(house):
    house.read_for(HOUR_S)
    house.machine.set(-HOUR_S)
    house.read_for(CONFIRM_MS // 1000)
    house.machine.steady_s += 10
    late = house.scan()  # begun by the time as it was
    house.keeper.look()
    house.pipeline.accept(late)
    house.read_for(CONFIRM_MS // 1000 + 20)
    times = [scan.at_ms // 1000 - START_S for scan in house.scans()]
    assert times[-9:] == list(range(70, 160, 10))


@pytest.mark.scenario(4)
def test_set_forward_the_gap_is_energy_and_no_peak(house):
    house.read_for(1800)
    house.machine.set(2 * HOUR_S)
    house.read_for(HOUR_S)
    rows = house.rows()
    spread = [row for row in rows if row[3]]
    assert len(spread) >= 8
    assert all(row[2] >= Quality.ESTIMATED for row in spread)
    assert house.counted() == pytest.approx(house.machine.steady_s - 1000.0, abs=11)
    assert all(row[1] <= 901 for row in rows)


def test_a_boot_in_1970_keeps_readings_until_there_is_a_time(tmp_path):
    machine = Machine(wall_s=60)
    house = House(tmp_path / "energy.db", machine)
    for _ in range(90):
        machine.steady_s += 10
        house.keeper.look()
        house.pipeline.accept(house.scan(), lambda: house.acknowledged.append(1))
    house.settle()
    assert house.scans() == []
    assert house.acknowledged == []
    told = house.condition()
    assert (told.condition, told.error["code"]) == ("holding", "clock.impossible")
    machine.offset_s = START_S + 900 - machine.steady_s
    house.read_for(1000)
    times = [scan.at_ms // 1000 - START_S for scan in house.scans()]
    assert times[0] < 30  # each at its own instant, in hindsight
    assert np.diff(times[:85]).tolist() == [10] * 84
    assert len(house.acknowledged) == 90
    assert house.condition().condition == "steady"
    house.leave()


def test_what_is_kept_back_is_bounded_and_what_waits_for_an_answer_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(timekeeping, "HELD_AT_MOST", 10)
    machine = Machine(wall_s=60)
    house = House(tmp_path / "energy.db", machine)
    house.keeper.look()
    house.pipeline.accept(house.scan(), lambda: house.acknowledged.append(1))
    own_time = house.scan(at_ms=(START_S - 500) * 1000)
    house.pipeline.accept(own_time)
    for _ in range(30):
        machine.steady_s += 1
        house.pipeline.accept(house.scan())
    assert house.held.lost == 22
    machine.offset_s = START_S - machine.steady_s
    house.read_for(10)
    assert len(house.scans()) == 11
    assert house.acknowledged == [1]
    for _ in range(12):
        house.pipeline.accept(house.scan(), lambda: None)
    house.leave()


def test_what_is_kept_back_of_both_kinds_comes_in_the_order_of_arrival(tmp_path, monkeypatch):
    monkeypatch.setattr(timekeeping, "HELD_AT_MOST", 4)
    machine = Machine(wall_s=60)
    house = House(tmp_path / "energy.db", machine)
    for n in range(6):  # by turns: nobody waits, somebody does
        machine.steady_s += 1
        house.pipeline.accept(house.scan(), (lambda: None) if n % 2 else None)
    released = house.held.release()
    assert [scan.values[0] - 5000.0 for scan, _ in released] == [2, 4, 5, 6]
    assert [on_commit is None for _, on_commit in released] == [False, False, True, False]
    assert house.held.lost == 2
    assert house.held.release() == []
    house.leave()


def test_nothing_goes_where_everything_waits_for_an_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(timekeeping, "HELD_AT_MOST", 3)
    house = House(tmp_path / "energy.db", Machine(wall_s=60))
    for _ in range(5):
        house.pipeline.accept(house.scan(), lambda: house.acknowledged.append(1))
    assert house.held.lost == 0
    assert len(house.held.release()) == 5
    house.leave()


def test_a_start_behind_the_store_goes_on_after_ten_minutes_and_loses_nothing(tmp_path):
    first = House(tmp_path / "energy.db", Machine())
    first.read_for(2 * HOUR_S)
    first.pipeline._submit(Commit(snapshot=first.pipeline.snapshot()))
    first.leave()
    machine = first.machine
    machine.steady_s += 600  # down for ten minutes, and the clock was eight hours fast before
    machine.set(-8 * HOUR_S)
    second = House(tmp_path / "energy.db", machine)
    second.read_for(CONFIRM_FAR_MS // 1000 - 10)
    assert second.condition().error["code"] == "clock.behind"
    count = len(second.scans())
    second.read_for(20)
    assert second.condition().condition == "steady"
    assert len(second.scans()) > count + 50  # with what was kept back
    second.read_for(2 * HOUR_S)
    rows = second.rows()
    assert all(row[1] >= 0 for row in rows)
    assert second.counted() == pytest.approx(machine.steady_s - 1000.0, abs=11)
    assert np.nanmax(second.reader.intervals("main", 0, 2**40).rate_avg) == pytest.approx(KW)
    second.leave()


def test_a_start_just_behind_the_store_counts_what_the_register_gathered_unseen(tmp_path):
    """The machine was down for hours, and its clock stood still meanwhile: the first step is no spike."""
    first = House(tmp_path / "energy.db", Machine())
    first.read_for(HOUR_S)
    first.pipeline._submit(Commit(snapshot=first.pipeline.snapshot()))
    first.leave()
    machine = first.machine
    machine.steady_s += 3 * HOUR_S
    machine.set(-3 * HOUR_S - 300)
    second = House(tmp_path / "energy.db", machine)
    second.read_for(600)
    assert second.condition().condition == "steady"
    assert second.counted() == pytest.approx(machine.steady_s - 1000.0, abs=11)
    assert {one.code for one in second.reader.past.refusals("main", 0, 100)} <= {"late", "caught_up"}
    second.leave()


def test_set_back_while_the_disk_is_full_nothing_is_lost(house):
    """What was closed ahead of the new time is not on disk yet when it has to be taken back."""
    house.read_for(HOUR_S)
    limit_pages(house, spare=0)
    read_unwritten(house, 2 * HOUR_S)
    assert house.writer.unwritten_intervals()
    house.machine.set(-HOUR_S)
    read_unwritten(house, CONFIRM_MS // 1000 + 10)
    assert house.clock.standing is Standing.STEADY
    limit_pages(house, spare=1_000_000)
    house.read_for(2 * HOUR_S)
    assert house.counted() == pytest.approx(house.machine.steady_s - 1000.0, abs=11)
    assert all(row[1] >= 0 for row in house.rows())
    starts = [row[0] for row in house.rows()]
    assert starts == sorted(set(starts))


def limit_pages(house, spare):
    def limit(engine):
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + spare}")

    done = threading.Event()
    house.writer.call(limit)
    house.writer.call(lambda _: done.set())
    assert done.wait(30)


def read_unwritten(house, seconds, every_s=10):
    for _ in range(0, seconds, every_s):
        house.machine.steady_s += every_s
        house.keeper.look()
        house.pipeline.accept(house.scan())


def test_a_kill_after_the_clock_was_set_back_gives_the_same_rows(tmp_path):
    def run(path, killed_after):
        house = House(path, Machine())
        house.read_for(2 * HOUR_S)
        house.machine.set(-HOUR_S)
        house.read_for(100)
        for part in (killed_after, 2 * HOUR_S - killed_after):
            house.read_for(part)
            house.leave()
            house = House(path, house.machine)
        rows = house.rows()
        house.leave()
        return rows

    whole = run(tmp_path / "whole.db", 0)
    assert run(tmp_path / "soon.db", 10) == whole
    assert run(tmp_path / "later.db", 2000) == whole


def test_old_readings_are_thrown_away_only_by_a_settled_clock():
    machine = Machine()
    clock = SteadyClock(machine)
    assert clock.is_settled
    machine.set(5 * 365 * 24 * HOUR_S)
    clock.look()
    assert clock.standing is Standing.DOUBTFUL
    assert not clock.is_settled
    machine.steady_s += CONFIRM_FAR_MS / 1000 + 1
    assert clock.look() > 0
    assert clock.standing is Standing.STEADY
    assert not clock.is_settled
    machine.steady_s += 25 * HOUR_S
    assert clock.is_settled


def test_the_machines_own_clock():
    clock = SystemClock()
    before = clock.monotonic_s()
    assert clock.now_ms() > START_S - 10 * 365 * 86400
    assert clock.monotonic_s() >= before
    assert math.isfinite(before)
