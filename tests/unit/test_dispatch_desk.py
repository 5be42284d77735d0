"""What the desk takes and what it refuses, each refusal in words, audited, and nothing half-done."""

import json
from dataclasses import replace

import pytest

from monitor.dispatch.desk import EventDesk
from monitor.store.curtailment import CurtailmentReader
from monitor.store.database import StoreError, open_writer
from monitor.store.event_reader import EventReader
from monitor.store.event_requests import EventRequest
from monitor.store.events import Step, move_event
from monitor.store.requests import RequestBox
from rules.curtailment import Life
from tests.unit.test_config_curtailment import KEY, loaded

NOW = 1_764_000_000_000
HOUR = 3_600_000


class Fixed:
    """A clock that is set by the test."""

    def __init__(self):
        self.ms = NOW

    def now_ms(self):
        return self.ms

    def monotonic_s(self):
        return self.ms / 1000


class Desk:
    def __init__(self, folder, *changes, acts=True):
        self.site = loaded(folder, *changes)
        self.clock = Fixed()
        self.engine = open_writer(self.site.store_path)
        self.changes = 0
        self.desk = EventDesk(self.site, self.clock, self.count if acts else None)

    def count(self):
        self.changes += 1

    def ask(self, what="schedule", **more):
        facts = {"plan": "summer", "start_ms": NOW + HOUR, "end_ms": NOW + HOUR + 1_800_000,
                 "operator": "wang", "key": KEY, "asked_ms": self.clock.ms, "who": "root"}  # fmt: skip
        return self.desk.carry_out(self.engine, "hall", EventRequest(what=what, **{**facts, **more}))

    def events(self):
        return EventReader(self.engine, "hall").events()

    def audit(self):
        with self.engine.connect() as rows:
            found = rows.exec_driver_sql("SELECT action, actor, detail FROM audit ORDER BY id").all()
        return [(action, actor, json.loads(detail)) for action, actor, detail in found]


