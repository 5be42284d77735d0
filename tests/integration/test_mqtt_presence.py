"""Who is heard, and the news when that changes."""

import asyncio

from drivers.contract import DeviceCondition, NoAnswer
from tests import servers
from tests.broker_world import Desk, away, first_connection, make, payload, run, running, until

STALE_S = 1.0


def test_silence_is_news_once(mosquitto: servers.Mosquitto):
    async def story() -> None:
        await first_connection(make(mosquitto), mosquitto)
        driver, desk = make(mosquitto, stale_after_s=STALE_S), Desk()
        online = ("water-1", DeviceCondition.ONLINE, "")
        silent = ("water-1", DeviceCondition.OFFLINE, "mqtt.silent")
        async with running(driver, desk):
            await away(mosquitto, payload(1))
            # On a slow machine it may have been silent before its first word, too.
            await until(lambda: online in desk.conditions and desk.last == "mqtt.silent")
            heard = desk.conditions.index(online)
            await asyncio.sleep(1.5 * STALE_S)
            assert desk.conditions[heard:] == [online, silent]
            await away(mosquitto, payload(2))
            await until(lambda: len(desk.told) > heard + 2)
        assert desk.conditions[heard : heard + 3] == [online, silent, online]
        assert isinstance(desk.told[heard + 1].error, NoAnswer)

    run(story())
