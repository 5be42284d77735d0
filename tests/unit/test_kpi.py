"""``energy-monitor kpi|targets|measures`` on the golden case and on measured days, in both languages."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.emissions_file import factor_on, product_factors
from config.history.intervals import IntervalRows
from config.loading import load_site
from config.problems import ConfigurationError
from config.site import Commodity
from monitor.cli.importing import run_import
from monitor.cli.kpi import run_kpi, run_measures, run_targets
from monitor.reports.kpi import target_states
from monitor.reports.measures import measure_facts
from monitor.store.history import import_intervals
from monitor.store.ledgers import writing
from monitor.store.provenance import Provenance
from monitor.store.reader import StoreReader
from rules.calendar import day_start_s

EXAMPLE = Path(__file__).parents[2] / "examples" / "taipei-city-hall"
ZONE = ZoneInfo("Asia/Taipei")
HEADING = (
    "id,commodity,name_zh_tw,name_en,quantity,old_w,new_w,hours_a_year,start,priced_on,sub_meter,source\n"
)
SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, timezone: Asia/Taipei, language: en}
store: {path: energy.db}
commodities:
  electricity: {base_year: 2017, meters: [main]}
  water: {base_year: 2017}
  vehicle_fuel: {base_year: 2017}
buses:
  - id: b
    kind: modbus_tcp
    host: 127.0.0.1
    port: 1
    devices: [{id: main, profile: siemens_pac3200, unit: 1}]
meters:
  - {id: main, name: {zh-TW: 電表, en: Main}, commodity: electricity, counter: main.energy_import,
     max_rate: 9000}
building:
  floor_area_m2: 1000
  parking_area_m2: 200
  people: [{from: 2018-01-01, count: 10, source: payroll}]
emission_factors:
  - {commodity: vehicle_fuel, from: 2018-01-01, kg_co2e: 2.5, source: our auditor}
  - {commodity: electricity, from: 2018-01-01, through: 2018-06-30, kg_co2e: 0.5, source: our auditor}
prices: [{commodity: electricity, from: 2018-01-01, price: 4.0, source: bill}]
targets:
  - {id: power, name: {zh-TW: 用電, en: Power}, commodity: electricity, period: "2018H1", quantity: 5000}
"""


@pytest.fixture
def hall(tmp_path, capsys):
    shutil.copy(EXAMPLE / "site.yaml", tmp_path)
    site = tmp_path / "site.yaml"
    ledgers = [("base", "base-year"), ("actuals", "actuals"), ("actuals", "rainwater")]
    files = [*ledgers, ("measures", "measures")]
    for kind, name in files:
        assert run_import(site, kind, [EXAMPLE / f"{name}.csv"], language="en") == 0
    capsys.readouterr()
    return site


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(SITE, "utf-8")
    return path


def measured(site, first, days, kwh_a_day, hours=24):
    """Hourly intervals of the main meter; ``kwh_a_day`` of the day's number; of each day the first hours."""
    start_s = day_start_s(first, ZONE) + 3600 * np.arange(24 * days)
    quantity = np.repeat([kwh_a_day(day) / 24 for day in range(days)], 24)
    kept = np.arange(24 * days) % 24 < hours
    start_s, quantity = start_s[kept], quantity[kept]
    nothing, whole = np.full(len(start_s), np.nan), np.arange(len(start_s))
    rows = IntervalRows(
        ("main",), whole * 0, start_s, 3600, quantity, nothing, nothing, np.ones(len(start_s)),
        np.zeros(len(start_s), dtype=np.uint8), whole + 2,
    )  # fmt: skip
    with writing(site.parent / "energy.db") as engine:
        import_intervals(engine, "hall", rows, Provenance("intervals", "x.csv", "ab", 5))


def read(site):
    return StoreReader.open(site.parent / "energy.db", "hall")