def test_an_event_is_scheduled_with_the_plan_as_it_is(tmp_path):
    one = Desk(tmp_path)
    outcome = one.ask(note="hot day")
    (row,) = one.events()
    assert (outcome.event, outcome.life, outcome.mode) == (row.id, "scheduled", "live")
    assert (row.plan, row.who, row.note) == (one.desk._plans["summer"], "wang (root)", "hot day")
    assert one.changes == 1
    assert [step["kind"] for step in EventReader(one.engine, "hall").steps(row.id)] == ["scheduled"]
    ((action, actor, detail),) = one.audit()
    assert (action, actor, detail["event"], "refused" in detail) == ("dr.schedule", "root", row.id, False)
    assert KEY not in json.dumps(detail)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"plan": "winter"}, "dispatch.unknown_plan"),
        ({"start_ms": NOW - HOUR, "end_ms": NOW - 1}, "dispatch.past"),
        ({"start_ms": NOW - HOUR}, "dispatch.past"),
        ({"end_ms": NOW + HOUR}, "dispatch.ends_before_start"),
        ({"end_ms": NOW + 3 * HOUR}, "dispatch.longer_than_dead_man"),
        ({"start_ms": NOW + 600_000, "end_ms": NOW + 900_000}, "dispatch.notice_too_short"),
        ({"what": "trigger", "end_ms": NOW + 900_000}, "dispatch.notice_too_short"),
        ({"key": "guess"}, "dispatch.wrong_key"),
        ({"operator": ""}, "dispatch.no_operator"),
        ({"operator": "lin"}, "dispatch.not_dispatcher"),
        ({"wanted_kw": 200.0}, "dispatch.not_enough"),
        ({"wanted_kw": -1.0}, "dispatch.not_enough"),
        ({"asked_ms": NOW - 61_000}, "dispatch.expired"),
        ({"what": "abort", "event": "nobody"}, "dispatch.unknown_event"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing_but_an_entry_in_the_audit(tmp_path, more, code):
    one = Desk(
        tmp_path,
        ("mode: live", "mode: live\n      least_notice_s: 1800"),
        ("by: 2", "by: 2, expected_kw: 90"),
    )
    with pytest.raises(StoreError) as refused:
        one.ask(**more)
    assert refused.value.code == code
    assert one.events() == []
    assert one.changes == 0
    if code != "dispatch.expired":
        assert one.audit()[0][2]["refused"] == code


def test_events_do_not_overlap(tmp_path):
    one = Desk(tmp_path)
    first = one.ask()
    for start, end in (
        (HOUR - 1, HOUR + 1),
        (HOUR + 60_000, HOUR + 90_000),
        (HOUR + 1_799_999, HOUR + 1_900_000),
    ):
        with pytest.raises(StoreError) as refused:
            one.ask(start_ms=NOW + start, end_ms=NOW + end)
        assert (refused.value.code, refused.value.data["event"]) == ("dispatch.overlaps", first.event)
    after = one.ask(start_ms=NOW + HOUR + 1_800_000, end_ms=NOW + HOUR + 1_900_000)
    assert one.ask("cancel", event=first.event).life == "cancelled"
    again = one.ask()
    assert again.event == f"{first.event}-2"
    assert {row.id for row in one.events()} == {first.event, after.event, again.event}


def test_a_length_is_counted_from_when_a_trigger_is_taken_up(tmp_path):
    one = Desk(tmp_path)
    one.clock.ms += 900  # on its way
    outcome = one.ask("trigger", asked_ms=NOW, end_ms=0, length_s=1800.0)
    assert (outcome.start_ms, outcome.end_ms) == (NOW + 900, NOW + 900 + 1_800_000)


def test_an_event_off_the_edges_of_intervals_is_remarked_and_one_on_them_is_not(tmp_path):
    one = Desk(tmp_path)
    edge = (NOW // 900_000 + 4) * 900_000
    off = one.ask(start_ms=edge + 420_000, end_ms=edge + 1_800_000)
    assert [remark["code"] for remark in off.remarks] == ["dispatch.off_edges"]
    on = one.ask(start_ms=edge + 1_800_000, end_ms=edge + 3_600_000)
    assert on.remarks == ()


def test_a_mode_may_be_weaker_than_the_plan_and_never_stronger(tmp_path):
    one = Desk(tmp_path, ("mode: live", "mode: dry-run"))
    assert one.ask(operator="", key="").mode == "dry-run"
    with pytest.raises(StoreError) as refused:
        one.ask(mode="live", start_ms=NOW + 2 * HOUR, end_ms=NOW + 2 * HOUR + 60_000)
    assert refused.value.code == "dispatch.mode_stronger"
    watched = one.ask(mode="monitor-only", start_ms=NOW + 2 * HOUR, end_ms=NOW + 2 * HOUR + 60_000)
    assert watched.mode == "monitor-only"


def test_cancelling_wants_a_key_and_aborting_does_not(tmp_path):
    one = Desk(tmp_path)
    event = one.ask().event
    with pytest.raises(StoreError) as refused:
        one.ask("cancel", event=event, operator="", key="")
    assert refused.value.code == "dispatch.no_operator"
    with pytest.raises(StoreError) as refused:
        one.ask("abort", event=event)
    assert refused.value.code == "dispatch.not_active"
    step = Step(event, NOW, "active")
    assert move_event(one.engine, "hall", event, (Life.SCHEDULED,), Life.ACTIVE, step)
    with pytest.raises(StoreError) as refused:
        one.ask("cancel", event=event)
    assert refused.value.code == "dispatch.not_cancellable"
    assert one.ask("abort", event=event, operator="", key="").life == "aborted"
    # Its day is an event day from now on; that of a scheduled one is not yet.
    assert CurtailmentReader(one.engine, "hall").spans() == [
        ((NOW + HOUR) // 1000, (NOW + HOUR) // 1000 + 1800)
    ]


def test_a_signal_is_kept_with_its_time_to_live(tmp_path):
    one = Desk(tmp_path)
    event = one.ask(signal=True, ttl_s=60.0).event
    assert one.events()[0].signal.state(NOW + 60_000) is None
    one.clock.ms += 30_000
    one.ask("signal", event=event, signal=False, ttl_s=None)
    assert one.events()[0].signal.state(NOW + HOUR) is False
    one.ask("cancel", event=event)
    with pytest.raises(StoreError) as refused:
        one.ask("signal", event=event)
    assert refused.value.code == "dispatch.not_open"


def test_without_a_dispatcher_nothing_is_triggered_but_all_else_is_written_down(tmp_path):
    one = Desk(tmp_path, acts=False)
    with pytest.raises(StoreError) as refused:
        one.ask("trigger", end_ms=NOW + 60_000)
    assert refused.value.code == "dispatch.nobody_acts"
    assert one.ask().life == "scheduled"


def test_a_request_waits_for_a_process_with_a_desk_and_its_key_is_gone_from_the_box_afterwards(tmp_path):
    one = Desk(tmp_path)
    box = RequestBox(one.site.store_path)
    request = EventRequest("schedule", NOW, "root", plan="summer", start_ms=NOW + HOUR, end_ms=NOW + 2 * HOUR,
                           operator="wang", key=KEY)  # fmt: skip
    number = box.put(request)
    assert box.take_up(one.engine, "hall") == 0  # an import beside it has no desk
    assert KEY.encode() in box.path.read_bytes()
    box.give_to("curtailment", one.desk.carry_out)
    assert box.take_up(one.engine, "hall") == 1
    assert box.answer_to(number).life == "scheduled"
    refused = box.put(replace(request, plan="winter"))
    box.take_up(one.engine, "hall")
    with pytest.raises(StoreError, match=r"dispatch\.unknown_plan"):
        box.answer_to(refused)
    assert KEY.encode() not in box.path.read_bytes()
