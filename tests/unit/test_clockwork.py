"""Which time is believed when a machine's clock is set, to the second and without any waiting."""

from datetime import UTC, datetime

import pytest

from rules.clockwork import (
    CONFIRM_FAR_MS,
    CONFIRM_MS,
    EARLIEST_MS,
    LATEST_MS,
    Standing,
    first_look,
    look,
)

NOW_MS = int(datetime(2026, 11, 24, 9, tzinfo=UTC).timestamp() * 1000)
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


class Machine:
    """A machine's two clocks, looked at once a second."""

    def __init__(self, wall_ms=NOW_MS, floor_ms=0):
        self.steady_ms = 5_000_000
        self.offset_ms = wall_ms - self.steady_ms
        self.state = first_look(wall_ms, self.steady_ms, floor_ms)
        self.steps = []

    @property
    def wall_ms(self):
        return self.steady_ms + self.offset_ms

    def wait(self, ms, every_ms=1000):
        """Pass the time; times never go back but by the steps that are told."""
        for _ in range(0, ms, every_ms):
            before = self.state.wall_ms(self.steady_ms)
            self.steady_ms += every_ms
            self.state, step_ms = look(self.state, self.wall_ms, self.steady_ms)
            if step_ms:
                self.steps.append(step_ms)
            elif self.state.offset_ms is not None:
                assert self.state.wall_ms(self.steady_ms) >= before

    def standing(self):
        return self.state.standing

    def believed(self):
        return self.state.wall_ms(self.steady_ms)


def test_a_clock_that_nobody_touches_is_followed():
    machine = Machine()
    machine.wait(10_000)
    assert machine.standing() is Standing.STEADY
    assert machine.believed() == machine.wall_ms
    assert machine.steps == []


@pytest.mark.parametrize("trim_ms", [-2000, -700, 300, 2000])
def test_a_trimmed_clock_is_followed_without_going_back(trim_ms):
    machine = Machine()
    machine.offset_ms += trim_ms
    machine.wait(1000)
    assert machine.standing() is Standing.STEADY
    machine.wait(40_000)
    assert machine.believed() == machine.wall_ms
    assert machine.steps == []


def test_a_slow_drift_is_no_step():
    machine = Machine()
    for _ in range(600):
        machine.offset_ms -= 30
        machine.wait(1000)
    assert machine.believed() == pytest.approx(machine.wall_ms, abs=100)
    assert machine.steps == []


@pytest.mark.parametrize("step_ms", [-HOUR_MS, -3000, HOUR_MS, 20 * HOUR_MS])
def test_a_step_is_believed_once_it_has_held(step_ms):
    machine = Machine()
    machine.wait(5000)
    machine.offset_ms += step_ms
    machine.wait(CONFIRM_MS)
    assert machine.standing() is Standing.DOUBTFUL
    assert machine.believed() == machine.wall_ms - step_ms  # the time as it was
    machine.wait(2000)
    assert machine.standing() is Standing.STEADY
    assert machine.believed() == machine.wall_ms
    assert machine.steps == [step_ms]


def test_a_step_that_is_taken_back_was_none():
    machine = Machine()
    machine.offset_ms -= HOUR_MS
    machine.wait(CONFIRM_MS // 2)
    machine.offset_ms += HOUR_MS
    machine.wait(CONFIRM_MS * 2)
    assert machine.steps == []
    assert machine.believed() == machine.wall_ms


def test_a_clock_that_is_set_again_and_again_is_waited_for():
    machine = Machine()
    for _ in range(10):
        machine.offset_ms -= 10_000
        machine.wait(CONFIRM_MS // 2)
    assert machine.steps == []
    machine.wait(CONFIRM_MS)
    assert machine.steps == [-100_000]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_jump_of_days_must_hold_for_longer(sign):
    machine = Machine()
    machine.offset_ms += sign * 3 * DAY_MS
    machine.wait(CONFIRM_FAR_MS)
    assert machine.steps == []
    machine.wait(2000)
    assert machine.steps == [sign * 3 * DAY_MS]


def test_a_machine_that_was_paused_for_a_little_is_believed_at_once():
    machine = Machine()
    machine.offset_ms += 45_000
    machine.wait(1000)
    assert machine.steps == [45_000]


@pytest.mark.parametrize("wall_ms", [0, EARLIEST_MS - 1000, LATEST_MS + 1000])
def test_a_running_clock_that_cannot_be_right_is_never_believed(wall_ms):
    machine = Machine()
    was = machine.offset_ms
    machine.offset_ms = wall_ms - machine.steady_ms
    machine.wait(DAY_MS // 24, every_ms=60_000) if wall_ms == 0 else machine.wait(500, every_ms=500)
    assert machine.standing() is Standing.DOUBTFUL
    assert not machine.state.is_plausible
    assert machine.believed() == machine.steady_ms + was
    machine.offset_ms = was
    machine.wait(1000)
    assert machine.standing() is Standing.STEADY
    assert machine.steps == []


def test_a_boot_in_1970_waits_until_the_clock_is_set():
    machine = Machine(wall_ms=12_000, floor_ms=NOW_MS - DAY_MS)
    machine.wait(DAY_MS, every_ms=60_000)
    assert machine.standing() is Standing.HOLDING
    machine.offset_ms = NOW_MS - machine.steady_ms
    machine.wait(1000)
    assert machine.standing() is Standing.STEADY
    assert machine.believed() == machine.wall_ms
    assert machine.steps == []


def test_a_start_behind_the_newest_reading_waits_and_is_believed_if_it_holds():
    machine = Machine(floor_ms=NOW_MS + 8 * HOUR_MS)
    assert machine.standing() is Standing.HOLDING
    machine.wait(CONFIRM_FAR_MS - 1000)
    assert machine.standing() is Standing.HOLDING
    machine.wait(1000)
    assert machine.standing() is Standing.STEADY
    # The newest reading is taken to have been made just before the start.
    (step_ms,) = machine.steps
    assert machine.state.floor_ms + step_ms == NOW_MS


def test_a_start_a_little_behind_the_newest_reading_waits_for_it():
    machine = Machine(floor_ms=NOW_MS + 30_000)
    machine.wait(27_000)
    assert machine.standing() is Standing.HOLDING
    machine.wait(2000)
    assert machine.standing() is Standing.STEADY
    assert machine.steps == []
