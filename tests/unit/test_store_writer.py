"""The one writer: every row of every commit gets to disk, in order, and whoever asked is told after that."""

import sqlite3
import threading
import time
from contextlib import closing

import numpy as np
import pytest
from sqlalchemy import event

from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, ConditionRow, Snapshot, pack_scan
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.quantities import Kind
from rules.scan import Layout, PointSpec, Scan

LAYOUT = Layout("d", "main", "electricity", (PointSpec("energy_import", "kWh", Kind.COUNTER),))


@pytest.fixture
def store(tmp_path):
    engine = open_writer(tmp_path / "s.db")
    ids = register_layouts(engine, "site", [LAYOUT])
    writer = Writer(engine, "site")
    yield tmp_path / "s.db", writer, ids[LAYOUT.key]
    writer.close()
    engine.dispose()


def scan(number):
    return Scan(LAYOUT, 1000 * number, np.array([float(number)]), np.array([number % 3], dtype=np.uint8))


def commit(number, layout_id):
    one = scan(number)
    return Commit(scans=[(number, layout_id, one.at_ms, *pack_scan(one))])


@pytest.mark.parametrize("count", [1, 7, 8, 63, 64, 65, 203])
def test_any_number_of_scans_waits_and_every_one_is_kept(store, count):
    path, writer, layout_id = store
    for number in range(1, count + 1):
        writer.submit(commit(number, layout_id))
    writer.submit(Commit(conditions=[ConditionRow("d", "online", 5, None)]))
    writer.start()
    assert submit_and_wait(writer, Commit())
    with closing(StoreReader.open(path, "site")) as reader:
        found = reader.follow(0)
        assert [id_ for id_, _, _ in found] == list(range(1, count + 1))
        assert [one.values.tolist() for _, _, one in found] == [[float(n)] for n in range(1, count + 1)]
        assert [one.quality.tolist() for _, _, one in found] == [[n % 3] for n in range(1, count + 1)]


def test_a_writer_that_sleeps_is_woken_by_a_scan_alone(store):
    _, writer, layout_id = store
    writer.start()
    for number in range(1, 6):
        safe = threading.Event()
        one = commit(number, layout_id)
        one.done.append(safe.set)
        writer.submit(one)
        assert safe.wait(90)


def test_a_snapshot_takes_the_place_of_the_one_before(store):
    path, writer, layout_id = store
    writer.start()
    writer.submit(Commit(snapshot=Snapshot(3, {"m": b"old", "n": b"kept"}, {layout_id: scan(3)})))
    assert submit_and_wait(writer, Commit(snapshot=Snapshot(7, {"m": b"new"}, {layout_id: scan(7)})))
    with closing(StoreReader.open(path, "site")) as reader:
        assert reader.snapshot_position() == 7
        assert reader.snapshot_states() == {"m": b"new", "n": b"kept"}
        assert reader.snapshot_latest()[layout_id].at_ms == 7000


def test_what_nobody_waits_for_gathers_and_gets_to_disk_all_the_same(store):
    _, writer, layout_id = store
    writer.start()
    for number in range(1, 4):
        writer.submit(commit(number, layout_id))
    assert eventually(lambda: writer.waiting() == 0)


def test_a_disk_in_trouble_at_the_very_end_is_given_another_chance(store):
    path, writer, layout_id = store
    writer.start()
    tries = []

    def fail_at_first(connection, *_):
        tries.append(connection)
        if len(tries) < 3:
            raise sqlite3.OperationalError("disk I/O error")

    event.listen(writer._engine, "begin", fail_at_first)
    writer.submit(commit(1, layout_id))
    assert writer.close()
    assert len(tries) >= 3
    with closing(StoreReader.open(path, "site")) as reader:
        assert reader.last_scan_id() == 1


def eventually(is_so, within_s=90.0):
    """Whether a condition comes true."""
    deadline_s = time.monotonic() + within_s
    while not is_so() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return is_so()


def test_one_who_cannot_be_told_does_not_end_the_writer(store, caplog):
    _, writer, layout_id = store
    writer.start()

    def fails():
        raise BlockingIOError("nobody listens")

    one = commit(1, layout_id)
    one.done.append(fails)
    writer.submit(one)
    assert submit_and_wait(writer, commit(2, layout_id))
    assert "could not be told" in caplog.text
