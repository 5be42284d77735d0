"""What was agreed on, as the audit has it, against what stands in the store: locks and adjustments.

Both ledgers are only added to, and each entry is told to the audit in its own transaction. A row that the
audit does not know, or one that only the audit knows, was changed in the file of the store.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from monitor.store import schema
from monitor.store.adjusting import facts_of_row
from monitor.store.answer_tables import adjustments, base_locks
from monitor.store.base_rows import BaseLock
from monitor.store.deliveries import audit_text
from rules.adjustments import Book

WITHDRAW, LOCK = "adjust.withdraw", "base.lock"


class Disagreement(StrEnum):
    """How the store differs from the audit."""

    LOCK_UNKNOWN = "lock_unknown"
    LOCK_GONE = "lock_gone"
    ADJUSTMENT_UNKNOWN = "adjustment_unknown"
    ADJUSTMENT_GONE = "adjustment_gone"


@dataclass(frozen=True, slots=True)
class Disagreed:
    """One of them; ``data`` fills its words: days, and ``number`` or ``quantity`` or ``sha256``.

    ``start`` and ``end`` are the days that it is about, inclusive; ``end`` is None while it goes on.
    """

    kind: Disagreement
    start: date
    end: date | None
    data: Mapping[str, Any]

    def touches(self, first: date, last: date) -> bool:
        """Whether it is about some of these days, both included."""
        return self.start <= last and (self.end is None or self.end >= first)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What both sides keep of one entry, as text: equal texts are the same entry."""

    at_ms: int
    actor: str
    action: str
    detail: str


def disagreements_of_locks(connection: Connection, site: str, commodity: str) -> list[Disagreed]:
    """Locks of a commodity that one side alone knows."""
    query = select(base_locks).where(base_locks.c.site == site, base_locks.c.commodity == commodity)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    standing = {_lock_entry(row): row for row in rows}
    told = [one for one in _audited(connection, site, (LOCK,)) if _of(one)["commodity"] == commodity]
    found = [
        _disagreed(Disagreement.LOCK_UNKNOWN, row["start_day"], row["end_day"], sha256=row["sha256"])
        for entry, row in standing.items()
        if entry not in told
    ]
    for entry in told:
        if entry not in standing:
            detail = _of(entry)
            days = detail["start"], detail["end"]
            found.append(_disagreed(Disagreement.LOCK_GONE, *days, sha256=detail["sha256"]))
    return found


def weather_at_lock(connection: Connection, site: str, lock: BaseLock) -> dict[str, str]:
    """Digest of each source's weather when a base period was locked; empty where the audit has none."""
    table, scope = schema.audit, lock.scope
    days = scope.start.isoformat(), scope.end.isoformat()
    query = select(table.c.detail).where(table.c.site == site, table.c.action == LOCK)
    for text in connection.scalars(query.order_by(table.c.id)):
        detail = json.loads(text)
        if (detail["commodity"], detail["start"], detail["end"]) == (scope.commodity, *days):
            found: dict[str, str] = detail.get("weather", {})
            return found
    return {}


def disagreements_of_adjustments(
    connection: Connection, site: str, book: Book, commodity: str
) -> list[Disagreed]:
    """Adjustments of one ledger that one side alone knows; a withdrawal without an entry is one as well."""
    table = adjustments
    query = select(table).where(table.c.site == site, table.c.book == book, table.c.commodity == commodity)
    rows = [dict(row) for row in connection.execute(query.order_by(table.c.id)).mappings()]
    numbers = {row["id"] for row in rows}
    left = Counter(_wanted(_audited(connection, site, (f"adjust.{book}", WITHDRAW)), commodity, numbers))
    found = []
    for row in rows:
        entry = _adjustment_entry(row)
        if left[entry]:
            left[entry] -= 1
            continue
        number = row["withdraws"] or row["id"]
        days = row["start_day"], row["end_day"]
        found.append(_disagreed(Disagreement.ADJUSTMENT_UNKNOWN, *days, number=number))
    for entry in left.elements():
        found += _gone(_of(entry), {row["id"]: row for row in rows})
    return found


def _gone(detail: Mapping[str, Any], rows: Mapping[int, Any]) -> Iterable[Disagreed]:
    """What the audit alone knows: an adjustment, or that one was withdrawn."""
    row = rows[detail["number"]] if "number" in detail else detail
    amount = {"quantity": f"{row['quantity']:+,.15g}", "unit": row["unit"], "reason": row["reason"]}
    yield _disagreed(Disagreement.ADJUSTMENT_GONE, row["start_day"], row["end_day"], **amount)


def _wanted(entries: Iterable[_Entry], commodity: str, numbers: set[int]) -> Iterable[_Entry]:
    for one in entries:
        detail = _of(one)
        mine = detail["number"] in numbers if one.action == WITHDRAW else detail["commodity"] == commodity
        if mine:
            yield one


def _audited(connection: Connection, site: str, actions: tuple[str, ...]) -> list[_Entry]:
    table = schema.audit
    columns = (table.c.at_ms, table.c.actor, table.c.action, table.c.detail)
    query = select(*columns).where(table.c.site == site, table.c.action.in_(actions)).order_by(table.c.id)
    return [
        _Entry(row.at_ms, row.actor, row.action, _even(json.loads(row.detail)))
        for row in connection.execute(query)
    ]


def _even(detail: Mapping[str, Any]) -> str:
    """A detail with its figures as the tables give them back: floats, and no zero below nothing."""
    # The weather is held against by itself: a lock is what it was, whatever becomes of that.
    told = {name: value for name, value in detail.items() if name != "weather"}
    told |= {name: float(told[name]) + 0.0 for name in ("quantity", "uncertainty") if name in told}
    return audit_text(told)


def _of(entry: _Entry) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(entry.detail)
    return found


def _lock_entry(row: Mapping[str, Any]) -> _Entry:
    detail = {name: row[name] for name in ("commodity", "sha256", "rows")}
    detail |= {"start": row["start_day"], "end": row["end_day"]}
    return _Entry(row["locked_ms"], row["who"], LOCK, _even(detail))


def _adjustment_entry(row: Mapping[str, Any]) -> _Entry:
    if row["withdraws"] is not None:
        detail = {"number": row["withdraws"], "reason": row["reason"]}
        return _Entry(row["recorded_ms"], row["who"], WITHDRAW, _even(detail))
    action = f"adjust.{row['book']}"
    return _Entry(row["recorded_ms"], row["who"], action, _even(facts_of_row(row)))


def _disagreed(kind: Disagreement, start: str, end: str | None, **data: Any) -> Disagreed:
    days = {"start": start, "end": end or "…"}
    last = None if end is None else date.fromisoformat(end)
    return Disagreed(kind, date.fromisoformat(start), last, days | data)
