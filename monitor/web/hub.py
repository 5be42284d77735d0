"""One look a second for all viewers: the snapshot is taken once, its words once a language."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from config.site import Language
from monitor.clock import Clock
from monitor.web.live import LiveState
from monitor.web.snapshot import Snapshot
from monitor.web.view import Fields, fields

log = logging.getLogger(__name__)

PERIOD_S = 1.0
HEARTBEAT_TICKS = 15
RETRY_MS = 2000
COMPLAIN_EVERY_S = 60.0
STUCK_AFTER_S = 10.0

Fragments = Callable[[Fields, Language], Fields]


@dataclass(frozen=True, slots=True)
class Page:
    """The page's fields in one language at one tick, and what changed since the look before."""

    tick: int
    before: int
    fields: Fields
    change: bytes

    def whole(self, now_ms: int) -> bytes:
        """Every field, as an event."""
        return event(now_ms, self.fields)


def event(now_ms: int, changed: Fields) -> bytes:
    """One server-sent event."""
    text = json.dumps({"now": now_ms, "f": changed}, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


class Hub:
    """Follows the store and tells all streams.

    Parameters
    ----------
    fragments : makes HTML of the lists among the fields.
    """

    def __init__(self, live: LiveState, clock: Clock, fragments: Fragments) -> None:
        self.live = live
        self._clock = clock
        self._fragments = fragments
        self.snapshot: Snapshot | None = None
        self._tick = 0
        self._pages: dict[Language, Page] = {}
        self._next = asyncio.Event()
        self._closing = False
        self._looked_s = clock.monotonic_s()
        self._complained_s: float | None = None

    @property
    def stuck(self) -> bool:
        """Whether the last look that went well is too long ago."""
        return self._clock.monotonic_s() - self._looked_s > STUCK_AFTER_S

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            begun_s = self._clock.monotonic_s()
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001  the next look may go well, and viewers wait for it
                self._complain(error)
                self._show_trouble()
            await asyncio.sleep(max(0.1, PERIOD_S - (self._clock.monotonic_s() - begun_s)))

    async def look(self) -> Snapshot:
        """Take a snapshot now and wake every stream."""
        snapshot = await asyncio.to_thread(self.live.step, self._clock.now_ms())
        self._looked_s = self._clock.monotonic_s()
        self._publish(snapshot)
        return snapshot

    def _publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._tick += 1
        self._next.set()
        self._next = asyncio.Event()

    def _complain(self, error: Exception) -> None:
        now_s = self._clock.monotonic_s()
        if self._complained_s is not None and now_s - self._complained_s < COMPLAIN_EVERY_S:
            return
        self._complained_s = now_s
        reason = f"{type(error).__name__}: {error}"
        log.error("the page could not follow the store and tries again each second: %s", reason)

    def _show_trouble(self) -> None:
        """The values stay as they were, grow old, and the page says why."""
        if self.snapshot is not None and self.stuck:
            trouble = {"code": "page.notice_stuck", "data": {}}
            self._publish(replace(self.snapshot, now_ms=self._clock.now_ms(), trouble=trouble))

    def close(self) -> None:
        """Let every stream end, so that the server can."""
        self._closing = True
        self._next.set()

    def page(self, language: Language) -> Page:
        """The fields now; made once a tick and language. Needs a first ``look``."""
        known = self._pages.get(language)
        if self.snapshot is None:
            raise RuntimeError("nothing was looked at yet")
        if known is not None and known.tick == self._tick:
            return known
        shown = fields(self.snapshot, language, self.live.plan.zone)
        shown = self._fragments(shown, language)
        old: dict[str, Any] = known.fields if known is not None else {}
        changed = {key: value for key, value in shown.items() if key not in old or old[key] != value}
        page = Page(
            tick=self._tick,
            before=known.tick if known is not None else 0,
            fields=shown,
            change=event(self.snapshot.now_ms, changed) if changed else b"",
        )
        self._pages[language] = page
        return page

    async def stream(self, language: Language) -> AsyncIterator[bytes]:
        """Server-sent events: everything first, then what changes; a comment when nothing does."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        seen, quiet = -1, 0
        while not self._closing:
            next_look = self._next
            page = self.page(language)
            if page.tick != seen:
                snapshot_ms = self.snapshot.now_ms if self.snapshot is not None else 0
                news = page.change if page.before == seen else page.whole(snapshot_ms)
                seen, quiet = page.tick, 0 if news else quiet + 1
                if news:
                    yield news
                elif quiet >= HEARTBEAT_TICKS:
                    quiet = 0
                    yield b": nothing new\n\n"
            await next_look.wait()
