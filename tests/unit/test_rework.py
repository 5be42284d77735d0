"""Readings that come late, and whatever else makes closed intervals be made again."""

import asyncio
import math
import random
from datetime import UTC

import pytest

from monitor.findings import refusal_words
from monitor.rework import FAILED, OUT_OF_REACH
from monitor.store.retention import thin_out_states
from monitor.store.rows import FOR_EVER_MS, Commit, ReworkRow
from rules.factors import Factors
from tests.rework_world import DAY_S, House, meter

T0 = 1_800_000_000  # a full hour


def kwh(at_s, kw=100.0):
    return kw * (at_s - T0) / 3600


def straight(first_s, last_s, step_s=30):
    return [(T0 + t, kwh(T0 + t), 100.0) for t in range(first_s, last_s, step_s)]


@pytest.fixture
def houses(tmp_path):
    made = []

    def make(name="energy.db", *args, **kwargs):
        made.append(House(tmp_path / name, *args, **kwargs))
        return made[-1]

    yield make
    for house in made:
        if not house.writer.ended():
            house.leave()


def in_order(houses, readings):
    house = houses("in-order.db")
    house.feed(sorted(readings))
    assert house.rework() == 0
    return house.rows()


def test_what_a_buffer_sends_after_a_silence_is_measured_after_all(houses):
    readings = straight(0, 3 * 3600)
    late = readings[60:200]  # 1800 s to 6000 s
    house = houses()
    house.feed(readings[:60] + readings[200:260])
    guessed = {row.start_s: row for row in house.rows()}
    assert guessed[T0 + 2700].caught_up
    house.feed(late)
    assert house.rows() == list(guessed.values())  # not at once: there may be more of them
    house.feed(readings[260:])
    assert house.rework() == 1
    assert house.rows() == in_order(houses, readings)
    revs = house.revs()
    assert revs[T0 + 2700] == 1
    assert revs[T0] == 0
    assert house.refusals() == []


def test_revised_intervals_are_sent_again(houses):
    house = houses()
    readings = straight(0, 2 * 3600)
    house.feed(readings[:60] + readings[150:])
    seen = house.reader.newest_seqs()["intervals"]
    house.feed(readings[60:150])
    house.rework()
    again = house.reader.changed_intervals(seen, 100)
    assert {one.start_s for one in again} == {T0 + 900 * n for n in (1, 2, 3, 4)}
    assert all(one.rev == 1 for one in again)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_arrival_gives_the_same_intervals(houses, seed):
    dice = random.Random(seed)
    register, readings = 5.0, []
    at_s = T0
    while at_s < T0 + 5 * 3600:
        readings.append((at_s, register, 100.0 + dice.random()))
        gap_s = dice.choice([5, 20, 45, 300, 2000])
        register += dice.random() * 150.0 * gap_s / 3600
        at_s += gap_s
    shuffled = sorted(readings[1:], key=lambda one: one[0] + dice.choice([0, 0, 0, 100, 4000, 9000]))
    shuffled += [dice.choice(readings) for _ in range(5)]  # and some twice
    house = houses()
    house.feed(readings[:1])
    for first in range(0, len(shuffled), 40):
        house.feed(shuffled[first : first + 40])
        if dice.random() < 0.5:
            house.rework()
    house.rework()
    assert house.rows() == in_order(houses, readings)


def test_a_reset_that_was_told_late_is_found_where_it_was(houses):
    readings = straight(0, 3600) + [(T0 + t, kwh(T0 + t - 3600), 100.0) for t in range(3600, 9000, 30)]
    house = houses()
    house.feed(readings[:100] + readings[150:200] + readings[100:150] + readings[200:])
    house.rework()
    for one, other in zip(house.rows(), in_order(houses, readings), strict=True):
        assert tuple(one) == pytest.approx(tuple(other), nan_ok=True)


def test_a_kill_before_it_is_done_loses_nothing(houses):
    readings = straight(0, 3 * 3600)
    house = houses()
    house.feed(readings[:60] + readings[200:] + readings[60:200])
    house.leave()
    again = houses(now_s=T0 + 3 * 3600)
    assert again.rework() == 1
    assert again.rows() == in_order(houses, readings)
    again.leave()
    assert houses(now_s=T0 + 3 * 3600).rework() == 0


