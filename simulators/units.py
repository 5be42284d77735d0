"""The units of a line: which answer a question gets from them, whatever carries it."""

import struct
from collections.abc import Callable, Mapping

from drivers.modbus_profile import Table
from simulators.devices import ExceptionCode, ModbusRefusal, SimulatedDevice
from simulators.standing import DeviceFaults, FaultBook

TABLES = {3: Table.HOLDING, 4: Table.INPUT}
"""Of the functions that read."""

_PAIR = struct.Struct(">HH")
_MOST_WRITTEN = 123

Instant = Callable[[], float]


class Mute(Exception):
    """The device says nothing."""


class Units:
    """Devices by their unit ids.

    Parameters
    ----------
    devices : by unit id.
    now_s : the world's time, seconds since 1970 UTC; asked at every request that is answered afresh.
    faults : of all devices of the world; none when left out.
    """

    def __init__(
        self, devices: Mapping[int, SimulatedDevice], now_s: Instant, faults: FaultBook | None = None
    ) -> None:
        self.devices = devices
        self.now_s = now_s
        self._faults = {} if faults is None else {unit: faults.of(d.id) for unit, d in devices.items()}

    def faults_of(self, unit: int) -> DeviceFaults | None:
        """The faults of a unit, where it has any now or later."""
        faults = self._faults.get(unit)
        return faults if faults is not None and faults.any else None

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """The answer to one request, an exception included; empty where the device says nothing."""
        try:
            return self._served(unit, self._device(unit), pdu[0], pdu[1:])
        except Mute:
            return b""
        except ModbusRefusal as refusal:
            return bytes((pdu[0] | 0x80, refusal.code))
        except (ArithmeticError, ValueError):
            return bytes((pdu[0] | 0x80, ExceptionCode.DEVICE_FAILURE))

    def written(self) -> None:
        """A register was written: an answer that is kept would be the old one."""

    def _device(self, unit: int) -> SimulatedDevice:
        device = self.devices.get(unit)
        if device is None:
            raise ModbusRefusal(ExceptionCode.NO_SUCH_UNIT)
        return device

    def _served(self, unit: int, device: SimulatedDevice, function: int, body: bytes) -> bytes:
        if function in TABLES:
            if len(body) != _PAIR.size:
                raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
            address, count = _PAIR.unpack(body)
            data = device.read(TABLES[function], address, count, self.now_s())
            return bytes((function, len(data))) + data
        if function == 6:
            if len(body) != _PAIR.size:
                raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
            self._write(unit, device, _PAIR.unpack(body)[0], body[2:])
            return bytes((function,)) + body
        if function == 16:
            return self._written(unit, device, body)
        raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION)

    def _written(self, unit: int, device: SimulatedDevice, body: bytes) -> bytes:
        if len(body) < 5:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
        address, count = _PAIR.unpack_from(body)
        data = body[5:]
        if not 1 <= count <= _MOST_WRITTEN or body[4] != 2 * count or len(data) != 2 * count:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
        self._write(unit, device, address, data)
        return bytes((16,)) + body[:4]

    def _write(self, unit: int, device: SimulatedDevice, address: int, data: bytes) -> None:
        faults = self._faults.get(unit)
        fault = faults.disobeys(self.now_s()) if faults is not None and faults.write else None
        how = "" if fault is None else fault.how
        if how == "refuse":
            raise ModbusRefusal(ExceptionCode.DEVICE_FAILURE)
        if how not in ("ignore", "silent"):
            device.write(address, data)
            self.written()
        if how in ("silent", "mute"):
            raise Mute
