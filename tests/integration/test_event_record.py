"""A settled event's record: its money is worked out again from the file alone."""

import copy
import json
import sqlite3

import pytest

from monitor.event_bundle import digest_of
from monitor.event_check import faults_of
from monitor.store.events import EventRow, Step, add_event, move_event
from monitor.store.ledgers import writing
from rules.curtailment import Life, Mode, Plan
from tests.baseline_world import EVENT, instant_s
from tests.dr_world import dr_json, make_site, run_here


@pytest.fixture(scope="module", params=["taipower-demand-bidding-later", "caiso-10-of-10"])
def record(request, tmp_path_factory):
    """Of an event settled by its programme's own baseline, and by one with an adjustment."""
    folder = tmp_path_factory.mktemp("record")
    site = make_site(folder)
    start_ms = 1000 * instant_s(EVENT, 13)
    row = EventRow("e1", Plan("shed", Mode.LIVE, 14_400.0, ()), Mode.LIVE, Life.SCHEDULED, start_ms,
                   start_ms + 7_200_000, start_ms - 86_400_000, "command", "ann", start_ms, wanted_kw=120.0,
                   programme="taipower-demand-bidding-later", bid=8.0)  # fmt: skip
    with writing(folder / "energy.db") as engine:
        add_event(engine, "hall", row)
        for before, life in ((Life.SCHEDULED, Life.ACTIVE), (Life.ACTIVE, Life.ENDED)):
            assert move_event(engine, "hall", "e1", [before], life, Step("e1", start_ms, life.value))
    return site, folder / "e1.json", request.param


def exported(record, capsys):
    site, file, preset = record
    if not file.exists():
        more = () if preset.startswith("taipower") else ("--preset", preset)
        dr_json(capsys, site, "settle", "e1", "--keep", *more)
        code, said = run_here(capsys, site, "export", "e1", "--out", str(file))
        assert code == 0, said
        assert json.loads(file.read_text("utf-8"))["sha256"] in said
    return json.loads(file.read_text("utf-8"))


def test_the_money_follows_from_the_record_and_its_sum_stands_in_the_audit(record, capsys):
    bundle = exported(record, capsys)
    settled = bundle["content"]["settlement"]
    assert settled["baseline"]["days"]
    assert {one["reason"] for one in settled["baseline"]["left_out"]}
    assert settled["detail"]["terms"]["bid"] == "8"
    assert settled["detail"]["lines"]
    assert (settled["baseline"]["adjustment"] is None) is record[2].startswith("taipower")
    assert faults_of(bundle) == []
    with sqlite3.connect(record[0].parent / "energy.db") as store:
        (told,) = store.execute("SELECT detail FROM audit WHERE action = 'dr.export'").fetchone()
    assert json.loads(told)["sha256"] == bundle["sha256"]


def every(settled, at, kwh):
    """All intervals of a clock time, in UTC, show this."""
    for rows in settled["baseline"]["intervals"].values():
        for row in rows:
            if at in row["start"]:
                row["kwh"] = kwh


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda s: every(s, "T05:15:00", 1000.0), "baseline"),
        (lambda s: every(s, "2025-07-15T05:15:00", 1.0), "drawn"),
        (lambda s: s["baseline"].update(kw=2000.0), "baseline"),
        (lambda s: s["baseline"]["days"].pop(), "baseline"),
        (lambda s: s["detail"].update(drawn_kw=1.0), "drawn"),
        (lambda s: s.update(kwh=9999.0), "kwh"),
        (lambda s: s.update(credit="9999.00"), "credit"),
        (lambda s: s["detail"]["terms"].update(bid="9"), "credit"),
        (lambda s: s["baseline"].update(method=None), "not_again"),
    ],
)
def test_what_does_not_follow_is_told(record, capsys, change, code):
    bundle = copy.deepcopy(exported(record, capsys))
    change(bundle["content"]["settlement"])
    bundle["sha256"] = digest_of(bundle["content"])  # whoever changes it makes the sum anew
    assert f"dispatch.bundle_{code}" in [found for found, _ in faults_of(bundle)]