def test_a_device_whose_clock_was_set_back_tells_nothing_about_the_past(houses):
    readings = straight(0, 7200)
    house = houses()
    house.feed(readings)
    before = house.rows()
    house.feed([(at_s - 3600 + 5, register + 90.0, 100.0) for at_s, register, _ in readings[-20:]])
    house.rework()
    assert house.rows() == before
    assert [code for _, code in house.refusals()] == ["late"] * 20
    house.feed(readings[-1:])
    house.feed([(T0 + 3000 + 17, 10**6, 0.0)])
    house.rework()
    assert len(house.refusals()) == 21  # each is told once


def test_what_is_too_late_is_refused_at_once(houses):
    house = houses()
    house.feed(straight(0, 1000))
    house.feed([(T0 + 8 * DAY_S + t, kwh(T0 + 8 * DAY_S + t), 100.0) for t in range(0, 1000, 30)])
    house.feed([(T0 + 1005, kwh(T0 + 1005), 100.0)])
    assert house.refusals()[-1] == (T0 + 1005, "late")
    assert house.rework() == 0


def test_a_meter_without_a_time_of_its_own_is_never_put_in_order(houses):
    house = houses(of=meter(own_time=False))
    house.feed(straight(0, 3600))
    house.feed([(T0 + 1005, kwh(T0 + 1005), 100.0)])
    assert house.refusals() == [(T0 + 1005, "late")]
    assert house.rework() == 0


def test_what_is_older_than_all_that_is_kept_is_told(houses):
    house = houses()
    house.feed(straight(3600, 9000))
    house.ask("DELETE FROM checkpoints WHERE at_ms < ?", (T0 + 7000) * 1000)
    house.feed([(T0 + 3700, kwh(T0 + 3700), 100.0)])
    assert house.rework() == 1
    assert (T0 + 3700, "late") in house.refusals()
    house.ask("DELETE FROM checkpoints")
    house.feed([(T0 + 3705, kwh(T0 + 3705), 100.0)])
    assert house.rework() == 1


def test_a_meter_that_nobody_follows_any_more_is_let_go(houses):
    house = houses()
    house.writer.submit(Commit(reworks=[ReworkRow("gone", 0, FOR_EVER_MS)]))
    house.settle()
    assert house.rework() == 1


def test_readings_that_come_while_it_is_done_are_not_lost(houses):
    readings = straight(0, 3 * 3600)
    house = houses()
    house.feed(readings[:60] + readings[200:250])
    house.feed(readings[60:200])
    taken = house.reworker._take_again

    def meanwhile(*args):
        outcome = taken(*args)
        house.feed(readings[250:300])
        return outcome

    house.reworker._take_again = meanwhile
    house.rework()
    house.reworker._take_again = taken
    house.feed(readings[300:])
    house.rework()
    assert house.rows() == in_order(houses, readings)


def test_a_long_past_is_gone_through_up_to_where_all_goes_on_as_it_did(houses):
    """A day and a half; what comes late belongs to its beginning, and the rest is not looked at."""
    readings = straight(0, 36 * 3600, step_s=60)
    house = houses()
    house.feed(readings[:100] + readings[110:])
    seqs = house.reader.newest_seqs()
    house.feed(readings[100:110])
    house.rework()
    assert house.rows() == in_order(houses, readings)
    assert house.reader.newest_seqs() != seqs
    kept = house.ask("SELECT count(*) FROM checkpoints").scalar_one()
    assert kept > 30


def test_a_factor_that_changed_on_a_day_past_is_booked_from_then_on(houses):
    readings = straight(0, 5 * 3600)
    house = houses()
    house.feed(readings[:400])
    house.leave()
    changed = meter(max_rate=4000.0, factors=Factors(1.0, (((T0 + 4500) * 1000, 20.0),)))
    house = houses(of=changed, now_s=T0 + 12_000)
    house.feed(readings[400:])
    assert house.rework() == 1
    quantities = {row.start_s - T0: row.quantity for row in house.rows()}
    assert quantities[3600] == pytest.approx(25.0)
    assert quantities[4500] == quantities[15_300] == pytest.approx(500.0)
    assert house.revs()[T0 + 4500] == 1
    for row in house.rows():
        assert (row.register_end - row.register_start) * row.factor == pytest.approx(row.quantity)
    house.leave()
    assert houses(of=changed, now_s=T0 + 18_000).rework() == 0


