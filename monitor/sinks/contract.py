"""The sink contract: a sink is a cursor over what is committed.

Three streams are followed, each in the order of commitment: ``scans`` by id, ``intervals`` and ``results``
by ``seq`` (a row whose figures change comes again with a higher one). What lies behind a stream's cursor
was acknowledged by the far side or became a dead letter; what lies before it is pending. A cursor moves
only in a commit of its own after the acknowledgement, so that a crash repeats and never skips: the far
side must take the same row twice without counting it twice.

To add a sink, write a class that satisfies ``Sink`` and a far end for ``tests/contract/test_sinks.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

# Served in turn, one batch each, so that a backlog of scans never starves what bills and alarms are made of.
STREAMS = ("intervals", "results", "scans")


class SinkState(StrEnum):
    """How a sink is doing."""

    OK = "ok"
    HOLDING = "holding"  # the far side wants a person: a token, a bucket, an address
    BACKING_OFF = "backing_off"  # the far side is away or busy: it comes back by itself


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong: ``code`` names the text in the word catalogue, ``data`` fills it."""

    code: str
    data: Mapping[str, Any]
    at_ms: int


@dataclass(frozen=True, slots=True)
class SinkHealth:
    """A snapshot for status and alarms.

    Attributes
    ----------
    sink : id in the site file.
    state, since_ms : how it is doing, and since when (milliseconds UTC).
    trouble : the last trouble, also after it is over; None when there was none.
    pending : rows that are committed and not acknowledged, by stream.
    delivered : rows acknowledged since the process began, by stream.
    empty : rows since then that had no number to send, by stream.
    dead_letters : lines in the store that the far side will never take.
    """

    sink: str
    state: SinkState
    since_ms: int
    trouble: Trouble | None
    pending: Mapping[str, int]
    delivered: Mapping[str, int]
    empty: Mapping[str, int]
    dead_letters: int


@dataclass(frozen=True, slots=True)
class SinkCheck:
    """Answer of ``check``: ``code`` and ``data`` make the text, whichever way it went."""

    sink: str
    ok: bool
    code: str
    data: Mapping[str, Any]


class Sink(Protocol):
    """Delivers one site's committed rows to one far side."""

    @property
    def id(self) -> str:
        """Its id in the site file."""

    def standing(self) -> tuple[SinkState, int, Trouble | None]:
        """How it is doing, since when (milliseconds UTC), and the last trouble; costs nothing."""

    async def run(self) -> None:
        """Deliver until cancelled. Raises only on a programming error."""

    async def health(self) -> SinkHealth:
        """How it is doing, counted now."""

    async def check(self) -> SinkCheck:
        """Try the far side once, as delivery would, without touching any cursor."""
