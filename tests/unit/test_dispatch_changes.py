"""An event that is changed at the desk: another time, more or less of its plan, and what is refused."""

import pytest

from monitor.dispatch.journal import Loaded
from monitor.dispatch.run import Run
from monitor.store.database import StoreError
from monitor.store.event_reader import EventReader
from monitor.store.events import Step, move_event
from rules.curtailment import Life, Track
from tests.unit.test_config_curtailment import KEY
from tests.unit.test_dispatch_desk import HOUR, NOW, Desk

POWERS = [
    ("by: 2}", "by: 2, expected_kw: 60}"),
    ("release: hand-back}", "release: hand-back, expected_kw: 30}"),
]


def begun(one, event):
    assert move_event(one.engine, "hall", event, (Life.SCHEDULED,), Life.ACTIVE, Step(event, NOW, "active"))


def test_what_has_not_begun_may_be_put_off_and_want_less(tmp_path):
    one = Desk(tmp_path, *POWERS)
    event = one.ask().event
    outcome = one.ask("change", event=event, start_ms=NOW + 2 * HOUR, end_ms=NOW + 3 * HOUR, wanted_kw=60.0)
    assert (outcome.start_ms, outcome.end_ms) == (NOW + 2 * HOUR, NOW + 3 * HOUR)
    (row,) = one.events()
    assert (row.start_ms, row.end_ms, row.wanted_kw, row.life) == (
        NOW + 2 * HOUR,
        NOW + 3 * HOUR,
        60.0,
        Life.SCHEDULED,
    )
    assert [step["kind"] for step in EventReader(one.engine, "hall").steps(event)] == ["scheduled", "changed"]
    assert one.audit()[-1][0] == "dr.change"
    assert KEY not in str(one.audit())


def test_what_began_keeps_its_start(tmp_path):
    one = Desk(tmp_path, *POWERS)
    event = one.ask().event
    one.clock.ms = NOW + HOUR + 60_000
    begun(one, event)
    outcome = one.ask("change", event=event, start_ms=NOW + 5 * HOUR, end_ms=NOW + 2 * HOUR)
    assert (outcome.start_ms, outcome.end_ms) == (NOW + HOUR, NOW + 2 * HOUR)


def test_a_start_that_is_past_is_now(tmp_path):
    one = Desk(tmp_path, *POWERS)
    event = one.ask().event
    assert one.ask("change", event=event, start_ms=NOW - HOUR, end_ms=NOW + 60_000).start_ms == NOW


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"end_ms": NOW + HOUR}, "dispatch.ends_before_start"),
        ({"end_ms": NOW + 3 * HOUR}, "dispatch.longer_than_dead_man"),
        ({"wanted_kw": 91.0}, "dispatch.not_enough"),
        ({"key": "guess"}, "dispatch.wrong_key"),
        ({"event": "nobody"}, "dispatch.unknown_event"),
        ({"end_ms": NOW + 2 * HOUR + 60_000, "start_ms": NOW + HOUR + 60_000}, "dispatch.overlaps"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(tmp_path, more, code):
    one = Desk(tmp_path, *POWERS)
    event = one.ask().event
    one.ask(start_ms=NOW + 2 * HOUR, end_ms=NOW + 3 * HOUR)
    before = one.events()
    with pytest.raises(StoreError) as refused:
        one.ask("change", **{"event": event, **more})
    assert refused.value.code == code
    assert one.events() == before


def test_what_is_over_takes_no_change(tmp_path):
    one = Desk(tmp_path)
    event = one.ask().event
    one.ask("cancel", event=event)
    with pytest.raises(StoreError) as refused:
        one.ask("change", event=event)
    assert refused.value.code == "dispatch.not_open"


def test_an_active_event_that_wants_less_hands_the_rest_back(tmp_path):
    one = Desk(tmp_path, *POWERS)
    event = one.ask().event
    begun(one, event)
    (row,) = one.events()
    shed = {action: Track(7.0, 7.0, True, 9.0, NOW) for action in ("warmer", "stop")}
    run = Run.of(Loaded(row, dict(shed)))
    assert run.chosen == {"warmer", "stop"}
    one.ask("change", event=event, end_ms=row.end_ms, wanted_kw=50.0)
    (changed,) = one.events()
    assert run.take(Loaded(changed, dict(shed))) is False
    assert run.chosen == {"warmer"}
    now_ms = row.start_ms + 1000
    assert [(action.id, wish.is_release) for action, wish in run.wishes(now_ms, 0.0)] == [("stop", True)]
    one.ask("change", event=event, end_ms=row.end_ms - 60_000)
    (shorter,) = one.events()
    assert run.take(Loaded(shorter, dict(shed))) is True
    assert run.chosen == {"warmer", "stop"}
