"""The daemon's core in a process of its own: store, writer, pipeline, clock and sinks, told what it reads.

Everything is the product's own but the wire of the meter and the machine's clock, which its parent plays.
It says of each reading when it is safe, and may be killed at any instant.
"""

import asyncio
import ctypes
import signal
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine

from config.sinks import InfluxSink, MqttSink, PostgresSink
from config.site import Commodity, Site
from drivers.settings import Secret
from monitor.clock import SteadyClock, SystemClock
from monitor.pipeline import Meter, Pipeline
from monitor.sinks.contract import FarEnd
from monitor.sinks.delivery import Delivery
from monitor.sinks.influx import InfluxFarEnd
from monitor.sinks.mqtt import MqttFarEnd
from monitor.sinks.pace import Pace
from monitor.sinks.postgres import PostgresFarEnd
from monitor.sinks.secrets import Token
from monitor.store import writer as store_writer
from monitor.store.care.quarantine import quarantine_if_damaged
from monitor.store.database import WriterLock, open_writer
from monitor.store.deliveries import BackfillRequest, ask_backfill
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, register_layouts
from monitor.timekeeping import HeldScans, Timekeeper, newest_reading_ms
from rules.counters import CounterLimits
from rules.metering import MeterRules
from rules.scan import Scan
from tests.one_meter import LAYOUT

MAX_RATE_KW = 9000.0
UNBOUNDED_KW = 1e6
"""Of a register that does not roll over. Where readings died while the clock was set back, what comes next
looks faster than a meter counts, and is refused (docs/meters.md): an oracle of energy has no say in that."""
INTERVAL_S = 900
QUICK = Pace(gather_s=0.002, poll_s=0.01, hold_s=0.02, first_s=0.01, cap_s=0.05, rest_s=0.01)
FEW_LINES, FEW_ROWS = 40, 120
"""Small batches, and a backlog that begins early: there is much to fail."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meter shows at an instant of the machine's clock and of the steady one."""

    number: int
    wall_ms: int
    steady_ms: int
    kwh: float
    kw: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a core is started with.

    Attributes
    ----------
    sinks : settings of each sink, as in a site file; files are beside the store.
    rolls_over_at : of the register, kWh.
    fault : which call to the system fails, and the how manieth: see ``disk.c``.
    """

    store: str
    site: str
    sinks: tuple[dict[str, Any], ...]
    wall_ms: int
    steady_ms: int
    rolls_over_at: float | None = None
    fault: tuple[str, int] | None = None


class Machine:
    """The machine's clock as the parent sets it."""

    def __init__(self, wall_ms: int, steady_ms: int) -> None:
        self.wall_ms, self.steady_ms = wall_ms, steady_ms

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.steady_ms / 1000


def site_file(site: str) -> Site:
    """The site as its file would say it."""
    main = {"id": "main", "name": {"zh-TW": "總電表", "en": "Main"}, "commodity": "electricity",
            "counter": "main.energy_import", "max_rate": MAX_RATE_KW}  # fmt: skip
    return Site.model_validate(
        {"site": {"id": site, "name": {"zh-TW": "大樓", "en": "Hall"}}, "meters": [main]}
    )


def far_end(given: dict[str, Any], site: str, folder: Path, reader: StoreReader) -> FarEnd:
    """The product's far end of a sink's settings."""
    made: FarEnd
    if given["kind"] == "influxdb":
        meters = {"main": Commodity.ELECTRICITY}
        influx = InfluxSink.model_validate(given)
        made = InfluxFarEnd(influx, site, Token(None, folder), SystemClock(), meters, folder)
    elif given["kind"] == "postgres":
        password = Token(Secret(file="password"), folder)
        made = PostgresFarEnd(PostgresSink.model_validate(given), site, password, folder)
    else:
        broker = MqttSink.model_validate(given)
        made = MqttFarEnd(broker, site_file(site), Token(None, folder), folder, reader)
    made.max_lines = FEW_LINES
    return made


