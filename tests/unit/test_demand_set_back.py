"""Demand windows that are lived twice are told anew."""

import math

import pytest

from config.loading import load_site
from monitor.reports.results import SiteResults
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, IntervalRow, ResultRow
from monitor.store.writer import Writer, submit_and_wait
from rules.intervals import Interval
from rules.quality import Quality
from rules.setback import untold
from tests.site_example import example_text

NINE_S = 1_795_510_800


def row(n, kwh, *, caught_up=False):
    mean = math.nan if caught_up else kwh * 4
    quality = Quality.SUSPECT if caught_up else Quality.GOOD
    one = Interval(NINE_S + 900 * n, 900, kwh, 1.0, quality, mean, mean, mean, caught_up, 0.0, kwh, 0)
    return IntervalRow("building", one)


@pytest.fixture
def house(tmp_path):
    (tmp_path / "site.yaml").write_text(example_text(), encoding="utf-8")
    loaded = load_site(tmp_path / "site.yaml")
    engine = open_writer(tmp_path / "energy.db")
    reader = StoreReader.open(tmp_path / "energy.db", loaded.site.site.id)
    writer = Writer(engine, loaded.site.site.id)
    writer.start()
    yield SiteResults(loaded.site, reader), writer
    writer.close()
    reader.close()
    engine.dispose()


def told(results, writer, now_s):
    rows = [one for one in results.due(now_s) if one.kind == "demand"]
    assert submit_and_wait(writer, Commit(results=rows))
    return {(one.at_s - NINE_S) // 900: one.data for one in rows}


def test_windows_that_are_lived_again_are_told_again(house):
    results, writer = house
    assert submit_and_wait(writer, Commit(intervals=[row(0, 10), row(1, 20), row(2, 30), row(3, 40)]))
    assert set(told(results, writer, NINE_S + 3600)) == {3}
    assert told(results, writer, NINE_S + 3700) == {}
    # At ten o'clock it is set back to a quarter past nine, and a little.
    back_s = NINE_S + 1000
    gone = [IntervalRow("building", untold(NINE_S + 900 * n, 900)) for n in (1, 2, 3)]
    step = ResultRow("clock", "clock", back_s, {"step_s": -2600.0})
    assert submit_and_wait(writer, Commit(intervals=gone, results=[step]))
    assert told(results, writer, back_s + 10) == {}
    assert submit_and_wait(writer, Commit(intervals=[row(1, 95, caught_up=True), row(2, 7)]))
    again = told(results, writer, NINE_S + 2710)
    assert set(again) == {1, 2}
    assert "kw" not in again[1]
    assert (again[2]["kw"], again[2]["month_max_kw"]) == (28.0, 40.0)
    assert submit_and_wait(writer, Commit(intervals=[row(3, 8)]))
    assert told(results, writer, NINE_S + 3610)[3]["kwh"] == 8.0
    assert submit_and_wait(writer, Commit(intervals=[row(4, 9)]))
    assert set(told(results, writer, NINE_S + 3600 + 3 * 900)) == {4}
