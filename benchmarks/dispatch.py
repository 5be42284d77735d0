"""From a scan to a written action: how long a comfort limit that is passed takes to reach the equipment.

    .venv/bin/python benchmarks/dispatch.py [--devices 1000] [--turns 100]

Simulated devices on loopback, polled once a second by a daemon of its own; one of them is watched by a guard,
another is written. Again and again the watched value is moved past its limit and back, by a plain Modbus
client, and the store tells the rest: when the scan was read that first showed it, when the write went out,
and when the device had shown the value.
"""

import argparse
import json
import os
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from monitor.keys import new_key  # noqa: E402
from tests.servers import free_port, run_program  # noqa: E402

LIMIT_C, PAST_C, FINE_C = 10.0, 11.0, 8.0
A_PORT = 250
CHILLER = """\
profile: bench_chiller
version: 1
maker: any
model: a chiller that bears many writes
family: chiller
source: [this benchmark]
transport: modbus
points:
  chw_setpoint: {address: 0, type: u16, scale: 0.1, unit: degC,
                 writable: {between: [5, 15], writes_per_day: 1000000}}
  demand_limit_setpoint: {address: 1, type: u16, unit: "%",
                          writable: {between: [40, 100], writes_per_day: 1000000}}
"""
SITE = """\
site: {{id: bench, name: {{zh-TW: 量測, en: bench}}, language: en}}
store: {{path: bench.db}}
interval_s: 60
commodities:
  electricity: {{base_year: 2015}}
buses:
{buses}
curtailment:
  operators: [{{id: bench, role: dispatcher, key: "{digest}"}}]
  plans:
    - id: bench
      mode: live
      dead_man_s: 86400
      actions: [{{id: limit, point: target.demand_limit_setpoint, to: 60}}]
      guards: [{{point: watched.chw_setpoint, above: {limit}, back_at: {limit}, stale_after_s: 3600}}]
"""


def site_text(devices: int, ports: list[int], digest: str) -> str:
    """The site file: two chillers and as many meters as are left."""
    names = [("watched", "./bench_chiller.yaml"), ("target", "./bench_chiller.yaml")]
    names += [(f"meter-{n:04}", "eastron_sdm630") for n in range(devices - 2)]
    buses = []
    for number, port in enumerate(ports):
        some = names[number * A_PORT : (number + 1) * A_PORT]
        rows = "\n".join(
            f"      - {{id: {name}, profile: {profile}, unit: {unit}}}"
            for unit, (name, profile) in enumerate(some, 1)
        )
        buses.append(
            f"  - id: bus-{number}\n    kind: modbus_tcp\n    host: 127.0.0.1\n    port: {port}\n"
            f"    every_s: 1\n    devices:\n{rows}"
        )
    return SITE.format(buses="\n".join(buses), digest=digest, limit=LIMIT_C)


class Wire:
    """A plain Modbus client of the first port."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)

    def _asked(self, unit: int, function: int, address: int, value: int) -> bytes:
        self._socket.sendall(struct.pack(">HHHBBHH", 1, 0, 6, unit, function, address, value))
        return self._socket.recv(64)

    def move_watched(self, celsius: float) -> None:
        """What the guard looks at."""
        self._asked(1, 6, 0, round(10 * celsius))

    def target(self) -> int:
        """What the plan writes."""
        return int.from_bytes(self._asked(2, 3, 1, 1)[9:11], "big")

    def wait_for_target(self, wanted: int) -> None:
        """Until the device goes by it."""
        deadline_s = time.monotonic() + 120
        while self.target() != wanted:
            if time.monotonic() > deadline_s:
                raise SystemExit(f"the target did not come to {wanted} within 120 s")
            time.sleep(0.005)


@contextmanager
def running(folder: Path, devices: int):
    """Simulators and daemon of a site; gives the client of its first port, and the command line's start."""
    key, digest = new_key()
    ports = [free_port() for _ in range(-(-devices // A_PORT))]
    (folder / "bench_chiller.yaml").write_text(CHILLER, encoding="utf-8")
    site = folder / "site.yaml"
    site.write_text(site_text(devices, ports, digest), encoding="utf-8")
    world = [sys.executable, "-m", "simulators", "--site", site, "--hold", "0.2"]
    command = [sys.executable, "-m", "monitor.cli.main"]
    with run_program(world, name="simulators") as simulators:
        simulators.wait_for_line("^ready$", timeout_s=120)
        with run_program([*command, "run", "--site", site, "--quiet"], name="daemon") as daemon:
            daemon.wait_for_line(f"reading {devices} devices", timeout_s=120)
            trigger = [*command, "dr", "trigger", "bench", "--for", "12h", "--id", "bench"]
            env = {**os.environ, "ENERGY_MONITOR_KEY": key}
            subprocess.run([*trigger, "--operator", "bench", "--site", site], env=env, check=True)
            yield Wire(ports[0])
            assert daemon.terminate(60) == 0


def latencies(store: Path) -> tuple[list[float], list[float]]:
    """Milliseconds from the scan that decided to the write, and to the value read back."""
    with closing(sqlite3.connect(store)) as rows:
        layout, spec = rows.execute("SELECT id, spec FROM layouts WHERE device = 'watched'").fetchone()
        place = [point[0] for point in json.loads(spec)["points"]].index("chw_setpoint")
        scans = rows.execute(
            "SELECT at_ms, vals FROM scans WHERE layout_id = ? ORDER BY id", (layout,)
        ).fetchall()
        done = rows.execute(
            "SELECT sent_ms, done_ms FROM event_writes WHERE outcome = 'obeyed' ORDER BY id"
        ).fetchall()
    past, changes = False, []
    for at_ms, values in scans:
        now = bool(np.frombuffer(values, "<f8")[place] > LIMIT_C)
        if now != past:
            changes.append(at_ms)
        past = now
    writes = done[1 : 1 + len(changes)]  # the first one began the event
    changes = changes[: len(writes)]
    sent = [write[0] - at_ms for write, at_ms in zip(writes, changes, strict=True)]
    shown = [write[1] - at_ms for write, at_ms in zip(writes, changes, strict=True)]
    return sent, shown


def told(name: str, values: list[float]) -> str:
    """Median, 99th percentile and worst."""
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    median = statistics.median(values)
    return f"{name:<28} median {median:6.0f} ms   p99 {p99:6.0f} ms   worst {ordered[-1]:6.0f} ms"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=100)
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(folder, wishes.devices) as wire:
            wire.wait_for_target(60)
            for _ in range(wishes.turns // 2):
                wire.move_watched(PAST_C)
                wire.wait_for_target(100)
                wire.move_watched(FINE_C)
                wire.wait_for_target(60)
        sent, shown = latencies(folder / "bench.db")
    print(f"{wishes.devices} devices at 1 Hz, {len(sent)} times past a limit or back")
    print(told("scan to write going out", sent))
    print(told("scan to value read back", shown))


if __name__ == "__main__":
    main()