def test_the_rainwater_of_the_council_report(hall, capsys):
    assert run_targets(hall, None, "en", as_json=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Rainwater reused, 2017: at least 200 m3",
        "    up to 2017-12-31: 206 m3, 103 % of the target",
        "    2017H1: 113 m3",
        "    2017H2: 93 m3",
        "    met",
    ]
    assert run_targets(hall, "106H2", "zh-TW", as_json=True) == 0
    (target,) = json.loads(capsys.readouterr().out)["targets"]
    assert (target["so_far"], target["percent"], target["met"], target["forecast"]) == (206, 103, True, None)
    assert [part["quantity"] for part in target["parts"]] == [113, 93]
    assert run_targets(hall, "2016", "en", as_json=False) == 0
    assert capsys.readouterr().out == "No target of 2016; there are: 2017.\n"
    assert run_targets(hall, "2019", "zh-TW", as_json=False) == 0
    assert capsys.readouterr().out == "108年沒有目標；已列者：106年。\n"
    assert run_targets(hall, "soon", "en", as_json=False) == 2


def test_the_retrofits_of_the_council_report(hall, capsys):
    assert run_measures(hall, "en", as_json=False) == 0
    told = capsys.readouterr().out
    assert "93 × (26 W - 10 W) / 1000 × 5,000 h = 7,440 kWh a year" in told
    assert "worth NT$28,198 a year at NT$3.79" in told
    assert "337 × (28 W - 18 W) / 1000 × 3,900 h = 13,143 kWh a year" in told
    assert "worth NT$49,812 a year" in told
    assert "faucet-aerators: Faucet aerators, 70 pieces\n    no saving was stated, and none" in told
    assert run_measures(hall, "zh-TW", as_json=True) == 0
    found = {one["id"]: one for one in json.loads(capsys.readouterr().out)["measures"]}
    assert found["led-b1-5f"]["stated_kwh_a_year"] == 7440
    assert found["led-carpark"]["worth_a_year"] == 49812
    faucets = found["faucet-aerators"]
    assert (faucets["stated_kwh_a_year"], faucets["worth_a_year"]) == (None, None)
    assert [one["code"] for one in faucets["missing"]] == ["stated"]


def test_a_measure_that_says_otherwise_is_refused_and_replaced(hall, capsys):
    file = hall.parent / "measures.csv"
    file.write_text((EXAMPLE / "measures.csv").read_text("utf-8").replace(",93,26", ",94,26"), "utf-8")
    assert run_import(hall, "measures", [file], language="en") == 1
    assert "the measure led-b1-5f stands in the store and says otherwise" in capsys.readouterr().err
    assert run_import(hall, "measures", [file], replace=True, language="en") == 0
    assert run_import(hall, "measures", [file], language="en") == 0
    assert run_measures(hall, "en", as_json=True) == 0
    told = capsys.readouterr().out
    assert "0 added, 2 unchanged, 1 replaced" in told
    assert '"stated_kwh_a_year": 7520.0' in told


def test_a_wrong_file_of_measures_is_refused_with_every_place(hall, capsys):
    file = hall.parent / "wrong.csv"
    rows = (
        "Led 1,electricity,燈,Lamp,3,26,10,5000,,,,report\n"
        "led-2,electricity,燈,Lamp,2.5,26,10,5000,,,,report\n"
        "led-3,electricity,燈,Lamp,3,26,,5000,,,,report\n"
        "led-4,electricity,燈,Lamp,3,26,10,9000,,,,report\n"
        "led-5,electricity,燈,Lamp,3,26,10,5000,2017-02-30,,man,report\n"
        "led-5,gas,燈,,3,26,10,5000,,,,\n"
    )
    file.write_text(HEADING + rows, "utf-8")
    assert run_import(hall, "measures", [file], language="en") == 1
    told = capsys.readouterr().err
    for words in (
        "'Led 1' cannot be an id", "'2.5' pieces cannot be", "'new_w' is empty, and others",
        "a year has no 9000 hours", "no 2017-02-30", "the site has no meter 'man'", "stands in row 6 already",
        "there is no commodity 'gas'", "'name_en' is empty", "'source' is empty",
    ):  # fmt: skip
        assert words in told


