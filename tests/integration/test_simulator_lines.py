"""Simulated devices behind TLS, behind RTU gateways and on serial lines, read by our own driver."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.loading import load_site
from drivers.contract import DriverError
from monitor.clock import SystemClock
from monitor.wiring import build_driver
from rules.quality import Quality
from rules.scan import Scan
from simulators.building import Building
from simulators.control import ask
from simulators.rtu_server import Talk, check_sum, rtu_frame
from simulators.units import Units
from tests.servers import Program, free_port, run_program
from tests.servers.certificates import Authority
from tests.servers.modbus import serial_line

START = "2026-06-01T09:00:00+08:00"
START_S = 1_780_275_600.0
INSTALLED = "2026-05-01T00:00:00+08:00"
MODEL = Building(installed_s=1_777_564_800)

METERS = """\
    timeout_s: 10
    devices:
      - {id: main, profile: eastron_sdm630, unit: 1}
      - {id: floors-low, profile: schneider_pm5000, unit: 2}
"""
SITE = "site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}}\nbuses:\n"


def site_of(folder: Path, bus: str) -> Path:
    site = folder / "site.yaml"
    site.write_text(SITE + bus + METERS, encoding="utf-8")
    return site


@contextmanager
def running(site: Path, *options: str | Path) -> Iterator[Program]:
    # The world hardly moves, so that values can be compared with the model's.
    world = ["--installed", INSTALLED, "--start", START, "--speed", "0.001"]
    command = [sys.executable, "-m", "simulators", "--site", site, *world, *options]
    env = {"ENERGY_MONITOR_LANGUAGE": "en"}
    with run_program(command, name="simulators", env=env) as program:
        program.wait_for_line("^ready$")
        yield program


def read(site: Path, *devices: str) -> list[Scan]:
    loaded = load_site(site)

    async def scene() -> list[Scan]:
        driver = build_driver(loaded, loaded.site.buses[0], SystemClock())
        try:
            return [scan for device in devices for scan in await driver.read(device)]
        finally:
            await driver.close()

    return asyncio.run(scene())


def power_kw(device: str) -> float:
    return float(MODEL.rate(MODEL.source(device), START_S))


def assert_both_are_read(site: Path) -> None:
    for scan in read(site, "main", "floors-low"):
        power = scan.values[scan.layout.index("active_power_total")]
        assert power == pytest.approx(power_kw(scan.layout.device), rel=1e-3)
        assert (scan.quality == Quality.GOOD).all()


def refused(site: Path, *options: str | Path) -> str:
    """What is said of a world that is not served."""
    command = [sys.executable, "-m", "simulators", "--site", site, "--installed", INSTALLED, *options]
    program = Program(command, env={"ENERGY_MONITOR_LANGUAGE": "en"})
    try:
        assert program.wait() == 1, program.output
    finally:
        program.end()
    assert "Traceback" not in program.output
    return program.output


def test_devices_behind_tls(tmp_path: Path):
    made = Authority(tmp_path / "made")
    shown = made.sign("meters", alternatives="IP:127.0.0.1")
    bus = f"  - kind: modbus_tcp\n    id: secure\n    host: 127.0.0.1\n    port: {free_port()}\n"
    site = site_of(tmp_path, bus + "    tls: {ca: made/authority.pem}\n")
    with running(site, "--certificate", shown.file, "--key", shown.key):
        assert_both_are_read(site)
    stranger = Authority(tmp_path / "other").sign("meters", alternatives="IP:127.0.0.1")
    with (
        running(site, "--certificate", stranger.file, "--key", stranger.key),
        pytest.raises(DriverError) as caught,
    ):
        read(site, "main")
    assert caught.value.code == "driver.tls_unknown_authority"


def test_devices_with_tls_want_a_certificate(tmp_path: Path):
    bus = (
        f"  - kind: modbus_tcp\n    id: secure\n    host: 127.0.0.1\n    port: {free_port()}\n    tls: {{}}\n"
    )
    site = site_of(tmp_path, bus)
    assert "Bus 'secure' speaks TLS. Give --certificate and --key" in refused(site)
    assert "this certificate cannot be used" in refused(site, "--certificate", site)
    assert "'secure' is not plain Modbus TCP" in refused(site, "--server", "pymodbus")


def test_devices_behind_an_rtu_gateway(tmp_path: Path):
    bus = f"  - kind: modbus_rtu_tcp\n    id: gateway\n    host: 127.0.0.1\n    port: {free_port()}\n"
    site = site_of(tmp_path, bus)
    with running(site):
        assert_both_are_read(site)


def test_devices_on_a_serial_line_that_is_made_for_them(tmp_path: Path):
    line = tmp_path / "ttyMETERS"
    site = site_of(tmp_path, f"  - kind: modbus_rtu\n    id: serial\n    line: {line}\n    baud: 19200\n")
    with running(site) as program:
        assert f"line serial {line}" in program.lines
        assert_both_are_read(site)
        assert_both_are_read(site)  # the line outlives its clients
        assert program.terminate() == 0
    assert not line.is_symlink()


def test_devices_at_the_other_end_of_a_cable(tmp_path: Path):
    with serial_line(tmp_path) as (ours, theirs):
        site = site_of(tmp_path, f"  - kind: modbus_rtu\n    id: serial\n    line: {ours}\n    baud: 19200\n")
        assert "something is there already" in refused(site)
        with running(site, "--line", f"serial={theirs}") as program:
            assert f"line serial {theirs}" in program.lines
            assert_both_are_read(site)


def test_lines_that_cannot_be_had_are_told_with_the_cure(tmp_path: Path):
    site = site_of(tmp_path, f"  - kind: modbus_rtu\n    id: serial\n    line: {tmp_path}/no/line\n")
    assert "cannot be opened (No such file or directory)" in refused(site)
    assert "no such serial bus" in refused(site, "--line", "cereal=/dev/null")
    assert "cannot be opened" in refused(site, "--line", f"serial={tmp_path}/none")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A serial bus that is served, and the port of its control channel."""
    folder = tmp_path_factory.mktemp("line")
    bus = f"  - kind: modbus_rtu\n    id: serial\n    line: {folder}/line\n    baud: 115200\n"
    with running(site_of(folder, bus), "--control", "0") as program:
        yield bus, int(program.wait_for_line(r"^control (\d+)$")[1])


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "silent"},
        {"kind": "refusing", "code": 4},
        {"kind": "garbage", "bytes": 40},
        {"kind": "cutting"},
        {"kind": "cutting", "then": "close"},
        {"kind": "closing"},
        {"kind": "foreign_unit"},
        {"kind": "wrong_count", "by": 2},
    ],
)
def test_faults_happen_on_rtu_lines_too(tmp_path: Path, line: tuple[str, int], fault: dict):
    bus, control = line
    site = site_of(tmp_path, bus)
    impatient = tmp_path / "impatient.yaml"
    impatient.write_text(site.read_text("utf-8").replace("timeout_s: 10", "timeout_s: 0.3"), encoding="utf-8")
    assert "number" in ask(control, {"set": {"device": "main", **fault}})
    # Refused registers are missing values; without a right answer there is no reading at all.
    assert came_of(impatient) == ("missing" if fault["kind"] == "refusing" else "nothing")
    assert ask(control, {"clear": "*"}) == {"cleared": 1}
    assert_both_are_read(site)


