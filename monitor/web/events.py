"""Events for the page: as data, looked up when somebody asks, at most once a second."""

import asyncio
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from config.loading import LoadedSite
from monitor.clock import Clock
from monitor.event_watch import EventWatch
from monitor.store.database import StoreError
from monitor.store.event_reader import EventReader
from monitor.store.reader import UNREADABLE, StoreReader

KEPT_MS = 1_000


class EventDesk:
    """Answers what events there are; the store is opened when it is there."""

    def __init__(self, loaded: LoadedSite, clock: Clock) -> None:
        self._loaded = loaded
        self._clock = clock
        self._watch = EventWatch(loaded)
        self._lock = asyncio.Lock()
        self._kept: tuple[int, list[dict[str, Any]]] | None = None

    async def standings(self) -> list[dict[str, Any]]:
        """Events that are worth a look now. Raises ``StoreError``, or what the disk says."""
        async with self._lock:
            now_ms = self._clock.now_ms()
            if self._kept is None or not 0 <= now_ms - self._kept[0] < KEPT_MS:
                self._kept = now_ms, await asyncio.to_thread(self._look, now_ms)
            return self._kept[1]

    def _look(self, now_ms: int) -> list[dict[str, Any]]:
        path, site = self._loaded.store_path, self._loaded.site.site.id
        events, reader = EventReader.open(path, site), StoreReader.open(path, site)
        try:
            return self._watch.standings(events, reader, now_ms)
        finally:
            events.close()
            reader.close()


def add_events(app: FastAPI, loaded: LoadedSite, clock: Clock) -> None:
    """The route of events."""
    desk = EventDesk(loaded, clock)

    @app.get("/api/v1/events")
    async def events() -> JSONResponse:
        headers = {"Cache-Control": "no-store"}
        try:
            return JSONResponse({"events": await desk.standings()}, headers=headers)
        except StoreError as error:
            return JSONResponse({"events": [], "trouble": error.code}, 503, headers)
        except UNREADABLE:
            return JSONResponse({"events": [], "trouble": "store.unusable"}, 503, headers)
