"""Many devices at 1 Hz through the whole daemon, beside the usual loop: processor, lateness, memory.

The daemon polls, validates, counts, stores (synchronous FULL) and delivers to a series server
(VictoriaMetrics where it is installed). Each device is an address of its own, 127.x.y.z, at the C server. The
usual loop is a task a device that makes a pymodbus call a value, a record a sample, and a commit a poll. How
late a poll was is told by the store alone: each scan's instant against its device's slot.
``python benchmarks/fleet.py 1000 5000`` with so many devices, ``--seconds`` each.
"""

import argparse
import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import soak  # noqa: E402
import soak_site  # noqa: E402
from modbus import c_server  # noqa: E402

from drivers.modbus import phase_ms  # noqa: E402
from tests.servers import Program, run_program  # noqa: E402

POINTS, SETTLE_S, USUAL = 30, 8.0, 100


@dataclass(frozen=True)
class Found:
    """What was seen of one program. Lateness in ms, memory in MB at the start and at the end."""

    name: str
    cpu_share: float
    scans: int
    expected: int
    p50_ms: float
    p99_ms: float
    memory_mb: tuple[float, float]

    def row(self) -> str:
        """Of the table."""
        late = "" if np.isnan(self.p99_ms) else f"{self.p50_ms:.0f} | {self.p99_ms:.0f}"
        return (
            f"| {self.name} | {100 * self.cpu_share:.0f} % | {self.scans:,} of {self.expected:,} "
            f"| {late or ' | '} | {self.memory_mb[0]:.0f}, {self.memory_mb[1]:.0f} |"
        )


def _site(folder: Path, devices: int, port: int, series_url: str) -> Path:
    plan = soak_site.Plan(devices, POINTS, 900, 1, (port,) * devices)
    (folder / "soak_meter.yaml").write_text("\n".join(soak_site._profile(plan)) + "\n", encoding="utf-8")
    site = folder / "site.yaml"
    site.write_text("\n".join(_lines(plan, port, series_url)) + "\n", encoding="utf-8")
    return site


def _lines(plan: soak_site.Plan, port: int, series_url: str) -> Iterator[str]:
    yield "site: {id: fleet, name: {zh-TW: 車隊, en: Fleet}, timezone: Asia/Taipei, language: en}"
    yield "store: {path: energy.db}"
    yield "commodities:\n  electricity: {base_year: 2015, meters: [meter-0000]}"
    yield f"buses:\n  - id: all\n    kind: modbus_tcp\n    port: {port}\n    every_s: 1\n    devices:"
    for n, device in enumerate(plan.ids):
        yield f"      - {{id: {device}, profile: soak_meter.yaml, host: 127.1.{n >> 8}.{n & 255}}}"
    yield "meters:"
    for device in plan.ids:
        name = f"{{zh-TW: {device}, en: {device}}}"
        yield f"  - {{id: {device}, name: {name}, commodity: electricity, counter: {device}.energy_import,"
        yield f"     max_rate: {soak_site.MAX_RATE_KW}}}"
    yield f"sinks: [{{id: series, kind: influxdb, url: '{series_url}', bucket: energy}}]"


def _watched(program: Program, seconds: float) -> tuple[float, float, float, tuple[float, float]]:
    """Start and end, the share of a core between them, and the memory at both."""
    time.sleep(SETTLE_S + program_age_s(program))
    start_s, cpu_s, memory = time.time(), soak._processor_s(program.pid), soak._resident_mb(program.pid)
    time.sleep(seconds)
    assert program.exit_code is None, program.tail()
    end_s, cpu_s = time.time(), soak._processor_s(program.pid) - cpu_s
    return start_s, end_s, cpu_s / (end_s - start_s), (memory, soak._resident_mb(program.pid))


def program_age_s(program: Program) -> float:
    """More time to settle for a program that dials thousands."""
    return 0.002 * len(program.lines)


