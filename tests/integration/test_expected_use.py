"""After each day the expected use is set against the actual; a change is asked about in its week."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from config.loading import load_site
from config.words import LANGUAGES
from monitor.adjusted.base_model import base_model, from_json, inputs_hash, to_json
from monitor.adjusted.expected import (
    CHANGE,
    EXPECTED,
    REPORTING_MONTHS,
    Due,
    Expectations,
    asked_words,
    watched_days,
)
from monitor.adjusted.observations import observed, subject_of
from monitor.adjusted.shown import expected_now
from monitor.store.expected import KeptModel, keep_base_model
from monitor.store.ledgers import writing
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, submit_and_wait
from rules.calendar import day_start_s
from tests.savings_world import SITE_ID, ZONE, SavingsWorld, building, since
from tests.servers import run_program
from tests.servers.processes import wait_until

BASE = date(2015, 1, 1), date(2015, 12, 31)
STEP_DAY = date(2016, 10, 5)
LAST = date(2016, 10, 18)
NOON_AFTER_S = day_start_s(LAST + timedelta(days=1), ZONE) + 12 * 3600


@pytest.fixture(scope="module")
def stepped(tmp_path_factory):
    """From the 5th of October on the building uses 8 % more."""
    world = SavingsWorld(tmp_path_factory.mktemp("stepped"))
    world.meter(*BASE)
    world.meter(date(2016, 1, 1), LAST, change=since(STEP_DAY, 1.08))
    world.weather(BASE[0], LAST)
    return world


def look(world: SavingsWorld, now_s: int, watch: Expectations | None = None) -> Due:
    """One look of the daemon's job, and what it has written, in the store."""
    loaded = load_site(world.site_file)
    reader = StoreReader.open(loaded.store_path, SITE_ID)
    due = (watch or Expectations(loaded, reader)).due(now_s)
    reader.close()
    with writing(world.store) as engine:
        writer = Writer(engine, SITE_ID)
        writer.start()
        submit_and_wait(writer, Commit(results=due.results, conditions=due.conditions))
        writer.close()
        for name, base in due.models:
            keep_base_model(engine, KeptModel(SITE_ID, name, base.inputs, to_json(base), now_s * 1000))
    return due


def test_days_are_told_the_step_is_found_and_a_second_look_changes_nothing(stepped):
    due = look(stepped, NOON_AFTER_S)
    expected = [row for row in due.results if (row.kind, row.subject) == (EXPECTED, "electricity")]
    assert len(expected) == (LAST - date(2016, 1, 1)).days + 1
    last = expected[-1]
    assert last.at_s == day_start_s(LAST, ZONE)
    assert last.data["low"] < last.data["expected"] < last.data["high"]
    assert last.data["difference"] == pytest.approx(last.data["actual"] - last.data["expected"], abs=0.01)
    of_half = [row for row in expected if row.at_s >= day_start_s(date(2016, 7, 1), ZONE)]
    assert last.data["cumulative"] == pytest.approx(sum(row.data["difference"] for row in of_half), abs=1)
    assert last.data["cumulative_half_width"] > 0

    changes = [row for row in due.results if row.kind == CHANGE and row.subject == "electricity"]
    told = changes[-1].data
    assert told["kind"] == "step"
    assert abs((date.fromisoformat(told["day"]) - STEP_DAY).days) <= 2
    assert (date.fromisoformat(told["found"]) - STEP_DAY).days <= 7  # asked about in its week
    assert abs(told["percent"] - 8.0) <= 2.5
    (condition,) = [row for row in due.conditions if row.device == "expected/electricity"]
    assert condition.condition == "changed"
    for language in LANGUAGES:
        words = asked_words(condition.error, language)
        assert told["day"] in words
        assert "energy-monitor adjust add" in words

    assert [name for name, _ in due.models] == ["electricity", "chilled_water"]
    again = look(stepped, NOON_AFTER_S + 3600)
    assert again.models == []
    with writing(stepped.store) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT max(rev) FROM results").scalar() == 0


