"""The store's keeper goes on where the store cannot be read for an instant."""

import asyncio

from monitor import storekeeping
from tests.keeping_world import Keeping


def test_a_store_that_cannot_be_read_at_first_is_looked_after_later(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(storekeeping, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(storekeeping, "SIZE_EVERY_S", 0.02)
    one = Keeping(tmp_path, 10**9)
    one.feed(0, 3_000)
    path, away = one.loaded.store_path, tmp_path / "away"
    ballast = path.with_name("energy.db.ballast")

    async def go_on() -> None:
        path.rename(away)
        task = asyncio.create_task(one.keeper().run())
        for _ in range(6_000):
            if caplog.records or task.done():
                break
            await asyncio.sleep(0.01)
        away.rename(path)
        for _ in range(6_000):
            if ballast.exists() or task.done():
                break
            await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()

    asyncio.run(go_on())
    assert ballast.exists()
    assert "care.log_unreadable" in {getattr(record.msg, "key", "") for record in caplog.records}
    one.house.leave()
