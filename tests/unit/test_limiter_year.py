"""A simulated year of the limiter, by hand: small years whose every figure can be followed."""

import math

import numpy as np
import pytest

from rules.curtailment import Mode, Plan
from rules.limiter import LimiterRules
from rules.limiter_year import Load, Peak, Rooms, peaks, simulate, whole_peak
from rules.shedding import Action

RULES = LimiterRules(dead_man_s=7200, freeze_s=60, settle_s=60)


def plan(*kw, **more):
    actions = [
        Action(f"a{n}", "d", f"p{n}", to=60, by=None, low=40, high=100, release=None, expected_kw=one, **more)
        for n, one in enumerate(kw)
    ]
    return Plan("p", Mode.LIVE, dead_man_s=7200, actions=tuple(actions))


def load(rows, limit_kw=1000.0, day=None):
    kw = np.array(rows, dtype=np.float64)
    days = np.zeros(len(kw), dtype=np.int64) if day is None else np.array(day)
    return Load(0, kw, np.full(len(kw), limit_kw), days, 900)


def windows(*kw):
    return [[one] * 15 for one in kw]


def test_a_year_below_the_limit_is_left_alone():
    found = simulate(plan(100.0), RULES, load(windows(500, 600, 700)), None)
    assert found.after_kw.tolist() == found.before_kw.tolist() == [500, 600, 700]
    assert found.actions["a0"].starts == 0
    assert whole_peak(found).saved_kw == 0


def test_one_action_holds_a_window_under_the_limit():
    # 500, then 1050 kW against 1000. Each minute knows the power of the one before: the second window begins
    # at 500 kW. At its first minute it has 1050 kW so far and now, passes 980 kW; 100 kW go for 14 minutes:
    # (1050 * 1 + 950 * 14) / 15 = 956.67 kW.
    found = simulate(plan(100.0), RULES, load(windows(500, 1050, 500)), None)
    assert found.after_kw[1] == pytest.approx(14350 / 15)
    # In the third window 950 kW were seen last; 500 kW at its first minute: with 100 * 14 / 15 that fits 930.
    tally = found.actions["a0"]
    assert (tally.starts, tally.most_starts, tally.writes, tally.most_writes) == (1, 1, 2, 2)
    assert tally.shed_s == 15 * 60  # 14 minutes of the second window and one of the third
    # The building draws 500 kW at its quietest: in the third window nothing is left to take off.
    assert found.after_kw[2] == 500
    assert found.shed_kwh == pytest.approx(100 * 14 / 60)
    assert whole_peak(found) == Peak(1050, pytest.approx(14350 / 15))


def test_heat_that_is_left_behind_warms_the_rooms_and_costs_electricity_later():
    rooms = Rooms(capacity_kwh_per_k=50, cop=4, recovery_s=600, comfort_k=1.0)
    found = simulate(plan(100.0), RULES, load(windows(500, 1050, *[500] * 12)), rooms)
    # 14 minutes of 100 kW: 100 * 4 * 14 / 60 kWh of heat on 50 kWh/K.
    assert found.warmest_k == pytest.approx(400 * 14 / 60 / 50)
    # Above 1 K from the eighth minute of shedding on (7 * 0.1333 = 0.93 K; 8 give 1.07 K) until the recovery,
    # e-fold 600 s, has taken ln(1.867) * 600 s = 375 s: 7 minutes, one held in the third window, and six.
    assert found.discomfort_s == 60 * (7 + 1 + 6)
    # All of it comes back: 100 kW * 14 min, but for what is below a hundredth of a kelvin.
    assert found.rebound_kwh == pytest.approx(100 * 14 / 60, rel=0.01)
    assert found.after_kw[2] > 500


def test_the_rebound_never_passes_what_was_taken():
    rooms = Rooms(capacity_kwh_per_k=50, cop=4, recovery_s=1)
    found = simulate(plan(100.0), RULES, load(windows(500, 1050, 500)), rooms)
    assert found.after_kw[2] == pytest.approx((500 + 600 * 14) / 15)


def test_what_is_not_known_is_never_shed_for():
    gap = [*windows(500), [math.nan] * 15, *windows(500)]
    found = simulate(plan(100.0), RULES, load(gap), None)
    assert found.actions["a0"].starts == 0
    assert np.isnan(found.after_kw).tolist() == [False, True, False]
    nothing = simulate(plan(100.0), RULES, load([[math.nan] * 15]), None)
    assert math.isnan(whole_peak(nothing).before_kw)
    endless = simulate(plan(100.0), RULES, load(windows(500, 5000), limit_kw=math.nan), None)
    assert endless.actions["a0"].starts == 0


def test_a_limit_that_is_not_known_hands_back_after_a_while():
    year = load(windows(500, 1050, 1050, 1050, 1050))
    year.limit_kw[2:] = math.nan
    found = simulate(plan(100.0), RULES, year, None)
    assert found.actions["a0"].shed_s == 60 * (14 + 14)  # 900 s after the last minute that knew a limit
    assert found.after_kw[-1] == 1050


def test_the_dead_man_limit_is_counted():
    rules = LimiterRules(dead_man_s=1200, freeze_s=60, settle_s=60)
    found = simulate(plan(100.0), rules, load(windows(500, *[1050] * 2)), None)
    assert found.dead_man_struck == 1


def test_starts_and_writes_are_counted_by_day_and_by_24_hours():
    row = [x for _ in range(4) for x in (1050, 500)]
    found = simulate(plan(100.0), RULES, load(windows(500, *row), day=[0] * 5 + [1] * 4), None)
    tally = found.actions["a0"]
    assert (tally.starts, tally.most_starts) == (4, 2)
    assert (tally.writes, tally.most_writes) == (8, 8)


def test_a_budget_that_is_spent_ends_it_for_the_day():
    row = [x for _ in range(4) for x in (1050, 500)]
    calm = [500] * 96
    found = simulate(plan(100.0, writes_per_day=5), RULES, load(windows(500, *row, *calm, *row)), None)
    tally = found.actions["a0"]
    # Of 5 writes 2 are kept: after 2 one more fits, after 4 none; the same a day later.
    assert tally.most_writes == 4
    assert tally.starts == 4


def test_peaks_by_month():
    found = simulate(plan(100.0), RULES, load(windows(500, 1050, 500)), None)
    assert peaks(found, [1, 1, 2]) == {1: Peak(1050, pytest.approx(14350 / 15)), 2: Peak(500, 500)}


def test_arrays_of_different_lengths_are_refused():
    year = load(windows(500, 600))
    with pytest.raises(ValueError, match="different lengths"):
        simulate(plan(100.0), RULES, Load(0, year.kw, year.limit_kw[:1], year.day, 900), None)