def test_a_sub_meter_stands_beside_the_stated_figure(site):
    done = date(2018, 2, 1)
    measured(site, date(2018, 1, 1), 100, lambda day: 100.0 if day < 31 else 80.0)
    file = site.parent / "m.csv"
    rows = (
        "led,electricity,燈,Lamps,93,26,10,5000,2018-02-01,,main,r\n"
        "fan,electricity,風機,Fans,2,260,100,5000,,,main,r\n"
        "pump,electricity,泵,Pumps,2,260,100,5000,2018-04-09,,main,r\n"
    )
    file.write_text(HEADING + rows, "utf-8")
    assert run_import(site, "measures", [file], language="en") == 0
    reader = read(site)
    led, pump, fan = measure_facts(reader, load_site(site).site, done + timedelta(days=60))
    assert led.verified is not None
    assert led.verified.before == pytest.approx(100.0)
    assert led.verified.days_before == 31
    assert led.verified.a_year == pytest.approx(20.0 * 365)
    assert (led.worth, led.missing) == (29760, ())
    assert (pump.verified, pump.missing) == (None, ("days",))
    assert (fan.verified, fan.missing) == (None, ("price", "start"))
    (soon, *_) = measure_facts(reader, load_site(site).site, done + timedelta(days=20))
    assert soon.missing == ("days",)
    reader.close()


def test_an_hour_that_is_missing_of_each_day_is_no_saving_of_a_sub_meter(site):
    measured(site, date(2018, 1, 1), 31, lambda day: 240.0)
    for day in range(59):
        measured(site, date(2018, 2, 1) + timedelta(days=day), 1, lambda _: 240.0, hours=23)
    file = site.parent / "m.csv"
    file.write_text(HEADING + "led,electricity,燈,Lamps,93,26,10,5000,2018-02-01,,main,r\n", "utf-8")
    assert run_import(site, "measures", [file], language="en") == 0
    reader = read(site)
    (led,) = measure_facts(reader, load_site(site).site, date(2018, 4, 1))
    reader.close()
    assert led.verified is not None
    assert led.verified.a_year == pytest.approx(0.0, abs=1e-6)


def state(site, today):
    reader = read(site)
    try:
        (found,) = target_states(reader, load_site(site).site, None, today)
    finally:
        reader.close()
    return found


def test_a_forecast_goes_by_the_base_years_days(site):
    measured(site, date(2017, 1, 1), 181, lambda day: 20.0 + day % 7)
    measured(site, date(2018, 1, 1), 90, lambda day: 2 * (20.0 + day % 7))
    found = state(site, date(2018, 4, 1))
    assert found.method == "base_year"
    assert found.forecast is not None
    whole = 2 * sum(20.0 + day % 7 for day in range(181))
    assert found.forecast.expected == pytest.approx(whole)
    assert found.forecast.half_width == pytest.approx(0.0, abs=1e-6)
    assert found.is_met is None
    assert state(site, date(2018, 1, 1)).notes[0].code == "not_begun"
    assert state(site, date(2018, 7, 1)).notes[0].code == "coverage"


