"""The simulator's building through the real store and ``energy-monitor savings``: three answers apart."""

import json
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.loading import load_site
from config.site import Commodity
from config.words import LANGUAGES
from monitor.reports.savings import savings_answer
from monitor.reports.savings_data import savings_json
from monitor.reports.savings_words import savings_text
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from monitor.store.records import RecordRequest, write_record
from rules.calendar import day_start_s, reporting_period
from rules.models.fitted import Step
from tests.savings_world import ZONE, SavingsWorld, since

BASE = date(2015, 1, 1), date(2015, 12, 31)
HALF = date(2016, 7, 1), date(2016, 12, 31)
MEASURE = 0.06
SAID = {
    "en": ("1. Plain", "2. Adjusted", "3. With non-routine", "For the report", "chosen"),
    "zh-TW": ("一、單純差額", "二、經天候", "三、加計非例行", "報告文字", "選用"),
}


@pytest.fixture(scope="module")
def retrofitted(tmp_path_factory):
    """A measure of 6 % from the first day of 2016H2."""
    world = SavingsWorld(tmp_path_factory.mktemp("retrofitted"))
    world.meter(*BASE)
    world.meter(*HALF, change=since(HALF[0], 1 - MEASURE))
    world.weather(BASE[0], HALF[1])
    return world


def answer(world: SavingsWorld, *arguments: object, period: str = "2016H2", code: int | None = 0):
    found, output = world.command("savings", "electricity", period, "--json", *arguments)
    assert found == code, output
    return json.loads(output[output.index("{") : output.rindex("}") + 1])


