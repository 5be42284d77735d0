"""The life of an event, and what an action wants at an instant: each rule with a number."""

import math

import pytest

from rules.curtailment import (
    NEXT,
    OPEN,
    Event,
    Guard,
    Life,
    Mode,
    Plan,
    Reading,
    Signal,
    Track,
    Wish,
    choose,
    held_back,
    is_past,
    life_at,
    release_rest_s,
    wish_for,
    within_budget,
)
from rules.quality import Quality
from rules.shedding import Action, Ramp

START, END = 1_000_000, 4_600_000  # an hour
SHED = Wish(is_release=False, value=None)


def action(name="a", **more):
    facts = {"to": None, "by": 2.0, "low": 5.0, "high": 12.0, "release": None}
    return Action(name, "ch", "chw_setpoint", **{**facts, **more})


def event(*actions, life=Life.ACTIVE, chosen=None, ended_ms=None, signal=Signal(), **plan):
    actions = actions or (action(),)
    facts = {"mode": Mode.LIVE, "dead_man_s": 3600.0, "notify_s": 600.0}
    whole = Plan("p", actions=tuple(actions), **{**facts, **plan})
    ids = frozenset(one.id for one in actions) if chosen is None else chosen
    return Event(whole, life, START, END, ids, signal, ended_ms)


def shed(stood=7.0, standing=9.0, shed_ms=START, **more):
    return Track(previous=stood, stood=stood, is_shed=True, standing=standing, shed_ms=shed_ms, **more)


@pytest.mark.parametrize(
    ("life", "now_ms", "becomes"),
    [
        (Life.SCHEDULED, START - 600_001, Life.SCHEDULED),
        (Life.SCHEDULED, START - 600_000, Life.NOTIFIED),
        (Life.NOTIFIED, START - 1, Life.NOTIFIED),
        (Life.NOTIFIED, START, Life.ACTIVE),
        (Life.SCHEDULED, START, Life.ACTIVE),
        (Life.ACTIVE, END - 1, Life.ACTIVE),
        (Life.ACTIVE, END, Life.ENDED),
        (Life.SCHEDULED, END + 86_400_000, Life.ENDED),  # dark all the while
        (Life.DRAFT, END, Life.DRAFT),
        (Life.CANCELLED, START, Life.CANCELLED),
        (Life.ABORTED, START, Life.ABORTED),
        (Life.SETTLED, START, Life.SETTLED),
    ],
)
def test_the_clock_moves_an_event_on_and_never_undoes_what_was_decided(life, now_ms, becomes):
    assert life_at(event(life=life), now_ms) is becomes
    assert becomes is life or becomes in NEXT[life]


def test_the_dead_man_ends_an_event_before_its_end():
    assert life_at(event(dead_man_s=600.0), START + 599_999) is Life.ACTIVE
    assert life_at(event(dead_man_s=600.0), START + 600_000) is Life.ENDED


def test_every_life_but_the_last_ones_leads_on():
    assert {life for life in Life if not NEXT[life]} == {Life.SETTLED, Life.CANCELLED}
    assert set(OPEN) == {Life.SCHEDULED, Life.NOTIFIED, Life.ACTIVE}


def test_a_value_is_absolute_or_relative_to_what_stood_and_within_the_floors():
    assert action(by=2.0).target(7.0) == 9.0
    assert action(by=2.0).target(11.5) == 12.0
    assert action(by=-4.0).target(7.0) == 5.0
    assert action(by=None, to=60.0, low=40.0, high=100.0).target(100.0) == 60.0
    assert action(by=None, to=None).target(7.0) == 7.0


def test_a_ramp_goes_step_by_step_and_not_beyond():
    ramped = action(by=2.0, ramp=Ramp(0.75, 60.0))
    assert [ramped.value_at(7.0, s) for s in (-1, 0, 59.9, 60, 120, 9999)] == [
        7.75,
        7.75,
        7.75,
        8.5,
        9.0,
        9.0,
    ]
    down = action(by=None, to=40.0, low=40.0, high=100.0, ramp=Ramp(20.0, 60.0))
    assert [down.value_at(100.0, s) for s in (0, 60, 120, 180)] == [80.0, 60.0, 40.0, 40.0]


def test_a_ramp_never_writes_what_lies_outside_the_floors():
    capped = action(by=None, to=50.0, low=40.0, high=90.0, ramp=Ramp(2.0, 60.0))
    assert [capped.value_at(100.0, s) for s in (0, 60, 300)] == [90.0, 90.0, 88.0]


