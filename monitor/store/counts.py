"""What the drivers saw of each device, in the store: one row a device, renewed now and then."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store import schema

REASON = "bad:"
"""Before the code of a reason: what could not be read, by why."""


@dataclass(frozen=True, slots=True)
class CountsRow:
    """Counts of one device from ``since_ms`` to ``at_ms``, by name; what is 0 is left out."""

    device: str
    since_ms: int
    at_ms: int
    counts: dict[str, int]


def write_counts(engine: Engine, site: str, rows: Sequence[CountsRow]) -> None:
    """Put the newest counts in the place of those that stand there. The engine is the writer's."""
    table = schema.device_counts
    statement = upsert(table)
    renewed = {name: statement.excluded[name] for name in ("since_ms", "at_ms", "counts")}
    values = [
        {
            "site": site,
            "device": row.device,
            "since_ms": row.since_ms,
            "at_ms": row.at_ms,
            "counts": json.dumps(row.counts, separators=(",", ":")),
        }
        for row in rows
    ]
    with engine.begin() as connection:
        keys = list(table.primary_key.columns)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=renewed), values)


def read_counts(engine: Engine, site: str) -> dict[str, CountsRow]:
    """The newest counts of every device, by its id."""
    table = schema.device_counts
    with engine.connect() as connection:
        rows = connection.execute(select(table).where(table.c.site == site)).all()
    return {
        row.device: CountsRow(row.device, row.since_ms, row.at_ms, json.loads(row.counts)) for row in rows
    }
