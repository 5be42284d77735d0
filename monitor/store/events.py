"""Curtailment events in the store: what is asked of them, and what became of them.

Each function is one transaction of the writer's engine, or a question to a reader's.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from monitor.store.event_results import write_event_result
from monitor.store.event_tables import curtailment_events, event_actions, event_steps, event_writes
from rules.curtailment import BY_SCHEDULE, OPEN, Life, Mode, Plan, Signal, Track

DAY_MS = 86_400_000

_plan_type = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as the store has it."""

    id: str
    plan: Plan
    mode: Mode
    life: Life
    start_ms: int
    end_ms: int
    noticed_ms: int
    source: str
    who: str
    changed_ms: int
    ended_ms: int | None = None
    wanted_kw: float | None = None
    programme: str = ""
    note: str = ""
    signal: Signal = BY_SCHEDULE
    bid: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to an event."""

    event: str
    at_ms: int
    kind: str
    who: str = ""
    data: dict[str, Any] | None = None


def plan_text(plan: Plan) -> str:
    """A plan as the store keeps it: the same plan is the same text."""
    return json.dumps(asdict(plan), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def add_event(engine: Engine, site: str, event: EventRow) -> None:
    """Write a new event down, with its first step."""
    add_events(engine, site, [event])


def add_events(engine: Engine, site: str, rows: Sequence[EventRow], then: Sequence[Step] = ()) -> None:
    """Write new events down, each with its first step, and further steps: all of them or none."""
    with engine.begin() as connection:
        for row in rows:
            _add_event(connection, site, row)
        for step in then:
            write_step(connection, site, step)


def _add_event(connection: Connection, site: str, event: EventRow) -> None:
    connection.execute(
        insert(curtailment_events).values(
            site=site,
            id=event.id,
            plan=event.plan.id,
            plan_data=plan_text(event.plan),
            mode=event.mode.value,
            life=event.life.value,
            start_ms=event.start_ms,
            end_ms=event.end_ms,
            noticed_ms=event.noticed_ms,
            ended_ms=event.ended_ms,
            wanted_kw=event.wanted_kw,
            programme=event.programme,
            bid=event.bid,
            source=event.source,
            who=event.who,
            note=event.note,
            signal=int(event.signal.is_active),
            signal_ms=event.signal.at_ms,
            signal_ttl_s=event.signal.ttl_s,
            changed_ms=event.changed_ms,
        )
    )
    signal = event.signal  # what was said first; what is said later takes its place in the event's row
    told = {} if signal.ttl_s is None else {"active": signal.is_active, "ttl_s": signal.ttl_s}
    write_step(connection, site, Step(event.id, event.changed_ms, event.life.value, event.who, told))
    write_event_result(connection, site, event.id, event.changed_ms)


def move_event(
    engine: Engine,
    site: str,
    event: str,
    expected: Collection[Life],
    to: Life,
    step: Step,
    noticed_ms: int | None = None,
) -> bool:
    """Let an event go on in its life, announced at ``noticed_ms`` where that is given.

    False when somebody else has changed it meanwhile.
    """
    table = curtailment_events
    values: dict[str, Any] = {"life": to.value, "changed_ms": step.at_ms}
    if to in (Life.ENDED, Life.ABORTED, Life.CANCELLED):
        values["ended_ms"] = step.at_ms
    if noticed_ms is not None:
        values["noticed_ms"] = noticed_ms
    with engine.begin() as connection:
        done = connection.execute(
            update(table)
            .where(
                table.c.site == site, table.c.id == event, table.c.life.in_([one.value for one in expected])
            )
            .values(values)
        )
        if not done.rowcount:
            return False
        write_step(connection, site, step)
        write_event_result(connection, site, event, step.at_ms)
    return True


def note_step(engine: Engine, site: str, step: Step) -> None:
    """Keep that something happened."""
    with engine.begin() as connection:
        write_step(connection, site, step)


def write_step(connection: Connection, site: str, step: Step) -> None:
    """Keep that something happened, with what else belongs into the transaction."""
    data = json.dumps(step.data or {}, ensure_ascii=False)
    values = {"event": step.event, "at_ms": step.at_ms, "kind": step.kind, "who": step.who, "data": data}
    connection.execute(insert(event_steps).values(site=site, **values))


def last_shed_ms(engine: Engine, site: str, plan: str, before_ms: int) -> dict[str, int]:
    """When each action of a plan was shed last before an instant, as an event's start."""
    query = (
        select(event_actions.c.action, func.max(event_actions.c.shed_ms))
        .join(
            curtailment_events,
            (curtailment_events.c.site == event_actions.c.site)
            & (curtailment_events.c.id == event_actions.c.event),
        )
        .where(event_actions.c.site == site, event_actions.c.shed_ms < before_ms)
        .where(curtailment_events.c.plan == plan)
        .group_by(event_actions.c.action)
    )
    with engine.connect() as connection:
        return {action: int(at_ms) for action, at_ms in connection.execute(query)}


