"""The daemon as a whole, as a process, with a meter on the wire: killed, ended, started again, nothing lost.

The meter keeps the list of all that it answered. What a reader once saw in the store was committed: it must
be there for ever. Intervals are told a second time by the oracle from the readings that are there.
"""

import asyncio
import random
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from monitor.sinks.contract import STREAMS
from monitor.sinks.lanes import pending
from monitor.store.care.verify import verify_store
from monitor.store.database import StoreError
from monitor.store.reader import StoreReader
from simulators.proxy import Mood
from tests.crash.far_sides import FarSide, Held
from tests.crash.oracle import Book
from tests.crash.telling import DifferenceError, wrong_energy
from tests.servers import Program, free_port, run_program
from tests.servers.modbus import answer_of, scripted

INTERVAL_S = 5
SINKS = ("influx", "victoria")
PATIENCE_S = 120.0
PROFILE = """
profile: honest_meter
version: 1
maker: any
model: any
family: electricity
source: [tests]
transport: modbus
points:
  energy_import: {address: 0, type: f64, unit: kWh}
  active_power_total: {address: 4, type: f32, unit: kW}
"""
SITE = """
site: {{id: {site}, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
interval_s: {interval}
buses:
  - id: room
    kind: modbus_tcp
    host: 127.0.0.1
    every_s: 0.1
    devices: [{{id: main, profile: honest_meter.yaml, port: {port}}}]
meters:
  - id: main
    name: {{zh-TW: 總表, en: Main}}
    commodity: electricity
    counter: main.energy_import
    rate: main.active_power_total
    max_rate: 9000
sinks:
{sinks}
"""


class HonestMeter:
    """Answers on a thread of its own, with a register that only rises, and remembers each answer."""

    def __init__(self) -> None:
        self.port = free_port()
        self.answers: list[float] = []
        self.is_silent = False
        self._began_s = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()

    async def _serve(self) -> None:
        async with scripted(self.port, self._answer):
            await self._stop.wait()

    def _answer(self, frame: bytes) -> bytes | None:
        if self.is_silent:
            return None
        start, count = struct.unpack(">HH", frame[8:12])
        # 1,800 kW, and a watt-hour for each answer: no two are the same.
        kwh = 5000.0 + (time.monotonic() - self._began_s) / 2 + len(self.answers) * 0.001
        registers = struct.pack(">df", kwh, 1800.0)
        if start == 0:
            self.answers.append(kwh)
        return answer_of(frame, registers[2 * start : 2 * (start + count)])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()


