"""Messages of QoS 1 taken in as fast as it goes, beside who else could take them.

``backlog``: what the broker kept for us while we were away. ``live``: what is being published meanwhile.
Each candidate has a session of its own; the messages are 150 bytes of JSON from 100 devices. Time runs
to the last acknowledgement; for us each message has been decoded, validated, counted and committed
(synchronous FULL) before. ``python benchmarks/mqtt.py`` prints all of them, each in a process of its own, in
turn in one run, with the processor's time a message, which a busy machine changes less than the rate.
"""

import argparse
import asyncio
import itertools
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from config.profiles import load_profile
from drivers.mqtt import MqttDriver
from drivers.mqtt_profile import MqttProfile
from drivers.settings import MqttBus
from monitor.clock import SystemClock
from monitor.collector import Collector
from monitor.pipeline import Pipeline
from monitor.store.database import open_writer
from monitor.store.writer import Writer, register_layouts
from monitor.turns import spare_the_collector, take_short_turns
from monitor.wiring import Meter
from rules.counters import CounterLimits
from rules.metering import MeterRules
from tests import servers

MESSAGES, DEVICES, WINDOW, ROUNDS = 20_000, 100, 1000, 5
PATIENCE_S = 60.0
HERE = Path(__file__).parent
HOST = servers.Mosquitto.host


@contextmanager
def broker() -> Iterator[int]:
    """A broker that keeps all it gets, in memory, for the time of the measurements; its port."""
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.mosquitto(Path(folder), "max_queued_messages 0", persistent=False) as one,
    ):
        yield one.port


# -- what is waiting ------------------------------------------------------------------------------------


