"""The MQTT driver against a real broker: nothing lost, nothing acknowledged too early, never given up."""

import asyncio
import gc
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from drivers.contract import DeviceCondition, DeviceNews, Garbled, NoAnswer, Unreachable
from drivers.mqtt import MqttDriver
from drivers.mqtt_link import MAXIMUM_PACKET_BYTES
from drivers.mqtt_profile import MqttProfile
from drivers.payloads import MAX_BYTES
from drivers.settings import MqttBus
from rules.quality import Quality
from rules.scan import Scan
from tests import servers

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
PATIENCE_S = 30.0

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
        assert on_commit is not None
        self.scans.append(scan)
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
    def conditions(self) -> list[tuple[str, DeviceCondition, str]]:
        return [(n.device, n.condition, n.error.code if n.error else "") for n in self.told]


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():  # noqa: ASYNC110 - any condition can be waited for
            await asyncio.sleep(0.01)


def make(
    broker: servers.Mosquitto,
    version: str = "5",
    *,
    profile: str = "test_water",
    answer_s: float = PATIENCE_S,
    **more: float,
) -> MqttDriver:
    device = {"id": "water-1", "profile": profile, "topic": "site/water", **more}
    bus = MqttBus.model_validate(
        {
            "kind": "mqtt",
            "id": "broker",
            "host": broker.host,
            "port": broker.port,
            "version": version,
            "keepalive_s": 5,
            "devices": [device],
        }
    )
    return MqttDriver(
        bus, PROFILES, client_id="monitor-test", password=None, clock_ms=now_ms, answer_timeout_s=answer_s
    )


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


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    gc.collect()  # a socket left open would warn here, and a warning is an error
    assert [t.name for t in threading.enumerate() if t.name.startswith("paho")] == []


