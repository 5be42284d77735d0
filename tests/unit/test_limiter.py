"""The limiter's decision after one look, by hand."""

from dataclasses import replace

import pytest

from rules.demand import DemandWindow
from rules.limiter import Decision, LimiterRules, Part, Standing, Why, after, decide, writes_to_shed
from rules.shedding import Action, Ramp

RULES = LimiterRules(dead_man_s=3600)
AT_MS = 600_000


def action(id_, kw=100.0, **more):
    return Action(id_, "d", id_, to=60, by=None, low=40, high=100, release=None, expected_kw=kw, **more)


ONE, TWO = action("one"), action("two", priority=2)
# Two thirds of the window at 1050 kW and 1020 kW now: it closes at (1050 * 600 + 1020 * 300) / 900 = 1040 kW.
OVER = DemandWindow(0, 900, 600, mean_kw=1050, power_kw=1020)
# 800 kW so far and now: it closes at 800 kW.
LOW = DemandWindow(0, 900, 600, mean_kw=800, power_kw=800)


def look(parts, window=OVER, limit_kw=1000, now_ms=AT_MS, standing=Standing(), rules=RULES):
    return decide(parts, window, limit_kw, now_ms, standing, rules)


def shed(one, at_ms=0, **more):
    return Part(one, is_shed=True, shed_ms=at_ms, **more)


def test_the_first_by_priority_is_shed_and_the_shortfall_is_told():
    # To close at 980 kW the last 300 s may have (980 * 900 - 1050 * 600) / 300 = 840 kW: 180 kW have to go.
    assert look([Part(TWO), Part(ONE)]) == Decision(Why.OVER, "one", short_kw=180.0)


def test_a_projection_at_the_share_of_the_limit_sheds_nothing():
    at = DemandWindow(0, 900, 600, mean_kw=980, power_kw=980)
    assert look([Part(ONE)], at) == Decision(Why.CALM)


@pytest.mark.parametrize(("window", "limit_kw"), [(None, 1000), (OVER, None)])
def test_what_nobody_measured_whole_sheds_nothing(window, limit_kw):
    assert look([Part(ONE)], window, limit_kw) == Decision(Why.UNKNOWN)
    held = [shed(ONE)]
    assert look(held, window, limit_kw, standing=Standing(known_ms=AT_MS, since_ms=0)).back == ()


def test_blind_for_too_long_hands_everything_back():
    found = look([shed(ONE), shed(TWO)], None, now_ms=900_000, standing=Standing(known_ms=0, since_ms=0))
    assert found == Decision(Why.BLIND, back=("one", "two"))


def test_a_young_window_and_one_that_closes_say_nothing():
    young = DemandWindow(0, 900, 59, mean_kw=2000, power_kw=2000)
    closed = DemandWindow(0, 900, 900, mean_kw=2000, power_kw=2000)
    assert look([Part(ONE)], young).why is Why.YOUNG
    assert look([Part(ONE)], closed).why is Why.YOUNG
    # Of a short window half is enough.
    short = DemandWindow(0, 10, 5, mean_kw=2000, power_kw=2000)
    assert look([Part(ONE)], short).shed == "one"


def test_after_a_change_nothing_changes_until_the_freeze_is_over():
    changed = Standing(changed_ms=AT_MS - 119_000)
    assert look([Part(ONE)], standing=changed).why is Why.FROZEN
    assert look([Part(ONE)], standing=replace(changed, changed_ms=AT_MS - 120_000)).shed == "one"


def test_those_that_rotate_take_turns():
    a, b = action("a", rotates=True), action("b", rotates=True)
    assert look([Part(a, shed_ms=5, back_ms=6), Part(b, shed_ms=4, back_ms=6)]).shed == "b"
    assert look([Part(a, shed_ms=5, back_ms=6), Part(b)]).shed == "b"
    # Those that do not rotate are taken in the plan's order.
    assert look([Part(ONE, shed_ms=5, back_ms=6), Part(action("x"))]).shed == "one"


