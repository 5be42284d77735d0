"""An event as the dispatcher carries it: what it takes up from the store, and what its guards hold back."""

from dataclasses import replace

from monitor.dispatch.journal import Loaded
from monitor.dispatch.run import Run
from monitor.store.events import EventRow
from rules.curtailment import Guard, Life, Mode, Plan, Reading, Track, Wish
from rules.quality import Quality
from rules.shedding import Action, Sheds

NOW = 1_764_000_000_000
LIMIT = Action("limit", "ch", "limit", 60, None, 40, 100, None, min_off_s=900, sheds=Sheds.DOWN)
PLAN = Plan("summer", Mode.LIVE, 7200, (LIMIT,), (Guard("hall", "humidity", above=70),))
ROW = EventRow("e", PLAN, Mode.LIVE, Life.ACTIVE, NOW, NOW + 3_600_000, NOW, "command", "wang", NOW)


def shows(value, at_ms=NOW):
    return {("hall", "humidity"): Reading(at_ms, value, int(Quality.GOOD))}


def test_what_a_guard_held_back_before_a_restart_it_holds_back_after_it():
    run = Run.of(Loaded(ROW, {}, past=frozenset({0})))
    assert run.look_at_guards(shows(60), NOW, NOW) == []
    assert run.wishes(NOW, 0.0) == []
    fresh = Run.of(Loaded(ROW, {}))
    assert fresh.look_at_guards(shows(60), NOW, NOW) == []
    assert [wish.is_release for _, wish in fresh.wishes(NOW, 0.0)] == [False]


def test_a_limit_that_was_passed_before_the_event_does_not_hold_within_it():
    waiting = replace(ROW, life=Life.SCHEDULED)
    run = Run.of(Loaded(waiting, {}))
    assert run.look_at_guards(shows(75), NOW, NOW) == [(0, True)]
    assert run.look_at_guards(shows(65), NOW, NOW) == [(0, False)]
    run.row = ROW
    assert run.look_at_guards(shows(75), NOW, NOW) == [(0, True)]
    assert run.look_at_guards(shows(65), NOW, NOW) == []
    assert run.past == {0}


def test_a_minimum_off_time_gives_way_where_nobody_follows_and_nowhere_else():
    shed = Track(previous=100.0, stood=100.0, is_shed=True, standing=60.0, shed_ms=NOW)
    run = Run.of(Loaded(ROW, {"limit": shed}))
    assert run.wishes(NOW + 1000, 0.0, ends=True) == []
    assert run.wishes(NOW + 1000, 0.0, ends=True, at_once=True) == [(LIMIT, Wish(True, 100.0))]
