"""What holds for every series of readings: nothing is counted twice, lost, or negative."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.counters import CounterLimits
from rules.factors import Factors
from rules.metering import MeterRules, MeterTrack
from rules.quality import Quality

RULES = MeterRules(CounterLimits(max_rate=100.0), interval_s=900, max_gap_ms=180_000)


@st.composite
def registers(draw, count=st.integers(2, 60)):
    """Readings (ms, register) of a meter that keeps its limits, with gaps from seconds to hours."""
    at_ms = draw(st.integers(0, 10**12))
    value = draw(st.floats(0, 1e6))
    readings = [(at_ms, value)]
    for _ in range(draw(count)):
        step_ms = draw(st.sampled_from([1000, 5000, 61_000, 400_000, 5_000_000]))
        at_ms += step_ms
        value += draw(st.floats(0, 0.9)) * 100.0 * step_ms / 3_600_000
        readings.append((at_ms, value))
    return readings


def closed_by(readings, track=None):
    track = track or MeterTrack(RULES)
    closed = []
    for at_ms, raw in readings:
        track.take(at_ms, raw, math.nan, Quality.GOOD)
        closed += track.close_due()
    return closed


@given(registers())
def test_intervals_are_whole_and_add_up_to_the_register(readings):
    closed = closed_by(readings)
    if not closed:
        return
    starts = [interval.start_s for interval in closed]
    assert starts == list(range(starts[0], starts[0] + 900 * len(closed), 900))
    assert all(interval.quantity >= 0 for interval in closed)
    assert all(0 <= interval.coverage <= 1 for interval in closed)
    total = sum(interval.quantity for interval in closed)
    assert total == pytest.approx(closed[-1].register_end - readings[0][1], abs=1e-6)
    assert closed[-1].register_end <= readings[-1][1] + 1e-9


@given(registers(), st.data())
def test_a_restart_anywhere_gives_the_same_rows(readings, data):
    """Saved at one instant, what came after is taken again, as after a kill."""
    whole = closed_by(readings)
    cut = data.draw(st.integers(0, len(readings)))
    before = MeterTrack(RULES)
    first = closed_by(readings[:cut], before)
    after = MeterTrack.restore(RULES, before.save())
    second = closed_by(readings[cut:], after)
    assert [repr(row) for row in first + second] == [repr(row) for row in whole]


@given(registers(), st.data())
def test_readings_that_come_again_change_nothing(readings, data):
    again = []
    for i, reading in enumerate(readings):
        again.append(reading)
        if data.draw(st.booleans()):
            again.append(readings[data.draw(st.integers(0, i))])
    assert [repr(row) for row in closed_by(again)] == [repr(row) for row in closed_by(readings)]


@given(registers())
def test_what_was_caught_up_is_never_a_peak(readings):
    for interval in closed_by(readings):
        if interval.caught_up:
            assert math.isnan(interval.rate_avg)
            assert math.isnan(interval.rate_max)
            assert interval.quality >= Quality.ESTIMATED
        else:
            assert interval.rate_avg <= 100.0 + 1e-6


@given(registers(), st.lists(st.tuples(st.integers(0, 59), st.floats(0, 1e9)), max_size=6))
def test_no_lie_of_a_register_books_more_than_is_possible(readings, lies):
    lying = list(readings)
    for place, value in lies:
        if place < len(lying):
            lying[place] = (lying[place][0], value)
    for interval in closed_by(lying):
        assert 0 <= interval.quantity <= 100.0 * 0.25 * 8 + 2 * 1e9 * 2.0**-22


@given(registers(), st.lists(st.booleans(), min_size=61, max_size=61))
def test_a_register_that_stands_still_and_jumps_is_never_a_peak(readings, frozen):
    """Answers from a cache: the energy comes in the end, spread over the time that it can have taken."""
    shown, last = [], readings[0][1]
    for (at_ms, value), still in zip(readings, frozen, strict=False):
        last = last if still else value
        shown.append((at_ms, last))
    rows = {one.start_s: one for one in closed_by(shown)}  # the last word on each interval
    if not rows:
        return
    starts = sorted(rows)
    assert starts == list(range(starts[0], starts[0] + 900 * len(starts), 900))
    last_row = rows[starts[-1]]
    total = sum(one.quantity for one in rows.values())
    assert total == pytest.approx(last_row.register_end - shown[0][1], abs=1e-6)
    for one in rows.values():
        if not one.caught_up:
            grain = max(b - a for (_, a), (_, b) in pairwise(readings))
            assert one.rate_avg <= 100.0 + 4 * grain


@st.composite
def registers_with_factors(draw):
    """What a register shows whose factor changes, of a meter that keeps its limits; and the factors."""
    metered = draw(registers())
    first_ms, last_ms = metered[0][0], metered[-1][0]
    instants = draw(st.sets(st.integers(first_ms, last_ms), max_size=4))
    values = st.sampled_from([0.01, 0.5, 1.0, 40.0, 1000.0])
    factors = Factors(draw(values), tuple((at_ms, draw(values)) for at_ms in sorted(instants)))
    shown, readings = 500.0, [(first_ms, 500.0)]
    for (a_ms, a), (b_ms, b) in pairwise(metered):
        rate = (b - a) / (b_ms - a_ms)
        shown += sum(rate * (end - begin) / factor for begin, end, factor in factors.spans(a_ms, b_ms))
        readings.append((b_ms, shown))
    return readings, factors


@given(registers_with_factors())
def test_with_any_factors_no_interval_holds_more_than_is_possible_and_every_one_can_be_followed(case):
    readings, factors = case
    rules = MeterRules(CounterLimits(100.0, factors=factors), interval_s=900, max_gap_ms=180_000)
    track = MeterTrack(rules)
    for interval in closed_by(readings, track):
        slack = 4 * 600.0 * 2.0**-22 * 1000.0
        assert 0 <= interval.quantity <= 100.0 * 0.25 + slack
        shown = interval.register_end - interval.register_start
        assert shown * interval.factor == pytest.approx(interval.quantity, rel=1e-9, abs=1e-6)
    assert track.counter.at_ms == readings[-1][0]
    assert track.counter.epoch == 0


@given(
    st.lists(st.tuples(st.sampled_from([1000, 60_000, 7_200_000]), st.floats(0, 1e7)), min_size=2),
    st.sampled_from([None, 65_536.0, 1e6]),
    registers_with_factors(),
)
def test_every_delta_is_bounded_by_power_and_time_whatever_a_register_shows(steps, modulus, case):
    _, factors = case
    limits = CounterLimits(100.0, modulus, factors)
    at_ms = 10**12
    track = MeterTrack(MeterRules(limits, interval_s=900, max_gap_ms=180_000))
    track.take(at_ms, steps[0][1], math.nan, Quality.GOOD)
    for step_ms, raw in steps[1:]:
        at_ms += step_ms
        before = track.counter
        track.take(at_ms, raw, math.nan, Quality.GOOD)
        grain = 0.0 if math.isinf(before.resolution) else before.resolution
        advanced = track.counter.total - before.total
        assert advanced >= -1e-6
        reach_ms = before.left.at_ms if before.left else before.moved_from_ms
        since_ms = min(reach_ms, before.moved_from_ms)
        assert advanced <= limits.factors.most(100.0, since_ms, at_ms) + 3 * grain + 3e7 * 2.0**-21
