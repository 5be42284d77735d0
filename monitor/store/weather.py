"""Putting weather and events into the store: a whole file or nothing, in one transaction."""

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from config.history.events import EventRow
from config.history.weather import MEASURES, WeatherRows
from monitor.store.history_tables import past_events, weather
from monitor.store.ledgers import ImportOutcome, Progress, WriterEngine
from monitor.store.provenance import Provenance, Refusals
from monitor.timestamps import iso_utc

ROWS_A_STEP = 2_000

Key = tuple[Any, ...]
Values = dict[str, Any]


def import_weather(
    engine: WriterEngine,
    site: str,
    rows: WeatherRows,
    provenance: Provenance,
    progress: Progress | None = None,
) -> ImportOutcome:
    """Put weather into the store. The engine is the writer's.

    A measure that stands already is left alone, one that was not known is filled in, and another figure
    takes its place only with ``replace``. Raises LedgerRefused otherwise.
    """
    measures = {name: values.tolist() for name, values in rows.values.items()}
    given: list[tuple[Key, Values, int]] = []
    for at, (start_s, line) in enumerate(zip(rows.start_s.tolist(), rows.line.tolist(), strict=True)):
        known = {name: values[at] for name, values in measures.items() if not math.isnan(values[at])}
        given.append(((rows.station, start_s), {"duration_s": rows.duration_s, **known}, line))
    table = _Known(weather, ("station", "start_s"), ("duration_s", *MEASURES), provenance)
    with engine.begin() as connection:
        where = (weather.c.station == rows.station, weather.c.start_s >= int(rows.start_s[0]))
        return table.import_rows(connection, site, given, where, progress)


def import_events(
    engine: WriterEngine,
    site: str,
    rows: Sequence[EventRow],
    provenance: Provenance,
    progress: Progress | None = None,
) -> ImportOutcome:
    """Put events into the store, as ``import_weather`` does; an event is told by kind, subject and start."""
    given: list[tuple[Key, Values, int]] = [
        (
            (row.kind, row.subject, row.start_s),
            {"end_s": row.end_s, "text": row.text, "source": row.source},
            row.line,
        )
        for row in rows
    ]
    table = _Known(past_events, ("kind", "subject", "start_s"), ("end_s", "text", "source"), provenance)
    with engine.begin() as connection:
        return table.import_rows(connection, site, given, (), progress)


class _Known:
    """A table whose rows have a key and figures, some of them not known."""

    def __init__(
        self, table: Table, key: Sequence[str], figures: Sequence[str], provenance: Provenance
    ) -> None:
        self._table = table
        self._key = tuple(key)
        self._figures = tuple(figures)
        self._provenance = provenance

    def import_rows(
        self,
        connection: Connection,
        site: str,
        given: Sequence[tuple[Key, Values, int]],
        where: Sequence[Any],
        progress: Progress | None,
    ) -> ImportOutcome:
        """Compare with what stands, and write what is new."""
        standing = self._standing(connection, site, where)
        refusals = Refusals(self._provenance)
        added, changed, unchanged = [], [], 0
        for key, values, line in given:
            other = standing.get(key)
            if other is None:
                added.append((key, values))
                continue
            differing = {name: value for name, value in values.items() if other[name] != value}
            if not differing:
                unchanged += 1
                continue
            against = {name: value for name, value in differing.items() if other[name] is not None}
            if against and not self._provenance.replace:
                self._refuse(refusals, key, other, against, line)
            changed.append((key, differing))
        refusals.raise_any()
        if added or changed:
            import_id = self._provenance.record(connection, site, len(given))
            self._add(connection, site, added, import_id, progress)
            self._change(connection, site, changed, import_id, progress)
        if progress is not None:
            progress(unchanged)
        return ImportOutcome(len(added), unchanged, len(changed))

    def _refuse(self, refusals: Refusals, key: Key, other: Values, against: Values, line: int) -> None:
        name, value = next(iter(against.items()))
        told = {"start": iso_utc(1000 * key[-1]), "column": name, "old": _shown(name, other[name])}
        refusals.add("store.history_changed", [line], [told | {"new": _shown(name, value)}])

    def _standing(self, connection: Connection, site: str, where: Sequence[Any]) -> dict[Key, Values]:
        query = select(self._table).where(self._table.c.site == site, *where)
        return {
            tuple(row[name] for name in self._key): dict(row) for row in connection.execute(query).mappings()
        }

    def _add(
        self,
        connection: Connection,
        site: str,
        rows: Sequence[tuple[Key, Values]],
        import_id: int,
        progress: Progress | None,
    ) -> None:
        nothing = dict.fromkeys(self._figures)
        fixed = {"site": site, "rev": 0, "import_id": import_id}
        for at in range(0, len(rows), ROWS_A_STEP):
            step = rows[at : at + ROWS_A_STEP]
            values = [
                {**fixed, **nothing, **figures, **dict(zip(self._key, key, strict=True))}
                for key, figures in step
            ]
            connection.execute(insert(self._table), values)
            if progress is not None:
                progress(len(step))

    def _change(
        self,
        connection: Connection,
        site: str,
        rows: Sequence[tuple[Key, Values]],
        import_id: int,
        progress: Progress | None,
    ) -> None:
        for key, figures in rows:
            which = {"site": site, **dict(zip(self._key, key, strict=True))}
            statement = update(self._table).filter_by(**which)
            revised = {"rev": self._table.c.rev + 1, "import_id": import_id}
            connection.execute(statement.values(**figures, **revised))
        if progress is not None and rows:
            progress(len(rows))


def _shown(name: str, value: object) -> str:
    if name == "end_s" and isinstance(value, int):
        return iso_utc(1000 * value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)
