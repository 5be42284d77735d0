"""The daemon: the one place where everything is wired, started and ended."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from config.loading import LoadedSite
from config.meter_checks import formulas_of
from config.problems import ConfigurationError
from config.words import Spoken
from monitor.adjusted.day_watch import DayWatch
from monitor.clock import Clock, SteadyClock
from monitor.collector import Collector
from monitor.counting import CountKeeper
from monitor.demand.limits import Limits
from monitor.demand.watch import DemandWatch
from monitor.dispatch.desk import EventDesk, plans_of
from monitor.dispatch.dispatcher import Dispatcher
from monitor.dispatch.limiter import Sight
from monitor.dispatch.limiter_desk import LimiterDesk, orders_of
from monitor.health import Health
from monitor.pipeline import Pipeline
from monitor.reloading import Asked, refuse, site_wanted, take
from monitor.reports.results import SiteResults
from monitor.requesting import RequestTaker
from monitor.rework import Reworker
from monitor.sinks.contract import Sink, SinkState
from monitor.sinks.delivery import Delivery
from monitor.sinks.making import maker_of
from monitor.store.care.ballast import with_room
from monitor.store.care.lost import open_known
from monitor.store.care.quarantine import (
    DAMAGE_SHOWS_IN,
    damage_in,
    mark_damaged,
    quarantine_if_damaged,
)
from monitor.store.database import StoreError, WriterLock, in_words
from monitor.store.deliveries import DAEMON, add_audit
from monitor.store.doing import Doing
from monitor.store.openadr import CONDITION as OPENADR
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.requests import RequestBox
from monitor.store.rows import Commit, ConditionRow
from monitor.store.writer import Writer, register_layouts
from monitor.storekeeping import StoreKeeper
from monitor.timekeeping import HeldScans, Timekeeper, newest_reading_ms
from monitor.turns import spare_the_collector, take_short_turns
from monitor.virtual import VirtualMeters
from monitor.wiring import build_drivers, build_meters

if TYPE_CHECKING:
    from monitor.openadr.ven import Ven

log = logging.getLogger(__name__)

UNREADABLE_REST_S = 10.0
"""After a trouble of the disk, before the store is asked again."""


NEW_STORES_AT_MOST = 3
"""A disk that damages one store after the other is nothing to go on with."""


class Daemon:
    """Reads the meters of one site, keeps every reading and delivers what was committed.

    Raises
    ------
    StoreError, ConfigurationError : from the constructor, when it cannot be started as configured.
    """

    def __init__(self, loaded: LoadedSite, clock: Clock) -> None:
        self.loaded = loaded
        self._site = loaded.site.site.id
        with contextlib.ExitStack() as opened:
            self._open(clock, opened)
            self._wire(clock)
            self._opened = opened.pop_all()

    def _open(self, clock: Clock, opened: contextlib.ExitStack) -> None:
        """The store, for the one that writes and for those that read. Opened last, closed first."""
        path = self.loaded.store_path
        self._lock = WriterLock(path)
        with_room(path, self._lock.acquire)
        opened.callback(self._lock.release)
        if damaged := quarantine_if_damaged(path, clock.now_ms()):
            log.error(Spoken("care.log_quarantined", kept=damaged.kept, reason=damaged.reason))
        self._engine = open_known(path)
        opened.callback(self._engine.dispose)
        self._reader = StoreReader.open(path, self._site)
        opened.callback(self._reader.close)
        self._requests = RequestBox(path)
        opened.callback(self._requests.close)

    def _wire(self, clock: Clock) -> None:
        loaded = self.loaded
        self._writer = Writer(self._engine, self._site)
        self._clock = SteadyClock(clock, newest_reading_ms(self._reader))
        self._held = HeldScans(self._clock)
        self._drivers = build_drivers(loaded, self._clock)
        self._pipeline = self._build_pipeline()
        self._scheduler = AsyncIOScheduler(timezone=loaded.site.site.timezone)
        self._demand = DemandWatch(loaded, self._pipeline, self._reader, self._writer, self._clock)
        self._desk, self._dispatcher = self._build_dispatch()
        self._ven = self._build_ven()
        self._virtual = VirtualMeters(
            formulas_of(loaded.site), self._reader, self._writer, loaded.site.interval_s
        )
        self._keeper = StoreKeeper(loaded.site, loaded.store_path, self._reader, self._writer, self._clock)
        self._health = Health(self._drivers, self._writer, self._clock)
        self._days = DayWatch(loaded, self._reader, self._writer, self._clock)
        self._taker = RequestTaker(self._site, self._requests, self._reader, self._writer, self._clock)
        self._committed = asyncio.Event()
        self._sinks = self._build_sinks()
        self._sinks_told: dict[str, tuple[SinkState, int, str | None]] = {}

    def _build_pipeline(self) -> Pipeline:
        layouts = [layout for driver in self._drivers.values() for layout in driver.layouts]
        ids = register_layouts(self._engine, self._site, layouts)
        return Pipeline(
            {layout.key: (ids[layout.key], layout) for layout in layouts},
            build_meters(self.loaded, layouts),
            self._writer.submit,
            clock_ms=self._clock.now_ms,
            interval_s=self.loaded.site.interval_s,
            stamps=self._held,
        )

    def _build_dispatch(self) -> tuple[EventDesk, Dispatcher]:
        plans = plans_of(self.loaded)
        dispatcher = Dispatcher(
            self._drivers.values(),
            self._writer.call,
            self._site,
            self._clock,
            plans.values(),
            self._look_at,
        )
        desk = EventDesk(self.loaded, self._clock, dispatcher.changed)
        self._requests.give_to("curtailment", desk.carry_out)
        self._requests.give_to("curtailment.list", desk.carry_out_list)
        self._limit_demand(dispatcher)
        return desk, dispatcher

    def _build_ven(self) -> "Ven | None":
        if self.loaded.site.curtailment.openadr is None:
            return None
        from monitor.openadr.making import make_ven

        def tell(state: str, error: dict[str, Any] | None) -> None:
            row = ConditionRow(OPENADR, state, self._clock.now_ms(), error)
            self._writer.submit(Commit(conditions=[row]))

        done, changed = Doing(self._writer.call), self._dispatcher.changed
        return make_ven(self.loaded, self._clock, done, self._desk.carry_out, changed, self._reader, tell)

    def _limit_demand(self, dispatcher: Dispatcher) -> None:
        desk = LimiterDesk(self.loaded, self._clock, dispatcher.changed)
        self._requests.give_to("limiter.simulated", desk.keep)
        self._requests.give_to("limiter.arm", desk.carry_out)
        orders, store = orders_of(self.loaded), self._reader.events
        if orders is not None:
            sight = Sight(
                self._demand.window,
                Limits(self.loaded).kw,
                store.limiter_past,
                store.limiter_arming,
                ZoneInfo(self.loaded.site.site.timezone),
            )
            dispatcher.limit(orders, sight)

    def _look_at(self, name: str, at_ms: int) -> None:
        """Have events looked at when one of them begins or ends; the store tells what is due then."""
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        # However late it fires: what is due is asked of the store.
        self._scheduler.add_job(
            self._dispatcher.look,
            "date",
            run_date=at,
            id=name,
            misfire_grace_time=None,
            replace_existing=True,
        )

    def _build_sinks(self) -> Sequence[Sink]:
        return [
            Delivery(
                maker_of(settings, self.loaded, self._clock, self._reader),
                self._reader,
                self._writer,
                self._clock,
                committed=self._committed,
            )
            for settings in self.loaded.site.sinks
        ]

    async def run(
        self, on_ready: Callable[[LoadedSite], None] = lambda loaded: None, asked: Asked | None = None
    ) -> LoadedSite | None:
        """Run until it is asked to end or cancelled; then commit what is waiting and end.

        Returns
        -------
        The site that it ended for, where a site file is to take the place of this one; else None.

        Raises
        ------
        StoreError : at the end, when the store did not take all that was read, or proved damaged.
        """
        if asked is None:
            asked = Asked()
            asked.listen()
        self._writer.start()
        replayed = self._pipeline.restore(self._reader)
        log.info(Spoken("log.replayed", site=self._site, count=replayed))
        self._add_calendar_jobs()
        self._scheduler.start()
        timekeeper = Timekeeper(self._clock, self._pipeline, self._held, self._reader, self._writer)
        collector = Collector(
            self._drivers,
            self._pipeline,
            self._writer.submit,
            self._clock,
            self._dispatcher.saw,
            self._dispatcher.heard,
        )
        tasks = [asyncio.create_task(collector.run(), name="collector")]
        tasks += [asyncio.create_task(sink.run(), name=f"sink {i}") for i, sink in enumerate(self._sinks)]
        tasks.append(asyncio.create_task(timekeeper.run(), name="timekeeper"))
        tasks.append(asyncio.create_task(self._heartbeat(), name="heartbeat"))
        tasks.append(asyncio.create_task(self._keeper.run(), name="store"))
        tasks.append(asyncio.create_task(self._keeper.forget_in_time(), name="retention"))
        reworker = Reworker(self._pipeline, self._reader, self._clock)
        tasks.append(asyncio.create_task(reworker.run(), name="rework"))
        tasks.append(asyncio.create_task(self._keep_virtual_meters(), name="virtual meters"))
        keeper = CountKeeper(self._drivers, self._writer.call, self._site, self._clock)
        tasks.append(asyncio.create_task(keeper.run(), name="counts"))
        tasks.append(asyncio.create_task(self._dispatcher.run(), name="curtailment"))
        tasks.append(asyncio.create_task(self._demand.run(), name="demand"))
        if self._ven is not None:
            tasks.append(asyncio.create_task(self._ven.run(), name="openadr"))
        tasks.append(asyncio.create_task(self._health.run(), name="health"))
        stopping = asyncio.create_task(asked.stop.wait(), name="stop")
        changing = asyncio.create_task(site_wanted(asked, self.loaded.path, self.note), name="reload")
        on_ready(self.loaded)
        try:
            # A task that ends by itself is a defect: end as a whole, loudly, and be started again.
            await asyncio.wait([stopping, changing, *tasks], return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in tasks if task.done()]
        finally:
            self._scheduler.shutdown(wait=False)
            wanted = changing.result() if changing.done() and not asked.stop.is_set() else None
            # While buses and writer still run: what is shed is not left to whoever starts next.
            await self._dispatcher.hand_back(goes_on=wanted is not None)
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            changing.cancel()
            self._close()
        for task in ended:
            task.result()
            raise RuntimeError(f"{task.get_name()} ended by itself")
        return wanted

    def note(self, action: str, detail: dict[str, Any]) -> None:
        """Write down in the audit what was done; at once where nothing runs, else soon."""
        at_ms, site = self._clock.now_ms(), self._site
        self._writer.call(lambda engine: add_audit(engine, site, at_ms, DAEMON, action, detail))

    def _add_calendar_jobs(self) -> None:
        """What belongs to the calendar. Each job asks the store what is due; a missed one harms nothing."""
        results = SiteResults(self.loaded.site, self._reader, Limits(self.loaded))
        every_s = min(60, max(1, self.loaded.site.interval_s // 5))
        alone = {"max_instances": 1, "coalesce": True}
        self._scheduler.add_job(self._update_results, "interval", seconds=every_s, args=[results], **alone)
        self._scheduler.add_job(self._days.look, "interval", seconds=every_s, **alone)

    async def _update_results(self, results: SiteResults) -> None:
        if self._clock.is_holding:
            return  # there is no today
        # The end of the daemon is no failure of the job: what is due is found again at the next start.
        with contextlib.suppress(asyncio.CancelledError):
            rows = await asyncio.to_thread(results.due, self._clock.now_ms() // 1000)
            if rows:
                self._writer.submit(Commit(results=rows))

    async def _heartbeat(self) -> None:
        """Twice a second: sinks look for new rows, and the writer for what other processes want written."""
        while True:
            await asyncio.sleep(0.5)
            self._committed.set()
            await self._tell_sinks()
            self._taker.ask()

    async def _keep_virtual_meters(self) -> None:
        """Twice a second: sums over meters, wherever all of their parts have closed an interval."""
        while True:
            await asyncio.sleep(0.5)
            if self._clock.is_holding:
                continue
            try:
                await asyncio.to_thread(self._virtual.catch_up, self._clock.now_ms() // 1000)
            except UNREADABLE as error:
                log.warning(Spoken("log.virtual_waits", reason=error.__cause__ or error))
                await asyncio.sleep(UNREADABLE_REST_S)
            except Exception:
                log.exception("virtual meters: they wait; everything else goes on")
                await asyncio.sleep(UNREADABLE_REST_S)

    async def _tell_sinks(self) -> None:
        """Write down how the sinks are doing, where page and ``status`` find it; only what changed."""
        for sink in self._sinks:
            state, since_ms, trouble = sink.standing()
            standing = (state, since_ms, trouble.code if trouble else None)
            if self._sinks_told.get(sink.id) == standing:
                continue
            self._sinks_told[sink.id] = standing
            error = None
            if trouble is not None and state is not SinkState.OK:
                error = {"code": trouble.code, "data": {k: str(v) for k, v in trouble.data.items()}}
            row = ConditionRow(f"sink/{sink.id}", state.value, since_ms, error)
            self._writer.submit(Commit(conditions=[row]))

    def _close(self) -> None:
        # The last snapshot makes the next start quick; without it the scans would be taken again.
        self._writer.submit(Commit(snapshot=self._pipeline.snapshot()))
        whole = self._writer.close()
        self._opened.close()
        if not whole and self._writer.damage is None:
            facts = {"commits": self._writer.waiting(), "reason": self._writer.last_error or ""}
            raise StoreError("store.not_all_written", path=str(self.loaded.store_path), **facts)


def make_daemon(loaded: LoadedSite, before: LoadedSite | None, clock: Clock) -> Daemon:
    """A daemon of a site; of the one before, where this one turns out to be of no use at the last moment."""
    if before is None:
        return Daemon(loaded, clock)
    try:
        daemon = Daemon(loaded, clock)
    except (ConfigurationError, StoreError) as error:
        daemon = Daemon(before, clock)
        refuse(error, loaded.path, daemon.note)
    else:
        take(loaded, before, daemon.note)
    return daemon


def run_daemon(
    loaded: LoadedSite, clock: Clock, on_ready: Callable[[LoadedSite], None] = lambda loaded: None
) -> None:
    """Run the daemon on uvloop where there is one, until a signal ends it."""

    async def main() -> None:
        asked, site, before, left = Asked(), loaded, None, NEW_STORES_AT_MOST
        asked.listen()
        while True:
            daemon = None
            try:
                daemon = make_daemon(site, before, clock)
                spare_the_collector()
                take_short_turns()
                wanted = await daemon.run(on_ready, asked)
            except DAMAGE_SHOWS_IN as error:
                site, before = daemon.loaded if daemon else site, None
                _set_aside_next(error, site, last=daemon is None or not left)
                left -= 1
            else:
                if wanted is None:
                    return
                site, before = wanted, daemon.loaded

    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


def _set_aside_next(error: BaseException, loaded: LoadedSite, *, last: bool) -> None:
    """Have the next start set a store aside that proved damaged; an error that is none goes on its way."""
    reason = damage_in(error)
    if reason is None:
        raise in_words(loaded.store_path, error) from error
    mark_damaged(loaded.store_path, reason)
    data = {"path": str(loaded.store_path), "reason": reason}
    if last:  # it still has the lock; its next start sets the store aside
        raise StoreError("care.damaged_at_work", **data) from error
    log.warning(Spoken("log.trouble", error={"code": "care.damaged_at_work", "data": data}))
