"""``python -m simulators`` as a process: real ports, a real broker, a good end."""

import asyncio
import json
import queue
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import AsyncModbusTcpClient

from simulators.building import Building
from tests.servers import PATIENCE_S, Mosquitto, Program, free_port, run_program

START = "2026-06-01T09:00:00+08:00"
START_S = 1_780_275_600.0
INSTALLED = "2026-05-01T00:00:00+08:00"
MODEL = Building(installed_s=1_777_564_800)

SITE = """\
site:
  id: hall
  name: {{zh-TW: 市政大樓, en: City Hall}}
buses:
  - kind: modbus_tcp
    id: basement
    host: 127.0.0.1
    port: {gateway}
    devices:
      - {{id: main, profile: siemens_pac3200, unit: 1}}
      - {{id: chiller-1, profile: trane_pic_rthd, unit: 2}}
      - {{id: floors-high, profile: eastron_sdm630, unit: 1, port: {alone}, word_order: little}}
"""
BROKER = """\
  - kind: mqtt
    id: water
    host: 127.0.0.1
    port: {broker}
    version: "{version}"
    devices:
      - {{id: water-main, profile: json_water_meter, topic: hall/water}}
      - {{id: weather, profile: json_weather_station, topic: hall/weather}}
"""


def simulators(*options: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "simulators", *options]


@contextmanager
def running(*options: str | Path) -> Iterator[Program]:
    with run_program(simulators("--installed", INSTALLED, *options), name="simulators") as program:
        program.wait_for_line("^ready$")
        yield program


def registers(port: int, address: int, count: int, unit: int = 1, kind: str = "holding") -> list[int]:
    async def ask() -> list[int]:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=PATIENCE_S, reconnect_delay=0)
        assert await client.connect()
        read = client.read_holding_registers if kind == "holding" else client.read_input_registers
        try:
            answer = await read(address, count=count, device_id=unit)
            assert not answer.isError(), answer
            return list(answer.registers)
        finally:
            client.close()

    return asyncio.run(ask())


def number(words: list[int], kind: str) -> float:
    datatype = AsyncModbusTcpClient.DATATYPE[kind]
    found = AsyncModbusTcpClient.convert_from_registers(words, datatype)
    assert isinstance(found, float)
    return found


def test_a_site_files_devices_answer_where_it_says(tmp_path: Path):
    gateway, alone = free_port(), free_port()
    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(gateway=gateway, alone=alone), encoding="utf-8")
    with running("--site", site, "--start", START, "--speed", "0.001") as program:
        energy_wh = number(registers(gateway, 801, 4), "FLOAT64")
        assert energy_wh == pytest.approx(MODEL.at(START_S).counter(MODEL.source("main")) * 1000, rel=1e-6)
        low_word_first = registers(alone, 52, 2, kind="input")
        power_w = number(low_word_first[::-1], "FLOAT32")
        assert power_w == pytest.approx(
            float(MODEL.rate(MODEL.source("floors-high"), START_S)) * 1000, rel=1e-3
        )
        assert registers(gateway, 1, 1, unit=2, kind="input") == [520]
        assert program.terminate() == 0
        assert program.lines == ["ready"]
        assert not program.children_left()
    for port in (gateway, alone):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_world_may_run_faster_than_the_clock(tmp_path: Path):
    gateway = free_port()
    site = tmp_path / "site.yaml"
    site.write_text(SITE.format(gateway=gateway, alone=free_port()), encoding="utf-8")
    with running("--site", site, "--start", START, "--speed", "100000") as program:
        before_wh = number(registers(gateway, 801, 4), "FLOAT64")
        after_wh = number(registers(gateway, 801, 4), "FLOAT64")
        assert after_wh > before_wh
        program.interrupt()
        assert program.wait() == 0


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_mqtt_devices_publish_and_come_back_after_the_broker(
    tmp_path: Path, mosquitto: Mosquitto, version: str
):
    site = tmp_path / "site.yaml"
    text = SITE.format(gateway=free_port(), alone=free_port())
    site.write_text(text + BROKER.format(broker=mosquitto.port, version=version), encoding="utf-8")
    with running("--site", site, "--publish-every", "0.1") as program:
        for _ in range(2):
            water, weather = (heard(mosquitto, topic) for topic in ("hall/water", "hall/weather"))
            at = instant_s(water["ts"])
            assert water["v"]["volume_m3"] == pytest.approx(
                float(MODEL.counter(MODEL.source("water-main", "water"), at)), rel=1e-10
            )
            assert weather["v"]["temperature_c"] == pytest.approx(
                float(MODEL.gauge("dry_bulb_c", instant_s(weather["ts"]))), rel=1e-10
            )
            mosquitto.stop()
            mosquitto.start()
        assert program.terminate() == 0


