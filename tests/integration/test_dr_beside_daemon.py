"""Settlements and lists of events handed to a daemon that runs: it writes them, whole or not at all."""

import json
import sqlite3
import sys
from contextlib import closing

from monitor.store.events import EventRow, Step, add_event, note_step
from monitor.store.ledgers import writing
from rules.curtailment import Life, Mode, Plan
from tests.baseline_world import EVENT, instant_s
from tests.dr_world import dr_json, make_site, run_here
from tests.servers import run_program
from tests.unit.test_config_curtailment import KEY, loaded
from tests.unit.test_event_lists import HEADING, events, row

PATIENCE_S = 120.0
DAEMON = [sys.executable, "-m", "monitor.cli.main", "run", "--site"]


def asked(path, question):
    with closing(sqlite3.connect(path)) as store:
        return store.execute(question).fetchall()


def test_a_settlement_is_kept_by_the_daemon(tmp_path, capsys):
    site = make_site(tmp_path)
    start_ms = 1000 * instant_s(EVENT, 13)
    told = Plan("shed", Mode.LIVE, 14_400.0, ())
    with writing(tmp_path / "energy.db") as engine:
        add_event(engine, "hall", EventRow(
            id="e1", plan=told, mode=Mode.LIVE, life=Life.ENDED,
            start_ms=start_ms, end_ms=start_ms + 7_200_000, noticed_ms=start_ms - 86_400_000,
            source="command", who="ann", changed_ms=start_ms,
            wanted_kw=120.0, programme="taipower-demand-bidding-later",
        ))  # fmt: skip
        note_step(engine, "hall", Step("e1", start_ms, "active"))
    with run_program([*DAEMON, site], name="daemon") as daemon:
        daemon.wait_for_line("reading 2 devices", timeout_s=PATIENCE_S)
        (event,) = dr_json(capsys, site, "settle", "e1", "--bid", "8", "--keep")["events"]
        daemon.wait_for_line("1 requests of other commands carried out", timeout_s=PATIENCE_S)
        code, said = run_here(capsys, site, "settle", "e1", "--bid", "8", "--keep")
        assert (code, "stands in the store already" in said) == (0, True), said
        code, said = run_here(capsys, site, "settle", "e1", "--bid", "9", "--keep")
        assert (code, "--replace" in said) == (1, True), said
        store = tmp_path / "energy.db"
        assert asked(store, "SELECT id, credit FROM settlements") == [("e1", event["credit"])]
        assert asked(store, "SELECT life FROM curtailment_events") == [("settled",)]
        code, said = run_here(capsys, site, "settle", "e1", "--bid", "9", "--keep", "--replace")
        assert (code, "took the place" in said) == (0, True), said
        assert asked(store, "SELECT credit FROM settlements") != [(event["credit"],)]
        assert daemon.terminate() == 0


def test_a_list_of_events_is_taken_by_the_daemon_whole_and_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ENERGY_MONITOR_KEY", KEY)
    site = loaded(tmp_path, ("by: 2}", "by: 2, expected_kw: 90}"))
    file = tmp_path / "events.csv"

    def schedule(*rows):
        file.write_text(HEADING + "".join(rows), "utf-8")
        return run_here(capsys, site.path, "schedule", "summer", "--file", str(file), "--operator", "wang")

    with run_program([*DAEMON, site.path], name="daemon") as daemon:
        daemon.wait_for_line("reading 2 devices", timeout_s=PATIENCE_S)
        code, said = schedule(row("a", 13, 50), row("b", 15))
        assert (code, "events.csv: 2 events scheduled, 0 stood there already." in said) == (0, True), said
        daemon.wait_for_line("1 requests of other commands carried out", timeout_s=PATIENCE_S)
        assert [one.id for one in events(site)] == ["a", "b"]
        code, said = schedule(row("a", 13, 50), row("b", 15), row("c", 17))
        assert (code, "1 event scheduled, 2 stood there already" in said) == (0, True), said
        code, said = schedule(row("d", 9), row("e", 15), row("f", 19, 500))
        assert code == 1, said
        assert "row 3: It overlaps with event 'b'" in said
        assert "row 4: 500 kW are wanted" in said
        assert "none of its events" in said
        assert [one.id for one in events(site)] == ["a", "b", "c"]
        monkeypatch.setenv("ENERGY_MONITOR_KEY", "guess")
        code, said = schedule(row("d", 9))
        assert (code, "not the one of operator 'wang'" in said) == (1, True), said
        assert daemon.terminate() == 0
    details = [json.loads(detail) for (detail,) in asked(site.store_path, "SELECT detail FROM audit "
               "WHERE action = 'dr.schedule_list' ORDER BY id")]  # fmt: skip
    assert [one.get("events") for one in details] == [["a", "b"], ["c"], None, None]
    assert KEY not in str(details)