def came_of(site: Path) -> str:
    try:
        (scan,) = read(site, "main")
    except DriverError:
        return "nothing"
    return "missing" if (scan.quality == Quality.MISSING).all() else "values"


def test_a_line_hears_through_noise_and_keeps_still_for_strangers():
    class Echo(Units):
        def answer(self, unit: int, pdu: bytes) -> bytes:
            return pdu[:1] + bytes((unit,))

    said: list[bytes] = []
    units = Echo({1: None, 2: None}, lambda: 0.0)  # type: ignore[dict-item]
    talk = Talk(units, said.append, lambda: None)
    question = rtu_frame(0, 1, b"\x03\x00\x00\x00\x02")
    assert question.hex() == "010300000002c40b"  # as the specification's own example ends
    talk.hear(question, 1.0)
    talk.hear(b"\x00" + question[:3], 2.0)
    talk.hear(question[3:], 2.1)
    talk.hear(b"\x07\x10\x00\x00\x00\x7b\xf6", 3.0)  # the beginning of a question that never ends
    talk.hear(question, 4.0)
    assert said == [rtu_frame(0, 1, b"\x03\x01")] * 3
    talk.hear(rtu_frame(0, 9, b"\x03\x00\x00\x00\x02") + rtu_frame(0, 0, b"\x06\x00\x01\x00\x02"), 5.0)
    assert len(said) == 3
    talk.hear(rtu_frame(0, 2, b"\x64\x01\x02\x03") + question, 6.0)  # a function that nobody knows
    assert said[3] == rtu_frame(0, 2, b"\x64\x02") + rtu_frame(0, 1, b"\x03\x01")
    assert check_sum(b"123456789") == (0x4B37).to_bytes(2, "little")
