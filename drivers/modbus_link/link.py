"""An open connection that asks one question at a time."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field

from pymodbus.transport import CommParams, ModbusProtocol

from drivers.contract import DriverError, Garbled, NoAnswer
from drivers.modbus_link.question import Question, refusal
from drivers.tally import Tally
from drivers.tls import tls_trouble

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what goes wrong is told by device, in words

WRONG_SIZE = "driver.wrong_size"
_FOREIGNS = _FOREIGN_UNIT, _FOREIGN_NUMBER = "driver.foreign_answer", "driver.foreign_number"
_READ_SIZE = 4096  # asyncio's own transport takes 256 KiB for each read otherwise


@dataclass(slots=True)
class LineCounts:
    """What a line saw, for benchmarks, tests and people who look for the trouble.

    Attributes
    ----------
    late : answers that came after their time; foreign : answers nobody asked for, or of another unit.
    missed : polls whose slot passed before they could be asked.
    tallies : the same told of each device, by id. late_before : its late answers when it was silent last.
    """

    asked: int = 0
    answered: int = 0
    silent: int = 0
    late: int = 0
    foreign: int = 0
    dials: int = 0
    missed: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    late_before: dict[str, int] = field(default_factory=dict)

    def of(self, question: Question) -> Tally:
        """What is seen of the device that a question is put to."""
        return self.tallies.setdefault(question.where.device, Tally())


class Link(ModbusProtocol):
    """One connection. ``ask`` is for one caller at a time; the framings say how a question goes out.

    Attributes
    ----------
    trusted : False once the stream can no longer be told into frames: hang up and dial again.
    in_handshake : whether the far end took the call and TLS does not stand yet.
    rest_s : what the units of this line need between two questions, where the link itself puts several.
    """

    def __init__(self, params: CommParams, counts: LineCounts) -> None:
        super().__init__(params, is_server=False)
        self.counts = counts
        self.trusted = True
        self.in_handshake = False
        self.rest_s = 0.0
        self.ready: asyncio.Future[None] = self.loop.create_future()
        self._question: Question | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._foreign: int | None = None  # the unit that answered in another's place
        self._timeout_s = 0.0
        self._deadline_s = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._watch_s = 0.0

    @property
    def connected(self) -> bool:
        """Whether questions can be asked."""
        return self.is_active() and self.trusted

    def ask(self, question: Question, timeout_s: float) -> Awaitable[bytes]:
        """The registers asked for, two bytes each; of a write, what is of no use.

        Awaiting it raises ``DriverError``.
        """
        self._answer = future = self.loop.create_future()
        if self.transport is None:
            future.set_exception(NoAnswer(question.where, "driver.hung_up"))
            return future
        self._question, self._foreign = question, None
        self.counts.asked += 1
        self._send(question)
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s = self.loop.time() + timeout_s
        # One timer a connection, not one a question: nearly all are answered long before.
        if self._watch is None or deadline_s < self._watch_s:
            self._watch_until(deadline_s)
        return future

    def hang_up(self) -> None:
        """Close at once, whatever waits to be sent: the far end may be gone. Safe to call twice."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]
        self.close()
        self._fail("driver.hung_up")

    # -- pymodbus's transport layer calls these -------------------------------------------------------

    def callback_new_connection(self) -> ModbusProtocol:
        """Nobody dials us."""
        raise NotImplementedError

    def callback_data(self, data: bytes, addr: tuple[object, ...] | None = None) -> int:
        """Not reached: the framings take the bytes as they come."""
        raise NotImplementedError

    def callback_connected(self) -> None:
        """The line is open."""
        if hasattr(self.transport, "max_size"):
            self.transport.max_size = _READ_SIZE
        if not self.ready.done():
            self.ready.set_result(None)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """The far end hung up: whoever waits is told at once."""
        trouble = tls_trouble(exc)  # a certificate of ours may be refused after what looked like success
        self._fail(f"driver.{trouble}" if trouble else "driver.hung_up")

    # -- for the framings ------------------------------------------------------------------------------

    def _send(self, question: Question) -> None:
        raise NotImplementedError

    def _expired(self, question: Question) -> DriverError:
        """Note what is owed now, and say what is wrong with the line."""
        raise NotImplementedError

    def _write(self, frame: bytes) -> None:
        self.transport.write(frame)  # type: ignore[attr-defined]

    def _settle(self, result: bytes | DriverError) -> None:
        question, self._question, future = self._question, None, self._answer
        if future is None or future.done():
            return
        if isinstance(result, bytes):
            self.counts.answered += 1
            future.set_result(result)
            return
        if question is not None and isinstance(result, Garbled) and result.code not in _FOREIGNS:
            self.counts.of(question).bad += 1
        future.set_exception(result)

    def _is_late(self, question: Question) -> None:
        """An answer came after its time."""
        self.counts.late += 1
        self.counts.of(question).late += 1

    def _is_foreign(self, unit: int | None = None) -> None:
        """Somebody else spoke in the place of whom was asked; ``unit`` says who, where it is known."""
        self.counts.foreign += 1
        if self._question is not None:
            self.counts.of(self._question).foreign += 1
        if unit is not None:
            self._foreign = unit

    def _settle_with(self, question: Question, function: int, body: bytes) -> None:
        """Settle with what the right unit said; ``body`` follows the function."""
        if function == question.function and question.is_answered_by(body):
            self._settle(body[1:])
        elif function == question.function | 0x80 and len(body) == 1:
            self.counts.answered += 1
            self.counts.of(question).refused += 1
            self._settle(refusal(question.where, body[0]))
        else:
            self._settle(Garbled(question.where, WRONG_SIZE, found=len(body) - 1, expected=question.size))

    def _fail(self, code: str) -> None:
        if self._question is not None:
            self._settle(NoAnswer(self._question.where, code, reason=""))

    def _watch_until(self, at_s: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch_s = at_s
        self._watch = self.loop.call_at(at_s, self._look)

    def _look(self) -> None:
        self._watch = None
        question = self._question
        if question is None:
            return
        if self.loop.time() < self._deadline_s:
            self._watch_until(self._deadline_s)
            return
        self.counts.silent += 1
        error = self._expired(question)
        if self._foreign is not None:
            code = _FOREIGN_NUMBER if self._foreign == question.unit else _FOREIGN_UNIT
            error = Garbled(question.where, code, found=self._foreign, expected=question.unit)
        elif isinstance(error, NoAnswer):
            self.counts.of(question).silent += 1
        self._settle(error)

    def _no_answer(self, question: Question) -> NoAnswer:
        """Silence; or a timeout that is too short, where its answer to the question before came late."""
        device, late = question.where.device, self.counts.of(question).late
        code = "driver.answers_late" if late > self.counts.late_before.get(device, 0) else None
        self.counts.late_before[device] = late
        return NoAnswer(question.where, code, timeout_s=self._timeout_s)
