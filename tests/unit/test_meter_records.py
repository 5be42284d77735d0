"""What people write down about registers, and the intervals that are made again by it."""

import math

import pytest

from monitor.store.database import StoreError
from monitor.store.records import RecordOutcome, RecordRequest, write_record
from monitor.store.requests import RequestBox
from rules.quality import Quality
from tests.rework_world import House, meter

T0 = 1_800_000_000
CHANGED_S = T0 + 4000


def shown(at_s, kw=100.0):
    """The old register to the change, a new one from 3 on."""
    return 5000.0 + kw * (at_s - T0) / 3600 if at_s < CHANGED_S else 3.0 + kw * (at_s - CHANGED_S) / 3600


OLD_FINAL = 5000.0 + 100.0 * 4000 / 3600


def readings(first_s, last_s, silent=()):
    return [(T0 + t, shown(T0 + t), 100.0) for t in range(first_s, last_s, 30) if t not in silent]


def said(**other):
    facts = {
        "kind": "replaced", "meter": "main", "at_ms": CHANGED_S * 1000, "old_final": OLD_FINAL,
        "new_start": 3.0, "reason": "calibration", "serial": "B-17", "force": False, "recorded_ms": 1,
        "max_rate": 200.0,
    }  # fmt: skip
    return RecordRequest(**{**facts, **other})


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "energy.db", meter(own_time=False))
    yield made
    if not made.writer.ended():
        made.leave()


def refused(house, request):
    with pytest.raises(StoreError) as error:
        write_record(house.engine, "hall", request)
    return error.value


def test_a_record_of_the_past_makes_the_intervals_again(house):
    # The change lies in a silence of half an hour: 25 kWh or so are unknown without a record.
    house.feed(readings(0, 9000, silent=range(3600, 5400)))
    before = {row.start_s - T0: row for row in house.rows()}
    assert before[4500].quality == Quality.SUSPECT
    outcome = write_record(house.engine, "hall", said())
    assert outcome == RecordOutcome(True, (T0 + 3600) * 1000)
    assert house.rework() == 1
    rows = {row.start_s - T0: row for row in house.rows()}
    assert sum(row.quantity for row in rows.values()) == pytest.approx(25.0 * len(rows))
    assert [row.epoch for row in rows.values()] == [0, 0, 0, 0, *[1] * (len(rows) - 4)]
    assert {rows[start].quality for start in (5400, 6300)} == {Quality.GOOD}
    assert house.revs()[T0 + 3600] == 1
    assert house.revs()[T0 + 900] == 0
    assert write_record(house.engine, "hall", said()) == RecordOutcome(False, None)


def test_a_record_that_is_withdrawn_leaves_what_the_readings_say(house):
    house.feed(readings(0, 9000))
    before = [tuple(row) for row in house.rows()]
    write_record(house.engine, "hall", said())
    house.rework()
    assert [tuple(row) for row in house.rows()] != before
    write_record(house.engine, "hall", said(kind="withdrawn", old_final=None, new_start=None, reason="typo"))
    house.rework()
    for row, other in zip(house.rows(), before, strict=True):
        assert tuple(row) == pytest.approx(other, nan_ok=True)
    kinds = [(one.kind, one.counts) for one in house.reader.past.records("main")]
    assert kinds == [("replaced", False), ("withdrawn", False)]
    assert house.reader.past.replacements() == {}


def test_a_record_ahead_waits_for_its_time(house):
    house.feed(readings(0, 3000))
    assert write_record(house.engine, "hall", said()).again_from_ms is None
    house.rework()
    house.feed(readings(3000, 9000))
    assert house.refusals() == []
    rows = house.rows()
    assert sum(row.quantity for row in rows) == pytest.approx(25.0 * len(rows))
    assert {row.quality for row in rows} == {Quality.GOOD}


def test_records_survive_a_restart(house):
    house.feed(readings(0, 9000))
    write_record(house.engine, "hall", said())
    house.leave()
    again = House(house.path, meter(own_time=False), now_s=T0 + 9000)
    assert again.rework() == 1
    assert {row.quality for row in again.rows()} == {Quality.GOOD}
    again.feed(readings(9000, 12_000))
    assert again.rows()[-1].quantity == pytest.approx(25.0)
    again.leave()
    third = House(house.path, meter(own_time=False), now_s=T0 + 12_000)
    assert third.rework() == 0
    assert {row.quality for row in third.rows()} == {Quality.GOOD}
    third.leave()


def test_a_reset_whose_final_reading_nobody_saw(house):
    house.feed(readings(0, 9000))
    write_record(house.engine, "hall", said(old_final=None))
    house.rework()
    rows = {row.start_s - T0: row for row in house.rows()}
    assert rows[3600].quality == Quality.ESTIMATED
    assert rows[3600].quantity == pytest.approx(25.0, abs=0.6)
    assert rows[4500].quality == Quality.GOOD


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"old_final": 4000.0}, "store.record_old_final"),
        ({"old_final": 9000.0}, "store.record_old_final"),
        ({"new_start": 5000.0}, "store.record_new_start"),
        ({"new_start": -900.0}, "store.record_new_start"),
        ({"at_ms": (T0 - 100) * 1000}, "store.record_too_old"),
        ({"kind": "withdrawn"}, "store.record_not_there"),
    ],
)
def test_what_contradicts_the_readings_is_refused(house, other, code):
    house.feed(readings(0, 9000))
    house.ask("DELETE FROM checkpoints WHERE at_ms < ?", T0 * 1000)
    assert refused(house, said(**other)).code == code
    assert house.reader.past.records() == []
    if code.startswith(("store.record_old", "store.record_new")):
        assert write_record(house.engine, "hall", said(force=True, **other)).added
        assert house.reader.past.records("main")[0].forced


def test_another_record_of_the_same_time_takes_its_place_on_request_only(house):
    house.feed(readings(0, 9000))
    write_record(house.engine, "hall", said())
    assert refused(house, said(serial="B-18")).code == "store.record_exists"
    assert write_record(house.engine, "hall", said(serial="B-18", force=True)).added
    assert [one.counts for one in house.reader.past.records("main")] == [False, True]


def test_a_later_record_speaks_for_what_came_after_it(house):
    house.feed(readings(0, 9000))
    write_record(house.engine, "hall", said())
    earlier = said(at_ms=(T0 + 1000) * 1000, old_final=shown(T0 + 1000), new_start=shown(T0 + 1000))
    assert write_record(house.engine, "hall", earlier).added


def test_a_meter_that_was_never_read_takes_a_record(house):
    assert write_record(house.engine, "hall", said()) == RecordOutcome(True, None)


def test_the_request_box_takes_records(house):
    house.feed(readings(0, 9000))
    box = RequestBox(house.path)
    numbers = [box.put(said()), box.put(said(serial="other")), box.put(said(at_ms="soon"))]
    assert box.take_up(house.engine, "hall") == 3
    assert box.answer_to(numbers[0]) == RecordOutcome(True, (T0 + 3600) * 1000)
    for number, code in zip(numbers[1:], ("record_exists", "request_unreadable"), strict=True):
        with pytest.raises(StoreError, match=code):
            box.answer_to(number)
    box.close()


def test_a_register_that_stands_in_two_layouts_is_read_in_both(house):
    house.feed(readings(0, 3000))
    newest = house.reader.past.newest_register("main")
    assert newest == ((T0 + 2700) * 1000, pytest.approx(shown(T0 + 2700)), 0)
    assert house.reader.past.newest_register("nobody") is None
    assert math.isfinite(newest[1])
