"""Replacement with a record, stuck registers, wrong rates: a meter's life beyond counting."""

import json
import math
from dataclasses import replace

import pytest

from rules.counters import CounterLimits, Replacement, Verdict, first_reading, replaced
from rules.metering import MeterRules, MeterTrack
from rules.quality import Quality

RULES = MeterRules(CounterLimits(200.0), interval_s=900, max_gap_ms=60_000)


def run(readings, rules=RULES, track=None):
    """(seconds, register, rate) -> the last word on each interval, and the verdicts that were not plain."""
    track = track or MeterTrack(rules)
    rows, told = {}, []
    for at_s, raw, rate in readings:
        verdict = track.take(round(at_s * 1000), raw, rate, Quality.GOOD)
        if verdict is not Verdict.COUNTED:
            told.append((at_s, verdict))
        for one in track.close_due():
            rows[one.start_s] = one
    return rows, told, track


def kwh(at_s, kw=100.0):
    return kw * at_s / 3600


# -- replacement ------------------------------------------------------------------------------------


def exchanged(at_s, t):
    """The old register up to an instant, and a new one from 7 on."""
    return kwh(t) if t < at_s else 7.0 + kwh(t - at_s)


@pytest.mark.parametrize("at_s", [1795, 1800, 2000])
def test_a_recorded_replacement_needs_no_confirmation_and_loses_nothing(at_s):
    record = Replacement(at_s * 1000, old_final=kwh(at_s), new_start=7.0)
    rules = replace(RULES, replacements=(record,))
    rows, told, _ = run([(t, exchanged(at_s, t), math.nan) for t in range(0, 3700, 10)], rules)
    assert told == ([(at_s, Verdict.REPEATED)] if at_s % 10 == 0 else [])
    assert [one.quantity for one in rows.values()] == pytest.approx([25.0] * 4)
    assert {one.quality for one in rows.values()} == {Quality.GOOD}
    assert [one.epoch for one in rows.values()] == [0, int(at_s <= 1800), 1, 1]
    for one in rows.values():
        assert one.register_end - one.register_start == pytest.approx(one.quantity)
    assert rows[2700].register_end == pytest.approx(7.0 + kwh(3600 - at_s))


def test_what_the_old_register_counted_in_a_silence_is_counted():
    record = Replacement(2_000_000, old_final=60.0, new_start=0.0)
    rules = replace(RULES, replacements=(record,))
    readings = [(0, 0.0, math.nan), (900, 25.0, math.nan), (3600, 10.0, math.nan), (3700, 12.0, math.nan)]
    rows, told, _ = run(readings, rules)
    assert told == []
    assert sum(one.quantity for one in rows.values()) == pytest.approx(70.0)
    assert rows[900].epoch == 0
    assert rows[2700].register_end == pytest.approx(10.0)


def test_a_record_ahead_waits_and_an_old_one_is_history():
    ahead = Replacement(10**10, 5.0, 0.0)
    before = Replacement(-5, 5.0, 0.0)
    rows, told, _ = run(
        [(t, kwh(t), math.nan) for t in range(0, 1000, 10)], replace(RULES, replacements=(before, ahead))
    )
    assert (rows[0].epoch, told) == (0, [])


def test_a_record_below_the_last_reading_takes_nothing_back():
    state = first_reading(0, 100.0)
    assert replaced(state, Replacement(1000, 90.0, 5.0), CounterLimits(100.0)).total == 100.0


def test_a_register_that_rolled_over_before_it_was_replaced():
    limits = CounterLimits(100.0, rolls_over_at=1000.0)
    state = first_reading(0, 990.0)
    assert replaced(state, Replacement(1000, 10.0, 5.0), limits).total == 1010.0


def test_a_state_with_a_replacement_survives_a_restart():
    record = Replacement(1_000_000, old_final=kwh(1000), new_start=7.0)
    rules = replace(RULES, replacements=(record,))
    readings = [(t, exchanged(1000, t), math.nan) for t in range(0, 3700, 10)]
    whole, _, _ = run(readings, rules)
    first, _, track = run(readings[:110], rules)
    second, _, _ = run(readings[110:], rules, MeterTrack.restore(rules, track.save()))
    assert repr(first | second) == repr(whole)


def test_a_state_of_the_first_version_is_taken_up():
    _, _, track = run([(t, kwh(t), math.nan) for t in range(0, 1000, 10)])
    head, _, packed = track.save().partition(b"\n")
    old = {key: value for key, value in json.loads(head).items() if key in OLD_KEYS}
    again = MeterTrack.restore(RULES, json.dumps(old).encode() + b"\n" + packed)
    rows, _, _ = run([(t, kwh(t), math.nan) for t in range(1000, 1900, 10)], track=again)
    assert rows[900].quantity == pytest.approx(25.0)