def test_status_shows_the_day_and_asks(stepped):
    look(stepped, NOON_AFTER_S)
    code, text = stepped.command("status")
    assert code == 1
    assert "has stepped by +" in text
    code, text = stepped.command("status", "--json")
    told = {one["commodity"]: one for one in json.loads(text)["expected"]}
    assert told["electricity"]["changed"]
    assert told["electricity"]["asks"]["code"] == "savings.change_step"
    assert not told["chilled_water"]["changed"]
    assert told["chilled_water"]["asks"]["code"] == "savings.no_expectation"
    loaded = load_site(stepped.site_file)
    reader = StoreReader.open(loaded.store_path, SITE_ID)
    conditions = {row.device: row for row in reader.conditions()}
    now = expected_now(reader, "electricity", ZONE, conditions, NOON_AFTER_S)
    reader.close()
    assert [one.day for one in now.days] == [LAST - timedelta(days=back) for back in range(6, -1, -1)]
    assert now.since == date(2016, 7, 1)


@pytest.mark.parametrize(
    "days", [("--start", "2016-10-05"), ("--start", "2016-08-01", "--end", "2016-10-04")]
)
def test_an_adjustment_that_begins_or_ends_near_the_day_answers_the_question(tmp_path, days):
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(date(2016, 1, 1), LAST, change=since(STEP_DAY, 1.08))
    world.weather(BASE[0], LAST)
    look(world, NOON_AFTER_S)
    code, text = world.command(
        "adjust", "add", "electricity", *days, "--per-day", "--quantity", "5000",
        "--uncertainty", "900", "--reason", "an office moved in", "--evidence", "letter 9", "--author", "Lin",
    )  # fmt: skip
    assert code == 0, text
    (condition,) = look(world, NOON_AFTER_S + 7200).conditions
    assert (condition.device, condition.condition, condition.error) == ("expected/electricity", "ok", None)


def test_a_kept_model_is_the_model_to_the_last_bit(stepped):
    loaded = load_site(stepped.site_file)
    reader = StoreReader.open(loaded.store_path, SITE_ID)
    try:
        subject = subject_of(loaded, reader, "electricity")
        source = subject.source_for((date(2016, 7, 1), LAST))
        made = base_model(subject, source)
        assert to_json(from_json(to_json(made))) == to_json(made)
        again = from_json(to_json(made)).model
        seen = observed(subject, source, (date(2016, 7, 1), LAST)).conditions
        assert again.predicted(seen).tolist() == made.model.predicted(seen).tolist()
        assert again.leverage(seen) == made.model.leverage(seen)
    finally:
        reader.close()


def test_a_correction_of_the_base_year_makes_another_model(tmp_path):
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(date(2016, 7, 1), LAST)
    world.weather(BASE[0], LAST)
    first = look(world, NOON_AFTER_S)
    world.meter(date(2015, 3, 1), date(2015, 3, 31), change=lambda at_s, kwh: kwh * 1.1)
    second = look(world, NOON_AFTER_S + 7200)
    of = {name: base.inputs for name, base in first.models}
    assert [name for name, base in second.models if of[name] != base.inputs] == ["electricity"]
    assert any(row.kind == EXPECTED for row in second.results)


def test_weather_that_cannot_be_is_told_by_the_daemon_too(tmp_path):
    """The station speaks Fahrenheit since July: silence would look like a quiet building."""
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(date(2016, 1, 1), LAST)
    july_s = day_start_s(date(2016, 7, 1), ZONE)
    world.weather(BASE[0], LAST, change=lambda at_s, air: np.where(at_s < july_s, air, air * 1.8 + 32))
    due = look(world, NOON_AFTER_S)
    assert not [row for row in due.results if row.subject == "electricity"]
    (condition,) = [row for row in due.conditions if row.device == "expected/electricity"]
    assert condition.error is not None
    assert (condition.condition, condition.error["code"]) == ("insufficient", "savings.no_expectation_now")
    for language, words in zip(LANGUAGES, ("華氏", "Fahrenheit"), strict=True):
        assert words in asked_words(condition.error, language)
    assert "Fahrenheit" in world.command("status")[1]
    of_water = next(row for row in due.conditions if row.device == "expected/chilled_water")
    assert of_water.error is not None
    assert "energy-monitor import intervals" in asked_words(of_water.error, "en")
    # As an older version of the program kept it.
    kept = {**of_water.error, "data": {**of_water.error["data"], "facts": None}}
    assert "(baseline_too_much_missing)" in asked_words(kept, "en")


