"""Virtual meters over the real store: closed, late, revised, renamed, restarted."""

import math

import pytest

from config.words import say
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, IntervalRow
from monitor.store.writer import Writer, submit_and_wait
from monitor.virtual import RUN_GAP_S, VirtualMeters, doubtful_parts, evaluate_stored, store_key
from rules.formulas import parse_formula
from rules.intervals import Interval
from rules.quality import Quality

FORMULAS = {"site": "mains - tenant", "mains": "main_1 + main_2"}


def interval(start_s, quantity, *, quality=Quality.GOOD, caught_up=False, coverage=1.0):
    mean = math.nan if caught_up else quantity * 4
    return Interval(start_s, 900, quantity, coverage, quality, mean, mean, mean, caught_up, 0.0, quantity, 0)


class House:
    """A store, its writer and the virtual meters, as the daemon has them."""

    def __init__(self, path, texts=FORMULAS):
        self.engine = open_writer(path)
        self.reader = StoreReader.open(path, "hall")
        self.writer = Writer(self.engine, "hall")
        self.writer.start()
        self.formulas = {meter: parse_formula(text) for meter, text in texts.items()}
        self.virtual = VirtualMeters(self.formulas, self.reader, self.writer, 900)

    def close_all(self, start_s, quantities, **how):
        rows = [IntervalRow(meter, interval(start_s, q, **how)) for meter, q in quantities.items()]
        assert submit_and_wait(self.writer, Commit(intervals=rows))

    def catch_up(self, now_s=0):
        self.virtual.catch_up(now_s)
        assert submit_and_wait(self.writer, Commit())

    def rows(self, meter):
        return [
            (one.start_s, one.quantity, one.quality, one.rev)
            for one in self.reader.changed_intervals(0, 10_000)
            if one.meter == meter
        ]

    def condition(self, meter):
        return next(row for row in self.reader.conditions() if row.device == store_key(meter))

    def leave(self):
        assert self.writer.close()
        self.reader.close()
        self.engine.dispose()


@pytest.fixture
def house(tmp_path):
    one = House(tmp_path / "energy.db")
    yield one
    one.leave()


def test_an_interval_closes_when_every_part_has(house):
    house.close_all(0, {"main_1": 10, "main_2": 20})
    house.catch_up()
    assert house.rows("mains") == [(0, 30.0, 0, 0)]
    assert house.rows("site") == []
    house.close_all(0, {"tenant": 5})
    house.catch_up()
    assert house.rows("site") == [(0, 25.0, 0, 0)]
    (row,) = [one for one in house.reader.changed_intervals(0, 100) if one.meter == "site"]
    assert row.rate_avg == 100.0
    assert row.rate_max is None


def test_a_revised_part_revises_the_sum_and_nothing_else_does(house):
    house.close_all(0, {"main_1": 10, "main_2": 20, "tenant": 5})
    house.close_all(900, {"main_1": 10, "main_2": 20, "tenant": 5})
    house.catch_up()
    house.catch_up()
    house.close_all(0, {"tenant": 6}, quality=Quality.ESTIMATED, caught_up=True)
    house.close_all(900, {"tenant": 5})  # the same figures: no change
    house.catch_up()
    assert house.rows("site") == [(900, 25.0, 0, 0), (0, 24.0, Quality.ESTIMATED, 1)]
    series = house.reader.intervals("site", 0, 1)
    assert series.caught_up.all()
    assert math.isnan(series.rate_avg[0])  # energy, and never a peak
    assert [rev for *_, rev in house.rows("mains")] == [0, 0]
    assert doubtful_parts(house.reader, house.formulas, "site", 0, 1800) == {"tenant": 1}
    assert doubtful_parts(house.reader, house.formulas, "tenant", 0, 1800) == {}


def test_the_doubtful_register_is_found_behind_another_formula(house):
    house.close_all(0, {"main_1": 10, "tenant": 5})
    house.close_all(0, {"main_2": 20}, quality=Quality.SUSPECT)
    house.catch_up()
    assert house.rows("site") == [(0, 25.0, Quality.SUSPECT, 0)]
    assert doubtful_parts(house.reader, house.formulas, "site", 0, 1800) == {"main_2": 1}


