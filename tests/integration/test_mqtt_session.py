"""The session with a broker outlives connections, brokers and mistakes, and is never given up."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from drivers.contract import DeviceCondition, Unreachable
from drivers.inbox import Arrival
from drivers.mqtt_link import OUTGOING_MAX, Link
from simulators.proxy import Mood
from tests import servers
from tests.broker_world import (
    PATIENCE_S,
    Desk,
    Door,
    Gate,
    away,
    drain,
    first_connection,
    gate,
    make,
    make_bus,
    now_ms,
    payload,
    publisher,
    run,
    running,
    until,
    versions,
)


@versions
def test_a_broker_that_was_killed_comes_back(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        driver, desk = make(mosquitto, version), Desk()
        await first_connection(driver, mosquitto)
        async with running(driver, desk):
            await away(mosquitto, payload(1))
            await until(lambda: desk.volumes == [1])
            mosquitto.kill()
            await until(lambda: len(desk.told) == 2)
            mosquitto.start()
            # The driver still waits for its next attempt: the broker keeps this for it.
            await away(mosquitto, payload(2))
            await until(lambda: 2 in desk.volumes)
        assert desk.conditions == [
            ("water-1", DeviceCondition.ONLINE, ""),
            ("water-1", DeviceCondition.OFFLINE, "mqtt.broker_lost"),
            ("water-1", DeviceCondition.ONLINE, ""),
        ]
        assert isinstance(desk.told[1].error, Unreachable)

    run(story(), version)


def test_the_first_connection_may_fail(mosquitto: servers.Mosquitto):
    async def story() -> None:
        mosquitto.stop()
        driver, desk = make(mosquitto), Desk()
        async with running(driver, desk):
            await until(lambda: len(desk.told) == 1)
            assert desk.conditions == [("water-1", DeviceCondition.OFFLINE, "mqtt.broker_lost")]
            assert desk.told[0].error is not None
            assert desk.told[0].error.data["reason"] == "Connection refused"
            mosquitto.start()
            while not desk.scans:
                await away(mosquitto, payload(1))
                await asyncio.sleep(0.2)
            assert desk.conditions[1:] == [("water-1", DeviceCondition.ONLINE, "")]

    run(story())


def test_close_ends_the_run_and_may_be_called_twice(mosquitto: servers.Mosquitto):
    async def story() -> None:
        driver = make(mosquitto)
        await driver.close()
        task = asyncio.create_task(driver.run(Desk()))
        await until(lambda: " as monitor-test " in mosquitto.log)
        await driver.close()
        await driver.close()
        assert task.cancelled()

    run(story())


@versions
def test_reading_and_probing_leave_the_daemons_session_alone(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        desk = Desk()
        async with running(make(mosquitto, version), desk):
            looker = make(mosquitto, version)
            reading, probing = (
                asyncio.create_task(looker.read("water-1")),
                asyncio.create_task(looker.probe("water-1")),
            )
            sent = 0
            while not (reading.done() and probing.done()):
                await away(mosquitto, payload(sent))
                sent += 1
                await asyncio.sleep(0.05)
            await until(lambda: len(desk.scans) == sent)
        assert [scan.layout.key for scan in reading.result()] == ["water-1/main"]
        assert probing.result().fits
        assert probing.result().found == "ts, v.flow_m3h, v.volume_m3"

    run(story(), version)


def test_a_broker_that_stands_still_is_noticed(mosquitto: servers.Mosquitto):
    """Half-open: the connection stands, nothing comes; only the signs of life tell."""

    async def story(door: Gate) -> None:
        driver, desk = make(door, keepalive_s=5), Desk()
        async with running(driver, desk):
            while not desk.scans:
                await away(mosquitto, payload(1))
                await asyncio.sleep(0.05)
            await door.become(Mood.STALL)
            await until(lambda: desk.last == "mqtt.broker_lost")
            # Whoever dials now is let in and gets no answer.
            await until(lambda: desk.last == "mqtt.not_spoken")
            await away(mosquitto, payload(2))
            await door.become(Mood.THROUGH)
            await until(lambda: 2 in desk.volumes)

    with gate(mosquitto) as door:
        run(story(door))


@versions
def test_a_connection_that_is_cut_again_and_again_loses_nothing(mosquitto: servers.Mosquitto, version: str):
    async def story(door: Gate) -> None:
        driver, desk = make(door, version), Desk()
        await first_connection(driver, mosquitto)
        at_ms = now_ms()
        async with running(driver, desk):
            for number in range(3):
                before = door.accepted
                first = 100 * number
                await away(mosquitto, *(payload(n, at_ms + n) for n in range(first, first + 100)))
                await door.become(Mood.CUT)
                await until(lambda before=before: door.accepted > before)
            await until(lambda: len(desk.scans) == 300)
        assert desk.volumes == [float(number) for number in range(300)]

    with gate(mosquitto) as door:
        run(story(door), version)


@versions
def test_what_waits_survives_a_broker_that_is_killed_and_started_again(
    mosquitto: servers.Mosquitto, version: str
):
    async def story() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        at_ms = now_ms()
        await away(mosquitto, payload(1, at_ms), payload(2, at_ms + 1))
        mosquitto.stop()
        mosquitto.start()
        assert await drain(make(mosquitto, version), mosquitto) == [1, 2]

    run(story(), version)


@pytest.mark.parametrize(
    ("word", "code"), [(0x8E, "mqtt.session_taken"), (0x87, "mqtt.login_refused"), (0x8B, "mqtt.broker_lost")]
)
def test_what_a_broker_says_at_parting_is_told(word: int, code: str):
    """Brokers of MQTT 5 may say why; the one at hand hangs up without a word."""

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00" + bytes([0xE0, 1, word]))
        await writer.drain()
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(part, "127.0.0.1", 0)
        desk = Desk()
        async with server, running(make(Door(server.sockets[0].getsockname()[1])), desk):
            await until(lambda: desk.last == code)

    run(story())


def test_who_is_thrown_out_again_and_again_is_told_why(mosquitto: servers.Mosquitto):
    async def story() -> None:
        desk = Desk()
        async with running(make(mosquitto, "3.1.1"), desk):
            with thief(mosquitto, "3.1.1"):
                await until(lambda: desk.last == "mqtt.thrown_out")
            # The other one is gone: our turn comes.
            while desk.conditions[-1][1] is not DeviceCondition.ONLINE:
                await away(mosquitto, payload(1))
                await asyncio.sleep(0.2)

    run(story(), "3.1.1")


@contextmanager
def thief(broker: servers.Mosquitto, version: str) -> Iterator[None]:
    """Another client under our name, which comes back at once whenever it is thrown out."""
    protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, client_id="monitor-test", protocol=protocol)
    client.reconnect_delay_set(1, 1)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()


@versions
def test_a_far_end_that_is_no_broker_is_told_as_such(version: str):
    async def story() -> None:
        for greeting in (b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 100, b""):
            server = await asyncio.start_server(partial(greet, greeting), "127.0.0.1", 0)
            desk = Desk()
            async with server, running(make(Door(server.sockets[0].getsockname()[1]), version), desk):
                await until(lambda desk=desk: desk.last == "mqtt.not_spoken")

    run(story(), version)


async def greet(greeting: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(greeting)
    await writer.drain()
    writer.close()


def test_a_name_that_is_no_name_is_told_as_such():
    async def story() -> None:
        desk = Desk()
        async with running(make(Door(1883, "no-such-host.invalid")), desk):
            await until(lambda: desk.last == "mqtt.broker_lost")

    run(story())
    run(story(), "3.1.1")


@versions
def test_more_open_files_than_select_can_count(mosquitto: servers.Mosquitto, version: str):
    async def prepare() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        await away(mosquitto, payload(1))

    async def story() -> None:
        desk = Desk()
        async with running(make(mosquitto, version), desk):
            await until(lambda: desk.volumes == [1])

    run(prepare(), version)
    with ExitStack() as files:
        while files.enter_context(Path("/dev/null").open("rb")).fileno() < 1100:
            pass
        run(story(), version)


@versions
def test_our_own_messages_go_out_when_there_is_a_broker(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        mosquitto.stop()
        link = Link(make_bus(mosquitto, version), "monitor-test", None, [], lasting=True, is_5=version == "5")
        link.start()
        listener = Link(
            make_bus(mosquitto, version),
            "listener",
            None,
            ["site/+/told"],
            lasting=False,
            is_5=version == "5",
        )
        listener.start()
        for number in range(OUTGOING_MAX + 1):
            link.publish("site/1/told", str(number).encode(), retain=number == OUTGOING_MAX)
        mosquitto.start()
        link.publish("site/2/told", b"quick", qos=0)
        with pytest.raises(ValueError, match="wildcards"):
            link.publish("site/+/told", b"")
        heard = await told(listener, lambda heard: str(OUTGOING_MAX).encode() in heard.get("site/1/told", ()))
        assert link.is_connected
        link.publish("site/3/told", b"now", qos=0)
        heard = await told(listener, lambda heard: "site/3/told" in heard)
        assert heard["site/3/told"] == [b"now"]
        await link.stop()
        await listener.stop()
        # Too many waited: the oldest had to go, and the last is retained.
        late = Link(
            make_bus(mosquitto, version), "late", None, ["site/#"], lasting=False, is_5=version == "5"
        )
        late.start()
        assert await told(late, bool) == {"site/1/told": [str(OUTGOING_MAX).encode()]}
        await late.stop()

    run(story(), version)


async def told(link: Link, enough: Callable[[dict[str, list[bytes]]], bool]) -> dict[str, list[bytes]]:
    heard: dict[str, list[bytes]] = {}
    async with asyncio.timeout(PATIENCE_S):
        while not enough(heard):
            await link.wait(1.0)
            for event in link.take():
                if isinstance(event, Arrival):
                    heard.setdefault(event.topic, []).append(event.payload)
    return heard


@versions
def test_a_session_that_asked_for_more_is_taken_over(mosquitto: servers.Mosquitto, version: str):
    """Messages of QoS 2 that were kept under our name come once, and are done with."""

    async def story() -> None:
        with kept_at_qos_2(mosquitto, version):
            pass
        with publisher(mosquitto) as client:
            client.publish("site/water", payload(5), qos=2).wait_for_publish(PATIENCE_S)
        driver, desk = make(mosquitto, version), Desk()
        async with running(driver, desk):
            await until(lambda: desk.volumes == [5])
            await away(mosquitto, payload(6))
            await until(lambda: desk.volumes == [5, 6])
        assert await drain(make(mosquitto, version), mosquitto) == []

    run(story(), version)


@contextmanager
def kept_at_qos_2(broker: servers.Mosquitto, version: str) -> Iterator[None]:
    is_5 = version == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id="monitor-test",
        clean_session=None if is_5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
    )
    options = {}
    if is_5:
        options["properties"] = Properties(PacketTypes.CONNECT)
        options["properties"].SessionExpiryInterval = 600
    ready = threading.Event()
    client.on_connect = lambda c, *_: c.subscribe("site/water", 2)
    client.on_subscribe = lambda *_: ready.set()
    client.connect(broker.host, broker.port, **options)
    client.loop_start()
    assert ready.wait(PATIENCE_S)
    client.disconnect()
    client.loop_stop()
    yield
