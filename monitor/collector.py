"""Runs the drivers: one supervised task a bus, scans into the pipeline, news into the store."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from config.words import Spoken
from drivers.contract import Backoff, Delivery, DeviceCondition, DeviceNews, Driver
from monitor.clock import Clock
from monitor.pipeline import Pipeline
from monitor.store.rows import Commit, ConditionRow
from rules.scan import Scan

log = logging.getLogger(__name__)


STEADY_S = 300.0
"""A driver that ran for so long before it failed is started again at once."""


class _Intake:
    """Where drivers put what they got."""

    def __init__(
        self,
        pipeline: Pipeline,
        submit: Callable[[Commit], None],
        clock: Clock,
        saw: Callable[[Scan], None] | None,
        heard: Callable[[DeviceNews], None] | None,
    ) -> None:
        self._pipeline = pipeline
        self._saw = saw
        self._heard = heard
        self._submit = submit
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._conditions: dict[str, tuple[DeviceCondition, int]] = {}
        self._safe: deque[Callable[[], None]] = deque()
        self._is_called = False

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        self._pipeline.accept(scan, None if on_commit is None else partial(self._on_loop, on_commit))
        if self._saw is not None:
            self._saw(scan)

    def _on_loop(self, on_commit: Callable[[], None]) -> None:
        """Called in the writer's thread; drivers live on the loop, which is woken once for a whole commit."""
        self._safe.append(on_commit)
        if not self._is_called:
            self._is_called = True
            with suppress(RuntimeError):  # the loop has ended: what is not acknowledged comes again
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        # First: what is put in from now on is either seen below, or calls again.
        self._is_called = False
        while self._safe:
            self._safe.popleft()()

    def _since_ms(self, news: DeviceNews) -> int:
        """When the condition began: another error in the same condition does not begin it anew."""
        known, since_ms = self._conditions.get(news.device, (None, 0))
        if news.since_ms is not None:
            since_ms = news.since_ms
        elif known is not news.condition:
            since_ms = self._clock.now_ms()
        self._conditions[news.device] = (news.condition, since_ms)
        return since_ms

    def news(self, news: DeviceNews) -> None:
        if self._heard is not None:
            self._heard(news)
        error = None
        if news.error is not None:
            error = {"code": news.error.code, "data": {k: str(v) for k, v in news.error.data.items()}}
        since_ms = self._since_ms(news)
        row = ConditionRow(news.device, news.condition.value, since_ms, error)
        self._submit(Commit(conditions=[row]))
        key = "log.news" if error is None else "log.news_error"
        condition = Spoken(f"cli.condition_{news.condition}")
        log.info(Spoken(key, error=error, device=news.device, condition=condition))


class Collector:
    """All buses of a site.

    Parameters
    ----------
    saw, heard : shown every scan, once the pipeline has it, and all news of devices; must be quick and
        must not raise.
    """

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        pipeline: Pipeline,
        submit: Callable[[Commit], None],
        clock: Clock,
        saw: Callable[[Scan], None] | None = None,
        heard: Callable[[DeviceNews], None] | None = None,
    ) -> None:
        self._saw = saw
        self._heard = heard
        self._drivers = drivers
        self._pipeline = pipeline
        self._submit = submit
        self._clock = clock

    async def run(self) -> None:
        """Read every bus until cancelled; one bus's trouble never reaches another."""
        intake = _Intake(self._pipeline, self._submit, self._clock, self._saw, self._heard)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.Event().wait(), name="a site without buses is no end")
                for bus, driver in self._drivers.items():
                    tasks.create_task(self._supervise(bus, driver, intake), name=f"bus {bus}")
        finally:
            for driver in self._drivers.values():
                await driver.close()

    async def _supervise(self, bus: str, driver: Driver, intake: Delivery) -> None:
        backoff = Backoff()
        while True:
            began_s = self._clock.monotonic_s()
            try:
                await driver.run(intake)
            except asyncio.CancelledError:
                raise
            except Exception:
                # A defect in one driver: the others go on, this one is started again.
                log.exception("bus %s: the driver failed and is started again", bus)
            if self._clock.monotonic_s() - began_s > STEADY_S:
                backoff.succeeded()
            await asyncio.sleep(backoff.failed(0.5))
