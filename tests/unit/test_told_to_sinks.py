"""What sinks hear beside figures: alarms as they begin and end, an event's life, the daemon's own health."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import Counts
from monitor.alarms import alarm_result
from monitor.health import EVERY_S, Health, memory_bytes
from monitor.requesting import RequestTaker
from monitor.sinks.lines import result_line
from monitor.store.database import open_writer
from monitor.store.event_results import write_event_result
from monitor.store.events import Step, move_event
from monitor.store.reader import StoreReader
from monitor.store.requests import RequestBox
from monitor.store.retention import HEALTH_KEPT_MS, forget_health
from monitor.store.rows import Commit, ResultRow
from monitor.store.writer import Writer, submit_and_wait
from rules.curtailment import Life, Mode, Plan
from rules.shedding import Action
from tests.event_rows import EventRows
from tests.rework_world import StillClock

NOW_S = 1_700_000_000
PLAN = Plan("summer", Mode.LIVE, 7200.0, (Action("fan", "ahu", "speed", 40.0, None, 30.0, 100.0, None),))
TROUBLE = {"code": "care.size_near", "data": {"used": "9 MB", "cap": "10 MB"}}


class House:
    def __init__(self, path: Path) -> None:
        self.engine = open_writer(path)
        self.reader = StoreReader.open(path, "hall")
        self.writer = Writer(self.engine, "hall")
        self.writer.start()

    def commit(self, *results: ResultRow, **more) -> None:
        assert submit_and_wait(self.writer, Commit(results=list(results), **more))

    def results(self, kind: str):
        return [one for one in self.reader.changed_results(0, 1000) if one.kind == kind]

    def close(self) -> None:
        assert self.writer.close()
        self.reader.close()
        self.engine.dispose()


@pytest.fixture
def house(tmp_path):
    with closing(House(tmp_path / "energy.db")) as made:
        yield made


def test_an_alarm_has_a_line_when_it_begins_and_when_it_ends(house):
    house.commit(alarm_result("store/size", NOW_S * 1000, TROUBLE))
    house.commit(alarm_result("store/size", (NOW_S + 60) * 1000, None))
    began, ended = house.results("alarm")
    assert (began.subject, began.data) == ("store.size", {"active": 1.0, "code": "care.size_near"})
    assert (ended.at_s, ended.data) == (NOW_S + 60, {"active": 0.0})
    assert result_line("hall", began) == (
        f"alarm,building=hall,site=hall,subject=store.size active=1.0,rev=0.0 {NOW_S}000".encode()
    )


def test_a_box_in_trouble_is_an_alarm(house, tmp_path):
    box = RequestBox(tmp_path / "energy.db")
    box.path.write_bytes(b"no database " * 1000)
    clock = StillClock()
    clock.ms = NOW_S * 1000
    taker = RequestTaker("hall", box, house.reader, house.writer, clock)
    for _ in range(3):
        house.writer.call(taker.take_up)
        house.commit()
    (kept,) = tmp_path.glob("energy.db.requests.damaged-*")
    kept.unlink()
    clock.ms += 60_000
    house.writer.call(taker.take_up)
    house.commit()
    house.commit()
    told = [(one.subject, one.at_s, one.data["active"]) for one in house.results("alarm")]
    assert told == [("store.requests", NOW_S, 1.0), ("store.requests", NOW_S + 60, 0.0)]
    box.close()


def test_each_turn_of_an_events_life_is_a_row_of_its_own(house):
    rows = EventRows(house.engine, "hall", PLAN)
    start_ms = NOW_S * 1000
    house.commit(ResultRow("demand", "electricity", NOW_S, {"mean_kw": 1.0}))
    rows.event("e1", start_ms, start_ms + 3_600_000, kw=40.0)
    step = Step("e1", start_ms + 500, "active", "daemon")
    assert move_event(house.engine, "hall", "e1", (Life.SCHEDULED,), Life.ACTIVE, step)
    assert not move_event(house.engine, "hall", "e1", (Life.SCHEDULED,), Life.ACTIVE, step)
    step = Step("e1", start_ms + 3_600_000, "ended", "daemon")
    assert move_event(house.engine, "hall", "e1", (Life.ACTIVE,), Life.ENDED, step)
    # The writer goes on counting behind them: no row of it is taken for one that was delivered.
    house.writer.call(lambda engine: None)
    house.commit(ResultRow("demand", "electricity", NOW_S + 900, {"mean_kw": 2.0}))
    told = [
        (one.at_s, one.data["life"], one.data["active"], one.data["open"])
        for one in house.results("dr_event")
    ]
    assert told == [
        (NOW_S - 7200, "scheduled", 0.0, 1.0),
        (NOW_S, "active", 1.0, 1.0),
        (NOW_S + 3600, "ended", 0.0, 0.0),
    ]
    assert house.results("dr_event")[0].data["wanted_kw"] == 40.0
    seqs = [one.seq for one in house.reader.changed_results(0, 1000)]
    assert seqs == sorted(set(seqs))
    assert len(seqs) == 5
    line = result_line("hall", house.results("dr_event")[1])
    assert line.startswith(b"dr_event,building=hall,site=hall,subject=e1 active=1.0,")
    with house.engine.begin() as connection:  # said again it is no change
        write_event_result(connection, "hall", "e1", start_ms + 3_600_000)
    assert len(house.results("dr_event")) == 3


class OneDriver:
    def device_counts(self):
        return {"main": Counts(polls=7, readings=6, silent=1), "wet": Counts(polls=3, readings=3)}


def test_the_daemon_tells_how_it_is_once_a_minute(house):
    clock = StillClock()
    clock.ms = NOW_S * 1000
    drivers: dict[str, Any] = {"north": OneDriver()}
    health = Health(drivers, house.writer, clock)
    clock.ms += 90_500
    row = health.row(clock.ms // 1000)
    assert (row.kind, row.subject, row.at_s % EVERY_S) == ("daemon", "health", 0)
    assert row.data["memory_mb"] > 5
    assert {
        name: row.data[name] for name in ("uptime_s", "devices", "polls", "readings", "silent", "bad")
    } == {
        "uptime_s": 90.5,
        "devices": 2.0,
        "polls": 10.0,
        "readings": 9.0,
        "silent": 1.0,
        "bad": 0.0,
    }
    house.commit(row)
    (told,) = house.results("daemon")
    assert result_line("hall", told).startswith(b"daemon,building=hall,site=hall,subject=health ")
    assert memory_bytes() > 5_000_000


def test_old_health_goes_once_every_sink_has_it_and_nothing_else_does(house):
    now_ms = NOW_S * 1000
    old_s = NOW_S - HEALTH_KEPT_MS // 1000 - 600
    for n in range(5):
        house.commit(
            ResultRow("daemon", "health", old_s + 60 * n, {"polls": 1.0}),
            ResultRow("demand", "electricity", old_s + 60 * n, {"mean_kw": 1.0}),
        )
    house.commit(ResultRow("daemon", "health", NOW_S, {"polls": 1.0}))
    third = house.results("daemon")[2].seq
    house.commit(cursors={("city", "results"): third, ("town", "results"): 1000})
    forget = (house.reader, house.writer, "hall", now_ms)
    assert forget_health(*forget, ["city", "town"]) == 3
    assert (len(house.results("daemon")), len(house.results("demand"))) == (3, 5)
    assert forget_health(*forget, []) == 2
    assert [one.at_s for one in house.results("daemon")] == [NOW_S]


def test_the_newest_row_stays_for_the_next_takes_the_number_behind_it(house):
    old_s = NOW_S - HEALTH_KEPT_MS // 1000 - 600
    for n in range(3):
        house.commit(ResultRow("daemon", "health", old_s + 60 * n, {"polls": 1.0}))
    newest = house.results("daemon")[-1].seq
    assert forget_health(house.reader, house.writer, "hall", NOW_S * 1000, []) == 2
    assert [one.seq for one in house.results("daemon")] == [newest]
