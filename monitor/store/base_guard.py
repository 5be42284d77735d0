"""What keeps a locked base period as it was agreed on.

People's rows are refused in words, with the whole file; intervals that the daemon closes or makes again are
kept apart, for nobody is there to be told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert

from monitor.store import schema
from monitor.store.answer_tables import late_intervals
from monitor.store.base_rows import BaseLock, booked_base, locks_of
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.rows import IntervalRow
from rules.base_year import BaseRow

SpanS = tuple[int, int]


def told_of(lock: BaseLock) -> dict[str, Any]:
    """What the words of a refusal are filled with."""
    scope = lock.scope
    days = {"from_day": scope.start.isoformat(), "to_day": scope.end.isoformat()}
    return {"commodity": scope.commodity, "base_year": scope.base_year, **days}


@dataclass(frozen=True, slots=True)
class GivenRow:
    """A row that somebody gave: its line in the file, whose it is, and its days."""

    row: int
    subject: str
    start: date
    end: date


class BookedGuard:
    """Holds what is booked on locked base periods against what was, before and after a file was taken.

    It is asked within the transaction that takes the file: whatever changed a row of a base period, the
    transaction is given up.
    """

    def __init__(self, connection: Connection, site: str, subjects: set[str]) -> None:
        self._connection = connection
        self._site = site
        self._before: list[tuple[BaseLock, set[BaseRow]]] = [
            (lock, set(booked_base(connection, site, lock.scope).rows))
            for lock in locks_of(connection, site)
            if subjects & set(lock.subjects)
        ]

    def raise_any(self, file: str, given: Sequence[GivenRow]) -> None:
        """Refuse rows that were written meanwhile and changed a base period. Raises ``LedgerRefused``."""
        found: list[StoreError] = []
        for lock, before in self._before:
            after = set(booked_base(self._connection, self._site, lock.scope).rows)
            if after != before:
                found += [
                    StoreError(
                        "store.base_locked", file=file, row=one.row, subject=one.subject, **told_of(lock)
                    )
                    for one in self._guilty(lock, given, before ^ after)
                ]
        if found:
            raise LedgerRefused(found)

    def _guilty(self, lock: BaseLock, given: Sequence[GivenRow], changed: set[BaseRow]) -> Sequence[GivenRow]:
        """The rows that share days with what changed; a reading changes the span that it ends or begins."""
        mine = [one for one in given if one.subject in lock.subjects]
        sharing = [
            one for one in mine if any(one.start <= row.end and one.end >= row.start for row in changed)
        ]
        return sharing or mine[:1]


def locked_spans(connection: Connection, site: str) -> dict[str, list[SpanS]]:
    """[from, to) in seconds UTC that each meter's intervals are locked in."""
    spans: dict[str, list[SpanS]] = {}
    for lock in locks_of(connection, site):
        for meter in lock.counted:
            spans.setdefault(meter, []).append((lock.from_s, lock.to_s))
    return spans


def inside_s(start_s: NDArray[np.int64], spans: Iterable[SpanS]) -> NDArray[np.bool_]:
    """Which instants lie in one of the spans: (n,) bool."""
    inside = np.zeros(len(start_s), dtype=bool)
    for from_s, to_s in spans:
        inside |= (start_s >= from_s) & (start_s < to_s)
    return inside


def told_of_lock_over(connection: Connection, site: str, meter: str, at_s: float) -> dict[str, Any] | None:
    """What a refusal says of the lock that holds an instant of a meter's intervals; None where none does."""
    for lock in locks_of(connection, site):
        if meter in lock.counted and lock.from_s <= at_s < lock.to_s:
            return told_of(lock)
    return None


def kept_apart(
    connection: Connection, site: str, rows: Sequence[IntervalRow], spans: Mapping[str, Sequence[SpanS]]
) -> list[IntervalRow]:
    """Put intervals inside locked base periods aside; returns the others.

    One that says the same as what counts is no news and leaves no trace.
    """
    if not spans:
        return list(rows)
    free: list[IntervalRow] = []
    locked: list[IntervalRow] = []
    for row in rows:
        inside = any(a <= row.interval.start_s < b for a, b in spans.get(row.meter, ()))
        (locked if inside else free).append(row)
    for row in locked:
        _put_aside(connection, site, row)
    return free


def _put_aside(connection: Connection, site: str, row: IntervalRow) -> None:
    one, table = row.interval, schema.intervals
    query = select(table.c.quantity, table.c.duration_s, table.c.quality).where(
        table.c.site == site, table.c.meter == row.meter, table.c.start_s == one.start_s
    )
    standing = connection.execute(query).one_or_none()
    if standing is not None and tuple(standing) == (one.quantity, one.duration_s, int(one.quality)):
        return
    key = {"site": site, "meter": row.meter, "start_s": one.start_s}
    figures = {
        "duration_s": one.duration_s,
        "quantity": one.quantity,
        "coverage": one.coverage,
        "quality": int(one.quality),
        "standing": None if standing is None else standing.quantity,
    }
    statement = upsert(late_intervals).values(**key, **figures)
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(late_intervals.primary_key.columns), set_=figures)
    )
