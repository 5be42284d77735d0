"""MQTT's conventions over a real broker: every profile that publishes, last wills, messages of changes."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from paho.mqtt.client import Client

from drivers.contract import DeviceCondition
from rules.quality import Quality
from simulators.building import Building
from simulators.mqtt_publisher import MqttPublisher, PublishingDevice
from simulators.sparkplug import SparkplugNode
from tests import servers
from tests.convention_world import (
    PATIENCE_S,
    PROFILES,
    Desk,
    bus_of,
    client_of,
    driver_of,
    now_ms,
    running,
    say,
    until,
)

IDS = {
    "electricity": "floors-low",
    "water": "water-main",
    "chiller": "chiller-1",
    "chilled_water": "chilled-water",
    "weather": "weather",
}


@asynccontextmanager
async def born(broker: servers.Mosquitto, publisher: MqttPublisher) -> AsyncIterator[None]:
    """A publisher that runs, once its nodes' births are over and the broker has forgotten them."""
    heard: list[str] = []
    ready = threading.Event()
    with client_of(broker, "witness") as witness:
        witness.on_message = lambda _, __, message: heard.append(message.topic)
        witness.on_subscribe = lambda *_: ready.set()
        witness.subscribe("spBv1.0/#", 1)
        assert await asyncio.to_thread(ready.wait, PATIENCE_S)
        async with running(publisher.run()):
            await until("what follows the births", lambda: any("/DDATA/" in topic for topic in heard))
            assert any("/DBIRTH/" in topic for topic in heard)
            yield


def test_every_convention_from_the_simulators_to_scans(mosquitto: servers.Mosquitto):
    """Their publisher runs first: a Sparkplug node's births are over when the driver comes, and asked for."""
    devices = [
        {"id": f"{IDS[kind.family]}-{place}", "profile": name, "topic": f"city/hall/d{place}"}
        for place, (name, kind) in enumerate(PROFILES.items())
    ]
    bus = bus_of(mosquitto, *devices)
    model = Building(installed_s=time.time() - 86_400)
    nodes: dict[tuple[str, str], SparkplugNode] = {}
    sources = {
        settings.id: PublishingDevice(settings, PROFILES[settings.profile], model, "Asia/Taipei", nodes)
        for settings in bus.devices
    }
    publisher = MqttPublisher(bus, list(sources.values()), time.time, 0.3, nodes=nodes)
    assert len(nodes) == 1
    driver, desk = driver_of(bus), Desk()
    parts = {(d.id, part): kind for d in bus.devices for part, kind in PROFILES[d.profile].parts.items()}

    def is_whole(key: tuple[str, str]) -> bool:
        return len([scan for scan in desk.of(*key) if not scan.quality.any()]) >= 2

    async def story() -> None:
        async with born(mosquitto, publisher), running(driver.run(desk)):
            for key in parts:
                await until(f"two whole scans of {key}", lambda key=key: is_whole(key))

    asyncio.run(story())
    assert driver.counts.refused == driver.counts.unknown_topic == driver.counts.gaps == 0
    assert driver.counts.rebirths >= 1
    for (device, part), told in parts.items():
        telemetry = sources[device].telemetry
        for scan in desk.of(device, part):
            at = model.at(scan.at_ms / 1000)
            for place, name in enumerate(told.points):
                if scan.quality[place] == Quality.GOOD:
                    # A carried value is as old as the last change; an arrival is later than what it tells.
                    assert scan.values[place] == pytest.approx(telemetry(name)(at), rel=0.05, abs=0.5), name


def test_a_read_waits_for_a_sparkplug_nodes_births(mosquitto: servers.Mosquitto):
    bus = bus_of(mosquitto, {"id": "base", "profile": "sparkplug_power_meter", "topic": "city/gw/base"})
    nodes: dict[tuple[str, str], SparkplugNode] = {}
    model = Building(installed_s=time.time() - 86_400)
    device = PublishingDevice(bus.devices[0], PROFILES["sparkplug_power_meter"], model, "UTC", nodes)
    publisher = MqttPublisher(bus, [device], time.time, 0.2, nodes=nodes)

    async def story() -> None:
        async with born(mosquitto, publisher):
            (scan,) = await driver_of(bus).read("base")
            assert not scan.quality.any()
            probed = await driver_of(bus).probe("base")
            assert probed.fits

    asyncio.run(story())


