"""Drivers' counts on their way into the store: trouble soon, routine once a minute."""

import asyncio

import pytest

from drivers.contract import Counts
from monitor.counting import RENEW_EVERY_S, CountKeeper
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader


class Hands:
    """A clock that is set by hand."""

    def __init__(self):
        self.s = 1_000_000.0

    def now_ms(self):
        return round(self.s * 1000)

    def monotonic_s(self):
        return self.s


class Counting:
    """A driver that has nothing but counts."""

    def __init__(self, **counts):
        self.counts = counts

    def device_counts(self):
        return self.counts


@pytest.fixture
def world(tmp_path):
    path = tmp_path / "energy.db"
    engine = open_writer(path)
    reader = StoreReader.open(path, "hall")
    driver, clock, calls = Counting(main=Counts(polls=3, readings=3), roof=Counts()), Hands(), []
    keeper = CountKeeper({"room": driver}, calls.append, "hall", clock)  # type: ignore[dict-item]

    def look(after_s):
        clock.s += after_s
        asyncio.run(keeper.look())
        written = len(calls)
        for work in calls:
            work(engine)
        calls.clear()
        return written

    yield driver, look, reader, engine
    reader.close()
    engine.dispose()


def test_counts_are_written_at_first_and_then_only_where_they_changed(world):
    driver, look, reader, _ = world
    assert look(0) == 1
    found = reader.device_counts()
    assert found["main"].counts == {"polls": 3, "readings": 3}
    assert found["roof"].counts == {}
    assert look(RENEW_EVERY_S + 1) == 0
    driver.counts["main"] = Counts(polls=64, readings=64)
    assert look(1) == 0  # all is well, and a minute is not over
    assert look(RENEW_EVERY_S) == 1
    row = reader.device_counts()["main"]
    assert row.counts["polls"] == 64
    assert row.at_ms - row.since_ms == round(1000 * (2 * RENEW_EVERY_S + 2))


def test_trouble_is_written_at_the_next_look(world):
    driver, look, reader, _ = world
    look(0)
    driver.counts["main"] = Counts(polls=4, readings=3, silent=1)
    assert look(5) == 1
    assert reader.device_counts()["main"].counts == {"polls": 4, "readings": 3, "silent": 1}
    driver.counts["roof"] = Counts(messages=2, bad=1, reasons={"payload.not_json": 1})
    assert look(5) == 1
    assert reader.device_counts()["roof"].counts == {"messages": 2, "bad": 1, "bad:payload.not_json": 1}


def test_what_the_disk_did_not_take_is_written_later(world):
    _, look, reader, engine = world
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE device_counts RENAME TO elsewhere")
    assert look(0) == 1
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO device_counts")
    assert look(5) == 1
    assert reader.device_counts()["main"].counts["polls"] == 3
