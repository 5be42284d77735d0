"""A damaged request box beside a whole store: set aside, told once, and commands speak in words."""

import json
import os
import sqlite3
from contextlib import closing

import pytest

from config.words import say
from monitor.store.database import StoreError
from monitor.store.deliveries import RetryRequest
from monitor.store.ledgers import writing
from monitor.store.requests import RequestBox
from tests.integration.test_store_trouble import count, running, site_in, store_of, told
from tests.servers.processes import wait_until

ASKED = RetryRequest("city", (), "test", 1)


@pytest.fixture
def site(tmp_path):
    return site_in(tmp_path)


def broken(box, how):
    if how == "no database":
        box.write_bytes(b"not a database at all " * 200)
        return
    with box.open("r+b") as file:  # the page of the table; the header stays
        file.seek(4096)
        file.write(os.urandom(4096))


def box_with_rows(store):
    box = RequestBox(store)
    box.put(ASKED)
    box.close()
    with closing(sqlite3.connect(box.path)) as connection:  # answered ones, as any box has
        connection.execute("UPDATE requests SET answer = '{}'")
        connection.commit()
    return box.path


def test_a_damaged_box_is_set_aside_told_once_and_the_store_stays(site):
    store = store_of(site)
    rows = count(store)
    with running(site) as daemon:
        daemon.wait_for_line("reading 0 devices")
        box = box_with_rows(store)
        broken(box, "a page")
        before = box.read_bytes()
        daemon.wait_for_line("request box was damaged")

        def shown():
            facts = json.loads(told(site, "status", "--json")[1])
            return [one["code"] for one in facts["store"]] == ["box.set_aside"] and facts["store"]

        wait_until("status tells it", shown, daemon)
        (kept,) = site.parent.glob("energy.db.requests.damaged-*")
        assert kept.read_bytes() == before
        # What is asked from now on is carried out, by the same daemon on the same store.
        (site.parent / "base.csv").write_text(
            "commodity,start,end,quantity,unit,source\nelectricity,2015-01-01,2015-12-31,7,kWh,bills\n"
        )
        code, words = told(site, "import", "base", site.parent / "base.csv")
        assert code == 0, words
        assert sum("request box was damaged" in line for line in daemon.lines) == 1
        assert "Traceback" not in daemon.output
        kept.unlink()
        wait_until(
            "it is taken back", lambda: not json.loads(told(site, "status", "--json")[1])["store"], daemon
        )
        assert daemon.terminate() == 0
    assert count(store) == rows
    assert not list(site.parent.glob("energy.db.damaged-*"))


@pytest.mark.parametrize("how", ["no database", "a page"])
def test_a_command_says_in_words_that_the_box_is_damaged(tmp_path, how):
    box = RequestBox(tmp_path / "energy.db")
    box.put(ASKED)
    broken(box.path, how)
    for call in (lambda: box.put(ASKED), lambda: box.answer_to(1)):
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.code == "box.damaged"
        assert "say the command again" in say(caught.value.code, "en", **caught.value.data)
    box.close()


def test_nobody_gets_the_answer_to_what_another_asked_in_a_later_box(tmp_path):
    box = RequestBox(tmp_path / "energy.db")
    mine = box.put(ASKED)
    kept = box.begin_anew(1_700_000_000_000)
    assert kept.name == "energy.db.requests.damaged-20231114T221320Z"
    theirs = box.put(ASKED)
    with writing(tmp_path / "energy.db") as engine:
        assert box.take_up(engine, "hall") == 1
    assert box.answer_to(theirs).count == 0
    with pytest.raises(StoreError) as caught:
        box.answer_to(mine)
    assert caught.value.code == "box.begun_anew"
    box.close()
