"""The record of an event: whole, unchanged, and held against its own plan."""

import copy
import json

import pytest

from monitor.cli.dr_record import run_check_record
from monitor.event_bundle import bundle_of, digest_of, faults_of
from monitor.store.event_reader import EventReader
from monitor.store.events import Outcome, Step, WriteRow, intend, move_event, settle
from monitor.store.reader import StoreReader
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
        settle(one.engine, "hall", event, "warmer", shed, number, Outcome("obeyed", asked, at_ms, at_ms + 9))
    assert move_event(one.engine, "hall", event, (Life.ACTIVE,), Life.ENDED, Step(event, start, "ended"))
    events = EventReader(one.engine, "hall")
    return bundle_of(one.site, events, StoreReader(one.engine, "hall"), events.events()[0])


def test_a_record_is_whole_and_holds_together(bundle, tmp_path, capsys):
    assert faults_of(bundle) == []
    assert [write["purpose"] for write in bundle["content"]["writes"]] == ["shed", "release"]
    file = tmp_path / "record.json"
    file.write_text(json.dumps(bundle), encoding="utf-8")
    assert run_check_record(file, "en") == 0
    assert "keeps to its plan" in capsys.readouterr().out
    file.write_text("{", encoding="utf-8")
    assert run_check_record(file, "en") == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda c: c["writes"][0].update(asked=99.0), "dispatch.bundle_floor"),
        (lambda c: c["writes"][0].update(previous=None), "dispatch.bundle_no_previous"),
        (lambda c: c["writes"][0].update(shown=None), "dispatch.bundle_no_read_back"),
        (lambda c: c["writes"].pop(), "dispatch.bundle_not_back"),
        (lambda c: c["writes"][1].update(at=c["writes"][0]["at"]), "dispatch.bundle_min_off"),
        (lambda c: c["steps"].pop(1), None),
        (lambda c: c["steps"].append({"kind": "active"}), "dispatch.bundle_lives"),
        (lambda c: c.pop("steps"), "dispatch.bundle_incomplete"),
        (lambda c: c.update(format="x"), "dispatch.bundle_foreign"),
    ],
)
def test_what_was_changed_or_broke_the_plan_is_told(bundle, change, code, tmp_path):
    changed = copy.deepcopy(bundle)
    change(changed["content"])
    codes = [found[0] for found in faults_of(changed)]
    assert "dispatch.bundle_changed" in codes or codes == ["dispatch.bundle_foreign"]
    changed["sha256"] = digest_of(changed["content"])  # and somebody made the sum anew
    assert [found[0] for found in faults_of(changed)] == ([] if code is None else [code])
    file = tmp_path / "record.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    assert run_check_record(file, "en") == (0 if code is None else 1)
