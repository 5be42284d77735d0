"""MQTT's conventions over a real broker: every profile that publishes, last wills, a foreign Sparkplug node,
and what Home Assistant is told."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from config.profiles import load_profile, profile_names
from drivers.contract import DeviceCondition, DeviceNews
from drivers.mqtt import MqttDriver
from drivers.mqtt_profile import MqttProfile
from drivers.refusals import PayloadRefused
from drivers.settings import MqttBus
from drivers.sparkplug_wire import read_payload
from rules.quality import Quality
from rules.scan import Scan
from simulators.building import Building
from simulators.mqtt_publisher import MqttPublisher, PublishingDevice
from simulators.sparkplug import SparkplugNode
from tests import servers
from tests.servers.peers import peers_python
from tests.servers.processes import run_program, wait_until

PATIENCE_S = 60.0
PEERS = Path(__file__).parents[1] / "peers"
PROFILES = {name: p for name in profile_names() if isinstance(p := load_profile(name), MqttProfile)}
IDS = {
    "electricity": "floors-low",
    "water": "water-main",
    "chiller": "chiller-1",
    "chilled_water": "chilled-water",
    "weather": "weather",
}


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
        assert on_commit is not None
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
        async with running(publisher.run()):
            await asyncio.sleep(1.0)
            async with running(driver.run(desk)):
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
        async with running(publisher.run()):
            await asyncio.sleep(0.5)
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


# -- a foreign Sparkplug node -------------------------------------------------------------------------------


class ForeignNode:
    """pysparkplug's edge node in its own process; see ``tests/peers/sparkplug_node.py``."""

    def __init__(self, broker: servers.Mosquitto) -> None:
        script = PEERS / "sparkplug_node.py"
        self.process = subprocess.Popen(
            [peers_python(), script, broker.host, str(broker.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def tell(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    async def do(self, words: str) -> None:
        """Returns when it is done."""
        before = self.lines.count(f"done {words.split(maxsplit=1)[0]}")
        self.tell(words)
        await until(f"pysparkplug: {words}: {self.lines}", lambda: self.done(words) > before)

    def done(self, words: str) -> int:
        return self.lines.count(f"done {words.split(maxsplit=1)[0]}")

    def end(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def foreign(mosquitto: servers.Mosquitto) -> Iterator[ForeignNode]:
    node = ForeignNode(mosquitto)
    try:
        yield node
    finally:
        node.end()


def test_a_foreign_sparkplug_node(mosquitto: servers.Mosquitto, foreign: ForeignNode):
    """Births, data by name and by number, a gap, the request for a rebirth, and its deaths."""
    bus = bus_of(mosquitto, {"id": "m1", "profile": "sparkplug_power_meter", "topic": "plant/gateway/meter"})
    driver, desk = driver_of(bus), Desk()

    def shows(kw: float, kwh: float) -> bool:
        return bool(desk.scans) and desk.scans[-1].values[:2].tolist() == [kw, kwh]

    async def story() -> None:
        async with running(driver.run(desk)):
            await until("the connection", lambda: driver.publish("test/up", b"", retain=False))
            await foreign.do("connect")
            await until("the birth", lambda: shows(1, 1000))
            await foreign.do("data 412.5 1001")
            await until("data by name", lambda: shows(412.5, 1001))
            await foreign.do("alias 413 -7")
            await until("data by number, with the birth's sign", lambda: shows(413, -7))
            assert driver.counts.refused == driver.counts.gaps == 0
            await foreign.do("skip")
            await foreign.do("alias 414 1003")
            await until("the gap", lambda: driver.counts.gaps == 1)
            assert desk.told[-1] == ("m1", DeviceCondition.DEGRADED, "payload.no_birth")
            await foreign.do("data 415 1004")
            await until("data by name after the gap", lambda: shows(415, 1004))
            await foreign.do("leave")
            await until("the node's good-bye", lambda: desk.told[-1][2] == "mqtt.said_offline")
            await foreign.do("connect")
            await until("it is back", lambda: desk.told[-1][1] is DeviceCondition.ONLINE)
            foreign.tell("die")
            await until("the node's last will", lambda: desk.told[-1][2] == "mqtt.said_offline")

    asyncio.run(story())
    first = desk.scans[0]
    assert abs(now_ms() - first.at_ms) < 600_000
    assert first.quality[:2].tolist() == [Quality.GOOD, Quality.GOOD]


def test_a_rebirth_request_as_a_foreign_node_reads_it(mosquitto: servers.Mosquitto, foreign: ForeignNode):
    bus = bus_of(mosquitto, {"id": "m1", "profile": "sparkplug_power_meter", "topic": "plant/gateway/meter"})
    driver, desk = driver_of(bus), Desk()

    async def story() -> None:
        await foreign.do("connect")
        async with running(driver.run(desk)):
            await until("the request", lambda: "commanded Node Control/Rebirth True" in foreign.lines)
            assert driver.counts.rebirths == 1

    asyncio.run(story())


def test_the_reader_of_payloads_agrees_with_protobuf():
    out = subprocess.run(
        [peers_python(), PEERS / "sparkplug_payloads.py", "2026", "3000"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    ).stdout
    read_by_both = 0
    for line in out.splitlines():
        state, digits, expected = line.split(" ", 2)
        theirs = json.loads(expected)
        try:
            ours = asdict(read_payload(b"" if digits == "-" else bytes.fromhex(digits)))
        except PayloadRefused:
            ours = None
        if state == "intact":
            assert ours is not None
            assert theirs is not None
        # Bytes that were tampered with may lie where the one looks and the other does not.
        if ours is not None and theirs is not None:
            read_by_both += 1
            ours["metrics"] = list(ours["metrics"])
            assert ours == theirs, line
    assert read_by_both > 1500


# -- Home Assistant -----------------------------------------------------------------------------------------

SITE = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, timezone: Asia/Taipei, language: zh-TW}}
store: {{path: energy.db}}
interval_s: 5
buses:
  - id: broker
    kind: mqtt
    host: 127.0.0.1
    port: {port}
    discovery_prefix: homeassistant
    devices:
      - {{id: water-main, profile: json_water_meter, topic: hall/water, stale_after_s: 3}}
      - {{id: floors-low, profile: plain_power, topic: hall/floors, stale_after_s: 3}}
meters:
  - {{id: water-main, name: {{zh-TW: 總水表, en: Water}}, commodity: water,
      counter: water-main.volume, max_rate: 300}}
  - {{id: floors, name: {{zh-TW: 低樓層, en: Low floors}}, commodity: electricity,
      counter: floors-low.energy_import, max_rate: 5000}}
  - {{id: all, name: {{zh-TW: 合計, en: All}}, commodity: electricity, formula: floors}}
"""


def test_home_assistant_is_told_of_every_meter(mosquitto: servers.Mosquitto, tmp_path: Path):
    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(port=mosquitto.port), encoding="utf-8")
    heard: dict[str, list[tuple[bytes, bool]]] = {}
    world = [sys.executable, "-m", "simulators", "--site", site, "--publish-every", "0.5"]
    daemon = [sys.executable, "-m", "monitor.cli.main", "run", "--site", site]
    installed = ["--installed", time.strftime("%Y-%m-%dT00:00:00+00:00", time.gmtime(time.time() - 86_400))]
    with (
        run_program([*world, *installed], name="simulators") as simulators,
        run_program(daemon, name="daemon") as program,
        client_of(mosquitto, "home-assistant") as home,
    ):
        home.on_message = lambda _, __, m: heard.setdefault(m.topic, []).append((m.payload, m.retain))
        home.subscribe([("homeassistant/#", 1), ("energy-monitor/#", 1)])
        simulators.wait_for_line("ready")
        for meter in ("water-main", "floors", "all"):
            topic = f"energy-monitor/hall/{meter}/state"
            wait_until(
                f"two totals of {meter}",
                lambda topic=topic: len({payload for payload, _ in heard.get(topic, ())}) >= 2,
                program,
                PATIENCE_S,
            )
    config = json.loads(heard["homeassistant/sensor/hall_water-main/config"][-1][0])
    # The keys that Home Assistant documents for an MQTT sensor and for discovery.
    assert config == {
        "name": "總水表",
        "unique_id": "hall_water-main",
        "object_id": "hall_water-main",
        "state_topic": "energy-monitor/hall/water-main/state",
        "json_attributes_topic": "energy-monitor/hall/water-main/attributes",
        "device_class": "water",
        "state_class": "total_increasing",
        "unit_of_measurement": "m³",
        "device": {
            "identifiers": ["energy-monitor-hall"],
            "name": "市政大樓",
            "model": "facility-energy-monitor",
        },
        "origin": {"name": "facility-energy-monitor"},
    }
    power = json.loads(heard["homeassistant/sensor/hall_all/config"][-1][0])
    assert (power["device_class"], power["unit_of_measurement"]) == ("energy", "kWh")
    for meter in ("water-main", "floors"):
        totals = [float(payload) for payload, _ in heard[f"energy-monitor/hall/{meter}/state"]]
        assert totals == sorted(totals)
        attributes = json.loads(heard[f"energy-monitor/hall/{meter}/attributes"][-1][0])
        assert attributes["quality"] in {"good", "estimated", "suspect"}
        assert attributes["interval_s"] == 5
    # All of it is kept by the broker for whoever comes later.
    kept: set[str] = set()
    with client_of(mosquitto, "home-assistant-again") as home:
        home.on_message = lambda _, __, m: kept.add(m.topic) if m.retain else None
        home.subscribe([("homeassistant/#", 1), ("energy-monitor/#", 1)])
        asyncio.run(until("what is kept", lambda: len(kept) >= 9))
    assert "homeassistant/sensor/hall_water-main/config" in kept