def hang_up(client: Client) -> None:
    """As a power cut does it: without a word."""
    client.loop_stop()
    connection = client.socket()
    assert connection is not None
    connection.close()


@pytest.mark.parametrize(
    ("profile", "topic", "word", "words", "data"),
    [
        (
            "tasmota_energy",
            "tele/plug/LWT",
            "tele/plug/SENSOR",
            ("Online", "Offline"),
            {"Time": "2026-03-02T10:15:00+08:00", "ENERGY": {"Total": 1532.4, "Power": [400, 12]}},
        ),
        ("shelly_gen2_switch", "plug/online", "plug/status/switch:0", ("true", "false"), {"apower": 412}),
        (
            "zigbee2mqtt_plug",
            "plug/availability",
            "plug",
            ('{"state":"online"}', '{"state":"offline"}'),
            {"power": 412, "energy": 1532.4},
        ),
        ("zigbee2mqtt_plug", "plug/availability", "plug", ("online", "offline"), {"power": 412}),
    ],
)
def test_a_last_will(
    mosquitto: servers.Mosquitto, profile: str, topic: str, word: str, words: tuple[str, str], data: Any
):
    driver, desk = driver_of(bus_of(mosquitto, {"id": "plug", "profile": profile, "topic": "plug"})), Desk()
    online, offline = (
        ("plug", DeviceCondition.ONLINE, ""),
        ("plug", DeviceCondition.OFFLINE, "mqtt.said_offline"),
    )

    async def story() -> None:
        async with running(driver.run(desk)):
            with client_of(mosquitto, "plug", (topic, words[1])) as meter:
                await say(meter, topic, words[0], retain=True)
                while online not in desk.told:
                    await say(meter, word, data)
                    await asyncio.sleep(0.05)
                hang_up(meter)
                await until("the last will", lambda: offline in desk.told)
            with client_of(mosquitto, "plug-again") as meter:
                await say(meter, topic, words[0], retain=True)
                await until("its return", lambda: desk.told[-1] == online)

    asyncio.run(story())
    power = next(scan for scan in desk.of("plug") if np.isfinite(scan.values[0]))
    assert power.values[0] == pytest.approx(0.412)


def test_a_shelly_that_tells_changes_only(mosquitto: servers.Mosquitto):
    bus = bus_of(mosquitto, {"id": "em", "profile": "shelly_gen2_em", "topic": "shellypro3em-1"})
    driver, desk = driver_of(bus), Desk()

    def rpc(**params: Any) -> dict[str, Any]:
        return {
            "src": "shellypro3em-1",
            "method": "NotifyStatus",
            "params": {"ts": now_ms() / 1000, **params},
        }

    async def story() -> None:
        with client_of(mosquitto, "shelly") as meter:
            async with running(driver.run(desk)):
                while not desk.scans:
                    full = {"id": 0, "total_act_power": 1980.7, "a_voltage": 220.4, "total_current": 9.3}
                    await say(meter, "shellypro3em-1/status/em:0", full)
                    await asyncio.sleep(0.05)
                change = {"em:0": {"id": 0, "total_act_power": 2000.0}}
                await say(meter, "shellypro3em-1/events/rpc", rpc(**change))
                await say(meter, "shellypro3em-1/events/rpc", rpc(wifi={"rssi": -60}))
                await say(
                    meter, "shellypro3em-1/events/rpc", rpc(**{"emdata:0": {"id": 0, "total_act": 1843220.5}})
                )
                await until("the energy", lambda: desk.of("em", "energy"))

    asyncio.run(story())
    last = desk.of("em")[-1]
    shown = dict(zip([point.name for point in last.layout.points], last.values, strict=True))
    assert (shown["active_power_total"], shown["voltage_ln_l1"], shown["current_sum"]) == (2.0, 220.4, 9.3)
    assert np.isnan(shown["frequency"])
    (energy,) = desk.of("em", "energy")
    assert energy.values[0] == pytest.approx(1843.2205)
    assert np.isnan(energy.values[1])
    assert driver.counts.refused == 0
