"""The base year's canonical text, its hash, and how two of them differ."""

import hashlib
import json
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from rules.base_year import (
    BaseRow,
    BaseScope,
    RowDifference,
    RowKind,
    base_hash,
    canonical_text,
    interval_rows,
    row_differences,
    runs_of,
)
from rules.calendar import day_start_s
from rules.intervals import IntervalSeries

ZONE = ZoneInfo("Asia/Taipei")
SCOPE = BaseScope("electricity", 2015, date(2015, 7, 1), date(2015, 12, 31), "kWh", ("main",), "Asia/Taipei")
BILL = BaseRow(
    RowKind.BOOKED, "electricity", date(2015, 7, 1), date(2015, 12, 31), 12572309.0, "kWh", "帳單 104"
)


def series(start_s, quantity, quality=0):
    count = len(quantity)
    return IntervalSeries(
        start=(start_s + 3600 * np.arange(count)).astype("datetime64[s]"),
        duration_s=np.full(count, 3600, dtype=np.int64),
        quantity=np.array(quantity, dtype=np.float64),
        coverage=np.ones(count),
        quality=np.full(count, quality, dtype=np.uint8),
        rate_avg=np.full(count, np.nan),
        rate_max=np.full(count, np.nan),
        caught_up=np.zeros(count, dtype=bool),
    )


def test_the_canonical_text_is_what_the_document_says():
    heading, line, end = canonical_text("hall", SCOPE, [BILL]).split("\n")
    assert json.loads(heading) == [
        "energy-monitor base year 1", "hall", "electricity", 2015, "2015-07-01", "2015-12-31", "kWh",
        "Asia/Taipei", ["main"],
    ]  # fmt: skip
    assert line == '["booked","electricity","2015-07-01","2015-12-31","12572309.0","kWh","帳單 104",""]'
    assert end == ""
    text = f"{heading}\n{line}\n"
    assert base_hash("hall", SCOPE, [BILL]) == hashlib.sha256(text.encode()).hexdigest()


def test_the_order_in_which_rows_come_does_not_matter():
    other = replace(BILL, subject="main", start=date(2015, 8, 1))
    assert base_hash("hall", SCOPE, [BILL, other]) == base_hash("hall", SCOPE, [other, BILL])


def test_anything_else_is_another_hash():
    whole = base_hash("hall", SCOPE, [BILL])
    changes = (
        {"quantity": 12572309.000000002}, {"source": "x"}, {"end": date(2016, 1, 1)}, {"digest": "0"},
    )  # fmt: skip
    others = [base_hash("hall", SCOPE, [replace(BILL, **change)]) for change in changes]
    others += [base_hash("mill", SCOPE, [BILL]), base_hash("hall", replace(SCOPE, base_year=2016), [BILL])]
    assert whole not in others
    assert len(set(others)) == len(others)


def test_differences_are_told_by_row():
    came = replace(BILL, subject="main")
    changed = replace(BILL, quantity=1.0)
    assert row_differences([BILL], [BILL]) == ()
    assert row_differences([BILL], [changed, came]) == (
        RowDifference(BILL, changed),
        RowDifference(None, came),
    )
    assert row_differences([BILL], []) == (RowDifference(BILL, None),)


def test_a_days_intervals_are_one_row():
    first = date(2015, 7, 1)
    start_s = day_start_s(first, ZONE)
    rows = interval_rows("main", series(start_s, [1.0] * 30), [(first, date(2015, 7, 3))], ZONE, "kWh")
    assert [(row.start, row.quantity, row.source) for row in rows] == [
        (first, 24.0, "24"),
        (date(2015, 7, 2), 6.0, "6"),
    ]
    lines = "".join(f"{start_s + 3600 * n},3600,1.0,1.0,0\n" for n in range(24))
    assert rows[0].digest == hashlib.sha256(lines.encode()).hexdigest()


def test_what_is_not_known_is_in_the_hash_and_not_in_the_sum():
    first = date(2015, 7, 1)
    start_s = day_start_s(first, ZONE)
    (known,) = interval_rows("main", series(start_s, [1.0, 2.0]), [(first, first)], ZONE, "kWh")
    (doubted,) = interval_rows("main", series(start_s, [1.0, 2.0], quality=3), [(first, first)], ZONE, "kWh")
    (empty,) = interval_rows("main", series(start_s, [1.0, np.nan]), [(first, first)], ZONE, "kWh")
    assert (known.quantity, doubted.quantity, empty.quantity) == (3.0, 0.0, 1.0)
    assert len({known.digest, doubted.digest, empty.digest}) == 3


def test_days_that_are_booked_have_no_row_of_intervals():
    start_s = day_start_s(date(2015, 7, 1), ZONE)
    assert interval_rows("main", series(start_s, [1.0] * 72), [], ZONE, "kWh") == []


def test_neighbouring_days_are_one_run():
    days = [date(2015, 7, 30), date(2015, 7, 31), date(2015, 8, 1), date(2015, 8, 3)]
    assert runs_of(days) == ((days[0], days[2]), (days[3], days[3]))
    assert runs_of([]) == ()
