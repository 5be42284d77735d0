"""Scan to committed interval, over the real store: idempotent, and the same after a kill."""

import math
import threading

import numpy as np
import pytest

from monitor.pipeline import Meter, Pipeline
from monitor.store.database import StoreError, WriterLock, open_reader, open_writer
from monitor.store.reader import StoreReader
from monitor.store.retention import delete_old_scans
from monitor.store.rows import Commit
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.counters import CounterLimits
from rules.metering import MeterRules
from rules.quality import Quality
from rules.scan import Layout, Scan
from tests.one_meter import LAYOUT

METER = Meter("main", LAYOUT.key, 0, 1, MeterRules(CounterLimits(9000.0), 900, 30_000))


def scan(at_s: float, kwh: float, kw: float = 3600.0) -> Scan:
    return Scan(LAYOUT, round(at_s * 1000), np.array([kwh, kw]), np.zeros(2, dtype=np.uint8))


class House:
    """A store with a writer and a pipeline, as the daemon has them."""

    def __init__(self, path, layout=LAYOUT, meters=(METER,)):
        self.engine = open_writer(path)
        self.reader = StoreReader.open(path, "hall")
        self.writer = Writer(self.engine, "hall")
        self.writer.start()
        self.now_ms = 0
        ids = register_layouts(self.engine, "hall", [layout])
        self.pipeline = Pipeline(
            {layout.key: (ids[layout.key], layout)},
            meters,
            self.writer.submit,
            clock_ms=lambda: self.now_ms,
            interval_s=900,
        )
        self.replayed = self.pipeline.restore(self.reader)

    def settle(self):
        assert submit_and_wait(self.writer, Commit())

    def rows(self):
        return [
            (one.start_s, one.quantity, one.coverage, one.quality, one.rate_max, one.rev)
            for one in self.reader.changed_intervals(0, 1000)
        ]

    def leave(self):
        """End without a last snapshot: what a kill leaves behind."""
        assert self.writer.close()
        self.reader.close()
        self.engine.dispose()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "energy.db"


def feed(house, times):
    for t in times:
        house.now_ms = t * 1000
        house.pipeline.accept(scan(t, float(t)))
    house.settle()


TIMES = range(450, 4000, 10)


def test_intervals_come_out_once_and_right(path):
    house = House(path)
    feed(house, TIMES)
    rows = house.rows()
    assert [row[0] for row in rows] == [0, 900, 1800, 2700]
    assert [row[1] for row in rows] == pytest.approx([450.0, 900.0, 900.0, 900.0])
    assert rows[1][2:] == (1.0, Quality.GOOD, 3600.0, 0)
    house.leave()


@pytest.mark.parametrize("killed_after", [1, 30, 46, 100, 200, 300])
def test_a_kill_in_the_middle_gives_the_same_rows(tmp_path, killed_after):
    whole = House(tmp_path / "whole.db")
    feed(whole, TIMES)
    first = House(tmp_path / "killed.db")
    feed(first, TIMES[:killed_after])
    first.leave()
    second = House(tmp_path / "killed.db")
    assert second.replayed <= 90  # at most an interval of scans is taken again
    feed(second, TIMES[killed_after:])
    assert second.rows() == whole.rows()
    whole.leave()
    second.leave()


def test_taking_scans_again_changes_no_row(path):
    house = House(path)
    feed(house, TIMES)
    before = house.rows()
    seqs = house.reader.newest_seqs()
    feed(house, TIMES)
    assert house.rows() == before
    assert house.reader.newest_seqs() == seqs
    house.leave()


def test_a_scan_is_safe_before_it_is_acknowledged(path):
    house = House(path)
    acknowledged = []
    house.pipeline.accept(scan(10, 1.0), lambda: acknowledged.append(house.reader.last_scan_id()))
    house.settle()
    assert acknowledged == [1]
    house.leave()


def test_a_device_with_an_old_clock_makes_no_storm_of_snapshots(path):
    house = House(path)
    snapshots = []
    submit = house.pipeline._submit

    def watched(commit):
        snapshots.append(commit.snapshot)
        submit(commit)

    house.pipeline._submit = watched
    for t in range(10, 3000, 10):
        house.now_ms = t * 1000
        house.pipeline.accept(scan(t if t % 20 else t - 400, float(t)))
    assert len([one for one in snapshots if one]) == 4  # one an interval, and the first
    house.leave()


