"""Adjustments from CSV: dated events with quantity, band, reason, evidence and author.

A file is taken whole or not at all; everything that is wrong with it is told at once.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from config.ledger import EXACT_UNITS, RowReader
from config.positions import Source
from config.problems import ConfigurationError, Hint
from config.site import COMMODITY_UNITS
from config.tables import Record, Table
from rules.adjustments import Book, Per

COLUMNS = (
    "commodity", "start", "end", "quantity", "unit", "uncertainty", "per", "reason", "evidence", "author",
    "text_zh_tw", "text_en",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AdjustmentRow:
    """What somebody says of an adjustment; ``rules.adjustments`` tells what each field means.

    ``row`` is its line in a file; 0 where it was typed.
    """

    book: Book
    commodity: str
    start: date
    end: date | None
    quantity: float
    unit: str
    uncertainty: float
    per: Per
    reason: str
    evidence: str
    author: str
    text_zh_tw: str = ""
    text_en: str = ""
    row: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an adjustment: code and data of its words, and the column or option."""

    code: str
    column: str
    data: dict[str, Any]


def fault_of(row: AdjustmentRow) -> Fault | None:
    """What no adjustment can be, wherever it was written."""
    if row.end is not None and row.end < row.start:
        days = {"start": row.start.isoformat(), "end": row.end.isoformat()}
        return Fault("ledger.end_before_start", "end", days)
    if row.end is None and (row.per is Per.EVENT or row.book is Book.BASE):
        return Fault("adjust.no_end", "end", {})
    if row.uncertainty < 0:
        return Fault("adjust.negative_band", "uncertainty", {"value": f"{row.uncertainty:g}"})
    for column in ("reason", "evidence", "author"):
        if not getattr(row, column).strip():
            return Fault("ledger.empty", column, {"column": column})
    return None


def read_adjustments(path: Path, book: Book) -> tuple[AdjustmentRow, ...]:
    """Read adjustments of a ledger: CSV in UTF-8 with the ``COLUMNS``; ``end`` and the texts may be empty.

    Raises ConfigurationError with everything that is wrong, each with its row and column.
    """
    table = Table(Source.read(path), COLUMNS)
    reader = _Reader(table)
    rows = [row for record in table.records if (row := reader.row(record, book)) is not None]
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return tuple(rows)


class _Reader(RowReader):
    """Makes adjustments of a table's records."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, {})

    def row(self, record: Record, book: Book) -> AdjustmentRow | None:
        """One adjustment; None, and problems, where something is wrong."""
        subject = self.subject(record)
        start = self.day(record, "start")
        end = self.day(record, "end") if record.text("end") else None
        unit = self.unit(record, subject)
        quantity = self.figure(record, "quantity", signed=True)
        uncertainty = self.figure(record, "uncertainty", signed=True)
        per = self._per(record)
        if subject is None or start is None or unit is None or per is None:
            return None
        if quantity is None or uncertainty is None or (record.text("end") and end is None):
            return None
        kept = COMMODITY_UNITS[subject[1]]
        factor = EXACT_UNITS[kept][unit]
        reason, evidence, author, zh_tw, en = (record.text(name) for name in COLUMNS[-5:])
        figures = (float(quantity * factor), kept, float(uncertainty * factor), per)
        texts = (reason, evidence, author, zh_tw, en)
        row = AdjustmentRow(book, subject[0], start, end, *figures, *texts, record.row)
        fault = fault_of(row)
        if fault is not None:
            self.problem(fault.code, record, fault.column, **fault.data)
            return None
        return row

    def _per(self, record: Record) -> Per | None:
        text = self.filled(record, "per")
        if text is None:
            return None
        if text in tuple(Per):
            return Per(text)
        known = Hint("config.known", {"known": tuple(str(one) for one in Per)})
        self.problem("adjust.bad_per", record, "per", known, value=text)
        return None
