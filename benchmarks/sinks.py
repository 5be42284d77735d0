"""The drain of a backlog into a real VictoriaMetrics with live readings in between, and the client's own way.

``python benchmarks/sinks.py [--scans 60000]``: points a second, how long a live point takes to be
acknowledged meanwhile, and memory; then the same points through influxdb-client's batching mode.
"""

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from influxdb_client import InfluxDBClient, WriteOptions

from monitor.sinks.lines import ScanLine
from monitor.sinks.pace import Pace
from tests import servers
from tests.sink_world import MAIN, SITE, START_S, WIDE, World, open_world, running

POINTS = 30
LIVE_EVERY_S = 0.5


def fill(world: World, scans: int) -> None:
    """Commit a backlog."""
    for first in range(0, scans, 5000):
        world.scans([[float(n % 977)] * POINTS for n in range(first, min(scans, first + 5000))], of=WIDE)


async def drain(world: World, url: str, scans: int) -> tuple[float, list[float]]:
    """Seconds for the backlog, and the delays of live readings that came meanwhile."""
    delays: list[float] = []
    began_s = time.monotonic()
    async with running(world.influx(url, pace=Pace())) as sink:
        while True:
            world.scans([[1.0, 2.0]], of=MAIN)
            wanted, at_s = world.reader.newest_position("scans"), time.monotonic()
            while True:
                cursors = await asyncio.to_thread(world.reader.cursors, "city")
                backlog = cursors.get("scans/live_from", 0) > cursors.get("scans", 0)
                if (cursors.get("scans/live", 0) if backlog else cursors.get("scans", 0)) >= wanted:
                    break
                await asyncio.sleep(0.01)
            delays.append(time.monotonic() - at_s)
            if cursors.get("scans", 0) >= scans:
                break
            await asyncio.sleep(LIVE_EVERY_S)
        took_s = time.monotonic() - began_s
        assert (await sink.health()).dead_letters == 0
    return took_s, delays


def clients_own(url: str, scans: int) -> float:
    """Seconds that the client's batching mode needs for the same lines, at its own best size."""
    render = ScanLine(SITE, WIDE)
    import numpy as np

    from rules.scan import Scan

    quality = np.zeros(POINTS, dtype=np.uint8)
    lines = [
        render.render(Scan(WIDE, START_S * 1000 + n, np.full(POINTS, float(n % 977)), quality)).decode()
        for n in range(scans)
    ]
    began_s = time.monotonic()
    with InfluxDBClient(url=url, token="", org="city", enable_gzip=True) as client:
        options = WriteOptions(batch_size=5000, flush_interval=1000)
        with client.write_api(write_options=options) as api:
            api.write("energy", "city", lines, write_precision="ms")
    return time.monotonic() - began_s


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=60_000)
    scans = parser.parse_args().scans
    with tempfile.TemporaryDirectory() as folder, servers.victoria_metrics(Path(folder) / "vm") as server:
        with open_world(Path(folder)) as world:
            fill(world, scans)
            before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            took_s, delays = asyncio.run(drain(world, server.url, scans))
        after_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        theirs_s = clients_own(server.url, scans)
    points = scans * POINTS
    print(f"backlog of {scans:,} scans, {points:,} points")
    print(f"ours, throttled, durable cursor: {points / took_s:>10,.0f} points/s")
    print(
        f"  live readings meanwhile: {len(delays)}, median {statistics.median(delays):.2f} s, "
        f"worst {max(delays):.2f} s"
    )
    print(f"  memory: {before_mb:.0f} MB before, {after_mb:.0f} MB at most")
    print(f"influxdb-client, batching, no cursor: {points / theirs_s:>10,.0f} points/s")


if __name__ == "__main__":
    main()
