"""The books of what was given up: raw readings that went before their time, for whom, why and when.

They are written in the transaction that deletes, so that accepted = delivered + pending + dead letters +
given up, whatever becomes of process, sinks and settings afterwards.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update

from monitor.store import schema
from monitor.store.care_tables import given_up
from monitor.store.courses import Course
from monitor.store.deliveries import DAEMON, audit_text, write_audit
from monitor.store.rows import ScanRow

STORE = ""
"""The name of the store's own book: every reading that went, whoever had it."""

Cursors = Mapping[tuple[str, str], int]
"""Positions by sink and stream."""


class Cause(StrEnum):
    """Why raw readings go before their time."""

    CAP = "cap"  # store.max_size_gb
    DISK = "disk"  # it was full
    WAITING = "waiting"  # it was full for so long that there was no room for more in memory: never on disk


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Readings [first_id, last_id] that went early; ``first_ms`` and ``last_ms`` are their own instants.

    ``sink`` had none of them; the store's own book has the empty name. They went between ``since_ms`` and
    ``at_ms``.
    """

    sink: str
    cause: Cause
    first_id: int
    last_id: int
    first_ms: int
    last_ms: int
    count: int
    since_ms: int
    at_ms: int


def read_given_up(engine: Engine, site: str) -> list[GivenUp]:
    """All of it, in order of the readings."""
    names = list(GivenUp.__dataclass_fields__)
    query = select(*(given_up.c[name] for name in names)).where(given_up.c.site == site)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(given_up.c.first_id, given_up.c.sink)).all()
    return [GivenUp(row[0], Cause(row[1]), *row[2:]) for row in rows]


def unwritten_between(connection: Connection, after: int, last: int) -> int:
    """How many ids after one and up to another belong to readings that never got to disk."""
    table = given_up.c
    query = select(func.coalesce(func.sum(table.count), 0))
    query = query.where(table.cause == Cause.WAITING, table.first_id > after, table.last_id <= last)
    return int(connection.scalar(query) or 0)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to go early: whose readings, which sinks want them, why, and when."""

    site: str
    sinks: tuple[str, ...]
    cause: Cause
    at_ms: int


@dataclass(frozen=True, slots=True)
class Went:
    """What went in one go; ``missed`` tells how many of them each sink did not have, where it lacks any."""

    count: int = 0
    first_id: int = 0
    last_id: int = 0
    first_ms: int = 0
    last_ms: int = 0
    missed: Mapping[str, int] = field(default_factory=dict)
    audit_id: int | None = None


class Book:
    """Enters what an order deletes, step by step; one row of the audit for all of it.

    Parameters
    ----------
    acknowledged : cursors that are on their way to disk: what lies behind them was delivered.
    """

    def __init__(self, order: Order, acknowledged: Callable[[], Cursors]) -> None:
        self._order = order
        self._acknowledged = acknowledged
        self.went = Went()

    def enter(self, connection: Connection, upto: int) -> Went:
        """Write down that every reading up to an id goes now; in the transaction that deletes them.

        Returns
        -------
        All that has gone in this go: ``keep`` it once the transaction is on disk.
        """
        whole = _facts(connection, 0, upto)
        if whole is None:
            return self.went
        _enter(connection, self._order, STORE, whole)
        missed = dict(self.went.missed)
        for sink in self._order.sinks:
            course = Course.of("scans", self._cursors(connection, sink))
            for first, last in course.unsettled(whole.first_id, whole.last_id):
                part = _facts(connection, first, last)
                if part is not None:
                    _enter(connection, self._order, sink, part)
                    missed[sink] = missed.get(sink, 0) + part.count
        before = self.went
        now = replace(
            whole,
            count=before.count + whole.count,
            first_id=before.first_id or whole.first_id,
            first_ms=before.first_ms or whole.first_ms,
            missed=missed,
            audit_id=before.audit_id,
        )
        return replace(now, audit_id=self._audit(connection, now))

    def keep(self, went: Went) -> None:
        """The transaction is on disk."""
        self.went = went

    def _cursors(self, connection: Connection, sink: str) -> dict[str, int]:
        table = schema.cursors
        query = select(table.c.stream, table.c.position)
        query = query.where(table.c.site == self._order.site, table.c.sink == sink)
        known = {row[0]: row[1] for row in connection.execute(query)}
        return known | {name: at for (of, name), at in self._acknowledged().items() if of == sink}

    def _audit(self, connection: Connection, went: Went) -> int:
        table, order = schema.audit, self._order
        detail = {
            "cause": order.cause,
            "count": went.count,
            "ids": [went.first_id, went.last_id],
            "from_ms": went.first_ms,
            "to_ms": went.last_ms,
            "undelivered": dict(went.missed),
        }
        if went.audit_id is not None:
            told = update(table).where(table.c.id == went.audit_id).values(detail=audit_text(detail))
            connection.execute(told)
            return went.audit_id
        facts = {"site": order.site, "at_ms": order.at_ms, "actor": DAEMON, "action": "scans.given_up"}
        key = connection.execute(
            insert(table).values(**facts, detail=audit_text(detail))
        ).inserted_primary_key
        return int(key[0])  # type: ignore[index]


