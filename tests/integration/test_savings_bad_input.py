"""Savings from bad input: findings with code, place and cure in place of a number; days of 23 and 25 h."""

import json
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.loading import load_site
from config.site import Commodity
from monitor.reports.savings import savings_answer
from monitor.reports.savings_data import savings_json
from monitor.reports.savings_words import savings_text
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from monitor.store.records import RecordRequest, write_record
from rules.calendar import day_start_s, reporting_period
from rules.models.fitted import Step
from tests.savings_world import BASE, EVENT, HALF, MEASURE, SAID, ZONE, SavingsWorld, since, without


def refused_or_not(world: SavingsWorld, step: Step = Step.DAY):
    """The answer as ``--json`` prints it, made here: no need of a process for each mistake."""
    loaded = load_site(world.site_file)
    reader = StoreReader.open(loaded.store_path, "hall")
    try:
        period = reporting_period("2016H2")
        found = savings_answer(reader, loaded, Commodity.ELECTRICITY, period, "en", step=step)
        assert savings_text(found)
        return json.loads(savings_json(found))
    finally:
        reader.close()


def refusals(found) -> dict[str, str]:
    return {one["code"]: one["text"] for one in found["findings"] if one["refuses"]}


class TestBadInput:
    """Findings with code, place and cure in place of a number; nothing silent."""

    def test_fahrenheit_is_found_out(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(BASE[0], HALF[1], change=lambda at_s, t: t * 1.8 + 32)
        found = refused_or_not(world)
        assert "temperature_unit_doubtful" in refusals(found)
        assert "Fahrenheit" in refusals(found)["temperature_unit_doubtful"]
        assert found["adjusted"]["avoided"] is None
        assert found["non_routine"]["avoided"] is None
        assert found["text"] is None
        assert {one["place"] for one in found["findings"] if one["refuses"]} == {"electricity/base/2015"}

    @pytest.mark.parametrize("step", [Step.DAY, Step.HOUR])
    def test_a_winter_in_fahrenheit_passes_no_more(self, tmp_path, step):
        """January's 12 degC came as 54: an hour could be so hot, and a day never was."""
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(BASE[0], HALF[1])
        world.weather(date(2015, 1, 1), date(2015, 1, 31), change=lambda _, air: 50.0 + air / 10)
        found = refused_or_not(world, step)
        assert list(refusals(found)) == ["temperature_unit_doubtful"]
        assert found["findings"][0]["facts"]["highest"] == 50.0
        assert found["findings"][0]["place"] == "electricity/base/2015"

    def test_a_base_year_without_enough_weather(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(date(2015, 3, 1), HALF[1])
        found = refused_or_not(world)
        assert "59 without weather" in refusals(found)["baseline_too_much_missing"]

    def test_no_weather_at_all(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        found = refused_or_not(world)
        assert list(refusals(found)) == ["no_weather"]
        code, text = world.command("savings", "electricity", "2016H2", language="zh-TW")
        assert code == 1
        assert "[no_weather]" in text

    def test_no_weather_of_the_period(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(*BASE)
        found = refused_or_not(world)
        assert list(refusals(found)) == ["reporting_nothing_known"]
        assert found["findings"][-1]["place"] == "electricity/period/2016H2"

    def test_missing_days_are_masked_counted_and_in_neither_sum(self, tmp_path):
        """Ten days without the meter, three without weather: the saving is that of the other days."""
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        keep = without(date(2016, 8, 1), 10)
        world.meter(*HALF, change=since(HALF[0], 1 - MEASURE), keep=keep)
        world.weather(BASE[0], HALF[1], keep=without(date(2016, 10, 4), 3))
        found = refused_or_not(world)
        masked = found["adjusted"]["masked"]
        assert (masked["no_use"], masked["no_weather"], masked["counted"]) == (10, 3, 171)
        known = [one for one in found["days"] if one["actual"] is not None and one["expected"] is not None]
        assert len(known) == 171
        assert found["adjusted"]["observed"] == pytest.approx(sum(one["actual"] for one in known))
        truth = found["adjusted"]["observed"] / (1 - MEASURE) * MEASURE
        assert abs(found["adjusted"]["avoided"] - truth) <= found["adjusted"]["band"]["half_width"]
        assert "reporting_masked" in {one["code"] for one in found["findings"]}
        assert "13 of 184 days are not in these figures" in found["text"]
        hourly = refused_or_not(world, Step.HOUR)
        assert f"{13 * 24} of {184 * 24} hours are not in these figures" in hourly["text"]

    def test_short_gaps_of_weather_are_bridged_and_said(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(BASE[0], HALF[1], keep=lambda at_s, t: (at_s // 3600) % 100 > 4)
        found = refused_or_not(world)
        assert found["adjusted"]["masked"]["no_weather"] == 0
        assert "weather_bridged" in {one["code"] for one in found["findings"]}

    def test_zeros_of_electricity_are_missing_and_said(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        outage = without(date(2016, 8, 1), 4)
        world.meter(*HALF, change=lambda at_s, kwh: np.where(outage(at_s, kwh), kwh, 0.0))
        world.weather(BASE[0], HALF[1])
        found = refused_or_not(world)
        assert found["adjusted"]["masked"]["no_use"] == 4
        assert "zeros_missing" in {one["code"] for one in found["findings"]}

    def test_bills_alone_tell_nothing_of_days(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*HALF)
        world.weather(BASE[0], HALF[1])
        billed(world, "electricity")
        found = refused_or_not(world)
        assert {"bills_only", "baseline_too_much_missing"} <= {one["code"] for one in found["findings"]}
        assert found["plain"]["base"] is not None

    def test_without_a_calendar_it_is_said(self, tmp_path):
        world = SavingsWorld(tmp_path, extra="")
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(BASE[0], HALF[1])
        found = refused_or_not(world)
        assert [one["code"] for one in found["findings"]].count("calendar_none") == 1

    def test_bills_and_no_weather_are_told_at_once(self, tmp_path):
        world = SavingsWorld(tmp_path)
        billed(world, "electricity")
        found = refused_or_not(world)
        assert list(refusals(found)) == ["no_daily_use", "no_weather"]
        assert "336 days" in refusals(found)["no_daily_use"]
        assert "import intervals" in refusals(found)["no_daily_use"]

    def test_weather_is_not_what_vehicles_lack(self, tmp_path):
        world = SavingsWorld(tmp_path)
        text = world.site_file.read_text("utf-8")
        world.site_file.write_text(
            text.replace("buses:", "  vehicle_fuel: {base_year: 2015}\nbuses:"), "utf-8"
        )
        billed(world, "vehicle_fuel", unit="L")
        code, text = world.command("savings", "vehicle_fuel", "2016H2")
        assert code == 1
        assert "[no_daily_use]" in text
        assert "[no_weather]" not in text
        assert "log add" in text

    def test_events_are_told_without_a_number_too(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        code, text = world.command(
            "adjust", "add", "electricity", "--start", "2016-09-01", "--end", "2016-09-30", "--per-day",
            "--quantity", "2000", "--uncertainty", "500", *EVENT,
        )  # fmt: skip
        assert code == 0, text
        found = refused_or_not(world)
        (one,) = found["non_routine"]["adjustments"]
        assert (one["days"], one["counted_days"], one["quantity"]) == (30, None, 60_000)
        assert one["text"] == "About 300 more staff moved back"
        assert found["non_routine"]["avoided"] is None
        assert found["text"] == "Non-routine in this period: About 300 more staff moved back."
        for language, words in (("en", "+60,000 kWh"), ("zh-TW", "本期非例行事項：")):
            code, text = world.command("savings", "electricity", "2016H2", "--language", language)
            assert code == 1
            assert words in text
            third = text.partition(SAID[language][2])[2]
            assert "300 more staff" in third

    @pytest.mark.parametrize(
        ("day", "in_base_year"),
        [(date(2015, 6, 3), True), (date(2016, 9, 8), False), (date(2016, 3, 1), None)],
    )
    def test_a_meter_that_was_replaced_in_the_middle(self, tmp_path, day, in_base_year):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(BASE[0], HALF[1])
        at_ms = 1000 * (day_start_s(day, ZONE) + 10 * 3600)
        old = RecordRequest("replaced", "main", at_ms, 812.5, 0.0, "burnt out", "B-17", True, at_ms, 9000.0)
        with writing(world.store) as engine:
            write_record(engine, "hall", old)
        found = refused_or_not(world)
        told = [one for one in found["findings"] if one["code"] == "meter_replaced"]
        assert [one["place"] for one in told] == (
            [] if in_base_year is None else [f"electricity/meter/main/{day.isoformat()} 10:00:00"]
        )
        assert found["adjusted"]["avoided"] is not None
        if told:
            assert not told[0]["refuses"]
            assert "burnt out" in told[0]["text"]
            assert "adjust add" in told[0]["text"]
        for language, words in (("en", "the register was replaced"), ("zh-TW", "換表或歸零")):
            code, text = world.command("base", "show", "electricity", language=language)
            assert code == 0, text
            assert (words in text) == bool(in_base_year)
            assert (f"{day.isoformat()} 10:00:00" in text) == bool(in_base_year)


def billed(world: SavingsWorld, commodity: str, unit: str = "kWh") -> None:
    """A bill for the first 28 days of each month of the base year."""
    bills = world.folder / "bills.csv"
    rows = [
        f"{commodity},2015-{month:02d}-01,2015-{month:02d}-28,10000,{unit},bill" for month in range(1, 13)
    ]
    bills.write_text("commodity,start,end,quantity,unit,source\n" + "\n".join(rows) + "\n", encoding="utf-8")
    code, text = world.command("import", "base", bills)
    assert code == 0, text


@pytest.mark.parametrize("step", [Step.DAY, Step.HOUR])
def test_days_of_23_and_25_hours_are_days(tmp_path, step):
    """Berlin: a row a day and an hour whatever the clocks do, none of them masked, none of them twice."""
    world = SavingsWorld(tmp_path, extra="", zone="Europe/Berlin")
    world.meter(date(2015, 1, 1), date(2016, 12, 31))
    world.weather(date(2015, 1, 1), date(2016, 12, 31))
    loaded = load_site(world.site_file)
    reader = StoreReader.open(loaded.store_path, "hall")
    period = reporting_period("2016-03-01/2016-10-31")
    found = savings_answer(reader, loaded, Commodity.ELECTRICITY, period, "en", step=step)
    start_s, end_s = period.bounds_s(ZoneInfo("Europe/Berlin"))
    whole = sum(reader.intervals("main", start_s, end_s).quantity)
    reader.close()
    masked = found.adjusted.avoided.masked
    assert masked.rows == masked.counted == (245 if step is Step.DAY else (end_s - start_s) // 3600)
    assert found.adjusted.avoided.observed == pytest.approx(whole)
    assert not [one for one in found.adjusted.findings if one.code == "reporting_rows_absent"]
