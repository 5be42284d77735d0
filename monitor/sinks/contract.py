"""The sink contract: a sink is a cursor over what is committed.

Three streams are followed, each in the order of commitment: ``scans`` by id, ``intervals`` and ``results``
by ``seq`` (a row whose figures change comes again with a higher one). What lies behind a stream's cursor
was acknowledged by the far side or became a dead letter; what lies before it is pending. A cursor moves
only in a commit of its own after the acknowledgement, so that a crash repeats and never skips: the far
side must take the same row twice without counting it twice.

All of this is done once, in ``monitor.sinks.delivery``. To add a sink, write a ``FarEnd`` in a file of its
own and a far side for ``tests/contract/test_sinks.py``; docs/sinks.md shows one.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

# Served in turn, one batch each, so that a backlog of scans never starves what bills and alarms are made of.
STREAMS = ("intervals", "results", "scans")


CLOCKS_DISAGREE, CLOCKS_MAY_DIFFER_S = "sink.clocks_disagree", 60.0
"""So far apart may a far side's clock and this machine's be before that is told."""


class Verdict(StrEnum):
    """What to do after an answer."""

    TAKEN = "taken"
    REFUSED = "refused"  # something in the batch is at fault
    HOLD = "hold"  # a person has to act; nothing may be lost meanwhile
    RETRY = "retry"  # it passes by itself


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one write.

    Attributes
    ----------
    code : text in the word catalogue, filled by ``data``; empty when taken. ``data["words"]`` are the far
        side's own, kept with what it refused.
    retry_after_s : how long the far side asks to be left alone, None when it does not say.
    too_large : whether it was the batch's size that was refused.
    """

    verdict: Verdict
    code: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    retry_after_s: float | None = None
    too_large: bool = False

    @property
    def clocks_disagree(self) -> bool:
        """Whether the far side said a time that is far from this machine's (``data["clock_off_s"]``)."""
        return abs(float(self.data.get("clock_off_s", 0.0))) > CLOCKS_MAY_DIFFER_S


class UnsendableError(ValueError):
    """A row that cannot be said to this far side."""


class FarEnd(ABC):
    """One far side: all that is different from sink to sink.

    Attributes
    ----------
    sink : id in the site file.
    address : what may be shown of where it is: never a secret.
    streams : those it wants.
    takes : code of the words when ``check`` was taken; None for words that fit any far side.
    """

    sink: str
    address: str
    streams: Sequence[str] = STREAMS
    takes: str = "sink.takes_data"
    max_lines = 5000
    max_bytes = 1 << 20

    async def open(self) -> None:  # noqa: B027  not every far side has something to make ready
        """Make ready on the event loop; nothing has to be dialled yet, and nothing may be raised."""

    async def close(self) -> None:  # noqa: B027  ... or to hang up
        """Hang up."""

    @abstractmethod
    def render(self, stream: str, row: Any) -> bytes:
        """One row as a line of its own, complete: it is kept as a dead letter and sent again as it is.

        Parameters
        ----------
        row : ``ChangedInterval``, ``ChangedResult``, or of scans the pair (layout id, ``Scan``). Each has a
            key of its own: the same row again must replace, and not add.

        Returns
        -------
        Nothing where the row has nothing to send. Called in a worker thread. Raises ``UnsendableError``.
        """

    @abstractmethod
    def probe(self) -> bytes:
        """A line that is surely right, and harmless: is a row at fault, or the whole address?"""

    @abstractmethod
    async def write(self, lines: Sequence[bytes]) -> Answer:
        """Write lines once, all or none, within a deadline of its own.

        Never raises for what a far side can do; ``TAKEN`` only once it has promised to keep them.
        """


class SinkState(StrEnum):
    """How a sink is doing."""

    OK = "ok"
    HOLDING = "holding"  # the far side wants a person: a token, a bucket, an address
    SORTING = "sorting"  # it refuses lines: those at fault are found one by one
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
    empty : rows since then that had nothing to send, by stream.
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
