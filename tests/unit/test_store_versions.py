"""A store of the first version is brought up to date, with all that stands in it."""

import sqlite3

import pytest

from monitor.store.database import VERSION, StoreError, open_reader, open_writer
from tests.rework_world import House

FIRST = """
CREATE TABLE intervals (site VARCHAR NOT NULL, meter VARCHAR NOT NULL, start_s BIGINT NOT NULL,
  duration_s INTEGER NOT NULL, quantity DOUBLE NOT NULL, coverage DOUBLE NOT NULL, quality SMALLINT NOT NULL,
  rate_avg DOUBLE, rate_max DOUBLE, rate_min DOUBLE, caught_up SMALLINT NOT NULL, register_start DOUBLE,
  register_end DOUBLE, epoch INTEGER NOT NULL, rev INTEGER NOT NULL, seq BIGINT NOT NULL,
  PRIMARY KEY (site, meter, start_s));
CREATE UNIQUE INDEX intervals_seq ON intervals (seq);
CREATE TABLE refusals (id INTEGER NOT NULL, site VARCHAR NOT NULL, meter VARCHAR NOT NULL,
  at_ms BIGINT NOT NULL, code VARCHAR NOT NULL, value DOUBLE NOT NULL, PRIMARY KEY (id));
INSERT INTO intervals VALUES ('hall', 'main', 900, 900, 25.0, 1.0, 0, 100, 100, 100, 0, 5, 30, 0, 0, 1);
CREATE TABLE dead_letters (id INTEGER NOT NULL, site VARCHAR NOT NULL, sink VARCHAR NOT NULL,
  at_ms BIGINT NOT NULL, line BLOB NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (id));
INSERT INTO refusals VALUES (1, 'hall', 'main', 1000000, 'spike', 9e9);
"""
T0 = 1_800_000_000


@pytest.fixture
def first(tmp_path):
    """A store whose tables are as version 1 made them, and a daemon filled them."""
    path = tmp_path / "energy.db"
    open_writer(path).dispose()
    connection = sqlite3.connect(path)
    new = (
        "intervals",
        "refusals",
        "meter_records",
        "checkpoints",
        "late_readings",
        "reworks",
        "device_counts",
        "dead_letters",
        "backfills",
        "audit",
    )
    connection.executescript("".join(f"DROP TABLE {table};" for table in new) + FIRST)
    connection.execute("PRAGMA user_version=1")
    connection.commit()
    connection.close()
    return path


def test_readers_say_what_an_old_store_needs(first):
    with pytest.raises(StoreError, match=r"store\.older"):
        open_reader(first)


def test_everything_that_stood_in_it_stays(first):
    house = House(first)
    with house.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA user_version").scalar_one() == VERSION
    (row,) = house.rows()
    assert (row.quantity, row.factor, row.register_end) == (25.0, 1.0, 30.0)
    (refusal,) = house.reader.past.refusals("main", 0, 10)
    assert (refusal.code, refusal.heard_ms, refusal.data) == ("spike", 1_000_000, {})
    house.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(0, 2000, 30)])
    assert len(house.rows()) == 3
    house.leave()
    again = House(first, now_s=T0 + 2000)  # once is enough
    assert len(again.rows()) == 3
    again.leave()


def test_an_old_and_a_new_store_have_the_same_columns_and_indexes(first, tmp_path):
    open_writer(first).dispose()
    open_writer(tmp_path / "new.db").dispose()
    assert described(first) == described(tmp_path / "new.db")


def described(path):
    connection = sqlite3.connect(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {
        table: sorted(row[1] for row in connection.execute(f"PRAGMA table_info({table})")) for table in tables
    }
    indexes = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    connection.close()
    return columns, indexes