def test_a_restart_finds_what_was_pending(tmp_path):
    first = House(tmp_path / "energy.db")
    first.close_all(0, {"main_1": 10, "main_2": 20})
    first.close_all(900, {"main_1": 11, "tenant": 1})
    first.catch_up()
    first.leave()
    second = House(tmp_path / "energy.db")
    second.close_all(0, {"tenant": 5})
    second.close_all(900, {"main_2": 22})
    second.catch_up()
    assert [row[:2] for row in second.rows("site")] == [(0, 25.0), (900, 32.0)]
    second.leave()
    third = House(tmp_path / "energy.db")
    before = third.reader.newest_seqs()
    third.catch_up()
    assert third.reader.newest_seqs() == before
    third.leave()


def test_a_new_formula_is_worked_out_over_the_whole_past(tmp_path):
    first = House(tmp_path / "energy.db", {})
    starts = [0, 900, 900 + 2 * RUN_GAP_S, 900 + 4 * RUN_GAP_S]
    for start_s in starts:
        first.close_all(start_s, {"main_1": 10, "main_2": 20})
    first.catch_up()
    first.leave()
    second = House(tmp_path / "energy.db", {"mains": "main_1 + main_2"})
    second.catch_up()
    assert second.rows("mains") == [(start_s, 30.0, 0, 0) for start_s in starts]
    second.leave()
    third = House(tmp_path / "energy.db", {"mains": "main_1 + 0.5 * main_2"})
    third.catch_up()
    assert third.rows("mains") == [(start_s, 20.0, 0, 1) for start_s in starts]
    third.leave()


def test_a_formula_that_is_changed_back_is_worked_out_again(tmp_path):
    def figures(text):
        one = House(tmp_path / "energy.db", {"v": text})
        one.catch_up()
        rows = one.rows("v")
        one.leave()
        return [(quantity, rev) for _, quantity, _, rev in rows]

    house = House(tmp_path / "energy.db", {})
    house.close_all(0, {"a": 10, "t": 3})
    house.leave()
    assert figures("a - t") == [(7.0, 0)]
    assert figures("a + t") == [(13.0, 1)]
    assert figures("a - t") == [(7.0, 2)]
    assert figures("a - t") == [(7.0, 2)]


def test_what_a_new_formula_cannot_make_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.setattr("monitor.virtual.ROWS_AT_ONCE", 1)
    first = House(tmp_path / "energy.db", {"v": "a - t", "all": "v + a"})
    for start_s in (0, 900, 1800):
        first.close_all(start_s, {"a": 10, "t": 3})
    first.catch_up()
    assert [row[1] for row in first.rows("all")] == [17.0, 17.0, 17.0]
    first.leave()
    second = House(tmp_path / "energy.db", {"v": "a + b", "all": "v + a"})
    second.close_all(1800, {"b": 1})
    second.catch_up()
    assert sorted(second.rows("v")) == [
        (0, 0.0, Quality.MISSING, 1),
        (900, 0.0, Quality.MISSING, 1),
        (1800, 11.0, Quality.GOOD, 1),
    ]
    assert [row[2] for row in sorted(second.rows("all"))] == [Quality.MISSING, Quality.MISSING, Quality.GOOD]
    second.leave()


def test_cursors_of_an_older_version_begin_anew(tmp_path):
    house = House(tmp_path / "energy.db", {"v": "a - t"})
    house.close_all(0, {"a": 10, "t": 3})
    old = Commit(intervals=[IntervalRow("v", interval(0, 13))])
    old.cursors[store_key("v"), "intervals/0123456789ab"] = 9
    assert submit_and_wait(house.writer, old)
    house.catch_up()
    assert house.rows("v") == [(0, 7.0, Quality.GOOD, 1)]
    house.leave()


