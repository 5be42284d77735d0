"""Ledgers from CSV: bills, totals and logs of periods, readings of registers, and the reasons of figures.

A file is taken whole or not at all; everything that is wrong with it is told at once.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from config.positions import Source
from config.problems import ConfigurationError, Hint, Problem, did_you_mean
from config.site import COMMODITY_UNITS, Commodity
from config.tables import Record, Table

FIRST_YEAR, LAST_YEAR = 1990, 2100
_ROC_OFFSET = 1911  # year 1 of the Republic of China is 1912
_MOST_DIGITS = 15  # a float64 keeps 15 decimal digits

# Only conversions that lose nothing, by the unit that the commodity is kept in.
EXACT_UNITS: dict[str, dict[str, Decimal]] = {
    "kWh": {"kWh": Decimal(1), "Wh": Decimal("0.001"), "MWh": Decimal(1000)},
    "m3": {"m3": Decimal(1), "L": Decimal("0.001")},
    "L": {"L": Decimal(1), "m3": Decimal(1000)},
}


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What was used in a period.

    Attributes
    ----------
    subject : a commodity, or a meter's id.
    start, end : first and last day, both inclusive, local to the site.
    quantity : in ``unit``.
    unit : the unit that the commodity is kept in (kWh, m3, L), whatever the file said.
    source : where the figure comes from, as a bill's number.
    row : line in the file; the heading is row 1.
    """

    subject: str
    start: date
    end: date
    quantity: float
    unit: str
    source: str
    row: int


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """What a person read off a register.

    Attributes
    ----------
    subject : a commodity, or a meter's id.
    day : the register as it stood at the beginning of this day, local to the site.
    reading : in ``unit``.
    unit : the unit that the commodity is kept in (kWh, m3, L), whatever the file said.
    source : who read it, or the slip's number.
    row : line in the file; the heading is row 1.
    """

    subject: str
    day: date
    reading: float
    unit: str
    source: str
    row: int


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """Why a commodity's figure of a period is what it is; days inclusive."""

    subject: str
    start: date
    end: date
    reason: str
    row: int


def read_ledger(path: Path, meters: Mapping[str, Commodity] | None = None) -> tuple[LedgerRow, ...]:
    """Read a ledger.

    Parameters
    ----------
    path : CSV in UTF-8 with the columns ``commodity`` or ``meter``, ``start``, ``end``, ``quantity``,
        ``unit`` and ``source``.
    meters : the site's meters and what each meters.

    Returns
    -------
    The rows in the file's order.

    Raises
    ------
    ConfigurationError
        With everything that is wrong, each with its row and column.
    """
    columns = ("start", "end", "quantity", "unit", "source")
    return ledger_rows(Table(Source.read(path), columns, either=("commodity", "meter")), meters or {})


def ledger_rows(table: Table, meters: Mapping[str, Commodity]) -> tuple[LedgerRow, ...]:
    """Rows of a ledger from a table. Raises ConfigurationError as ``read_ledger`` does."""
    reader = RowReader(table, meters)
    rows = [row for record in table.records if (row := reader.ledger_row(record)) is not None]
    reader.problems += _overlaps(table, rows)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return tuple(rows)


def read_readings(path: Path, meters: Mapping[str, Commodity] | None = None) -> tuple[ReadingRow, ...]:
    """Read manual readings.

    Parameters
    ----------
    path : CSV in UTF-8 with the columns ``commodity`` or ``meter``, ``day``, ``reading``, ``unit`` and
        ``source``.
    meters : the site's meters and what each meters.

    Returns
    -------
    The rows in the file's order; each register's readings have days of their own and never go back.

    Raises
    ------
    ConfigurationError
        With everything that is wrong, each with its row and column.
    """
    columns = ("day", "reading", "unit", "source")
    return reading_rows(Table(Source.read(path), columns, either=("commodity", "meter")), meters or {})


def reading_rows(table: Table, meters: Mapping[str, Commodity]) -> tuple[ReadingRow, ...]:
    """Readings from a table. Raises ConfigurationError as ``read_readings`` does."""
    reader = RowReader(table, meters)
    rows = [row for record in table.records if (row := reader.reading_row(record)) is not None]
    reader.problems += _contradictions(table, rows)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return tuple(rows)


def read_reasons(path: Path) -> tuple[ReasonRow, ...]:
    """Read reasons: CSV with the columns ``commodity``, ``start``, ``end`` and ``reason``.

    Raises ConfigurationError as ``read_ledger`` does.
    """
    table = Table(Source.read(path), ("commodity", "start", "end", "reason"))
    reader = RowReader(table, {})
    rows = [row for record in table.records if (row := reader.reason_row(record)) is not None]
    first: dict[tuple[object, ...], ReasonRow] = {}
    for row in rows:
        other = first.setdefault((row.subject, row.start, row.end, row.reason), row)
        if other is not row:
            record = next(record for record in table.records if record.row == row.row)
            reader.problems.append(table.problem("ledger.reason_twice", record, "reason", other=other.row))
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return tuple(rows)


