"""Events that a plan was run for, settled out of the store."""

import sqlite3
from datetime import date

import pytest

from monitor.store.database import StoreError
from monitor.store.events import EventRow, Step, add_event, note_step
from monitor.store.ledgers import writing
from monitor.store.settlements import keep_settlement
from rules.curtailment import Life, Mode, Plan
from tests.baseline_world import EVENT, instant_s
from tests.dr_world import dr_json, make_site, of_its_own, run_here


@pytest.fixture(scope="module")
def run_site(tmp_path_factory):
    path = make_site(tmp_path_factory.mktemp("run"))
    plan = Plan("shed", Mode.LIVE, 14_400.0, ())
    with writing(path.parent / "energy.db") as engine:
        for id_, day, hour, life, mode in (
            ("e1", EVENT, 13, Life.ENDED, Mode.LIVE),
            ("dry", date(2025, 7, 14), 13, Life.ENDED, Mode.DRY_RUN),
            ("off", date(2025, 7, 11), 13, Life.CANCELLED, Mode.LIVE),
            ("was", date(2025, 7, 10), 13, Life.ABORTED, Mode.LIVE),
            ("twin", date(2025, 7, 10), 16, Life.ENDED, Mode.LIVE),
            ("now", date(2025, 7, 9), 13.01, Life.ABORTED, Mode.LIVE),
            ("missed", date(2025, 7, 8), 13, Life.ENDED, Mode.LIVE),
            ("seen", date(2025, 7, 7), 13, Life.ENDED, Mode.MONITOR_ONLY),
            ("later", date(2025, 7, 16), 13, Life.SCHEDULED, Mode.LIVE),
        ):
            start_ms = 1000 * instant_s(day, hour)
            row = EventRow(
                id=id_,
                plan=plan,
                mode=mode,
                life=life,
                start_ms=start_ms,
                end_ms=start_ms + 7_200_000,
                noticed_ms=start_ms - 86_400_000,
                source="command",
                who="ann",
                changed_ms=start_ms,
                wanted_kw=120.0,
                programme="taipower-demand-bidding-later",
            )
            add_event(engine, "hall", row)
            if id_ != "missed":
                note_step(engine, "hall", Step(id_, start_ms, "active"))
    return path


def test_one_is_settled_by_its_id_and_then_is_settled(run_site, capsys):
    data = dr_json(capsys, run_site, "settle", "e1", "--bid", "8", "--keep")
    (event,) = data["events"]
    # Live events are no baseline days, dry runs and cancelled ones are days like any other.
    assert event["baseline_days"] == [
        "2025-07-14",
        "2025-07-11",
        "2025-07-08",
        "2025-07-07",
        "2025-07-04",
    ]
    assert event["terms"] == {"committed_kw": "120", "bid": "8", "minimum_kw": None, "notice_min": None}
    curtailed = (1000 + 1020 + 960 + 1010 + 990) / 5 - 840
    assert event["curtailed_kw"] == pytest.approx(curtailed)
    with sqlite3.connect(run_site.parent / "energy.db") as connection:
        lives = dict(connection.execute("SELECT id, life FROM curtailment_events").fetchall())
        steps = connection.execute("SELECT kind FROM event_steps WHERE event = 'e1' ORDER BY id").fetchall()
    assert lives["e1"] == "settled"
    assert lives["was"] == "aborted"
    assert steps == [("ended",), ("active",), ("settled",)]


def test_one_off_the_edges_is_settled_by_its_full_intervals(run_site, capsys):
    data = dr_json(capsys, run_site, "settle", "now", "--bid", "8")
    (event,) = data["events"]  # from 13:00:36 to 15:00:36
    assert (event["start"][11:19], event["end"][11:19]) == ("13:15:00", "15:00:00")
    (told,) = [one for one in event["findings"] if one["code"] == "whole_intervals"]
    assert "2025-07-09T13:00:36+08:00" in told["text"]
    energy = next(line["facts"] for line in event["lines"] if line["code"] == "energy")
    assert float(energy["hours"]) == 1.75


def test_the_month_is_one_of_all_its_events_that_took_place(run_site, capsys):
    data = dr_json(capsys, run_site, "settle", "was", "--bid", "8")
    assert [one["event"] for one in data["events"]] == ["was"]
    (month,) = data["months"]
    count = next(line["facts"]["count"] for line in month["lines"] if line["code"] == "events")
    assert (count, month["credit"] > float(data["events"][0]["credit"])) == (4, True)
    assert "too_many_a_day" in {finding["code"] for finding in data["events"][0]["findings"]}
    code, said = run_here(capsys, run_site, "settle", "was")  # and without a bid there is no total
    assert (code, "total" in said.replace("no total", "")) == (1, False)


def test_a_window_beside_the_id_takes_the_rest_from_the_store(run_site, capsys):
    window = ("--from", "2025-07-10T13:00", "--to", "2025-07-10T14:00")
    (event,) = dr_json(capsys, run_site, "settle", "was", *window, "--bid", "8")["events"]
    assert (event["event"], event["terms"]["committed_kw"]) == ("was", "120")
    assert event["end"].startswith("2025-07-10T14:00")


@pytest.mark.parametrize("id_", ["dry", "off", "missed", "seen", "later"])
def test_what_did_not_take_place_is_not_kept_either(run_site, id_):
    with writing(run_site.parent / "energy.db") as engine, pytest.raises(StoreError) as refused:
        keep_settlement(engine, "hall", of_its_own(id_))
    assert refused.value.code in ("dr.event_not_live", "dr.event_not_over", "dr.event_missed")
    with sqlite3.connect(run_site.parent / "energy.db") as connection:
        assert connection.execute("SELECT id FROM settlements WHERE id = ?", [id_]).fetchall() == []


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("none", "the store has no event 'none'"),
        ("dry", "was dry-run: it shed nothing"),
        ("seen", "was monitor-only: it shed nothing"),
        ("off", "is cancelled; only what took place"),
        ("later", "is scheduled; only what took place"),
        ("missed", "was never active"),
    ],
)
def test_what_cannot_be_settled_is_told(run_site, capsys, event, words):
    code, said = run_here(capsys, run_site, "settle", event, "--bid", "8")
    assert (code, words in said) == (2, True), said
