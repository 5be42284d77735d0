"""The cases that other systems book as megawatt-hours."""

import pytest

from rules.counters import CounterLimits, Verdict, advance, first_reading

HOUR = 3_600_000
LIMITS = CounterLimits(max_rate=100.0)  # kW


def follow(readings, limits=LIMITS):
    """Verdicts and the final state of (hours, raw) readings."""
    (t0, raw0), *rest = readings
    state = first_reading(round(t0 * HOUR), raw0)
    verdicts = []
    for hours, raw in rest:
        state, verdict = advance(state, round(hours * HOUR), raw, limits)
        verdicts.append(verdict)
    return state, verdicts


def test_a_register_adds_up():
    state, verdicts = follow([(0, 1000.0), (1, 1050.0), (2, 1050.0), (3, 1149.0)])
    assert verdicts == [Verdict.COUNTED] * 3
    assert state.total == 1149.0


def test_a_single_zero_is_refused_and_nothing_is_lost():
    state, verdicts = follow([(0, 53_700.0), (0.1, 0.0), (0.2, 53_705.0)])
    assert verdicts == [Verdict.BACKWARD, Verdict.COUNTED]
    assert state.total == 53_705.0
    assert state.epoch == 0


def test_a_spike_is_refused():
    state, verdicts = follow([(0, 10.0), (1, 5_000_000.0), (2, 20.0)])
    assert verdicts == [Verdict.SPIKE, Verdict.COUNTED]
    assert state.total == 20.0


def test_a_replaced_meter_begins_a_new_epoch_without_negative_or_giant_energy():
    state, verdicts = follow([(0, 90_000.0), (1, 3.0), (2, 50.0), (3, 80.0), (4, 100.0)])
    assert verdicts == [Verdict.BACKWARD, Verdict.BACKWARD, Verdict.NEW_EPOCH, Verdict.COUNTED]
    assert state.epoch == 1
    assert state.total == 90_097.0  # all that the new register counted; what came before it is not guessed


def test_a_meter_that_answers_0_for_a_while_comes_back_with_all_it_counted():
    zeros = [(1 + n / 10, 0.0) for n in range(10)]
    state, verdicts = follow([(0, 53_700.0), *zeros, (2.5, 53_790.0), (3, 53_800.0)])
    assert verdicts[-2:] == [Verdict.NEW_EPOCH, Verdict.COUNTED]
    assert state.total == 53_800.0


def test_what_came_back_must_fit_what_was_left():
    zeros = [(1 + n / 10, 0.0) for n in range(10)]
    assert follow([(0, 53_700.0), *zeros, (2.5, 99_999.0)])[1][-1] is Verdict.SPIKE


def test_a_coarse_register_is_no_spike_from_its_first_step_on():
    """A pulse meter of 1 m3 at 12 m3/h, polled every 5 s."""
    readings = [(t / 3600, 500.0 + t // 300) for t in range(200, 4000, 5)]
    state, verdicts = follow(readings, CounterLimits(max_rate=15.0))
    assert set(verdicts) == {Verdict.COUNTED}
    assert state.total == 513.0


def test_a_register_that_stood_still_is_caught_up():
    frozen = [(n / 100, 10.0) for n in range(2, 200)]
    state, verdicts = follow([(0, 9.0), (0.01, 10.0), *frozen, (2, 180.0)])
    assert verdicts[-1] is Verdict.CAUGHT_UP
    assert state.total == 180.0


@pytest.mark.scenario(23)
def test_a_rollover_needs_the_declared_maximum():
    limits = CounterLimits(max_rate=100.0, rolls_over_at=100_000.0)
    state, verdicts = follow([(0, 99_990.0), (1, 40.0)], limits)
    assert verdicts == [Verdict.ROLLED_OVER]
    assert state.total == 100_040.0
    assert state.epoch == 0
    assert follow([(0, 99_990.0), (1, 40.0)])[1] == [Verdict.BACKWARD]


@pytest.mark.scenario(23)
def test_a_rollover_far_from_the_maximum_is_a_reset():
    limits = CounterLimits(max_rate=100.0, rolls_over_at=100_000.0)
    assert follow([(0, 50_000.0), (1, 40.0)], limits)[1] == [Verdict.BACKWARD]


def test_a_step_may_have_gathered_since_the_value_last_changed():
    # A pulse meter shows 1000 for ten hours and then the whole of it at once.
    readings = [(0, 900.0), (1, 1000.0), *[(1 + i, 1000.0) for i in range(1, 10)], (11, 1950.0)]
    state, verdicts = follow(readings)
    assert verdicts[-1] is Verdict.CAUGHT_UP
    assert state.total == 1950.0


def test_an_outage_is_caught_up_within_what_is_possible():
    assert follow([(0, 0.0), (24, 2400.0)])[1] == [Verdict.COUNTED]
    assert follow([(0, 0.0), (24, 2501.0)])[1] == [Verdict.SPIKE]  # an hour may have gathered before


def test_large_float32_registers_move_in_steps():
    # Near 1 GWh a float32 register in Wh moves by 64 Wh: not stuck, and not a spike.
    state = first_reading(0, 1_000_000.0)
    state, verdict = advance(state, 1000, 1_000_000.064, CounterLimits(max_rate=1.0))
    assert verdict is Verdict.COUNTED


@pytest.mark.parametrize(("at", "expected"), [(1.0, Verdict.REPEATED), (0.5, Verdict.LATE)])
def test_the_same_or_an_older_instant_changes_nothing(at, expected):
    state, verdicts = follow([(0, 10.0), (1, 20.0), (at, 99.0)])
    assert verdicts[-1] is expected
    assert state.total == 20.0


def test_lies_that_disagree_never_make_a_new_epoch():
    state, verdicts = follow([(0, 100.0), (1, 50.0), (2, 5.0), (3, 1.0), (4, 90_000.0), (5, 110.0)])
    assert verdicts == [*[Verdict.BACKWARD] * 3, Verdict.SPIKE, Verdict.COUNTED]
    assert (state.total, state.epoch) == (110.0, 0)


def test_a_refused_reading_that_comes_again_confirms_nothing():
    state, verdicts = follow([(0, 100.0), (1, 50.0), (1, 50.0), (1, 50.0), (2, 60.0), (3, 70.0)])
    assert verdicts[1:3] == [Verdict.REPEATED] * 2
    assert verdicts[3:] == [Verdict.BACKWARD, Verdict.NEW_EPOCH]
    assert state.epoch == 1


def test_a_register_that_was_replaced_after_a_long_silence_did_not_roll_over():
    """Within power and time it could have: but it stood nowhere near its end."""
    limits = CounterLimits(max_rate=100.0, rolls_over_at=100_000.0)
    assert follow([(0, 80_000.0), (240, 40.0)], limits)[1] == [Verdict.BACKWARD]
    assert follow([(0, 95_000.0), (240, 40.0)], limits)[1] == [Verdict.ROLLED_OVER]


def test_a_small_register_may_roll_over_from_afar():
    """16 bits of litres at 30 m3/h are gone through in two hours: a tenth would be too near."""
    limits = CounterLimits(max_rate=30.0, rolls_over_at=65.536)
    assert follow([(0, 0.0), (1, 25.0), (2, 50.0), (3, 9.0)], limits)[1][-1] is Verdict.ROLLED_OVER
