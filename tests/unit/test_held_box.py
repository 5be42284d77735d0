"""A request box in another process's hands: commits go on, and what was asked is done afterwards, once."""

import sqlite3
from contextlib import closing

import pytest

from config.words import say
from monitor.requesting import CONDITION, HELD_TURNS, RequestTaker
from monitor.store.database import StoreError
from monitor.store.deliveries import RetryRequest
from monitor.store.requests import RequestBox
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import submit_and_wait
from tests.rework_world import StillClock
from tests.unit.test_told_to_sinks import House

ASKED = RetryRequest("city", (), "test", 1)


@pytest.fixture
def hall(tmp_path):
    with closing(House(tmp_path / "energy.db")) as made:
        yield made


@pytest.fixture
def box(tmp_path):
    with closing(RequestBox(tmp_path / "energy.db")) as made:
        yield made


def holder_of(box):
    connection = sqlite3.connect(box.path, isolation_level=None)
    connection.execute("BEGIN")
    return connection


def condition(hall):
    return next((row.error for row in hall.reader.conditions() if row.device == CONDITION), None)


@pytest.mark.parametrize("how", ["SELECT count(*) FROM requests", "UPDATE requests SET kind = kind"])
def test_who_stops_with_the_box_open_holds_up_no_commit(hall, box, how):
    number = box.put(ASKED)
    taker = RequestTaker("hall", box, hall.reader, hall.writer, StillClock())
    with closing(holder_of(box)) as other:
        other.execute(how).fetchall()
        for turn in range(HELD_TURNS):
            assert condition(hall) is None  # an instant in somebody's hands is no trouble
            for _ in range(50):  # the daemon asks twice a second, whatever became of the last time
                taker.ask()
            assert submit_and_wait(
                hall.writer, Commit(conditions=[ConditionRow("ahu", "online", turn, None)])
            )
        hall.commit()
        told = condition(hall)
        assert told == {"code": "box.held", "data": {"path": str(box.path)}}
        assert "Ctrl-Z" in say(told["code"], "en", **told["data"])
    taker.ask()
    hall.commit()
    assert box.answer_to(number).count == 0
    hall.commit()
    assert condition(hall) is None


def test_a_command_that_cannot_get_at_the_box_says_who_may_have_it(box):
    number = box.put(ASKED)
    hurried = RequestBox(box.path.with_name("energy.db"), patience_ms=10)
    with closing(holder_of(box)) as other, closing(hurried):
        other.execute("UPDATE requests SET kind = kind")
        with pytest.raises(StoreError) as caught:
            hurried.put(ASKED)
    assert caught.value.code == "box.held"
    assert box.answer_to(number) is None