def test_a_power_that_cannot_be_is_no_maximum(path):
    house = House(path)
    for t in range(0, 1000, 10):
        house.pipeline.accept(scan(t, float(t), kw=1e9 if t == 500 else 3600.0))
    house.settle()
    assert house.rows()[0][4] == 3600.0
    house.leave()


def test_a_refused_reading_is_kept_and_counted(path):
    house = House(path)
    feed(house, [10, 20])
    house.pipeline.accept(scan(30, 0.0))
    house.pipeline.accept(scan(40, math.nan))
    house.pipeline.accept(scan(50, 50.0, kw=99_999.0))
    house.settle()
    assert house.reader.refusal_counts(0) == {"main": 1}
    kept = [one for _, _, one in house.reader.follow(0)]
    assert len(kept) == 5
    assert kept[3].quality.tolist() == [Quality.MISSING, Quality.GOOD]
    assert kept[4].quality.tolist() == [Quality.GOOD, Quality.SUSPECT]
    house.leave()


def test_old_scans_go_in_steps_but_none_that_a_sink_needs(path):
    house = House(path)
    feed(house, TIMES)
    count = house.reader.last_scan_id()
    assert delete_old_scans(house.reader, house.writer, 2_000_000, ["influx"]) == 0
    assert submit_and_wait(house.writer, Commit(cursors={("influx", "scans"): 100}))
    assert delete_old_scans(house.reader, house.writer, 2_000_000, ["influx"]) == 100
    assert [row[0] for row in house.reader.follow(0)] == list(range(101, count + 1))
    assert house.rows()
    house.leave()


def test_a_second_writer_is_refused(path):
    first = WriterLock(path)
    first.acquire()
    with pytest.raises(StoreError, match=r"store.in_use"):
        WriterLock(path).acquire()
    assert WriterLock(path).holder() is not None
    first.release()
    assert WriterLock(path).holder() is None


def test_other_peoples_files_are_left_alone(path):
    path.write_bytes(b"not a database, but somebody's thesis" * 100)
    for opening in (open_writer, open_reader):
        with pytest.raises(StoreError, match=r"store.foreign"):
            opening(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_store_of_a_newer_version_is_refused(path):
    engine = open_writer(path)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version=99")
    engine.dispose()
    for opening in (open_writer, open_reader):
        with pytest.raises(StoreError, match=r"store.newer"):
            opening(path)


def test_there_is_nothing_to_read_before_the_first_run(path):
    with pytest.raises(StoreError, match=r"store.missing"):
        open_reader(path)


def test_a_full_disk_loses_nothing_and_heals_by_itself(path):
    house = House(path)
    feed(house, [10, 20])
    with house.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    for t in range(30, 4000, 10):
        house.pipeline.accept(scan(t, float(t)))
    wait_for(lambda: house.writer.last_error is not None)
    assert "full" in str(house.writer.last_error)
    assert house.writer.waiting()
    with house.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    wait_for(lambda: not house.writer.waiting())
    assert house.writer.last_error is None
    assert house.reader.last_scan_id() == len(range(10, 4000, 10))
    assert [row[0] for row in house.rows()] == [0, 900, 1800, 2700]
    house.leave()


def test_closing_on_a_full_disk_says_what_did_not_get_there(path):
    house = House(path)
    feed(house, [10])
    with house.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    for t in range(20, 4000, 10):
        house.pipeline.accept(scan(t, float(t)))
    assert not house.writer.close(5.0)
    assert not submit_and_wait(house.writer, Commit())  # it has ended
    house.reader.close()
    house.engine.dispose()


def test_a_request_that_fails_does_not_stop_the_writer(path):
    house = House(path)
    done = []

    def failing(engine):
        raise ZeroDivisionError

    house.writer.call(failing)
    house.writer.call(lambda engine: done.append(engine is house.engine))
    feed(house, [10])
    assert done == [True]
    assert house.reader.last_scan_id() == 1
    house.leave()


def test_a_changed_profile_keeps_the_old_scans_readable(path):
    first = House(path)
    feed(first, [10, 20, 30])
    first.leave()
    fewer = Layout(LAYOUT.device, LAYOUT.part, LAYOUT.family, LAYOUT.points[:1])
    second = House(path, fewer, [])
    feed(second, [])
    second.pipeline.accept(Scan(fewer, 40_000, np.array([40.0]), np.zeros(1, dtype=np.uint8)))
    second.settle()
    sizes = [len(one.values) for _, _, one in second.reader.follow(0)]
    assert sizes == [2, 2, 2, 1]
    second.leave()


def wait_for(condition, seconds=90.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it did not come")
