"""Small profiles and drivers for the tests of Modbus lines."""

import asyncio
import struct
import time

from pydantic import TypeAdapter

from drivers.modbus import ModbusDriver
from drivers.modbus_profile import ModbusProfile
from drivers.settings import ModbusBus

PATIENT_S = 20.0
"""Timeout of who answers at once: no machine is so slow, and it costs nothing."""


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def profile(points, **rest) -> ModbusProfile:
    facts = {"profile": "test", "version": 1, "maker": "m", "model": "m", "family": "electricity"}
    return ModbusProfile.model_validate({**facts, "source": ["a test"], "points": points, **rest})


ONE = profile({"voltage_ln_avg": {"address": 0, "type": "u16", "unit": "V"}})
NAMES = (*(f"voltage_ln_l{n}" for n in (1, 2, 3)), "current_l1", "current_l2", "current_l3", "frequency",
         "energy_import")  # fmt: skip
UNITS = {"voltage": "V", "current": "A", "frequency": "Hz", "energy": "kWh"}
EIGHT = profile(
    {
        name: {"address": 2 * at, "type": "u16", "unit": UNITS[name.split("_")[0]]}
        for at, name in enumerate(NAMES)
    }
)


def driver(devices, one_profile=ONE, folder=None, **bus) -> ModbusDriver:
    settings = {"kind": "modbus_tcp", "id": "b", "every_s": 0.1, "timeout_s": PATIENT_S, "host": "127.0.0.1"}
    settings |= bus
    if "line" in bus:
        del settings["host"]
    settings["devices"] = [{"profile": "test", **device} for device in devices]
    more = {} if folder is None else {"folder": folder}
    return ModbusDriver(
        TypeAdapter(ModbusBus).validate_python(settings), {"test": one_profile}, clock_ms, **more
    )


def wait_for_an_answer(one: ModbusDriver, timeout_s: float) -> None:
    """Let a driver wait so long for the answers to its next questions."""
    for device in one.lines[0].devices:
        device.timeout_s = timeout_s


async def until(condition):
    """Look again until it is so."""
    for _ in range(1200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came")


def asked(frame):
    """Unit, address and count of a request."""
    return frame[6], *struct.unpack(">HH", frame[8:12])