def daemon(devices: int, seconds: float) -> Found:
    """The daemon with so many devices."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as name, c_server(Path(name)) as port:
        folder = Path(name)
        with soak._series(folder) as url:
            command = [sys.executable, "-m", "monitor.cli.main", "run", "--quiet",
                       "--site", _site(folder, devices, port, url)]  # fmt: skip
            with run_program(command, name="daemon", cwd=HERE.parent, env=soak._ENGLISH) as program:
                program.wait_for_line(f"{devices} devices", timeout_s=300)
                start_s, end_s, share, memory = _watched(program, seconds)
                assert program.terminate(timeout_s=60) == 0, program.tail()
        late = _lateness_ms(folder / "energy.db", start_s, end_s)
    expected = int(devices * (end_s - start_s))
    p50, p99 = np.percentile(late, (50, 99))
    return Found(f"the daemon, {devices:,} devices", share, len(late), expected, p50, p99, memory)


def _lateness_ms(store: Path, start_s: float, end_s: float) -> np.ndarray:
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        devices = dict(connection.execute("SELECT id, device FROM layouts"))
        rows = connection.execute(
            "SELECT layout_id, at_ms FROM scans WHERE at_ms BETWEEN ? AND ?", (start_s * 1000, end_s * 1000)
        ).fetchall()
    phases = {key: phase_ms(device, 1000) for key, device in devices.items()}
    # A timer may fire a moment early: that is 0, not a second less a moment.
    return np.array([max((at_ms - phases[key] + 10) % 1000 - 10, 0) for key, at_ms in rows])


async def _usual(port: int, devices: int) -> None:
    """The usual loop: a task a device, a pymodbus call a value, pydantic samples, a commit a poll."""
    from pydantic import BaseModel
    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.client.mixin import ModbusClientMixin

    class Sample(BaseModel):
        device: str
        point: str
        at: datetime
        value: float

    kind = ModbusClientMixin.DATATYPE.FLOAT32
    database = sqlite3.connect("usual.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE samples (device TEXT, point TEXT, at TEXT, value REAL)")

    async def device(number: int) -> None:
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        await client.connect()
        await asyncio.sleep(number / devices)
        while True:
            samples = []
            for point in range(POINTS):
                answer = await client.read_holding_registers(2 * point, count=2)
                value = float(client.convert_from_registers(answer.registers, kind))  # type: ignore[arg-type]
                samples.append(
                    Sample(device=str(number), point=str(point), at=datetime.now(UTC), value=value)
                )
            with database:
                database.executemany(
                    "INSERT INTO samples VALUES (?, ?, ?, ?)",
                    [(s.device, s.point, s.at.isoformat(), s.value) for s in samples],
                )
            await asyncio.sleep(1)

    print("ready", flush=True)
    await asyncio.gather(*(device(n) for n in range(devices)))


def usual(devices: int, seconds: float) -> Found:
    """The usual loop with so many devices."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as name, c_server(Path(name)) as port:
        command = [sys.executable, __file__, "usual", str(port), str(devices)]
        with run_program(command, name="usual loop", cwd=name) as program:
            program.wait_for_line("ready")
            start_s, end_s, share, memory = _watched(program, seconds)
        with sqlite3.connect(f"file:{name}/usual.db?mode=ro", uri=True) as connection:
            bounds = [datetime.fromtimestamp(at_s, UTC).isoformat() for at_s in (start_s, end_s)]
            (samples,) = connection.execute(
                "SELECT count(*) FROM samples WHERE at BETWEEN ? AND ?", bounds
            ).fetchone()
    polls, expected = samples // POINTS, int(devices * (end_s - start_s))
    return Found(f"the usual loop, {devices} devices", share, polls, expected, np.nan, np.nan, memory)


def main() -> int:
    """Print the table."""
    if sys.argv[1:2] == ["usual"]:
        asyncio.run(_usual(int(sys.argv[2]), int(sys.argv[3])))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", type=int, nargs="*", default=[1000, 5000])
    parser.add_argument("--seconds", type=float, default=30.0)
    wishes = parser.parse_args()
    print(f"{os.cpu_count()} cores; {POINTS} values a device, each second, {wishes.seconds:g} s")
    print("| what | of one core | polls kept | p50 late ms | p99 late ms | MB at start and end |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(usual(USUAL, wishes.seconds).row(), flush=True)
    for devices in wishes.devices:
        print(daemon(devices, wishes.seconds).row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