@pytest.mark.parametrize(
    "part",
    [
        Part(ONE, is_offline=True),
        shed(ONE),
        Part(action("one", min_on_s=300), back_ms=AT_MS - 299_000),
        Part(action("one", min_off_s=3601)),
        Part(action("one", writes_per_day=5), used=3),
        Part(action("one", writes_per_day=5, ramp=Ramp(20, 60)), used=1),
    ],
)
def test_what_may_not_be_shed_is_skipped(part):
    assert look([part, Part(TWO)]).shed == "two"
    assert look([part]) == Decision(Why.NOTHING_LEFT, short_kw=180.0)


def test_the_minimum_off_time_has_to_fit_before_the_dead_man_limit():
    slow = action("slow", min_off_s=1800)
    assert look([Part(slow)], now_ms=1_800_000, standing=Standing(since_ms=0)).shed == "slow"
    assert look([Part(slow)], now_ms=1_801_000, standing=Standing(since_ms=0)).shed is None


def test_the_budget_counts_every_step_of_a_ramp():
    assert writes_to_shed(ONE) == 1
    assert writes_to_shed(replace(ONE, ramp=Ramp(20, 60))) == 3  # from 100 to 40 at most, by 20
    assert writes_to_shed(replace(ONE, to=None, by=2.0, ramp=Ramp(0.5, 60))) == 4
    assert writes_to_shed(replace(ONE, to=None, by=0.0, ramp=Ramp(0.5, 60))) == 1


def test_handing_back_wants_room_for_the_power_that_comes_back():
    # 800 kW, and a third of 390 kW comes back within the window: 930 kW is 93 % of the limit, 931 kW is not.
    assert look([shed(action("a", 390))], LOW, standing=Standing(since_ms=0)) == Decision(
        Why.BACK, back=("a",)
    )
    assert look([shed(action("a", 393))], LOW, standing=Standing(since_ms=0)) == Decision(Why.HELD)


def test_what_was_taken_last_goes_back_first_and_one_at_a_time():
    parts = [shed(ONE, 1), shed(TWO, 0), shed(action("three", priority=2), 2)]
    assert look(parts, LOW, standing=Standing(since_ms=0)).back == ("two",)
    assert look([shed(ONE, 9), shed(action("x"), 3)], LOW, standing=Standing(since_ms=0)).back == ("x",)


def test_the_minimum_off_time_outranks_the_way_back():
    long = action("long", priority=9, min_off_s=700)
    parts = [shed(ONE, 0), shed(long, 0)]
    assert look(parts, LOW, standing=Standing(since_ms=0)).back == ("one",)
    assert look([shed(long, 0)], LOW, standing=Standing(since_ms=0)).why is Why.HELD
    assert look([shed(long, 0)], None, standing=Standing(known_ms=-900_000, since_ms=0)).back == ()


def test_the_dead_man_limit_hands_back_whatever_the_window_says():
    found = look([shed(ONE), Part(TWO)], now_ms=3_600_000, standing=Standing(since_ms=0))
    assert found == Decision(Why.DEAD_MAN, back=("one",))


def test_what_is_carried_out_is_remembered():
    parts, standing = after([Part(ONE), Part(TWO)], Decision(Why.OVER, "one"), Standing(), 5, is_known=True)
    assert parts == (Part(ONE, is_shed=True, shed_ms=5), Part(TWO))
    assert standing == Standing(changed_ms=5, known_ms=5, since_ms=5)
    parts, standing = after(parts, Decision(Why.UNKNOWN), standing, 7, is_known=False)
    assert standing == Standing(changed_ms=5, known_ms=5, since_ms=5)
    parts, standing = after(parts, Decision(Why.BACK, back=("one",)), standing, 9, is_known=True)
    assert parts[0] == Part(ONE, is_shed=False, shed_ms=5, back_ms=9)
    assert standing == Standing(changed_ms=9, known_ms=9, since_ms=None)
