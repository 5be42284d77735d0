"""Since when a device is as it is: another error in the same condition does not begin it anew."""

import asyncio

from drivers.contract import DeviceCondition, DeviceNews, Garbled, Where
from monitor.collector import Collector


class Told:
    """A driver that only tells news."""

    layouts = ()

    def __init__(self, news):
        self.pending = news
        self.told = asyncio.Event()

    async def run(self, delivery):
        for step in self.pending:
            step(delivery)
        self.told.set()
        await asyncio.Event().wait()

    async def close(self):
        pass


class Hands:
    """A clock that is set by hand."""

    ms = 1_000

    def now_ms(self):
        return self.ms

    def monotonic_s(self):
        return self.ms / 1000


def test_since_when_stays_while_only_the_error_changes():
    clock, rows = Hands(), []

    def at(ms, condition, code=None, since_ms=None):
        def step(delivery):
            clock.ms = ms
            error = Garbled(Where("broker", "m"), code) if code else None
            delivery.news(DeviceNews("m", condition, error, since_ms))

        return step

    steps = [
        at(1_000, DeviceCondition.DEGRADED, "payload.not_json"),
        at(2_000, DeviceCondition.DEGRADED, "payload.no_value"),
        at(3_000, DeviceCondition.ONLINE),
        at(4_000, DeviceCondition.OFFLINE, "mqtt.silent", 3_500),
        at(5_000, DeviceCondition.OFFLINE, "mqtt.broker_lost"),
    ]

    async def scene():
        driver = Told(steps)
        collector = Collector({"b": driver}, None, rows.append, clock)  # type: ignore[arg-type, dict-item]
        task = asyncio.create_task(collector.run())
        await asyncio.wait_for(driver.told.wait(), 90)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scene())
    assert [row.conditions[0].since_ms for row in rows] == [1_000, 1_000, 3_000, 3_500, 3_500]
