"""Whose turn it is: slots, the budget of silence, and how lateness is told. Time is an argument."""

import asyncio
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus import PHASE_STEP_MS, phase_ms
from drivers.modbus_schedule import Alarms, Lateness, Schedule, SilenceBudget
from drivers.registers import unwarned


def test_a_budget_lends_no_more_than_its_share():
    budget = SilenceBudget(share=0.25, most_s=2.0)
    assert budget.ready_s(1.0, now_s=100.0) == 100.0
    budget.spent(1.0, now_s=101.0)
    assert budget.ready_s(1.0, now_s=101.0) == 101.0
    budget.spent(1.0, now_s=102.0)
    # 2 s saved, 2 spent, 0.25 filled in the second second: 0.75 lacks, which takes 3 s.
    assert budget.ready_s(1.0, now_s=102.0) == pytest.approx(105.0)
    assert budget.ready_s(1.0, now_s=105.0) == pytest.approx(105.0)


def test_a_wait_longer_than_all_savings_is_not_put_off_for_ever():
    budget = SilenceBudget(share=0.5, most_s=1.0)
    budget.spent(1.0, now_s=0.0)
    assert budget.ready_s(30.0, now_s=0.0) == pytest.approx(2.0)


@given(
    share=st.floats(0.05, 1.0),
    waits=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.01, 2.0)), min_size=1, max_size=50),
)
def test_waits_that_keep_to_the_budget_take_their_share_and_what_was_saved(share, waits):
    budget, now_s, spent_s = SilenceBudget(share, most_s=4.0), 0.0, 0.0
    for pause_s, wait_s in waits:
        now_s = max(now_s + pause_s, budget.ready_s(wait_s, now_s + pause_s))
        now_s += wait_s
        spent_s += wait_s
        budget.spent(wait_s, now_s)
    assert spent_s <= 4.0 + share * now_s + 1e-6


class World:
    """A wall clock and a monotonic one."""

    def __init__(self, wall_ms=1_500_000_000_000):
        self.wall_ms, self.now_s = wall_ms, 5_000.0

    def passes(self, seconds):
        self.wall_ms += round(seconds * 1000)
        self.now_s += seconds

    def schedule(self, *devices):
        self.devices = [
            SimpleNamespace(period_ms=period, phase_ms=phase, suspect=False, timeout_s=1.0)
            for period, phase in devices
        ]
        budget = SilenceBudget(0.25, 2.0)
        return Schedule(self.devices, budget, lambda: self.wall_ms, lambda: self.now_s)


def due_s(schedule, index=0):
    return schedule._due_s[index]


def test_slots_keep_to_the_wall_clock_and_do_not_drift():
    world = World(wall_ms=1_500_000_000_123)
    schedule = world.schedule((1000, 40))
    assert due_s(schedule) == pytest.approx(world.now_s + 0.917)
    for _ in range(50):
        world.passes(due_s(schedule) - world.now_s + 0.007)  # always a little late
        assert schedule.to_next_slot(0) == 0
        assert (world.wall_ms + round((due_s(schedule) - world.now_s) * 1000)) % 1000 == 40


def test_a_timer_that_fires_early_does_not_poll_twice():
    world = World()
    schedule = world.schedule((1000, 500))
    world.passes(0.490)
    schedule.to_next_slot(0)
    assert due_s(schedule) - world.now_s == pytest.approx(1.010)


def test_slots_that_pass_unused_are_counted_but_not_those_of_a_rest():
    world = World()
    schedule = world.schedule((100, 0))
    world.passes(0.350)
    assert schedule.to_next_slot(0) == 2
    assert schedule.to_next_slot(0, after_s=1.0) == 0


@pytest.mark.parametrize("step_s", [-3600, 3600, -86400 * 365 * 40])
def test_a_clock_that_is_set_silences_nobody(step_s):
    world = World()
    schedule = world.schedule((5000, 0))
    world.passes(due_s(schedule) - world.now_s)
    world.wall_ms += step_s * 1000
    schedule.to_next_slot(0)
    assert 0 < due_s(schedule) - world.now_s <= 7.5


