"""The far end of a serial line: a pseudo-terminal made for it, or a port at the other end of a cable."""

import asyncio
import os
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import serial

from drivers.settings import ModbusSerialBus

Hear = Callable[[bytes, float], None]
"""What came, and when it came, in seconds of the loop's clock."""


class LineTaken(Exception):
    """Something is at the path already, and it is not ours to take."""


class SerialEnd:
    """An open end of a line, read and written by its file descriptor.

    Parameters
    ----------
    path : by which the devices are reached, for people.
    shut : closes it.
    """

    def __init__(self, path: str, descriptor: int, shut: Callable[[], None]) -> None:
        self.path = path
        self._descriptor = descriptor
        self._shut: Callable[[], None] | None = shut
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hear: Hear
        os.set_blocking(descriptor, False)

    def listen(self, hear: Hear) -> None:
        """Tell what comes, on the running loop."""
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._readable)

    def write(self, data: bytes) -> None:
        """Say something. Where nobody takes it in it is lost, as on any such line."""
        if self._shut is not None:
            with suppress(BlockingIOError, OSError):
                os.write(self._descriptor, data)

    def close(self) -> None:
        """Stop listening and close. Safe to call twice."""
        if self._loop is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop = None
        if self._shut is not None:
            shut, self._shut = self._shut, None
            shut()

    def _readable(self) -> None:
        assert self._loop is not None  # noqa: S101  it listens
        try:
            data = os.read(self._descriptor, 4096)
        except BlockingIOError:
            return
        except OSError:  # the adapter was pulled
            data = b""
        if data:
            self._hear(data, self._loop.time())
        else:
            self.close()


def made_line(path: Path) -> SerialEnd:
    """A pseudo-terminal that is found at ``path`` while it is open.

    Raises
    ------
    LineTaken : there is something at the path.
    OSError : nothing can be made there.
    """
    if path.is_symlink() and not path.exists():
        path.unlink()  # left over from one that did not end well
    if path.is_symlink() or path.exists():
        raise LineTaken(str(path))
    main, terminal = os.openpty()
    try:
        tty.setraw(terminal)
        path.symlink_to(os.ttyname(terminal))
    except OSError:
        os.close(main)
        os.close(terminal)
        raise

    def shut() -> None:
        path.unlink(missing_ok=True)
        os.close(terminal)  # was held open, so that the line outlives every client
        os.close(main)

    return SerialEnd(str(path), main, shut)


def opened_line(path: Path, bus: ModbusSerialBus) -> SerialEnd:
    """A serial port, set as the bus is. Raises OSError, for values too that it cannot be set to."""
    try:
        port = serial.Serial(
            str(path),
            baudrate=bus.baud,
            bytesize=bus.data_bits,
            parity=bus.parity[0].upper(),
            stopbits=bus.stop_bits,
            timeout=0,
        )
    except ValueError as error:
        raise OSError(str(error)) from error
    return SerialEnd(str(path), port.fileno(), port.close)
