"""What a VTN told and what we answered: one row an event of its, with the event of ours that it became.

Each function is one transaction of the writer's engine, or a question to a reader's.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, RowMapping, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store.event_tables import curtailment_events, openadr_events
from rules.curtailment import OPEN, Life

CONDITION = "openadr"
"""Under this name page and ``status`` find how the connection to the VTN is doing."""

ENDED_HERE = "openadr.ended_here"
"""Why an event is opted out of that somebody here ended."""


@dataclass(frozen=True, slots=True)
class VtnEventRow:
    """An event of the VTN, as it was answered last.

    Attributes
    ----------
    modification : of what was answered.
    event : id of ours; empty where nothing was begun.
    is_in : opted in.
    reason : code and data of why not.
    """

    id: str
    modification: int
    event: str
    is_in: bool
    reason: dict[str, Any] | None
    at_ms: int


def keep_vtn_event(engine: Engine, site: str, row: VtnEventRow) -> None:
    """Keep what was answered, in the place of what was answered before."""
    values = {
        "modification": row.modification,
        "event": row.event,
        "is_in": int(row.is_in),
        "reason": None if row.reason is None else json.dumps(row.reason, ensure_ascii=False),
        "at_ms": row.at_ms,
    }
    statement = upsert(openadr_events).values(site=site, vtn_event=row.id, **values)
    key = list(openadr_events.primary_key.columns)
    with engine.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))


def vtn_event(engine: Engine, site: str, id_: str) -> VtnEventRow | None:
    """What was answered to an event of the VTN; None where it is new."""
    table = openadr_events
    query = select(table).where(table.c.site == site, table.c.vtn_event == id_)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _row(row)


def ended_here(engine: Engine, site: str) -> list[VtnEventRow]:
    """Events that were opted in to, and that somebody or something here has ended before their time."""
    ours, table = curtailment_events, openadr_events
    query = (
        select(table)
        .join(ours, (ours.c.site == table.c.site) & (ours.c.id == table.c.event))
        .where(table.c.site == site, table.c.is_in == 1)
        .where(ours.c.life.in_([Life.ABORTED.value, Life.CANCELLED.value]))
    )
    with engine.connect() as connection:
        return [_row(row) for row in connection.execute(query).mappings()]


def renew_signals(engine: Engine, site: str, events: Collection[str], at_ms: int) -> int:
    """What the VTN said of these events holds anew from now on; returns how many were open."""
    table = curtailment_events
    statement = (
        update(table)
        .where(table.c.site == site, table.c.id.in_(events), table.c.signal_ttl_s.is_not(None))
        .where(table.c.life.in_([one.value for one in OPEN]))
        .values(signal_ms=at_ms)
    )
    with engine.begin() as connection:
        return int(connection.execute(statement).rowcount)


def _row(row: RowMapping) -> VtnEventRow:
    return VtnEventRow(
        id=row["vtn_event"],
        modification=row["modification"],
        event=row["event"],
        is_in=bool(row["is_in"]),
        reason=None if row["reason"] is None else json.loads(row["reason"]),
        at_ms=row["at_ms"],
    )
