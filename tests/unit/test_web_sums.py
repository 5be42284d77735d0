"""Sums on the page of which a part is missing: the rest, with what it is without and since when."""

from datetime import datetime
from pathlib import Path

import pytest

from config.loading import load_site
from config.site import LocalName
from monitor.web.live import LiveState
from monitor.web.reading import Lack, Reading, combined, missing, summed
from monitor.web.structured import structured
from monitor.web.view import fields
from tests.browser.make_store import STEP_S, ZONE, Faults, Feeder, device_rate

NOW_MS = int(datetime(2026, 11, 23, 13, 8, 30, tzinfo=ZONE).timestamp() * 1000) + 400


def site_with(folder: Path, **faults) -> tuple[Feeder, LiveState]:
    feeder = Feeder(folder, NOW_MS, Faults(**{"days": 2, **faults}))
    feeder.open()
    return feeder, LiveState(load_site(feeder.site_file))


def test_one_silent_meter_is_named_and_the_rest_is_shown(tmp_path):
    feeder, state = site_with(tmp_path, offline=("pm-2",))
    snapshot = state.step(NOW_MS)
    assert snapshot.power.value == pytest.approx(device_rate("pm-1", NOW_MS // 1000))
    assert not snapshot.power.whole
    assert [lack.meter for lack in snapshot.power.lacks] == ["main-2"]
    assert snapshot.window.reading.lacks == snapshot.power.lacks
    assert snapshot.power_point is None  # a curve without it would show a fall that there was not
    shown = fields(snapshot, "zh-TW", state.plan.zone)
    assert shown["r.power"]["q"] == "partial"
    assert shown["r.power"]["n"] == "不含二號總盤（12:55:30 起無讀值）"
    assert shown["r.projected"]["n"] == shown["r.power"]["n"]
    assert shown["r.today"]["n"] == "不含二號總盤（13:00:00 起無讀值）"  # its intervals are closed up to then
    assert shown["s.window"] == "partial"
    assert shown["t.window_margin"] == "—"
    assert "將高於" in shown["t.verdict"]
    assert structured(snapshot, "city-hall")["power"]["without"] == [
        {"meter": "main-2", "since": "2026-11-23T04:55:30.000+00:00"}
    ]
    assert shown["h.devices"][0]["id"] == "pm-2"
    assert "192.0.2.11:502" in shown["h.devices"][0]["error"]
    assert "pm-2" in shown["h.notices"][0]["text"]
    state.close()
    feeder.close()


def test_over_the_contract_without_a_meter_is_over_all_the_same(tmp_path):
    feeder, state = site_with(tmp_path, offline=("pm-2",), contract_kw=200.0)
    shown = fields(state.step(NOW_MS), "en", state.plan.zone)
    assert shown["s.window"] == "over"
    assert shown["t.verdict"].startswith("Even without the meter")
    assert shown["t.window_margin"] != "—"
    state.close()
    feeder.close()


def test_a_meter_that_goes_silent_is_dropped_from_sums_after_a_minute(tmp_path):
    feeder, state = site_with(tmp_path)
    assert state.step(NOW_MS).power.whole
    silent_s = feeder.at_s
    feeder.faults.offline = ("pm-2",)
    feeder.second(30)
    late = state.step(NOW_MS + 30_000)
    assert late.power.whole
    assert late.power.is_stale(NOW_MS + 30_000)
    feeder.second(60)
    now_ms = NOW_MS + 90_000
    gone = state.step(now_ms)
    assert gone.power.value == pytest.approx(device_rate("pm-1", now_ms // 1000))
    assert not gone.power.is_stale(now_ms)
    (lack,) = gone.power.lacks
    assert lack.since_ms == silent_s * 1000 + 120
    # What it used before it went silent stays counted; nothing is guessed for it since.
    assert gone.today.lacks == (lack,)
    start_s = NOW_MS // 1000 // STEP_S * STEP_S
    used = [sum(device_rate("pm-1", at) for at in range(start_s, now_ms // 1000)) / 3600]
    used.append(sum(device_rate("pm-2", at) for at in range(start_s, silent_s)) / 3600)
    assert gone.window.reading.value == pytest.approx(sum(used), rel=5e-3)
    state.close()
    feeder.close()


def test_parts_that_are_silent_altogether_are_shown_as_they_were():
    lack = Lack("b", LocalName.model_validate({"zh-TW": "乙", "en": "B"}), None)
    known, unknown = Reading(5.0, "kW"), missing("kW", lacks=[lack])
    assert summed([1.0, 1.0], [known, unknown], "kW").value == 5.0
    assert summed([1.0, 1.0], [known, unknown], "kW").lacks == (lack,)
    assert not summed([1.0, -1.0], [known, unknown], "kW").known  # neither less nor more than the whole
    assert summed([1.0, -1.0], [known, unknown], "kW").lacks == (lack,)
    assert not summed([1.0], [unknown], "kW").known
    assert combined([known, unknown], "kW", sum).lacks == (lack,)