def test_fahrenheit_that_passes_for_heat_is_told_too(tmp_path):
    """A station whose profile drops what is above 60: winter days of 48 degF stay, as 48 degC."""
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(date(2016, 7, 1), LAST)
    october_s = day_start_s(date(2016, 10, 1), ZONE)
    world.weather(BASE[0], LAST, change=lambda at_s, air: np.where(at_s < october_s, air, 48.0))
    due = look(world, NOON_AFTER_S)
    assert not [row for row in due.results if row.subject == "electricity"]
    (condition,) = [row for row in due.conditions if row.device == "expected/electricity"]
    assert condition.error is not None
    assert condition.error["data"]["reason"] == "temperature_far_from_base"
    code, text = world.command("savings", "electricity", "2016-07-01/2016-10-18")
    assert code == 1
    assert "[temperature_far_from_base]" in text


def test_a_calendar_that_is_over_is_told(tmp_path):
    """The year after the last list: days have no kind, and a monitor that says nothing looks content."""
    world, after = SavingsWorld(tmp_path, base_year=2025), date(2027, 1, 10)
    world.meter(date(2025, 1, 1), date(2025, 12, 31))
    world.meter(date(2026, 7, 1), after)
    world.weather(date(2025, 1, 1), after)
    due = look(world, day_start_s(after, ZONE) + 12 * 3600)
    expected = [row for row in due.results if (row.kind, row.subject) == (EXPECTED, "electricity")]
    assert ("expected" in expected[0].data, "expected" in expected[-1].data) == (True, False)
    (condition,) = [row for row in due.conditions if row.device == "expected/electricity"]
    assert condition.error is not None
    for language in LANGUAGES:
        assert "2027" in asked_words(condition.error, language)
    assert "the calendar has no list of 2027" in world.command("status")[1]


@pytest.mark.parametrize(("days", "told"), [(2, False), (3, True)])
def test_weather_that_ceased_is_told(tmp_path, days, told):
    world, heard = SavingsWorld(tmp_path), LAST - timedelta(days=days)
    world.meter(*BASE)
    world.meter(date(2016, 7, 1), LAST)
    world.weather(BASE[0], heard)
    found = [row for row in look(world, NOON_AFTER_S).conditions if row.device == "expected/electricity"]
    assert bool(found) is told
    if told:
        assert found[0].error is not None
        for language in LANGUAGES:
            words = asked_words(found[0].error, language)
            assert (heard + timedelta(days=1)).isoformat() in words
            assert "466920" in words


def test_a_day_that_is_logged_for_a_meter_is_looked_at_again(tmp_path):
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(date(2016, 7, 1), LAST - timedelta(days=1))
    world.weather(BASE[0], LAST)
    loaded = load_site(world.site_file)
    reader = StoreReader.open(loaded.store_path, SITE_ID)
    watch = Expectations(loaded, reader)
    assert watch.due(NOON_AFTER_S)
    day = f"--day={LAST.isoformat()}"
    code, text = world.command("log", "add", "main", day, "--quantity", "70000", "--source", "display")
    assert code == 0, text
    told = watch.due(NOON_AFTER_S + 4000).results
    reader.close()
    (row,) = [one for one in told if one.kind == EXPECTED and one.at_s == day_start_s(LAST, ZONE)]
    assert row.data["actual"] == 70000.0


