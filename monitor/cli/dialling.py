"""Reaching one device that no site file names yet: what a person says on the command line about its line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import TypeAdapter

from drivers.modbus import ModbusDriver
from drivers.modbus_profile import ModbusProfile
from drivers.settings import ModbusBus
from monitor.clock import SystemClock

DEVICE = "device"
_BUS: TypeAdapter[ModbusBus] = TypeAdapter(ModbusBus)


@dataclass(frozen=True, slots=True)
class FarEnd:
    """Where a device is: a host, or a serial line.

    ``rtu`` : serial frames through the socket, as plain serial gateways want them.
    """

    host: str | None
    port: int
    unit: int
    line: str | None = None
    baud: int = 9600
    parity: str = "none"
    rtu: bool = False
    timeout_s: float = 1.0

    def bus(self, profile: str) -> ModbusBus:
        """The bus that a site file would name, with this one device."""
        facts: dict[str, object] = {"id": "line", "timeout_s": self.timeout_s, "every_s": 1.0}
        if self.line is not None:
            facts |= {"kind": "modbus_rtu", "line": self.line, "baud": self.baud, "parity": self.parity}
        else:
            kind = "modbus_rtu_tcp" if self.rtu else "modbus_tcp"
            facts |= {"kind": kind, "host": self.host, "port": self.port}
        facts["devices"] = [{"id": DEVICE, "profile": profile, "unit": self.unit}]
        return _BUS.validate_python(facts)


@asynccontextmanager
async def dialled(far_end: FarEnd, profile: ModbusProfile) -> AsyncIterator[ModbusDriver]:
    """A driver for this one device; hung up at the end."""
    bus = far_end.bus(profile.profile)
    driver = ModbusDriver(bus, {profile.profile: profile}, SystemClock().now_ms)
    try:
        yield driver
    finally:
        await driver.close()