@pytest.mark.parametrize("refused", [1, 2])
def test_a_store_that_is_busy_when_a_formula_begins_is_tried_again(tmp_path, monkeypatch, refused):
    first = House(tmp_path / "energy.db", {"v": "a - t"})
    first.close_all(0, {"a": 10, "t": 3})
    first.catch_up()
    before = first.reader.cursors(store_key("v"))
    first.leave()
    second = House(tmp_path / "energy.db", {"v": "a + b"})
    calls = iter(range(1, 10))
    monkeypatch.setattr(
        "monitor.virtual.submit_and_wait", lambda *how: next(calls) != refused and submit_and_wait(*how)
    )
    second.catch_up()
    assert second.reader.cursors(store_key("v")) == before
    second.catch_up()
    assert second.rows("v") == [(0, 0.0, Quality.MISSING, 1)]
    second.leave()


def test_one_meter_that_cannot_be_worked_out_holds_up_no_other(tmp_path, monkeypatch, caplog):
    house = House(tmp_path / "energy.db", {"bad": "a + b", "good": "a - b"})
    house.close_all(0, {"a": 10, "b": 3})
    worked_out = evaluate_stored

    def stumbling(reader, formula, *span):
        if formula == house.formulas["bad"]:
            raise ValueError("a row that nobody thought of")
        return worked_out(reader, formula, *span)

    monkeypatch.setattr("monitor.virtual.evaluate_stored", stumbling)
    house.catch_up(0)
    house.close_all(900, {"a": 10, "b": 3})
    house.catch_up(900)
    assert [row[1] for row in house.rows("good")] == [7.0, 7.0]
    error = house.condition("bad").error
    assert error == {
        "code": "store.sum_broken",
        "data": {"reason": "ValueError: a row that nobody thought of"},
    }
    for language in ("en", "zh-TW"):
        assert "nobody thought of" in say(error["code"], language, **error["data"])
    assert caplog.text.count("Traceback") == 1
    monkeypatch.undo()
    house.close_all(1800, {"a": 10, "b": 3})
    house.catch_up(1800)
    assert [row[1] for row in house.rows("bad")] == [13.0, 13.0, 13.0]
    assert house.condition("bad").condition == "online"
    house.leave()


def test_more_changes_than_are_taken_at_once(house, monkeypatch):
    monkeypatch.setattr("monitor.virtual.ROWS_AT_ONCE", 7)
    for n in range(20):
        house.close_all(900 * n, {"main_1": n, "main_2": 1, "tenant": 0})
    house.catch_up()
    assert [row[:2] for row in house.rows("site")] == [(900 * n, n + 1.0) for n in range(20)]


def test_who_is_waited_for_is_told(house):
    house.catch_up(0)
    assert house.condition("site").condition == "online"  # nothing has closed anywhere yet
    house.close_all(0, {"main_1": 10, "main_2": 20, "tenant": 5})
    house.close_all(900, {"main_1": 10, "tenant": 5})
    house.catch_up(1810)
    assert house.condition("site").condition == "online"  # just closed: main_2 may be on its way
    house.catch_up(1900)
    for meter in ("mains", "site"):
        told = house.condition(meter)
        assert (told.condition, told.since_ms) == ("degraded", 900_000)
        assert told.error == {"code": "store.waits_for", "data": {"part": "main_2"}}
    house.close_all(1800, {"main_1": 10, "tenant": 5})
    house.catch_up(2705)
    assert house.condition("site").since_ms == 900_000
    house.close_all(900, {"main_2": 1}, quality=Quality.ESTIMATED, caught_up=True)
    house.close_all(1800, {"main_2": 1})
    house.catch_up(2800)
    assert house.condition("site").condition == "online"
    assert [row[:3] for row in house.rows("site")] == [(0, 25.0, 0), (900, 6.0, 1), (1800, 6.0, 0)]


def test_a_part_that_never_came(house):
    house.close_all(0, {"main_1": 10, "tenant": 5})
    house.catch_up(2000)
    told = house.condition("site")
    assert told.error["data"] == {"part": "main_2"}
    assert told.since_ms == 2_000_000


def test_a_store_that_does_not_take_rows_is_tried_again(house, monkeypatch):
    house.close_all(0, {"main_1": 10, "main_2": 20, "tenant": 5})
    monkeypatch.setattr("monitor.virtual.submit_and_wait", lambda *_: False)
    house.catch_up()
    monkeypatch.undo()
    house.catch_up()
    assert [row[:2] for row in house.rows("site")] == [(0, 25.0)]