OLD_KEYS = ("counter", "open_start_s", "readings")


# -- stuck --------------------------------------------------------------------------------------------


def frozen(t, begin=1800, end=10**9):
    return kwh(begin) if begin <= t < end else kwh(t)


def test_a_stuck_register_makes_its_intervals_suspect():
    rows, told, track = run([(t, frozen(t), 100.0) for t in range(0, 9100, 10)])
    assert told == [(1800 + 3600, Verdict.STUCK)]
    assert track.unmetered == pytest.approx(kwh(9090 - 1800))
    assert rows[0].quality == rows[900].quality == Quality.GOOD
    assert {rows[start].quality for start in range(1800, 9000, 900)} == {Quality.SUSPECT}


def test_a_stuck_register_that_moves_on_is_caught_up():
    rows, told, track = run([(t, frozen(t, end=9000), 100.0) for t in range(0, 12_000, 10)])
    assert [verdict for _, verdict in told] == [Verdict.STUCK, Verdict.CAUGHT_UP]
    assert sum(one.quantity for one in rows.values()) == pytest.approx(25.0 * len(rows))
    assert not any(math.isfinite(rows[start].rate_max) for start in range(1800, 9000, 900))
    assert rows[9900].quality == Quality.GOOD
    assert track.unmetered == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize(
    "rate",
    [0.0, math.nan, -500.0, 0.1],
    ids=["no power", "not known", "the other way", "less than any register counts"],
)
def test_a_register_that_may_stand_still_is_not_stuck(rate):
    rows, told, _ = run([(t, frozen(t), rate) for t in range(0, 9100, 10)])
    assert told == []
    assert rows[8100].quality == Quality.GOOD


def test_a_coarse_register_is_not_stuck():
    """Steps of 100 kWh at 50 kW: two hours between steps are as they should be."""
    readings = [(t, kwh(t, 50.0) // 100 * 100, 50.0) for t in range(0, 40_000, 10)]
    _, told, _ = run(readings)
    assert told == []


def test_a_register_that_never_moved_is_stuck_after_more():
    _, told, _ = run([(t, 5.0, 100.0) for t in range(0, 80_000, 10)])
    ((at_s, verdict),) = told
    assert verdict is Verdict.STUCK
    assert at_s == pytest.approx(36_000, abs=10)  # five hours at full power, at half of it


def test_a_silence_says_nothing_about_a_register():
    _, told, _ = run([(t, frozen(t), 100.0) for t in range(0, 80_000, 100)])
    assert told == []


def test_a_watch_survives_a_restart():
    readings = [(t, frozen(t), 100.0) for t in range(0, 9100, 10)]
    whole, told, _ = run(readings)
    first, told_first, track = run(readings[:500])
    second, told_second, _ = run(readings[500:], track=MeterTrack.restore(RULES, track.save()))
    assert repr(first | second) == repr(whole)
    assert told_first + told_second == told


# -- rates ----------------------------------------------------------------------------------------------


def test_a_rate_above_all_that_is_possible_is_no_maximum():
    rates = {500: 5000.0, 510: -5000.0, 520: 230.0}
    rows, _, _ = run([(t, kwh(t), rates.get(t, 100.0)) for t in range(0, 1000, 10)])
    assert (rows[0].rate_max, rows[0].rate_min) == (230.0, 100.0)


def test_a_reading_that_comes_again_is_known_by_its_instant():
    _, _, track = run([(t, kwh(t), math.nan) for t in range(0, 500, 10)])
    assert track.take(300_000, kwh(300), math.nan, Quality.GOOD) is Verdict.REPEATED
    assert track.take(305_000, kwh(305), math.nan, Quality.GOOD) is Verdict.LATE
    assert track.take(-5000, 0.0, math.nan, Quality.GOOD) is Verdict.LATE


def test_states_go_on_alike_whatever_came_before_them():
    assert MeterTrack(RULES).goes_on_like(MeterTrack(RULES))
    _, _, track = run([(t, kwh(t), 100.0) for t in range(0, 1000, 10)])
    assert not MeterTrack(RULES).goes_on_like(track)
    record = Replacement(300_000, old_final=kwh(300) + 1.0, new_start=kwh(300))
    _, _, other = run(
        [(t, kwh(t), 100.0) for t in range(0, 1000, 10)], replace(RULES, replacements=(record,))
    )
    assert not track.goes_on_like(other)  # another life
    assert track.goes_on_like(MeterTrack.restore(RULES, track.save()))
