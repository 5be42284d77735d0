"""A small Modbus TCP server: any number of units on a port, function codes 3, 4, 6 and 16.

Written apart from the library that the drivers use, so that each checks the other, and lean, because load
tests poll thousands of devices on one core.
"""

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import cast

from drivers.modbus_profile import Table
from simulators.devices import ExceptionCode, ModbusRefusal, SimulatedDevice

_MBAP = struct.Struct(">HHHB")
_PAIR = struct.Struct(">HH")
_TABLES = {3: Table.HOLDING, 4: Table.INPUT}
_LONGEST_PDU = 253
_MOST_WRITTEN = 123

Instant = Callable[[], float]


class _Connection(asyncio.Protocol):
    """One client. Requests may come in pieces or several at once; they are answered in order."""

    def __init__(self, server: "ModbusServer") -> None:
        self._server = server
        self._pending = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the client, so that the server can hang up."""
        # uvloop's transports are no subclasses of asyncio's, but have their methods.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        if self._transport is not None:
            self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        data, at, answers = self._pending + data, 0, []
        while len(data) - at >= _MBAP.size:
            transaction, protocol, length, unit = _MBAP.unpack_from(data, at)
            if protocol != 0 or not 2 <= length <= _LONGEST_PDU + 1:
                self._hang_up()  # not Modbus: nothing after it can be trusted
                return
            end = at + 6 + length
            if len(data) < end:
                break
            pdu = self._server.answer(unit, data[at + 7 : end])
            answers.append(_MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu)
            at = end
        self._pending = data[at:]
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class ModbusServer:
    """The devices behind one address.

    Parameters
    ----------
    devices : by unit id.
    now_s : the world's time, seconds since 1970 UTC; asked at every request.
    """

    def __init__(self, devices: Mapping[int, SimulatedDevice], now_s: Instant) -> None:
        self.devices = devices
        self.connections: set[asyncio.Transport] = set()
        self._now_s = now_s
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, on a free port when ``port`` is 0; returns the port. OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and hang up on everyone. Safe to call twice."""
        if self._server is not None:
            self._server.close()
        for transport in tuple(self.connections):
            transport.abort()
        if self._server is not None:
            await self._server.wait_closed()
        await asyncio.sleep(0)  # lets the transports close their sockets

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """The answer to one request, an exception included."""
        try:
            return self._served(self._device(unit), pdu[0], pdu[1:])
        except ModbusRefusal as refusal:
            return bytes((pdu[0] | 0x80, refusal.code))
        except (ArithmeticError, ValueError):
            return bytes((pdu[0] | 0x80, ExceptionCode.DEVICE_FAILURE))

    def _device(self, unit: int) -> SimulatedDevice:
        device = self.devices.get(unit)
        if device is None:
            raise ModbusRefusal(ExceptionCode.NO_SUCH_UNIT)
        return device

    def _served(self, device: SimulatedDevice, function: int, body: bytes) -> bytes:
        if function in _TABLES:
            if len(body) != _PAIR.size:
                raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
            address, count = _PAIR.unpack(body)
            data = device.read(_TABLES[function], address, count, self._now_s())
            return bytes((function, len(data))) + data
        if function == 6:
            if len(body) != _PAIR.size:
                raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
            device.write(_PAIR.unpack(body)[0], body[2:])
            return bytes((function,)) + body
        if function == 16:
            return self._written(device, body)
        raise ModbusRefusal(ExceptionCode.ILLEGAL_FUNCTION)

    def _written(self, device: SimulatedDevice, body: bytes) -> bytes:
        if len(body) < 5:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
        address, count = _PAIR.unpack_from(body)
        data = body[5:]
        if not 1 <= count <= _MOST_WRITTEN or body[4] != 2 * count or len(data) != 2 * count:
            raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
        device.write(address, data)
        return bytes((16,)) + body[:4]
