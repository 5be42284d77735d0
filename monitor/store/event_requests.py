"""What is asked of curtailment events: rows in the request box that the daemon's desk answers."""

from dataclasses import dataclass
from typing import Any, Literal

from monitor.store.database import StoreError

Wanted = Literal["schedule", "confirm", "trigger", "abort", "cancel", "signal", "change"]

NO_PROGRAMME = "-"

LIVES_FOR_MS = 60_000
"""A request that nobody took up for so long is refused: nobody wants an hour-old trigger carried out."""


@dataclass(frozen=True, slots=True)
class EventRequest:
    """One wish.

    Attributes
    ----------
    plan, start_ms, end_ms, mode, wanted_kw, programme : of a new event; an empty mode is the plan's own.
    length_s : of a new event, instead of its end: counted from the start that it is given.
    event : which one is meant, to be changed to ``start_ms``, ``end_ms`` and ``wanted_kw``; of a new event
        the id that it is to have, or empty.
    operator, key : who arms it; what is live needs a dispatcher. The key is forgotten once it was looked at.
    who, source : who was logged in, and what the wish came through.
    noticed_ms : when a new event was announced; 0 is now.
    is_draft : write it down only; it waits until somebody confirms it.
    programme : of a new event, instead of its plan's; ``NO_PROGRAMME`` binds it to none.
    bid : price that was bid, instead of its plan's.
    signal, ttl_s : of a signal: whether the event is to hold, and for how long that is good.
    """

    what: Wanted
    asked_ms: int
    who: str
    source: str = "command"
    plan: str = ""
    event: str = ""
    start_ms: int = 0
    end_ms: int = 0
    mode: str = ""
    wanted_kw: float | None = None
    programme: str = ""
    operator: str = ""
    key: str = ""
    note: str = ""
    signal: bool = True
    ttl_s: float | None = None
    noticed_ms: int = 0
    is_draft: bool = False
    bid: float | None = None
    length_s: float | None = None


@dataclass(frozen=True, slots=True)
class EventListRequest:
    """New events of a file, all of them or none.

    Attributes
    ----------
    events : each with the plan, and without a key.
    rows : the file's row of each.
    operator, key : who arms them all.
    """

    asked_ms: int
    who: str
    file_name: str
    events: tuple[EventRequest, ...]
    rows: tuple[int, ...]
    operator: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class EventListOutcome:
    """How many events are new, and how many stood there already.

    Attributes
    ----------
    remarks : ``{code, data}`` of what the programmes have to say; the data name the row.
    """

    added: int
    unchanged: int
    remarks: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """Which event, and where it stands; ``remarks`` are ``{code, data}`` of what its programme has to say."""

    event: str
    life: str
    mode: str
    start_ms: int
    end_ms: int
    remarks: tuple[dict[str, Any], ...] = ()


def no_desk(_engine: Any, _site: str, _request: Any) -> Any:
    """Stands in the table of kinds; who opens the box with a desk puts it in the place of this."""
    raise StoreError("dispatch.no_desk")
