"""A small Modbus TCP server: any number of units on a port, function codes 3, 4, 6 and 16.

Written apart from the library that the drivers use, so that each checks the other, and lean, because load
tests poll thousands of devices on one core: a whole answer is kept as bytes and given again until the
common timer of all servers forgets it.
"""

import asyncio
import struct
from collections.abc import Mapping
from typing import cast

from simulators.devices import SimulatedDevice
from simulators.listening import ListeningUnits
from simulators.standing import FaultBook
from simulators.units import TABLES, Instant
from simulators.wire_faults import FaultyAnswers, Question, frame

_MBAP = struct.Struct(">HHHB")
_LONGEST_PDU = 253
_READ_FRAME = 12
_MOST_KEPT = 10_000


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
        self._transport: asyncio.Transport
        self._faulty: FaultyAnswers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the client, so that the server can hang up."""
        # uvloop's transports are no subclasses of asyncio's, but have their methods.
        self._transport = cast(asyncio.Transport, transport)
        self._faulty = FaultyAnswers(frame, self._transport.write, self._transport.close)
        self._server.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client, and what it would have been told."""
        self._faulty.end()
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
                pdu = self._server.answer(unit, question.pdu)
                answers.append(self._faulty.at_once(question, pdu, faults, self._server.now_s()))
            at = end
        self._pending = data[at:]
        if any(answers) and not self._transport.is_closing():
            self._transport.write(b"".join(answers))


class ModbusServer(ListeningUnits):
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
        super().__init__(devices, now_s, faults)
        self._holds = kept is not None and kept.hold_s > 0
        self.kept = {} if kept is None else kept.of_one_server()

    def client(self) -> asyncio.Protocol:
        """What speaks with a client that has just come."""
        return _Connection(self)

    def whole_answer(self, question: Question, key: bytes) -> bytes:
        """The frame that answers a question; kept under ``key`` where answers are given again."""
        answer = frame(question.transaction, question.unit, self.answer(question.unit, question.pdu))
        if self._holds and question.pdu[0] in TABLES and len(self.kept) < _MOST_KEPT:
            self.kept[key] = answer[2:]
        return answer

    def written(self) -> None:
        """Every answer that is kept may be an old one."""
        self.kept.clear()
