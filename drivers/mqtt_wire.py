"""An event loop's connection in the shape of a socket, for a protocol library that reads and writes one.

The loop resolves names, dials, speaks TLS and waits for bytes. The library gets what is offered to it in as
small pieces as it likes, without a system call each; what it sends in one turn goes out in one piece.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

# The most that is taken in one turn of the loop: some hundred messages, a millisecond or two.
READ_BYTES = 16 * 1024
GOODBYE_S = 1.0


class Wire(asyncio.BufferedProtocol):
    """One connection. ``recv``, ``send``, ``close``, ``fileno`` and ``setblocking`` are those of a socket.

    Parameters
    ----------
    on_bytes : called with what came.
    on_end : called once the connection is over; from then on ``recv`` gives the end.

    Attributes
    ----------
    error : why the connection ended, None for an orderly end.
    """

    def __init__(self, on_bytes: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.error: Exception | None = None
        self._on_bytes = on_bytes
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(READ_BYTES)
        self._offered = memoryview(b"")
        self._outgoing: list[bytes] = []
        self._ended = asyncio.Event()
        self._paused = False

    # -- the loop's side ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        self._on_bytes(bytes(memoryview(self._buffer)[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, ours or the far side's."""
        self.error = exc
        self._offered = memoryview(b"")
        self._ended.set()
        self._on_end()

    # -- a socket's side ----------------------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes; empty at the end. Raises BlockingIOError where there is nothing yet."""
        piece, self._offered = self._offered[:size], self._offered[size:]
        if not piece and not self._ended.is_set():
            raise BlockingIOError
        return bytes(piece)

    def send(self, data: bytes | bytearray) -> int:
        """Take all of it; ``flush`` sends it."""
        self._outgoing.append(bytes(data))
        return len(data)

    def close(self) -> None:
        """Send what is left, and hang up."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def fileno(self) -> int:
        """No file of its own: nobody may wait on it but the loop."""
        return -1

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    # -- our own ------------------------------------------------------------------------------------

    def offer(self, data: bytes) -> None:
        """Let the library have this; it must have taken all before."""
        self._offered = memoryview(data)

    def flush(self) -> None:
        """Send all that was written since the last time."""
        if self._outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def pause(self) -> None:
        """Read no further: the far side has to wait."""
        if self._transport is not None and not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
            self._paused = True

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._paused = False

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended."""
        return self._ended.is_set()

    async def ended(self, within_s: float) -> bool:
        """Whether the connection is over, at once or after waiting so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        return self._ended.is_set()

    async def finish(self) -> None:
        """Hang up, and wait until it is done: politely for a moment, then for certain."""
        self.close()
        if self._transport is not None and not await self.ended(GOODBYE_S):
            self._transport.abort()
            # A dialling that was cancelled at its last step leaves a connection whose end nobody tells.
            await self.ended(GOODBYE_S)
