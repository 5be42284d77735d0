"""Writing adjustments down, of a locked base year or of a period's use; and taking one back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from config.adjustments import AdjustmentRow
from monitor.store.answer_tables import adjustments
from monitor.store.base import lock_holding
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.deliveries import write_audit
from monitor.store.ledgers import ImportOutcome
from monitor.store.provenance import Provenance
from rules.adjustments import Book


@dataclass(frozen=True, slots=True)
class AdjustRequest:
    """Adjustments to be written down: all of them or none."""

    provenance: Provenance
    rows: tuple[AdjustmentRow, ...]

    @property
    def file_name(self) -> str:
        """The file's name as it was given; empty where it was typed."""
        return self.provenance.file_name


@dataclass(frozen=True, slots=True)
class WithdrawRequest:
    """An adjustment that no longer counts; it stays to be seen."""

    id: int
    book: Book
    reason: str
    who: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class WithdrawOutcome:
    """Whether it counted until now."""

    added: bool


def write_adjustments(engine: Engine, site: str, request: AdjustRequest) -> ImportOutcome:
    """Write adjustments down. The engine is the writer's. One that counts already is left alone.

    Raises
    ------
    LedgerRefused : an adjustment of a base year that is not locked.
    """
    given, problems, added = request.provenance, [], []
    with engine.begin() as connection:
        standing = _standing(connection, site)
        for row in request.rows:
            if tuple(_columns(row).values()) in standing:
                continue
            if row.book is Book.BASE and not _is_locked(connection, site, row):
                days = {"start": row.start.isoformat(), "end": (row.end or row.start).isoformat()}
                problems.append(StoreError("store.base_not_locked", commodity=row.commodity, **days))
            added.append(row)
        if problems:
            raise LedgerRefused(problems)
        import_id = given.record(connection, site, len(request.rows)) if added and given.file_name else None
        for row in added:
            who = {"recorded_ms": given.at_ms, "who": given.who, "import_id": import_id}
            connection.execute(insert(adjustments).values(site=site, **_columns(row), **who))
            write_audit(connection, site, given.at_ms, given.who, f"adjust.{row.book.value}", _columns(row))
    return ImportOutcome(len(added), len(request.rows) - len(added), 0)


def withdraw_adjustment(engine: Engine, site: str, request: WithdrawRequest) -> WithdrawOutcome:
    """Take an adjustment back. The engine is the writer's. Twice is once.

    Raises
    ------
    StoreError : there is none with this number in this ledger.
    """
    table = adjustments
    with engine.begin() as connection:
        query = select(table).where(table.c.site == site, table.c.id == request.id)
        row = connection.execute(query.where(table.c.withdraws.is_(None))).one_or_none()
        if row is None or row.book != request.book.value:
            raise StoreError("store.adjustment_unknown", number=request.id)
        taken = select(table.c.id).where(table.c.site == site, table.c.withdraws == request.id)
        if connection.execute(taken).one_or_none() is not None:
            return WithdrawOutcome(False)
        values = {**row._mapping, "reason": request.reason, "recorded_ms": request.at_ms}
        values |= {"who": request.who, "withdraws": request.id, "import_id": None}
        del values["id"]
        connection.execute(insert(table).values(**values))
        detail = {"number": request.id, "reason": request.reason}
        write_audit(connection, site, request.at_ms, request.who, "adjust.withdraw", detail)
    return WithdrawOutcome(True)


def _standing(connection: Connection, site: str) -> set[tuple[Any, ...]]:
    """What counts now, as the tuples of its columns."""
    rows = connection.execute(select(adjustments).where(adjustments.c.site == site)).mappings().all()
    withdrawn = {row["withdraws"] for row in rows}
    return {
        tuple(row[name] for name in _COLUMNS)
        for row in rows
        if row["withdraws"] is None and row["id"] not in withdrawn
    }


def _columns(row: AdjustmentRow) -> dict[str, Any]:
    return {
        "book": row.book.value,
        "commodity": row.commodity,
        "start_day": row.start.isoformat(),
        "end_day": None if row.end is None else row.end.isoformat(),
        "quantity": row.quantity,
        "unit": row.unit,
        "uncertainty": row.uncertainty,
        "per": row.per.value,
        "reason": row.reason,
        "evidence": row.evidence,
        "author": row.author,
        "text_zh_tw": row.text_zh_tw,
        "text_en": row.text_en,
    }


_COLUMNS = (
    *("book", "commodity", "start_day", "end_day", "quantity", "unit", "uncertainty", "per"),
    *("reason", "evidence", "author", "text_zh_tw", "text_en"),
)


def facts_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit was told of a row of the ledger when it was written down."""
    return {name: row[name] for name in _COLUMNS}


def _is_locked(connection: Connection, site: str, row: AdjustmentRow) -> bool:
    return lock_holding(connection, site, row.commodity, row.start, row.end or row.start) is not None
