"""A disk that is full: raw readings make room for what waits and for nothing else, and all recovers."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from config.words import say
from monitor.store import waiting
from monitor.store import writer as store_writer
from monitor.store.care.ballast import Ballast
from monitor.store.care.disk import disk_trouble, is_full
from monitor.store.care.full_disk import FullDisk
from monitor.store.care.verify import verify_store
from monitor.store.database import StoreError, WriterLock
from monitor.store.given_up import Cause, Order
from monitor.store.writer import Writer
from tests.crash.every_nth import built
from tests.keeping_world import makes_keepings
from tests.rework_world import House


class Usage(NamedTuple):
    """What ``shutil.disk_usage`` says."""

    total: int
    used: int
    free: int


keeping = pytest.fixture(makes_keepings)


@pytest.fixture
def long_rest(monkeypatch):
    """A writer that has failed rests for longer than any test takes: it tries when it is told to."""
    monkeypatch.setattr(store_writer, "RETRY_FIRST_S", 86_400.0)
    monkeypatch.setattr(store_writer, "RETRY_CAP_S", 86_400.0)


@pytest.mark.scenario(5)
@pytest.mark.usefixtures("long_rest")
def test_scenario_5_a_full_disk_with_a_cap_gives_up_raw_scans_and_recovers_by_itself(keeping):
    """20,000 readings on disk, 200 wait: what waits gets there, and about as many go as took its room."""
    one = keeping(10**9)
    one.feed(0, 600_000)
    one.fill_disk()
    intervals = one.house.ask("SELECT count(*) FROM intervals").scalar_one()
    scans = one.scans()
    assert scans == 20_000
    fed, writer = 0, one.house.writer
    while writer.last_error is None:  # the last page has room for some
        fed += one.accept(600_000 + 30 * fed, 600_000 + 30 * fed + 6_000)
        one.wait_until("written or refused", lambda: not writer.waiting() or writer.last_error)
    keeper = one.keeper()
    for _ in range(20):
        if not one.house.writer.waiting():
            break
        tries = one.house.writer.tries
        keeper.look()
        one.wait_until("it was tried at once", lambda before=tries: one.house.writer.tries > before)
    one.wait_until("all of it is on disk", lambda: one.house.writer.waiting() == 0)
    assert fed >= 200
    gone = scans + fed - one.scans()
    assert 0 < gone < 7_750
    assert one.house.ask("SELECT count(*) FROM intervals").scalar_one() > intervals
    told = {finding.code: finding.data["count"] for finding in verify_store(one.loaded.store_path)}
    assert told == {"care.found_undelivered": gone, "care.found_given_up_disk": gone}


class Deaf(Writer):
    """A writer that hears only when its test lets it that somebody has made room."""

    hears = False

    def try_now(self):
        if self.hears:
            super().try_now()


@pytest.mark.usefixtures("long_rest")
def test_nothing_more_is_given_up_until_the_writer_has_failed_again(keeping, monkeypatch):
    monkeypatch.setattr("tests.rework_world.Writer", Deaf)
    one = keeping(10**9)
    one.feed(0, 300_000)
    one.fill_disk()
    one.accept(300_000, 330_000)
    one.wait_until_refused()
    disk = FullDisk(one.loaded.store_path, one.house.reader, one.house.writer, None)
    order = Order("hall", (), Cause.DISK, 0)
    assert disk.make_room(order).count > 0
    left = one.scans()
    for _ in range(5):
        assert disk.make_room(order).count == 0
    assert one.scans() == left
    assert not disk.is_met()
    one.house.writer.hears = True
    one.house.writer.try_now()
    one.wait_until("all of it is on disk", lambda: one.house.writer.waiting() == 0)
    assert disk.make_room(order).count == 0


def on_a_small_disk(folder, reserve, world="tests.small_disk"):
    """What ``tests/small_disk.py`` says; its disk is a library that any user can have."""
    library = built(folder)
    command = [sys.executable, "-m", world, str(folder), reserve]
    surroundings = {**os.environ, "LD_PRELOAD": str(library)}
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=surroundings, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.scenario(5)
def test_scenario_5_a_disk_that_is_full_to_the_last_byte_has_a_reserve(tmp_path):
    """Deleting wants room in the log: the ballast gives it, raw readings go, all that waited is written."""
    found = on_a_small_disk(tmp_path, "with")
    assert found["laid_by"] == 16 << 20
    assert (found["stuck"], found["kept_back"]) == (False, False)
    assert 0 < found["given_up"] < 7_750
    assert found["there"] == found["fed"] - found["given_up"]
    assert found["again"]  # made anew once there is room
    assert found["told"] == {}
    assert "care.size_held" not in found["codes"]
    assert set(found["verify"]) == {"care.found_undelivered", "care.found_given_up_disk"}


def test_without_a_reserve_it_is_the_disk_that_is_told_and_nothing_is_lost(tmp_path):
    found = on_a_small_disk(tmp_path, "without")
    assert found["stuck"]
    assert "care.disk_full" in found["codes"]
    assert not {"care.size_held", "care.given_up_disk_undelivered"} & set(found["codes"])
    assert (found["given_up"], found["there"]) == (0, found["fed"])
    assert (found["told"], found["verify"]) == ({}, [])


def test_a_start_on_a_full_disk_writes_nothing_and_keeps_the_reserve(tmp_path):
    found = on_a_small_disk(tmp_path, "again", "tests.full_start")
    assert (found["refused"], found["kept"]) == ([], True)


def test_a_start_that_has_to_write_on_a_full_disk_gives_the_reserve_back(tmp_path):
    found = on_a_small_disk(tmp_path, "anew", "tests.full_start")
    assert (found["refused"], found["kept"]) == ([], False)
    assert found["heard"].count("care.log_ballast") == 1


def test_a_lock_that_finds_no_room_says_so_in_words_and_is_free_again(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = WriterLock(tmp_path / "energy.db")
    with monkeypatch.context() as disk:
        disk.setattr(os, "ftruncate", full)
        with pytest.raises(StoreError) as caught:
            lock.acquire()
    assert (caught.value.code, is_full(caught.value.data["reason"])) == ("store.unusable", True)
    lock.acquire()
    lock.release()


def test_the_disk_is_asked_by_whoever_tells_of_it(tmp_path, monkeypatch):
    """The daemon cannot write down that it cannot write: page and ``status`` ask the disk themselves."""
    path = tmp_path / "energy.db"
    for free, code in ((10**9, None), (100 << 20, "care.disk_low"), (4096, "care.disk_full")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, left=free: Usage(10**10, 10**10 - left, left))
        found = disk_trouble(path)
        assert (found and found["code"]) == code
        if found:
            words = {say(found["code"], language, **found["data"]) for language in ("en", "zh-TW")}
            assert len(words) == 2
    small = Usage(30 << 20, 0, 30 << 20)  # a small disk that is empty is not full
    monkeypatch.setattr("shutil.disk_usage", lambda _: small)
    assert disk_trouble(path) is None


def test_a_ballast_is_in_proportion_and_leaves_room(tmp_path, monkeypatch):
    path = tmp_path / "energy.db"
    for cap, total, free, size in (
        (None, 10**12, 10**11, 16 << 20),
        (80 << 20, 10**12, 10**11, 10 << 20),
        (None, 80 << 20, 80 << 20, 10 << 20),
        (None, 10**10, 5 << 20, 4 << 20),
        (None, 10**10, 1 << 20, None),
        (1 << 20, 10**10, 10**9, None),
    ):
        monkeypatch.setattr("shutil.disk_usage", lambda _, a=total, b=free: Usage(a, a - b, b))
        one = Ballast(path, cap)
        assert one.make() is (size is not None)
        assert not one.is_there() or one.path.stat().st_size == size
        assert one.release() is (size is not None)
        assert not one.is_there()


@pytest.mark.usefixtures("long_rest")
def test_what_waits_in_memory_is_bounded_and_what_was_let_go_is_booked(keeping, monkeypatch):
    """Without a cap nothing on disk goes; of what waits raw readings go, and every interval gets there."""
    monkeypatch.setattr(waiting, "SCANS_AT_MOST", 100)
    one = keeping(10**9)
    house = one.house
    one.feed(0, 30_000)
    one.fill_disk()
    fed = 1_000
    while house.writer.last_error is None:
        fed += one.accept(30 * fed, 30 * fed + 3_000)
        one.wait_until("written or refused", lambda: not house.writer.waiting() or house.writer.last_error)
    fed += one.accept(30 * fed, 30 * fed + 30_000)
    tries = house.writer.tries
    house.writer.try_now()
    one.wait_until("it was tried", lambda: house.writer.tries > tries)
    house.ask("PRAGMA max_page_count=1000000")
    house.writer.try_now()
    one.wait_until("it is on disk", lambda: not house.writer.waiting())
    (row,) = house.reader.given_up()
    assert (row.sink, row.cause, row.count) == ("", "waiting", row.last_id - row.first_id + 1)
    assert one.scans() == fed - row.count
    assert row.count > 500
    assert house.reader.count_after("scans", 0) == one.scans()
    starts = [start for start, *_ in house.rows()]
    assert starts == list(range(starts[0], starts[-1] + 900, 900))
    assert {found.code for found in verify_store(one.loaded.store_path)} == {"care.found_given_up_waiting"}
    before = house.rows()
    house.leave()
    again = House(one.loaded.store_path, now_s=house.clock.ms / 1000)
    assert again.rows() == before
    again.leave()
    one.house = House(one.loaded.store_path, now_s=house.clock.ms / 1000)
