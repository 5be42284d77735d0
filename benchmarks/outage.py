"""Seven days without InfluxDB at 200 devices, simulated by time; then the drain, live readings in between.

``python benchmarks/outage.py [--every 60] [--days 7] [--devices 200]``: pipeline, store and sink in a process
of their own whose clock is injected. Its memory is looked at each simulated hour, and the sink tries as often
as its backoff would. Then a real VictoriaMetrics comes back, and with the sink's own patience: points a
second of the backlog, how long readings of each second wait meanwhile, whether every point arrived, once.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from config.sinks import InfluxSink
from config.site import Commodity
from monitor.pipeline import Meter, Pipeline
from monitor.sinks.contract import Answer, Verdict
from monitor.sinks.delivery import Delivery
from monitor.sinks.influx import InfluxFarEnd
from monitor.sinks.pace import Pace
from monitor.sinks.secrets import Token
from monitor.store.database import open_writer
from monitor.store.reader import StoreReader
from monitor.store.rows import Commit
from monitor.store.writer import Writer, register_layouts, submit_and_wait
from rules.counters import CounterLimits
from rules.metering import MeterRules
from rules.quantities import QUANTITIES
from rules.scan import Layout, PointSpec, Scan

SITE, SINK, POINTS, INTERVAL_S, DAY_S = "city-hall", "city", 30, 900, 86_400
POWER_KW = 36.0
MOST_MB, LEAST_POINTS_S, LATEST_S = 150.0, 20_000, 2.0
LIVE_EVERY_S = 1.0
HURRY = 60_000.0
"""By how much the backoff's waits are shortened during the outage; how often it tries follows the clock."""

NAMES = ["active_power_total", "energy_import"]
NAMES += [name for name in QUANTITIES if name not in NAMES][: POINTS - 2]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated."""

    devices: int
    days: float
    every_s: int
    start_s: int
    try_every_s: int = 60  # the longest wait of the sink's backoff

    @property
    def instants(self) -> range:
        """When all devices are read, seconds UTC."""
        return range(self.start_s, self.start_s + round(self.days * DAY_S), self.every_s)


class SetClock:
    """The injected clock."""

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return round(self.at_s * 1000)

    def monotonic_s(self) -> float:
        """Seconds that never step: the machine's own, for how long requests take."""
        return time.monotonic()


@dataclass(slots=True)
class Watched:
    """What the far end saw: tries, and which of the two lanes each batch that was taken came from."""

    back_ms: int = 2**62
    tries: int = 0
    lanes: list[str] = field(default_factory=list)
    on_first: Callable[[], None] = lambda: None


class WatchedFarEnd(InfluxFarEnd):
    """The sink's own far end, watched."""

    watched: Watched

    async def write(self, lines: Sequence[bytes]) -> Answer:
        """Write once."""
        answer = await super().write(lines)
        seen = self.watched
        seen.tries += 1
        if answer.verdict is Verdict.TAKEN:
            is_live = int(lines[-1].rpartition(b" ")[2]) >= seen.back_ms
            seen.lanes.append("live" if is_live else "backlog")
            if len(seen.lanes) == 1:
                seen.on_first()
        return answer


class Building:
    """The daemon's way of the data from the pipeline on, with all of its devices."""

    def __init__(self, path: Path, url: str, plan: Plan) -> None:
        self.plan, self.clock, self.watched = plan, SetClock(plan.start_s), Watched()
        specs = tuple(PointSpec(name, QUANTITIES[name].unit, QUANTITIES[name].kind) for name in NAMES)
        self.layouts = [Layout(f"m{n:03}", "main", "electricity", specs) for n in range(plan.devices)]
        self.engine = open_writer(path)
        ids = register_layouts(self.engine, SITE, self.layouts)
        self.writer = Writer(self.engine, SITE)
        self.writer.start()
        self.reader = StoreReader.open(path, SITE)
        rules = MeterRules(CounterLimits(500.0), INTERVAL_S, 3 * max(plan.every_s, 60) * 1000)
        self.pipeline = Pipeline(
            {one.key: (ids[one.key], one) for one in self.layouts},
            [Meter(one.device, one.key, 1, 0, rules, "energy_import", NAMES[0]) for one in self.layouts],
            self.writer.submit,
            clock_ms=self.clock.now_ms,
            interval_s=INTERVAL_S,
        )
        self.values = np.arange(POINTS, dtype=np.float64)
        self.values[0] = POWER_KW
        self.scans = 0
        settings = InfluxSink.model_validate(
            {"kind": "influxdb", "id": SINK, "url": url, "bucket": "energy", "timeout_s": 10}
        )
        meters = {one.device: Commodity.ELECTRICITY for one in self.layouts}

        def make() -> InfluxFarEnd:
            made = WatchedFarEnd(settings, SITE, Token(None, path.parent), self.clock, meters, path.parent)
            made.watched = self.watched
            return made

        pace = Pace(first_s=0.5 / HURRY, cap_s=60.0 / HURRY)
        self.sink = Delivery(make, self.reader, self.writer, self.clock, pace=pace)

    def read_all(self, at_s: float) -> int:
        """A reading of every device; returns the number of scans so far."""
        self.clock.at_s = max(self.clock.at_s, at_s)
        quality = np.zeros(POINTS, dtype=np.uint8)
        for layout in self.layouts:
            values = self.values.copy()
            values[1] = 1000.0 + POWER_KW * (at_s - self.plan.start_s) / 3600
            self.pipeline.accept(Scan(layout, round(at_s * 1000), values, quality))
        self.scans += len(self.layouts)
        return self.scans

    async def settle(self) -> None:
        """Wait until everything is on disk."""
        assert await asyncio.to_thread(submit_and_wait, self.writer, Commit(), 600.0)

    def cursors(self) -> dict[str, int]:
        """Where the sink stands."""
        return dict(self.reader.cursors(SINK))

    def close(self) -> None:
        """End in good order."""
        assert self.writer.close()
        self.reader.close()
        self.engine.dispose()


