"""The simulator's Modbus server, read by clients that nobody here wrote."""

import asyncio
import contextlib
import re
import struct
import subprocess
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from config.profiles import load_profile
from drivers.modbus_profile import ModbusProfile
from simulators.building import Building
from simulators.devices import SimulatedDevice
from simulators.modbus_server import ModbusServer
from tests.servers import PATIENCE_S, require_program

NOON_S = 1_499_832_000.5  # 2017-07-12 12:00 in Taipei
MODEL = Building(installed_s=1_498_838_400)
SETPOINTS = ModbusProfile.model_validate(
    {
        "profile": "bench",
        "version": 1,
        "maker": "m",
        "model": "m",
        "family": "chiller",
        "source": ("s",),
        "points": {
            "chw_setpoint": {"address": 0, "type": "f32", "unit": "degC", "writable": {"between": [5, 12]}},
            "demand_limit_setpoint": {
                "address": 2,
                "type": "u16",
                "unit": "%",
                "writable": {"between": [40, 100]},
            },
        },
    }
)


def device(device_id: str, profile: str) -> SimulatedDevice:
    loaded = load_profile(profile)
    assert isinstance(loaded, ModbusProfile)
    return SimulatedDevice(device_id, loaded, MODEL)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[int]:
    """Four units on one port; yields the port."""
    server = ModbusServer(
        {
            1: device("main", "siemens_pac3200"),
            2: device("floors-low", "eastron_sdm630"),
            3: device("chiller-1", "trane_pic_rthd"),
            4: SimulatedDevice("chiller-2", SETPOINTS, MODEL),
        },
        lambda: NOON_S,
    )
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.close()


def power_kw(source: str) -> float:
    return float(MODEL.rate(MODEL.source(source), NOON_S))


async def mbpoll(port: int, *options: str) -> tuple[int, dict[int, str], str]:
    """Exit code, values by wire address, and all that it said."""
    program = require_program("mbpoll", "mbpoll")
    arguments = [program, "-m", "tcp", "-0", "-1", "-p", str(port), *options]
    done = await asyncio.to_thread(
        subprocess.run, arguments, capture_output=True, text=True, timeout=PATIENCE_S
    )
    values = dict(re.findall(r"^\[(\d+)\]:\s+(\S+)", done.stdout, re.MULTILINE))
    return (
        done.returncode,
        {int(address): value for address, value in values.items()},
        done.stdout + done.stderr,
    )


def test_mbpoll_reads_floats_from_holding_and_input_registers():
    async def scenario() -> None:
        async with served() as port:
            code, found, said = await mbpoll(
                port, "-a", "1", "-t", "4:float", "-B", "-r", "65", "-c", "1", "127.0.0.1"
            )
            assert code == 0, said
            assert float(found[65]) == pytest.approx(power_kw("main") * 1000, rel=1e-5)
            code, found, said = await mbpoll(
                port, "-a", "2", "-t", "3:float", "-B", "-r", "52", "-c", "2", "127.0.0.1"
            )
            assert code == 0, said
            assert float(found[52]) == pytest.approx(power_kw("floors-low") * 1000, rel=1e-5)

    asyncio.run(scenario())


def test_mbpoll_reads_a_chillers_temperatures():
    async def scenario() -> None:
        async with served() as port:
            code, found, said = await mbpoll(port, "-a", "3", "-t", "3", "-r", "1", "-c", "8", "127.0.0.1")
            assert code == 0, said
            assert set(found) == set(range(1, 9))
            assert int(found[1]) / 10 - 45 == pytest.approx(7.0)
            assert int(found[5]) > int(found[4])  # it runs: the water comes back warmer

    asyncio.run(scenario())


