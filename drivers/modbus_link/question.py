"""A request, encoded before it is put, and what the exceptions that answer it mean."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from drivers.contract import Busy, DriverError, NoAnswer, Refused, Where
from drivers.modbus_profile import Table

_REQUESTS: dict[Table, type[ReadHoldingRegistersRequest]] = {
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}
_DECODER = DecodePDU(False)
_BUSY = (5, 6)
_NOBODY_BEHIND = (10, 11)


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    Attributes
    ----------
    size : bytes that the answer must hold: of registers, or of the write's echo.
    echo : what must follow the function in the answer to a write; None for a read.
    tcp : the frame for a socket without its transaction id.
    rtu : the frame for a serial line, check sum and all.
    """

    where: Where
    unit: int
    function: int
    start: int
    size: int
    tcp: bytes
    rtu: bytes
    echo: bytes | None = None

    @property
    def third(self) -> int:
        """The byte that follows unit and function in the answer: a count, or the echo's first."""
        return self.size if self.echo is None else self.echo[0]

    def is_answered_by(self, body: bytes) -> bool:
        """Whether this, behind the function, is what was asked for."""
        if self.echo is not None:
            return body == self.echo
        return len(body) == self.size + 1 and body[0] == self.size


def question(where: Where, unit: int, table: Table, start: int, count: int) -> Question:
    """Ask a unit for ``count`` registers of a table. ValueError for what no frame can say."""
    request = _REQUESTS[table](address=start, count=count, dev_id=unit)
    return Question(
        where,
        unit,
        request.function_code,
        start,
        2 * count,
        FramerSocket(_DECODER).buildFrame(request)[2:],
        FramerRTU(_DECODER).buildFrame(request),
    )


def order(where: Where, unit: int, start: int, registers: Sequence[int], *, single: bool) -> Question:
    """Write registers to a unit's holding table.

    Parameters
    ----------
    single : by function 6, which takes one register; else by 16.
    """
    request: WriteSingleRegisterRequest | WriteMultipleRegistersRequest
    if single:
        request = WriteSingleRegisterRequest(address=start, registers=list(registers), dev_id=unit)
        echo = struct.pack(">HH", start, registers[0])
    else:
        request = WriteMultipleRegistersRequest(address=start, registers=list(registers), dev_id=unit)
        echo = struct.pack(">HH", start, len(registers))
    return Question(
        where,
        unit,
        request.function_code,
        start,
        len(echo),
        FramerSocket(_DECODER).buildFrame(request)[2:],
        FramerRTU(_DECODER).buildFrame(request),
        echo,
    )


def refusal(where: Where, code: int) -> DriverError:
    """An exception's meaning: try later, nobody there, or bad points."""
    if code in _BUSY:
        return Busy(where, exception=code)
    if code in _NOBODY_BEHIND:
        return NoAnswer(where, "driver.nobody_behind", exception=code)
    return Refused(where, exception=code)
