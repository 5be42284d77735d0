"""Reading the audit, from any process, while the daemon writes: who had what done, refused or not."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from monitor.store import schema
from monitor.store.database import open_reader
from monitor.store.sites import check_site


class AuditReader:
    """Read-only view of one site's audit."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    @classmethod
    def open(cls, path: Path, site: str) -> "AuditReader":
        """Open for reading only. Raises ``StoreError``, also for the store of another site."""
        engine = open_reader(path)
        check_site(engine, path, site)
        return cls(engine, site)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def entries(
        self, span_ms: tuple[int | None, int | None] = (None, None), who: str = "", what: str = ""
    ) -> list[dict[str, Any]]:
        """Entries, oldest first: ``id``, ``at_ms``, ``actor``, ``action``, ``detail``.

        Parameters
        ----------
        span_ms : [first, last), milliseconds since 1970 UTC; None is open.
        who : whom they are of; everybody's when empty.
        what : an action (``dr.trigger``), or all of a kind (``dr``); all when empty.
        """
        table = schema.audit
        query = select(table).where(table.c.site == self._site).order_by(table.c.id)
        first_ms, last_ms = span_ms
        if first_ms is not None:
            query = query.where(table.c.at_ms >= first_ms)
        if last_ms is not None:
            query = query.where(table.c.at_ms < last_ms)
        if who:
            query = query.where(table.c.actor == who)
        if what:
            query = query.where(
                (table.c.action == what) | table.c.action.startswith(f"{what}.", autoescape=True)
            )
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        names = ("id", "at_ms", "actor", "action")
        return [{**{name: row[name] for name in names}, "detail": json.loads(row["detail"])} for row in rows]
