"""What does not hold together is found, named and told in both languages; what is in order is left alone."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.words import say
from monitor.store.care.gaps import gaps_in_intervals
from monitor.store.care.verify import CHECKS, verify_store
from monitor.store.database import VERSION, StoreError
from monitor.store.rows import Commit
from monitor.store.writer import submit_and_wait
from tests.rework_world import House

T0 = 1_800_000_000
SHIFTED = """UPDATE intervals SET register_start = register_start + 1, register_end = register_end + 1
WHERE start_s % 7200 = 0"""


@pytest.fixture
def path(tmp_path):
    """Two days of readings; a sink that has all of them."""
    house = House(tmp_path / "energy.db")
    house.feed([(T0 + t, 100.0 * t / 3600, 100.0) for t in range(0, 60_000, 30)])
    ends = {"scans": house.reader.last_scan_id(), **house.reader.newest_seqs()}
    cursors = {("city", stream): end for stream, end in ends.items()}
    assert submit_and_wait(house.writer, Commit(cursors=cursors))
    house.leave()
    return tmp_path / "energy.db"


def changed(path, *statements):
    """Codes of what is found after another hand was in the store; every finding can be said."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    found = verify_store(path)
    for one in found:
        assert say(one.code, "en", **one.data) != say(one.code, "zh-TW", **one.data)
    return [one.code.removeprefix("care.found_") for one in found]


def test_a_store_in_order_is_left_in_peace(path):
    begun = []
    assert verify_store(path, lambda name, at, total: begun.append((name, at, total))) == []
    assert [name for name, _, _ in begun] == [name for name, _ in CHECKS]
    for name, _, _ in begun:
        assert say(f"care.check_{name}", "en")


@pytest.mark.parametrize(
    ("statement", "codes"),
    [
        ("DELETE FROM layouts", ["orphans", "orphans"]),
        ("UPDATE scans SET vals = zeroblob(8) WHERE id = 7", ["shape"]),
        ("UPDATE scans SET quality = zeroblob(3) WHERE id = 7", ["shape"]),
        ("DELETE FROM scans WHERE id = 1000", ["scan_holes"]),
        ("DELETE FROM scans WHERE id < 100", []),  # their time was over, and the sink has them
        ("UPDATE intervals SET coverage = 1.5 WHERE start_s % 3600 = 0", ["impossible"]),
        ("UPDATE intervals SET quality = 9 WHERE start_s % 3600 = 0", ["impossible"]),
        ("UPDATE cursors SET position = position + 1 WHERE stream = 'scans'", ["cursor_ahead"]),
        ("UPDATE cursors SET position = position + 1 WHERE stream = 'intervals'", ["cursor_ahead"]),
        ("UPDATE cursors SET position = 1 WHERE stream = 'scans'", []),
        ("UPDATE snapshots SET scan_id = scan_id + 1000000", ["state_ahead"]),
        ("DELETE FROM intervals WHERE start_s % 7200 = 0", ["gap"]),
        ("UPDATE intervals SET duration_s = 1800 WHERE start_s % 7200 = 0", ["overlap"]),
        ("UPDATE intervals SET quantity = quantity + 0.001 WHERE start_s % 7200 = 0", ["sum"]),
        (SHIFTED, ["edge"]),
        (
            "INSERT INTO ledger VALUES ('hall', 'water', '2026-02-01', '2026-01-01', 1, 'm3', 'bill', 99)",
            ["orphans", "impossible"],
        ),
        ("INSERT INTO results VALUES ('hall', 'demand', 'x', 1, 'no json', 0, 9999)", ["impossible"]),
    ],
)
def test_what_another_hand_did_is_found(path, statement, codes):
    assert changed(path, statement) == codes


def test_readings_that_went_before_a_sink_had_them_are_counted(path):
    late = "UPDATE cursors SET position = 10 WHERE stream = 'scans'"
    statements = (late, "DELETE FROM scans WHERE id < 100")
    assert changed(path, *statements) == ["unaccounted"]  # and stand in no book
    (one,) = verify_store(path)
    assert one.data["count"] == 89


def test_a_register_that_rolled_over_is_in_order(path):
    """The start is told as the new register would have shown it: below zero."""
    last = "(SELECT max(start_s) FROM intervals)"
    told = f"UPDATE intervals SET register_start = -5, register_end = quantity - 5 WHERE start_s = {last}"
    assert changed(path, told) == []


def test_two_stretches_of_history_are_told_and_are_no_fault(path):
    years = 3 * 366 * 86_400
    copied = (
        "CREATE TEMP TABLE base AS SELECT * FROM intervals",
        f"UPDATE base SET start_s = start_s - {years}, seq = seq + 100000, register_start = NULL",
        "INSERT INTO intervals SELECT * FROM base",
    )
    assert changed(path, *copied) == ["stretch"]
    (one,) = verify_store(path)
    assert one.note


@pytest.mark.parametrize(("version", "code"), [(VERSION - 1, "store.older"), (VERSION + 1, "store.newer")])
def test_another_version_is_not_judged(path, version, code):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={version}")
        connection.commit()
    with pytest.raises(StoreError) as caught:
        verify_store(path)
    assert caught.value.code == code


def test_no_store_is_no_store_in_order(tmp_path):
    with pytest.raises(StoreError, match=r"store\.missing"):
        verify_store(tmp_path / "none.db")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["a", "b"])), unique=True, max_size=60))
def test_gaps_are_exactly_the_quarters_that_are_missing(quarters):
    """Whatever quarters of an hour two meters have: gaps and intervals together are the whole span."""
    with closing(sqlite3.connect(":memory:")) as rows:
        rows.execute("CREATE TABLE intervals (site, meter, start_s, duration_s)")
        rows.executemany(
            "INSERT INTO intervals VALUES ('hall', ?, ?, 900)",
            [(meter, 900 * quarter) for quarter, meter in quarters],
        )
        missing = {"a": set(), "b": set()}
        for one in gaps_in_intervals(rows):
            assert one.kind == "gap"
            for meter in one.meters:
                for first, last in one.places:
                    missing[meter] |= set(range(first // 900, last // 900))
    for meter in ("a", "b"):
        there = {quarter for quarter, whose in quarters if whose == meter}
        whole = set(range(min(there), max(there) + 1)) if there else set()
        assert missing[meter] == whole - there
        assert np.intersect1d(sorted(missing[meter]), sorted(there)).size == 0
