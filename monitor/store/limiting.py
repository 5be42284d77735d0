"""What the store keeps of the demand limiter: years it was taken through, who armed it, how it stands.

Its writes to equipment are those of an event: a run of the limiter is one, with the source ``limiter``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store.event_tables import curtailment_events, event_actions, limiter_records, limiter_standing
from monitor.store.events import EventRow, Step, add_events, events
from monitor.store.writes import writes_since
from rules.curtailment import Mode, Plan

LIMITER = "limiter"
"""Source of the events that the limiter began."""

Kind = Literal["simulated", "armed", "disarmed"]


@dataclass(frozen=True, slots=True)
class LimiterRecord:
    """One thing that was said or found.

    Attributes
    ----------
    digest : of plan and settings that it holds for.
    detail : the year's figures of what was simulated.
    """

    kind: Kind
    digest: str
    who: str
    at_ms: int
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arming:
    """Whether the limiter may write.

    Attributes
    ----------
    missing : code of what stands against it; None = it was simulated and armed.
    who : who armed it last; empty = nobody.
    """

    missing: str | None
    who: str = ""


@dataclass(frozen=True, slots=True)
class LimiterPast:
    """What became of a plan's actions before, by action.

    Attributes
    ----------
    used : writes of its point since an instant.
    shed_ms, back_ms : when it was shed, and handed back, last.
    """

    used: Mapping[str, int]
    shed_ms: Mapping[str, int]
    back_ms: Mapping[str, int]


def keep_record(engine: Engine, site: str, record: LimiterRecord) -> None:
    """Write a record down."""
    detail = json.dumps(dict(record.detail), ensure_ascii=False)
    said = {"kind": record.kind, "digest": record.digest, "who": record.who, "at_ms": record.at_ms}
    with engine.begin() as connection:
        connection.execute(insert(limiter_records).values(site=site, **said, detail=detail))


def records(engine: Engine, site: str) -> list[LimiterRecord]:
    """All of a site, oldest first."""
    table = limiter_records
    query = select(table).where(table.c.site == site).order_by(table.c.id)
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        LimiterRecord(row["kind"], row["digest"], row["who"], row["at_ms"], json.loads(row["detail"]))
        for row in rows
    ]


def arming_of(found: Sequence[LimiterRecord], digest: str) -> Arming:
    """Whether the limiter may write with this plan and these settings.

    Examples
    --------
    >>> arming_of([LimiterRecord("simulated", "ab", "wang", 1)], "ab").missing
    'limiter.not_armed'
    """
    simulated = [one for one in found if one.kind == "simulated"]
    if not any(one.digest == digest for one in simulated):
        return Arming("limiter.simulated_otherwise" if simulated else "limiter.not_simulated")
    last = next((one for one in reversed(found) if one.kind != "simulated"), None)
    if last is None or last.kind != "armed":
        return Arming("limiter.not_armed")
    if last.digest != digest:
        return Arming("limiter.armed_otherwise", last.who)
    return Arming(None, last.who)


def disarm(engine: Engine, site: str, who: str, at_ms: int) -> bool:
    """Take back what was armed; False where nothing was."""
    last = next((one for one in reversed(records(engine, site)) if one.kind != "simulated"), None)
    if last is None or last.kind != "armed":
        return False
    keep_record(engine, site, LimiterRecord("disarmed", last.digest, who, at_ms))
    return True


def begin_run(engine: Engine, site: str, row: EventRow, digest: str, first: Step) -> EventRow | None:
    """Write a run of the limiter down, under an id that is free; None where it may not be live.

    The engine is the writer's: nobody disarms between the look and the row.

    Parameters
    ----------
    first : the decision that it begins with.
    """
    if row.mode is Mode.LIVE and arming_of(records(engine, site), digest).missing is not None:
        return None
    wanted, number = row.id, 1
    while events(engine, site, ids=[row.id]):
        number += 1
        row = replace(row, id=f"{wanted}-{number}")
    add_events(engine, site, [row], [replace(first, event=row.id)])
    return row


def past_of(engine: Engine, site: str, plan: Plan, mode: Mode, since_ms: int) -> LimiterPast:
    """What became of a plan's actions in events of a mode, and how often their points were written."""
    events_, actions = curtailment_events, event_actions
    query = (
        select(actions.c.action, func.max(actions.c.shed_ms), func.max(actions.c.back_ms))
        .join(events_, (events_.c.site == actions.c.site) & (events_.c.id == actions.c.event))
        .where(actions.c.site == site, events_.c.plan == plan.id, events_.c.mode == mode.value)
        .group_by(actions.c.action)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    used = {one.id: writes_since(engine, site, one.device, one.point, since_ms) for one in plan.actions}
    return LimiterPast(
        used,
        {action: shed_ms for action, shed_ms, _ in rows if shed_ms is not None},
        {action: back_ms for action, _, back_ms in rows if back_ms is not None},
    )


def put_standing(engine: Engine, site: str, at_ms: int, data: Mapping[str, Any]) -> None:
    """Keep how the limiter stands now."""
    values = {"at_ms": at_ms, "data": json.dumps(dict(data), ensure_ascii=False)}
    statement = upsert(limiter_standing).values(site=site, **values)
    statement = statement.on_conflict_do_update(index_elements=["site"], set_=values)
    with engine.begin() as connection:
        connection.execute(statement)


def standing(engine: Engine, site: str) -> dict[str, Any] | None:
    """How the limiter stood last, with ``at_ms``; None before a daemon has run one."""
    query = select(limiter_standing).where(limiter_standing.c.site == site)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else {"at_ms": row["at_ms"], **json.loads(row["data"])}