def test_an_action_sheds_while_the_event_is_active():
    assert wish_for(event(), action(), Track(), START) == SHED
    assert wish_for(event(), action(), shed(), START + 1) is None
    assert wish_for(event(), action(), shed(standing=None), START + 1) == Wish(is_release=False, value=9.0)
    assert wish_for(event(), action(), shed(stood=None), START + 1) == SHED
    assert wish_for(event(), action(), Track(is_shed=True, stood=7.0), START + 1) == SHED


@pytest.mark.parametrize(
    ("one", "track", "now_ms"),
    [
        (event(life=Life.NOTIFIED), Track(), START - 1),
        (event(life=Life.ABORTED), Track(), START),
        (event(chosen=frozenset()), Track(), START),
        (event(), Track(failed="write.not_obeyed"), START),
        (event(), Track(), END),
        (event(dead_man_s=60.0), Track(), START + 60_000),
        (event(signal=Signal(is_active=False)), Track(), START),
        (event(signal=Signal(True, START, 60.0)), Track(), START + 60_000),
    ],
)
def test_it_does_not_and_hands_back_what_was_shed(one, track, now_ms):
    assert wish_for(one, action(), track, now_ms) is None
    taken = shed(failed=track.failed, shed_ms=0)
    assert wish_for(one, action(), taken, now_ms) == Wish(is_release=True, value=7.0)
    assert wish_for(one, action(release=99.0), taken, now_ms) == Wish(is_release=True, value=99.0)


def test_a_signal_is_active_inactive_or_unknown():
    said = Signal(True, START, 60.0)
    assert [said.state(START), said.state(START + 59_999), said.state(START + 60_000)] == [True, True, None]
    assert Signal(is_active=False).state(END) is False
    holds = event(signal=said, holds_without_signal=True)
    assert wish_for(holds, action(), shed(), START + 60_000) is None


def test_a_lost_signal_begins_nothing_that_was_inactive():
    said = event(signal=Signal(False, START, 60.0), holds_without_signal=True)
    assert wish_for(said, action(), Track(), START + 60_000) is None
    assert wish_for(said, action(), shed(shed_ms=0), START + 60_000) == Wish(is_release=True, value=7.0)


def test_an_action_begins_later_where_it_is_told_to():
    later = action(after_s=60.0)
    assert wish_for(event(later), later, Track(), START + 59_999) is None
    assert wish_for(event(later), later, Track(), START + 60_000) == SHED


def test_once_shed_it_stays_so_for_its_minimum_off_time_whatever_happens():
    compressor = action(min_off_s=900.0)
    aborted = event(compressor, life=Life.ABORTED)
    assert wish_for(aborted, compressor, shed(), START + 899_999) is None
    assert wish_for(aborted, compressor, shed(), START + 900_000) == Wish(is_release=True, value=7.0)
    # So it is not begun where the end would break in on it.
    assert wish_for(event(compressor), compressor, Track(), END - 899_999) is None
    assert wish_for(event(compressor), compressor, Track(), END - 900_000) == SHED


def test_where_nobody_follows_it_is_handed_back_at_once_before_its_time_and_out_of_its_turn():
    compressor, other = action(min_off_s=900.0), action("b")
    over = event(compressor, other, life=Life.ENDED, ended_ms=START + 60_000, stage_s=600.0)
    assert wish_for(over, compressor, shed(), START + 61_000) is None
    back = Wish(is_release=True, value=7.0)
    assert wish_for(over, compressor, shed(), START + 61_000, at_once=True) == back
    assert wish_for(over, compressor, Track(), START + 61_000, at_once=True) is None


def test_once_handed_back_it_stays_so_for_its_minimum_on_time():
    compressor, track = action(min_on_s=900.0), Track(back_ms=START)
    assert wish_for(event(compressor), compressor, track, START + 899_999) is None
    assert wish_for(event(compressor), compressor, track, START + 900_000) == SHED


def test_a_guard_hands_back_its_actions():
    assert wish_for(event(), action(), shed(), START, {"a"}) == Wish(is_release=True, value=7.0)
    assert wish_for(event(), action(), Track(), START, {"a"}) is None
    first, second = action("a"), action("b")
    guards = (Guard("z", "temperature", above=27.0, actions=("b",)), Guard("z", "humidity", above=70.0))
    plan = event(first, second, guards=guards).plan
    assert held_back(plan, {0}) == {"b"}
    assert held_back(plan, {0, 1}) == {"a", "b"}
    assert held_back(plan, ()) == frozenset()


