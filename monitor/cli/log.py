"""The log in the language of whoever reads it: what went wrong in words, with its code to search for."""

import logging
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler, QueueListener
from queue import Full, Queue
from threading import Event
from time import monotonic
from typing import Any

from config.words import Spoken, say_error
from drivers.contract import DriverError
from monitor.store.database import StoreError

MOST_LINES = 5_000
"""How many lines wait for whoever reads the log: an hour of a building in trouble."""

END_WITHIN_S = 2.0


class Formatter(logging.Formatter):
    """Tells ``Spoken`` lines, and errors that are filled into other lines, in words."""

    def __init__(self, language: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self._language = language

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        """The line, once its message is put together."""
        if isinstance(record.msg, Spoken):
            record.message = record.msg.in_language(self._language)
        elif isinstance(record.args, tuple) and record.args:
            record.message = str(record.msg) % tuple(self._said(one) for one in record.args)
        return super().formatMessage(record)

    def _said(self, one: Any) -> Any:
        if not isinstance(one, DriverError | StoreError):
            return one
        words = say_error({"code": one.code, "data": one.data}, self._language)
        return f"{words} [{one.code}]"


class _Descriptor(logging.Handler):
    """Writes lines that are ready to a descriptor, past every lock that the end of the program takes."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def createLock(self) -> None:  # noqa: N802  logging's own name
        """Have none: one thread writes, and the end of the program would wait for the lock of a stuck one."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a line; logging's own takes the lock that there is not, from Python 3.13 on."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line whole; where nobody will ever read it, it is gone."""
        left = (record.getMessage() + "\n").encode("utf-8", "backslashreplace")
        with suppress(OSError):
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:
                    select.select((), (self._descriptor,), ())


class Voice(QueueHandler):
    """Hands lines to a thread that writes them: whoever logs never waits for whoever reads.

    Nobody may read the pipe, or a journal may hang; meters are read and load is handed back all the same.
    What finds no room meanwhile is dropped and counted, and a line tells how many once it flows again.
    """

    def __init__(self, language: str, descriptor: int, most_lines: int = MOST_LINES) -> None:
        lines: Queue[logging.LogRecord] = Queue(most_lines)
        super().__init__(lines)
        self.setFormatter(Formatter(language))
        self._lines = lines
        self._dropped = 0
        self._listener = _Listener(lines, _Descriptor(descriptor), after=self._tell_dropped)
        self._listener.start()

    def enqueue(self, record: logging.LogRecord) -> None:
        """Hand a line over, or count it; logging holds this handler's lock."""
        try:
            self._lines.put_nowait(record)
        except Full:
            self._dropped += 1

    def tell(self, text: str) -> None:
        """Say something as it is, in its turn between the lines of the log."""
        with self._alone():
            self.enqueue(_plain(text))

    def end(self, within_s: float = END_WITHIN_S) -> None:
        """Let what was said get out; not for ever, where nobody reads it."""
        until_s = monotonic() + within_s
        while self._lines.unfinished_tasks and monotonic() < until_s:
            Event().wait(0.01)

    def _tell_dropped(self) -> None:
        """In the thread that writes, after each line."""
        if not self._dropped or not self._lines.empty():
            return
        with self._alone():
            count, self._dropped = self._dropped, 0
            line = logging.LogRecord(
                __name__, logging.WARNING, __file__, 0, Spoken("log.dropped", count=f"{count:,}"), (), None
            )
            self.enqueue(self.prepare(line))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


class _Listener(QueueListener):
    """The thread that writes; it never keeps the program from ending."""

    def __init__(
        self, lines: "Queue[logging.LogRecord]", to: logging.Handler, after: Callable[[], None]
    ) -> None:
        super().__init__(lines, to)
        self._after = after

    def handle(self, record: logging.LogRecord) -> None:
        """Write a line."""
        super().handle(record)
        self._after()


def _plain(text: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.INFO, __file__, 0, text, None, None)


def speak(language: str, *, quiet: bool = False) -> Voice:
    """Write the log to standard error."""
    voice = Voice(language, sys.stderr.fileno())
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, handlers=[voice])
    return voice