def test_mbpoll_hears_refusals_in_words():
    async def scenario() -> None:
        async with served() as port:
            code, _, said = await mbpoll(port, "-a", "3", "-t", "3", "-r", "900", "-c", "1", "127.0.0.1")
            assert code != 0
            assert "Illegal data address" in said
            _, _, said = await mbpoll(port, "-a", "2", "-t", "3", "-r", "0", "-c", "3", "127.0.0.1")
            assert "Illegal data value" in said
            _, _, said = await mbpoll(port, "-a", "1", "-t", "0", "-r", "1", "-c", "1", "127.0.0.1")
            assert "Illegal function" in said

    asyncio.run(scenario())


def test_mbpoll_writes_a_setpoint_and_reads_it_back():
    async def scenario() -> None:
        async with served() as port:
            code, _, said = await mbpoll(
                port, "-a", "4", "-t", "4:float", "-B", "-r", "0", "127.0.0.1", "8.5"
            )
            assert code == 0, said
            code, _, said = await mbpoll(port, "-a", "4", "-t", "4", "-r", "2", "127.0.0.1", "75")
            assert code == 0, said
            _, found, _ = await mbpoll(
                port, "-a", "4", "-t", "4:float", "-B", "-r", "0", "-c", "1", "127.0.0.1"
            )
            assert float(found[0]) == 8.5
            _, found, _ = await mbpoll(port, "-a", "4", "-t", "4", "-r", "2", "-c", "1", "127.0.0.1")
            assert found[2] == "75"

    asyncio.run(scenario())


def test_pymodbus_reads_writes_and_hears_exceptions():
    async def scenario() -> None:
        async with served() as port:
            client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=PATIENCE_S, reconnect_delay=0)
            assert await client.connect()
            try:
                answer = await client.read_holding_registers(801, count=4, device_id=1)
                counted_wh = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT64)
                assert counted_wh == pytest.approx(
                    MODEL.at(NOON_S).counter(MODEL.source("main")) * 1000, rel=1e-12
                )
                words = client.convert_to_registers(9.25, client.DATATYPE.FLOAT32)
                assert not (await client.write_registers(0, words, device_id=4)).isError()
                assert not (await client.write_register(2, 55, device_id=4)).isError()
                answer = await client.read_holding_registers(0, count=3, device_id=4)
                assert answer.registers == [*words, 55]
                assert (await client.write_register(2, 5, device_id=4)).exception_code == 3
                assert (await client.read_holding_registers(0, count=1, device_id=3)).exception_code == 2
                assert (await client.read_coils(0, count=1, device_id=3)).exception_code == 1
                assert (await client.read_holding_registers(0, count=1, device_id=77)).exception_code == 11
            finally:
                client.close()

    asyncio.run(scenario())


def test_requests_in_pieces_and_several_at_once_are_answered_in_order():
    requests = b"".join(struct.pack(">HHHBBHH", n, 0, 6, 3, 4, 1 + n % 8, 1) for n in range(100))

    async def scenario() -> None:
        async with served() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(requests)
                at_once = await asyncio.wait_for(reader.readexactly(11 * 100), PATIENCE_S)
                for byte in range(len(requests)):
                    writer.write(requests[byte : byte + 1])
                    await writer.drain()
                    await asyncio.sleep(0)
                in_pieces = await asyncio.wait_for(reader.readexactly(11 * 100), PATIENCE_S)
            finally:
                writer.close()
                await writer.wait_closed()
        assert at_once == in_pieces
        assert [struct.unpack_from(">H", at_once, 11 * n)[0] for n in range(100)] == list(range(100))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "garbage", ["GET / HTTP/1.1\r\n\r\n", "\0\1\0\7\0\6\1\3\0\0\0\1", "\0\1\0\0\0\1\1\1"]
)
def test_the_server_hangs_up_on_what_is_not_modbus(garbage: str):
    async def scenario() -> None:
        async with served() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(garbage.encode())
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
            writer.close()
            with contextlib.suppress(ConnectionResetError):
                await writer.wait_closed()

    asyncio.run(scenario())


def test_closing_hangs_up_on_clients():
    async def scenario() -> None:
        server = ModbusServer({}, lambda: NOON_S)
        port = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)
        await server.close()
        await server.close()
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()
        assert server.connections == set()

    asyncio.run(scenario())
