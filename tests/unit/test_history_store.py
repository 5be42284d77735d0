"""Imported history in the store: the whole file or nothing, idempotent, and never silently over a figure."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from config.history.events import EventRow
from config.history.intervals import IntervalRows
from config.history.weather import WeatherRows
from config.words import say
from monitor.store.database import LedgerRefused
from monitor.store.history import import_intervals
from monitor.store.history_requests import HistoryRequest, stage, unstage
from monitor.store.ledgers import writing
from monitor.store.provenance import Provenance
from monitor.store.requests import RequestBox
from monitor.store.rows import Commit, IntervalRow
from monitor.store.weather import import_events, import_weather
from monitor.store.writer import Writer, submit_and_wait
from rules.intervals import Interval

T0 = 1498838400
FROM = Provenance("intervals", "x.csv", "ab" * 32, 5, "ann", "{}")
REPLACE = replace(FROM, replace=True)


def rows(count=130, first=T0, quantity=1.0, duration_s=900, meters=("main",)):
    start_s = first + duration_s * np.arange(count)
    nothing = np.full(count, np.nan)
    whole = np.arange(count)
    return IntervalRows(
        meters, whole * 0, start_s, duration_s, np.full(count, quantity), nothing, nothing, np.ones(count),
        np.zeros(count, dtype=np.uint8), whole + 2,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    with writing(tmp_path / "energy.db") as engine:
        yield engine


def asked(engine, sql):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql).all()]


def outcome(found):
    return found.added, found.unchanged, found.replaced


def test_the_same_file_again_changes_nothing(store):
    moved = []
    assert outcome(import_intervals(store, "hall", rows(), FROM, moved.append)) == (130, 0, 0)
    assert sum(moved) == 130
    before = asked(store, "SELECT * FROM intervals")
    assert outcome(import_intervals(store, "hall", rows(), FROM)) == (0, 130, 0)
    assert asked(store, "SELECT * FROM intervals") == before
    assert asked(store, "SELECT kind, file, rows, who, declared FROM imports") == [
        ("intervals", "x.csv", 130, "ann", "{}")
    ]
    assert asked(store, "SELECT DISTINCT coverage, quality, rate_avg, rev, import_id FROM intervals") == [
        (1.0, 0, 4.0, 0, 1)
    ]
    assert asked(store, "SELECT min(seq), max(seq), count(DISTINCT seq) FROM intervals") == [(1, 130, 130)]


def test_a_changed_figure_is_refused_with_both_and_nothing_is_written(store):
    import_intervals(store, "hall", rows(), FROM)
    other = rows(count=200)
    other.quantity[[3, 100]] = 2.5
    with pytest.raises(LedgerRefused) as caught:
        import_intervals(store, "hall", other, FROM)
    assert [one.data["row"] for one in caught.value.problems] == [5, 102]
    for language in ("en", "zh-TW"):
        words = say(caught.value.problems[0].code, language, **caught.value.problems[0].data)
        assert all(part in words for part in ("1", "2.5", "--replace", "5"))
    assert asked(store, "SELECT count(*), max(quantity) FROM intervals") == [(130, 1.0)]


def test_replace_writes_a_revision_and_keeps_the_old_figure(store):
    import_intervals(store, "hall", rows(), FROM)
    other = rows(count=131)
    other.quantity[3] = 2.5
    other.quality[4] = 1
    assert outcome(import_intervals(store, "hall", other, REPLACE)) == (1, 128, 2)
    sql = "SELECT quantity, rate_avg, quality, rev, seq, import_id FROM intervals WHERE rev > 0 ORDER BY seq"
    assert asked(store, sql) == [(2.5, 10.0, 0, 1, 132, 2), (1.0, 4.0, 1, 1, 133, 2)]
    sql = "SELECT start_s, quantity, rev, import_id, replaced_by FROM replaced_intervals"
    assert asked(store, sql) == [(T0 + 2700, 1.0, 0, 1, 2), (T0 + 3600, 1.0, 0, 1, 2)]


def test_an_interval_of_another_length_in_the_same_time_is_refused_always(store):
    import_intervals(store, "hall", rows(count=4), FROM)
    for clashing in (rows(count=1, duration_s=3600), rows(count=3, first=T0 + 300, duration_s=300)):
        with pytest.raises(LedgerRefused) as caught:
            import_intervals(store, "hall", clashing, REPLACE)
        assert caught.value.problems[0].code == "store.interval_overlap"
        assert say("store.interval_overlap", "zh-TW", **caught.value.problems[0].data)
    assert outcome(import_intervals(store, "hall", rows(1, T0 + 3600, duration_s=3600), FROM)) == (1, 0, 0)
    assert outcome(import_intervals(store, "hall", rows(1, T0 - 3600, duration_s=3600), FROM)) == (1, 0, 0)


def test_many_refusals_are_counted(store):
    import_intervals(store, "hall", rows(), FROM)
    with pytest.raises(LedgerRefused) as caught:
        import_intervals(store, "hall", rows(quantity=2.0), FROM)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1].data["count"] == 110


def test_what_fails_in_the_middle_leaves_nothing(store):
    several = replace(rows(count=20_000), meters=("main", "second"))
    several.meter[10_000:] = 1
    with store.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 200")
    with pytest.raises(Exception, match="full"):
        import_intervals(store, "hall", several, FROM)
    assert asked(store, "SELECT (SELECT count(*) FROM intervals), (SELECT count(*) FROM imports)") == [(0, 0)]


def test_what_was_imported_is_not_made_again_and_the_order_goes_on(store):
    writer = Writer(store, "hall")
    writer.start()
    writer.call(lambda engine: import_intervals(engine, "hall", rows(count=3), FROM))
    live = Interval(T0, 900, 7.0, 1.0, 0, 28.0, 28.0, 28.0, False, 0.0, 7.0, 0)
    later = replace(live, start_s=T0 + 9000)
    assert submit_and_wait(writer, Commit(intervals=[IntervalRow("main", live), IntervalRow("main", later)]))
    assert writer.close()
    sql = "SELECT start_s, quantity, seq, import_id FROM intervals ORDER BY start_s"
    found = asked(store, sql)
    assert found[0] == (T0, 1.0, 1, 1)
    assert found[3] == (T0 + 9000, 7.0, 5, None)


def weather(temperature, humidity=None):
    values = {"temperature_c": np.array(temperature, dtype=float)}
    if humidity is not None:
        values["humidity_pct"] = np.array(humidity, dtype=float)
    count = len(temperature)
    return WeatherRows("466920", T0 + 3600 * np.arange(count), 3600, values, np.arange(count) + 2)


def test_weather_is_filled_in_and_never_silently_changed(store):
    assert outcome(import_weather(store, "hall", weather([27.5, np.nan]), FROM)) == (2, 0, 0)
    assert outcome(import_weather(store, "hall", weather([27.5, np.nan]), FROM)) == (0, 2, 0)
    assert outcome(import_weather(store, "hall", weather([27.5, 28.0], [80, 81]), FROM)) == (0, 0, 2)
    with pytest.raises(LedgerRefused) as caught:
        import_weather(store, "hall", weather([27.5, 29.0]), FROM)
    assert "28" in say("store.history_changed", "en", **caught.value.problems[0].data)
    assert outcome(import_weather(store, "hall", weather([27.5, 29.0]), REPLACE)) == (0, 1, 1)
    sql = "SELECT temperature_c, humidity_pct, rev FROM weather ORDER BY start_s"
    assert asked(store, sql) == [(27.5, 80.0, 1), (29.0, 81.0, 2)]


def test_events(store):
    outage = EventRow("outage", "", T0, T0 + 60, "Feeder down", "log 3", 2)
    assert outcome(import_events(store, "hall", [outage], FROM)) == (1, 0, 0)
    assert outcome(import_events(store, "hall", [outage], FROM)) == (0, 1, 0)
    longer = replace(outage, end_s=T0 + 90)
    with pytest.raises(LedgerRefused, match="end_s"):
        import_events(store, "hall", [longer], FROM)
    assert outcome(import_events(store, "hall", [longer], REPLACE)) == (0, 0, 1)


@pytest.mark.parametrize(
    "given", [rows(), weather([1.0, np.nan], [2, 3]), (EventRow("outage", "", 1, None, "斷電", "s", 2),)]
)
def test_a_request_comes_back_as_it_was(tmp_path, given):
    import json

    box = tmp_path / "energy.db.requests"
    payload = json.dumps(stage(box, HistoryRequest(FROM, given)))
    back = unstage(box, payload)
    assert back.provenance == FROM
    assert str(back.rows) == str(given)


def test_a_request_whose_rows_are_gone_or_torn_is_refused_and_the_next_is_carried_out(tmp_path):
    path = tmp_path / "energy.db"
    box = RequestBox(path)
    numbers = [box.put(HistoryRequest(FROM, rows())) for _ in range(4)]
    with sqlite3.connect(box.path) as connection:
        sql = "UPDATE requests SET payload = replace(payload, '.npz', '.py') WHERE id = ?"
        connection.execute(sql, (numbers[2],))
    connection.close()
    staged = sorted(tmp_path.glob("*.npz"), key=lambda one: one.stat().st_mtime_ns)
    assert len(staged) == 4
    staged[0].unlink()
    staged[1].write_bytes(staged[1].read_bytes()[:-7])
    with writing(path) as engine:
        assert box.take_up(engine, "hall") == 4
    for number in numbers[:3]:
        with pytest.raises(LedgerRefused, match="unreadable"):
            box.answer_to(number)
    assert box.answer_to(numbers[3]).added == 130
    box.close()
    assert [one.name for one in tmp_path.glob("*.npz")] == [staged[2].name]  # nobody's name was trusted
