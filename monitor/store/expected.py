"""What is kept of expected use: models of base years with the hash of what went into each, and days held
against them.
"""

import json
from dataclasses import dataclass

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store import schema
from monitor.store.answer_tables import base_models
from monitor.store.changed import ChangedResult
from monitor.store.ledgers import WriterEngine


class ExpectedReader:
    """Kept models of one site, and what they were held against."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    def model(self, name: str, inputs: str) -> str | None:
        """The model of that name, where it was made of these inputs."""
        table = base_models
        query = select(table.c.model).where(
            table.c.site == self._site, table.c.commodity == name, table.c.inputs == inputs
        )
        with self._engine.connect() as connection:
            return connection.scalar(query)

    def stamp(self, meter: str, start_s: int, end_s: int) -> tuple[int, int]:
        """How many intervals a meter has in [start_s, end_s), and the newest change of any of them."""
        table = schema.intervals
        query = select(func.count(), func.max(table.c.seq)).where(
            table.c.site == self._site,
            table.c.meter == meter,
            table.c.start_s >= start_s,
            table.c.start_s < end_s,
        )
        with self._engine.connect() as connection:
            count, newest = connection.execute(query).one()
        return count, newest or 0

    def results(self, kind: str, subject: str, start_s: int, end_s: int) -> list[ChangedResult]:
        """Results of a kind about a subject of [start_s, end_s), by time."""
        table = schema.results
        columns = [table.c[name] for name in ChangedResult.__dataclass_fields__]
        query = (
            select(*columns)
            .where(table.c.site == self._site, table.c.kind == kind, table.c.subject == subject)
            .where(table.c.at_s >= start_s, table.c.at_s < end_s)
            .order_by(table.c.at_s)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [
            ChangedResult(seq, kind, subject, at_s, json.loads(data), rev)
            for seq, kind, subject, at_s, data, rev in rows
        ]


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A model as text; ``inputs`` is the SHA-256 of what went into it."""

    site: str
    name: str
    inputs: str
    model: str
    made_ms: int


def keep_base_model(engine: WriterEngine, kept: KeptModel) -> None:
    """Put a model in the place of the one before it; the engine is the writer's."""
    renewed = {"inputs": kept.inputs, "made_ms": kept.made_ms, "model": kept.model}
    statement = upsert(base_models).values(site=kept.site, commodity=kept.name, **renewed)
    keys = list(base_models.primary_key.columns)
    with engine.begin() as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=renewed))
