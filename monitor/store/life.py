"""Writing what a meter's life leaves behind: refused and late readings, past states, what to do again."""

import json
from typing import Any

from sqlalchemy import Connection, delete, func, insert, update
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store import schema
from monitor.store.rows import Commit, ReworkRow, null_if_nan


def write_meter_life(connection: Connection, site: str, commit: Commit) -> None:
    """Write a commit's rows of this kind; what was asked for meanwhile outlives a rework that is done."""
    _write_refusals(connection, site, commit)
    _write_late(connection, site, commit)
    _close_reworks(connection, site, commit)
    for row in commit.reworks:
        ask_rework(connection, site, row)
    table = schema.checkpoints
    for meter in commit.begun_anew:
        connection.execute(delete(table).where(table.c.site == site, table.c.meter == meter))
    if commit.checkpoints:
        keys = {"site", "meter", "at_ms"}
        rows = [
            {"site": site, "meter": c.meter, "at_ms": c.at_ms, "slot_s": c.slot_s, "scan_id": c.scan_id,
             "state": c.state}
            for c in commit.checkpoints
        ]  # fmt: skip
        statement = upsert(table)
        rest = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        connection.execute(
            statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=rest), rows
        )


def ask_rework(connection: Connection, site: str, row: ReworkRow) -> None:
    """Have a meter's intervals made again, together with what was asked for before."""
    table = schema.reworks
    values = {"from_ms": row.from_ms, "to_ms": row.to_ms, "asked": 1}
    statement = upsert(table).values(site=site, meter=row.meter, **values)
    merged: dict[str, Any] = {
        "from_ms": func.min(table.c.from_ms, statement.excluded.from_ms),
        "to_ms": func.max(table.c.to_ms, statement.excluded.to_ms),
        "asked": table.c.asked + 1,
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=merged)
    )


def _write_refusals(connection: Connection, site: str, commit: Commit) -> None:
    rows = [
        {"site": site, "meter": r.meter, "at_ms": r.at_ms, "code": r.code, "value": r.value,
         "heard_ms": r.heard_ms or r.at_ms, "data": None if r.data is None else json.dumps(r.data)}
        for r in commit.refusals
    ]  # fmt: skip
    if rows:
        connection.execute(insert(schema.refusals), rows)


def _write_late(connection: Connection, site: str, commit: Commit) -> None:
    rows = [
        {"site": site, "meter": r.meter, "at_ms": r.at_ms, "scan_id": r.scan_id, "raw": r.raw,
         "rate": null_if_nan(r.rate), "quality": r.quality, "judged": 0}
        for r in commit.late
    ]  # fmt: skip
    if rows:  # the first of two with one time counts, as it does when they come in time
        connection.execute(upsert(schema.late_readings).on_conflict_do_nothing(), rows)


def _close_reworks(connection: Connection, site: str, commit: Commit) -> None:
    for done in commit.reworked:
        asked, late, states = schema.reworks, schema.late_readings, schema.checkpoints
        meter = done.row.meter
        connection.execute(
            delete(asked).where(asked.c.site == site, asked.c.meter == meter, asked.c.asked == done.row.asked)
        )
        connection.execute(
            update(late)
            .where(late.c.site == site, late.c.meter == meter, late.c.scan_id <= done.scan_id)
            .where(late.c.judged == 0)
            .values(judged=1)
        )
        connection.execute(
            delete(states)
            .where(states.c.site == site, states.c.meter == meter)
            .where(states.c.at_ms > done.void_after_ms, states.c.at_ms < done.void_before_ms)
        )
