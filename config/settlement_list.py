"""Settlements out of a CSV: what a utility paid for curtailment, as its bills or a report state it.

A file is taken whole or not at all; everything that is wrong with it is told at once. A price above a
published cap is remarked and kept: caps change, and what was paid was paid.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from config.ledger import RowReader
from config.positions import Source, Span
from config.problems import ConfigurationError, Problem
from config.programme_texts import programme_on
from config.tables import Record, Table
from rules.settlement.programme import BidCredit, Programme

COLUMNS = ("programme", "start", "end", "curtailed_kwh", "credit_twd", "source")
PRICE_DIGITS = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """What was curtailed and paid over some days.

    Attributes
    ----------
    programme : a family or a text, as ``taipower-demand-bidding``.
    start, end : first and last day, both inclusive, local to the site.
    kwh : curtailed energy. [kWh]
    credit : as it was written. [NT$]
    source : where the figures come from.
    row : line in the file; the heading is row 1.
    """

    programme: str
    start: date
    end: date
    kwh: float
    credit: str
    source: str
    row: int


def read_settlements(path: Path) -> tuple[SettlementRow, ...]:
    """Read settlements: CSV in UTF-8 with the columns ``COLUMNS``.

    Raises
    ------
    ConfigurationError : with everything that is wrong, each with its row and column.
    """
    table = Table(Source.read(path), COLUMNS)
    reader = _SettlementReader(table)
    rows = [row for record in table.records if (row := reader.row(record)) is not None]
    reader.tell_overlaps(rows)
    if table.problems:
        raise ConfigurationError(table.problems)
    return tuple(rows)


class _SettlementReader(RowReader):
    """Makes settlements of a table's records."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, {})

    def row(self, record: Record) -> SettlementRow | None:
        programme, source = self.filled(record, "programme"), self.filled(record, "source")
        period = self.period(record)
        kwh, credit = self.figure(record, "curtailed_kwh"), self.figure(record, "credit_twd")
        if programme is None or source is None or period is None or kwh is None or credit is None:
            return None
        return SettlementRow(programme, *period, float(kwh), f"{credit:f}", source, record.row)

    def tell_overlaps(self, rows: Iterable[SettlementRow]) -> None:
        """Rows of one programme that share a day: each names the other."""
        records = {record.row: record for record in self.table.records}
        reaches: dict[str, SettlementRow] = {}
        for row in sorted(rows, key=lambda one: (one.programme, one.start, one.row)):
            other = reaches.get(row.programme)
            if other is not None and row.start <= other.end:
                days = {"start": other.start.isoformat(), "end": other.end.isoformat()}
                data = {"other": str(other.row), "programme": row.programme}
                self.problem("dr.settled_twice", records[row.row], "start", None, **data, **days)
            if other is None or row.end > other.end:
                reaches[row.programme] = row


def price(kwh: float, credit: str) -> Decimal | None:
    """What a kWh earned, to four decimals; None where nothing was curtailed. [NT$/kWh]

    >>> price(7578.0, "77484")
    Decimal('10.2249')
    """
    energy = Decimal(f"{kwh:.15g}")
    return (Decimal(credit) / energy).quantize(PRICE_DIGITS, ROUND_HALF_UP) if energy else None


def text_of(programme: str, day: date, base: Path) -> Programme | None:
    """Text of a programme on a day; None where nobody wrote it down."""
    try:
        return programme_on(programme, day, base)
    except ConfigurationError:
        return None


def cap_passed(
    programme: str, day: date, kwh: float, credit: str, base: Path
) -> tuple[Decimal, Decimal] | None:
    """(price, published cap) where the price lies above it; None where not, or no cap is known. [NT$/kWh]"""
    text, paid = text_of(programme, day, base), price(kwh, credit)
    if text is None or paid is None or not isinstance(text.credit, BidCredit) or text.credit.cap is None:
        return None
    return (paid, text.credit.cap) if paid > text.credit.cap else None


def settlement_warnings(path: Path, rows: Sequence[SettlementRow], base: Path) -> list[Problem]:
    """What to look at in a file that is taken all the same."""
    source = Source.read(path)
    found: list[Problem] = []
    for row in rows:
        place = source.place(Span(row.row, 1))
        if text_of(row.programme, row.start, base) is None:
            data: dict[str, str] = {"programme": row.programme, "day": row.start.isoformat()}
            found.append(Problem("dr.text_not_known", place, ("programme",), data, warning=True))
        above = cap_passed(row.programme, row.start, row.kwh, row.credit, base)
        if above is not None:
            data = {"price": str(above[0]), "cap": f"{above[1]:.2f}"}
            found.append(Problem("dr.price_above_cap", place, ("credit_twd",), data, warning=True))
    return found
