"""RTU frames: the units of a serial line, behind a port of their own or behind a gateway's socket.

Written apart from the library that the drivers use, its check sum too, so that each checks the other.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

from simulators.devices import SimulatedDevice
from simulators.listening import ListeningUnits
from simulators.serial_ends import SerialEnd
from simulators.standing import FaultBook
from simulators.units import Instant, Units
from simulators.wire_faults import FaultyAnswers, Question

PAUSE_S = 0.2
"""Who says nothing for so long in the middle of a question will not end it."""

_SIZES = dict.fromkeys(range(1, 7), 8) | {7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6}
_COUNTED = {15: 6, 16: 6, 20: 2, 21: 2, 23: 10}
"""Functions whose questions tell how long they are, and where."""

_LONGEST = 256
_BROADCAST = 0


def check_sum(data: bytes) -> bytes:
    """The two bytes that end a frame (CRC-16, polynomial 0xA001 as it is shifted)."""
    found = 0xFFFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ (0xA001 if found & 1 else 0)
    return found.to_bytes(2, "little")


def rtu_frame(_: int, unit: int, pdu: bytes) -> bytes:
    """A whole RTU frame; it has no place for a transaction."""
    body = bytes((unit,)) + pdu
    return body + check_sum(body)


class Talk:
    """What is said on one line, heard by all of its units.

    Parameters
    ----------
    send, hang_up : of the line.
    """

    def __init__(self, units: Units, send: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        self._units = units
        self._send = send
        self._faulty = FaultyAnswers(rtu_frame, send, hang_up)
        self._pending = b""
        self._heard_s = 0.0

    def hear(self, data: bytes, now_s: float) -> None:
        """Answer every question that is complete; noise before it is left aside.

        Parameters
        ----------
        now_s : of a clock that only goes forward.
        """
        if now_s - self._heard_s > PAUSE_S:
            self._pending = b""
        self._heard_s = now_s
        pending, answers, at = self._pending + data, [], 0
        while len(pending) - at >= 4:
            size = _size(pending[at:])
            if size > len(pending) - at:
                break
            question = pending[at : at + size]
            if size and check_sum(question[:-2]) == question[-2:]:
                answers.append(self._answer(Question(0, question[0], question[1:-2])))
                at += size
            else:
                at += 1
        self._pending = pending[at:]
        if any(answers):
            self._send(b"".join(answers))

    def end(self) -> None:
        """Nobody listens any more."""
        self._faulty.end()

    def _answer(self, question: Question) -> bytes:
        if question.unit == _BROADCAST:
            for unit in self._units.devices:
                self._units.answer(unit, question.pdu)
            return b""
        if question.unit not in self._units.devices:
            return b""  # on a serial line nobody speaks for who is not there
        pdu = self._units.answer(question.unit, question.pdu)
        faults = self._units.faults_of(question.unit)
        if faults is None:
            return rtu_frame(0, question.unit, pdu)
        return self._faulty.at_once(question, pdu, faults, self._units.now_s())


def _size(data: bytes) -> int:
    """Length of the question that may begin here; 0 when none can."""
    function = data[1]
    if function in _COUNTED:
        at = _COUNTED[function]
        size = at + 3 + data[at] if len(data) > at else at + 3
        return size if size <= _LONGEST else 0
    # Of an unknown function nobody knows how long its questions are: the first that adds up.
    sizes = (_SIZES[function],) if function in _SIZES else range(4, min(len(data), _LONGEST) + 1)
    if function in _SIZES:
        return sizes[0]
    return next((size for size in sizes if check_sum(data[: size - 2]) == data[size - 2 : size]), 0)


class RtuGateway(ListeningUnits):
    """A serial gateway that passes bytes on as they are: RTU frames through a socket."""

    def client(self) -> asyncio.Protocol:
        """What speaks with a client that has just come."""
        return _Client(self)


class _Client(asyncio.Protocol):
    """One client of a gateway."""

    def __init__(self, gateway: RtuGateway) -> None:
        self._gateway = gateway
        self._transport: asyncio.Transport
        self._talk: Talk

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen."""
        self._transport = cast(asyncio.Transport, transport)
        self._gateway.connections.add(self._transport)
        self._talk = Talk(self._gateway, self._transport.write, self._transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._talk.end()
        self._gateway.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Hear what was said."""
        self._talk.hear(data, asyncio.get_running_loop().time())


class SerialLine(Units):
    """Units on a serial line of their own."""

    def __init__(
        self,
        devices: Mapping[int, SimulatedDevice],
        now_s: Instant,
        faults: FaultBook | None = None,
    ) -> None:
        super().__init__(devices, now_s, faults)
        self._talk: Talk | None = None
        self._end: SerialEnd | None = None

    def start(self, end: SerialEnd) -> None:
        """Listen on one end of a line, which is closed with this."""
        self._end = end
        self._talk = Talk(self, end.write, lambda: None)
        end.listen(self._talk.hear)

    async def close(self) -> None:
        """Stop listening. Safe to call twice."""
        if self._talk is not None:
            self._talk.end()
        if self._end is not None:
            self._end.close()
