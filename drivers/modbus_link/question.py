"""A read request, encoded once before the first poll, and what the exceptions that answer it mean."""

from dataclasses import dataclass

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

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
    """One read request.

    Attributes
    ----------
    size : bytes of registers that the answer must hold.
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


def refusal(where: Where, code: int) -> DriverError:
    """An exception's meaning: try later, nobody there, or bad points."""
    if code in _BUSY:
        return Busy(where, exception=code)
    if code in _NOBODY_BEHIND:
        return NoAnswer(where, "driver.nobody_behind", exception=code)
    return Refused(where, exception=code)
