"""Writes to the points of plans: put down before they go out, what became of them, where each action stands.

Each function is one transaction of the writer's engine.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store.event_tables import event_actions, event_writes
from rules.curtailment import Track

NOT_SENT = ("already", "sheds_already", "dry_run", "mqtt.broker_lost")
"""Outcomes of rows for which nothing went over the wire."""

Trouble = dict[str, Any] | None
"""Code and data of what went wrong."""


@dataclass(frozen=True, slots=True)
class WriteRow:
    """A write before it goes out. ``asked`` is what is to be written; None where nothing is."""

    event: str
    action: str
    device: str
    point: str
    purpose: str
    asked: float | None
    previous: float | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write."""

    outcome: str
    shown: float | None = None
    sent_ms: int | None = None
    done_ms: int | None = None
    error: Trouble = None


def intend(
    engine: Engine, site: str, event: str, action: str, track: Track, write: WriteRow | None
) -> int | None:
    """Keep what stood before and that a write goes out, before it does; returns the write's number."""
    with engine.begin() as connection:
        _put_track(connection, site, event, action, track, None)
        if write is None:
            return None
        values = {**asdict(write), "site": site, "outcome": "pending"}
        key = connection.execute(insert(event_writes).values(values)).inserted_primary_key
    return int(key[0]) if key is not None else None


def settle(
    engine: Engine,
    site: str,
    event: str,
    action: str,
    track: Track | None,
    outcome: Outcome,
    *,
    number: int | None = None,
    write: WriteRow | None = None,
) -> None:
    """Keep what became of a write; the same again changes nothing.

    Parameters
    ----------
    track : where the action stands; None where a newer one is known.
    number : of the write, as ``intend`` gave it.
    write : without a number it is looked for, and put down where nobody did; None where there was none.
    """
    with engine.begin() as connection:
        if track is not None:
            _put_track(connection, site, event, action, track, outcome.error)
        if number is None and write is not None:
            number = _number_of(connection, site, write)
        if number is not None:
            _put_outcome(connection, number, outcome)


def _number_of(connection: Connection, site: str, write: WriteRow) -> int | None:
    table, values = event_writes, {**asdict(write), "site": site}
    same = [table.c[name] == values[name] for name in ("site", "event", "action", "purpose", "at_ms")]
    found = connection.execute(select(table.c.id).where(*same)).scalar()
    if found is None:
        key = connection.execute(insert(table).values({**values, "outcome": "pending"})).inserted_primary_key
        found = None if key is None else key[0]
    return found


def _put_outcome(connection: Connection, number: int, outcome: Outcome) -> None:
    values = {**asdict(outcome), "error": _dumped(outcome.error)}
    connection.execute(update(event_writes).where(event_writes.c.id == number).values(values))


def _put_track(
    connection: Connection, site: str, event: str, action: str, track: Track, error: Trouble
) -> None:
    values = {**asdict(track), "is_shed": int(track.is_shed), "error": _dumped(error)}
    statement = upsert(event_actions).values(site=site, event=event, action=action, **values)
    key = list(event_actions.primary_key.columns)
    if error is None and track.failed is not None:
        del values["error"]  # why it failed outlives that it was handed back
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))


def _dumped(error: Trouble) -> str | None:
    return None if error is None else json.dumps(error, ensure_ascii=False)


def writes_since(engine: Engine, site: str, device: str, point: str, since_ms: int) -> int:
    """How often a point was written, or may have been, since an instant."""
    table = event_writes
    query = select(func.count()).where(
        table.c.site == site,
        table.c.device == device,
        table.c.point == point,
        table.c.at_ms > since_ms,
        table.c.outcome.not_in(NOT_SENT),
    )
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def orphaned_writes(engine: Engine, site: str, at_ms: int) -> int:
    """Mark the writes whose outcome nobody lived to hear; returns how many there were."""
    table = event_writes
    with engine.begin() as connection:
        done = connection.execute(
            update(table)
            .where(table.c.site == site, table.c.outcome == "pending")
            .values(outcome="unknown", done_ms=at_ms)
        )
    return int(done.rowcount)
