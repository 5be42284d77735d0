"""The request box carries out what it can read, and refuses the rest in words without stopping at it."""

import json
import sqlite3
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy.exc import OperationalError

from config.ledger import LedgerRow
from config.words import say
from monitor.store.database import LedgerRefused
from monitor.store.ledgers import writing
from monitor.store.requests import ImportRequest, RequestBox

ROW = LedgerRow("electricity", date(2015, 7, 1), date(2015, 7, 31), 2_100_000.0, "kWh", "bills", 2)
GOOD = ImportRequest("base", "b.csv", "ab" * 32, 1, False, (ROW,))
EMPTY = {"ledger": [], "readings": [], "reasons": []}
FACTS = {"kind": "base", "file_name": "b.csv", "sha256": "", "at_ms": 1, "replace": False}


@pytest.mark.parametrize(
    "payload",
    [
        "not JSON",
        "[]",
        "{}",
        json.dumps({**FACTS, **EMPTY, "new_key": 1}),
        json.dumps({**FACTS, **EMPTY, "kind": "tariffs"}),
        json.dumps({**FACTS, **EMPTY, "ledger": [["electricity", "July", "2015-07-31", 1, "kWh", "b", 2]]}),
        json.dumps({**FACTS, **EMPTY, "ledger": [["water", "2015-07-01", "2015-07-31", "x", "m3", {}, 2]]}),
    ],
)
def test_an_unreadable_request_is_refused_and_the_next_is_carried_out(tmp_path, payload):
    path = tmp_path / "energy.db"
    box = RequestBox(path)
    unreadable = box.put(GOOD)
    with sqlite3.connect(box.path) as connection:
        connection.execute("UPDATE requests SET payload = ? WHERE id = ?", (payload, unreadable))
    connection.close()
    good = box.put(GOOD)
    with writing(path) as engine:
        assert box.take_up(engine, "hall") == 2
        assert box.take_up(engine, "hall") == 0
    with pytest.raises(LedgerRefused) as caught:
        box.answer_to(unreadable)
    (problem,) = caught.value.problems
    assert problem.code == "store.request_unreadable"
    assert "same version" in say(problem.code, "en", **problem.data)
    assert box.answer_to(good).added == 1
    box.close()


def test_a_request_that_nobody_can_carry_out_is_refused_and_those_behind_it_are_not(tmp_path, caplog):
    path = tmp_path / "energy.db"
    box = RequestBox(path)
    defect = box.put(replace(GOOD, at_ms=2**70))  # no column takes it
    good = box.put(GOOD)
    with writing(path) as engine:
        assert box.take_up(engine, "hall") == 2
        assert box.take_up(engine, "hall") == 0
    with pytest.raises(LedgerRefused) as caught:
        box.answer_to(defect)
    (problem,) = caught.value.problems
    assert (problem.code, "Overflow" in problem.data["reason"]) == ("store.request_failed", True)
    assert len({say(problem.code, language, **problem.data) for language in ("en", "zh-TW")}) == 2
    assert len([one for one in caplog.records if one.exc_info]) == 1
    assert box.answer_to(good).added == 1
    box.close()


def test_a_request_waits_where_the_store_is_in_trouble(tmp_path):
    path = tmp_path / "energy.db"
    box = RequestBox(path)
    number = box.put(GOOD)
    with writing(path) as engine:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        with pytest.raises(OperationalError):
            box.take_up(engine, "hall")
        assert box.answer_to(number) is None
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = OFF")
        assert box.take_up(engine, "hall") == 1
    assert box.answer_to(number).added == 1
    box.close()
