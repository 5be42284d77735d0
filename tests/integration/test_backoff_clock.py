"""A sink's patience runs on the steady clock: whatever the machine's clock is set to, it comes again."""

import asyncio

import pytest

from config.sinks import InfluxSink
from monitor.clock import SteadyClock, SystemClock
from monitor.sinks.contract import SinkState
from monitor.sinks.delivery import Delivery
from monitor.sinks.influx import InfluxFarEnd
from monitor.sinks.pace import Pace
from monitor.sinks.secrets import Token
from tests.sink_world import METERS, SITE, open_world, picky_server, running, settled, until

PATIENCE = Pace(gather_s=0.002, poll_s=0.01, hold_s=0.05, first_s=0.02, cap_s=0.1, rest_s=0.01)
DAY_MS = 86_400_000


class Machine(SystemClock):
    """A machine whose wall clock is set; its steady clock goes on."""

    def __init__(self):
        self.set_by_ms = 0

    def now_ms(self):
        return super().now_ms() + self.set_by_ms


@pytest.mark.parametrize("status", [503, 401])
@pytest.mark.parametrize("steady", [False, True])
def test_a_clock_that_is_set_changes_nothing_of_a_sinks_backoff(tmp_path, status, steady):
    """Back by a day, ahead by ten years, and to 1970, in the middle of an outage: more tries follow."""
    machine = Machine()
    clock = SteadyClock(machine) if steady else machine  # the daemon's own, and the machine's itself
    with open_world(tmp_path) as world, picky_server() as server:
        settings = InfluxSink.model_validate(
            {"kind": "influxdb", "id": "city", "url": server.url, "bucket": "energy", "timeout_s": 5}
        )
        token = Token(None, tmp_path)

        def make():
            return InfluxFarEnd(settings, SITE, token, clock, METERS, tmp_path)

        sink = Delivery(make, world.reader, world.writer, clock, pace=PATIENCE)
        world.scans([[1.0, 2.0]] * 3)
        server.status = status

        async def tries(count):
            before = len(server.batches)

            async def enough():
                return len(server.batches) >= before + count

            await until(f"{count} tries more", enough)

        async def story():
            async with running(sink):
                await tries(3)
                for set_by_ms in (-DAY_MS, 3650 * DAY_MS, -machine.now_ms(), 0):
                    machine.set_by_ms = set_by_ms
                    if steady:
                        clock.look()
                    await tries(3)
                    assert sink.standing()[0] is not SinkState.OK
                server.status = 204
                return await settled(sink)

        health = asyncio.run(story())
        assert health.state is SinkState.OK
        assert (len(server.lines()), health.dead_letters) == (3, 0)
