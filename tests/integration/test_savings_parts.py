"""Days and hours that are there in part, or not at all: nothing that is missing looks like a saving."""

import json
from datetime import date

import numpy as np
import pytest

from config.loading import load_site
from config.site import Commodity
from monitor.adjusted.base_model import base_model, to_json
from monitor.adjusted.observations import hourly_use, subject_of
from monitor.store.expected import KeptModel, keep_base_model
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from rules.calendar import day_start_s
from rules.models.fitted import Step
from tests.savings_world import SITE_ID, ZONE, SavingsWorld

BASE = date(2015, 1, 1), date(2015, 12, 31)
HALF = date(2016, 7, 1), date(2016, 12, 31)


def answer(world: SavingsWorld, *arguments: object):
    code, output = world.command("savings", "electricity", "2016H2", "--json", *arguments)
    assert code == 0, output
    return json.loads(output[output.index("{") : output.rindex("}") + 1])


def test_an_hour_that_is_missing_of_each_day_is_no_saving(tmp_path):
    """From two to three in the afternoon nobody answers: 4 % of the time, and 6 % of the use."""
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(*HALF)
    world.weather(BASE[0], HALF[1])
    whole = answer(world)["adjusted"]
    other = SavingsWorld(tmp_path / "other")
    other.meter(*BASE)
    other.meter(*HALF, keep=lambda at_s, _: (at_s // 3600 + 8) % 24 != 14)
    other.weather(BASE[0], HALF[1])
    found = answer(other)
    known = sum(one["actual"] for one in found["days"])
    assert found["adjusted"]["observed"] == pytest.approx(known)
    assert found["adjusted"]["observed"] == pytest.approx(whole["observed"], rel=0.02)
    assert abs(found["adjusted"]["share"]) < 0.02
    told = {one["code"]: one for one in found["findings"]}
    assert told["parts_made_whole"]["facts"]["rows"] == 184
    assert "parts_made_whole" not in {one["code"] for one in answer(world)["findings"]}


def test_a_minute_that_is_missing_of_each_hour_is_no_saving(tmp_path):
    world = SavingsWorld(tmp_path)
    day = date(2016, 7, 5)
    world.meter(day, day, interval_s=60, keep=lambda at_s, _: at_s // 60 % 60 != 30)
    reader = StoreReader.open(load_site(world.site_file).store_path, SITE_ID)
    try:
        subject = subject_of(load_site(world.site_file), reader, Commodity.ELECTRICITY, Step.HOUR)
        start = (day_start_s(day, ZONE) + 3600 * np.arange(24)).astype("datetime64[s]")
        use, told = hourly_use(subject, start, (day, day))
        known = sum(reader.intervals("main", day_start_s(day, ZONE), day_start_s(day, ZONE) + 86400).quantity)
    finally:
        reader.close()
    assert use.sum() == pytest.approx(known * 60 / 59)
    assert [(one.code, one.fact("rows")) for one in told] == [("parts_made_whole", 24)]


def test_an_answer_stands_on_rows_and_never_on_a_model_that_was_kept(tmp_path):
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(*HALF)
    world.weather(BASE[0], HALF[1])
    before = answer(world)
    loaded = load_site(world.site_file)
    reader = StoreReader.open(loaded.store_path, SITE_ID)
    subject = subject_of(loaded, reader, Commodity.ELECTRICITY)
    made = base_model(subject, subject.source_for(HALF))
    reader.close()
    text = json.loads(to_json(made))
    text["model"]["quality"]["rmse"] = 0.0
    with writing(world.store) as engine:
        keep_base_model(engine, KeptModel(SITE_ID, "electricity", made.inputs, json.dumps(text), 5))
    assert answer(world) == before


def test_weather_that_was_changed_after_the_lock_is_told(tmp_path):
    """A warmer base year would expect more and save more: the rows are locked, and the weather is hashed."""
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(*HALF)
    world.weather(BASE[0], HALF[1])
    assert world.command("base", "lock", "electricity")[0] == 0
    codes = {one["code"] for one in answer(world)["findings"]}
    assert "base_weather_changed" not in codes
    world.weather(*HALF, change=lambda _, air: air)  # weather of another year is nobody's business
    assert "base_weather_changed" not in {one["code"] for one in answer(world)["findings"]}
    world.weather(date(2015, 7, 1), date(2015, 7, 31), change=lambda _, air: air - 3.0)
    found = answer(world)
    (told,) = [one for one in found["findings"] if one["code"] == "base_weather_changed"]
    assert (told["place"], told["facts"]["source"]) == ("electricity/base/2015", "466920")
    assert [one["holds"] for one in found["locks"]] == [True]
    assert world.command("base", "verify")[0] == 0
    other = SavingsWorld(tmp_path / "other")  # a station that nobody knew then, in the place of a worse one
    other.meter(*BASE)
    other.meter(*HALF)
    other.weather(BASE[0], HALF[1], keep=lambda at_s, _: at_s // 3600 % 100 > 4)
    assert other.command("base", "lock", "electricity")[0] == 0
    other.weather(BASE[0], HALF[1], station="warm", change=lambda _, air: air + 1.0)
    facts = {one["code"]: one["facts"] for one in answer(other)["findings"]}
    assert facts["base_weather_changed"]["source"] == "warm"


def test_an_adjustment_upon_a_silent_day_is_no_use(tmp_path):
    """Four days of nothing in the base year are missing, whatever was written down upon them."""
    world, first = SavingsWorld(tmp_path), day_start_s(date(2015, 8, 1), ZONE)
    silent = lambda at_s: (at_s >= first) & (at_s < first + 4 * 86400)  # noqa: E731
    world.meter(*BASE, change=lambda at_s, kwh: np.where(silent(at_s), 0.0, kwh))
    world.meter(*HALF)
    world.weather(BASE[0], HALF[1])
    assert answer(world)["adjusted"]["base_masked"]["no_use"] == 4
    assert world.command("base", "lock", "electricity")[0] == 0
    code, text = world.command(
        "base", "adjust", "electricity", "--start", "2015-08-01", "--end", "2015-08-31", "--per-day",
        "--quantity", "1000", "--reason", "a feeder left out", "--evidence", "plan 7", "--author", "Wu",
    )  # fmt: skip
    assert code == 0, text
    for step in ((), ("--hourly",)):
        masked = answer(world, *step)["adjusted"]["base_masked"]["no_use"]
        assert masked == (4 * 24 if step else 4)
