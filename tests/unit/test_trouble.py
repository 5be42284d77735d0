"""What goes wrong beside the reading of meters stays beside it: each task goes on after any trouble."""

import asyncio
from types import SimpleNamespace

import pytest

from monitor import app
from monitor.app import Daemon
from tests.unit.test_virtual import House


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