def test_the_regular_end_hands_back_in_stages_from_the_last_to_the_first():
    first, second = action("a"), action("b")
    over = event(first, second, life=Life.ENDED, ended_ms=END, stage_s=60.0, dead_man_s=7200.0)
    back = Wish(is_release=True, value=7.0)
    assert wish_for(over, second, shed(), END) == back
    assert wish_for(over, first, shed(), END + 59_999) is None
    assert wish_for(over, first, shed(), END + 60_000) == back
    assert wish_for(over, first, shed(failed="x"), END) == back
    gone = event(first, second, life=Life.ENDED, ended_ms=END, stage_s=60.0, chosen=frozenset({"a"}))
    assert wish_for(gone, second, shed(), END) == back
    # The dead man does not wait for stages.
    strict = event(first, second, life=Life.ENDED, ended_ms=END, stage_s=60.0, dead_man_s=3600.0)
    assert wish_for(strict, first, shed(), END) == back


def reading(value, at_ms=START, quality=Quality.GOOD):
    return Reading(at_ms, value, int(quality))


def test_a_guard_is_past_its_limit_and_back_only_where_it_may():
    warm = Guard("z", "temperature", above=27.0)
    assert not is_past(warm, reading(27.0), START, 0, was_past=False)
    assert is_past(warm, reading(27.1), START, 0, was_past=False)
    assert is_past(warm, reading(20.0), START, 0, was_past=True)  # not in the same event
    again = Guard("z", "temperature", above=27.0, back_at=26.0)
    assert is_past(again, reading(26.5), START, 0, was_past=True)
    assert not is_past(again, reading(26.0), START, 0, was_past=True)
    assert is_past(again, reading(27.5), START, 0, was_past=True)
    cold = Guard("z", "temperature", below=18.0, back_at=19.0)
    assert is_past(cold, reading(17.9), START, 0, was_past=False)
    assert is_past(cold, reading(18.5), START, 0, was_past=True)
    assert not is_past(cold, reading(19.0), START, 0, was_past=True)


@pytest.mark.parametrize(
    "said", [None, reading(math.nan), reading(20.0, quality=Quality.SUSPECT), reading(20.0, START - 600_000)]
)
def test_a_guard_that_knows_nothing_hands_back_once_that_has_lasted(said):
    guard = Guard("z", "temperature", above=27.0, stale_after_s=600.0)
    assert not is_past(guard, said, START, START, was_past=False)
    assert is_past(guard, said, START, START, was_past=True)
    late = START + 600_000
    assert is_past(guard, said, late, START, was_past=False)
    hold = Guard("z", "temperature", above=27.0, stale_after_s=600.0, unknown_releases=False)
    assert not is_past(hold, said, late, START, was_past=False)


def test_actions_are_chosen_by_priority_and_in_turn_until_they_do():
    one, two, three = (
        action("one", expected_kw=50.0, priority=2),
        action("two", expected_kw=30.0, rotates=True),
        action("three", expected_kw=30.0, rotates=True),
    )
    every = (one, two, three)
    assert choose(every, None, {}) == ("one", "two", "three")
    assert choose(every, 30.0, {}) == ("two",)
    assert choose(every, 30.0, {"two": 5}) == ("three",)
    assert choose(every, 30.0, {"two": 5, "three": 4}) == ("three",)
    assert choose(every, 31.0, {"two": 5}) == ("two", "three")
    assert choose(every, 61.0, {}) == ("one", "two", "three")


def test_some_of_the_budget_is_kept_for_the_release():
    one = action(writes_per_day=4)
    assert [within_budget(one, used, is_release=False) for used in range(5)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert [within_budget(one, used, is_release=True) for used in range(5)] == [True, True, True, True, False]
    # Half of it is tried quickly, the other half lasts a day.
    assert [release_rest_s(one, used) for used in range(1, 5)] == [0.0, 0.0, 43_200.0, 43_200.0]


def test_an_action_is_found_by_its_id():
    plan = event(action("a"), action("b")).plan
    assert plan.action("b").id == "b"
    with pytest.raises(KeyError):
        plan.action("c")
