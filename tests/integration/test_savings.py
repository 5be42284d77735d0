"""The simulator's building through the real store and ``energy-monitor savings``: three answers apart."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from config.loading import load_site
from config.site import Commodity
from config.words import LANGUAGES
from monitor.reports.savings import savings_answer
from monitor.reports.savings_words import savings_text
from monitor.store.reader import StoreReader
from rules.calendar import reporting_period
from tests.savings_world import BASE, EVENT, HALF, MEASURE, SAID, SavingsWorld, since, without


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


class TestFurther:
    """The third answer, the locked base year, and its adjustments: through the commands that write them."""

    def test_adjustments_are_added_with_bands_in_quadrature_and_told(self, tmp_path):
        world = SavingsWorld(tmp_path)
        world.meter(*BASE)
        world.meter(*HALF, keep=without(date(2016, 9, 11), 10))
        world.weather(BASE[0], HALF[1])
        before = answer(world)
        code, text = world.command(
            "adjust", "add", "electricity", "--start", "2016-09-01", "--end", "2016-09-30", "--per-day",
            "--quantity", "2000", "--uncertainty", "500", *EVENT,
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
