"""Every Modbus profile over a socket: served by the simulator, read by the driver, written by a stranger."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from config.profiles import load_profile, profile_names
from drivers.modbus import ModbusDriver
from drivers.modbus_profile import ModbusProfile, RegisterPoint, RegisterType, Table, register_points
from drivers.planner import plan_reads
from drivers.profile import is_counter
from drivers.settings import ModbusTcpBus
from rules.quality import Quality
from rules.scan import Scan
from simulators.building import Building
from simulators.devices import SimulatedDevice
from simulators.modbus_server import ModbusServer
from tests.modbus_world import PATIENT_S

NOON_S = 1_499_832_000.5  # 2017-07-12 12:00 in Taipei
MODEL = Building(installed_s=1_498_838_400)  # eleven days before: counters in every register's range
UNIT = 7
MODBUS = {
    name: profile for name in profile_names() if isinstance(profile := load_profile(name), ModbusProfile)
}
WRITABLE = [
    pytest.param(name, point, id=f"{name}.{point}")
    for name, profile in MODBUS.items()
    for point, settings in profile.points.items()
    if settings.writable
]


class Bench:
    """One simulated device on a socket, the driver that reads it, and somebody else's client beside it."""

    def __init__(self, profile: ModbusProfile, port: int, device: SimulatedDevice) -> None:
        self.profile = profile
        self.device = device
        self.peer = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=PATIENT_S, retries=0)
        bus = {"kind": "modbus_tcp", "id": "bus", "host": "127.0.0.1", "port": port, "timeout_s": PATIENT_S}
        devices = [{"id": "meter-1", "profile": profile.profile, "unit": UNIT}]
        self._driver = ModbusDriver(
            ModbusTcpBus.model_validate({**bus, "devices": devices}),
            {profile.profile: profile},
            lambda: int(NOON_S * 1000),
        )

    async def read(self) -> dict[str, tuple[float, Quality]]:
        """Every point as the driver delivers it."""
        (scan,) = await self._driver.read("meter-1")
        assert isinstance(scan, Scan)
        names = [spec.name for spec in scan.layout.points]
        qualities = map(Quality, scan.quality.tolist())
        return dict(zip(names, zip(scan.values.tolist(), qualities, strict=True), strict=True))

    async def value(self, name: str) -> float:
        """One point as the driver delivers it."""
        value, quality = (await self.read())[name]
        assert quality is Quality.GOOD
        return value

    async def write(self, name: str, value: float) -> int:
        """Write a point as a foreign client does; the exception code, 0 when it is taken."""
        point = next(point for point in register_points(self.profile) if point.name == name)
        assert (point.table, point.type.words) == (Table.HOLDING, 1)
        raw = round((value - point.offset) / point.scale)
        return await self.poke(point.address, raw & 0xFFFF)

    async def poke(self, address: int, raw: int) -> int:
        """Write one register; the exception code, 0 when it is taken."""
        await self.peer.connect()
        answer = await self.peer.write_register(address, raw, device_id=UNIT)
        return int(answer.exception_code) if answer.isError() else 0


@contextlib.asynccontextmanager
async def bench(name: str) -> AsyncIterator[Bench]:
    profile = MODBUS[name]
    device = SimulatedDevice("meter-1", profile, MODEL)
    server = ModbusServer({UNIT: device}, lambda: NOON_S)
    port = await server.start("127.0.0.1", 0)
    made = Bench(profile, port, device)
    try:
        yield made
    finally:
        made.peer.close()
        await server.close()


def step(point: RegisterPoint) -> float:
    """The smallest difference that the register shows, in the product's unit, its factors taken as 1."""
    finest = point.parts[-1] if point.parts else point
    if finest.type in (RegisterType.F32, RegisterType.F64):
        return 0.0
    return abs(point.scale) * (finest.scale if point.parts else 1.0)


def apart(point: RegisterPoint, found: float, wanted: float) -> float:
    """How far two readings are from each other; a counter's register starts again when it is full."""
    difference = abs(found - wanted)
    if not is_counter(point.name) or point.type in (RegisterType.F32, RegisterType.F64):
        return difference
    bits = 16 * point.type.words - (point.type.value[0] == "i")
    full = (1e8 if point.type is RegisterType.MOD10K else 2.0**bits) * point.scale
    return min(difference % full, -difference % full)


@pytest.mark.parametrize("name", MODBUS)
def test_the_driver_reads_what_the_simulator_shows(name: str):
    async def scenario() -> None:
        async with bench(name) as on:
            read = await on.read()
            assert list(read) == list(on.profile.points)
            for point in register_points(on.profile):
                value, quality = read[point.name]
                assert quality is Quality.GOOD, point.name
                wanted = on.device.value(point.name, NOON_S)
                assert apart(point, value, wanted) <= 1.01 * step(point) + 2e-7 * abs(wanted), point.name
                low, high = on.profile.points[point.name].valid or (-math.inf, math.inf)
                assert low <= value <= high, point.name

    asyncio.run(scenario())


@pytest.mark.parametrize("name", MODBUS)
def test_requests_keep_to_what_the_device_bears(name: str):
    limits = MODBUS[name].limits
    blocks = plan_reads(register_points(MODBUS[name]), limits)
    assert sorted(place for block in blocks for place in block.places) == list(
        range(len(MODBUS[name].points))
    )
    for block in blocks:
        assert 1 <= block.count <= limits.max_regs
        assert not (limits.even_count and block.count % 2)
        for first, last in limits.never_read:
            assert block.start + block.count <= first or last < block.start


@pytest.mark.parametrize(("name", "point"), WRITABLE)
def test_a_set_point_is_taken_within_its_range_and_refused_beyond(name: str, point: str):
    async def scenario() -> None:
        async with bench(name) as on:
            writable = on.profile.points[point].writable
            assert writable is not None
            low, high = writable.between
            resolution = next(step(found) for found in register_points(on.profile) if found.name == point)
            for value in (low, high, round((low + high) / 2)):
                assert await on.write(point, value) == 0
                assert await on.value(point) == pytest.approx(value, abs=resolution)
                if writable.read_back:
                    assert await on.value(writable.read_back) == pytest.approx(value, abs=resolution)
            kept = await on.value(point)
            for value in (low - 3, high + 3):
                assert await on.write(point, value) == 3
            assert await on.value(point) == kept
            if writable.release is not None:
                assert await on.write(point, writable.release) == 0
                assert await on.value(point) == writable.release

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "address", "raw"),
    [
        ("dent_powerscout", 4065, 1234),  # would clear every energy counter
        ("dent_powerscout", 4601, 3),
        ("danfoss_fc102", 49999, 0x047C),
        ("abb_acx580", 0, 0x047F),
        ("yaskawa_a1000", 1, 1),
        ("carrier_30xv", 16385, 1),
        ("daikin_microtech3", 0, 0),
        ("socomec_countis_e24", 50956, 0),
    ],
)
def test_command_words_and_counters_are_not_writable(name: str, address: int, raw: int):
    async def scenario() -> None:
        async with bench(name) as on:
            assert await on.poke(address, raw) == 2

    asyncio.run(scenario())
