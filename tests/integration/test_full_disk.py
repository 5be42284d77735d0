"""A disk that is full: raw readings make room for what waits and for nothing else, and all recovers."""

import pytest

from monitor.store import writer as store_writer
from monitor.store.care.full_disk import FullDisk
from monitor.store.care.verify import verify_store
from monitor.store.given_up import Cause, Order
from monitor.store.writer import Writer
from tests.keeping_world import Keeping


@pytest.fixture
def keeping(tmp_path):
    made = []

    def make(cap_bytes):
        made.append(Keeping(tmp_path, cap_bytes))
        return made[-1]

    yield make
    for one in made:
        one.house.leave()


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
    fed = one.accept(600_000, 606_000)
    while one.house.writer.last_error is None:  # the last page has room for some
        fed += one.accept(600_000 + 30 * fed, 600_000 + 30 * fed + 30)
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
    disk = FullDisk(one.house.reader, one.house.writer)
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
