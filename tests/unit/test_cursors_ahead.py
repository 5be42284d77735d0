"""A store that was salvaged may lack rows that a sink has: none of their numbers is given again."""

import pytest

from monitor.store.rows import Commit, ResultRow
from monitor.store.writer import submit_and_wait
from tests.rework_world import House

HOUR = [(t, t / 3600, 1.0) for t in range(0, 3600, 30)]
LATER = [(t, t / 3600, 1.0) for t in range(3600, 7200, 30)]


@pytest.mark.parametrize("suffix", ["", "/live"])
def test_rows_after_a_salvage_come_behind_every_cursor(tmp_path, suffix):
    path = tmp_path / "energy.db"
    house = House(path)
    house.feed(HOUR)
    cursors = {("city", name + suffix): 5_000 for name in ("scans", "intervals", "results")}
    assert submit_and_wait(house.writer, Commit(cursors=cursors))
    house.leave()
    again = House(path, now_s=3600)
    ends = {"scans": again.reader.last_scan_id(), **again.reader.newest_seqs()}
    assert max(ends.values()) < 5_000
    again.feed(LATER)
    assert submit_and_wait(again.writer, Commit(results=[ResultRow("demand", "electricity", 1, {"kw": 1.0})]))
    assert len(again.reader.follow(5_000)) == len(LATER)
    assert len(again.reader.changed_intervals(5_000, 100)) >= 3
    assert len(again.reader.changed_results(5_000, 100)) == 1
    again.leave()


def test_what_was_delivered_since_the_snapshot_is_taken_again_all_the_same(tmp_path):
    house = House(tmp_path / "energy.db")
    house.feed(HOUR)
    last = house.reader.last_scan_id()
    needed = last - house.reader.snapshot_position()
    assert needed > 0
    assert submit_and_wait(house.writer, Commit(cursors={("city", "scans"): last}))
    house.leave()
    again = House(tmp_path / "energy.db", now_s=3600)
    assert again.replayed == needed
    again.leave()
