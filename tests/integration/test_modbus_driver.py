"""The Modbus driver over real sockets: foreign servers, one that misbehaves on request, dead far ends."""

import asyncio
import gzip
import struct
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.contract import DeviceCondition, Garbled, NoAnswer, Refused, Unreachable
from drivers.modbus import ModbusDriver
from drivers.modbus_profile import ModbusProfile
from drivers.settings import ModbusTcpBus
from rules.quality import Quality
from tests.servers import free_port, require_program, run_program

EXAMPLES = Path("/usr/share/doc/libmodbus-dev/examples")


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def profile(points, **rest) -> ModbusProfile:
    facts = {"profile": "test", "version": 1, "maker": "m", "model": "m", "family": "electricity"}
    return ModbusProfile.model_validate({**facts, "source": ["a test"], "points": points, **rest})


METER = profile(
    {
        "active_power_total": {"address": 0, "type": "f32", "unit": "W"},
        "energy_import": {"address": 2, "type": "u32", "unit": "kWh", "scale": 0.1},
        "frequency": {"address": 40, "type": "u16", "unit": "Hz", "scale": 0.01},
    },
    probe={"point": "frequency", "between": [45, 65]},
)


def driver(devices, one_profile=METER, **bus) -> ModbusDriver:
    settings = {"kind": "modbus_tcp", "id": "b", "every_s": 0.05, "timeout_s": 0.4, **bus}
    settings["devices"] = [{"profile": "test", **device} for device in devices]
    return ModbusDriver(ModbusTcpBus.model_validate(settings), {"test": one_profile}, clock_ms)


class Inbox:
    """Keeps what a driver delivers, and lets a test wait for it."""

    def __init__(self):
        self.scans, self.told = [], []
        self._news = asyncio.Event()

    def scan(self, scan, on_commit=None):
        self.scans.append(scan)
        self._news.set()

    def news(self, news):
        self.told.append(news)
        self._news.set()

    def of(self, device):
        return [scan for scan in self.scans if scan.layout.device == device]

    async def until(self, condition, seconds=10.0):
        async with asyncio.timeout(seconds):
            while not condition(self):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def running(one: ModbusDriver):
    inbox = Inbox()
    task = asyncio.create_task(one.run(inbox))
    try:
        yield inbox
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await one.close()


