"""The audit at the command line: who had what done, what was refused and why, by time, person and kind."""

import json
from datetime import datetime, timedelta

import pytest

from monitor.store.database import open_writer
from monitor.store.deliveries import add_audit
from monitor.store.event_reader import EventReader
from tests.dr_world import run_main
from tests.tariff_world import TAIPEI
from tests.unit.test_config_curtailment import KEY, loaded

AT_MS = int(datetime(2026, 7, 1, 14, 0, tzinfo=TAIPEI).timestamp() * 1000)
DAY_MS = 86_400_000


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("ENERGY_MONITOR_KEY", KEY)
    return loaded(tmp_path, ("by: 2}", "by: 2, expected_kw: 90}"))


def fill(site):
    engine = open_writer(site.store_path)
    for offset_ms, who, what, detail in (
        (0, "wang", "dr.trigger", {"event": "e1"}),
        (3_600_000, "lin", "dr.abort", {"event": "e1", "refused": "dispatch.not_active"}),
        (DAY_MS, "wang", "drain.test", {}),
        (2 * DAY_MS, "wang", "settlement.added", {"event": "e1", "kwh": 12.5}),
    ):
        add_audit(engine, "hall", AT_MS + offset_ms, who, what, detail)
    engine.dispose()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), ["dr.trigger", "dr.abort", "drain.test", "settlement.added"]),
        (("--what", "dr"), ["dr.trigger", "dr.abort"]),
        (("--what", "dr.abort"), ["dr.abort"]),
        (("--who", "wang"), ["dr.trigger", "drain.test", "settlement.added"]),
        (("--from", "2026-07-02"), ["drain.test", "settlement.added"]),
        (("--to", "2026-07-01"), ["dr.trigger", "dr.abort"]),
        (("--from", "2026-07-01T14:30", "--to", "2026-07-02T14:00"), ["dr.abort"]),
    ],
)
def test_entries_by_time_person_and_kind(site, capsys, words, found):
    fill(site)
    code, said = run_main(capsys, site.path, "audit", *words, "--json")
    assert code == 0, said
    rows = json.loads(said)
    assert [row["action"] for row in rows] == found
    assert all(datetime.fromisoformat(row["at"]).timestamp() * 1000 == row["at_ms"] for row in rows)


def test_in_words_and_what_is_no_time(site, capsys):
    fill(site)
    code, said = run_main(capsys, site.path, "audit")
    assert code == 0
    assert "refused dispatch.not_active" in said
    assert "2026-07-01 15:00:00" in said
    assert run_main(capsys, site.path, "audit", "--who", "nobody")[1].strip() == "There is no such entry."
    code, said = run_main(capsys, site.path, "audit", "--from", "noon")
    assert (code, "'noon' is no instant" in said) == (2, True)


def test_a_refused_file_leaves_its_reasons_and_a_signal_stands_in_the_event(site, capsys):
    start = (datetime.now(TAIPEI) + timedelta(days=2)).replace(hour=13)
    file = site.path.with_name("events.csv")
    edges = f"{start:%Y-%m-%dT%H:00},{start + timedelta(hours=1):%Y-%m-%dT%H:00}"
    later = edges.replace(f"{start:%Y-%m-%d}", f"{start + timedelta(days=7):%Y-%m-%d}")
    rows = f"a,bidding,,{edges},,,letter\nb,bidding,,{later},500,,letter\n"
    file.write_text(f"id,programme,notice,start,end,committed_kw,bid,source\n{rows}", "utf-8")
    dr = ("dr", "schedule", "summer")
    code, said = run_main(capsys, site.path, *dr, "--file", file, "--operator", "wang")
    assert (code != 0, "row 3: 500 kW are wanted" in said) == (True, True), said
    asked = (*dr, "--start", f"{start:%Y-%m-%dT%H:00}", "--for", "1h", "--id", "one", "--operator", "wang")
    code, said = run_main(capsys, site.path, *asked)
    assert code == 0, said
    code, said = run_main(capsys, site.path, "dr", "signal", "one", "inactive", "--ttl", "10m")
    assert code == 0, said
    reader = EventReader.open(site.store_path, "hall")
    (row,) = reader.events()
    reader.close()
    assert (row.signal.is_active, row.signal.ttl_s) == (False, 600.0)
    code, said = run_main(capsys, site.path, "dr", "signal", "one", "maybe")
    assert (code, "active or inactive" in said) == (2, True)
    rows = json.loads(run_main(capsys, site.path, "audit", "--json")[1])
    assert [row["action"] for row in rows] == ["dr.schedule_list", "dr.schedule", "dr.signal"]
    assert rows[0]["detail"]["reasons"] == [{"row": 3, "code": "dispatch.not_enough"}]
