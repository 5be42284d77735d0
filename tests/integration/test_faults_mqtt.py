"""MQTT devices that misbehave and brokers that vanish: what the engineer sees, and what is booked."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers import Mosquitto, mosquitto
from tests.servers.halls import Hall, running_hall

INTERVAL_S = 2
FAMILIES = {"victim": "water", "neighbour": "water"}
SITE = """\
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}, language: en}}
store: {{path: energy.db}}
interval_s: {interval}
commodities: {{water: {{base_year: 2016, meters: [victim, neighbour]}}}}
buses:
  - kind: mqtt
    id: broker
    host: 127.0.0.1
    port: {port}
    keepalive_s: 5
    devices:
      - {{id: victim, profile: json_water_meter, topic: hall/victim, stale_after_s: 3}}
      - {{id: neighbour, profile: json_water_meter, topic: hall/neighbour, stale_after_s: 3}}
meters:
  - {{id: victim, name: {{zh-TW: 甲, en: A}}, commodity: water, counter: victim.volume, rate: victim.flow,
     max_rate: 100}}
  - {{id: neighbour, name: {{zh-TW: 乙, en: B}}, commodity: water, counter: neighbour.volume,
     rate: neighbour.flow, max_rate: 100}}
"""


class Between:
    """A proxy before the broker, told what to do by lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line().split()[1])

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def become(self, mood: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(mood + "\n")
        self._process.stdin.flush()
        assert self._line() == mood + "\n"


@contextmanager
def between(broker: Mosquitto) -> Iterator[Between]:
    command = [sys.executable, "-m", "simulators.proxy", "0", f"{broker.host}:{broker.port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Between(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(90)


@pytest.fixture(scope="module")
def hall_and_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hall, Between]]:
    folder = tmp_path_factory.mktemp("hall")
    with mosquitto(folder / "mosquitto") as broker, between(broker) as proxy:
        # The world's devices and the daemon both reach the broker through the proxy.
        text = SITE.format(interval=INTERVAL_S, port=proxy.port)
        with running_hall(folder, text, "victim", "--publish-every", "0.5", families=FAMILIES) as hall:
            for device in FAMILIES:
                hall.wait_for_condition(device, "online")
            yield hall, proxy


@pytest.fixture
def hall(hall_and_proxy: tuple[Hall, Between]) -> Hall:
    return hall_and_proxy[0]


@pytest.fixture
def proxy(hall_and_proxy: tuple[Hall, Between]) -> Between:
    return hall_and_proxy[1]


def assert_right_from(hall: Hall, began_s: float) -> None:
    """Every interval since the instant is there, and together they are what was used."""
    ended_s = time.time()
    for meter in FAMILIES:
        hall.wait_for_interval_after(meter, ended_s)
        rows = [row for row in hall.intervals(meter) if row[0] >= began_s - INTERVAL_S]
        assert [row[0] for row in rows] == list(range(rows[0][0], rows[-1][0] + 1, INTERVAL_S)), meter
        assert all(0 <= row[2] <= 100 * row[1] / 3600 for row in rows), meter
        used = hall.used(meter, rows[0][0], rows[-1][0] + INTERVAL_S)
        assert sum(row[2] for row in rows) == pytest.approx(used, rel=1e-3, abs=1e-4), meter


def assert_registers_right(hall: Hall, device: str, after: int) -> None:
    """Whatever was kept is what the meter showed at that instant."""
    for at_ms, values, _ in hall.scans(device, after):
        assert values["volume"] == pytest.approx(hall.register(device, at_ms / 1000), rel=1e-6, abs=1e-6)


def test_a_silent_device_is_offline_and_its_neighbour_is_not(hall: Hall):
    began_s = time.time()
    with hall.fault("victim", "silent"):
        assert hall.wait_for_condition("victim", "offline") == "mqtt.silent"
        hall.wait_for_scans("neighbour")
        hall.wait_for_condition("neighbour", "online")
    hall.wait_for_condition("victim", "online")
    assert_right_from(hall, began_s)


def test_garbage_is_told_and_never_booked(hall: Hall):
    after, began_s = hall.last_scan(), time.time()
    with hall.fault("victim", "garbage", bytes=60):
        assert hall.wait_for_condition("victim", "degraded", "offline") != ""
        hall.wait_for_scans("neighbour")
        hall.wait_for_condition("neighbour", "online")
    hall.wait_for_condition("victim", "online")
    assert_registers_right(hall, "victim", after)
    assert_right_from(hall, began_s)


@pytest.mark.scenario(15)
def test_duplicates_count_once(hall: Hall):
    began_s = time.time()
    with hall.fault("victim", "duplicate"):
        hall.wait_for_scans("victim", 6)
    assert_right_from(hall, began_s)


@pytest.mark.scenario(17)
def test_older_messages_between_newer_ones_change_nothing(hall: Hall):
    after, began_s = hall.last_scan(), time.time()
    with hall.fault("victim", "disordered", age_s=3):
        hall.wait_for_scans("victim", 8)
    assert_registers_right(hall, "victim", after)
    assert_right_from(hall, began_s)


def test_nan_in_a_payload_is_no_value(hall: Hall):
    began_s = time.time()
    with hall.fault("victim", "invalid"):
        hall.wait_for_interval_after("neighbour", began_s)
    hall.wait_for_condition("victim", "online")
    assert_right_from(hall, began_s)


def test_a_spurious_zero_is_refused(hall: Hall):
    began_s = time.time()
    with hall.fault("victim", "zero", times=1):
        hall.wait_for_scans("victim", 4)
    assert_right_from(hall, began_s)
    refused = hall.rows("SELECT code FROM refusals WHERE meter = 'victim' AND value = 0")
    assert ("backward",) in refused


@pytest.mark.parametrize("mood", ["refuse", "stall"])
def test_a_broker_that_vanishes_takes_its_devices_offline_and_brings_them_back(
    hall: Hall, proxy: Between, mood: str
):
    began_s = time.time()
    proxy.become(mood)
    try:
        for device in FAMILIES:
            hall.wait_for_condition(device, "offline")
    finally:
        proxy.become("through")
    for device in FAMILIES:
        hall.wait_for_condition(device, "online")
    assert_right_from(hall, began_s)


def test_cut_off_connections_are_dialled_again(hall: Hall, proxy: Between):
    began_s = time.time()
    proxy.become("cut")
    for device in FAMILIES:
        hall.wait_for_scans(device)
        hall.wait_for_condition(device, "online")
    assert_right_from(hall, began_s)


@pytest.mark.scenario(16)
def test_an_old_message_that_the_broker_kept_is_not_booked_as_now(hall: Hall, proxy: Between):
    after, began_s = hall.last_scan(), time.time()
    with hall.fault("victim", "retained", age_s=300, times=2):
        hall.wait_for_scans("neighbour")
    # Whoever subscribes anew gets what the broker kept.
    proxy.become("cut")
    hall.wait_for_scans("victim", 4)
    assert_registers_right(hall, "victim", after)
    assert_right_from(hall, began_s)
