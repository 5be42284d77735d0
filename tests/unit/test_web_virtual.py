"""The page of a site whose electricity is a formula over two meters."""

import math
from contextlib import contextmanager
from datetime import datetime

import pytest

from config.loading import load_site
from config.meter_checks import formulas_of
from monitor.reports.results import SiteResults
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import submit_and_wait
from monitor.virtual import VirtualMeters, store_key
from monitor.web.live import LiveState
from monitor.web.structured import structured
from monitor.web.view import fields
from rules.quality import Quality
from tests.browser.make_store import STEP_S, ZONE, Faults, Feeder, device_rate

NOW_MS = int(datetime(2026, 11, 23, 13, 8, 30, tzinfo=ZONE).timestamp() * 1000) + 400
NOW_S = NOW_MS // 1000
WINDOW_S = NOW_S // STEP_S * STEP_S
MIDNIGHT_S = int(datetime(2026, 11, 23, tzinfo=ZONE).timestamp())

METER = """\
  - {id: mains, name: {zh-TW: 總盤, en: Main boards}, commodity: electricity, formula: main-1 + main-2}
  - {id: site-use, name: {zh-TW: 全棟, en: Whole site}, commodity: electricity,
      formula: mains - 0.5 * main-2}
"""


@contextmanager
def site(folder, formula="mains - 0.5 * main-2", **faults):
    feeder = Feeder(folder, NOW_MS, Faults(**{"days": 2, **faults}))
    text = feeder.site_file.read_text("utf-8").replace("meters: [main-1, main-2]", "meters: [site-use]")
    meters = METER.replace("mains - 0.5 * main-2", formula)
    feeder.site_file.write_text(text + meters, encoding="utf-8")
    feeder.open()
    loaded = load_site(feeder.site_file)
    reader = StoreReader.open(loaded.store_path, "city-hall")
    virtual = VirtualMeters(formulas_of(loaded.site), reader, feeder.writer, STEP_S)
    virtual.catch_up(NOW_S)
    submit_and_wait(feeder.writer, Commit())
    state = LiveState(loaded)
    yield feeder, loaded, reader, state
    state.close()
    reader.close()
    feeder.close()


def use_kw(at_s: float) -> float:
    return device_rate("pm-1", at_s) + 0.5 * device_rate("pm-2", at_s)


def test_power_window_day_and_curve_are_the_formulas(tmp_path):
    with site(tmp_path) as (_, loaded, reader, state):
        snapshot = state.step(NOW_MS)
        assert snapshot.power.value == pytest.approx(use_kw(NOW_S))
        assert snapshot.power.quality is Quality.GOOD
        assert snapshot.power_point[1] == pytest.approx(use_kw(NOW_S), rel=0.01)
        seconds = range(WINDOW_S + 1, NOW_S + 1)
        mean_kw = sum(use_kw(at) for at in seconds) / len(seconds)
        assert snapshot.window.demand.mean_kw == pytest.approx(mean_kw, rel=2e-3)
        closed = sum(
            sum(use_kw(start + offset) for offset in (150, 450, 750)) / 3 / 4
            for start in range(MIDNIGHT_S, WINDOW_S, STEP_S)
        )
        since = sum(use_kw(at) for at in seconds) / 3600
        assert snapshot.today.value == pytest.approx(closed + since, rel=1e-4)
        known = [kw for kw in snapshot.today_curve.mean_kw if math.isfinite(kw)]
        assert len(known) == (WINDOW_S - MIDNIGHT_S) // STEP_S
        assert known[-1] == pytest.approx(sum(use_kw(WINDOW_S - 900 + at) for at in (150, 450, 750)) / 3)
        assert all(not device.formula for device in snapshot.devices)
        demand = [row for row in SiteResults(loaded.site, reader).due(NOW_S) if row.kind == "demand"]
        assert demand[-1].data["kw"] == pytest.approx(known[-1])


def test_a_register_that_is_gone_is_named_and_the_rest_of_the_formula_is_shown(tmp_path):
    with site(tmp_path, offline=("pm-2",)) as (_, _, _, state):
        snapshot = state.step(NOW_MS)
        assert snapshot.power.value == pytest.approx(device_rate("pm-1", NOW_S))
        assert [lack.meter for lack in snapshot.power.lacks] == ["main-2"]
        assert snapshot.window.reading.lacks == snapshot.power.lacks


def test_where_a_formula_subtracts_the_rest_says_nothing(tmp_path):
    with site(tmp_path, formula="mains - 2 * main-2", offline=("pm-2",)) as (_, _, _, state):
        snapshot = state.step(NOW_MS)
        assert not snapshot.power.known
        assert snapshot.window is None
        told = fields(snapshot, "en", ZONE)
        assert told["r.projected"]["n"] == "missing: Main board 2 (no reading since 12:55:30)"
        assert told["t.verdict"] == "Not known while a meter is missing."


def test_who_is_waited_for_stands_among_the_devices_and_is_not_counted_with_them(tmp_path):
    with site(tmp_path) as (feeder, _, _, state):
        before = fields(state.step(NOW_MS), "en", ZONE)
        error = {"code": "store.waits_for", "data": {"part": "main-2"}}
        row = ConditionRow(store_key("site-use"), "degraded", NOW_MS - 3_600_000, error)
        submit_and_wait(feeder.writer, Commit(conditions=[row]))
        snapshot = state.step(NOW_MS + 1000)
        told = fields(snapshot, "en", ZONE)
        (shown,) = [one for one in told["h.devices"] if one["id"] == "site-use"]
        assert (shown["name"], shown["more"]) == ("Whole site", "mains - 0.5 * main-2")
        assert "main-2" in shown["error"]
        assert told["s.devices"] == "troubled"
        assert told["t.devices"] == before["t.devices"]
        assert structured(snapshot, "city-hall")["devices"][-1]["formula"] == "mains - 0.5 * main-2"
