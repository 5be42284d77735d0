"""A broker with a water meter at it, and a desk where the driver puts what it got: for tests of MQTT."""

import asyncio
import gc
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from drivers.contract import DeviceCondition, DeviceNews
from drivers.mqtt import MqttDriver
from drivers.mqtt_profile import MqttProfile
from drivers.settings import MqttBus
from rules.scan import Scan
from simulators.proxy import Mood, Proxy
from tests import servers
from tests.servers.postgres import Postgres

T = TypeVar("T")

PROFILE = MqttProfile.model_validate(
    {
        "profile": "test_water",
        "version": 1,
        "maker": "any",
        "model": "any",
        "family": "water",
        "source": ["this test"],
        "transport": "mqtt",
        "parts": {
            "main": {
                "time": "ts",
                "points": {
                    "flow": {"path": "v.flow_m3h", "unit": "m3/h"},
                    "volume": {"path": "v.volume_m3", "unit": "m3"},
                },
            }
        },
    }
)
# Two topics of different rates, and no time of its own.
PLAIN = PROFILE.model_copy(
    update={
        "profile": "test_plain",
        "parts": MqttProfile.model_validate(
            {
                **PROFILE.model_dump(),
                "parts": {
                    "flow": {
                        "topic": "{topic}/flow",
                        "payload": "plain",
                        "points": {"flow": {"unit": "m3/h"}},
                    },
                    "volume": {
                        "topic": "{topic}/volume",
                        "payload": "plain",
                        "points": {"volume": {"unit": "m3"}},
                    },
                },
            }
        ).parts,
    }
)
PROFILES = {"test_water": PROFILE, "test_plain": PLAIN}
PATIENCE_S = 90.0

versions = pytest.mark.parametrize("version", ["3.1.1", "5"])


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def payload(volume_m3: float, at_ms: int | None = None, flow_m3h: float = 1.5) -> bytes:
    stamp = now_ms() if at_ms is None else at_ms
    return json.dumps({"ts": stamp, "v": {"flow_m3h": flow_m3h, "volume_m3": volume_m3}}).encode()


class Desk:
    """The delivery's far side: keeps what it gets, commits when told."""

    def __init__(self, commits_at_once: bool = True) -> None:
        self.scans: list[Scan] = []
        self.told: list[DeviceNews] = []
        self._commits_at_once = commits_at_once
        self._uncommitted: list[Callable[[], None]] = []

    def scan(self, scan: Scan, on_commit: Callable[[], None] | None = None) -> None:
        self.scans.append(scan)
        if on_commit is not None:
            self._uncommitted.append(on_commit)
        if self._commits_at_once:
            self.commit()

    def news(self, news: DeviceNews) -> None:
        self.told.append(news)

    def commit(self) -> None:
        uncommitted, self._uncommitted = self._uncommitted, []
        for on_commit in uncommitted:
            on_commit()

    @property
    def volumes(self) -> list[float]:
        return [float(scan.values[scan.layout.index("volume")]) for scan in self.scans]

    @property
    def last(self) -> str:
        """The code of the last news."""
        return self.conditions[-1][2] if self.told else "no news"

    @property
    def conditions(self) -> list[tuple[str, DeviceCondition, str]]:
        return [(n.device, n.condition, n.error.code if n.error else "") for n in self.told]


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():  # noqa: ASYNC110 - any condition can be waited for
            await asyncio.sleep(0.01)


def make_bus(broker: "servers.Mosquitto | Door | Gate", version: str = "5", **more: Any) -> MqttBus:
    """``more`` goes to the bus, except what is a device's."""
    device = {"id": "water-1", "profile": "test_water", "topic": "site/water"}
    device |= {key: more.pop(key) for key in ("profile", "stale_after_s") if key in more}
    where = {"id": "broker", "host": broker.host, "port": broker.port, "version": version}
    settings = {"kind": "mqtt", "keepalive_s": 60, "devices": [device]}
    return MqttBus.model_validate({**where, **settings, **more})


