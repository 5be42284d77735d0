"""The whole daemon over a wire while somebody sets its machine's clock: an hour back, and a boot in 1970.

The clock that the test sets runs 180 times as fast as the machine's, and the simulated world as well: an
interval of a quarter of an hour takes five seconds.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from config.loading import load_site
from monitor.app import Daemon
from monitor.store.database import StoreError
from monitor.store.reader import StoreReader
from rules.quality import Quality
from tests.servers import free_port, run_program

SPEED = 180.0
HOUR_S = 3600
START_S = 1_795_510_800 + 300  # 2026-11-24T09:05:00Z
MAX_KW = 9000.0

SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: en}}
store: {{path: energy.db}}
buses:
  - id: room
    kind: modbus_tcp
    host: 127.0.0.1
    every_s: 0.25
    devices:
      - {{id: main, profile: siemens_pac3200, port: {port}}}
meters:
  - id: main
    name: {{zh-TW: 總表, en: Main}}
    commodity: electricity
    counter: main.energy_import
    rate: main.active_power_total
    max_rate: 9000
"""


class Machine:
    """A machine whose clock the test sets."""

    def __init__(self, wall_s: float) -> None:
        self._began_s = time.monotonic()
        self._pass_s: float | None = None
        self.offset_s = wall_s

    def monotonic_s(self) -> float:
        """The same all through a pass of the loop: two looks at once must not be seconds apart here."""
        fresh_s = (time.monotonic() - self._began_s) * SPEED
        with suppress(RuntimeError):  # a thread has no loop
            loop = asyncio.get_running_loop()
            if self._pass_s is None:
                self._pass_s = fresh_s
                loop.call_soon(self._end_pass)
            return self._pass_s
        return fresh_s

    def _end_pass(self) -> None:
        self._pass_s = None

    def now_ms(self) -> int:
        return round((self.monotonic_s() + self.offset_s) * 1000)

    def set_to(self, wall_s: float) -> None:
        self.offset_s = wall_s - self.monotonic_s()


