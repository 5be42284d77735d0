"""The record of an event: whole, unchanged, and held against its own plan."""

import copy
import json
from datetime import datetime, timedelta

import pytest

from monitor.cli.dr_record import run_check_record
from monitor.event_bundle import bundle_of, digest_of
from monitor.event_check import faults_of
from monitor.store.event_reader import EventReader
from monitor.store.events import Step, move_event
from monitor.store.reader import StoreReader
from monitor.store.writes import Outcome, WriteRow, intend, settle
from rules.curtailment import Life, Track
from tests.unit.test_dispatch_desk import HOUR, NOW, Desk


@pytest.fixture
def bundle(tmp_path):
    """An event that shed one action for twenty minutes and handed it back."""
    one = Desk(tmp_path, ("by: 2", "by: 2, min_off_s: 900"))
    event, start = one.ask().event, NOW + HOUR
    assert move_event(one.engine, "hall", event, (Life.SCHEDULED,), Life.ACTIVE, Step(event, start, "active"))
    shed = Track(previous=7.0, stood=7.0, is_shed=True, standing=9.0, shed_ms=start)
    for purpose, asked, at_ms in (("shed", 9.0, start), ("release", 7.0, start + 1_200_000)):
        row = WriteRow(event, "warmer", "ch", "chw_setpoint", purpose, asked, 7.0, at_ms)
        number = intend(one.engine, "hall", event, "warmer", shed, row)
        outcome = Outcome("obeyed", asked, at_ms, at_ms + 9)
        settle(one.engine, "hall", event, "warmer", shed, outcome, number=number)
    assert move_event(
        one.engine, "hall", event, (Life.ACTIVE,), Life.ENDED, Step(event, start + 1_190_000, "ended")
    )
    events = EventReader(one.engine, "hall")
    return bundle_of(one.site, events, StoreReader(one.engine, "hall"), events.events()[0])


def test_a_record_is_whole_and_holds_together(bundle, tmp_path, capsys):
    assert faults_of(bundle) == []
    assert [write["purpose"] for write in bundle["content"]["writes"]] == ["shed", "release"]
    file = tmp_path / "record.json"
    file.write_text(json.dumps(bundle), encoding="utf-8")
    assert run_check_record(file, "en") == 0
    assert "kept to its plan" in capsys.readouterr().out
    file.write_text("{", encoding="utf-8")
    assert run_check_record(file, "en") == 2


def at(content, after_s):
    """An instant so long after the event's start."""
    return (datetime.fromisoformat(content["start"]) + timedelta(seconds=after_s)).isoformat()


def step(content, after_s, kind, **data):
    """Add something that happened; the order is that of time."""
    content["steps"].append({"at": at(content, after_s), "kind": kind, "who": "", "data": data})
    content["steps"].sort(key=lambda one: datetime.fromisoformat(one["at"]))


def writes(content, *seconds):
    """Shed and handed back in turn, at these instants."""
    shed, back = content["writes"]
    content["writes"] = [{**(shed, back)[n % 2], "at": at(content, s)} for n, s in enumerate(seconds)]


def held(content, after_s):
    step(content, after_s, "guard", place=0, holds_back=True)


def shed_again(content):
    writes(content, 0, 950, 1000, 1195)
    content["plan_data"]["actions"][0].update(min_off_s=0, min_on_s=600)


def stopped_early(content):
    writes(content, 0, 300)
    step(content, 299, "stop")


CASES = [
    (lambda c: c["writes"][0].update(asked=99.0), ["floor", "shown"]),
    (lambda c: c["writes"][0].update(previous=None), ["no_previous"]),
    (lambda c: c["writes"][0].update(shown=None), ["no_read_back"]),
    (lambda c: c["writes"][0].update(shown=-999), ["shown"]),
    (lambda c: c["writes"][0].update(shown=9.04), []),  # the register's own rounding
    (lambda c: c["writes"].pop(), ["not_back"]),
    (lambda c: writes(c, 0, 300), ["min_off"]),
    (stopped_early, []),  # nobody followed
    (lambda c: c["steps"].pop(1), ["no_life"]),
    (lambda c: writes(c, 0, 1200, 120 * 86_400), ["no_life", "after_end", "not_back"]),
    (lambda c: writes(c, 0, 1290), ["late"]),
    (lambda c: c["plan_data"].update(dead_man_s=1100), ["late"]),
    (lambda c: held(c, -10), ["guard"]),
    (lambda c: held(c, 800), ["late"]),
    (lambda c: held(c, 1150), []),
    (shed_again, ["min_on"]),
    (lambda c: c["plan_data"]["actions"][0].update(writes_per_day=2), ["budget"]),
    (lambda c: c["steps"].append({"kind": "active"}), ["lives"]),
    (lambda c: c.pop("steps"), ["incomplete"]),
    (lambda c: c.update(format="x"), ["foreign"]),
]


@pytest.mark.parametrize(("change", "codes"), CASES)
def test_what_was_changed_or_broke_the_plan_is_told(bundle, change, codes, tmp_path):
    changed = copy.deepcopy(bundle)
    change(changed["content"])
    found = [code for code, _ in faults_of(changed)]
    assert "dispatch.bundle_changed" in found or found == ["dispatch.bundle_foreign"]
    changed["sha256"] = digest_of(changed["content"])  # and somebody made the sum anew
    assert [code for code, _ in faults_of(changed)] == [f"dispatch.bundle_{code}" for code in codes]
    file = tmp_path / "record.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    assert run_check_record(file, "en") == (1 if codes else 0)


def test_a_record_has_the_first_signal_and_who_asked_for_what(tmp_path):
    one = Desk(tmp_path)
    event = one.ask(ttl_s=60.0, note="hot").event
    one.ask("signal", event=event, signal=True, ttl_s=None)
    events = EventReader(one.engine, "hall")
    content = bundle_of(one.site, events, StoreReader(one.engine, "hall"), events.events()[0])["content"]
    assert content["steps"][0]["data"] == {"active": True, "ttl_s": 60.0}
    assert content["signal"]["ttl_s"] is None
    assert [row["action"] for row in content["audit"]] == ["dr.schedule", "dr.signal"]
    assert content["audit"][0]["detail"]["note"] == "hot"
    assert content["settlement"] is None