@asynccontextmanager
async def foreign_server(port: int, *units: int):
    """Pymodbus's own server: somebody else's idea of the protocol."""
    words = [
        *struct.unpack(">HH", struct.pack(">f", 412_500.0)),
        *struct.unpack(">HH", struct.pack(">I", 12345)),
    ]
    devices = [
        SimDevice(
            unit,
            simdata=[
                SimData(0, values=words, datatype=DataType.REGISTERS),
                SimData(40, values=[5998], datatype=DataType.REGISTERS),
            ],
        )
        for unit in units
    ]
    server = ModbusTcpServer(devices, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield server
    finally:
        await server.shutdown()


@asynccontextmanager
async def scripted(port: int, answer):
    """A far end that answers each request frame with what ``answer(frame)`` gives; None is silence."""

    serving = set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readexactly(6)
                frame = head + await reader.readexactly(int.from_bytes(head[4:6], "big"))
                reply = answer(frame)
                if reply is not None:
                    writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


def good_answer(frame: bytes) -> bytes:
    """Zeros, as many as were asked for."""
    count = int.from_bytes(frame[10:12], "big")
    body = frame[6:8] + bytes([2 * count]) + bytes(2 * count)
    return frame[:4] + len(body).to_bytes(2, "big") + body


def test_reads_what_a_foreign_server_holds():
    async def scene():
        port = free_port()
        async with foreign_server(port, 1, 7):
            one = driver([{"id": "a", "unit": 1}, {"id": "z", "unit": 7}], host="127.0.0.1", port=port)
            async with running(one) as inbox:
                await inbox.until(lambda box: len(box.of("a")) >= 3 and len(box.of("z")) >= 3)
            scan = inbox.of("z")[0]
            assert scan.values.tolist() == pytest.approx([412.5, 1234.5, 59.98])
            assert scan.quality.tolist() == [Quality.GOOD] * 3
            assert abs(scan.at_ms - clock_ms()) < 60_000
            assert [news.condition for news in inbox.told] == [DeviceCondition.ONLINE] * 2
            probe = await one.probe("a")
            assert probe.fits
            assert probe.raw == (5998,)

    asyncio.run(scene())


def test_a_profile_that_does_not_fit_shows_at_the_probe():
    async def scene():
        port = free_port()
        wrong = METER.model_copy(update={"probe": METER.probe.model_copy(update={"between": (10.0, 20.0)})})
        async with foreign_server(port, 1):
            one = driver([{"id": "a"}], wrong, host="127.0.0.1", port=port)
            result = await one.probe("a")
            assert not result.fits
            assert result.found == "59.98"
            elsewhere = profile({"frequency": {"address": 9000, "type": "u16", "unit": "Hz"}},
                                probe={"point": "frequency", "between": [45, 65]})  # fmt: skip
            with pytest.raises(Refused, match="'exception': 2"):
                await driver([{"id": "a"}], elsewhere, host="127.0.0.1", port=port).probe("a")

    asyncio.run(scene())


def test_a_dead_device_never_delays_another_and_comes_back():
    async def scene():
        dead_port, port = free_port(), free_port()
        devices = [
            {"id": "dead", "host": "127.0.0.1", "port": dead_port},
            {"id": "well", "host": "127.0.0.1", "port": port},
        ]
        async with foreign_server(port, 1), running(driver(devices)) as inbox:
            await inbox.until(lambda box: len(box.of("well")) >= 20)
            assert not inbox.of("dead")
            (told,) = [news for news in inbox.told if news.device == "dead"]
            assert told.condition is DeviceCondition.OFFLINE
            assert isinstance(told.error, Unreachable)
            stamps = [scan.at_ms for scan in inbox.of("well")]
            polls = [(stamp + 1) // 50 for stamp in stamps]
            assert len(set(polls)) >= 15  # its own rhythm, whatever the dead one does
            async with foreign_server(dead_port, 1):
                await inbox.until(lambda box: len(box.of("dead")) >= 2)
            assert inbox.told[-1].condition in (DeviceCondition.ONLINE, DeviceCondition.OFFLINE)

    asyncio.run(scene())


def test_a_silent_unit_behind_a_gateway_is_left_alone_more_and_more():
    async def scene():
        port = free_port()
        asked = {1: 0, 2: 0}

        def gateway(frame):
            asked[frame[6]] += 1
            return good_answer(frame) if frame[6] == 1 else None

        async with scripted(port, gateway):
            devices = [{"id": "well", "unit": 1}, {"id": "silent", "unit": 2}]
            one = driver(devices, profile({"voltage_ln_avg": {"address": 0, "type": "u16", "unit": "V"}}),
                         host="127.0.0.1", port=port, timeout_s=0.1)  # fmt: skip
            async with running(one) as inbox:
                await inbox.until(lambda box: len(box.of("well")) >= 40)
            assert asked[2] < asked[1] / 3
            last = [news for news in inbox.told if news.device == "silent"][-1]
            assert last.condition is DeviceCondition.OFFLINE
            assert isinstance(last.error, NoAnswer)

    asyncio.run(scene())


def test_a_foreign_or_malformed_answer_is_never_booked():
    def other_unit(frame):
        answer = bytearray(good_answer(frame))
        answer[6] = 99
        return bytes(answer)

    def other_transaction(frame):
        return (int.from_bytes(frame[:2], "big") ^ 0x55).to_bytes(2, "big") + good_answer(frame)[2:]

    def nameless_transaction(frame):
        return b"\0\0" + good_answer(frame)[2:]

    def short(frame):
        return frame[:4] + b"\0\x05" + frame[6:8] + b"\x02\0\0"

    def lying_count(frame):
        return frame[:4] + b"\0\x05" + frame[6:8] + b"\x08\0\0"

    async def scene(answer):
        port = free_port()
        one = driver([{"id": "a"}], host="127.0.0.1", port=port, timeout_s=0.2)
        async with scripted(port, answer):
            with pytest.raises((Garbled, NoAnswer)):
                await one.read("a")

    for answer in (other_unit, other_transaction, nameless_transaction, short, lying_count):
        asyncio.run(scene(answer))


def test_a_refused_block_is_missing_and_the_others_go_on():
    def picky(frame):
        if int.from_bytes(frame[8:10], "big") == 40:
            return frame[:4] + b"\0\x03" + frame[6:7] + bytes([frame[7] | 0x80, 2])
        return good_answer(frame)

    async def scene():
        port = free_port()
        async with scripted(port, picky):
            (scan,) = await driver([{"id": "a"}], host="127.0.0.1", port=port).read("a")
        assert scan.quality.tolist() == [Quality.GOOD, Quality.GOOD, Quality.MISSING]

    asyncio.run(scene())


@pytest.fixture
def libmodbus_server(tmp_path):
    """Libmodbus's own test server, built from Debian's copy of its source with a free port in it."""
    compiler = require_program("gcc", "gcc")
    source = EXAMPLES / "unit-test-server.c"
    packed = source.with_suffix(".c.gz")
    if not source.exists() and not packed.exists():
        require_program("libmodbus unit-test-server.c", "libmodbus-dev")
    port = free_port()
    text = source.read_text() if source.exists() else gzip.decompress(packed.read_bytes()).decode()
    (tmp_path / "server.c").write_text(text.replace("1502", str(port)))
    program = tmp_path / "server"
    build = [
        compiler,
        "-I",
        EXAMPLES,
        "-I/usr/include/modbus",
        tmp_path / "server.c",
        "-o",
        program,
        "-lmodbus",
    ]
    with run_program(build, name="gcc") as build_run:
        assert build_run.wait(60) == 0
    with run_program([program, "tcp"], name="libmodbus"):
        yield port


def libmodbus_profile(address, table="holding"):
    return profile({"voltage_ln_avg": {"address": address, "type": "u16", "unit": "V", "table": table}})


@pytest.mark.parametrize(
    ("address", "table", "expected"),
    [
        (0x108, "input", 10.0),
        (0x160, "holding", 0.0),
        (0x170, "holding", Refused),  # exception 6
        (0x171, "holding", (NoAnswer, Garbled)),  # foreign transaction and unit id
        (0x172, "holding", NoAnswer),  # answers after 500 ms, we wait 400
        (0x173, "holding", (NoAnswer, Garbled)),  # a byte at a time, in the name of unit 255
    ],
)
def test_against_libmodbus(libmodbus_server, address, table, expected):
    async def scene():
        one = driver([{"id": "a", "unit": 17}], libmodbus_profile(address, table),
                     host="127.0.0.1", port=libmodbus_server)  # fmt: skip
        for _ in range(50):  # it listens a moment after it has started
            try:
                return (await one.read("a"))[0]
            except Unreachable as error:
                if isinstance(error, NoAnswer):
                    raise
                await asyncio.sleep(0.1)
        raise AssertionError("libmodbus's server never listened")

    if isinstance(expected, float):
        assert asyncio.run(scene()).values.tolist() == [expected]
    elif expected is Refused:
        assert asyncio.run(scene()).quality.tolist() == [Quality.MISSING]
    else:
        with pytest.raises(expected):
            asyncio.run(scene())