class Core:
    """Obeys its parent until it is told to end, or killed."""

    def __init__(self, pipe: Connection, wanted: Wanted) -> None:
        path = Path(wanted.store)
        self._pipe, self._say_lock = pipe, threading.Lock()
        self._site, self._fault = wanted.site, wanted.fault
        self._right = WriterLock(path)
        self._right.acquire()
        if quarantined := quarantine_if_damaged(path, wanted.wall_ms):
            raise AssertionError(f"a store that nobody damaged was set aside: {quarantined.reason}")
        self._engine = open_writer(path)
        self._reader = StoreReader.open(path, wanted.site)
        self._writer = Writer(self._engine, wanted.site)
        self._machine = Machine(wanted.wall_ms, wanted.steady_ms)
        self._clock = SteadyClock(self._machine, newest_reading_ms(self._reader))
        held = HeldScans(self._clock)
        ids = register_layouts(self._engine, wanted.site, [LAYOUT])
        limits = CounterLimits(MAX_RATE_KW if wanted.rolls_over_at else UNBOUNDED_KW, wanted.rolls_over_at)
        meter = Meter("main", LAYOUT.key, 0, 1, MeterRules(limits, INTERVAL_S, 90_000))
        self._pipeline = Pipeline(
            {LAYOUT.key: (ids[LAYOUT.key], LAYOUT)},
            [meter],
            self._writer.submit,
            clock_ms=self._clock.now_ms,
            interval_s=INTERVAL_S,
            stamps=held,
        )
        self._keeper = Timekeeper(self._clock, self._pipeline, held, self._reader, self._writer)
        self._sinks = [self._delivery(given, path.parent) for given in wanted.sinks]
        self._asked: deque[Any] = deque()

    def _delivery(self, given: dict[str, Any], folder: Path) -> Delivery:
        def make() -> FarEnd:
            return far_end(given, self._site, folder, self._reader)

        return Delivery(make, self._reader, self._writer, SystemClock(), pace=QUICK, split_rows=FEW_ROWS)

    def say(self, *words: Any) -> None:
        """Tell the parent; from any thread."""
        with self._say_lock:
            self._pipe.send(words)

    async def run(self) -> None:
        """Work until told to end."""
        self._writer.start()
        self._pipeline.restore(self._reader)
        delivering = [asyncio.create_task(sink.run()) for sink in self._sinks]
        told, loop = asyncio.Event(), asyncio.get_running_loop()
        # A thread, not the loop's reader: that makes the pipe one whose writes fail when it is full.
        threading.Thread(target=self._hear, args=(loop, told), daemon=True).start()
        loop.add_signal_handler(signal.SIGUSR1, tell_tasks)
        self.say("ready")
        while True:
            await told.wait()
            told.clear()
            while self._asked:
                command, *data = self._asked.popleft()
                if command == "end":
                    return await self._close(delivering)
                await self._obey(command, *data)
            for task in delivering:
                if task.done():
                    task.result()

    def _hear(self, loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
        asked: tuple[Any, ...] = ("",)
        while asked[0] != "end":
            try:
                asked = self._pipe.recv()
            except EOFError:  # the parent is gone
                asked = ("end",)
            self._asked.append(asked)
            loop.call_soon_threadsafe(told.set)

    async def _obey(self, command: str, *data: Any) -> None:
        if command == "read":
            self._read(*data)
        elif command == "pages":
            self._writer.call(lambda engine: limit_pages(engine, data[0]))
        elif command == "backfill":
            self._writer.call(lambda engine: self._backfill(engine, data[0]))
        elif command == "settled":
            await self._tell_what_waits()

    def _read(self, reading: Reading) -> None:
        self._machine.wall_ms, self._machine.steady_ms = reading.wall_ms, reading.steady_ms
        self._keeper.look()
        values = np.array([reading.kwh, reading.kw])
        scan = Scan(LAYOUT, self._clock.now_ms(), values, np.zeros(2, dtype=np.uint8))
        number = reading.number
        self._pipeline.accept(scan, lambda: self.say("safe", number))

    def _backfill(self, engine: Engine, sink: str) -> None:
        streams = ("intervals", "results", "scans")
        ask_backfill(engine, self._site, BackfillRequest(sink, streams, 0, 2**62, "who", 1))
        self.say("backfill")

    async def _tell_what_waits(self) -> None:
        waiting = {"writer": self._writer.waiting()}
        for sink in self._sinks:
            health = await sink.health()
            waiting[sink.id] = sum(health.pending.values()) + health.dead_letters
        open_ones = [one for one in self._reader.deliveries.backfills() if not one.is_done]
        self.say("settled", {**waiting, "backfills": len(open_ones)})

    async def _close(self, delivering: Sequence["asyncio.Task[None]"]) -> None:
        for task in delivering:
            task.cancel()
        await asyncio.gather(*delivering, return_exceptions=True)
        self._writer.submit(Commit(snapshot=self._pipeline.snapshot()))
        whole = self._writer.close()
        self._reader.close()
        self._engine.dispose()
        self._right.release()
        self.say("ended", whole, self._fault is not None and has_fired())


def tell_tasks() -> None:
    """Say on standard error where every task stands."""
    for task in asyncio.all_tasks():
        task.print_stack()


def limit_pages(engine: Engine, spare: int | None) -> None:
    """Fill the disk but for so many pages; None empties it."""
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        most = 1_000_000 if spare is None else pages + spare
        connection.exec_driver_sql(f"PRAGMA max_page_count={most}")


def arm(fault: tuple[str, int]) -> None:
    """Tell the library between us and the system which call fails."""
    what, number = fault
    ctypes.CDLL(None).arm_fault(what.encode(), number)


def has_fired() -> bool:
    """Whether that call came."""
    return bool(ctypes.CDLL(None).fault_fired())


def main(pipe: Connection, wanted: Wanted) -> None:
    """Be that process."""
    store_writer.RETRY_FIRST_S, store_writer.RETRY_CAP_S = 0.01, 0.05
    if wanted.fault is not None:
        arm(wanted.fault)

    async def live() -> None:
        await Core(pipe, wanted).run()

    import uvloop

    uvloop.run(live())
