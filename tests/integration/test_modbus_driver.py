"""The Modbus driver over real sockets: foreign servers, one that misbehaves on request, dead far ends."""

import asyncio
import struct
import time
from contextlib import asynccontextmanager

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.contract import DeviceCondition, Garbled, NoAnswer, Refused, Unreachable
from drivers.modbus import ModbusDriver
from drivers.modbus_profile import ModbusProfile
from drivers.settings import ModbusTcpBus
from rules.quality import Quality
from tests.servers import free_port
from tests.servers.modbus import good_answer, running, scripted, watched


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
    settings = {"kind": "modbus_tcp", "id": "b", "every_s": 0.05, "timeout_s": 20.0, **bus}
    settings["devices"] = [{"profile": "test", **device} for device in devices]
    return ModbusDriver(ModbusTcpBus.model_validate(settings), {"test": one_profile}, clock_ms)


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
        async with foreign_server(port, 1), watched() as stalls, running(driver(devices)) as inbox:
            await inbox.until(lambda box: len(box.of("well")) >= 20)
            assert not inbox.of("dead")
            (told,) = [news for news in inbox.told if news.device == "dead"]
            assert told.condition is DeviceCondition.OFFLINE
            assert isinstance(told.error, Unreachable)
            stamps = [scan.at_ms for scan in inbox.of("well")]
            polls = [(stamp + 1) // 50 for stamp in stamps]
            # Its own rhythm, whatever the dead one does: as far as the machine has one.
            assert len(set(polls)) >= 15 - 2 * stalls.total_s / 0.05
            async with foreign_server(dead_port, 1):
                await inbox.until(lambda box: len(box.of("dead")) >= 2)
                await inbox.until(lambda box: box.last_news("dead").condition is DeviceCondition.ONLINE)

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
            began_s = time.monotonic()
            async with running(one) as inbox:
                await inbox.until(lambda box: len(box.of("well")) >= 40)
                # A fifth of the line's time is its share, and what was saved and is under way, three waits;
                # a fourth for timers that ring within the millisecond before.
                assert asked[2] * 0.1 <= 0.2 * (time.monotonic() - began_s) + 0.4
                await inbox.until(
                    lambda box: (
                        (last := box.last_news("silent"))
                        and last.condition is DeviceCondition.OFFLINE
                        and isinstance(last.error, NoAnswer)
                    )
                )

    asyncio.run(scene())


@pytest.mark.scenario(20)
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
