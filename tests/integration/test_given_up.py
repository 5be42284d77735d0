"""What was given up is never forgotten: the books say for whom, why and how much, whatever comes then."""

import pytest

from config.words import say
from monitor.store.care.size import used_bytes
from monitor.store.care.told import TOLD_FOR_MS, troubles_of
from monitor.store.care.verify import verify_store
from monitor.store.given_up import STORE, Cause, Order
from monitor.store.retention import delete_old_scans, give_up_oldest_scans
from monitor.store.rows import Commit
from monitor.store.writer import submit_and_wait
from tests.keeping_world import Keeping

LAST = 180_000
"""Seconds of readings: 6,000 of them."""


@pytest.fixture
def hall(tmp_path):
    """A store of 6,000 readings; sink ``city`` has 1,000 of them, ``fleet`` none."""
    one = Keeping(tmp_path, 10**9)
    one.feed(0, LAST)
    assert submit_and_wait(one.house.writer, Commit(cursors={("city", "scans"): 1000}))
    yield one
    one.house.leave()


def give_up(one, count, cause=Cause.CAP, at_ms=None):
    at_ms = one.house.clock.ms if at_ms is None else at_ms
    order = Order("hall", ("city", "fleet"), cause, at_ms)
    return give_up_oldest_scans(one.house.reader, one.house.writer, order, at_most=count)


def told(one, now_ms=None):
    """What page and ``status`` say, by code; it can be said in both languages."""
    reader = one.house.reader
    troubles = troubles_of(reader.conditions(), reader.given_up(), now_ms or one.house.clock.ms)
    for trouble in troubles:
        assert say(trouble["code"], "en", **trouble["data"]) != say(
            trouble["code"], "zh-TW", **trouble["data"]
        )
    return {trouble["code"]: trouble["data"] for trouble in troubles}


def books(one):
    return {
        (row.sink, row.cause): (row.first_id, row.last_id, row.count) for row in one.house.reader.given_up()
    }


def test_each_sink_has_its_own_account_and_so_have_status_verify_and_audit(hall):
    went = give_up(hall, 3000)
    assert (went.count, dict(went.missed)) == (3000, {"city": 2000, "fleet": 3000})
    assert books(hall) == {
        (STORE, "cap"): (1, 3000, 3000),
        ("city", "cap"): (1001, 3000, 2000),
        ("fleet", "cap"): (1, 3000, 3000),
    }
    data = told(hall)["care.given_up_cap_undelivered"]
    assert (data["count"], data["sinks"]) == ("3,000", "city 2,000; fleet 3,000")
    found = {(one.code, one.data.get("sink")): one for one in verify_store(hall.loaded.store_path)}
    assert found["care.found_undelivered", "fleet"].data["count"] == 3000
    assert found["care.found_undelivered", "city"].data["count"] == 2000
    assert found["care.found_given_up_cap", None].note
    assert len(found) == 3
    (audit,) = hall.house.reader.deliveries.audit()
    assert audit["action"] == "scans.given_up"
    assert audit["detail"]["undelivered"] == {"city": 2000, "fleet": 3000}


def test_a_sink_that_comes_back_had_none_of_them_all_the_same(hall):
    give_up(hall, 3000)
    before = books(hall)
    cursors = {("city", "scans"): 6000, ("fleet", "scans"): 6000}
    assert submit_and_wait(hall.house.writer, Commit(cursors=cursors))
    assert books(hall) == before
    assert told(hall)["care.given_up_cap_undelivered"]["sinks"] == "city 2,000; fleet 3,000"


def test_what_every_sink_had_is_told_without_a_loss(hall):
    give_up(hall, 500)
    assert list(told(hall)) == ["care.given_up_cap_undelivered"]  # fleet had none
    order = Order("hall", ("city",), Cause.DISK, hall.house.clock.ms)
    assert give_up_oldest_scans(hall.house.reader, hall.house.writer, order, at_most=100).missed == {}
    assert told(hall)["care.given_up_disk"]["count"] == "100"