def memory_mb(name: str = "VmRSS") -> float:
    """Of this process, now; ``VmHWM`` the most that it ever was."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell the memory of a process")


async def outage(building: Building) -> dict[str, Any]:
    """Days of readings that go nowhere."""
    seen: list[float] = []
    for at_s in building.plan.instants:
        building.read_all(at_s)
        if building.writer.waiting() > 2000:
            await building.settle()
        if (at_s - building.plan.start_s) % 3600 < building.plan.every_s:
            seen.append(memory_mb())
        wanted = (at_s - building.plan.start_s) // building.plan.try_every_s
        while building.watched.tries < wanted:  # noqa: ASYNC110  the sink's tries have no event
            await asyncio.sleep(0.001)
    await building.settle()
    health = await building.sink.health()
    return {
        "tries": building.watched.tries,
        "state": health.state.value,
        "pending": dict(health.pending),
        "mb_first_day": max(seen[: max(1, len(seen) // 7)]),
        "mb_last_day": max(seen[-max(1, len(seen) // 7) :]),
    }


async def drain(building: Building) -> dict[str, Any]:
    """The server is back: the backlog, and readings of each second in between."""
    scans, intervals = building.scans, building.reader.newest_position("intervals")
    back_s, began_s = building.clock.at_s + 1.0, time.monotonic()
    building.watched.back_ms = round(back_s * 1000)
    first = asyncio.Event()
    building.watched.on_first = first.set
    await first.wait()
    began_s = time.monotonic()
    delays: list[float] = []
    took_s = 0.0
    while not took_s:
        wanted = building.read_all(back_s + len(delays))
        said_s = time.monotonic()
        await building.settle()
        while True:
            cursors = await asyncio.to_thread(building.cursors)
            behind = cursors.get("scans/live_from", 0) > cursors.get("scans", 0)
            if (cursors.get("scans/live", 0) if behind else cursors.get("scans", 0)) >= wanted:
                break
            await asyncio.sleep(0.01)
        delays.append(time.monotonic() - said_s)
        if cursors.get("scans", 0) >= scans and cursors.get("intervals", 0) >= intervals:
            took_s = time.monotonic() - began_s
        await asyncio.sleep(max(0.0, LIVE_EVERY_S - delays[-1]))
    while any((health := await building.sink.health()).pending.values()):  # noqa: ASYNC110  nor its books
        await asyncio.sleep(0.05)
    lanes = building.watched.lanes
    return {
        "points": scans * POINTS,
        "seconds": took_s,
        "live": len(delays),
        "live_median_s": statistics.median(delays),
        "live_worst_s": max(delays),
        "backlog_batches_after_live": lanes[lanes.index("live") :].count("backlog"),
        "scans": building.scans,
        "intervals": building.reader.count_after("intervals", 0),
        "intervals_with_peak": peaks(building.reader),
        "dead_letters": health.dead_letters,
    }


def peaks(reader: StoreReader) -> int:
    """Intervals that have a highest power: those that were crossed without readings have none."""
    found, after = 0, 0
    while rows := list(reader.changed_intervals(after, 5000)):
        found += sum(row.rate_max is not None for row in rows)
        after = rows[-1].seq
    return found


async def simulated(folder: Path, url: str, plan: Plan) -> None:
    """The process that is measured: tells what it found as lines of JSON."""
    building = Building(folder / "energy.db", url, plan)
    running = asyncio.create_task(building.sink.run())
    print(json.dumps({"outage": await outage(building)}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # the server is back
    found = await drain(building)
    print(json.dumps({"drain": {**found, "mb_most": memory_mb("VmHWM")}}), flush=True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    building.close()


# -- the other side ---------------------------------------------------------------------------------------


def arrived(server: Any, query: str, at_s: float) -> dict[str, int]:
    """How many values of each series' name the server has."""
    from tests.servers.series import get

    get(f"{server.url}/internal/force_flush")
    asked = urllib.parse.urlencode({"query": query, "time": at_s})
    answer = json.loads(get(f"{server.url}/api/v1/query?{asked}", timeout_s=300.0))
    return {one["metric"].get("name", ""): int(one["value"][1]) for one in answer["data"]["result"]}