def _messages(began_ms: int) -> bytes:
    """All messages as packets of MQTT 3.1.1, each device a second apart."""
    packets = bytearray()
    for n in range(MESSAGES):
        topic = f"bench/{n % DEVICES}".encode()
        at_ms = began_ms + 1000 * (n // DEVICES)
        value = f'"flow_m3h":{n % 40}.25,"volume_m3":{n * 0.01:.2f}'
        text = f'{{"ts":{at_ms},"v":{{{value}}},"id":"water-{n % DEVICES}"'
        payload = (text + ',"note":"' + "x" * max(0, 138 - len(text)) + '"}').encode()
        body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", n % 65535 + 1) + payload
        packets += bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body
    return bytes(packets)


def publish(port: int) -> None:
    """Publish all as fast as the broker takes it, when told to on standard input: a program of its own."""
    packets = _messages(time.time_ns() // 1_000_000 - 3_600_000)
    with socket.create_connection((HOST, port)) as wire:
        wire.settimeout(PATIENCE_S)
        wire.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04load")
        print("ready", flush=True)
        sys.stdin.readline()
        sender = threading.Thread(target=wire.sendall, args=(packets,))
        sender.start()
        expected, got = 4 + 4 * MESSAGES, 0
        while got < expected:
            got += len(wire.recv(65536))
        sender.join()


@contextmanager
def _publisher(port: int) -> Iterator[Callable[[], None]]:
    command = [sys.executable, __file__, "publish", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"

        def go() -> None:
            process.stdin.write(b"go\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]

        yield go


def _keep_session(port: int, client_id: str, version: str) -> None:
    """Let the broker know of a session, empty, with its subscription."""
    for start_anew in (True, False):
        is_5 = version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if is_5 else start_anew,
            protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
        )
        ready = threading.Event()
        client.on_connect = lambda c, *_: c.subscribe("bench/+", 1)
        client.on_subscribe = lambda *_: ready.set()  # noqa: B023  used in this round only
        _connect(client, port, is_5, start_anew)
        client.loop_start()
        assert ready.wait(PATIENCE_S)
        client.disconnect()
        client.loop_stop()


def _connect(client: Client, port: int, is_5: bool, start_anew: bool) -> None:
    options: dict[str, Any] = {}
    if is_5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval, properties.ReceiveMaximum = 3600, WINDOW
        options = {"clean_start": start_anew, "properties": properties}
    client.connect(HOST, port, **options)


# -- who takes it in ------------------------------------------------------------------------------------


class Taken(NamedTuple):
    """Messages a second, and microseconds of processor a message."""

    rate: float
    cpu_us: float


@contextmanager
def _clocked(taken: list[Taken]) -> Iterator[None]:
    """Time the taking in alone, not what is made ready for it."""
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()
    yield
    elapsed_s, cpu_s = time.perf_counter() - began_s, _cpu_s() - began_cpu_s
    taken.append(Taken(MESSAGES / elapsed_s, cpu_s / MESSAGES * 1e6))


def _cpu_s() -> float:
    """Of this process, and of the children that have ended: the publisher of a live run ends later."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _taken(
    port: int, client_id: str, version: str, take: Callable[[list[Taken]], None], is_live: bool
) -> Taken:
    _keep_session(port, client_id, version)
    taken: list[Taken] = []
    with _publisher(port) as go:
        go()
        if is_live:
            take(taken)
    if not is_live:
        take(taken)
    return taken[0]


def mosquitto_sub(port: int, version: str, is_live: bool) -> Taken:
    """The C client: it acknowledges at once and prints to nowhere."""
    if servers.find_program("mosquitto_sub") is None:
        raise SystemExit("mosquitto_sub is not here: apt-get install mosquitto-clients")
    more = (
        ["-V", "5", "-x", "3600", "-D", "connect", "receive-maximum", str(WINDOW)] if version == "5" else []
    )
    command = ["mosquitto_sub", "-p", str(port), "-i", "c", "-c", "-q", "1", "-t", "bench/+"]

    def take(taken: list[Taken]) -> None:
        with _clocked(taken):
            subprocess.run([*command, *more, "-C", str(MESSAGES)], stdout=subprocess.DEVNULL, check=True)

    return _taken(port, "c", version, take, is_live)


def bare_paho(port: int, version: str, is_live: bool) -> Taken:
    """paho's own thread, a callback that counts, acknowledged at once."""

    def take(taken: list[Taken]) -> None:
        is_5, count, done = version == "5", iter(range(1, MESSAGES + 1)), threading.Event()
        client = Client(
            CallbackAPIVersion.VERSION2,
            "paho",
            clean_session=None if is_5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
        )
        client.on_message = lambda *_: done.set() if next(count) == MESSAGES else None
        with _clocked(taken):
            _connect(client, port, is_5, start_anew=False)
            client.loop_start()
            assert done.wait(PATIENCE_S)
        client.disconnect()
        client.loop_stop()

    return _taken(port, "paho", version, take, is_live)


def ours(port: int, version: str, is_live: bool) -> Taken:
    """The daemon's whole way: driver, pipeline, a meter a device, the store."""
    return _taken(port, "ours", version, lambda taken: uvloop.run(_take_in(port, version, taken)), is_live)


async def _take_in(port: int, version: str, taken: list[Taken]) -> None:
    profile = load_profile("json_water_meter")
    assert isinstance(profile, MqttProfile)
    devices = [{"id": f"w{n}", "profile": "json_water_meter", "topic": f"bench/{n}"} for n in range(DEVICES)]
    where = {"host": HOST, "port": port, "version": version}
    bus = MqttBus.model_validate({"kind": "mqtt", "id": "b", "devices": devices, **where})
    driver = MqttDriver(
        bus, {"json_water_meter": profile}, client_id="ours", password=None, clock_ms=SystemClock().now_ms
    )
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        engine = open_writer(Path(folder) / "b.db")
        writer = Writer(engine, "s")
        writer.start()
        layouts = driver.layouts
        ids = register_layouts(engine, "s", layouts)
        rules = MeterRules(CounterLimits(1e6), 900, 10_000)
        meters = [Meter(one.device, one.key, one.index("volume"), None, rules) for one in layouts]
        pipeline = Pipeline(
            {one.key: (ids[one.key], one) for one in layouts},
            meters,
            writer.submit,
            clock_ms=SystemClock().now_ms,
            interval_s=900,
        )
        spare_the_collector()
        take_short_turns()
        collector = Collector({"b": driver}, pipeline, writer.submit, SystemClock())
        with _clocked(taken):
            running = asyncio.create_task(collector.run())
            while driver.counts.scans < MESSAGES or writer.waiting():  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)
        running.cancel()
        await asyncio.wait([running])
        writer.close()
        engine.dispose()


CANDIDATES = {"mosquitto_sub": mosquitto_sub, "bare paho": bare_paho, "ours": ours}


def _once(who: str, port: int, version: str, is_live: bool) -> Taken:
    """One round of one candidate, in a process that nobody has used before."""
    command = [sys.executable, __file__, who, str(port), version, str(int(is_live))]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return Taken(*map(float, said.split()))


def main() -> int:
    """Print all of them, in turn."""
    if sys.argv[1:2] == ["publish"]:
        publish(int(sys.argv[2]))
        return 0
    if sys.argv[1:2] and sys.argv[1] in CANDIDATES:
        who, port, version, is_live = sys.argv[1:]
        print(*CANDIDATES[who](int(port), version, is_live == "1"))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    wishes = parser.parse_args()
    print("| what | who | messages/s | of mosquitto_sub | CPU us each |\n| --- | --- | --- | --- | --- |")
    for is_live, version in itertools.product((False, True), ("5", "3.1.1")):
        with broker() as port:
            rounds = [
                {who: _once(who, port, version, is_live) for who in CANDIDATES} for _ in range(wishes.rounds)
            ]
        for name in CANDIDATES:
            rate = statistics.median(one[name].rate for one in rounds)
            ratio = statistics.median(one[name].rate / one["mosquitto_sub"].rate for one in rounds)
            cpu_us = statistics.median(one[name].cpu_us for one in rounds)
            what = f"{'live' if is_live else 'backlog'}, MQTT {version}"
            print(f"| {what} | {name} | {rate:,.0f} | {ratio:.2f} | {cpu_us:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
