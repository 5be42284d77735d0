"""The month's highest window while the month goes on: the same whether the daemon went on or began anew."""

import pytest

from config.loading import load_site
from monitor.reports.results import LOOK_AGAIN_S, SiteResults
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, IntervalRow
from monitor.store.writer import Writer, submit_and_wait
from rules.intervals import Interval
from tests.site_example import example_text

START_S = 1_795_510_800


def row(n, kwh):
    one = Interval(START_S + 900 * n, 900, kwh, 1.0, 0, kwh * 4, kwh * 4, kwh * 4, False, 0.0, kwh, 0)
    return IntervalRow("building", one)


class House:
    """A store, and what is told of its demand."""

    def __init__(self, loaded, path, writer):
        self.loaded = loaded
        self.writer = writer
        self.reader = StoreReader.open(path, loaded.site.site.id)
        self.results = self.begin_anew()

    def begin_anew(self):
        self.results = SiteResults(self.loaded.site, self.reader)
        return self.results


@pytest.fixture
def house(tmp_path):
    (tmp_path / "site.yaml").write_text(example_text(), encoding="utf-8")
    loaded = load_site(tmp_path / "site.yaml")
    engine = open_writer(tmp_path / "energy.db")
    writer = Writer(engine, loaded.site.site.id)
    house = House(loaded, tmp_path / "energy.db", writer)
    writer.start()
    yield house
    writer.close()
    house.reader.close()
    engine.dispose()


def step(house, n, kwh, *, late_s=0):
    """One more window closes; the month's peak that is told with it."""
    assert submit_and_wait(house.writer, Commit(intervals=[row(n, kwh)]))
    now_s = START_S + 900 * (n + 1) + late_s
    rows = [one for one in house.results.due(now_s) if one.kind == "demand"]
    assert submit_and_wait(house.writer, Commit(results=rows))
    return [(one.data["kw"], one.data["month_max_kw"]) for one in rows]


def test_the_peak_goes_on_from_window_to_window(house):
    told = [step(house, n, kwh) for n, kwh in enumerate([10, 30, 20, 25])]
    assert told == [[(40.0, 40.0)], [(120.0, 120.0)], [(80.0, 120.0)], [(100.0, 120.0)]]


def test_a_restart_changes_nothing(house):
    for n, kwh in enumerate([10, 30, 20]):
        step(house, n, kwh)
    house.begin_anew()
    assert step(house, 3, 25) == [(100.0, 120.0)]


def test_a_window_that_was_changed_later_is_seen_within_the_hour(house):
    for n, kwh in enumerate([10, 30, 20]):
        step(house, n, kwh)
    assert submit_and_wait(house.writer, Commit(intervals=[row(1, 50)]))
    assert step(house, 3, 25, late_s=LOOK_AGAIN_S) == [(100.0, 200.0)]
    assert step(house, 4, 60, late_s=LOOK_AGAIN_S) == [(240.0, 240.0)]
