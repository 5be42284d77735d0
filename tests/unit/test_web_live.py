import math
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest

from config.loading import load_site
from config.site import Commodity
from monitor.store.rows import Commit, Snapshot
from monitor.store.writer import submit_and_wait
from monitor.web.live import LiveState
from monitor.web.plan import PointAt, plan_site
from monitor.web.plant import plant_state
from monitor.web.reading import Reading, combined
from monitor.web.readings import Board, MeterTrace
from monitor.web.view import fields
from rules.metering import MeterRules, MeterTrack
from rules.quality import Quality
from rules.quantities import Kind
from rules.scan import Layout, PointSpec, Scan
from tests.browser.make_store import STEP_S, ZONE, Faults, Feeder, building_kw, device_rate

NOW_MS = int(datetime(2026, 11, 23, 13, 8, 30, tzinfo=ZONE).timestamp() * 1000) + 400
WINDOW_S = NOW_MS // 1000 // STEP_S * STEP_S
HEADER_POINTS = (
    ("cooling_power", "kW"),
    ("chw_flow", "L/s"),
    ("chw_supply_temp", "degC"),
    ("chw_return_temp", "degC"),
)


def site_with(folder: Path, **faults) -> tuple[Feeder, LiveState]:
    feeder = Feeder(folder, NOW_MS, Faults(**{"days": 2, **faults}))
    feeder.open()
    return feeder, LiveState(load_site(feeder.site_file))


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    feeder, state = site_with(tmp_path_factory.mktemp("usual"))
    snapshot = state.step(NOW_MS)
    yield snapshot
    state.close()
    feeder.close()


