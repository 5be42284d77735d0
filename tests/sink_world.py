"""What tests of sinks share: a real store with its writer, and a far end that judges each line."""

import asyncio
import gzip
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np

from config.sinks import InfluxSink
from config.site import Commodity
from drivers.settings import Secret
from monitor.clock import SystemClock
from monitor.sinks.contract import STREAMS, Sink, SinkHealth
from monitor.sinks.delivery import Delivery, MakeFarEnd
from monitor.sinks.influx import InfluxFarEnd
from monitor.sinks.pace import Pace
from monitor.sinks.secrets import Token
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit, IntervalRow, ResultRow, pack_scan
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.intervals import Interval
from rules.quantities import QUANTITIES
from rules.scan import Layout, PointSpec, Scan
from tests.servers.listening import Listening

SITE = "city-hall"
TOKEN = "s3cret-of-the-test"
START_S = 1_750_000_000
METERS = {"main": Commodity.ELECTRICITY, "inlet": Commodity.WATER}
QUICK = Pace(gather_s=0.002, poll_s=0.01, hold_s=0.02, first_s=0.005, cap_s=0.02, rest_s=0.01)


def layout(device: str, family: str, *points: str) -> Layout:
    return Layout(
        device, "main", family, tuple(PointSpec(p, QUANTITIES[p].unit, QUANTITIES[p].kind) for p in points)
    )


MAIN = layout("main", "electricity", "active_power_total", "energy_import")
WIDE = layout("wide", "electricity", *list(QUANTITIES)[:30])


def interval(start_s: int, quantity: float = 25.0, **other: Any) -> Interval:
    figures: dict[str, Any] = {
        "start_s": start_s,
        "duration_s": 900,
        "quantity": quantity,
        "coverage": 1.0,
        "quality": 0,
        "rate_avg": quantity * 4,
        "rate_max": quantity * 5,
        "rate_min": quantity * 3,
        "caught_up": False,
        "register_start": 0.0,
        "register_end": quantity,
        "epoch": 0,
    }
    return Interval(**{**figures, **other})


class World:
    """One site's store, open for writing and reading."""

    def __init__(self, folder: Path, layouts: Sequence[Layout] = (MAIN, WIDE)) -> None:
        self.path = folder / "energy.db"
        self.engine = open_writer(self.path)
        self._ids = register_layouts(self.engine, SITE, layouts)
        self.writer = Writer(self.engine, SITE)
        self.writer.start()
        self.reader = StoreReader.open(self.path, SITE)
        self._scan_id = 0

    def close(self) -> None:
        assert self.writer.close()
        self.reader.close()
        self.engine.dispose()

    def commit(self, commit: Commit) -> None:
        assert submit_and_wait(self.writer, commit)

    def scans(self, rows: Sequence[Sequence[float]], of: Layout = MAIN) -> list[int]:
        """Commit scans; returns their instants, milliseconds."""
        packed, instants = [], []
        for row in rows:
            self._scan_id += 1
            at_ms = START_S * 1000 + self._scan_id * 250
            scan = Scan(of, at_ms, np.array(row, dtype=np.float64), np.zeros(len(row), dtype=np.uint8))
            packed.append((self._scan_id, self._ids[of.key], at_ms, *pack_scan(scan)))
            instants.append(at_ms)
        self.commit(Commit(scans=packed))
        return instants

    def intervals(self, *intervals: Interval, meter: str = "main") -> None:
        self.commit(Commit(intervals=[IntervalRow(meter, one) for one in intervals]))

    def result(self, data: dict[str, Any], subject: str = "site", at_s: int = START_S) -> None:
        self.commit(Commit(results=[ResultRow("demand", subject, at_s, data)]))

    def delivery(self, make: MakeFarEnd, **changes: Any) -> Delivery:
        """A sink that delivers this store to a far end."""
        writer = changes.pop("writer", self.writer)
        return Delivery(make, self.reader, writer, SystemClock(), **{"pace": QUICK, **changes})

    def influx(self, url: str, **changes: Any) -> Delivery:
        """A sink that delivers this store to an address."""
        names = ("pace", "writer", "committed", "split_rows")
        options = {name: changes.pop(name) for name in names if name in changes}
        token = changes.pop("token", TOKEN)
        max_lines = changes.pop("max_lines", InfluxFarEnd.max_lines)
        given = {
            "kind": "influxdb",
            "id": "city",
            "url": url,
            "org": "city",
            "bucket": "energy",
            "timeout_s": 5,
        }
        settings = InfluxSink.model_validate({**given, **changes})
        folder = self.path.parent
        secret = None
        if token is not None:
            (folder / "token").write_text(token)
            secret = Secret(file="token")
        kept = Token(secret, folder)

        def make() -> InfluxFarEnd:
            far_end = InfluxFarEnd(settings, SITE, kept, SystemClock(), METERS, folder)
            far_end.max_lines = max_lines
            return far_end

        return self.delivery(make, **options)

    def forget_cursors(self) -> None:
        """Lose where every sink was."""
        for stream in STREAMS:
            self.commit(Commit(cursors={("city", stream): 0}))

    def dead_letters(self) -> list[tuple[str, str]]:
        """Lines that were refused for good, with the reason, in order."""
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT line, reason FROM dead_letters ORDER BY id")
            return [(bytes(line).decode(), reason) for line, reason in rows]


