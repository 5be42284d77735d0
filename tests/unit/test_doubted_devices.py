"""Doubted meters and drivers' counts, where people look: the page and ``energy-monitor status``."""

import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from config.loading import load_site
from monitor.cli.status import run_status
from monitor.store.counts import CountsRow, write_counts
from monitor.store.database import WriterLock
from monitor.store.rows import Commit, RefusalRow, pack_scan
from monitor.store.writer import register_layouts, submit_and_wait
from monitor.web.live import LiveState
from monitor.web.structured import structured
from monitor.web.view import fields
from rules.quality import Quality
from rules.scan import Scan
from tests.browser.make_store import STEP_S, ZONE, Faults, Feeder

NOW_MS = int(datetime(2026, 11, 23, 13, 8, 30, tzinfo=ZONE).timestamp() * 1000) + 400
STUCK_MS = NOW_MS - 3 * 3_600_000


@pytest.fixture
def feeder(tmp_path):
    one = Feeder(tmp_path, NOW_MS, Faults(days=1))
    one.open()
    yield one
    one.close()


def stick(feeder) -> None:
    """The register of the first main board stands still, as the daemon tells it."""
    start_s = NOW_MS // 1000 // STEP_S * STEP_S - STEP_S
    row = feeder._interval("main-1", start_s)
    interval = replace(row.interval, quality=Quality.SUSPECT, register_start=1234.0, register_end=1234.0)
    data = {"before": 1234.0, "before_ms": NOW_MS - 60_000, "moved_ms": STUCK_MS, "unmetered": 812.5}
    told = RefusalRow("main-1", STUCK_MS + 3_600_000, "stuck", 1234.0, STUCK_MS + 3_600_000, data)
    commit = Commit(intervals=[replace(row, interval=interval)], refusals=[told])
    assert submit_and_wait(feeder.writer, commit)


def doubt(feeder, seconds: int) -> None:
    """The second main board's power is beyond all measure, for some seconds."""
    layout = feeder.layouts["pm-2"]
    wide = replace(layout, points=tuple(replace(one, high=5000.0) for one in layout.points[:1]))
    ids = register_layouts(feeder.engine, "city-hall", [wide])
    commit = Commit()
    for _ in range(seconds):
        feeder.at_s += 1
        quality = np.array([Quality.SUSPECT], np.uint8)
        scan = Scan(wide, feeder.at_s * 1000 + 120, np.array([99_999.0]), quality)
        commit.scans.append((feeder.next_id, ids[wide.key], scan.at_ms, *pack_scan(scan)))
        feeder.next_id += 1
    assert submit_and_wait(feeder.writer, commit)


def shown(state, now_ms, language="en"):
    snapshot = state.step(now_ms)
    told = fields(snapshot, language, ZONE)
    devices = structured(snapshot, "city-hall")["devices"]
    return told, {one["id"]: one for one in told["h.devices"]}, {one["id"]: one for one in devices}


def test_a_stuck_meter_stands_among_the_devices_in_words(feeder):
    stick(feeder)
    state = LiveState(load_site(feeder.site_file))
    told, rows, devices = shown(state, NOW_MS)
    row = rows["pm-1"]
    assert (row["condition"], row["word"]) == ("doubtful", "Suspect")
    assert row["doubts"][0].startswith("the register stands still since 2026-11-23 10:08:30")
    assert told["h.devices"][0]["id"] == "pm-1"
    assert "Main board 1" in told["h.notices"][0]["text"]
    assert told["t.devices"].endswith("1 to look at")
    assert told["s.devices"] == "troubled"
    assert (told["r.today"]["q"], told["r.today"]["n"]) == ("suspect", "because of Main board 1")
    assert devices["pm-1"]["findings"][0]["code"] == "stuck"
    assert "停滯" in shown(state, NOW_MS, "zh-TW")[1]["pm-1"]["doubts"][0]
    state.close()


def test_a_value_beyond_its_range_is_told_with_its_limit_and_since_when(feeder):
    state = LiveState(load_site(feeder.site_file))
    assert shown(state, NOW_MS)[1]["pm-2"]["doubts"] == []
    doubt(feeder, 3)
    _, rows, devices = shown(state, NOW_MS + 3000)
    (text,) = rows["pm-2"]["doubts"]
    assert text.startswith("active_power_total 99,999 kW: above its plausible range (up to 5,000 kW)")
    assert text.endswith("(since 13:08:31)")
    assert devices["pm-2"]["doubts"][0]["why"] == "above"
    feeder.second()
    assert shown(state, NOW_MS + 4000)[1]["pm-2"]["doubts"] == []
    state.close()