def test_it_ends_although_the_broker_is_away(tmp_path: Path):
    site = tmp_path / "site.yaml"
    text = SITE.format(gateway=free_port(), alone=free_port())
    site.write_text(text + BROKER.format(broker=free_port(), version="5"), encoding="utf-8")
    with running("--site", site) as program:
        assert program.terminate() == 0


def test_a_world_file_does_without_a_site(tmp_path: Path):
    port = free_port()
    world = tmp_path / "world.yaml"
    devices = "\n".join(
        f"      - {{id: meter-{n:03}, profile: schneider_pm5000, unit: {n}}}" for n in range(1, 101)
    )
    world.write_text(
        f"seed: 5\ninstalled: {INSTALLED}\nbuses:\n  - kind: modbus_tcp\n    id: many\n    host: 127.0.0.1\n"
        f"    port: {port}\n    devices:\n{devices}\n"
    )
    with run_program(
        simulators("--world", world, "--start", START, "--hold", "60"), name="simulators"
    ) as program:
        program.wait_for_line("^ready$")
        power_kw = {unit: number(registers(port, 3059, 2, unit=unit), "FLOAT32") for unit in (1, 50, 100)}
        assert len(set(power_kw.values())) == 3
        assert number(registers(port, 3059, 2, unit=50), "FLOAT32") == power_kw[50]
        program.signal(signal.SIGINT)
        assert program.wait() == 0


def test_a_taken_port_is_told_with_the_cure(tmp_path: Path):
    site = tmp_path / "site.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site.write_text(SITE.format(gateway=port, alone=free_port()), encoding="utf-8")
        program = Program(
            simulators("--installed", INSTALLED, "--site", site), env={"ENERGY_MONITOR_LANGUAGE": "en"}
        )
        try:
            assert program.wait() == 1
        finally:
            program.end()
    assert f"127.0.0.1:{port}: cannot listen here" in program.output
    assert "Traceback" not in program.output


METER = "{kind: modbus_tcp, id: a, host: 127.0.0.1, devices: [{id: a, profile: eastron_sdm630}]}"
TWINS = METER.replace("}]}", "}, {id: b, profile: eastron_sdm630}]}")


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        ("buses: 3\n", (), 2, "world.yaml:1:8"),
        (f"buses: [{METER}]\nsead: 1\n", (), 2, "'seed'"),
        (f"buses: [{METER.replace('sdm630', 'sdm631')}]\n", (), 2, "eastron_sdm630"),
        (f"buses: [{TWINS}]\n", (), 1, "both claim unit 1"),
        (f"buses: [{METER}]\n", ("--start", "2001-01-01T00:00:00Z"), 1, "before its meters were installed"),
        ("", ("--start", "2026-01-01"), 2, "no offset from UTC"),
        ("", ("--speed", "-1"), 2, "not a number above 0"),
    ],
)
def test_a_wrong_world_is_told_in_words(
    tmp_path: Path, text: str, options: tuple[str, ...], code: int, words: str
):
    world = tmp_path / "world.yaml"
    world.write_text(text)
    program = Program(simulators("--world", world, *options), env={"ENERGY_MONITOR_LANGUAGE": "en"})
    try:
        assert program.wait() == code, program.output
    finally:
        program.end()
    assert words in program.output
    assert "Traceback" not in program.output


def instant_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def heard(broker: Mosquitto, topic: str) -> dict:
    """The next message on a topic."""
    messages: queue.Queue[bytes | bytearray] = queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2)

    def subscribe(*_: object) -> None:
        client.subscribe(topic, qos=1)

    client.on_connect = subscribe
    client.on_message = lambda _client, _data, message: messages.put(message.payload)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        found: dict = json.loads(messages.get(timeout=PATIENCE_S))
        return found
    finally:
        client.disconnect()
        client.loop_stop()
