"""Delivery to real servers: what they kept is what was committed, whatever happened on the way."""

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.sinks import InfluxSink
from monitor.clock import SystemClock
from monitor.sinks.contract import SinkState, Verdict
from monitor.sinks.influx import InfluxFarEnd
from monitor.sinks.secrets import Token
from tests import servers
from tests.servers import InfluxDB1, VictoriaMetrics
from tests.sink_world import (
    MAIN,
    SITE,
    START_S,
    WIDE,
    World,
    interval,
    open_world,
    running,
    settled,
    troubled,
)

ROUNDS = 60
SCANS_A_ROUND = 25


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "store") as made:
        yield made


class Flow:
    """Scans and intervals that keep coming, and what they add up to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.power_kw: dict[int, float] = {}
        self.energy_kwh: dict[int, float] = {}

    async def run(self, at: dict[int, Callable[[], None]]) -> None:
        """All rounds; ``at`` says what happens to the server before which."""
        for round_ in range(ROUNDS):
            if round_ in at:
                await asyncio.to_thread(at[round_])
            await asyncio.to_thread(self._commit, round_)
            await asyncio.sleep(0.01)

    def _commit(self, round_: int) -> None:
        rows = [
            [100.0 + math.sin(round_ * SCANS_A_ROUND + n), round_ * 10.0 + n] for n in range(SCANS_A_ROUND)
        ]
        instants = self._world.scans(rows)
        self.power_kw |= {at_ms: row[0] for at_ms, row in zip(instants, rows, strict=True)}
        start_s, quantity = START_S + 900 * round_, 25.0 + math.cos(round_)
        self._world.intervals(interval(start_s, quantity))
        self.energy_kwh[start_s * 1000] = quantity


def kept(server: VictoriaMetrics, name: str) -> dict[int, float]:
    """Values of the one series of this name by timestamp; what is there twice must say the same."""
    (series,) = server.export(name)
    values: dict[int, float] = {}
    for at_ms, value in zip(series["timestamps"], series["values"], strict=True):
        assert values.setdefault(at_ms, value) == value
    return values


def close_to(expected: dict[int, float]) -> Any:
    return pytest.approx(expected, rel=1e-12)


def test_victoria_metrics_has_everything_after_a_restart_in_the_middle(world, victoria_metrics):
    async def story() -> None:
        flow = Flow(world)
        async with running(world.influx(victoria_metrics.url)) as sink:
            await flow.run({20: victoria_metrics.stop, 40: victoria_metrics.start})
            health = await settled(sink)
        assert health.trouble is not None
        assert (health.state, health.dead_letters) == (SinkState.OK, 0)
        assert health.delivered == {"scans": ROUNDS * SCANS_A_ROUND, "intervals": ROUNDS, "results": 0}
        assert kept(victoria_metrics, "energy_active_power_kw") == close_to(flow.power_kw)
        energy_kwh = kept(victoria_metrics, "energy_interval_kwh")
        assert energy_kwh == close_to(flow.energy_kwh)
        stored = world.reader.intervals("main", 0, 1 << 40).quantity
        assert sum(energy_kwh.values()) == pytest.approx(float(stored.sum()), rel=1e-12)

    asyncio.run(story())


def test_victoria_metrics_sees_the_names_and_tags_of_the_documents(world, victoria_metrics):
    async def story() -> None:
        world.scans([[812.5, 1.25]])
        world.intervals(interval(START_S))
        world.intervals(interval(START_S, 4.0), meter="inlet")
        world.result({"demand_kw": 700.0}, subject="site")
        async with running(world.influx(victoria_metrics.url)) as sink:
            await settled(sink)
        series = {one["metric"]["__name__"]: one["metric"] for one in victoria_metrics.export()}
        assert set(series) == {
            *(f"energy_{field}" for field in ("active_power_kw", "import_kwh", "quality")),
            *(
                f"energy_interval_{field}"
                for field in ("kwh", "kw_avg", "kw_max", "coverage", "quality", "rev")
            ),
            *(
                f"water_interval_{field}"
                for field in (
                    "m3", "avg_flow_m3h", "max_flow_m3h", "min_flow_m3h", "coverage", "quality", "rev",
                )
            ),
            "demand_demand_kw",
            "demand_rev",
        }  # fmt: skip
        tags = series["energy_active_power_kw"]
        assert {key: tags[key] for key in ("site", "building", "meter")} == {
            "site": SITE, "building": SITE, "meter": "main",
        }  # fmt: skip

    asyncio.run(story())


def test_influxdb_has_everything_once_after_kill_9_in_the_middle(world, influxdb1):
    async def story() -> None:
        flow = Flow(world)
        async with running(world.influx(influxdb1.url)) as sink:
            await flow.run({20: influxdb1.kill, 40: influxdb1.start})
            health = await settled(sink)
        assert (health.state, health.dead_letters) == (SinkState.OK, 0)
        power = {row["time"] // 1_000_000: row["active_power_kw"] for row in rows(influxdb1, "energy")}
        assert power == flow.power_kw
        energy = {row["time"] // 1_000_000: row["kwh"] for row in rows(influxdb1, "energy_interval")}
        assert energy == flow.energy_kwh

    asyncio.run(story())


def rows(server: InfluxDB1, measurement: str) -> list[dict[str, Any]]:
    return server.query(f'SELECT * FROM "{measurement}"')


def test_influxdb_keeps_each_number_exactly(world, influxdb1):
    numbers = [
        [0.1 + 0.2, 1e300],
        [5e-324, 1.7976931348623157e308],
        [-0.0, 123456789.12345679],
        [1e16, 1e22],
        [-1e-7, 4294967295.0],
    ]

    async def story() -> None:
        instants = world.scans(numbers)
        async with running(world.influx(influxdb1.url)) as sink:
            await settled(sink)
        found = rows(influxdb1, "energy")
        assert [row["time"] for row in found] == [at_ms * 1_000_000 for at_ms in instants]
        assert [[row["active_power_kw"], row["import_kwh"]] for row in found] == numbers
        types = {row["fieldType"] for row in influxdb1.query("SHOW FIELD KEYS")}
        assert types == {"float"}

    asyncio.run(story())


def test_influxdb_reads_every_name_as_it_was_written(world, influxdb1):
    subjects = ["site", "a b", "a,b", "a=b", "a, b = c", "市府大樓", 'say "so"', "100 %"]

    async def story() -> None:
        for n, subject in enumerate(subjects):
            world.result({"demand_kw": float(n)}, subject=subject)
        async with running(world.influx(influxdb1.url)) as sink:
            assert (await settled(sink)).dead_letters == 0
        assert {row["subject"]: row["demand_kw"] for row in rows(influxdb1, "demand")} == {
            subject: float(n) for n, subject in enumerate(subjects)
        }

    asyncio.run(story())


def test_influxdb_refuses_another_type_and_only_those_lines_are_buried(world, influxdb1):
    async def story() -> None:
        tags = f"building={SITE},meter=wide,site={SITE}"
        other_writers_line = f'energy,{tags} frequency_hz="sixty" {START_S * 1000 + 1}'
        await write_raw(influxdb1, other_writers_line)
        world.scans([[1.0, 2.0]] * 20)
        world.scans([[3.0] * 30] * 3, of=WIDE)
        world.scans([[4.0, 5.0]] * 20)
        async with running(world.influx(influxdb1.url)) as sink:
            health = await settled(sink)
        assert (health.delivered["scans"], health.dead_letters) == (40, 3)
        letters = world.dead_letters()
        assert all(line.startswith(f"energy,building={SITE},meter=wide,") for line, _ in letters)
        assert all("field type conflict" in words for _, words in letters)
        found = rows(influxdb1, "energy")
        assert len([row for row in found if row["meter"] == MAIN.device]) == 40

    asyncio.run(story())


async def write_raw(influxdb1: InfluxDB1, text: str) -> None:
    settings = InfluxSink(kind="influxdb", id="raw", url=influxdb1.url, bucket=influxdb1.bucket)
    far_end = InfluxFarEnd(settings, SITE, Token(None, Path()), SystemClock(), {}, Path())
    try:
        assert (await far_end.write([text.encode()])).verdict is Verdict.TAKEN
    finally:
        await far_end.close()


def test_influxdb_drops_what_is_past_its_retention_and_keeps_the_rest(world, influxdb1):
    async def story() -> None:
        influxdb1.query(
            f'CREATE RETENTION POLICY "short" ON "{influxdb1.bucket}" DURATION 1d REPLICATION 1 DEFAULT',
            method="POST",
        )
        now_s = int(time.time())
        for n in range(6):
            world.result({"demand_kw": float(n)}, at_s=now_s - n)
        world.result({"demand_kw": 99.0}, at_s=now_s - 10 * 86_400)
        async with running(world.influx(influxdb1.url)) as sink:
            health = await settled(sink)
        assert (health.delivered["results"], health.dead_letters) == (6, 1)
        ((line, words),) = world.dead_letters()
        assert "demand_kw=99.0" in line
        assert "retention" in words
        assert {row["demand_kw"] for row in rows(influxdb1, "demand")} == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}

    asyncio.run(story())


@pytest.mark.scenario(2)
def test_influxdb_is_told_again_and_counts_nothing_twice(world, influxdb1):
    """Fault 2: everything was acknowledged, and no cursor was kept."""

    async def story() -> None:
        flow = Flow(world)
        await flow.run({})
        for _ in range(2):
            world.forget_cursors()
            async with running(world.influx(influxdb1.url)) as sink:
                await settled(sink)
        assert len(rows(influxdb1, "energy")) == ROUNDS * SCANS_A_ROUND
        (total,) = influxdb1.query('SELECT sum("kwh") FROM "energy_interval"')
        assert total["sum"] == pytest.approx(sum(flow.energy_kwh.values()), rel=1e-12)

    asyncio.run(story())


def test_influxdb_with_another_token_is_held_until_it_is_right(world, tmp_path):
    async def story(server: InfluxDB1) -> None:
        world.scans([[1.0, 2.0]] * 5)
        async with running(world.influx(server.url, token="wrong")) as sink:
            held = await troubled(sink, "sink.unauthorized")
            assert (held.state, held.pending["scans"]) == (SinkState.HOLDING, 5)
        async with running(world.influx(server.url, token="right")) as sink:
            await settled(sink)
        assert len(rows(server, "energy")) == 5

    with servers.influxdb1(tmp_path / "influxdb", token="right") as server:
        asyncio.run(story(server))


def test_influxdb_with_a_small_limit_gets_smaller_batches(world, tmp_path):
    async def story(server: InfluxDB1) -> None:
        world.scans([[float(n)] * 30 for n in range(500)], of=WIDE)
        async with running(world.influx(server.url)) as sink:
            health = await settled(sink)
        assert (health.delivered["scans"], health.dead_letters) == (500, 0)
        assert len(rows(server, "energy")) == 500

    with servers.influxdb1(tmp_path / "influxdb", max_body_bytes=50_000) as server:
        asyncio.run(story(server))


@pytest.mark.parametrize("server", ["influxdb1", "victoria_metrics"])
def test_the_check_is_taken(world, server, request):
    async def story() -> None:
        answer = await world.influx(request.getfixturevalue(server).url).check()
        assert (answer.ok, answer.code) == (True, "sink.takes")

    asyncio.run(story())


def test_the_check_of_a_bucket_that_is_not_there_names_it(world, influxdb1):
    async def story() -> None:
        answer = await world.influx(influxdb1.url, bucket="nowhere").check()
        assert (answer.ok, answer.code) == (False, "sink.not_found")
        assert answer.data["bucket"] == "nowhere"

    asyncio.run(story())


@pytest.mark.skipif("ENERGY_MONITOR_TEST_INFLUX_URL" not in os.environ, reason="no server of your own named")
def test_a_server_of_your_own_takes_everything(world):
    """Genuine InfluxDB 2 or 3: name it by ENERGY_MONITOR_TEST_INFLUX_{URL,TOKEN,ORG,BUCKET}."""
    given = {
        name: os.environ.get(f"ENERGY_MONITOR_TEST_INFLUX_{name.upper()}", "") for name in ("url", "org")
    }
    bucket = os.environ.get("ENERGY_MONITOR_TEST_INFLUX_BUCKET", "energy")
    token = os.environ.get("ENERGY_MONITOR_TEST_INFLUX_TOKEN")

    async def story() -> None:
        flow = Flow(world)
        await flow.run({})
        async with running(world.influx(**given, bucket=bucket, token=token)) as sink:
            health = await settled(sink)
        assert (health.delivered["scans"], health.dead_letters) == (ROUNDS * SCANS_A_ROUND, 0)

    asyncio.run(story())
