"""A locked base year stays as it was: people's rows are refused, late intervals are kept apart."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.adjustments import AdjustmentRow
from config.history.intervals import IntervalRows
from config.ledger import LedgerRow, ReadingRow
from config.site import CommoditySettings
from config.words import say
from monitor.reports.base_state import state_of
from monitor.store.adjusting import (
    AdjustRequest,
    WithdrawRequest,
    withdraw_adjustment,
    write_adjustments,
)
from monitor.store.base import LockRequest, lock_base
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.history import import_intervals
from monitor.store.ledgers import import_ledger, writing
from monitor.store.provenance import Provenance
from monitor.store.reader import StoreReader
from monitor.store.readings import import_readings
from monitor.store.records import RecordRequest, write_record
from monitor.store.requests import RequestBox
from monitor.store.rows import Commit, IntervalRow
from monitor.store.writer import Writer, submit_and_wait
from rules.adjustments import Book, Per
from rules.calendar import day_start_s, reporting_period
from rules.intervals import Interval

ZONE = ZoneInfo("Asia/Taipei")
FIRST, LAST = date(2015, 7, 1), date(2015, 7, 31)
T0 = day_start_s(FIRST, ZONE)
HOURS = 31 * 24
LOCK = LockRequest(
    "electricity", 2015, FIRST, LAST, "kWh", ("main",), "Asia/Taipei", despite_gaps=False, who="ann", at_ms=1
)
SETTINGS = CommoditySettings(base_year=2015, meters=("main",))
FILE = {"file_name": "x.csv", "sha256": "ab" * 32, "at_ms": 5}
BILL = LedgerRow("electricity", FIRST, LAST, 744.0, "kWh", "bill 7", 2)
EVENT = AdjustmentRow(
    Book.BASE, "electricity", FIRST, LAST, -62.0, "kWh", 0.0, Per.EVENT, "tenant", "letter 3", "Wang"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "energy.db"


@pytest.fixture
def store(path):
    with writing(path) as engine:
        yield engine


def hours(quantity=1.0, first=0, count=HOURS):
    start_s = T0 + 3600 * np.arange(first, first + count)
    nothing = np.full(count, np.nan)
    whole = np.arange(count)
    return IntervalRows(
        ("main",), whole * 0, start_s, 3600, np.full(count, quantity), nothing, nothing, np.ones(count),
        np.zeros(count, dtype=np.uint8), whole + 2,
    )  # fmt: skip


def given(engine, rows, replaces=False):
    provenance = Provenance("intervals", "x.csv", "ab" * 32, 5, replace=replaces)
    return import_intervals(engine, "hall", rows, provenance)


def book(engine, *rows, kind="base", **more):
    return import_ledger(engine, "hall", rows, kind=kind, **FILE, **more)


def read(engine, *rows, **more):
    return import_readings(engine, "hall", rows, **FILE, **more)


def state(path, settings=SETTINGS):
    reader = StoreReader.open(path, "hall")
    try:
        (lock,) = reader.answers.locks("electricity")
        return state_of(reader, "hall", settings, lock.scope, lock, lock.scope.meters)
    finally:
        reader.close()


def codes(path, settings=SETTINGS):
    return [one.code for one in state(path, settings).findings]


def refusal(call):
    with pytest.raises(StoreError) as error:
        call()
    assert say(error.value.code, "en", **error.value.data)
    assert say(error.value.code, "zh-TW", **error.value.data)
    return error.value


def test_a_lock_is_written_once(store, path):
    book(store, BILL)
    first = lock_base(store, "hall", LOCK)
    assert (first.added, first.rows, len(first.sha256)) == (True, 1, 64)
    assert lock_base(store, "hall", replace(LOCK, at_ms=9)) == replace(first, added=False)
    assert state(path).holds
    assert codes(path) == []
    assert refusal(lambda: lock_base(store, "hall", replace(LOCK, start=LAST))).code == "store.base_overlap"


def test_what_nobody_knows_is_not_locked_unless_it_is_wanted(store, path):
    assert refusal(lambda: lock_base(store, "hall", LOCK)).code == "store.base_nothing"
    book(store, replace(BILL, end=date(2015, 7, 20)))
    error = refusal(lambda: lock_base(store, "hall", LOCK))
    assert (error.code, error.data["unknown"], error.data["first"]) == ("store.base_gaps", 11, "2015-07-21")
    lock_base(store, "hall", replace(LOCK, despite_gaps=True))
    (finding,) = state(path).findings
    assert (finding.code, finding.data["days"]) == ("gap", 11)


@pytest.mark.parametrize(
    ("row", "replaces"),
    [
        (replace(BILL, quantity=745.0), True),
        (replace(BILL, source="bill 8"), True),
    ],
)
def test_a_bill_of_a_locked_base_year_is_not_replaced(store, path, row, replaces):
    book(store, BILL)
    lock_base(store, "hall", LOCK)
    error = refusal(lambda: book(store, row, replace=replaces))
    assert (error.code, error.data["row"]) == ("store.base_locked", 2)
    assert state(path).holds
    assert state(path).quantity == 744


def test_a_whole_file_is_refused_for_one_row_and_the_next_file_is_taken(store, path):
    given(store, hours())
    lock_base(store, "hall", LOCK)
    later = LedgerRow("electricity", date(2016, 7, 1), date(2016, 7, 31), 1.0, "kWh", "s", 3)
    error = refusal(lambda: book(store, later, replace(BILL, row=4)))
    assert (error.code, error.data["row"]) == ("store.base_locked", 4)
    assert book(store, later).added == 1
    assert book(store, replace(BILL, subject="tenant")).added == 1
    assert state(path).holds


def test_a_bill_of_a_meter_whose_commodity_is_booked_changes_nothing_and_is_taken(store, path):
    book(store, BILL)
    lock_base(store, "hall", LOCK)
    assert book(store, replace(BILL, subject="main")).added == 1
    assert state(path).holds


def test_a_reading_that_parts_or_lengthens_a_span_of_the_base_year_is_refused(store, path):
    slip = ReadingRow("electricity", date(2015, 6, 15), 0.0, "kWh", "slip", 2)
    read(store, slip, replace(slip, day=date(2015, 8, 15), reading=6100.0, row=3))
    lock_base(store, "hall", LOCK)
    parting = replace(slip, day=date(2015, 7, 10), reading=10.0, row=7)
    assert refusal(lambda: read(store, parting)).data["row"] == 7
    earlier = replace(slip, day=date(2015, 6, 20), reading=10.0, row=8)
    assert refusal(lambda: read(store, earlier)).code == "store.base_locked"
    changed = replace(slip, day=date(2015, 8, 15), reading=6200.0)
    assert refusal(lambda: read(store, changed, replace=True)).code == "store.base_locked"
    assert read(store, replace(slip, day=date(2015, 9, 15), reading=6300.0)).added == 1
    assert state(path).holds
    (finding,) = state(path).findings
    assert (finding.code, finding.data["days"], finding.data["total"]) == ("apportioned", 31, 61)


def test_intervals_of_a_locked_base_year_are_not_imported_anew(store, path):
    given(store, hours())
    lock_base(store, "hall", LOCK)
    assert given(store, hours()).unchanged == HOURS
    error = refusal(lambda: given(store, hours(2.0, first=5, count=1), replaces=True))
    assert error.code == "store.base_locked_interval"
    assert given(store, hours(2.0, first=HOURS)).added == HOURS
    assert state(path).holds


def test_a_hole_in_a_locked_base_year_stays_a_hole(store, path):
    given(store, hours(count=HOURS - 24))
    lock_base(store, "hall", replace(LOCK, despite_gaps=True))
    assert (
        refusal(lambda: given(store, hours(first=HOURS - 24, count=24))).code == "store.base_locked_interval"
    )
    assert refusal(lambda: book(store, replace(BILL, start=LAST))).code == "store.base_locked"


def test_a_record_of_a_register_in_a_locked_base_year_is_refused(store):
    given(store, hours())
    lock_base(store, "hall", LOCK)
    said = RecordRequest("replaced", "main", 1000 * (T0 + 7200), 5.0, 0.0, "new", "", True, 9, 100.0)
    assert refusal(lambda: write_record(store, "hall", said)).code == "store.base_locked_record"
    assert write_record(store, "hall", replace(said, at_ms=1000 * (T0 + 3600 * HOURS))).added


def closed(at, quantity):
    nothing = float("nan")
    return IntervalRow(
        "main",
        Interval(T0 + at, 3600, quantity, 1.0, 0, nothing, nothing, nothing, False, nothing, nothing, 0),
    )


def test_late_intervals_are_kept_apart_and_told(store, path):
    given(store, hours(count=HOURS - 1))
    lock_base(store, "hall", replace(LOCK, despite_gaps=True))
    writer = Writer(store, "hall")
    writer.start()
    again = [closed(0, 1.0), closed(3600, 7.0), closed(3600 * (HOURS - 1), 3.0), closed(3600 * HOURS, 4.0)]
    assert submit_and_wait(writer, Commit(intervals=again))
    assert submit_and_wait(writer, Commit(intervals=again))  # a second rework is no other
    assert writer.close()
    found = state(path)
    assert found.holds
    late = next(one for one in found.findings if one.code == "late")
    assert (late.data["meter"], late.data["count"]) == ("main", 2)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT quantity, standing FROM late_intervals ORDER BY start_s").fetchall() == [
            (7.0, 1.0),
            (3.0, None),
        ]
        assert raw.execute(
            "SELECT count(*) FROM intervals WHERE start_s >= ?", (T0 + 3600 * HOURS,)
        ).fetchone() == (1,)


def test_a_running_writer_hears_of_a_lock_by_the_request_box(store, path):
    given(store, hours())
    writer = Writer(store, "hall")
    writer.start()
    box = RequestBox(path)
    number = box.put(LOCK)
    assert submit_and_wait(writer, Commit())
    writer.call(lambda engine: box.take_up(engine, "hall"))
    assert submit_and_wait(writer, Commit(intervals=[closed(3600, 7.0)]))
    assert box.answer_to(number).added
    box.close()
    assert writer.close()
    assert state(path).quantity == HOURS


def test_a_store_that_was_changed_by_hand_is_found_out_row_by_row(store, path):
    given(store, hours())
    lock_base(store, "hall", LOCK)
    with store.begin() as connection:
        connection.exec_driver_sql(f"UPDATE intervals SET quantity = 9 WHERE start_s = {T0 + 86400}")
    found = state(path)
    assert not found.holds
    (difference,) = found.differences
    assert (difference.locked.start, difference.locked.quantity) == (date(2015, 7, 2), 24.0)
    assert difference.found.quantity == 32.0
    assert codes(path) == ["changed"]
    with store.begin() as connection:
        connection.exec_driver_sql("UPDATE base_rows SET quantity = 1 WHERE position = 3")
    assert codes(path) == ["tampered", "changed"]


def test_what_the_site_file_says_otherwise_is_told(store, path):
    book(store, BILL)
    lock_base(store, "hall", LOCK)
    assert codes(path, CommoditySettings(base_year=2014, meters=())) == ["year", "meters"]
    assert codes(path, None) == ["no_commodity"]


def test_a_leap_day_is_told(store, path):
    days = {"start": date(2016, 1, 1), "end": date(2016, 12, 31)}
    book(store, replace(BILL, **days))
    lock_base(store, "hall", replace(LOCK, base_year=2016, **days))
    assert codes(path, CommoditySettings(base_year=2016, meters=("main",))) == ["leap"]


def adjust(engine, *rows, file_name=""):
    request = AdjustRequest(Provenance("adjustments", file_name, "", 7, "ann"), rows)
    return write_adjustments(engine, "hall", request)


def test_a_locked_base_year_is_adjusted_by_dated_entries(store, path):
    error = refusal(lambda: adjust(store, EVENT))
    assert error.code == "store.base_not_locked"
    book(store, BILL)
    lock_base(store, "hall", LOCK)
    assert adjust(store, EVENT).added == 1
    assert adjust(store, EVENT).unchanged == 1
    found = state(path)
    assert (found.holds, found.quantity, found.adjusted) == (True, 744, 682)
    reader = StoreReader.open(path, "hall")
    (share,) = reader.answers.adjustments("electricity", reporting_period("2015-07-01/2015-07-10"), Book.BASE)
    assert (float(share.quantity), share.apportioned) == (-20.0, True)
    assert reader.answers.adjustments("electricity", reporting_period("2015-07")) == ()
    number = share.adjustment.id
    withdrawal = WithdrawRequest(number, Book.BASE, "wrong letter", "ann", 9)
    assert withdraw_adjustment(store, "hall", withdrawal).added
    assert not withdraw_adjustment(store, "hall", withdrawal).added
    assert state(path).adjusted == 744
    assert [one.withdrawn for one in state(path).adjustments] == ["wrong letter"]
    actions = [row["action"] for row in reader.deliveries.audit()]
    assert actions == ["adjust.withdraw", "adjust.base", "base.lock"]
    reader.close()
    assert adjust(store, EVENT).added == 1  # what was withdrawn may be said again


@pytest.mark.parametrize("book_", [Book.NON_ROUTINE, Book.BASE])
def test_nobody_withdraws_what_is_not_there(store, book_):
    adjust(store, replace(EVENT, book=Book.NON_ROUTINE))
    number = 7 if book_ is Book.NON_ROUTINE else 1
    error = refusal(lambda: withdraw_adjustment(store, "hall", WithdrawRequest(number, book_, "x", "ann", 9)))
    assert error.code == "store.adjustment_unknown"


def test_adjustments_go_through_the_request_box(store, path):
    box = RequestBox(path)
    one = replace(EVENT, book=Book.NON_ROUTINE, end=None, per=Per.DAY)
    numbers = [box.put(AdjustRequest(Provenance("adjustments", "x.csv", "ab", 7, "ann"), (one,)))]
    numbers.append(box.put(replace(LOCK, start=LAST)))
    box.take_up(store, "hall")
    assert box.answer_to(numbers[0]).added == 1
    with pytest.raises(LedgerRefused):
        box.answer_to(numbers[1])
    box.close()


def test_what_is_written_meanwhile_is_no_disagreement(store, path):
    """Ledger and audit are read as of one instant, while events are written one after the other."""
    some = [replace(EVENT, book=Book.NON_ROUTINE, quantity=float(number)) for number in range(1, 150)]
    writer = threading.Thread(target=lambda: [adjust(store, one) for one in some])
    writer.start()
    reader, found = StoreReader.open(path, "hall"), []
    try:
        while writer.is_alive():
            found += reader.answers.disagreements(Book.NON_ROUTINE, "electricity")
        assert len(reader.answers.kept(Book.NON_ROUTINE)) == len(some)
    finally:
        writer.join()
        reader.close()
    assert found == []