class WholeDaemon:
    """Carries out what happens to one daemon, drawn from a seed."""

    def __init__(self, seed: int, sides: dict[str, FarSide], site: str) -> None:
        self._dice, self._site, self._began_s = random.Random(seed), site, time.monotonic()
        self._sides = {name: side for name, side in sides.items() if name in SINKS}
        self._open = ExitStack()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="crash-")))
        self._meter = HonestMeter()
        self._open.callback(self._meter.close)
        self._file, self._store = folder / "site.yaml", folder / "energy.db"
        sinks = [side.admit(site, folder) for side in self._sides.values()]
        (folder / "honest_meter.yaml").write_text(PROFILE, encoding="utf-8")
        lines = "\n".join(f"  - {{{', '.join(f'{k}: {v!r}' for k, v in sink.items())}}}" for sink in sinks)
        text = SITE.format(site=site, interval=INTERVAL_S, port=self._meter.port, sinks=lines)
        self._file.write_text(text, encoding="utf-8")
        self._seen: list[tuple[int, float, float]] = []
        self._killed: set[str] = set()
        self.log: list[str] = []

    def tell(self, stories: int) -> None:
        """Start, let things happen, mend, end and compare.

        Raises
        ------
        AssertionError : something is not as it must be, or never came.
        """
        with self._open:
            try:
                for number in range(stories):
                    with self._daemon() as daemon:
                        self._live(daemon, number)
                self._log("mending")
                with self._daemon() as daemon:
                    self._mend(daemon)
                self._log("comparing")
                self._compare()
            finally:
                self._everything_runs()

    @contextmanager
    def _daemon(self) -> Iterator[Program]:
        command = [sys.executable, "-m", "monitor.cli.main", "run", "--site", self._file]
        with run_program(command, name="daemon") as program:
            yield program

    def _log(self, words: str) -> None:
        self.log.append(f"{time.monotonic() - self._began_s:6.1f} s  {words}")

    # -- what happens -------------------------------------------------------------------------------

    def _live(self, daemon: Program, number: int) -> None:
        """One life: it reads, something fails beside it, and it is killed or ended."""
        trouble = self._dice.choice(("kill server", "network", "silent meter", "none"))
        name = self._dice.choice(SINKS)
        end = (
            "kill -9"
            if number == 0
            else self._dice.choice(("kill -9", "kill -9", "SIGTERM", "kill at start"))
        )
        self._log(f"{number}: {trouble} ({name}), {end}")
        if end == "kill at start":
            with suppress(AssertionError):
                daemon.wait_for_line("reading 1 devices", self._dice.uniform(0.2, 1.5))
            daemon.kill()
            return self._look_again()
        self._wait_for_readings(daemon, 5)
        self._log("it reads")
        self._begin_trouble(trouble, name)
        if trouble != "silent meter":
            self._wait_for_readings(daemon, self._dice.randint(5, 40))
        time.sleep(self._dice.uniform(0, 0.3))
        if end == "SIGTERM":
            # What was answered a while ago has been taken in, and is committed before it ends.
            answered = len(self._meter.answers)
            self._wait_until(daemon, "another answer", lambda: len(self._meter.answers) > answered + 3
                             or self._meter.is_silent)  # fmt: skip
            assert daemon.terminate(60) == 0
            self._look_again()
            assert self._meter.answers.index(self._seen[-1][1]) >= answered - 1
        else:
            self._look_again()
            daemon.kill()
            self._look_again()
        return self._everything_runs()

    def _begin_trouble(self, trouble: str, name: str) -> None:
        side = self._sides[name]
        if trouble == "kill server":
            side.kill()
            self._killed.add(name)
        elif trouble == "network":
            side.turn(Mood(self._dice.choice(("refuse", "stall", "cut"))))
        elif trouble == "silent meter":
            self._meter.is_silent = True

    def _everything_runs(self) -> None:
        self._meter.is_silent = False
        for side in self._sides.values():
            side.start()
            side.turn(Mood.THROUGH)

    # -- what is there ------------------------------------------------------------------------------

    def _reader(self) -> StoreReader | None:
        with suppress(StoreError):
            return StoreReader.open(self._store, self._site)
        return None

    def _scans(self) -> list[tuple[int, float, float]]:
        """Every reading in the store: instant, kWh, kW."""
        reader = self._reader()
        if reader is None:
            return []
        with closing(reader):
            found: list[tuple[int, float, float]] = []
            after = 0
            while rows := reader.follow(after):
                for after, _, scan in rows:  # noqa: B007  the last one is where it goes on
                    at = [scan.layout.index(name) for name in ("energy_import", "active_power_total")]
                    found.append((scan.at_ms, *(float(scan.values[place]) for place in at)))
            return found

    def _look_again(self) -> None:
        """What was seen once is there for ever; what is there was answered, in that order, once."""
        found = self._scans()
        if found[: len(self._seen)] != self._seen:
            raise DifferenceError(
                f"{len(self._seen)} readings were committed; not all of {len(found)} are those"
            )
        answers = iter(list(self._meter.answers))
        for at_ms, kwh, _ in found:
            if kwh not in answers:  # goes on where it was: the order counts
                raise DifferenceError(f"reading {at_ms}: {kwh} kWh was never answered, or is there twice")
        self._seen = found

    def _wait_until(self, daemon: Program, what: str, reached: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not reached():
            assert daemon.exit_code is None, f"the daemon ended\n{daemon.tail()}"
            assert time.monotonic() < deadline_s, f"{what}: not within {PATIENCE_S:g} s\n{daemon.tail()}"
            time.sleep(0.05)

    def _wait_for_readings(self, daemon: Program, more: int) -> None:
        wanted = self._last_scan() + more
        self._wait_until(daemon, f"{more} readings", lambda: self._last_scan() >= wanted)

    def _last_scan(self) -> int:
        reader = self._reader()
        if reader is None:
            return 0
        with closing(reader):
            return reader.last_scan_id()

    # -- the end ------------------------------------------------------------------------------------

    def _mend(self, daemon: Program) -> None:
        self._everything_runs()
        self._wait_for_readings(daemon, 10)
        self._wait_until(daemon, "two more intervals", self._two_more())
        assert daemon.terminate(60) == 0
        self._look_again()
        # Nothing is read any more: what is left to deliver is delivered by a daemon with a silent meter.
        self._meter.is_silent = True
        with self._daemon() as again:
            self._log("delivering the rest")
            self._wait_until(again, "everything delivered", self._all_delivered)
            if "victoria" in self._killed:
                self._backfill()
                self._wait_until(again, "everything delivered again", self._all_backfilled)
            assert again.terminate(60) == 0

    def _two_more(self) -> Callable[[], bool]:
        before = len(self._intervals())
        return lambda: len(self._intervals()) >= before + 2

    def _intervals(self) -> list[Any]:
        reader = self._reader()
        if reader is None:
            return []
        with closing(reader):
            return sorted(reader.changed_intervals(0, 10**6), key=lambda one: one.start_s)

    def _all_delivered(self) -> bool:
        reader = self._reader()
        if reader is None:
            return False
        with closing(reader):
            return not any(sum(pending(reader, name, STREAMS).values()) for name in SINKS)

    def _backfill(self) -> None:
        """VictoriaMetrics had promised what was in its memory alone: a person has it sent once more."""
        span = ("--from", "2020-01-01", "--to", "2079-01-01", "--sink", "victoria")
        command = [
            sys.executable,
            "-m",
            "monitor.cli.main",
            "influx",
            "backfill",
            *span,
            "--site",
            self._file,
        ]
        with run_program(command, name="backfill") as program:
            assert program.wait(PATIENCE_S) == 0, program.output

    def _all_backfilled(self) -> bool:
        reader = self._reader()
        if reader is None:
            return False
        with closing(reader):
            return self._all_delivered() and all(one.is_done for one in reader.deliveries.backfills())

    def _compare(self) -> None:
        findings = verify_store(self._store)
        if findings:
            raise DifferenceError(f"store verify: {findings[0]}")
        book = Book(interval_ms=INTERVAL_S * 1000)
        for at_ms, kwh, _ in self._scans():
            book.take(at_ms, kwh)
        intervals = self._intervals()
        if wrong := wrong_energy(book, intervals):
            raise DifferenceError(wrong)
        held = Held(self._scans(), intervals, [])
        for name, side in self._sides.items():
            deadline_s = time.monotonic() + PATIENCE_S
            while difference := side.differs(self._site, held):
                if time.monotonic() > deadline_s:
                    raise DifferenceError(f"{name}: {difference}")
                time.sleep(0.3)