@versions
def test_messages_become_scans(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        driver, desk = make(mosquitto, version), Desk()
        await first_connection(driver, mosquitto)
        at_ms = now_ms() - 3000
        async with running(driver, desk):
            await away(mosquitto, payload(90476.25, at_ms), payload(90477.0, at_ms + 1000))
            await until(lambda: len(desk.scans) == 2)
        assert [scan.at_ms for scan in desk.scans] == [at_ms, at_ms + 1000]
        assert desk.scans[0].layout.key == "water-1/main"
        assert desk.scans[0].values.tolist() == [1.5, 90476.25]
        assert desk.scans[0].quality.tolist() == [Quality.GOOD, Quality.GOOD]
        assert desk.conditions == [("water-1", DeviceCondition.ONLINE, "")]

    asyncio.run(story())


@versions
def test_nothing_is_acknowledged_before_its_commit(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        forgetful = Desk(commits_at_once=False)
        at_ms = now_ms()
        async with running(make(mosquitto, version), forgetful):
            await away(mosquitto, payload(1, at_ms), payload(2, at_ms + 1))
            await until(lambda: len(forgetful.scans) == 2)
        # The daemon died before the commit: the broker sends them again ...
        assert await drain(make(mosquitto, version), mosquitto) == [1, 2]
        # ... and once committed never more.
        assert await drain(make(mosquitto, version), mosquitto) == []

    asyncio.run(story())


@versions
def test_what_is_committed_after_a_reconnect_is_acknowledged_on_the_new_connection(
    mosquitto: servers.Mosquitto, version: str
):
    async def story() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        driver, desk = make(mosquitto, version), Desk(commits_at_once=False)
        async with running(driver, desk):
            await away(mosquitto, payload(1))
            await until(lambda: len(desk.scans) == 1)
            mosquitto.stop()
            await until(lambda: desk.conditions[-1][1] is DeviceCondition.OFFLINE)
            mosquitto.start()
            # Sent again while the first is still on its way to the disk: no second scan.
            await until(lambda: driver.counts.duplicates == 1)
            assert desk.volumes == [1]
            desk.commit()
            desk.commit()
            await away(mosquitto, payload(2))
            await until(lambda: desk.volumes == [1, 2])
            desk.commit()
        assert await drain(make(mosquitto, version), mosquitto) == []

    asyncio.run(story())


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

    asyncio.run(story())


@versions
def test_commits_that_lag_do_not_block(mosquitto: servers.Mosquitto, version: str):
    """More messages than the broker sends ahead: each commit lets the next ones through."""

    async def story() -> None:
        driver, desk = make(mosquitto, version), Desk(commits_at_once=False)
        await first_connection(driver, mosquitto)
        at_ms = now_ms()
        async with running(driver, desk):
            await away(mosquitto, *(payload(number, at_ms + number) for number in range(200)))
            # mosquitto sends 20 ahead by default; with MQTT 5 we ask for more.
            await until(lambda: len(desk.scans) == (200 if version == "5" else 20))
            while len(desk.scans) < 200:
                before = len(desk.scans)
                desk.commit()
                await until(lambda before=before: len(desk.scans) > before)
            desk.commit()
        assert desk.volumes == [float(number) for number in range(200)]
        assert await drain(make(mosquitto, version), mosquitto) == []

    asyncio.run(story())


@versions
def test_garbage_is_refused_counted_and_acknowledged(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        driver, desk = make(mosquitto, version), Desk(commits_at_once=False)
        await first_connection(driver, mosquitto)
        driver = make(mosquitto, version)
        garbage = [b"", b"\xff\xfe", b"{", b'"1,234"', b"[" * 2000, b"x" * (MAX_BYTES + 1)]
        async with running(driver, desk):
            await away(mosquitto, *garbage, payload(7))
            await until(lambda: desk.volumes == [7])
            assert driver.counts.refused == len(garbage)
            assert desk.conditions == [
                ("water-1", DeviceCondition.DEGRADED, "payload.not_json"),
                ("water-1", DeviceCondition.DEGRADED, "payload.not_text"),
                ("water-1", DeviceCondition.DEGRADED, "payload.not_json"),
                ("water-1", DeviceCondition.DEGRADED, "payload.no_value"),
                ("water-1", DeviceCondition.DEGRADED, "payload.too_deep"),
                ("water-1", DeviceCondition.DEGRADED, "payload.too_large"),
                ("water-1", DeviceCondition.ONLINE, ""),
            ]
        # Refused is final; only the good one was left uncommitted.
        assert await drain(make(mosquitto, version), mosquitto) == [7]

    asyncio.run(story())


def test_a_payload_beyond_all_bounds_does_not_stop_the_next(mosquitto: servers.Mosquitto):
    async def story() -> None:
        driver, desk = make(mosquitto), Desk()
        await first_connection(driver, mosquitto)
        async with running(driver, desk):
            await away(mosquitto, b"x" * (MAXIMUM_PACKET_BYTES + 1), payload(7))
            await until(lambda: desk.volumes == [7])

    asyncio.run(story())


@versions
def test_duplicates_fall_out_and_are_acknowledged(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        driver, desk = make(mosquitto, version), Desk()
        at_ms = now_ms()
        async with running(driver, desk):
            await away(mosquitto, payload(1, at_ms), payload(1, at_ms), payload(2, at_ms + 1))
            await until(lambda: desk.volumes == [1, 2])
            assert driver.counts.duplicates == 1
        assert await drain(make(mosquitto, version), mosquitto) == []

    asyncio.run(story())


@versions
def test_a_retained_message_counts_only_while_fresh(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        hour_ago_ms = now_ms() - 3_600_000
        await away(mosquitto, payload(1, hour_ago_ms), retain=True)
        driver, desk = make(mosquitto, version), Desk()
        async with running(driver, desk):
            await until(lambda: driver.counts.retained_ignored == 1)
            assert desk.scans == []
            assert desk.told == []
        await away(mosquitto, payload(2), retain=True)
        driver, desk = make(mosquitto, version), Desk()
        async with running(driver, desk):
            await until(lambda: desk.volumes == [2])

    asyncio.run(story())


def test_a_retained_message_without_a_time_of_its_own_is_history(mosquitto: servers.Mosquitto):
    async def story() -> None:
        await away(mosquitto, b"12.5", topic="site/water/flow", retain=True)
        driver, desk = make(mosquitto, profile="test_plain"), Desk()
        async with running(driver, desk):
            await until(lambda: driver.counts.retained_ignored == 1)
            before_ms = now_ms()
            await away(mosquitto, b"13.5", topic="site/water/flow")
            await until(lambda: len(desk.scans) == 1)
        assert desk.scans[0].layout.key == "water-1/flow"
        assert desk.scans[0].values.tolist() == [13.5]
        assert before_ms <= desk.scans[0].at_ms <= now_ms()

    asyncio.run(story())


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

    asyncio.run(story())


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

    asyncio.run(story())


def test_a_refused_login_is_told_as_such(tmp_path: Path):
    async def story(broker: servers.Mosquitto) -> None:
        for version in ("3.1.1", "5"):
            driver, desk = make(broker, version), Desk()
            async with running(driver, desk):
                await until(lambda desk=desk: len(desk.told) == 1)
            assert desk.conditions == [("water-1", DeviceCondition.OFFLINE, "mqtt.login_refused")]
            with pytest.raises(Unreachable) as caught:
                await driver.read("water-1")
            assert caught.value.code == "mqtt.login_refused"

    with servers.mosquitto(tmp_path / "closed", extra="allow_anonymous false") as broker:
        asyncio.run(story(broker))


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

    asyncio.run(story())


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

    asyncio.run(story())


def test_reading_a_silent_device_ends(mosquitto: servers.Mosquitto):
    async def story() -> None:
        driver = make(mosquitto, answer_s=0.3)
        with pytest.raises(NoAnswer) as caught:
            await driver.read("water-1")
        assert caught.value.code == "mqtt.silent"
        with pytest.raises(KeyError):
            await driver.read("water-2")

    asyncio.run(story())


def test_close_ends_the_run_and_may_be_called_twice(mosquitto: servers.Mosquitto):
    async def story() -> None:
        driver = make(mosquitto)
        await driver.close()
        task = asyncio.create_task(driver.run(Desk()))
        await asyncio.sleep(0.1)
        await driver.close()
        await driver.close()
        assert task.cancelled()

    asyncio.run(story())