def events(
    engine: Engine,
    site: str,
    lives: Collection[Life] | None = None,
    ids: Sequence[str] | None = None,
    starts_ms: tuple[int, int] | None = None,
) -> list[EventRow]:
    """Events in the order of their starts; ``starts_ms`` takes those that begin within [first, last]."""
    table = curtailment_events
    query = select(table).where(table.c.site == site).order_by(table.c.start_ms, table.c.id)
    if lives is not None:
        query = query.where(table.c.life.in_([one.value for one in lives]))
    if ids is not None:
        query = query.where(table.c.id.in_(ids))
    if starts_ms is not None:
        query = query.where(table.c.start_ms.between(*starts_ms))
    with engine.connect() as connection:
        return [_event(row) for row in connection.execute(query).mappings()]


def watched_events(engine: Engine, site: str, since_ms: int) -> list[EventRow]:
    """Events that are open, ended after an instant, or not handed back, in the order of their starts."""
    table, actions = curtailment_events, event_actions
    shed = select(actions.c.event).where(actions.c.site == site, actions.c.is_shed == 1)
    worth = (
        table.c.life.in_([one.value for one in OPEN]) | (table.c.ended_ms > since_ms) | table.c.id.in_(shed)
    )
    query = select(table).where(table.c.site == site, worth).order_by(table.c.start_ms, table.c.id)
    with engine.connect() as connection:
        return [_event(row) for row in connection.execute(query).mappings()]


def shed_events(engine: Engine, site: str) -> list[str]:
    """Ids of the events of which something is not handed back."""
    table = event_actions
    query = select(table.c.event).where(table.c.site == site, table.c.is_shed == 1).distinct()
    with engine.connect() as connection:
        return list(connection.scalars(query))


def tracks(engine: Engine, site: str, event: str) -> dict[str, Track]:
    """What became of each action so far."""
    query = select(event_actions).where(event_actions.c.site == site, event_actions.c.event == event)
    with engine.connect() as connection:
        return {row["action"]: _track(row) for row in connection.execute(query).mappings()}


def troubles(engine: Engine, site: str, event: str) -> dict[str, dict[str, Any]]:
    """The last trouble of each action that has one."""
    table = event_actions
    query = select(table.c.action, table.c.error).where(
        table.c.site == site, table.c.event == event, table.c.error.is_not(None)
    )
    with engine.connect() as connection:
        return {action: json.loads(error) for action, error in connection.execute(query)}


def writes(engine: Engine, site: str, event: str) -> list[dict[str, Any]]:
    """Every write of an event, oldest first."""
    query = select(event_writes).where(event_writes.c.site == site, event_writes.c.event == event)
    return _listed(engine, query.order_by(event_writes.c.id), "error")


def steps(engine: Engine, site: str, event: str) -> list[dict[str, Any]]:
    """What happened to an event, oldest first."""
    query = select(event_steps).where(event_steps.c.site == site, event_steps.c.event == event)
    return _listed(engine, query.order_by(event_steps.c.id), "data")


def _listed(engine: Engine, query: Any, column: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    for row in rows:
        del row["site"]
        row[column] = None if row[column] is None else json.loads(row[column])
    return rows


def _event(row: RowMapping) -> EventRow:
    plan = _plan_type.validate_json(row["plan_data"])
    return EventRow(
        id=row["id"],
        plan=replace(plan, mode=Mode(row["mode"])),
        mode=Mode(row["mode"]),
        life=Life(row["life"]),
        start_ms=row["start_ms"],
        end_ms=row["end_ms"],
        noticed_ms=row["noticed_ms"],
        source=row["source"],
        who=row["who"],
        changed_ms=row["changed_ms"],
        ended_ms=row["ended_ms"],
        wanted_kw=row["wanted_kw"],
        programme=row["programme"],
        bid=row["bid"],
        note=row["note"],
        signal=Signal(bool(row["signal"]), row["signal_ms"], row["signal_ttl_s"]),
    )


def _track(row: RowMapping) -> Track:
    return Track(
        previous=row["previous"],
        stood=row["stood"],
        is_shed=bool(row["is_shed"]),
        standing=row["standing"],
        shed_ms=row["shed_ms"],
        back_ms=row["back_ms"],
        left_ms=row["left_ms"],
        failed=row["failed"],
    )
