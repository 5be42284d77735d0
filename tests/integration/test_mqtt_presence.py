"""Who is heard, and the news when that changes."""

import asyncio

from drivers.contract import DeviceCondition, NoAnswer
from tests import servers
from tests.broker_world import Desk, away, first_connection, make, payload, run, running, until


def test_silence_is_news_once(mosquitto: servers.Mosquitto):
    async def story() -> None:
        await first_connection(make(mosquitto), mosquitto)
        driver, desk = make(mosquitto, stale_after_s=0.3), Desk()
        async with running(driver, desk):
            await away(mosquitto, payload(1))
            await until(lambda: len(desk.told) == 2)
            await asyncio.sleep(0.5)
            await away(mosquitto, payload(2))
            await until(lambda: len(desk.told) == 3)
        assert desk.conditions == [
            ("water-1", DeviceCondition.ONLINE, ""),
            ("water-1", DeviceCondition.OFFLINE, "mqtt.silent"),
            ("water-1", DeviceCondition.ONLINE, ""),
        ]
        assert isinstance(desk.told[1].error, NoAnswer)

    run(story())
