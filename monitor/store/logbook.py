"""Reading the log: what was booked and read by hand, each with whose it was; slips; and corrections."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Engine, select

from monitor.store import schema
from monitor.store.answer_tables import corrections, log_entries


@dataclass(frozen=True, slots=True)
class Logged:
    """A row of the ledger, a reading by hand, or a slip.

    ``kind`` is quantity, reading or slip; ``entry`` the slip's number, 0 for the others.
    """

    kind: str
    subject: str
    start: date
    end: date
    figure: float
    unit: str
    source: str
    who: str
    at_ms: int
    file: str
    entry: int = 0


@dataclass(frozen=True, slots=True)
class KeptCorrection:
    """A figure that another one took the place of."""

    what: str
    subject: str
    start: date
    old: float
    new: float
    unit: str
    reason: str
    who: str
    at_ms: int


class Logbook:
    """A site's log. Every call is one short read transaction."""

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site

    def rows(self, subject: str | None = None, limit: int = 100) -> list[Logged]:
        """Ledger rows, readings and slips, those of the newest days first."""
        with self._engine.connect() as connection:
            found = [
                self._read(connection, schema.ledger, "quantity", ("start_day", "end_day"), subject, limit),
                self._read(connection, schema.manual_readings, "reading", ("day", "day"), subject, limit),
                self._slips(connection, subject, limit),
            ]
        rows = [row for part in found for row in part]
        rows.sort(key=lambda row: (row.start, row.subject, row.kind, row.entry), reverse=True)
        return rows[:limit]

    def _read(
        self, connection: Any, table: Any, kind: str, days: tuple[str, str], subject: str | None, limit: int
    ) -> list[Logged]:
        figure = "quantity" if kind == "quantity" else "reading"
        imports = schema.imports
        query = (
            select(
                table.c.subject, table.c[days[0]], table.c[days[1]].label("last"), table.c[figure],
                table.c.unit, table.c.source, imports.c.who, imports.c.at_ms, imports.c.file,
            )
            .join(imports, imports.c.id == table.c.import_id, isouter=True)
            .where(table.c.site == self._site)
            .order_by(table.c[days[0]].desc())
            .limit(limit)
        )  # fmt: skip
        if subject is not None:
            query = query.where(table.c.subject == subject)
        return [
            Logged(
                kind, row[0], date.fromisoformat(row[1]), date.fromisoformat(row[2]), row[3], row[4], row[5],
                row[6] or "", row[7] or 0, row[8] or "",
            )
            for row in connection.execute(query)
        ]  # fmt: skip

    def _slips(self, connection: Any, subject: str | None, limit: int) -> list[Logged]:
        table = log_entries
        query = select(table).where(table.c.site == self._site).order_by(table.c.start_day.desc())
        if subject is not None:
            query = query.where(table.c.subject == subject)
        return [
            Logged(
                "slip", row.subject, date.fromisoformat(row.start_day), date.fromisoformat(row.end_day),
                row.quantity, row.unit, row.source, row.who, row.recorded_ms, row.via, row.id,
            )
            for row in connection.execute(query.limit(limit))
        ]  # fmt: skip

    def corrections(self, subject: str | None = None, limit: int = 100) -> list[KeptCorrection]:
        """What took the place of what, the newest first."""
        table = corrections
        query = select(table).where(table.c.site == self._site).order_by(table.c.id.desc()).limit(limit)
        if subject is not None:
            query = query.where(table.c.subject == subject)
        with self._engine.connect() as connection:
            return [
                KeptCorrection(
                    row.what, row.subject, date.fromisoformat(row.start_day), row.old, row.new, row.unit,
                    row.reason, row.who, row.recorded_ms,
                )
                for row in connection.execute(query)
            ]  # fmt: skip
