"""Reading what the store knows of curtailment: when events were."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, select

from monitor.store.history_tables import past_events

DEMAND_RESPONSE = "demand_response"


class CurtailmentReader:
    """Read-only view of one site's curtailment. Every call is one short read transaction."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection

    def spans(self) -> list[tuple[int, int]]:
        """[start, end) of every event, whatever became of it, seconds UTC, by start."""
        table = past_events
        query = select(table.c.start_s, table.c.end_s).where(
            table.c.site == self._site, table.c.kind == DEMAND_RESPONSE
        )
        with self._connect() as connection:
            rows = connection.execute(query).all()
        return sorted((start_s, start_s + 1 if end_s is None else end_s) for start_s, end_s in rows)