def test_all_of_them_given_up_is_told_as_much(hall):
    give_up(hall, 10**9)
    assert hall.scans() == 0
    assert told(hall)["care.given_up_cap_undelivered"]["count"] == "6,000"
    assert ("care.found_undelivered", 6000) in {
        (one.code, one.data.get("count")) for one in verify_store(hall.loaded.store_path)
    }


def test_readings_whose_time_is_nearly_over_are_told_like_all_others(hall):
    """In the last two days of ``keep_scans_days`` as well as before."""
    days = hall.loaded.site.store.keep_scans_days
    hall.house.clock.ms += (days - 1) * 86_400_000
    give_up(hall, 2000)
    assert told(hall)["care.given_up_cap_undelivered"]["count"] == "2,000"


def test_retention_gives_nothing_up_whatever_the_settings_say_later(hall):
    cursors = {("city", "scans"): 6000, ("fleet", "scans"): 6000}
    assert submit_and_wait(hall.house.writer, Commit(cursors=cursors))
    before_ms = hall.house.clock.ms - 40_000_000
    assert delete_old_scans(hall.house.reader, hall.house.writer, before_ms, ["city", "fleet"]) > 0
    assert hall.house.reader.given_up() == []
    assert told(hall) == {}
    assert verify_store(hall.loaded.store_path) == []


def test_a_full_disk_is_told_as_one_and_stays_told_when_there_is_room_again(hall):
    give_up(hall, 700, Cause.DISK)
    give_up(hall, 300, Cause.DISK)
    for _ in range(3):
        assert hall.look() is None  # far below the cap
    assert told(hall)["care.given_up_disk_undelivered"]["count"] == "1,000"
    assert books(hall)[STORE, "disk"] == (1, 1000, 1000)
    assert told(hall, hall.house.clock.ms + TOLD_FOR_MS) == {}  # a month later; the books have it for good
    assert len(verify_store(hall.loaded.store_path)) == 2


def test_book_and_deletion_are_one(hall):
    """Whatever fails, nothing goes without its row, and no row stands without what went."""
    hall.house.ask("CREATE TRIGGER t BEFORE DELETE ON scans BEGIN SELECT RAISE(ABORT, 'no'); END")
    assert give_up(hall, 100).count == 0
    assert (books(hall), hall.scans()) == ({}, 6000)
    hall.house.ask("DROP TRIGGER t")
    hall.house.ask("CREATE TRIGGER t BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
    assert give_up(hall, 100).count == 0
    assert (books(hall), hall.scans()) == ({}, 6000)
    hall.house.ask("DROP TRIGGER t")
    assert give_up(hall, 100).count == 100


def test_what_a_sink_acknowledged_counts_though_its_cursor_waits_for_the_disk(hall):
    """On a full disk no cursor can be written; the far side has the rows all the same."""
    hall.house.ask("CREATE TRIGGER t BEFORE UPDATE ON cursors BEGIN SELECT RAISE(ABORT, 'full'); END")
    hall.house.writer.submit(Commit(cursors={("city", "scans"): 1500}))
    hall.wait_until("it is refused", lambda: hall.house.writer.last_error is not None)
    assert give_up(hall, 2000).missed == {"city": 500, "fleet": 2000}
    hall.house.ask("DROP TRIGGER t")


def test_readings_that_another_hand_deleted_stand_in_no_book(hall):
    hall.house.ask("DELETE FROM scans WHERE id <= 1200")
    (found,) = verify_store(hall.loaded.store_path)
    assert (found.code, found.data) == ("care.found_unaccounted", {"sink": "city", "count": 200})


def test_at_its_cap_the_notice_says_so(tmp_path):
    one = Keeping(tmp_path, 900_000)
    one.feed(0, 900_000)
    assert used_bytes(one.loaded.store_path) > 900_000
    assert one.look()["code"] == "care.size_near"
    data = told(one)["care.given_up_cap_undelivered"]
    assert data["sinks"] == f"city {data['count']}"
    one.house.leave()
