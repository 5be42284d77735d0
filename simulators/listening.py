"""Units that are reached through a socket."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping

from simulators.devices import SimulatedDevice
from simulators.standing import FaultBook
from simulators.units import Instant, Units


class ListeningUnits(Units, ABC):
    """Units behind one address; each client has a protocol of its own."""

    def __init__(
        self, devices: Mapping[int, SimulatedDevice], now_s: Instant, faults: FaultBook | None = None
    ) -> None:
        super().__init__(devices, now_s, faults)
        self.connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    @abstractmethod
    def client(self) -> asyncio.Protocol:
        """What speaks with a client that has just come."""

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, on a free port when ``port`` is 0; returns the port. OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.client, host, port, backlog=1024, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and hang up on everyone. Safe to call twice."""
        if self._server is not None:
            self._server.close()
        for transport in tuple(self.connections):
            transport.abort()
        if self._server is not None:
            await self._server.wait_closed()
        await asyncio.sleep(0)  # lets the transports close their sockets