class RowReader:
    """Makes rows of a table's records and gathers what is wrong with them."""

    def __init__(self, table: Table, meters: Mapping[str, Commodity]) -> None:
        self.table = table
        self.meters = meters
        self.problems = table.problems

    def ledger_row(self, record: Record) -> LedgerRow | None:
        """A bill, a total, a log."""
        subject = self.subject(record)
        period = self.period(record)
        unit = self.unit(record, subject)
        quantity = self.figure(record, "quantity")
        source = self.filled(record, "source")
        if not (subject and period and unit and source) or quantity is None:
            return None
        return LedgerRow(subject[0], *period, *in_kept_unit(quantity, unit, subject[1]), source, record.row)

    def reading_row(self, record: Record) -> ReadingRow | None:
        """What a register showed."""
        subject = self.subject(record)
        day = self.day(record, "day")
        unit = self.unit(record, subject)
        reading = self.figure(record, "reading")
        source = self.filled(record, "source")
        if not (subject and day and unit and source) or reading is None:
            return None
        return ReadingRow(subject[0], day, *in_kept_unit(reading, unit, subject[1]), source, record.row)

    def reason_row(self, record: Record) -> ReasonRow | None:
        """Why a figure is what it is."""
        subject = self.subject(record)
        period = self.period(record)
        reason = self.filled(record, "reason")
        if not (subject and period and reason):
            return None
        return ReasonRow(subject[0], *period, reason, record.row)

    def problem(
        self, code: str, record: Record, column: str, /, hint: Hint | None = None, **data: Any
    ) -> None:
        """Note what is wrong with a cell."""
        self.problems.append(self.table.problem(code, record, column, hint, **data))

    def filled(self, record: Record, column: str) -> str | None:
        """A cell's text; None, and a problem, where it is empty."""
        text = record.text(column)
        if not text:
            self.problem("ledger.empty", record, column, column=column)
        return text or None

    def subject(self, record: Record) -> tuple[str, Commodity] | None:
        """The commodity or meter that a row is about, and what is metered."""
        given = [column for column in ("commodity", "meter") if record.text(column)]
        if len(given) != 1:
            column = "meter" if "commodity" not in record.cells else "commodity"
            self.problem("ledger.two_subjects" if given else "ledger.empty", record, column, column=column)
            return None
        column, name = given[0], record.text(given[0])
        known: Mapping[str, Commodity] = self.meters
        if column == "commodity":
            known = {str(commodity): commodity for commodity in Commodity}
        if name not in known:
            code = "ledger.unknown_commodity" if column == "commodity" else "ledger.unknown_meter"
            self.problem(code, record, column, did_you_mean(name, known), name=name)
            return None
        return name, known[name]

    def period(self, record: Record) -> tuple[date, date] | None:
        """First and last day of a row."""
        start, end = self.day(record, "start"), self.day(record, "end")
        if start is None or end is None:
            return None
        if end < start:
            data: dict[str, Any] = {"start": start.isoformat(), "end": end.isoformat()}
            self.problem("ledger.end_before_start", record, "end", **data)
            return None
        return start, end

    def day(self, record: Record, column: str) -> date | None:
        """A cell's date."""
        text = self.filled(record, column)
        if text is None:
            return None
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            day = _possible(*(int(part) for part in text.split("-")))
            if day is None:
                self.problem("ledger.no_such_day", record, column, day=text)
            elif not FIRST_YEAR <= day.year <= LAST_YEAR:
                limits = {"first": FIRST_YEAR, "last": LAST_YEAR}
                self.problem("ledger.year_out_of_range", record, column, _meant_day(text), day=text, **limits)
            else:
                return day
        else:
            self.problem("ledger.bad_day", record, column, _meant_day(text), day=text)
        return None

    def unit(self, record: Record, subject: tuple[str, Commodity] | None) -> str | None:
        """The unit of a row, one that converts exactly into the commodity's own."""
        unit = self.filled(record, "unit")
        if unit is None or subject is None:
            return unit
        known = EXACT_UNITS[COMMODITY_UNITS[subject[1]]]
        if unit in known:
            return unit
        same = [name for name in known if name.casefold() == unit.casefold()]
        guess = Hint("config.did_you_mean", {"guess": same[0]}) if same else None
        hint = guess or Hint("config.known", {"known": tuple(known)})
        self.problem("ledger.wrong_unit", record, "unit", hint, unit=unit, commodity=str(subject[1]))
        return None

    def figure(self, record: Record, column: str, *, signed: bool = False) -> Decimal | None:
        """A cell's number; below zero only where that has a meaning."""
        text = self.filled(record, column)
        if text is None:
            return None
        code = number_fault(text)
        if code is None or (signed and code == "ledger.negative"):
            return Decimal(text)
        self.problem(code, record, column, _meant_number(text), value=text)
        return None