def test_a_forecast_has_a_band_of_the_weeks_scatter(site):
    measured(site, date(2017, 1, 1), 181, lambda day: 20.0)
    measured(site, date(2018, 1, 1), 91, lambda day: 40.0 if day // 7 % 2 else 44.0)
    found = state(site, date(2018, 4, 2)).forecast
    assert found is not None
    assert found.half_width is not None
    assert found.blocks == 13
    assert found.half_width > 30.0


def test_without_a_base_year_the_days_go_on(site, capsys):
    measured(site, date(2018, 1, 1), 20, lambda day: 10.0)
    found = state(site, date(2018, 1, 21))
    assert found.method == "mean_day"
    assert found.forecast is not None
    assert found.forecast.expected == pytest.approx(1810.0)
    assert [note.code for note in found.notes] == ["no_band"]
    assert run_targets(site, None, "en", as_json=False) == 0
    told = capsys.readouterr().out
    assert "Power, 2018H1: at most 5,000 kWh" in told
    assert "11.04% of the time" in told.replace(" %", "%")


@pytest.mark.parametrize(("days", "kwh", "met"), [(181, 10.0, True), (150, 10.0, None), (150, 40.0, False)])
def test_a_target_is_not_met_by_days_that_nobody_knows(site, capsys, days, kwh, met):
    """At most 5,000 kWh: a sum over part of the half-year can be overrun, and is never a success."""
    measured(site, date(2018, 1, 1), days, lambda day: kwh)
    found = state(site, date(2018, 9, 1))
    assert found.is_over
    assert found.is_met is met
    assert ("open" in [note.code for note in found.notes]) is (met is None)
    assert run_targets(site, None, "en", as_json=False) == 0
    told = capsys.readouterr().out
    assert ("cannot be told" in told) is (met is None)
    assert ("    met\n" in told) is (met is True)


def test_at_least_is_met_by_what_is_known_and_failed_only_by_all_of_it(site):
    site.write_text(SITE.replace("quantity: 5000}", "quantity: 1600, sense: at_least}"), "utf-8")
    measured(site, date(2018, 1, 1), 150, lambda day: 10.0)
    assert state(site, date(2018, 9, 1)).is_met is None
    measured(site, date(2018, 5, 31), 20, lambda day: 10.0)
    assert state(site, date(2018, 9, 1)).is_met is True


def test_a_forecast_leaves_no_hole_where_days_so_far_are_missing(site):
    """Twenty of the ninety days so far are not known: they are told like those that are left."""
    measured(site, date(2017, 1, 1), 181, lambda day: 20.0)
    measured(site, date(2018, 1, 1), 40, lambda day: 40.0)
    measured(site, date(2018, 3, 2), 30, lambda day: 40.0)
    found = state(site, date(2018, 4, 1))
    assert (found.method, float(found.so_far)) == ("base_year", 70 * 40.0)
    assert found.forecast.expected == pytest.approx(181 * 40.0)
    assert [(note.code, note.data.get("days")) for note in found.notes if note.code == "filled"] == [
        ("filled", 20)
    ]


def test_a_forecast_takes_a_part_of_a_day_for_no_saving(site):
    measured(site, date(2017, 1, 1), 181, lambda day: 24.0)
    for day in range(90):
        measured(site, date(2018, 1, 1) + timedelta(days=day), 1, lambda _: 24.0, hours=23)
    found = state(site, date(2018, 4, 1))
    assert found.method == "base_year"
    assert found.so_far == 90 * 23
    assert found.forecast.expected == pytest.approx(181 * 24.0)


def test_a_forecast_by_the_mean_leaves_no_hole_either(site):
    measured(site, date(2017, 1, 1), 45, lambda day: 20.0)
    measured(site, date(2018, 1, 1), 40, lambda day: 40.0)
    measured(site, date(2018, 3, 2), 30, lambda day: 40.0)
    found = state(site, date(2018, 4, 1))
    assert found.method == "mean_day"
    assert found.forecast.expected == pytest.approx(181 * 40.0)


def test_a_target_that_is_overrun_is_not_met_before_its_time(site):
    measured(site, date(2018, 1, 1), 20, lambda day: 300.0)
    assert state(site, date(2018, 1, 21)).is_met is False


def test_key_figures_and_what_they_rest_on(site, capsys):
    measured(site, date(2018, 1, 1), 31, lambda day: 100.0)
    ledger = site.parent / "a.csv"
    ledger.write_text(
        "commodity,start,end,quantity,unit,source\nwater,2018-01-01,2018-01-31,31,m3,bill\n"
        "vehicle_fuel,2018-01-01,2018-01-31,400,L,log\n",
        "utf-8",
    )
    assert run_import(site, "actuals", [ledger], language="en") == 0
    capsys.readouterr()
    assert run_kpi(site, "2018-01", "en", as_json=True) == 0
    facts = {one["name"]: one for one in json.loads(capsys.readouterr().out)["figures"]}
    assert (facts["eui"]["value"], facts["eui"]["area_m2"]) == (3.875, 800)
    assert (facts["water_a_head"]["value"], facts["water_a_head"]["people_days"]) == (100, 310)
    assert facts["carbon_electricity"]["value"] == 1.55
    assert facts["carbon_vehicle_fuel"]["value"] == 1
    assert [note["code"] for note in facts["carbon_electricity"]["notes"]] == ["factor_own"]
    assert run_kpi(site, "2018-01", "zh-TW", as_json=False) == 0
    told = capsys.readouterr().out
    assert "用電密度（EUI）：3.875 kWh/m²" in told
    assert "不含停車場" in told


def test_water_a_head_is_of_the_days_that_are_known(site, capsys):
    """Ten people, 100 L each: half of the month has a bill, and the figure is no half."""
    ledger = site.parent / "a.csv"
    heading = "commodity,start,end,quantity,unit,source\n"
    ledger.write_text(heading + "water,2018-04-01,2018-04-15,15,m3,bill\n", "utf-8")
    assert run_import(site, "actuals", [ledger], language="en") == 0
    capsys.readouterr()
    assert run_kpi(site, "2018-04", "en", as_json=True) == 0
    facts = {one["name"]: one for one in json.loads(capsys.readouterr().out)["figures"]}
    assert (facts["water_a_head"]["value"], facts["water_a_head"]["people_days"]) == (100, 150)
    assert [note["code"] for note in facts["water_a_head"]["notes"]] == ["coverage"]


def test_what_is_not_known_is_not_made_up(site, capsys):
    measured(site, date(2017, 12, 1), 10, lambda day: 100.0)
    assert run_kpi(site, "2017-12", "en", as_json=True) == 0
    facts = {one["name"]: one for one in json.loads(capsys.readouterr().out)["figures"]}
    assert facts["water_a_head"]["value"] is None
    assert "no_people" in [note["code"] for note in facts["water_a_head"]["notes"]]
    assert [note["code"] for note in facts["carbon_electricity"]["notes"]] == ["coverage", "factor_s"]
    assert facts["carbon_vehicle_fuel"]["value"] is None
    assert run_kpi(site, "2018H2", "en", as_json=False) == 0
    assert "No emission factor of 2018-07-01 is known, and none is guessed." in capsys.readouterr().out
    assert run_kpi(site, "2999", "en", as_json=False) == 2
    assert run_kpi(site, "soon", "en", as_json=False) == 2
    site.write_text(SITE.replace("  floor_area_m2: 1000\n", ""), "utf-8")
    assert run_kpi(site, "2017-12", "en", as_json=False) == 0
    assert "The site file says no floor area." in capsys.readouterr().out


def test_the_products_factors_have_a_source_and_a_grade():
    assert all(one.source and one.grade in "PSB" for one in product_factors().years.values())


def test_an_operators_factor_goes_before_the_products(site):
    loaded = load_site(site).site
    mine = factor_on(loaded, Commodity.ELECTRICITY, date(2018, 6, 30))
    assert mine is not None
    assert (mine.kg_co2e, mine.grade) == (0.5, "own")
    assert factor_on(loaded, Commodity.ELECTRICITY, date(2018, 7, 1)) is None
    product = factor_on(loaded, Commodity.ELECTRICITY, date(2017, 7, 1))
    assert product is not None
    assert (product.kg_co2e, product.grade) == (0.554, "S")
    assert factor_on(loaded, Commodity.WATER, date(2018, 1, 1)) is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('period: "2018H1"', "period: soon", "targets"),
        ("from: 2018-01-01, count", "from: yesterday, count", "building"),
        ("quantity: 5000", "quantity: -1", "targets"),
        ("parking_area_m2: 200", "parking_area_m2: 1000", "building"),
    ],
)
def test_settings_that_cannot_be_are_told_with_their_place(site, old, new, words):
    assert old in SITE
    site.write_text(SITE.replace(old, new), "utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_site(site)
    assert words in str(error.value.problems[0].path)
