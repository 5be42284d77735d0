"""What goes wrong beside the reading of meters stays beside it: each task goes on after any trouble."""

import asyncio
from types import SimpleNamespace

import pytest

from config.loading import load_site
from monitor import app, discovery
from monitor.app import Daemon
from monitor.discovery import Announcer, state_topic
from monitor.store.rows import Commit, IntervalRow
from monitor.store.writer import submit_and_wait
from tests.site_example import example_text
from tests.unit.test_virtual import House, interval


def once(monkeypatch, owner, name):
    """Let a method fail the first time it is called, in a way that nobody thought of."""
    works, calls = getattr(owner, name), []

    def stumbling(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise ValueError("nobody thought of this")
        return works(*args, **kwargs)

    monkeypatch.setattr(owner, name, stumbling)


async def run_until(task_of, is_done):
    task = asyncio.create_task(task_of)
    async with asyncio.timeout(60):
        while not is_done():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def house(tmp_path):
    one = House(tmp_path / "energy.db", {"v": "a + b"})
    yield one
    one.leave()


def test_virtual_meters_go_on(house, monkeypatch, caplog):
    monkeypatch.setattr(app, "UNREADABLE_REST_S", 0.0)
    once(monkeypatch, house.reader, "newest_seqs")
    house.close_all(0, {"a": 1, "b": 2})
    clock = SimpleNamespace(is_holding=False, now_ms=lambda: 900_000)
    daemon = SimpleNamespace(_clock=clock, _virtual=house.virtual)
    asyncio.run(run_until(Daemon._keep_virtual_meters(daemon), lambda: house.rows("v")))
    assert "nobody thought of this" in caplog.text


class Broker:
    """The far end of a driver, which stumbles over the first message."""

    welcomes = 1

    def __init__(self):
        self.heard, self.stumbles = {}, True

    def publish(self, topic, payload, *, qos=1, retain=False):
        if self.stumbles:
            self.stumbles = False
            raise ValueError("nobody thought of that")
        self.heard[topic] = payload
        return True


def test_the_announcer_goes_on(house, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(discovery, "PERIOD_S", 0.01)
    monkeypatch.setattr(discovery, "TROUBLE_REST_S", 0.01)
    path = tmp_path / "site.yaml"
    path.write_text(example_text(), encoding="utf-8")
    site = load_site(path).site
    meter = site.meters[0].id
    assert submit_and_wait(house.writer, Commit(intervals=[IntervalRow(meter, interval(0, 5))]))
    once(monkeypatch, house.reader, "newest_seqs")
    broker = Broker()
    announcer = Announcer(site, house.reader, [(broker, "homeassistant")])
    topic = state_topic(site.site.id, meter)
    asyncio.run(run_until(announcer.run(), lambda: topic in broker.heard))
    assert broker.heard[topic] == b"5.000000"
    assert "nobody thought of this" in caplog.text
    assert "nobody thought of that" in caplog.text
