"""Sparkplug B against programs that nobody here wrote: pysparkplug's edge node, and protobuf."""

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from drivers.contract import DeviceCondition
from drivers.refusals import PayloadRefused
from drivers.sparkplug_wire import read_payload
from rules.quality import Quality
from tests import servers
from tests.convention_world import PATIENCE_S, Desk, bus_of, driver_of, now_ms, running, until
from tests.servers.peers import peers_python

PEERS = Path(__file__).parents[1] / "peers"


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