@contextmanager
def open_world(folder: Path, layouts: Sequence[Layout] = (MAIN, WIDE)) -> Iterator[World]:
    made = World(folder, layouts)
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def running(sink: Sink) -> AsyncIterator[Sink]:
    """The sink at work; it is cancelled at the end, and a failure of its own is raised."""
    task = asyncio.create_task(sink.run())
    try:
        yield sink
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(what: str, reached: Callable[[], Awaitable[bool]], timeout_s: float = 90.0) -> None:
    """Wait until it is so; fails with what was waited for."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await reached():  # noqa: ASYNC110  a store in another thread has no event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {timeout_s:g} s") from None


async def settled(sink: Sink) -> SinkHealth:
    """The sink's health once nothing is pending any more."""
    health = await sink.health()

    async def nothing_pending() -> bool:
        nonlocal health
        health = await sink.health()
        return not any(health.pending.values())

    await until("everything delivered", nothing_pending)
    # The cursor is on disk an instant before the sink hears of it and counts what it delivered: whoever has
    # something written after that hears after it.
    assert isinstance(sink, Delivery)
    await sink._commit(Commit())
    return await sink.health()


async def troubled(sink: Sink, code: str) -> SinkHealth:
    """The sink's health once it has this trouble."""
    health = await sink.health()

    async def has_it() -> bool:
        nonlocal health
        health = await sink.health()
        return health.trouble is not None and health.trouble.code == code

    await until(f"trouble {code}", has_it)
    return health


class PickyServer(Listening):
    """Takes InfluxDB's v2 write and judges each line, as a database does.

    Attributes
    ----------
    status : the answer to everything, when it is not 204.
    refuses : whether a line is at fault; such a batch gets ``refusal`` and nothing of it is kept.
    max_bytes : larger bodies (unpacked) get 413.
    batches : lines of each request, taken or not.
    taken : how often each line was taken.
    on_request : called with the lines before they are judged.
    """

    def __init__(self) -> None:
        self.status = 204
        self.refusal = 400
        self.refuses: Callable[[str], bool] = lambda line: False
        self.max_bytes = 1 << 24
        self.batches: list[list[str]] = []
        self.taken: Counter[str] = Counter()
        self.on_request: Callable[[list[str]], None] = lambda lines: None
        self._lock = threading.Lock()
        super().__init__(type("Handler", (_PickyHandler,), {"far_end": self}))

    def judge(self, body: bytes) -> tuple[int, str]:
        lines = body.decode().split("\n")
        self.on_request(lines)
        with self._lock:
            self.batches.append(lines)
            if self.status >= 300:
                return self.status, "as the test says"
            if len(body) > self.max_bytes:
                return 413, f"more than {self.max_bytes} bytes"
            bad = [line for line in lines if self.refuses(line)]
            if bad:
                return self.refusal, f"unable to parse '{bad[0]}'"
            self.taken.update(lines)
            return self.status, ""

    def lines(self) -> list[str]:
        """The rows that were taken, each once; control lines left out."""
        return [line for line in self.taken if not line.startswith("daemon,")]


class _PickyHandler(BaseHTTPRequestHandler):
    far_end: PickyServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, words = self.far_end.judge(
            gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
        )
        answer = f"HTTP/1.1 {status} Judged\r\n"
        if status != 204:
            said = json.dumps({"code": "invalid", "message": words})
            answer += f"Content-Length: {len(said)}\r\n\r\n{said}"
        # In one piece: a body that follows its head would wait for the other side's delayed acknowledgement.
        self.wfile.write(f"{answer}\r\n".encode() if status == 204 else answer.encode())

    def log_message(self, *args: object) -> None:
        """Nothing to say."""


@contextmanager
def picky_server() -> Iterator[PickyServer]:
    server = PickyServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
