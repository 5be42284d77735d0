"""RTU frames, on a serial line or through a socket: no transaction id, so silence and check sums tell."""

import asyncio
from collections.abc import Awaitable

from pymodbus.framer import FramerRTU
from pymodbus.transport import CommParams

from drivers.contract import DriverError, Garbled
from drivers.modbus_link.link import LineCounts, Link
from drivers.modbus_link.question import Question

_READS = (3, 4)
_SHORTEST = 5  # an exception: unit, function, code, check sum
_KEPT = 512  # more than two frames: noise does not pile up
_TICK_S = 0.005
_NEVER_QUIET_S = 1.0
_LEAST_PATIENCE_S = 1.0

Likeness = tuple[int, int, int]
"""Unit, function and size: answers that are alike in these cannot be told apart."""


class RtuLink(Link):
    """Frames with a check sum.

    Parameters
    ----------
    quiet_s : silence on the line that must come before a question.
    """

    def __init__(self, params: CommParams, counts: LineCounts, quiet_s: float) -> None:
        super().__init__(params, counts)
        self._quiet_s = quiet_s
        self._heard_s = 0.0
        self._rest = b""
        self._noise = False
        # Questions without an answer: where they began, and until when theirs may still come.
        self._owed: dict[Likeness, tuple[Question, float]] = {}

    def ask(self, question: Question, timeout_s: float) -> Awaitable[bytes]:
        """Wait for silence, then ask."""
        return self._ask_when_quiet(question, timeout_s)

    async def _ask_when_quiet(self, question: Question, timeout_s: float) -> bytes:
        await self._quiet()
        await self._unmistakable(question)
        self._rest, self._noise = b"", False
        return await super().ask(question, timeout_s)

    async def _quiet(self) -> None:
        """Wait out whatever is still being said, within reason."""
        give_up_s = self.loop.time() + _NEVER_QUIET_S
        while (now_s := self.loop.time()) < give_up_s:
            left_s = self._heard_s + self._quiet_s - now_s
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)

    async def _unmistakable(self, question: Question) -> None:
        """Wait until no late answer can pass for this one's: another block of the same size and unit."""
        key = _likeness(question)
        while (owed := self._owed.get(key)) is not None:
            (earlier, until_s) = owed
            if self.loop.time() >= until_s:
                del self._owed[key]
            elif earlier.start == question.start:
                return  # its answer says the same
            else:
                await asyncio.sleep(_TICK_S)

    def _send(self, question: Question) -> None:
        self._write(question.rtu)

    def data_received(self, data: bytes) -> None:
        """Look for frames whose check sum is right, noise before and between them or not."""
        self._heard_s = self.loop.time()
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
                continue
            at += 1
        self._rest = rest[at if waiting_at is None else waiting_at :]

    def _begins_the_answer(self, data: bytes, at: int) -> bool:
        """Whether it has the answer's own length: then the answer is here no sooner than all of it."""
        question = self._question
        return question is not None and data[at : at + 3] == bytes(
            (question.unit, question.function, question.size)
        )

    def _adds_up(self, frame: bytes, only_the_answer: bool) -> bool:
        question = self._question
        ours = question is not None and (frame[0], frame[1] & 0x7F) == (question.unit, question.function)
        if only_the_answer and not (
            ours and question is not None and (frame[1] & 0x80 or frame[2] == question.size)
        ):
            return False
        right = FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))
        self._noise = self._noise or (ours and not right)
        return right

    def _frame(self, unit: int, function: int, body: bytes) -> None:
        question = self._question
        key = (unit, function & 0x7F, len(body) - 1)
        if question is None or unit != question.unit or not self._answers(question, function, body):
            if (late := self._owed.pop(key, None)) is not None:
                self.counts.late += 1
                self.counts.of(late[0]).late += 1
                return
            self._is_foreign(unit if question is not None and unit != question.unit else None)
            if question is None or unit != question.unit:
                return
            self._settle_with(question, function, body)  # which says what is wrong with it
            return
        if (owed := self._owed.get(key)) is not None:
            # Asked twice, answered once: the other answer may still come.
            self._owed[key] = (owed[0], self.loop.time() + self._patience_s())
        self._settle_with(question, function, body)

    def _answers(self, question: Question, function: int, body: bytes) -> bool:
        if function & 0x80:
            return function & 0x7F == question.function
        return function == question.function and len(body) == question.size + 1

    def _patience_s(self) -> float:
        """How long after its time an answer may still come."""
        return max(_LEAST_PATIENCE_S, 2 * self._timeout_s)

    def _expired(self, question: Question) -> DriverError:
        self._owed[_likeness(question)] = (question, self.loop.time() + self._patience_s())
        self._rest = b""
        if self._noise:
            return Garbled(question.where, "driver.bad_sum")
        return self._no_answer(question)


def _likeness(question: Question) -> Likeness:
    return question.unit, question.function, question.size


def _frame_size(data: bytes, at: int) -> int:
    """Length of the frame that may begin here; 0 when none can."""
    function, count = data[at + 1], data[at + 2]
    if function in _READS:
        return 5 + count if count and count % 2 == 0 and count <= 250 else 0
    return _SHORTEST if function & 0x7F in _READS else 0