@pytest.mark.parametrize("poll_s", [0.3, 0.05], ids=["overloaded", "with time to spare"])
def test_who_was_silent_gets_a_turn_within_the_budget_however_busy_the_line_is(poll_s):
    """Where polls take longer than their period somebody is always due: nobody would come back."""
    world, turns, in_the_way = World(), [0] * 9, 0
    schedule = world.schedule(*[(1000, 100 * n if poll_s == 0.3 else 0) for n in range(9)])
    silent, budget = world.devices[8], schedule._budget
    silent.suspect = True
    schedule._well = [(due, index) for due, index in schedule._well if index != 8]
    schedule.to_next_slot(8)
    schedule._ring_after = lambda wait_s: asyncio.sleep(0, world.passes(wait_s))
    began_s = world.now_s

    async def scene():
        nonlocal in_the_way
        while world.now_s < began_s + 120.0:
            index, _ = await schedule.turn()
            turns[index] += 1
            in_the_way += index == 8 and schedule._well[0][0] <= world.now_s
            world.passes(silent.timeout_s if index == 8 else poll_s)
            if index == 8:
                budget.spent(silent.timeout_s, world.now_s)
            schedule.to_next_slot(index)

    asyncio.run(scene())
    # A second's wait may take a quarter of the time, and what was saved up at the start.
    assert 25 <= turns[8] <= (120.0 * 0.25 + 2.0) / silent.timeout_s + 1
    assert max(turns[:8]) - min(turns[:8]) <= 2
    assert (in_the_way > 0) == (poll_s == 0.3)  # with time to spare whoever is due goes first
    assert sum(turns[:8]) * poll_s >= (0.7 * 120 if poll_s == 0.3 else 0.9 * 120 * 8 * poll_s)


def test_lateness_is_told_in_percentiles():
    late = Lateness()
    assert math.isnan(late.percentile_ms(50))
    for number in range(98):
        late.record(number / 100_000)
    late.record(0.250)
    late.record(9.0)
    assert late.count == 100
    assert late.percentile_ms(50) == pytest.approx(0.5)
    assert late.percentile_ms(99) == pytest.approx(251.0)
    assert late.percentile_ms(100) == pytest.approx(1001.0)
    late.record(-0.001)  # a timer that fired early
    late.clear()
    assert late.count == 0


def test_phases_are_spread_stable_and_on_the_grid():
    phases = [phase_ms(f"meter-{n}", 1000) for n in range(1000)]
    assert phases == [phase_ms(f"meter-{n}", 1000) for n in range(1000)]
    assert {phase % PHASE_STEP_MS for phase in phases} == {0}
    assert max(phases.count(phase) for phase in set(phases)) < 45
    assert all(phase_ms(f"meter-{n}", 7) < 7 for n in range(100))


def test_who_waits_for_the_same_moment_is_woken_together_and_not_early():
    async def scene():
        alarms, began_s = Alarms(lambda: 5_000.0), time.monotonic()
        waits = [asyncio.ensure_future(alarms.ring_after(0.2 + n / 100_000)) for n in range(1, 21)]
        later = alarms.ring_after(0.3)
        assert len(alarms._waiting) == 2  # each has one timer of the loop
        waits[3].cancel()  # a line that was hung up meanwhile
        await asyncio.gather(*waits, return_exceptions=True)
        assert time.monotonic() - began_s > 0.199  # timers count whole milliseconds
        await later
        assert alarms._waiting == {}

    asyncio.run(scene())


def test_numbers_that_are_none_warn_nobody_in_a_task_that_polls():
    """Entered once for a whole task, over its waits, and for nobody else."""
    numbers = np.array([np.inf, -np.inf])

    async def polls():
        with unwarned():
            await asyncio.sleep(0)
            return math.isnan(np.add.reduce(numbers))

    async def another():
        with pytest.warns(RuntimeWarning, match="invalid value"):
            np.add.reduce(numbers)
        await asyncio.sleep(0)
        with pytest.warns(RuntimeWarning, match="invalid value"):
            np.add.reduce(numbers)

    async def scene():
        assert (await asyncio.gather(polls(), another()))[0]

    asyncio.run(scene())
