"""Commands to devices behind a real broker, and what their messages show afterwards."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from drivers.contract import Garbled, NoAnswer, NotObeyed, NotWritable, OutOfRange, Unreachable
from drivers.mqtt import MqttDriver
from drivers.mqtt_profile import MqttProfile
from drivers.settings import MqttBus
from simulators.mqtt_publisher import MqttPublisher, PublishingDevice
from tests.modbus_world import clock_ms, until
from tests.servers.modbus import running
from tests.simulated_world import MODEL, NOON_S


def relay(valve_settle_s):
    """A lighting circuit, and a valve that shows a command at the latest after so long. [s]"""
    return MqttProfile.model_validate(
        {
            "profile": "relay",
            "version": 1,
            "maker": "m",
            "model": "a lighting circuit",
            "family": "electricity",
            "source": ["a test"],
            "transport": "mqtt",
            "parts": {
                "main": {
                    "topic": "{topic}/status/switch:0",
                    "points": {
                        "active_power_total": {"path": "apower", "unit": "W"},
                        "enable_setpoint": {
                            "path": "output",
                            "words": {"true": 1, "false": 0},
                            "writable": {
                                "between": [0, 1],
                                "topic": "{topic}/rpc",
                                "payload": '{"method": "Switch.Set", "params": {"id": 0, "on": {value}}}',
                                "settle_s": 20,
                            },
                        },
                    },
                },
                "valve": {
                    "topic": "{topic}/valve",
                    "payload": "plain",
                    "points": {
                        "valve_setpoint": {
                            "unit": "%",
                            "scale": 0.1,
                            "valid": [0, 120],
                            "writable": {
                                "between": [0, 100],
                                "topic": "{topic}/valve/set",
                                "settle_s": valve_settle_s,
                            },
                        }
                    },
                },
            },
        }
    )


@asynccontextmanager
async def world(broker, disobeys=lambda: False, publishes=True, valve_settle_s=20):
    """A relay, the driver that knows it, and what the relay was told."""
    bus = MqttBus.model_validate(
        {"kind": "mqtt", "id": "b", "host": broker.host, "port": broker.port,
         "devices": [{"id": "light-1", "profile": "relay", "topic": "hall/light-1"}]}
    )  # fmt: skip
    profile = relay(valve_settle_s)
    device = PublishingDevice(bus.devices[0], profile, MODEL, disobeys=disobeys)
    publisher = MqttPublisher(bus, [device], lambda: NOON_S, 0.3)
    one = MqttDriver(
        bus, {"relay": profile}, client_id="t", password=None, clock_ms=clock_ms, answer_timeout_s=20.0
    )
    task = asyncio.create_task(publisher.run()) if publishes else None
    try:
        async with running(one) as inbox:
            if publishes:
                await inbox.until(lambda box: len(box.of("light-1")) >= 2)
            yield one, device
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_a_command_is_sent_and_shown(mosquitto):
    async def scenario():
        async with world(mosquitto) as (one, device):
            assert await one.show("light-1", "enable_setpoint") == 1.0
            written = await one.write("light-1", "enable_setpoint", 0)
            assert (written.asked, written.shown) == (0, 0.0)
            assert device.setpoints == {"enable_setpoint": 0.0}
            await one.write("light-1", "valve_setpoint", 42.5)
            assert device.setpoints["valve_setpoint"] == pytest.approx(42.5)
            assert await one.show("light-1", "valve_setpoint", own=True) == pytest.approx(42.5)

    asyncio.run(scenario())


def test_what_may_not_be_sent_is_not(mosquitto):
    async def scenario():
        async with world(mosquitto) as (one, device):
            with pytest.raises(NotWritable):
                await one.write("light-1", "active_power_total", 0)
            with pytest.raises(OutOfRange):
                await one.write("light-1", "enable_setpoint", 2)
            with pytest.raises(Garbled, match="no_word"):
                await one.write("light-1", "enable_setpoint", 0.5)
            assert device.setpoints == {}

    asyncio.run(scenario())


def test_what_a_point_may_show_is_handed_back_although_it_may_not_be_asked_for(mosquitto):
    async def scenario():
        async with world(mosquitto) as (one, device):
            with pytest.raises(OutOfRange):
                await one.write("light-1", "valve_setpoint", 112)
            one.check_back("light-1", "valve_setpoint", 112)
            written = await one.write("light-1", "valve_setpoint", 112, own=True)
            assert (written.shown, device.setpoints["valve_setpoint"]) == (112, pytest.approx(112))
            for value in (121, -1, float("nan")):
                with pytest.raises(OutOfRange):
                    one.check_back("light-1", "valve_setpoint", value)
                with pytest.raises(OutOfRange):
                    await one.write("light-1", "valve_setpoint", value, own=True)
            with pytest.raises(
                Garbled, match="no_word"
            ):  # it may be neither on nor off, and nobody can say so
                one.check_back("light-1", "enable_setpoint", 2)
            with pytest.raises(NotWritable):
                one.check_back("light-1", "active_power_total", 1)

    asyncio.run(scenario())


def test_a_device_that_takes_a_command_and_does_not_do_it_is_found_out(mosquitto):
    async def scenario():
        async with world(mosquitto, disobeys=lambda: True, valve_settle_s=6) as (one, device):
            with pytest.raises(NotObeyed, match="'shown': '55'"):
                await one.write("light-1", "valve_setpoint", 10)
            assert device.setpoints == {}

    asyncio.run(scenario())


def test_a_device_that_says_nothing_and_a_broker_that_is_away_are_told_apart(mosquitto):
    async def scenario():
        async with world(mosquitto) as (one, _):
            mosquitto.kill()
            await until(lambda: not one.publish("x", b""))
            with pytest.raises(Unreachable):
                await one.write("light-1", "valve_setpoint", 10)
        mosquitto.start()
        async with world(mosquitto, publishes=False, valve_settle_s=1) as (one, _):
            await until(lambda: one.publish("x", b""))
            with pytest.raises(NoAnswer):
                await one.write("light-1", "valve_setpoint", 10)

    asyncio.run(scenario())
