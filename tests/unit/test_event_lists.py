"""Events of a file: all of them or none, told by row, and the same file again changes nothing."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.store.event_reader import EventReader
from tests.dr_world import run_here
from tests.unit.test_config_curtailment import KEY, loaded

ZONE = ZoneInfo("Asia/Taipei")
HEADING = "id,programme,notice,start,end,committed_kw,bid,source\n"
DAY = (datetime.now(ZONE) + timedelta(days=2)).strftime("%Y-%m-%d")


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("ENERGY_MONITOR_KEY", KEY)
    return loaded(tmp_path, ("by: 2}", "by: 2, expected_kw: 90}"))


def row(name, hour, kw="", source="letter", bid="", notice="2020-01-02T03:00"):
    return f"{name},bidding,{notice},{DAY}T{hour:02d}:00,{DAY}T{hour:02d}:30,{kw},{bid},{source}\n"


def schedule(site, capsys, text, *more, operator=("--operator", "wang")):
    file = site.path.with_name("events.csv")
    file.write_text(HEADING + text, "utf-8")
    words = ["dr", "schedule", "summer", "--file", str(file), *operator, *more]
    return run_here(capsys, site.path, *words[1:])


def events(site):
    if not site.store_path.exists():
        return []
    reader = EventReader.open(site.store_path, "hall")
    try:
        return reader.events()
    finally:
        reader.close()


def test_a_file_is_scheduled_whole_and_once(site, capsys):
    text = row("a", 13, 50) + row("b", 15)
    code, said = schedule(site, capsys, text)
    taken, remark = said.strip().splitlines()
    assert (code, taken) == (0, "events.csv: 2 events scheduled, 0 stood there already.")
    assert remark.startswith("events.csv: row 2, 3: Remark: Nothing is known of the programme 'bidding'")
    first, second = events(site)
    assert (first.id, first.wanted_kw, first.programme, first.note) == ("a", 50.0, "bidding", "letter")
    assert (first.source, first.mode, second.wanted_kw) == ("file", "live", None)
    told = datetime.fromtimestamp(first.noticed_ms / 1000, ZONE)
    assert told == datetime(2020, 1, 2, 3, tzinfo=ZONE)
    code, said = schedule(site, capsys, text + row("c", 17))
    assert (code, said.splitlines()[0]) == (0, "events.csv: 1 event scheduled, 2 stood there already.")
    assert [one.id for one in events(site)] == ["a", "b", "c"]


def test_a_changed_bid_or_notice_is_no_event_that_stood_there_already(site, capsys):
    text = row("a", 13, bid="9.5")
    assert schedule(site, capsys, text)[0] == 0
    assert [one.bid for one in events(site)] == [9.5]
    assert schedule(site, capsys, text)[0] == 0
    for changed in (row("a", 13, bid="9.6"), row("a", 13, bid="9.5", notice="2020-01-02T04:00")):
        code, said = schedule(site, capsys, changed)
        assert (code, "There is an event 'a' already" in said) == (1, True), said
    ahead = row("b", 15, notice=f"{DAY}T02:00")  # a plan of a season tells its notices before they are given
    assert schedule(site, capsys, ahead)[0] == 0
    assert "1 stood there already" in schedule(site, capsys, ahead)[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (row("c", 9) + row("d", 17, 500), ["row 3: 500 kW are wanted", "none of its events"]),
        (row("c", 9) + row("a", 17), ["row 3: There is an event 'a' already", "none of its events"]),
        (row("c", 9) + row("d", 13), ["row 3: It overlaps with event 'a'", "none of its events"]),
        (row("c", 9).replace(DAY, "2020-01-03"), ["row 2: The event would begin at 2020-01-03"]),
        (row("c", 9) + row("c", 17), ["events.csv:3", "'c'"]),
        ("c,bidding,,tomorrow,,,,letter\n", ["events.csv:2", "tomorrow"]),
    ],
)
def test_what_is_wrong_with_one_row_keeps_all_of_them_out(site, capsys, text, told):
    assert schedule(site, capsys, row("a", 13))[0] == 0
    code, said = schedule(site, capsys, text)
    assert code != 0
    assert all(part in said for part in told), said
    assert "Traceback" not in said
    assert [one.id for one in events(site)] == ["a"]


def test_a_file_of_drafts_wants_no_key_and_each_is_confirmed_with_one(site, capsys):
    assert schedule(site, capsys, row("a", 13) + row("b", 14),
                    "--draft", operator=())[0] == 0  # fmt: skip
    assert [one.life for one in events(site)] == ["draft", "draft"]
    assert run_here(capsys, site.path, "confirm", "a")[0] == 1
    code, said = run_here(capsys, site.path, "confirm", "a", "--operator", "wang")
    assert (code, "Event a: scheduled, live" in said) == (0, True), said
    assert [one.life for one in events(site)] == ["scheduled", "draft"]
    code, said = run_here(capsys, site.path, "confirm", "a", "--operator", "wang")
    assert (code, "Event 'a' is scheduled; only a draft can be confirmed" in said) == (1, True), said


def test_a_key_is_wanted_once_for_all(site, capsys):
    code, said = schedule(site, capsys, row("a", 13) + row("b", 15), operator=("--operator", "lin"))
    assert (code, "may look on but not dispatch" in said, events(site)) == (1, True, [])
    code, said = schedule(site, capsys, row("a", 13), operator=())
    assert (code, "say who arms it" in said, events(site)) == (1, True, [])
    assert schedule(site, capsys, row("a", 13), "--mode", "dry-run", operator=())[0] == 0
    assert [one.mode for one in events(site)] == ["dry-run"]


def test_a_cancelled_event_is_not_called_again_by_its_file(site, capsys):
    assert schedule(site, capsys, row("a", 13))[0] == 0
    assert run_here(capsys, site.path, "cancel", "a", "--operator", "wang")[0] == 0
    assert schedule(site, capsys, row("a", 13))[0] == 0
    assert [one.life for one in events(site)] == ["cancelled"]


def test_a_start_and_a_file_exclude_each_other(site, capsys):
    for more in (
        ("--start", f"{DAY}T13:00"),
        ("--kw", "3"),
        ("--for", "2h"),
        ("--id", "x"),
        ("--programme", "x"),
    ):
        code, said = schedule(site, capsys, row("a", 13), *more)
        assert (code, "or --file alone" in said) == (2, True), said
    assert events(site) == []


def test_the_audit_names_file_and_events_and_no_key(site, capsys):
    schedule(site, capsys, row("a", 13))
    schedule(site, capsys, row("a", 14))
    with closing(sqlite3.connect(site.store_path)) as store:
        found = store.execute("SELECT action, detail FROM audit ORDER BY id").fetchall()
    assert [action for action, _ in found] == ["dr.schedule_list"] * 2
    done, refused = (json.loads(detail) for _, detail in found)
    assert (done["file"], done["events"], done["operator"]) == ("events.csv", ["a"], "wang")
    assert refused["refused"] == "dispatch.known_event"
    assert KEY not in str(found)
