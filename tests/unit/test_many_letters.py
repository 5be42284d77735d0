"""More dead letters than a table shows: how many there are is said, and each one's fate is counted."""

import json

import pytest

from config.words import say
from monitor.cli.deadletter import run_list, run_retry
from monitor.store.database import open_writer
from monitor.store.deliveries import RetryRequest, ask_retry
from monitor.store.reader import StoreReader
from monitor.store.requests import RequestBox
from monitor.store.rows import Commit, DeadLetterRow, SettledLetter
from monitor.store.writer import Writer, submit_and_wait

SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}, timezone: Asia/Taipei, language: en}
store: {path: energy.db}
sinks:
  - {kind: influxdb, id: city, url: "http://127.0.0.1:1", bucket: energy}
  - {kind: influxdb, id: town, url: "http://127.0.0.1:1", bucket: energy}
"""
LETTERS = 1500


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return path


@pytest.fixture
def writer(site):
    """A store with 1,500 letters of one sink, a neighbour's between each two."""
    engine = open_writer(site.with_name("energy.db"))
    writer = Writer(engine, "hall")
    writer.start()
    letters = [
        DeadLetterRow(sink, 1000, b"line", "no", "scans", 1)
        for _ in range(LETTERS)
        for sink in ("city", "town")
    ]
    assert submit_and_wait(writer, Commit(dead_letters=letters))
    yield writer
    assert writer.close()
    engine.dispose()


def settled(writer, state, numbers):
    letters = [SettledLetter(number, state, 2000) for number in numbers]
    assert submit_and_wait(writer, Commit(settled_letters=letters))


@pytest.mark.usefixtures("writer")
def test_a_table_says_how_many_there_are_and_json_holds_all(site, capsys):
    assert run_list(site, "city", "en", every=False, limit=None, as_json=False) == 0
    told = capsys.readouterr()
    assert "100 of 1,500" in told.err
    assert "--limit" in told.err
    assert run_list(site, "city", "en", every=False, limit=None, as_json=True) == 0
    told = capsys.readouterr()
    assert (len(json.loads(told.out)), told.err) == (LETTERS, "")
    assert run_list(site, "city", "en", every=False, limit=2000, as_json=False) == 0
    assert capsys.readouterr().err == ""
    assert run_list(site, "city", "en", every=False, limit=7, as_json=True) == 0
    assert len(json.loads(capsys.readouterr().out)) == 7


def test_each_letter_that_was_tried_again_is_counted(site, writer):
    path = site.with_name("energy.db")
    reader = StoreReader.open(path, "hall")
    numbers = [one.id for one in reader.deliveries.letters("city", limit=None)]
    settled(writer, "delivered", numbers[10:20])  # an earlier try's
    outcome = ask_retry(writer._engine, "hall", RetryRequest("city", (), "test", 1))
    assert outcome.count == LETTERS - 10
    assert len(outcome.spans) == 2
    became = reader.deliveries.became("city", outcome.spans)
    assert became == {"open": 0, "asked": LETTERS - 10, "delivered": 0, "superseded": 0}
    settled(writer, "delivered", numbers[20:1400])
    settled(writer, "open", numbers[:10])
    settled(writer, "superseded", numbers[1400:])
    became = reader.deliveries.became("city", outcome.spans)
    assert became == {"open": 10, "asked": 0, "delivered": 1380, "superseded": 100}
    assert reader.deliveries.letter_counts("town") == {"open": LETTERS}
    reader.close()


def test_a_few_by_number_leave_the_others_alone(site, writer):
    reader = StoreReader.open(site.with_name("energy.db"), "hall")
    numbers = tuple(one.id for one in reader.deliveries.letters("city", limit=5))
    outcome = ask_retry(
        writer._engine, "hall", RetryRequest("city", (numbers[0], numbers[1], numbers[4]), "t", 1)
    )
    assert (outcome.count, len(outcome.spans)) == (3, 2)
    assert reader.deliveries.letter_counts("city") == {"asked": 3, "open": LETTERS - 3}
    reader.close()


def test_what_a_daemon_did_with_many_is_told_whole(site, writer, capsys, monkeypatch):
    """The daemon's part is played by hand: it takes the wish up, and all but one are delivered."""
    del writer
    import threading

    from monitor.store.database import WriterLock
    from monitor.store.ledgers import writing  # noqa: F401  what the command tries first

    lock = WriterLock(site.with_name("energy.db"))
    lock.acquire()
    monkeypatch.setenv("ENERGY_MONITOR_LANGUAGE", "en")
    told = []
    command = threading.Thread(target=lambda: told.append(run_retry(site, (), "city", 60.0, "en")))
    command.start()
    engine = open_writer(site.with_name("energy.db"))
    box = RequestBox(site.with_name("energy.db"))
    while not box.take_up(engine, "hall"):
        assert command.is_alive()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE dead_letters SET state = 'delivered' WHERE state = 'asked'")
        connection.exec_driver_sql(
            "UPDATE dead_letters SET state = 'open' "
            "WHERE id = (SELECT max(id) FROM dead_letters WHERE sink = 'city')"
        )
    command.join(60)
    lock.release()
    box.close()
    engine.dispose()
    expected = say("deadletter.retried", "en", delivered=1499, superseded=0, open=1, asked=0)
    assert (capsys.readouterr().out.strip(), told) == (expected, [1])
