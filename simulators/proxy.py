"""A TCP proxy that can fail as networks and brokers do: refuse, cut, stall, and come back.

It stands before a broker or a gateway, so that these vanish without being touched. As a program it takes
its moods as lines: ``python -m simulators.proxy 1884 127.0.0.1:1883`` reads ``refuse``, ``stall``, ``cut``
and ``through`` from its input.
"""

import argparse
import asyncio
import contextlib
import socket
import struct
import sys
from enum import StrEnum
from typing import cast

from config.words import preferred_language, say

HOST = "127.0.0.1"
_NOT_LINGERING = struct.pack("ii", 1, 0)


class Mood(StrEnum):
    """How the proxy treats connections."""

    THROUGH = "through"
    """Everything goes through."""

    REFUSE = "refuse"
    """Nobody listens, and who was connected is cut off."""

    STALL = "stall"
    """Connections stand and open, and nothing goes through either way."""

    CUT = "cut"
    """Who is connected is cut off, once; then everything goes through again."""


class _Side(asyncio.Protocol):
    """One end of a connection that goes through; what comes here leaves at the other end."""

    def __init__(self, proxy: "Proxy") -> None:
        self._proxy = proxy
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self._waiting: list[bytes] = []
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to pass on, and to be passed on to."""
        self.transport = cast(asyncio.Transport, transport)
        self._proxy.joined(self)
        for data in self._waiting:
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hang up at the other end too."""
        self._proxy.sides.discard(self)
        self._lost.set_result(None)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def data_received(self, data: bytes) -> None:
        """Pass on, or keep until the other end is there."""
        if self.other is not None:
            self.other.write(data)

    def write(self, data: bytes) -> None:
        """Send, as soon as there is a connection."""
        if self.transport is None:
            self._waiting.append(data)
        else:
            self.transport.write(data)

    def reset(self) -> "asyncio.Future[None]":
        """Hang up with a reset, not in good order; done when the connection is lost."""
        if self.transport is not None:
            # Without lingering, closing throws away what is under way.
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _NOT_LINGERING
            )
            self.transport.abort()
        return self._lost


class Proxy:
    """Between clients and one server.

    Parameters
    ----------
    host, port : of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._stalled = False
        self._listening: socket.socket | None = None
        self._port = 0
        self._dialling: set[asyncio.Task[None]] = set()
        self.sides: set[_Side] = set()
        self.accepted = 0
        """Connections so far."""

    async def start(self, port: int = 0) -> int:
        """Listen on loopback; returns the port, which it keeps. OSError when it is taken."""
        listening = socket.create_server((HOST, port or self._port))
        listening.setblocking(False)
        self._listening, self._port = listening, int(listening.getsockname()[1])
        # Not create_server(): who is let in in the instant of its close() is lost, and left open.
        asyncio.get_running_loop().add_reader(listening, self._let_in)
        return self._port

    async def become(self, mood: Mood) -> None:
        """Treat connections otherwise from now on."""
        if mood is Mood.REFUSE:
            self._stop_listening()
        if mood in (Mood.REFUSE, Mood.CUT):
            await self.cut()
        self._stalled = mood is Mood.STALL
        for side in self.sides:
            self._let_flow(side)
        if mood is not Mood.REFUSE and self._listening is None:
            await self.start()

    async def cut(self) -> None:
        """Cut off everybody with a reset."""
        lost = [side.reset() for side in tuple(self.sides)]
        await asyncio.gather(*lost)

    async def close(self) -> None:
        """Stop listening and cut everybody off. Safe to call twice."""
        self._stop_listening()
        for task in tuple(self._dialling):
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        await self.cut()

    def joined(self, side: _Side) -> None:
        """One more end is connected."""
        self.sides.add(side)
        self._let_flow(side)

    def _let_flow(self, side: _Side) -> None:
        if side.transport is None or side.transport.is_closing():
            return
        if self._stalled:
            side.transport.pause_reading()
        else:
            side.transport.resume_reading()

    def _stop_listening(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def _let_in(self) -> None:
        if self._listening is None:
            return
        try:
            connection, _ = self._listening.accept()
        except OSError:  # gone again before it was let in
            return
        connection.setblocking(False)
        self.accepted += 1
        here, there = _Side(self), _Side(self)
        here.other, there.other = there, here
        task = asyncio.get_running_loop().create_task(self._dial(here, there, connection))
        self._dialling.add(task)

        def dialled(task: asyncio.Task[None]) -> None:
            self._dialling.discard(task)
            if here.transport is None:  # cancelled before it began
                connection.close()

        task.add_done_callback(dialled)

    async def _dial(self, here: _Side, there: _Side, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: here, connection)
        try:
            await loop.create_connection(lambda: there, *self._target)
        except OSError:
            here.reset()


async def _serve(port: int, host: str, target: int) -> None:
    proxy = Proxy(host, target)
    sys.stdout.write(f"listening {await proxy.start(port)}\n")
    sys.stdout.flush()
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            with contextlib.suppress(ValueError):  # an unknown mood is answered by the present one
                await proxy.become(Mood(line.strip()))
            sys.stdout.write(f"{line.strip()}\n")
            sys.stdout.flush()
    finally:
        await proxy.close()


def main() -> int:
    """Stand between until the input ends; exit 1 when the port is taken."""
    language = preferred_language()
    parser = argparse.ArgumentParser(
        prog="python -m simulators.proxy", description=say("simulators.proxy_about", language)
    )
    parser.add_argument("port", type=int, help=say("simulators.proxy_port", language))
    parser.add_argument("target", metavar="HOST:PORT", help=say("simulators.proxy_target", language))
    wishes = parser.parse_args()
    host, _, target = wishes.target.rpartition(":")
    if not host or not target.isdigit():
        parser.error(say("simulators.proxy_target", language))
    try:
        asyncio.run(_serve(wishes.port, host, int(target)))
    except OSError as error:
        reason = error.strerror or str(error)
        address = f"{HOST}:{wishes.port}"
        sys.stderr.write(say("simulators.cannot_listen", language, address=address, reason=reason) + "\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
