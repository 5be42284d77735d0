"""What is booked on days: the ledger's rows, and what was used between two manual readings."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from monitor.store import schema
from rules.readings import Span, spans_between, split_by_ledger


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What a bill, a total, a log or two readings say. ``end`` is the last day, inclusive."""

    subject: str
    start: date
    end: date
    quantity: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class BookedDays:
    """What counts, by start and sharing no day; and the spans between readings that do not.

    A span that shares a day with a ledger row is left out as a whole, wherever that day lies.
    """

    counting: list[LedgerEntry]
    left_out: list[LedgerEntry]


@dataclass(frozen=True, slots=True)
class _Standing:
    day: date
    reading: float
    unit: str
    source: str


def booked_days(connection: Connection, site: str, subject: str, first: date, last: date) -> BookedDays:
    """Everything booked on a commodity or meter that touches [first, last]."""
    # Readings come first: a ledger row that lands in between is seen, and no day counts twice.
    readings = _readings(connection, site, subject, first, last)
    spans = spans_between(readings)
    low, high = (min(first, spans[0].start), max(last, spans[-1].end)) if spans else (first, last)
    rows = _rows(connection, site, subject, low, high)
    counting, left_out = split_by_ledger(spans, [(row.start, row.end) for row in rows])
    entries = [row for row in rows if row.start <= last and row.end >= first]
    entries += [_entry(subject, readings, span) for span in counting]
    entries.sort(key=lambda entry: entry.start)
    return BookedDays(entries, [_entry(subject, readings, span) for span in left_out])


def _rows(connection: Connection, site: str, subject: str, first: date, last: date) -> list[LedgerEntry]:
    table = schema.ledger
    query = (
        select(table)
        .where(table.c.site == site, table.c.subject == subject)
        .where(table.c.start_day <= last.isoformat(), table.c.end_day >= first.isoformat())
        .order_by(table.c.start_day)
    )
    return [
        LedgerEntry(
            row.subject,
            date.fromisoformat(row.start_day),
            date.fromisoformat(row.end_day),
            row.quantity,
            row.unit,
            row.source,
        )
        for row in connection.execute(query)
    ]


def _readings(connection: Connection, site: str, subject: str, first: date, last: date) -> list[_Standing]:
    """Readings of which two neighbours each hold a day of [first, last] between them."""
    table = schema.manual_readings
    of_subject: tuple[Any, ...] = (table.c.site == site, table.c.subject == subject)
    day = table.c.day
    before = select(func.max(day)).where(*of_subject, day <= first.isoformat()).scalar_subquery()
    after = select(func.min(day)).where(*of_subject, day > last.isoformat()).scalar_subquery()
    query = (
        select(day, table.c.reading, table.c.unit, table.c.source)
        .where(*of_subject)
        .where(day >= func.coalesce(before, first.isoformat()))
        .where(day <= func.coalesce(after, last.isoformat()))
        .order_by(day)
    )
    return [
        _Standing(date.fromisoformat(row.day), row.reading, row.unit, row.source)
        for row in connection.execute(query)
    ]


def _entry(subject: str, readings: list[_Standing], span: Span) -> LedgerEntry:
    before, after = readings[span.at : span.at + 2]
    source = _source(before, after)
    return LedgerEntry(subject, span.start, span.end, float(span.quantity), after.unit, source)


def _source(before: _Standing, after: _Standing) -> str:
    """Both readings, in signs that need no language: an auditor makes the difference from them."""
    texts = [f"{_plain(one.reading)} ({one.day.isoformat()}{{}})" for one in (before, after)]
    if before.source == after.source:
        return " → ".join(text.format("") for text in texts) + f", {after.source}"
    return " → ".join(
        text.format(f", {one.source}") for text, one in zip(texts, (before, after), strict=True)
    )


def _plain(reading: float) -> str:
    """A stored reading as it was written, never in powers of ten."""
    return f"{Decimal(f'{reading:.15g}'):f}"