def make(
    broker: "servers.Mosquitto | Door | Gate",
    version: str = "5",
    *,
    answer_s: float = PATIENCE_S,
    client_id: str = "monitor-test",
    password: str | None = None,
    folder: Path = Path(),
    **more: Any,
) -> MqttDriver:
    return MqttDriver(
        make_bus(broker, version, **more),
        PROFILES,
        client_id=client_id,
        password=password,
        clock_ms=now_ms,
        answer_timeout_s=answer_s,
        folder=folder,
    )


@dataclass(frozen=True, slots=True)
class Door:
    """Another way to a broker, or to what is none."""

    port: int
    host: str = "127.0.0.1"


class Gate:
    """A door that can be shut: a proxy on a thread and a loop of its own, whatever the story's loop is."""

    host = "127.0.0.1"

    def __init__(self, broker: "servers.Mosquitto | Postgres | Door") -> None:
        self._proxy = Proxy(broker.host, broker.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate")
        self._thread.start()
        self.port = self._do(self._proxy.start())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    @property
    def accepted(self) -> int:
        return self._proxy.accepted

    async def become(self, mood: Mood) -> None:
        await asyncio.to_thread(self._do, self._proxy.become(mood))

    def turn(self, mood: Mood) -> None:
        """The same, for those who have no loop."""
        self._do(self._proxy.become(mood))

    def close(self) -> None:
        self._do(self._proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def gate(broker: "servers.Mosquitto | Postgres | Door") -> Iterator[Gate]:
    """A proxy before a broker, closed in the end whatever happened."""
    made = Gate(broker)
    try:
        yield made
    finally:
        made.close()


def run(story: Coroutine[Any, Any, None], version: str = "5") -> None:
    """Tell a story on the product's loop; those of MQTT 3.1.1 on the standard library's."""
    uvloop.run(story) if version == "5" else asyncio.run(story)
    gc.collect()  # a socket left open would warn here, and a warning is an error
    assert [t.name for t in threading.enumerate() if t.name.startswith("paho")] == []


@asynccontextmanager
async def running(driver: MqttDriver, desk: Desk) -> AsyncIterator[None]:
    task = asyncio.create_task(driver.run(desk))
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@contextmanager
def publisher(broker: servers.Mosquitto) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2, client_id="meter-side")
    client.max_queued_messages_set(0)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(
    broker: servers.Mosquitto, *payloads: bytes, topic: str = "site/water", retain: bool = False
) -> None:
    """Returns when the broker has acknowledged all of them."""
    with publisher(broker) as client:
        sent = [client.publish(topic, payload, qos=1, retain=retain) for payload in payloads]
        for message in sent:
            message.wait_for_publish(PATIENCE_S)
            assert message.is_published()


async def away(broker: servers.Mosquitto, *payloads: bytes, **more) -> None:
    await asyncio.to_thread(publish, broker, *payloads, **more)


async def first_connection(driver: MqttDriver, broker: servers.Mosquitto) -> None:
    """Let the broker learn of the session and its subscription."""
    desk = Desk()
    async with running(driver, desk):
        while not desk.scans:
            await away(broker, payload(0))
            await asyncio.sleep(0.05)
    # What was sent while the first one was on its way is swallowed too.
    await drain(driver, broker)
    await hung_up(broker)


async def hung_up(broker: servers.Mosquitto) -> None:
    """The broker has read all that our last connection said; the next one would cut it short."""
    await until(lambda: broker.log.count(" as monitor-test ") == broker.log.count("Client monitor-test "))


async def drain(driver: MqttDriver, broker: servers.Mosquitto) -> list[float]:
    """All that the broker still holds for us, by volume."""
    desk = Desk()
    await hung_up(broker)
    async with running(driver, desk):
        await away(broker, payload(-1))
        await until(lambda: -1 in desk.volumes)
    return [volume for volume in desk.volumes if volume != -1]