def test_a_factor_from_before_all_that_is_kept_is_told(houses):
    house = houses()
    house.feed(straight(0, 9000))
    house.ask("DELETE FROM checkpoints WHERE at_ms < ?", (T0 + 7000) * 1000)
    house.leave()
    changed = meter(max_rate=4000.0, factors=Factors(1.0, ((T0 * 1000, 20.0),)))
    house = houses(of=changed, now_s=T0 + 12_000)
    assert house.rework() == 1
    (told,) = [one for one in house.reader.past.refusals("main", 0, 10) if one.code == OUT_OF_REACH]
    assert told.heard_ms == (T0 + 12_000) * 1000
    for language, words in (("en", "stay as they were booked"), ("zh-TW", "維持原入帳數值")):
        assert words in refusal_words(told, UTC, language)
    quantities = {row.start_s: row.quantity for row in house.rows()}
    assert quantities[T0] == pytest.approx(25.0)


def test_a_state_that_cannot_be_read_costs_one_rework_and_nothing_else(houses, caplog):
    house = houses()
    readings = straight(0, 9000)
    house.feed(readings[:100] + readings[101:])
    rows = house.rows()
    house.ask("UPDATE checkpoints SET state = ?", b"\x00 no state")
    house.feed([readings[100]])
    assert house.rework() == 1
    assert house.rows() == rows
    assert "cannot be made again" in caplog.text
    (told,) = house.reader.past.refusals("main", 0, 10)
    assert told.code == FAILED
    for language, words in (("en", "could not be made again"), ("zh-TW", "無法重新計算")):
        assert words in refusal_words(told, UTC, language)
    house.feed(straight(9000, 10_800))
    assert len(house.rows()) > len(rows)


def test_looking_goes_on_after_any_trouble(houses, caplog, monkeypatch):
    house = houses()
    readings = straight(0, 9000)
    house.feed(readings[:100] + readings[101:] + [readings[100]])
    house.ask("UPDATE reworks SET from_ms = 'never'")
    monkeypatch.setattr("monitor.rework.LOOK_EVERY_S", 0.001)
    monkeypatch.setattr("monitor.rework.REST_SHARE", 0.0)

    async def until_done():
        task = asyncio.create_task(house.reworker.run())
        async with asyncio.timeout(60):
            while house.reader.past.reworks():  # noqa: ASYNC110  another thread writes
                await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()

    asyncio.run(until_done())
    assert "cannot be made again" in caplog.text


def test_states_are_thinned_out_and_go_with_their_scans(houses):
    house = houses(of=meter(interval_s=900))
    for day in range(3):
        house.feed(straight(day * DAY_S, (day + 1) * DAY_S, step_s=600))
    house.feed([(T0 + 3 * DAY_S - 5000, kwh(T0 + 3 * DAY_S - 5000), 100.0)])
    house.rework()
    kept = house.ask("SELECT count(*) FROM checkpoints").scalar_one()
    thin_out_states(house.engine, "hall", (T0 + 3 * DAY_S) * 1000)
    left = house.ask("SELECT at_ms FROM checkpoints ORDER BY at_ms").scalars().all()
    assert kept >= 72
    assert 30 <= len(left) <= 26 + 2 * 4 + 3
    thin_out_states(house.engine, "hall", (T0 + 80 * DAY_S) * 1000)
    assert house.ask("SELECT at_ms FROM checkpoints").scalars().all() == [-1]
    house.ask("DELETE FROM scans WHERE id < 100")
    thin_out_states(house.engine, "hall", (T0 + 80 * DAY_S) * 1000)
    assert house.ask("SELECT count(*) FROM checkpoints").scalar_one() == 0
    house.feed(straight(3 * DAY_S, 3 * DAY_S + 4000, step_s=600))
    thin_out_states(house.engine, "hall", (T0 + 3 * DAY_S) * 1000)
    assert house.ask("SELECT count(*) FROM late_readings").scalar_one() == 0


def test_refusals_tell_what_their_words_need(houses):
    house = houses()
    house.feed([*straight(0, 600), (T0 + 600, 0.0, 100.0), *straight(630, 1000)])
    (one,) = house.reader.past.refusals("main", 0, 10)
    assert (one.code, one.value) == ("backward", 0.0)
    assert one.data["before"] == pytest.approx(kwh(T0 + 570))
    assert house.reader.past.refusal_counts("main", 0) == {"backward": 1}
    assert house.reader.past.refusal_counts("main", (T0 + 700) * 1000) == {}
    assert math.isfinite(one.data["unmetered"])
