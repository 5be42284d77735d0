"""A broker's devices in the shipped conventions, the driver that reads them, and where it delivers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from config.profiles import load_profile, profile_names
from drivers.contract import DeviceCondition, DeviceNews
from drivers.mqtt import MqttDriver
from drivers.mqtt_profile import MqttProfile
from drivers.settings import MqttBus
from rules.scan import Scan
from tests import servers

PATIENCE_S = 90.0
PROFILES = {name: p for name in profile_names() if isinstance(p := load_profile(name), MqttProfile)}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def bus_of(broker: servers.Mosquitto, *devices: dict[str, Any], **more: Any) -> MqttBus:
    return MqttBus.model_validate(
        {"kind": "mqtt", "id": "broker", "host": broker.host, "port": broker.port, "devices": devices, **more}
    )


def driver_of(bus: MqttBus, profiles: dict[str, MqttProfile] = PROFILES) -> MqttDriver:
    return MqttDriver(
        bus,
        profiles,
        client_id="monitor-test",
        password=None,
        clock_ms=now_ms,
        answer_timeout_s=PATIENCE_S,
        zone="Asia/Taipei",
    )


class Desk:
    """The delivery's far side: commits at once."""

    def __init__(self) -> None:
        self.scans: list[Scan] = []
        self.told: list[tuple[str, DeviceCondition, str]] = []

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        self.scans.append(scan)
        if on_commit is not None:
            on_commit()

    def news(self, news: DeviceNews) -> None:
        self.told.append((news.device, news.condition, news.error.code if news.error else ""))

    def of(self, device: str, part: str = "main") -> list[Scan]:
        return [scan for scan in self.scans if (scan.layout.device, scan.layout.part) == (device, part)]


async def until(what: str, done: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not done():  # noqa: ASYNC110 - any condition can be waited for
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


@asynccontextmanager
async def running(*coroutines: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
        for task in tasks:
            assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def client_of(broker: servers.Mosquitto, name: str, will: tuple[str, str] | None = None) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2, client_id=name)
    if will is not None:
        client.will_set(*will, qos=1, retain=True)
    client.connect(broker.host, broker.port, keepalive=60)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


async def say(client: Client, topic: str, content: object, *, retain: bool = False) -> None:
    payload = content if isinstance(content, str) else json.dumps(content)
    message = client.publish(topic, payload, qos=1, retain=retain)
    await asyncio.to_thread(message.wait_for_publish, PATIENCE_S)
