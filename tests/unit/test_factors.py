"""Transformer ratios and pulse weights, and what they do to an interval whose change lies inside."""

import math

import pytest

from rules.counters import CounterLimits
from rules.factors import HOUR_MS, Factors
from rules.metering import MeterRules, MeterTrack, saved_factors
from rules.quality import Quality

CT = Factors(40.0, ((600_000, 60.0),))  # at ten minutes past
CHANGES = Factors(1.0, ((HOUR_MS, 100.0), (2 * HOUR_MS, 1.0)))


def intervals(readings, factors, max_rate=9000.0, gap_ms=60_000):
    track = MeterTrack(MeterRules(CounterLimits(max_rate, factors=factors), 900, gap_ms))
    closed = []
    for at_s, raw in readings:
        assert track.take(round(at_s * 1000), raw, math.nan, Quality.GOOD).believed
        closed += track.close_due()
    return closed


def test_a_factor_holds_from_its_own_instant_on():
    assert [CT.at(t) for t in (0, 599_999, 600_000, 10**13)] == [40.0, 40.0, 60.0, 60.0]
    assert CT.spans(0, 900_000) == [(0, 600_000, 40.0), (600_000, 900_000, 60.0)]
    assert CT.spans(600_000, 900_000) == [(600_000, 900_000, 60.0)]


def test_the_most_that_is_shown_is_what_can_be_metered_by_the_factor():
    assert Factors(40.0).most(4000.0, 0, HOUR_MS) == pytest.approx(100.0)
    assert CHANGES.most(100.0, 0, 3 * HOUR_MS) == pytest.approx(201.0)


def test_a_register_is_multiplied_and_its_own_figures_stay():
    (one, *_) = intervals([(t, t / 100) for t in range(0, 1000, 10)], Factors(40.0))
    assert one.quantity == pytest.approx(360.0)
    assert (one.register_start, one.register_end) == (0.0, 9.0)
    assert one.factor == 40.0
    assert one.rate_avg == pytest.approx(1440.0)


def test_an_interval_over_a_change_is_split_at_the_instant():
    whole = intervals([(t, t / 100) for t in range(0, 1900, 10)], CT)
    assert whole[0].quantity == pytest.approx(6.0 * 40 + 3.0 * 60)
    assert whole[0].quantity == pytest.approx(
        (whole[0].register_end - whole[0].register_start) * whole[0].factor
    )
    assert whole[0].factor == pytest.approx(420 / 9)
    assert whole[1].quantity == pytest.approx(9.0 * 60)
    assert [one.quality for one in whole] == [Quality.GOOD] * 2


def test_a_register_that_stood_still_over_a_change_tells_the_newer_factor():
    whole = intervals([(t, 5.0) for t in range(0, 1000, 10)], CT)
    assert (whole[0].quantity, whole[0].factor) == (0.0, 60.0)


def test_a_silence_over_a_change_is_a_guess_at_both_of_its_edges():
    change = Factors(1.0, ((900_000, 2.0),))  # on an edge, in the middle of a silence
    readings = [(0, 0.0), (10, 0.1), (1790, 17.9), (1800, 18.0)]
    first, second = intervals(readings, change)
    assert first.caught_up
    assert second.caught_up
    assert (first.quantity, second.quantity) == (pytest.approx(9.0), pytest.approx(18.0))
    assert first.coverage == pytest.approx(10 / 900)


def test_a_meter_that_begins_after_a_change_has_that_factor_alone():
    (one,) = intervals([(t, t / 100) for t in range(700, 1000, 10)], CT)
    assert one.quantity == pytest.approx(2.0 * 60)


def test_a_meter_that_begins_before_a_change_inside_its_first_interval():
    (one,) = intervals([(t, t / 100) for t in range(300, 1000, 10)], CT)
    assert one.quantity == pytest.approx(3.0 * 40 + 3.0 * 60)


def test_no_side_of_a_change_gathers_more_than_is_possible():
    # 100 under the factor 1 and 1 under the factor 100 is all that two hours can show.
    assert CHANGES.split(100.0, (0, 0.0), (2 * HOUR_MS, 101.0)) == [(HOUR_MS, 100.0)]
    assert CHANGES.split(100.0, (0, 0.0), (2 * HOUR_MS, 1.0)) == [(HOUR_MS, 0.5)]
    instants, totals = zip(*CHANGES.split(100.0, (0, 0.0), (3 * HOUR_MS, 201.0)), strict=True)
    assert instants == (HOUR_MS, 2 * HOUR_MS)
    assert totals == pytest.approx((100.0, 101.0))


def test_what_an_advance_stands_for_is_split_too():
    assert Factors(3.0).metered([(0, 1.0), (5, 2.0), (9, 4.0)]) == 9.0
    assert CT.metered([(0, 0.0), (1_200_000, 12.0)]) == pytest.approx(6.0 * 40 + 6.0 * 60)


def test_where_two_histories_begin_to_differ():
    assert CT.differ_from(CT) is None
    assert CT.differ_from(Factors(41.0)) == 0
    assert CT.differ_from(Factors(40.0)) == 600_000
    assert CT.differ_from(Factors(40.0, ((300_000, 60.0),))) == 300_000
    assert CT.differ_from(Factors(40.0, ((600_000, 60.0), (700_000, 60.0)))) is None


def test_a_saved_state_knows_its_factors():
    rules = MeterRules(CounterLimits(1.0, factors=CT), 900, 60_000)
    assert saved_factors(MeterTrack(rules).save()) == CT
    assert saved_factors(b'{"counter": null, "open_start_s": 0, "readings": 0}\n') == Factors()
