"""The same devices behind pymodbus's own server: slower, and written by others, so that ours has a judge."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.modbus_profile import Table
from simulators.devices import ModbusRefusal, SimulatedDevice
from simulators.units import Instant

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # a client that hangs up is no news

_TABLES = {3: Table.HOLDING, 4: Table.INPUT}


class _Registers:
    """What pymodbus's server asks for, answered by our devices."""

    def __init__(self, devices: Mapping[int, SimulatedDevice], now_s: Instant) -> None:
        self._devices = devices
        self._now_s = now_s
        self._written: dict[tuple[int, int], list[int]] = {}

    def device_ids(self) -> list[int]:
        return list(self._devices)

    async def async_getValues(  # noqa: N802  pymodbus's name
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | ExcCodes:
        device = self._device(device_id)
        table = _TABLES.get(func_code)
        if func_code == 6:  # what was written, told again
            return self._written[device_id, address]
        if table is None:
            return ExcCodes.ILLEGAL_FUNCTION
        try:
            data = device.read(table, address, count, self._now_s())
        except ModbusRefusal as refusal:
            return ExcCodes(int(refusal.code))
        except (ArithmeticError, ValueError):
            return ExcCodes.DEVICE_FAILURE
        return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]

    async def async_setValues(  # noqa: N802  pymodbus's name
        self, device_id: int, func_code: int, address: int, values: Sequence[Any]
    ) -> ExcCodes | None:
        if func_code not in (6, 16):
            return ExcCodes.ILLEGAL_FUNCTION
        try:
            data = b"".join(int(value).to_bytes(2, "big") for value in values)
            self._device(device_id).write(address, data)
            self._written[device_id, address] = [int(value) for value in values]
        except ModbusRefusal as refusal:
            return ExcCodes(int(refusal.code))
        return None

    def _device(self, device_id: int) -> SimulatedDevice:
        try:
            return self._devices[device_id]
        except KeyError:
            raise NoSuchIdException(f"no unit {device_id}") from None


class PymodbusServer:
    """The devices behind one address, as ``ModbusServer``; without faults."""

    def __init__(self, devices: Mapping[int, SimulatedDevice], now_s: Instant) -> None:
        self._registers = _Registers(devices, now_s)
        self._server: ModbusTcpServer | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. OSError when it cannot."""
        # A server wants a device of the library's own; ours answer in its place.
        nobody = SimDevice(0, simdata=[SimData(0, values=0, datatype=DataType.REGISTERS)])
        self._server = ModbusTcpServer(nobody, address=(host, port))
        self._server.context = self._registers  # type: ignore[assignment]
        if not await self._server.listen():
            raise OSError(f"{host}:{port}")
        listener: Any = self._server.transport
        return int(listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and hang up. Safe to call twice."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None
