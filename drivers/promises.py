"""Messages of ours that a broker has to answer for: each ends with its PUBACK, or with the connection."""

import asyncio
from typing import NamedTuple

from drivers.inbox import Down

TAKEN_BELOW = 0x80
TOO_LARGE = 0x95
"""Reason codes of MQTT 5, section 2.4: from 0x80 on they are failures."""


class Ack(NamedTuple):
    """What a broker answered for one message: its reason code, and the code's name."""

    code: int
    name: str

    @property
    def is_taken(self) -> bool:
        """Whether the broker has promised to keep it."""
        return self.code < TAKEN_BELOW


class LinkLostError(ConnectionError):
    """The connection ended before the broker answered; whether it has the message nobody knows."""

    def __init__(self, down: Down) -> None:
        super().__init__(down.reason)
        self.down = down


class Promises:
    """The messages that were sent and not answered for. On the event loop.

    Attributes
    ----------
    max_bytes : what the broker takes as one packet at most; None where it did not say.
    max_waiting : how many messages it takes in before it has answered for one.
    """

    def __init__(self) -> None:
        self.max_bytes: int | None = None
        self.max_waiting = 65_535
        self._waiting: dict[int, asyncio.Future[Ack]] = {}

    def welcomed(self, more: object) -> None:
        """Note what the broker said about itself in its CONNACK."""
        self.max_bytes = getattr(more, "MaximumPacketSize", None)
        self.max_waiting = getattr(more, "ReceiveMaximum", 65_535)

    def fits(self, topic: str, payload: bytes) -> bool:
        """Whether a message is within the broker's measure, with room for the frame around it."""
        return self.max_bytes is None or len(topic.encode()) + len(payload) + 16 <= self.max_bytes

    async def of(self, mid: int) -> Ack:
        """The answer for a message that was just sent. Raises ``LinkLostError``."""
        self._waiting[mid] = asyncio.get_running_loop().create_future()
        try:
            return await self._waiting[mid]
        finally:
            self._waiting.pop(mid, None)

    def kept(self, mid: int, ack: Ack) -> None:
        """The broker answered."""
        waiting = self._waiting.get(mid)
        if waiting is not None and not waiting.done():
            waiting.set_result(ack)

    def broken(self, down: Down) -> None:
        """The connection is over: no answer will come."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkLostError(down))
