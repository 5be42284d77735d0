"""Against programs that nobody here wrote: libmodbus's test server with its faults, mbpoll, socat's lines."""

import asyncio
import subprocess
import sys
import time

import pytest
from pydantic import TypeAdapter

from config.profiles import load_profile
from drivers.contract import Busy, Garbled, NoAnswer, Unreachable
from drivers.modbus import ModbusDriver
from drivers.modbus_link import question
from drivers.modbus_profile import ModbusProfile, Table
from drivers.settings import ModbusBus
from tests.servers import free_port, require_program, run_program
from tests.servers.modbus import LIBMODBUS_UNIT, libmodbus_server, rtu_gateway, serial_line

WELL, VALUES, EXCEPTION_6, FOREIGN, LATE, DRIPPING = 0x160, 0x108, 0x170, 0x171, 0x172, 0x173
STARTING_ANEW = ("driver.nobody_listens", "driver.hung_up")


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def far_end(kind, timeout_s=20.0, **where) -> ModbusDriver:
    facts = {"profile": "test", "version": 1, "maker": "m", "model": "m", "family": "electricity",
             "source": ["a test"]}  # fmt: skip
    points = {"voltage_ln_avg": {"address": WELL, "type": "u16", "unit": "V"}}
    profile = ModbusProfile.model_validate({**facts, "points": points})
    bus = {"kind": kind, "id": "b", "timeout_s": timeout_s, **where,
           "devices": [{"id": "a", "profile": "test", "unit": LIBMODBUS_UNIT}]}  # fmt: skip
    settings = TypeAdapter(ModbusBus).validate_python(bus)
    return ModbusDriver(settings, {"test": profile}, clock_ms)


@pytest.fixture(params=["tcp", "serial line", "gateway"])
def reach(request, tmp_path):
    """How to make a driver that reaches libmodbus's server, by its way."""
    if request.param == "tcp":
        with libmodbus_server(tmp_path) as port:
            yield lambda **more: far_end("modbus_tcp", host="127.0.0.1", port=port, **more)
        return
    with serial_line(tmp_path) as (ours, theirs), libmodbus_server(tmp_path, theirs):
        if request.param == "serial line":
            yield lambda **more: far_end("modbus_rtu", line=str(ours), baud=115200, **more)
            return
        with rtu_gateway(ours) as port:
            yield lambda **more: far_end("modbus_rtu_tcp", host="127.0.0.1", port=port, **more)


async def words(driver, address, table=Table.HOLDING, count=1):
    """Ask until somebody listens: the server starts anew whenever its client has left."""
    for _ in range(400):
        try:
            return await driver.words("a", table, address, count)
        except Unreachable as error:
            if error.code not in STARTING_ANEW:
                raise
            await asyncio.sleep(0.05)
    raise AssertionError("libmodbus's server never listened")


async def in_vain(ask):
    """Why a question stayed unanswered; asked again when a machine that stood still let the answer in."""
    for _ in range(50):
        try:
            await ask()
        except NoAnswer as error:
            return error
    raise AssertionError("each answer came in time")


async def garbled(ask):
    """How an answer was garbled; asked again when a machine that stood still let none come in time."""
    for _ in range(20):
        try:
            await ask()
        except NoAnswer:
            continue
        except Garbled as error:
            return error
        raise AssertionError("the answer was taken")
    raise AssertionError("no answer came in time")


def test_values_and_faults(reach):
    async def scene():
        patient = reach()
        assert await words(patient, VALUES, Table.INPUT) == b"\0\x0a"
        assert await words(patient, WELL, count=3) == bytes(6)
        with pytest.raises(Busy, match="'exception': 6"):
            await words(patient, EXCEPTION_6)
        assert await words(patient, LATE) == bytes(2)
        with pytest.raises(Garbled, match="wrong_size"):
            await words(patient, WELL, count=2)  # its fifth fault: one register less than was asked for
        foreign = await garbled(lambda: words(reach(timeout_s=6.0), FOREIGN))
        assert foreign.code == "driver.foreign_answer"
        late = await in_vain(lambda: words(reach(timeout_s=0.2), LATE))
        assert late.code == "driver.no_answer"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("table", "address", "answer"),
    [(Table.INPUT, VALUES, b"\0\x0a"), (Table.HOLDING, WELL, b"\0\0"), (Table.HOLDING, WELL, bytes(6))],
)
def test_a_late_answer_is_thrown_away_and_nobody_hangs_up(reach, table, address, answer):
    async def scene():
        driver = reach(timeout_s=0.1)
        line, device = driver.lines[0], driver.lines[0].devices[0]
        device.timeout_s = 20.0
        await words(driver, WELL)
        while True:
            try:
                async with line.dialled(device):
                    dials, device.timeout_s = line.counts.dials, 0.1
                    late = question(device.where, 17, Table.HOLDING, LATE, 1)
                    silent = await in_vain(lambda late=late: line.ask(device, late))
                    if silent.code == "driver.hung_up":
                        raise silent
                    device.timeout_s = 20.0
                    next_one = question(device.where, 17, table, address, len(answer) // 2)
                    assert await line.ask(device, next_one) == answer
                    assert line.counts.late == 1
                    assert line.counts.dials == dials
                    return
            except Unreachable as error:
                if error.code not in STARTING_ANEW:
                    raise
                await asyncio.sleep(0.05)

    asyncio.run(scene())


def test_a_byte_at_a_time_in_the_name_of_another_unit(tmp_path):
    async def scene(port):
        where = {"host": "127.0.0.1", "port": port, "timeout_s": 6.0}
        other = await garbled(lambda: words(far_end("modbus_tcp", **where), DRIPPING))
        assert "'found': 255" in str(other)

    with libmodbus_server(tmp_path) as port:
        asyncio.run(scene(port))


def test_mbpoll_reads_the_simulator(tmp_path):
    mbpoll = require_program("mbpoll", "mbpoll")
    port = free_port()
    world = tmp_path / "world.yaml"
    world.write_text(
        "seed: 1\nbuses:\n  - id: b\n    kind: modbus_tcp\n    host: 127.0.0.1\n    devices:\n"
        f"      - {{id: meter, profile: eastron_sdm630, port: {port}, unit: 5}}\n"
    )
    command = [sys.executable, "-m", "simulators", "--world", world]
    with run_program(command, name="simulators") as simulators:
        simulators.wait_for_line("ready")
        # -0: wire addresses; -t 3:float: float32 from input registers; -B: the high word first.
        ask = [mbpoll, "-0", "-1", "-q", "-a", "5", "-t", "3:float", "-B", "-p", str(port)]
        shown = subprocess.run([*ask, "-r", "70", "127.0.0.1"], capture_output=True, text=True, timeout=90)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    hertz = float(shown.stdout.split("[70]:")[1].split()[0])
    assert load_profile("eastron_sdm630").points["frequency"].address == 70
    assert 59 < hertz < 61
