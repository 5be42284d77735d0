"""Reading what the store knows of curtailment: when events were, and what they earned."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, select

from monitor.store.database import StoreError
from monitor.store.event_tables import baselines, curtailment_events, settlements
from monitor.store.events import EventRow, events
from monitor.store.history_tables import past_events
from monitor.store.took_place import took_place, why_not_settled

DEMAND_RESPONSE = "demand_response"


@dataclass(frozen=True, slots=True)
class SettlementEntry:
    """What curtailment earned over some days, both included.

    Attributes
    ----------
    id : the event's, or programme and days of what was imported.
    programme : a family or a text, as it was said.
    kwh : curtailed energy. [kWh]
    credit : decimal, as it is printed, in ``currency``.
    source : where it is from.
    imported : a utility settled it; else it was settled here.
    """

    id: str
    programme: str
    start: date
    end: date
    kwh: float
    credit: str
    currency: str
    source: str
    imported: bool


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
        """[start, end) of every event, imported, settled or carried out here, seconds UTC, by start."""
        told = select(past_events.c.start_s, past_events.c.end_s).where(
            past_events.c.site == self._site, past_events.c.kind == DEMAND_RESPONSE
        )
        settled = select(baselines.c.start_s, baselines.c.end_s).where(baselines.c.site == self._site)
        own = curtailment_events
        carried_out = select(own.c.start_ms, own.c.end_ms).where(took_place(self._site))
        with self._connect() as connection:
            rows = [*connection.execute(told).all(), *connection.execute(settled).all()]
            ours = connection.execute(carried_out).all()
        spans = [(start_s, start_s + 1 if end_s is None else end_s) for start_s, end_s in rows]
        return sorted([*spans, *((start // 1000, -(-end // 1000)) for start, end in ours)])

    def event(self, id_: str) -> EventRow | None:
        """An event of the store by its id."""
        return next(iter(events(self._engine, self._site, ids=[id_])), None)

    def why_not_settled(self, id_: str) -> StoreError | None:
        """Why an event of the store may not be settled; None where it may, and where there is none."""
        with self._connect() as connection:
            return why_not_settled(connection, self._site, id_)

    def took_place(self, first_ms: int, last_ms: int) -> list[EventRow]:
        """Events that were live and active, and began within [first, last], by start."""
        own = curtailment_events.c
        query = select(own.id).where(took_place(self._site), own.start_ms.between(first_ms, last_ms))
        with self._connect() as connection:
            ids = list(connection.scalars(query))
        return events(self._engine, self._site, ids=ids)

    def kept(self, id_: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What was kept of an event's settlement, and of the baseline under it; None where nothing was."""
        mine = (settlements.c.site == self._site, settlements.c.id == id_, settlements.c.import_id.is_(None))
        of_it = (baselines.c.site == self._site, baselines.c.settlement == id_)
        with self._connect() as connection:
            settled = connection.execute(select(settlements).where(*mine)).mappings().one_or_none()
            rests_on = connection.execute(select(baselines).where(*of_it)).mappings().one_or_none()
        return None if settled is None or rests_on is None else (dict(settled), dict(rests_on))

    def settlements(self, first: date, last: date) -> list[SettlementEntry]:
        """Settlements that touch [first, last], by start."""
        table = settlements
        query = (
            select(table)
            .where(table.c.site == self._site)
            .where(table.c.start_day <= last.isoformat(), table.c.end_day >= first.isoformat())
            .order_by(table.c.start_day, table.c.id)
        )
        with self._connect() as connection:
            rows = connection.execute(query).all()
        days = date.fromisoformat
        return [
            SettlementEntry(
                id=row.id,
                programme=row.programme,
                start=days(row.start_day),
                end=days(row.end_day),
                kwh=row.kwh,
                credit=row.credit,
                currency=row.currency,
                source=row.source,
                imported=row.import_id is not None,
            )
            for row in rows
        ]