def test_counts_stand_beside_the_devices(feeder):
    rows = [
        CountsRow("pm-1", NOW_MS - 60_000, NOW_MS, {"polls": 60, "readings": 58, "silent": 2, "dials": 1}),
        CountsRow("wm-1", NOW_MS - 60_000, NOW_MS, {"messages": 1200, "duplicates": 3}),
    ]
    write_counts(feeder.engine, "city-hall", rows)
    state = LiveState(load_site(feeder.site_file))
    told, _, devices = shown(state, NOW_MS)
    first, second = told["h.counts"]
    assert first["text"] == "polls 60, readings 58, without an answer 2, connections 1"
    assert (first["id"], first["since"], first["troubled"]) == ("pm-1", "13:07:30", True)
    assert second["text"] == "messages 1,200, duplicates 3"
    assert devices["pm-1"]["counts"]["silent"] == 2
    assert devices["pm-2"]["counts"] is None
    state.close()


def test_status_says_it_and_its_exit_code_asks_for_a_person(feeder, capsys):
    def status(**more):
        code = run_status(feeder.site_file, "en", **{"as_json": False, **more})
        return code, " ".join(capsys.readouterr().out.split())

    lock = WriterLock(feeder.folder / "energy.db")
    lock.acquire()  # as a daemon that runs has it
    counts = {"polls": 60, "readings": 60, "dials": 1}
    write_counts(feeder.engine, "city-hall", [CountsRow("pm-1", NOW_MS - 60_000, NOW_MS, counts)])
    code, words = status()
    assert code == 0, words
    assert "Nothing lost of 1 devices since 2026-11-23 13:07:30: polls 60, readings 60" in words
    stick(feeder)
    code, words = status()
    assert code == 1
    assert "main-1: the register stands still since 2026-11-23 10:08:30" in words
    assert words.count("stands still") == 1
    counts = {**counts, "late": 3}
    write_counts(feeder.engine, "city-hall", [CountsRow("pm-1", NOW_MS - 60_000, NOW_MS, counts)])
    doubt(feeder, 1)
    code, words = status()
    assert (
        "pm-1, since 2026-11-23 13:07:30: polls 60, readings 60, connections 1, late answers dropped 3"
        in words
    )
    assert "pm-2: active_power_total 99,999 kW: above its plausible range (up to 5,000 kW)" in words
    code, words = status(as_json=True)
    facts = json.loads(words)
    devices = {one["device"]: one for one in facts["devices"]}
    assert devices["pm-1"]["counts"]["late"] == 3
    assert devices["pm-2"]["doubts"][0]["why"] == "above"
    assert next(one for one in facts["meters"] if one["meter"] == "main-1")["findings"][0]["code"] == "stuck"
    lock.release()


def test_a_register_that_is_never_read_is_told_although_its_device_answers(feeder, capsys):
    """A counter that is no number, or whose message does not come, would cost its energy in silence."""
    lock = WriterLock(feeder.folder / "energy.db")
    lock.acquire()
    state = LiveState(load_site(feeder.site_file))
    assert shown(state, NOW_MS)[2]["pm-1"]["findings"] == []
    feeder.second(1200)  # power comes all the time, and no interval closes
    later_ms = NOW_MS + 1_200_000
    _, rows, devices = shown(state, later_ms)
    assert rows["pm-1"]["condition"] == "doubtful"
    assert rows["pm-1"]["doubts"][0].startswith(
        "no reading of its register has counted since 2026-11-23 13:00"
    )
    (told,) = devices["pm-1"]["findings"]
    assert (told["code"], told["value"]) == ("unread", None)
    assert devices["wm-1"]["findings"] == []  # behind a broker a register may come once an hour
    for language, words in (("en", "main-1: no reading of its register has counted"), ("zh-TW", "無法結算")):
        assert run_status(feeder.site_file, language, as_json=False, now_ms=later_ms) == 1
        assert words in " ".join(capsys.readouterr().out.split())
    feeder.closes()
    assert shown(state, later_ms + 11_000)[2]["pm-1"]["findings"] == []
    run_status(feeder.site_file, "en", as_json=False, now_ms=later_ms)
    assert "main-1: no reading" not in " ".join(capsys.readouterr().out.split())
    state.close()
    lock.release()
