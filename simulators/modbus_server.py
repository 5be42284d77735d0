"""A small Modbus TCP server: any number of units on a port, function codes 3, 4, 6 and 16.

Written apart from the library that the drivers use, so that each checks the other, and lean, because load
tests poll thousands of devices on one core: a whole answer is kept as bytes and given again until the
common timer of all servers forgets it.
"""

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import cast

from drivers.modbus_profile import Table
from simulators.devices import ExceptionCode, ModbusRefusal, SimulatedDevice
from simulators.faults import Late
from simulators.standing import DeviceFaults, FaultBook
from simulators.wire_faults import HANG_UP, Question, Step, fault_met, faulty_steps, frame

_MBAP = struct.Struct(">HHHB")
_PAIR = struct.Struct(">HH")
_TABLES = {3: Table.HOLDING, 4: Table.INPUT}
_LONGEST_PDU = 253
_MOST_WRITTEN = 123
_READ_FRAME = 12
_MOST_KEPT = 10_000

Instant = Callable[[], float]


class KeptAnswers:
    """Whole answers of all servers, forgotten together: one timer, however many devices.

    Parameters
    ----------
    hold_s : for how long at most an answer is given again, in real seconds; 0 = never.
    """

    def __init__(self, hold_s: float = 0.0) -> None:
        self.hold_s = hold_s
        self._all: list[dict[bytes, bytes]] = []
        self._timer: asyncio.TimerHandle | None = None

    def of_one_server(self) -> dict[bytes, bytes]:
        """By the question without its transaction id: the answer without it."""
        kept: dict[bytes, bytes] = {}
        self._all.append(kept)
        return kept

    def forget(self) -> None:
        """Every answer is fresh the next time."""
        for kept in self._all:
            kept.clear()

    def start(self) -> None:
        """Begin to forget in turn, on the running loop."""
        if self.hold_s:
            self._again()

    def _again(self) -> None:
        self.forget()
        self._timer = asyncio.get_running_loop().call_later(self.hold_s, self._again)

    def stop(self) -> None:
        """End the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Connection(asyncio.Protocol):
    """One client. Requests may come in pieces or several at once; they are answered in order."""

    def __init__(self, server: "ModbusServer") -> None:
        self._server = server
        self._kept = server.kept
        self._pending = b""
        self._held_back = b""  # answers that a late device owes
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the client, so that the server can hang up."""
        # uvloop's transports are no subclasses of asyncio's, but have their methods.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        if len(data) == _READ_FRAME and not self._pending:
            known = self._kept.get(data[2:])
            if known is not None:
                self._transport.write(data[:2] + known)
                return
        self._take(self._pending + data)

    def _take(self, data: bytes) -> None:
        at, answers = 0, []
        while len(data) - at >= _MBAP.size:
            transaction, protocol, length, unit = _MBAP.unpack_from(data, at)
            if protocol != 0 or not 2 <= length <= _LONGEST_PDU + 1:
                self._transport.abort()  # not Modbus: nothing after it can be trusted
                return
            end = at + 6 + length
            if len(data) < end:
                break
            question = Question(transaction, unit, data[at + 7 : end])
            faults = self._server.faults_of(unit)
            if faults is None:
                answer = self._server.whole_answer(question, data[at + 2 : end])
                answers.append(answer)
            else:
                answers.append(self._faulty(question, faults))
            at = end
        self._pending = data[at:]
        if any(answers) and not self._transport.is_closing():
            self._transport.write(b"".join(answers))

    def _faulty(self, question: Question, faults: DeviceFaults) -> bytes:
        """What is sent at once to a question that a device with faults was asked; the rest is scheduled."""
        owed, self._held_back = self._held_back, b""
        standing = fault_met(faults, question, self._server.now_s())
        pdu = self._server.answer(question.unit, question.pdu)
        if standing is None:
            return owed + frame(question.transaction, question.unit, pdu)
        if isinstance(standing.fault, Late):
            self._held_back = frame(question.transaction, question.unit, pdu)
            return owed
        loop = asyncio.get_running_loop()
        for step in faulty_steps(standing, faults.seed, question, pdu):
            if step[0] <= 0 and step[1] is not HANG_UP:
                owed += step[1]
            else:
                loop.call_later(step[0], self._carry_out, step)
        return owed

    def _carry_out(self, step: Step) -> None:
        if self._transport.is_closing():
            return
        if step[1] is HANG_UP:
            self._transport.close()
        else:
            self._transport.write(step[1])


class ModbusServer:
    """The devices behind one address.

    Parameters
    ----------
    devices : by unit id.
    now_s : the world's time, seconds since 1970 UTC; asked at every request that is answered afresh.
    faults : of all devices of the world; none when left out.
    kept : answers that are given again; none when left out.
    """

    def __init__(
        self,
        devices: Mapping[int, SimulatedDevice],
        now_s: Instant,
        faults: FaultBook | None = None,
        kept: KeptAnswers | None = None,
    ) -> None:
        self.devices = devices
        self.now_s = now_s
        self.connections: set[asyncio.Transport] = set()
        self._holds = kept is not None and kept.hold_s > 0
        self.kept = {} if kept is None else kept.of_one_server()
        self._faults = {} if faults is None else {unit: faults.of(d.id) for unit, d in devices.items()}
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

    def faults_of(self, unit: int) -> DeviceFaults | None:
        """The faults of a unit, where it has any now or later."""
        faults = self._faults.get(unit)
        return faults if faults is not None and faults.any else None

    def whole_answer(self, question: Question, key: bytes) -> bytes:
        """The frame that answers a question; kept under ``key`` where answers are given again."""
        answer = frame(question.transaction, question.unit, self.answer(question.unit, question.pdu))
        if self._holds and question.pdu[0] in _TABLES and len(self.kept) < _MOST_KEPT:
            self.kept[key] = answer[2:]
        return answer

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
            data = device.read(_TABLES[function], address, count, self.now_s())
            return bytes((function, len(data))) + data
        if function == 6:
            if len(body) != _PAIR.size:
                raise ModbusRefusal(ExceptionCode.ILLEGAL_VALUE)
            self._write(device, _PAIR.unpack(body)[0], body[2:])
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
        self._write(device, address, data)
        return bytes((16,)) + body[:4]

    def _write(self, device: SimulatedDevice, address: int, data: bytes) -> None:
        device.write(address, data)
        self.kept.clear()