def _facts(connection: Connection, first: int, last: int) -> Went | None:
    """How many readings are there now from an id to another, and of when; None when there are none."""
    scans = schema.scans.c
    query = select(
        func.count(), func.min(scans.id), func.max(scans.id), func.min(scans.at_ms), func.max(scans.at_ms)
    ).where(scans.id >= first, scans.id <= last)
    count, *span = connection.execute(query).one()
    return Went(count, *span) if count else None


def _enter(connection: Connection, order: Order, sink: str, went: Went) -> None:
    """Add to the row that ends where this begins, or begin one."""
    table = given_up.c
    of = (table.site == order.site, table.sink == sink, table.cause == order.cause)
    grown = {
        "last_id": went.last_id,
        "first_ms": func.min(table.first_ms, went.first_ms),
        "last_ms": func.max(table.last_ms, went.last_ms),
        "count": table.count + went.count,
        "at_ms": order.at_ms,
    }
    goes_on = update(given_up).where(*of, table.last_id == went.first_id - 1).values(grown)
    if connection.execute(goes_on).rowcount:
        return
    connection.execute(
        insert(given_up).values(
            site=order.site, sink=sink, cause=order.cause, first_id=went.first_id, last_id=went.last_id,
            first_ms=went.first_ms, last_ms=went.last_ms, count=went.count, since_ms=order.at_ms,
            at_ms=order.at_ms,
        )
    )  # fmt: skip


def with_rows(spans: Sequence[Went], rows: Iterable[ScanRow]) -> list[Went]:
    """Spans of readings, and more readings: what goes on is one span."""
    found = list(spans)
    for id_, _, at_ms, *_ in rows:
        last = found[-1] if found else None
        if last is None or last.last_id != id_ - 1:
            found.append(Went(1, id_, id_, at_ms, at_ms))
            continue
        first_ms, last_ms = min(last.first_ms, at_ms), max(last.last_ms, at_ms)
        found[-1] = Went(last.count + 1, last.first_id, id_, first_ms, last_ms)
    return found


def book_unwritten(connection: Connection, site: str, spans: Iterable[Went]) -> None:
    """Enter readings that never got to disk, in the transaction that writes what came after them."""
    for went in spans:
        order = Order(site, (), Cause.WAITING, went.last_ms)
        _enter(connection, order, STORE, went)
        detail = {"cause": order.cause, "count": went.count, "ids": [went.first_id, went.last_id]}
        write_audit(connection, site, order.at_ms, DAEMON, "scans.given_up", detail)


# -- in words -----------------------------------------------------------------------------------------------


def told(cause: Cause, went: Went, at: Callable[[int], str]) -> dict[str, Any]:
    """{code, data} of what went, for people."""
    missed = "; ".join(f"{sink} {count:,}" for sink, count in sorted(went.missed.items()) if count)
    data = {"count": f"{went.count:,}", "first": at(went.first_ms), "last": at(went.last_ms)}
    if not missed:
        return {"code": f"care.given_up_{cause}", "data": data}
    return {"code": f"care.given_up_{cause}_undelivered", "data": {**data, "sinks": missed}}


def summed(rows: Iterable[GivenUp], cause: Cause) -> Went:
    """All that ever went for a cause."""
    mine = [row for row in rows if row.cause is cause]
    own = [row for row in mine if row.sink == STORE]
    missed: dict[str, int] = {}
    for row in mine:
        if row.sink != STORE:
            missed[row.sink] = missed.get(row.sink, 0) + row.count
    if not own:
        return Went()
    return Went(
        count=sum(row.count for row in own),
        first_id=min(row.first_id for row in own),
        last_id=max(row.last_id for row in own),
        first_ms=min(row.first_ms for row in own),
        last_ms=max(row.last_ms for row in own),
        missed=missed,
    )
