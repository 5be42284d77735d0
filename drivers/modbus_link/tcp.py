"""Modbus TCP and TLS: the transaction id tells a late answer from the right one."""

import struct
from collections import OrderedDict
from dataclasses import dataclass, field

from pymodbus.transport import CommParams

from drivers.contract import DriverError, Garbled
from drivers.modbus_link.link import LineCounts, Link
from drivers.modbus_link.question import Question

_HEAD = struct.Struct(">HHHBB")  # transaction, protocol, length, unit, function
_TRANSACTION = struct.Struct(">H").pack
_SHORTEST, _LONGEST = 3, 254  # unit, function and one byte; a unit and the longest PDU
_REMEMBERED = 64  # transactions without an answer: theirs may still come


@dataclass(slots=True)
class Transactions:
    """The numbers of an address's questions. They go on over a new connection.

    A gateway that counts by places may say over it what the old one's last question was still owed. If each
    connection began at 1, that number would be the next question's.

    Attributes
    ----------
    last : the number of the last question. owed : those that stayed without an answer, oldest first.
    """

    last: int = 0
    owed: OrderedDict[int, Question] = field(default_factory=OrderedDict)

    def begun(self) -> int:
        """The number of the next question."""
        self.last = self.last % 0xFFFF + 1
        return self.last

    def in_vain(self, question: Question) -> None:
        """The last question stayed without an answer, which may still come."""
        self.owed[self.last] = question
        if len(self.owed) > _REMEMBERED:
            self.owed.popitem(last=False)


class TcpLink(Link):
    """Frames with a header. pymodbus's own TLS framing does not take a frame in pieces; this does both."""

    def __init__(self, params: CommParams, counts: LineCounts, transactions: Transactions) -> None:
        super().__init__(params, counts)
        self._transactions = transactions
        self._rest = b""

    def _send(self, question: Question) -> None:
        self._write(_TRANSACTION(self._transactions.begun()) + question.tcp)

    def data_received(self, data: bytes) -> None:
        """Take every frame that is complete; the rest waits for its end."""
        if self._rest:
            data = self._rest + data
        at, have = 0, len(data)
        while have - at >= _HEAD.size:
            transaction, protocol, length, unit, function = _HEAD.unpack_from(data, at)
            if protocol or not _SHORTEST <= length <= _LONGEST:
                self._distrust("driver.tls_wanted" if _is_tls(data[at:]) else "driver.not_modbus")
                return
            end = at + 6 + length
            if end > have:
                break
            question = self._question
            if question is None or transaction != self._transactions.last:
                self._stray(transaction, unit)
            elif unit != question.unit:
                self._is_foreign(unit)
            else:
                self._settle_with(question, function, data[at + 8 : end])
            at = end
        self._rest = data[at:]
        if self._rest and _is_tls(self._rest):  # an alert is shorter than any frame
            self._distrust("driver.tls_wanted")

    def _stray(self, transaction: int, unit: int) -> None:
        late = self._transactions.owed.pop(transaction, None)
        if late is None:
            self._is_foreign(unit)
            return
        self._is_late(late)

    def _expired(self, question: Question) -> DriverError:
        self._transactions.in_vain(question)
        if self._rest:  # a frame without its end: what follows would be read as its rest
            self.trusted = False
            return Garbled(question.where, "driver.cut_frame", found=len(self._rest))
        return self._no_answer(question)

    def _distrust(self, code: str) -> None:
        self.trusted, self._rest = False, b""
        self._is_foreign()
        if self._question is not None:
            self._settle(Garbled(self._question.where, code))


def _is_tls(data: bytes) -> bool:
    """Whether it begins as a TLS record of an alert or a handshake does [1]_: a frame has zeros there.

    References
    ----------
    .. [1] RFC 8446, section 5.1.
    """
    return len(data) > 2 and data[0] in (0x15, 0x16) and data[1] == 3 and 1 <= data[2] <= 4