def in_kept_unit(figure: Decimal, unit: str, commodity: Commodity) -> tuple[float, str]:
    """A figure in the unit that its commodity is kept in."""
    kept = COMMODITY_UNITS[commodity]
    return float(figure * EXACT_UNITS[kept][unit]), kept


def number_fault(text: str) -> str | None:
    """What is wrong with a figure, as a code of the word catalogue."""
    checks: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("ledger.not_finite", lambda t: re.fullmatch(r"[+-]?(nan|inf|infinity)", t, re.IGNORECASE)),
        ("ledger.thousands", lambda t: re.fullmatch(r"[+-]?[0-9]{1,3}([, ’'][0-9]{3})+(\.[0-9]+)?", t)),
        ("ledger.rounded", lambda t: re.fullmatch(r"[+-]?[0-9.]+[eE][+-]?[0-9]+", t)),
        ("ledger.not_a_number", lambda t: not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", t)),
        ("ledger.negative", lambda t: t.startswith("-") and t.strip("-0.")),
        ("ledger.too_many_digits", lambda t: len(re.sub("[^0-9]", "", t).strip("0")) > _MOST_DIGITS),
        ("ledger.too_many_digits", lambda t: len(t) > 2 * _MOST_DIGITS),
    )
    return next((code for code, is_wrong in checks if is_wrong(text)), None)


def _meant_number(text: str) -> Hint | None:
    bare = re.sub(r"[, ’']", "", text)
    if bare != text and re.fullmatch(r"[0-9]+(\.[0-9]+)?", bare):
        return Hint("config.did_you_mean", {"guess": bare})
    return None


def _possible(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _meant_day(text: str) -> Hint | None:
    """Offer ``2017-07-01`` for ``2017/7/1``, ``20170701``, ``106.7.1`` and ``民國106年7月1日``."""
    parts = re.findall(r"[0-9]+", text)
    if len(parts) == 1 and re.fullmatch(r"[0-9]{8}", text):
        parts = [text[:4], text[4:6], text[6:]]
    if len(parts) != 3 or len(parts[0]) > 4 or max(len(parts[1]), len(parts[2])) > 2:
        return None
    year, month, day = (int(part) for part in parts)
    if year < 200:
        year += _ROC_OFFSET
    meant = _possible(year, month, day)
    if meant is None or not FIRST_YEAR <= meant.year <= LAST_YEAR:
        return None
    return Hint("config.did_you_mean", {"guess": meant.isoformat()})


def _overlaps(table: Table, rows: Iterable[LedgerRow]) -> list[Problem]:
    """Rows of one subject that share a day: each names the other."""
    problems = []
    records = {record.row: record for record in table.records}
    ordered = sorted(rows, key=lambda row: (row.subject, row.start, row.row))
    for _, group in groupby(ordered, key=lambda row: row.subject):
        reaches: LedgerRow | None = None
        for row in group:
            if reaches is not None and row.start <= reaches.end:
                earlier, later = sorted((row, reaches), key=lambda one: one.row)
                data: dict[str, Any] = {"row": later.row, "other": earlier.row, "subject": row.subject}
                days: dict[str, Any] = {"start": earlier.start.isoformat(), "end": earlier.end.isoformat()}
                problems.append(table.problem("ledger.overlap", records[later.row], "start", **data, **days))
            if reaches is None or row.end > reaches.end:
                reaches = row
    return problems


def _contradictions(table: Table, rows: Iterable[ReadingRow]) -> list[Problem]:
    """Readings of one register that share a day, or where it goes back: each names the other."""
    problems = []
    records = {record.row: record for record in table.records}
    ordered = sorted(rows, key=lambda row: (row.subject, row.day, row.row))
    for before, after in pairwise(ordered):
        data: dict[str, Any] = {"row": after.row, "other": before.row, "subject": after.subject}
        if before.subject != after.subject:
            continue
        if before.day == after.day:
            data["day"] = after.day.isoformat()
            problems.append(table.problem("ledger.day_twice", records[after.row], "day", **data))
        elif after.reading < before.reading:
            data |= {"day": after.day.isoformat(), "other_day": before.day.isoformat()}
            data |= {"reading": f"{after.reading:.15g}", "other_reading": f"{before.reading:.15g}"}
            data["unit"] = after.unit
            problems.append(table.problem("ledger.goes_back", records[after.row], "reading", **data))
    return problems
