"""RTU frames, on a serial line or through a socket: no transaction id, so other things must tell."""

import asyncio
import math
from collections.abc import Awaitable

from pymodbus.framer import FramerRTU
from pymodbus.transport import CommParams

from drivers.contract import DriverError, Garbled, NoAnswer, Refused
from drivers.modbus_link.debts import Debts
from drivers.modbus_link.link import WRONG_SIZE, LineCounts, Link
from drivers.modbus_link.question import Question

_READS, _WRITES = (3, 4), (6, 16)
_SHORTEST = 5  # an exception: unit, function, code, check sum
_ECHO = 8  # of a write: unit, function, address, value or count, check sum
_KEPT = 512  # more than two frames: noise does not pile up
_NEVER_QUIET_S = 1.0


class RtuLink(Link):
    """Frames with a check sum.

    Parameters
    ----------
    quiet_s : silence on the line that must come before a question.
    debts : what the line's units owe since an earlier connection.
    """

    def __init__(self, params: CommParams, counts: LineCounts, quiet_s: float, debts: Debts) -> None:
        super().__init__(params, counts)
        self._quiet_s = quiet_s
        self._debts = debts
        self._heard_s = 0.0
        self._rest = b""
        self._noise = False
        self._first = b""  # what came first since the question, as long as that was
        self._unframed = 0  # bytes that came since then and belong to no frame

    def callback_connected(self) -> None:
        """The line is open; what lay in its buffer is not waited for by anybody."""
        self._heard_s = self.loop.time()
        super().callback_connected()

    def ask(self, question: Question, timeout_s: float) -> Awaitable[bytes]:
        """Ask once the line is silent and nothing late can pass for the answer."""
        return self._ask_when_sure(question, timeout_s)

    async def _ask_when_sure(self, question: Question, timeout_s: float) -> bytes:
        # A write's echo says which write it is, and whoever writes reads back: nothing is proved before it.
        if question.echo is None and self._debts.doubts(question, self.loop.time()):
            await self._prove(question, timeout_s)
            await asyncio.sleep(self.rest_s)
        return await self._put(question, timeout_s)

    async def _prove(self, question: Question, timeout_s: float) -> None:
        """Get an answer that cannot be a late one. Raises ``DriverError`` where there is none.

        A unit that stays silent costs one wait, as any question does; one that refuses is asked otherwise.
        """
        for proof in self._debts.proofs(question):
            try:
                await self._put(proof, timeout_s)
            except Refused:
                pass  # proves as well as data, unless an earlier question may have been refused so late
            except Garbled as error:
                if error.code != WRONG_SIZE:
                    raise
            if not self._debts.doubts(question, self.loop.time()):
                return
            await asyncio.sleep(self.rest_s)
        if not self._debts.spoke(question):
            raise NoAnswer(question.where, timeout_s=timeout_s)
        wait_s = math.ceil(self._debts.over_in_s(question, self.loop.time()))
        raise NoAnswer(question.where, "driver.late_possible", wait_s=wait_s)

    async def _put(self, question: Question, timeout_s: float) -> bytes:
        """Wait for silence, then ask."""
        await self._quiet()
        self._rest, self._noise = b"", False
        self._first, self._unframed = b"", 0
        return await super().ask(question, timeout_s)

    async def _quiet(self) -> None:
        """Wait out whatever is still being said, within reason."""
        give_up_s = self.loop.time() + _NEVER_QUIET_S
        while (now_s := self.loop.time()) < give_up_s:
            left_s = self._heard_s + self._quiet_s - now_s
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)

    def _send(self, question: Question) -> None:
        self._debts.asked(question, self.loop.time())
        self._write(question.rtu)

    def data_received(self, data: bytes) -> None:
        """Look for frames whose check sum is right, noise before and between them or not."""
        self._heard_s = self.loop.time()
        self._unframed += len(data)
        if self._question is not None and len(self._first) < len(self._question.rtu):
            self._first = (self._first + data)[: len(self._question.rtu)]
        rest = (self._rest + data)[-_KEPT:]
        at, waiting_at = 0, None
        while len(rest) - at >= _SHORTEST:
            size = _frame_size(rest, at)
            if size > len(rest) - at:
                if waiting_at is None and self._begins_the_answer(rest, at):
                    break
                # May be still on its way, or noise that looks so: only the very answer counts behind it.
                waiting_at = at if waiting_at is None else waiting_at
            elif size and self._adds_up(rest[at : at + size], waiting_at is not None):
                self._frame(rest[at], rest[at + 1], rest[at + 2 : at + size - 2])
                at, waiting_at = at + size, None
                self._unframed -= size
                continue
            at += 1
        self._rest = rest[at if waiting_at is None else waiting_at :]

    def _begins_the_answer(self, data: bytes, at: int) -> bool:
        """Whether it has the answer's own length: then the answer is here no sooner than all of it."""
        question = self._question
        return question is not None and data[at : at + 3] == bytes(
            (question.unit, question.function, question.third)
        )

    def _adds_up(self, frame: bytes, only_the_answer: bool) -> bool:
        question = self._question
        ours = question is not None and (frame[0], frame[1] & 0x7F) == (question.unit, question.function)
        if only_the_answer and not (
            ours and question is not None and (frame[1] & 0x80 or frame[2] == question.third)
        ):
            return False
        right = FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))
        self._noise = self._noise or (ours and not right)
        return right

    def _frame(self, unit: int, function: int, body: bytes) -> None:
        question = self._question
        asked = question is not None and unit == question.unit
        if question is not None and asked and self._answers(question, function, body):
            self._take(question, function, body)
            return
        size = None if function & 0x80 else len(body) - (function in _READS)
        if (late := self._debts.heard(unit, function & 0x7F, size)) is not None:
            self._is_late(late)
            return
        self._is_foreign(None if asked else unit)
        if question is not None and asked:
            self._settle_with(question, function, body)  # which says what is wrong with it

    def _take(self, question: Question, function: int, body: bytes) -> None:
        if not function & 0x80 or not self._debts.may_be_refused_late(question):
            self._debts.answered(question)
        elif (late := self._debts.heard(question.unit, question.function, None)) is not None:
            self._is_late(late)  # or this one's: nothing tells, so the answer to this one is owed still
        self._settle_with(question, function, body)

    def _answers(self, question: Question, function: int, body: bytes) -> bool:
        if function & 0x80:
            return function & 0x7F == question.function
        return function == question.function and question.is_answered_by(body)

    def _expired(self, question: Question) -> DriverError:
        self._rest = b""
        if self._noise:
            return Garbled(question.where, "driver.bad_sum")
        # An adapter that hears itself says nothing of the unit.
        found = self._unframed - (len(self._first) if self._first == question.rtu else 0)
        if found >= _SHORTEST:  # a byte or two come from the line's turning round
            return Garbled(question.where, "driver.no_frame", found=found)
        return self._no_answer(question)


def _frame_size(data: bytes, at: int) -> int:
    """Length of the frame that may begin here; 0 when none can."""
    function, count = data[at + 1], data[at + 2]
    if function in _READS:
        return 5 + count if count and count % 2 == 0 and count <= 250 else 0
    if function in _WRITES:
        return _ECHO
    return _SHORTEST if function & 0x80 and function & 0x7F in (*_READS, *_WRITES) else 0