def test_power_now_is_the_sum_of_the_buildings_meters(usual):
    assert usual.power.value == pytest.approx(building_kw(NOW_MS // 1000))
    assert usual.power.quality is Quality.GOOD
    assert usual.power.at_ms == NOW_MS // 1000 * 1000 + 120
    assert not usual.power.is_stale(NOW_MS)


def test_the_open_window_is_made_from_registers(usual):
    elapsed_s = NOW_MS / 1000 - WINDOW_S
    seconds = range(WINDOW_S + 1, NOW_MS // 1000 + 1)
    mean_kw = sum(building_kw(at) for at in seconds) / len(seconds)
    demand = usual.window.demand
    assert demand.elapsed_s == pytest.approx(elapsed_s)
    assert demand.mean_kw == pytest.approx(mean_kw, rel=2e-3)
    expected = (demand.mean_kw * elapsed_s + usual.power.value * (900 - elapsed_s)) / 900
    assert demand.projected_kw == pytest.approx(expected)
    assert usual.window.reading.quality is Quality.GOOD


def test_today_is_closed_intervals_and_the_registers_since(usual):
    midnight = int(datetime(2026, 11, 23, tzinfo=ZONE).timestamp())
    closed = sum(
        sum(device_rate(device, start + offset) for offset in (150, 450, 750)) / 3 / 4
        for start in range(midnight, WINDOW_S, STEP_S)
        for device in ("pm-1", "pm-2")
    )
    since = sum(building_kw(at) for at in range(WINDOW_S + 1, NOW_MS // 1000 + 1)) / 3600
    assert usual.today.value == pytest.approx(closed + since, rel=1e-4)
    assert usual.today.quality is Quality.GOOD


def test_the_day_has_its_highest_mean(usual):
    curve = usual.today_curve
    known = [kw for kw in curve.mean_kw if math.isfinite(kw)]
    assert curve.day == date(2026, 11, 23)
    assert curve.mean_kw[curve.highest] == max(known)
    assert curve.hours[curve.highest] == pytest.approx(10.75)


def test_only_days_that_both_years_know_are_compared(usual):
    half = next(iter(usual.half_years.values()))
    assert (half.year, half.half, half.base_year) == (2026, 2, 2024)
    assert half.days == 145
    assert half.compared == 1
    assert half.actual < half.base


def test_wet_bulb_is_an_estimate_from_temperature_and_humidity(usual):
    assert usual.wet_bulb.quality is Quality.ESTIMATED
    assert usual.wet_bulb.value < usual.temperature.value


def test_without_a_flow_no_efficiency_is_guessed(usual):
    assert usual.plant.power.known
    assert not usual.plant.kw_per_rt.known
    assert usual.plant.kw_per_rt.note == "page.note_no_flow"


def test_with_a_flow_the_efficiency_is_power_over_cooling(tmp_path):
    feeder, state = site_with(tmp_path, flow=True)
    plant = state.step(NOW_MS).plant
    cooling_kw = 2 * 4.186 * 52.0 * 4.8
    assert plant.tons.value == pytest.approx(cooling_kw / 3.517)
    assert plant.kw_per_rt.value == pytest.approx(plant.power.value / (cooling_kw / 3.517))
    state.close()
    feeder.close()


def test_a_meter_on_the_common_header_tells_the_cooling(tmp_path):
    feeder = Feeder(tmp_path, NOW_MS, Faults(days=1))
    with_header = feeder.site_file.read_text("utf-8").replace(
        "      - {id: roof,", "      - {id: header, profile: json_btu_meter, topic: h}\n      - {id: roof,"
    )
    feeder.site_file.write_text(with_header, "utf-8")
    feeder.open()
    board = Board(plan_site(load_site(feeder.site_file)))
    state = LiveState(load_site(feeder.site_file))
    assert state.step(NOW_MS).plant.kw_per_rt.note == "page.note_no_flow"
    points = tuple(PointSpec(name, unit, Kind.GAUGE) for name, unit in HEADER_POINTS)
    for values, cooling_kw in (([1758.5, 84.0, 7.0, 12.0], 1758.5), ([math.nan, 84.0, 7.0, 12.0], 1758.12)):
        quality = np.array([Quality.MISSING if math.isnan(v) else Quality.GOOD for v in values], np.uint8)
        layout = Layout("header", "main", "chilled_water", points)
        board.take(Scan(layout, NOW_MS, np.array(values), quality), NOW_MS)
        tons = plant_state(board, state.plan, NOW_MS).tons
        assert tons.value == pytest.approx(cooling_kw / 3.517)
    state.close()
    feeder.close()


def test_the_window_begins_where_the_daemons_account_stands(tmp_path):
    feeder, state = site_with(tmp_path)
    plan = state.plan.building[Commodity.ELECTRICITY]
    states = {}
    for meter in plan:
        track = MeterTrack(MeterRules(meter.limits, STEP_S, STEP_S * 1000))
        track.take((WINDOW_S - 1) * 1000, 100.0, math.nan, 0)
        track.take(NOW_MS, 100.0 + 90.0, math.nan, 0)
        states[meter.id] = track.save()
    snapshot = Snapshot(feeder.next_id - 1, states, {})
    submit_and_wait(feeder.writer, Commit(snapshot=snapshot))
    window = state.step(NOW_MS).window
    assert window.demand.energy_kwh == pytest.approx(180.0, rel=5e-3)
    assert window.reading.quality is Quality.GOOD
    state.close()
    feeder.close()


def test_a_ledger_of_months_is_spread_over_its_days_and_says_so(tmp_path):
    feeder, state = site_with(tmp_path, base="ledger", days=None)
    half = next(iter(state.step(NOW_MS).half_years.values()))
    assert half.compared == half.days == 145
    assert half.estimated
    assert half.actual is not None
    assert half.base is not None
    assert half.change.change == half.actual - half.base
    assert [pair.month for pair in half.months] == [7, 8, 9, 10, 11, 12]
    assert math.isnan(half.months[-1].actual)
    state.close()
    feeder.close()


def test_what_is_committed_later_is_followed(tmp_path):
    feeder, state = site_with(tmp_path)
    state.step(NOW_MS)
    feeder.second(2)
    snapshot = state.step(NOW_MS + 2000)
    assert snapshot.power.value == pytest.approx(building_kw(NOW_MS // 1000 + 2))
    assert snapshot.power.at_ms == NOW_MS // 1000 * 1000 + 2120
    state.close()
    feeder.close()


def test_a_daemon_that_stopped_leaves_its_last_values_and_the_time(tmp_path):
    feeder, state = site_with(tmp_path, silent_s=7200)
    snapshot = state.step(NOW_MS)
    assert snapshot.stopped_ms == (NOW_MS // 1000 - 7200) * 1000 + 120
    assert snapshot.window is None
    assert snapshot.power.value == pytest.approx(building_kw(NOW_MS // 1000 - 7200))
    assert snapshot.power.is_stale(NOW_MS)
    shown = fields(snapshot, "en", state.plan.zone)
    assert [row["level"] for row in shown["h.notices"]] == ["bad"]
    assert "11:08:30" in shown["h.notices"][0]["text"]
    assert all(row["condition"] == "waiting" for row in shown["h.devices"])
    state.close()
    feeder.close()


def test_a_store_that_is_not_there_yet_is_waited_for(tmp_path):
    feeder = Feeder(tmp_path, NOW_MS, Faults(days=1))
    state = LiveState(load_site(feeder.site_file))
    waiting = state.step(NOW_MS)
    assert waiting.waiting
    assert (waiting.trouble or {})["code"] == "store.missing"
    feeder.open()
    assert state.step(NOW_MS).power.known
    state.close()
    feeder.close()


def test_a_store_that_takes_anothers_place_is_read_anew(tmp_path):
    feeder, state = site_with(tmp_path)
    assert state.step(NOW_MS).power.known
    feeder.close()
    for path in tmp_path.glob("energy.db*"):
        path.unlink()
    other = Feeder(tmp_path, NOW_MS, Faults(days=1, offline=("pm-1", "pm-2"), silent_s=600))
    other.open()
    snapshot = state.step(NOW_MS)
    assert not snapshot.power.known
    assert (snapshot.temperature.at_ms or NOW_MS) < NOW_MS - 600_000
    state.close()
    other.close()


def test_over_the_contract_says_how_much_must_go(tmp_path):
    feeder, state = site_with(tmp_path, contract_kw=500.0)
    snapshot = state.step(NOW_MS)
    shown = fields(snapshot, "en", state.plan.zone)
    assert shown["s.window"] == "over"
    shed_kw = snapshot.window.demand.shed_kw(500.0)
    assert shed_kw > snapshot.window.demand.power_kw or f"{shed_kw:,.0f}" in shown["t.verdict"]
    assert shown["g.window"]["over"] > 0
    state.close()
    feeder.close()


def test_without_a_contract_the_page_says_how_to_set_one(tmp_path):
    feeder, state = site_with(tmp_path, contract_kw=None)
    shown = fields(state.step(NOW_MS), "en", state.plan.zone)
    assert shown["s.window"] == "free"
    assert "contract.capacity_kw" in shown["t.verdict"]
    assert shown["g.window"]["contract"] is None
    state.close()
    feeder.close()


def test_a_chillers_power_is_the_meter_with_its_name(tmp_path):
    feeder = Feeder(tmp_path, NOW_MS)
    plan = plan_site(load_site(feeder.site_file))
    assert [(one.device, one.power.id) for one in plan.chillers] == [
        ("ch-1", "ch-1-power"),
        ("ch-2", "ch-2-power"),
        ("ch-3", "ch-3-power"),
    ]
    assert plan.chillers[0].power.rate == PointAt("sdm-ch-1", "active_power_total")
    assert plan.stale_after_ms("pm-1") == 5000
    assert plan.stale_after_ms("ch-1") == 15000
    assert plan.stale_after_ms("wm-1") == 60000


def test_a_trace_interpolates_at_the_edge_and_says_when_it_cannot(tmp_path):
    plan = plan_site(load_site(Feeder(tmp_path, NOW_MS).site_file)).traced()[0]
    trace = MeterTrace(plan, keep_ms=3_600_000)
    assert trace.advance_since(0) is None
    trace.take(1_000_000, 10.0)
    trace.take(1_010_000, 11.0)
    trace.take(1_020_000, 12.0)
    edge = trace.advance_since(1_005_000)
    assert (edge.quantity, edge.whole) == (1.5, True)
    early = trace.advance_since(900_000)
    assert (early.quantity, early.from_ms, early.whole) == (2.0, 1_000_000, False)
    trace.take(1_030_000, 0.0)  # a spurious zero is not believed
    assert trace.advance_since(1_005_000).quantity == 1.5
    slope = trace.slope()
    assert slope is not None
    assert slope[0] == pytest.approx(360.0)
    assert slope[1:] == (1_020_000, Quality.ESTIMATED)


def test_a_sum_is_as_old_and_as_doubtful_as_its_worst_part():
    good = Reading(1.0, "kW", Quality.GOOD, at_ms=10_000, stale_after_ms=3_000)
    slow = Reading(2.0, "kW", Quality.ESTIMATED, at_ms=5_000, stale_after_ms=60_000)
    both = combined([good, slow], "kW", sum)
    assert (both.value, both.quality, both.at_ms) == (3.0, Quality.ESTIMATED, 5_000)
    assert not both.is_stale(13_000)
    assert both.is_stale(13_001)


def test_what_a_chiller_that_went_silent_did_is_not_known(tmp_path):
    feeder, state = site_with(tmp_path, offline=("ch-2", "sdm-ch-2"))
    shown = fields(state.step(NOW_MS), "en", state.plan.zone)
    assert [shown[f"s.chiller-ch-{n}"] for n in (1, 2, 3)] == ["yes", "offline", "no"]
    assert shown["t.chiller-ch-2-load"] == "Offline"
    assert shown["t.plant_running"] == "1 of 3 running, 1 unknown"
    later = fields(state.step(NOW_MS + 60_000), "en", state.plan.zone)
    assert [later[f"s.chiller-ch-{n}"] for n in (1, 2, 3)] == ["unknown", "offline", "unknown"]
    assert later["t.plant_running"] == "0 of 3 running, 3 unknown"
    state.close()
    feeder.close()


def pm1(at_ms, kw, energy_kwh, quality=Quality.GOOD):
    points = tuple(PointSpec(n, u, k) for n, u, k in (
        ("active_power_total", "kW", Kind.GAUGE), ("energy_import", "kWh", Kind.COUNTER)))  # fmt: skip
    layout = Layout("pm-1", "main", "electricity", points)
    return Scan(layout, at_ms, np.array([kw, energy_kwh]), np.full(2, quality, np.uint8))


def test_a_clock_that_was_set_back_does_not_freeze_the_page(tmp_path):
    board = Board(plan_site(load_site(Feeder(tmp_path, NOW_MS).site_file)))
    at = PointAt("pm-1", "active_power_total")
    board.take(pm1(NOW_MS, 400.0, 10.0), NOW_MS)
    set_back_ms = NOW_MS - 3_600_000
    board.take(pm1(set_back_ms, 500.0, 10.1), set_back_ms)
    now = board.point(at, "kW")
    assert (now.value, now.quality, now.at_ms) == (500.0, Quality.GOOD, set_back_ms)
    assert board.newest_ms == set_back_ms
    assert board.advance_since(board._plan.building[Commodity.ELECTRICITY][0], 0, set_back_ms) is None


def test_a_reading_of_the_future_is_suspect_until_the_next_one(tmp_path):
    board = Board(plan_site(load_site(Feeder(tmp_path, NOW_MS).site_file)))
    at = PointAt("pm-1", "active_power_total")
    board.take(pm1(NOW_MS + 86_400_000, 400.0, 10.0), NOW_MS)
    ahead = board.point(at, "kW")
    assert (ahead.quality, ahead.note, ahead.at_ms) == (Quality.SUSPECT, "page.note_future", NOW_MS)
    assert ahead.is_stale(NOW_MS + 6000)
    assert board.newest_ms == NOW_MS
    board.take(pm1(NOW_MS + 1000, 401.0, 10.0), NOW_MS + 1000)
    assert (board.point(at, "kW").value, board.point(at, "kW").quality) == (401.0, Quality.GOOD)


def test_a_suspect_register_counts_as_it_does_for_the_daemon(tmp_path):
    plan = plan_site(load_site(Feeder(tmp_path, NOW_MS).site_file))
    meter = plan.building[Commodity.ELECTRICITY][0]
    board, track = Board(plan), MeterTrack(MeterRules(meter.limits, STEP_S, STEP_S * 1000))
    readings = [
        (0, 10.0, Quality.GOOD),
        (1, 10.1, Quality.GOOD),
        (2, 10.2, Quality.SUSPECT),
        (3, 0.0, Quality.GOOD),
    ]
    for second, energy_kwh, quality in readings:
        board.take(pm1(WINDOW_S * 1000 + second * 1000, 400.0, energy_kwh, quality), NOW_MS)
        track.take(WINDOW_S * 1000 + second * 1000, energy_kwh, math.nan, quality)
    found = board.advance_since(meter, WINDOW_S * 1000, NOW_MS)
    kept = track.open_readings()
    assert (found.quantity, found.to_ms) == (pytest.approx(kept[-1][1] - kept[0][1]), kept[-1][0])
    assert found.quality is Quality.SUSPECT
