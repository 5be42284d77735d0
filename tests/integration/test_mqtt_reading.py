"""One look at a device, beside the daemon or without it."""

import json

import pytest

from drivers.contract import Garbled, NoAnswer, Unreachable
from tests import servers
from tests.broker_world import away, make, now_ms, run


def test_a_profile_that_does_not_fit_is_found_out(mosquitto: servers.Mosquitto):
    async def story() -> None:
        await away(mosquitto, json.dumps({"ts": now_ms(), "v": {"volume_m3": 1}}).encode(), retain=True)
        probed = await make(mosquitto).probe("water-1")
        assert not probed.fits
        assert probed.expected == "ts, v.flow_m3h, v.volume_m3"
        assert probed.found == "ts, v.volume_m3"
        await away(mosquitto, b"ready", retain=True)
        with pytest.raises(Garbled) as caught:
            await make(mosquitto).read("water-1")
        assert caught.value.code == "payload.not_json"
        mosquitto.stop()
        with pytest.raises(Unreachable):
            await make(mosquitto).read("water-1")

    run(story())


def test_reading_a_silent_device_ends(mosquitto: servers.Mosquitto):
    async def story() -> None:
        driver = make(mosquitto, answer_s=0.3)
        with pytest.raises(NoAnswer) as caught:
            await driver.read("water-1")
        assert caught.value.code == "mqtt.silent"
        with pytest.raises(KeyError):
            await driver.read("water-2")

    run(story())