def measured(folder: Path, plan: Plan) -> dict[str, Any]:
    """Run all of it; what was found, and how many values of each name the server has in the end."""
    from tests.servers import VictoriaMetrics

    server = VictoriaMetrics(folder / "series")
    options = [f"--{name}={value}" for name, value in (
        ("devices", plan.devices), ("days", plan.days), ("every", plan.every_s), ("start", plan.start_s),
        ("try-every", plan.try_every_s))]  # fmt: skip
    command = [sys.executable, __file__, *options, "--inside", str(folder), "--url", server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            found = json.loads(process.stdout.readline())
            server.start()
            process.stdin.write("back\n")
            process.stdin.flush()
            found |= json.loads(process.stdout.readline())
            assert process.wait(60) == 0
            end_s = plan.instants[-1] + 2 * DAY_S
            span = f"{round(plan.days) + 3}d"
            for part in ("energy", "energy_interval"):
                chosen = f'{{__name__=~"{part}_.+",__name__!~"{part}_interval_.+"}}[{span}]'
                query = f"sum(label_move(count_over_time({chosen}) keep_metric_names,"
                query += ' "__name__", "name")) by (name)'
                found[part] = arrived(server, query, end_s)
        finally:
            process.kill()
            server.stop()
    return found


def shown(found: dict[str, Any], plan: Plan) -> list[str]:
    """What a person reads."""
    gone, back = found["outage"], found["drain"]
    waiting, speed = gone["pending"], back["points"] / back["seconds"]
    return [
        f"{plan.devices} devices x {POINTS} points each {plan.every_s} s for {plan.days:g} days",
        f"  waiting: {waiting['scans']:,} scans, {waiting['intervals']:,} intervals; {gone['tries']:,} tries",
        f"  memory: first day {gone['mb_first_day']:.0f} MB, last {gone['mb_last_day']:.0f} MB",
        f"  memory, most ever: {back['mb_most']:.0f} MB ({MOST_MB:.0f} MB wanted)",
        f"drain: {back['points']:,} points in {back['seconds']:.1f} s",
        f"  {speed:,.0f} points/s ({LEAST_POINTS_S:,} wanted)",
        f"  live readings of all devices meanwhile, {back['live']} times:",
        f"  median {back['live_median_s']:.2f} s, worst {back['live_worst_s']:.2f} s ({LATEST_S:g} s wanted)",
        f"arrived: {sum(found['energy'].values()):,} values of {len(found['energy'])} fields",
        f"  {sum(found['energy_interval'].values()):,} of intervals; dead letters: {back['dead_letters']}",
    ]


def broken(found: dict[str, Any]) -> list[str]:
    """What is not as it must be, whatever the machine."""
    back, wrong = found["drain"], []
    if back["mb_most"] >= MOST_MB:
        wrong.append(f"memory: {back['mb_most']:.0f} MB")
    if back["dead_letters"] or back["backlog_batches_after_live"] < 1:
        wrong.append(f"dead letters, or no live rows between the backlog: {back}")
    fields = {"energy": len(NAMES) + 1, "energy_interval": 6}  # and the quality of each scan
    for name, wanted in (("energy", back["scans"]), ("energy_interval", back["intervals"])):
        expected = dict.fromkeys(found[name], wanted)
        if "energy_interval_kw_max" in expected:
            expected["energy_interval_kw_max"] = back["intervals_with_peak"]
        if found[name] != expected or len(expected) != fields[name]:
            wrong.append(f"{name}: wanted {expected}, found {found[name]}")
    return wrong


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--every", type=int, default=60)
    parser.add_argument("--start", type=int, default=int(time.time()) // INTERVAL_S * INTERVAL_S - 8 * DAY_S)
    parser.add_argument("--try-every", type=int, default=60)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    said = parser.parse_args()
    plan = Plan(said.devices, said.days, said.every, said.start, said.try_every)
    if said.inside is not None:
        asyncio.run(simulated(said.inside, said.url, plan))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), plan)
    print("\n".join(shown(found, plan)))
    wrong = broken(found)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