class TestRetrofit:
    @pytest.mark.parametrize("step", [(), ("--hourly",)])
    @pytest.mark.parametrize("variant", ["projection", "caltrack-4.3.2.4"])
    def test_a_planted_measure_is_recovered_within_its_band(self, retrofitted, step, variant):
        found = answer(retrofitted, *step, "--variant", variant)
        adjusted = found["adjusted"]
        truth = adjusted["observed"] / (1 - MEASURE) * MEASURE
        assert abs(adjusted["avoided"] - truth) <= adjusted["band"]["half_width"]
        assert adjusted["avoided"] > 3 * adjusted["band"]["half_width"]
        assert adjusted["band"]["variant"] == variant
        assert adjusted["model"] == "TOWT"
        assert adjusted["masked"]["counted"] == adjusted["masked"]["rows"] == (184 * 24 if step else 184)
        names = [one["name"] for one in adjusted["models"]]
        assert names[0] == "TOWT"
        assert "day types" in names[1:]
        assert len(found["days"]) == adjusted["masked"]["rows"]
        hours = [one.get("start") for one in found["days"]]
        assert hours[:2] == (
            ["2016-06-30T16:00:00.000Z", "2016-06-30T17:00:00.000Z"] if step else [None, None]
        )

    def test_the_plain_difference_is_the_reports_own(self, retrofitted):
        code, report = retrofitted.command("report", "2016H2", "--json")
        assert code == 0
        told = json.loads(report[report.index("{") : report.rindex("}") + 1])["savings"]
        (of_report,) = [one for one in told if one["commodity"] == "electricity"]
        assert answer(retrofitted)["plain"] == of_report

    def test_a_period_without_a_measure_saves_nothing_beyond_its_band(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(BASE[0], HALF[1])
        adjusted = answer(world)["adjusted"]
        assert abs(adjusted["avoided"]) <= adjusted["band"]["half_width"]
        assert answer(world)["plain"]["change"] != 0
        assert "this may be chance" in answer(world)["text"]
        itself = answer(world, period="2015H2")["findings"]
        assert [(one["code"], one["facts"]["days"]) for one in itself] == [("period_in_base_year", 184)]
        assert "period_in_base_year" not in {one["code"] for one in answer(world)["findings"]}

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_people_read_the_three_answers_apart(self, retrofitted, language):
        code, text = retrofitted.command("savings", "electricity", "105H2", "--language", language)
        assert code == 0
        said = SAID[language]
        places = [text.index(one) for one in said]
        assert places == sorted(places)
        assert "466920" in text
        assert "projection" in text
        assert ("day types" in text) == ("degree days" in text) == (language == "en")
        assert "CV(RMSE)" in text[places[4] :]
        assert {"en": "may be chance", "zh-TW": "偶然"}[language] not in text

    @pytest.mark.parametrize(("name", "begins"), [("c.svg", b"<svg"), ("c.png", b"\x89PNG")])
    def test_the_chart_is_drawn(self, retrofitted, tmp_path, name, begins):
        pytest.importorskip("vl_convert")
        path = tmp_path / name
        code, text = retrofitted.command("savings", "electricity", "2016H2", "--chart", path)
        assert code == 0, text
        assert path.read_bytes().startswith(begins)
        assert path.stat().st_size > 10_000

    def test_a_part_of_the_period_is_answered_for_too(self, retrofitted):
        found = answer(retrofitted, period="2016-08")
        assert found["adjusted"]["masked"]["rows"] == 31
        truth = found["adjusted"]["observed"] / (1 - MEASURE) * MEASURE
        assert abs(found["adjusted"]["avoided"] - truth) <= found["adjusted"]["band"]["half_width"]


class TestFurther:
    """The third answer, the locked base year, and its adjustments: through the commands that write them."""

    EVENT = ("--reason", "300 more staff", "--evidence", "payroll 105-9", "--author", "Lin",
             "--text-en", "About 300 more staff moved back")  # fmt: skip

    def test_adjustments_are_added_with_bands_in_quadrature_and_told(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF, keep=without(date(2016, 9, 11), 10))
        world.weather(BASE[0], HALF[1])
        before = answer(world)
        code, text = world.command(
            "adjust", "add", "electricity", "--start", "2016-09-01", "--end", "2016-09-30", "--per-day",
            "--quantity", "2000", "--uncertainty", "500", *self.EVENT,
        )  # fmt: skip
        assert code == 0, text
        found = answer(world)
        assert found["plain"] == before["plain"]
        assert found["adjusted"] == before["adjusted"]
        (one,) = found["non_routine"]["adjustments"]
        assert (one["days"], one["counted_days"]) == (30, 20)  # ten days are in neither sum
        assert one["quantity"] == pytest.approx(40_000)
        further, band = found["non_routine"], found["adjusted"]["band"]["half_width"]
        assert further["avoided"] == pytest.approx(found["adjusted"]["avoided"] + 40_000)
        assert further["half_width"] == pytest.approx(np.hypot(band, 500 * 20))
        assert "About 300 more staff moved back." in found["text"]
        code, text = world.command("savings", "electricity", "2016H2")
        assert "of which 20 are counted: 300 more staff" in " ".join(text.split())

    def test_the_base_year_is_the_locked_and_adjusted_one(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF)
        world.weather(BASE[0], HALF[1])
        before = answer(world)
        assert before["locks"] == []
        code, text = world.command("base", "lock", "electricity")
        assert code == 0, text
        code, text = world.command(
            "base", "adjust", "electricity", "--start", "2015-01-01", "--end", "2015-12-31", "--per-day",
            "--quantity", "1000", "--reason", "a feeder left out", "--evidence", "plan 7", "--author", "Wu",
        )  # fmt: skip
        assert code == 0, text
        found = answer(world)
        assert len(found["locks"][0]["sha256"]) == 64
        more = found["adjusted"]["expected"] - before["adjusted"]["expected"]
        assert more == pytest.approx(184 * 1000, rel=1e-6)
        assert answer(world, "--hourly")["adjusted"]["expected"] > before["adjusted"]["expected"] + 150_000
        code, text = world.command("savings", "electricity", "2016H2")
        assert "is locked" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("savings", "electricty", "2016H2"), 2, "there is no commodity 'electricty'"),
        (("savings", "electricity", "2016H3"), 2, "is not a period"),
        (("savings", "electricity", "2016H2", "--chart", "x.pdf"), 2, ".svg or .png"),
        (("savings", "electricity", "2016H2", "--variant", "guess"), 2, "choose one of projection"),
    ],
)
def test_wrong_use_is_told_with_the_cure(retrofitted, arguments, code, words):
    found, text = retrofitted.command(*arguments)
    assert (found, words in text) == (code, True), text


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
            "--quantity", "2000", "--uncertainty", "500", *TestFurther.EVENT,
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

    def test_a_band_that_cannot_be_told_is_said_to_be_that(self, retrofitted):
        loaded = load_site(retrofitted.site_file)
        reader = StoreReader.open(loaded.store_path, "hall")
        try:
            period = reporting_period("2016H2")
            found = savings_answer(reader, loaded, Commodity.ELECTRICITY, period, "en")
        finally:
            reader.close()
        assert found.adjusted.avoided is not None
        unsure = replace(
            found,
            further=None,
            adjusted=replace(found.adjusted, avoided=replace(found.adjusted.avoided, band=None)),
        )
        third = " ".join(savings_text(unsure).partition("3. With non-routine")[2].split())
        assert "How far it can be trusted cannot be told" in third
        assert "findings below" not in savings_text(unsure)

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


def without(first: date, days: int):
    """What is left when some days are gone."""
    begins_s = day_start_s(first, ZONE)
    return lambda at_s, _: (at_s < begins_s) | (at_s >= begins_s + days * 86400)


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