class House:
    """A site file, its simulated meter, and a daemon in this process."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.file = folder / "site.yaml"
        self.file.write_text(SITE.format(port=free_port()), encoding="utf-8")
        self.machine = machine

    def world(self):
        options = ["--site", self.file, "--speed", f"{SPEED:g}"]
        return run_program([sys.executable, "-m", "simulators", *options], name="simulators")

    @asynccontextmanager
    async def daemon(self):
        loaded = load_site(self.file)
        running = asyncio.create_task(Daemon(loaded, self.machine).run())
        reader = StoreReader.open(loaded.store_path, "hall")
        try:
            yield reader
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, StoreError):
                await running
            reader.close()


async def wait_for(what: str, condition: Callable[[], object], seconds: float = 120.0):
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        if found := condition():
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{what} did not come within {seconds:g} s")


def rows(reader: StoreReader) -> list[tuple[int, float, int, bool]]:
    series = reader.intervals("main", 0, 2**40)
    columns = (series.start.astype(int), series.quantity, series.quality, series.caught_up)
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    return [row for row in found if row[2] < Quality.MISSING]


def clock_of(reader: StoreReader) -> tuple[str, str]:
    row = next((row for row in reader.conditions() if row.device == "clock"), None)
    return (row.condition, (row.error or {}).get("code", "")) if row else ("", "")


def registers(reader: StoreReader) -> list[tuple[int, float]]:
    """(instant in ms, register) of every scan, in the order of commitment."""
    found = []
    for _, _, scan in reader.follow(0):
        value = float(scan.values[scan.layout.index("energy_import")])
        found.append((scan.at_ms, value))
    return found


@pytest.mark.scenario(3)
def test_an_hour_back_loses_nothing_and_books_nothing_negative(tmp_path):
    house = House(tmp_path, Machine(START_S))
    asyncio.run(an_hour_back(house))


async def an_hour_back(house: House) -> None:
    with house.world() as world:
        await asyncio.to_thread(world.wait_for_line, "ready")
        async with house.daemon() as reader:
            await wait_for("three intervals", lambda: len(rows(reader)) >= 3)
            assert clock_of(reader)[0] == "steady"
            house.machine.offset_s -= HOUR_S
            await wait_for("the step", lambda: reader.newest_result("clock", "clock"))
            step = reader.newest_result("clock", "clock")
            assert step.data["step_s"] == pytest.approx(-HOUR_S, abs=1)
            assert clock_of(reader)[0] == "steady"
            until_s = START_S + HOUR_S
            await wait_for("the hour again", lambda: any(row[0] >= until_s for row in rows(reader)))
            found, seen = rows(reader), registers(reader)
    starts = [row[0] for row in found]
    assert starts == sorted(set(starts))
    assert all(row[1] >= 0 for row in found)
    set_in = [row for row in found if row[0] <= step.at_s < row[0] + 900]
    assert [(row[2], row[3]) for row in set_in] == [(Quality.SUSPECT, True)]
    # All that the register counted is booked; less what the open interval holds.
    total = seen[-1][1] - seen[0][1]
    booked = sum(row[1] for row in found)
    assert total - MAX_KW / 2 <= booked <= total + 0.1
    peak_kw = max((row[1] * 4 for row in found if not row[3]), default=0.0)
    assert peak_kw < MAX_KW
    assert set_in[0][1] * 4 > peak_kw  # it holds more than a quarter of an hour, and is none


@pytest.mark.scenario(4)
def test_a_boot_in_1970_books_nothing_until_the_clock_is_set(tmp_path):
    house = House(tmp_path, Machine(30.0))
    asyncio.run(a_boot_in_1970(house))


async def a_boot_in_1970(house: House) -> None:
    with house.world() as world:
        await asyncio.to_thread(world.wait_for_line, "ready")
        async with house.daemon() as reader:
            await wait_for("that it is told", lambda: clock_of(reader) == ("holding", "clock.impossible"))
            online = {"main": "online"}
            await wait_for("polls", lambda: online.items() <= conditions(reader).items())
            await asyncio.sleep(1.0)
            assert registers(reader) == []
            began_s = START_S - house.machine.monotonic_s()
            house.machine.set_to(START_S)
            await wait_for("the readings", lambda: registers(reader))
            await wait_for("an interval", lambda: len(rows(reader)) >= 2)
            assert clock_of(reader)[0] == "steady"
            times = [at_ms / 1000 for at_ms, _ in registers(reader)]
            assert began_s <= times[0] < START_S  # kept back, and given its own time in hindsight
            assert times == sorted(times)
            assert all(row[1] >= 0 for row in rows(reader))


def conditions(reader: StoreReader) -> dict[str, str]:
    return {row.device: row.condition for row in reader.conditions()}


def test_a_start_with_a_store_of_tomorrow_waits_and_goes_on(tmp_path):
    house = House(tmp_path, Machine(START_S + 24 * HOUR_S))
    asyncio.run(until_closed(house))
    house.machine = Machine(START_S)
    asyncio.run(a_start_behind(house))


async def until_closed(house: House) -> None:
    with house.world() as world:
        await asyncio.to_thread(world.wait_for_line, "ready")
        async with house.daemon() as reader:
            await wait_for("an interval", lambda: rows(reader))


async def a_start_behind(house: House) -> None:
    with house.world() as world:
        await asyncio.to_thread(world.wait_for_line, "ready")
        async with house.daemon() as reader:
            before = len(registers(reader))
            await wait_for("that it is told", lambda: clock_of(reader) == ("holding", "clock.behind"))
            assert len(registers(reader)) == before
            # Ten minutes of its clock are a few seconds here.
            await wait_for("that it is believed", lambda: clock_of(reader)[0] == "steady")
            await wait_for("readings", lambda: len(registers(reader)) > before)
            today = START_S + 12 * HOUR_S
            await wait_for("an interval of today", lambda: sum(row[0] < today for row in rows(reader)) >= 2)
            assert all(row[1] >= 0 for row in rows(reader))