def test_days_of_darkness_are_caught_up(tmp_path):
    world = SavingsWorld(tmp_path)
    world.meter(*BASE)
    world.meter(date(2016, 7, 1), date(2016, 9, 30))
    world.weather(BASE[0], LAST)
    loaded = load_site(world.site_file)
    reader = StoreReader.open(loaded.store_path, SITE_ID)
    watch = Expectations(loaded, reader)
    begin_s = day_start_s(date(2016, 10, 1), ZONE) + 3600
    assert watch.due(begin_s)
    assert not watch.due(begin_s + 60)  # looked at just now
    assert not watch.due(begin_s + 4000)  # nothing has come since
    world.meter(date(2016, 10, 1), LAST)
    told = watch.due(NOON_AFTER_S).results
    reader.close()
    newest = max(row.at_s for row in told if row.kind == EXPECTED)
    assert newest == day_start_s(LAST, ZONE)
    days = {row.at_s for row in told if row.kind == EXPECTED and "actual" in row.data}
    assert {day_start_s(LAST - timedelta(days=back), ZONE) for back in range(18)} <= days


def steady(at_s: np.ndarray, _: np.ndarray) -> np.ndarray:
    """Use without holidays, which follows the weather, with 3 % of chance a day: the same at any date."""
    warm = np.maximum(building().gauge("dry_bulb_c", at_s + 1800) - 18.0, 0.0)
    day = (at_s + 8 * 3600) // 86_400
    chance = np.random.default_rng(7).standard_normal(int(day.max()) + 1)[day]
    return (1000.0 + 50.0 * warm) * (1 + 0.03 * chance)


def stepped_at(today: date, folder: Path) -> SavingsWorld:
    """Six days before a day something began."""
    yesterday = today - timedelta(days=1)
    year = (today - timedelta(days=60)).year - 1
    # No calendar knows the holidays of every year to come, and the simulated building keeps them.
    world, step = SavingsWorld(folder, base_year=year, extra=""), since(today - timedelta(days=6), 1.3)
    world.meter(date(year, 1, 1), yesterday, change=lambda at_s, kwh: step(at_s, steady(at_s, kwh)))
    world.weather(date(year, 1, 1), yesterday)
    return world


@pytest.mark.parametrize("today", [date(2027, 2, 8), date(2028, 3, 1), date(2030, 1, 2)])
def test_a_step_is_seen_at_any_date(tmp_path, today):
    """In the weeks of Lunar New Year, about a leap day, and after the turn of a year."""
    due = look(stepped_at(today, tmp_path), day_start_s(today, ZONE) + 60)
    told = [row.data for row in due.results if row.kind == CHANGE]
    assert [(one["kind"], one["day"]) for one in told] == [("step", (today - timedelta(days=6)).isoformat())]
    assert told[0]["percent"] == pytest.approx(30, abs=5)


def test_the_daemon_does_it(tmp_path):
    """The command itself, with the machine's clock."""
    today = datetime.now(tz=UTC).astimezone(ZONE).date()
    yesterday = today - timedelta(days=1)
    world = stepped_at(today, tmp_path)
    line = [sys.executable, "-m", "monitor.cli.main", "run", "--site", world.site_file]
    environment = {"ENERGY_MONITOR_LANGUAGE": "en"}
    with run_program(line, name="daemon", env=environment) as daemon:
        wait_until("the change is told", lambda: told(world).get("changed", False), daemon, 300)
        wait_until("the log says it", lambda: "has stepped by +" in daemon.output, daemon, 300)
        wait_until("the model is kept", lambda: is_kept(world, yesterday), daemon, 300)
    days = {one["day"] for one in told(world)["days"]}
    assert yesterday.isoformat() in days


def told(world: SavingsWorld) -> dict:
    """What ``status`` says of electricity."""
    _, text = world.command("status", "--json")
    found = {one["commodity"]: one for one in json.loads(text)["expected"]}
    return found.get("electricity", {})


def is_kept(world: SavingsWorld, yesterday: date) -> bool:
    loaded = load_site(world.site_file)
    reader = StoreReader.open(loaded.store_path, SITE_ID)
    try:
        subject = subject_of(loaded, reader, "electricity")
        source = subject.source_for(watched_days(yesterday))
        inputs = inputs_hash(subject, source, REPORTING_MONTHS)
        return reader.expected.model("electricity", inputs) is not None
    finally:
        reader.close()
