"""What a faulty Modbus device puts on the wire in the place of its answer."""

import asyncio
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.faults import (
    Closing,
    Cutting,
    Dripping,
    Fault,
    ForeignTransaction,
    ForeignUnit,
    Garbage,
    Late,
    Refusing,
    Silent,
    Slow,
    WrongCount,
)
from simulators.standing import DeviceFaults, Standing

_MBAP = struct.Struct(">HHHB")
_PAIR = struct.Struct(">HH")

Framing = Callable[[int, int, bytes], bytes]
"""Transaction, unit and PDU as they go on the wire."""

HANG_UP = None
Step = tuple[float, bytes | None]
"""Seconds after the question, and the bytes that are sent then; None hangs up."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request; ``pdu`` is function code and data."""

    transaction: int
    unit: int
    pdu: bytes

    def touches(self, first: int, last: int) -> bool:
        """Whether it reads or writes a register in [first, last]."""
        if len(self.pdu) < 5:
            return False
        address, count = _PAIR.unpack_from(self.pdu, 1)
        return bool(address <= last and first < address + (1 if self.pdu[0] == 6 else count))


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """A whole Modbus TCP frame."""
    return _MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def fault_met(faults: DeviceFaults, question: Question, now_s: float) -> Standing | None:
    """The fault that strikes this question, if one does."""
    faults.asked += 1

    def concerned(fault: Fault) -> bool:
        if isinstance(fault, Refusing) and fault.addresses is not None:
            return question.touches(*fault.addresses)
        return True

    return faults.wire_fault(now_s, concerned)


@dataclass(frozen=True, slots=True)
class _Struck:
    """A question that a fault strikes, and its right answer."""

    question: Question
    pdu: bytes
    dice: random.Random
    framing: Framing

    def frame(self, *, transaction: int | None = None, unit: int | None = None, pdu: bytes = b"") -> bytes:
        """The right answer's frame, but for what is given."""
        right = self.question
        return self.framing(
            right.transaction if transaction is None else transaction,
            right.unit if unit is None else unit,
            pdu or self.pdu,
        )


def faulty_steps(
    standing: Standing, seed: str, question: Question, pdu: bytes, framing: Framing = frame
) -> list[Step]:
    """What is sent, and when, in the place of an answer; silence is an empty list.

    Parameters
    ----------
    seed : of random bytes, together with the fault's number and how often it has struck.
    pdu : the right answer.
    """
    dice = random.Random(f"{seed}/{standing.number}/{standing.struck}")  # noqa: S311  no secret
    return _STEPS[type(standing.fault)](standing.fault, _Struck(question, pdu, dice, framing))


class FaultyAnswers:
    """What one client hears from devices with faults, some of it later.

    Parameters
    ----------
    send, hang_up : of the connection; on a serial line there is nothing to hang up.
    """

    def __init__(self, framing: Framing, send: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        self._framing = framing
        self._send = send
        self._hang_up = hang_up
        self._held_back = b""  # answers that a late device owes
        self._ended = False

    def end(self) -> None:
        """Nobody listens any more: what was to be sent later is not sent."""
        self._ended = True

    def at_once(self, question: Question, pdu: bytes, faults: DeviceFaults, now_s: float) -> bytes:
        """What is sent at once in the place of the right answer; the rest is scheduled."""
        owed, self._held_back = self._held_back, b""
        standing = fault_met(faults, question, now_s)
        if not pdu:  # a write that the device does not answer
            return owed
        if standing is None:
            return owed + self._framing(question.transaction, question.unit, pdu)
        if isinstance(standing.fault, Late):
            self._held_back = self._framing(question.transaction, question.unit, pdu)
            return owed
        loop = asyncio.get_running_loop()
        for step in faulty_steps(standing, faults.seed, question, pdu, self._framing):
            if step[0] <= 0 and step[1] is not HANG_UP:
                owed += step[1]
            else:
                loop.call_later(step[0], self._carry_out, step)
        return owed

    def _carry_out(self, step: Step) -> None:
        if self._ended:
            return
        if step[1] is HANG_UP:
            self._hang_up()
        else:
            self._send(step[1])


def _slow(fault: Slow, struck: _Struck) -> list[Step]:
    return [(fault.after_ms / 1000, struck.frame())]


def _dripping(fault: Dripping, struck: _Struck) -> list[Step]:
    right = struck.frame()
    return [(at * fault.gap_ms / 1000, right[at : at + 1]) for at in range(len(right))]


def _refusing(fault: Refusing, struck: _Struck) -> list[Step]:
    return [(0.0, struck.frame(pdu=bytes((struck.question.pdu[0] | 0x80, fault.code))))]


def _foreign_unit(fault: ForeignUnit, struck: _Struck) -> list[Step]:
    unit = (struck.question.unit + 1) % 256 if fault.unit is None else fault.unit
    return [(0.0, struck.frame(unit=unit))]


def _foreign_transaction(_: ForeignTransaction, struck: _Struck) -> list[Step]:
    return [(0.0, struck.frame(transaction=struck.question.transaction ^ 0x5555))]


def _cutting(fault: Cutting, struck: _Struck) -> list[Step]:
    right = struck.frame()
    part: Step = (0.0, right[: len(right) // 2 if fault.bytes is None else fault.bytes])
    return [part, (0.0, HANG_UP)] if fault.then == "close" else [part]


def _garbage(fault: Garbage, struck: _Struck) -> list[Step]:
    return [(0.0, struck.dice.randbytes(fault.bytes))]


def _wrong_count(fault: WrongCount, struck: _Struck) -> list[Step]:
    pdu = struck.pdu
    if len(pdu) <= 2:  # an exception counts nothing
        return [(0.0, struck.frame())]
    return [(0.0, struck.frame(pdu=bytes((pdu[0], (pdu[1] + fault.by) % 256)) + pdu[2:]))]


_STEPS: dict[type[Any], Callable[[Any, _Struck], list[Step]]] = {
    Silent: lambda *_: [],
    Slow: _slow,
    Dripping: _dripping,
    Refusing: _refusing,
    ForeignUnit: _foreign_unit,
    ForeignTransaction: _foreign_transaction,
    Cutting: _cutting,
    Closing: lambda *_: [(0.0, HANG_UP)],
    Garbage: _garbage,
    WrongCount: _wrong_count,
}
