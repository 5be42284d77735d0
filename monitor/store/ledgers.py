"""Putting ledgers and reasons into the store: a whole file or nothing, in one transaction."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, delete, insert, select, update

from config.ledger import LedgerRow, ReasonRow
from monitor.store import schema
from monitor.store.base_guard import BookedGuard, GivenRow
from monitor.store.care.lost import open_known
from monitor.store.correcting import Correction, Why, implausible_row, write_corrections
from monitor.store.database import LedgerRefused, StoreError, WriterLock
from rules.logs import Plausible

WriterEngine = Engine
"""Engine of the one process that holds the writer's lock."""

LedgerKind = Literal["base", "actuals"]
Progress = Callable[[int], None]
"""Told how many rows of the file have been dealt with since it was last told."""

ROWS_A_STEP = 500  # rows between two moves of a progress bar


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of a file's rows."""

    added: int
    unchanged: int
    replaced: int


@contextmanager
def writing(store_path: Path) -> Iterator[WriterEngine]:
    """Open the store for a command that writes, with the writer's lock for as long as it lasts.

    Raises
    ------
    StoreError : another process writes to it, or it cannot be opened.
    """
    lock = WriterLock(store_path)
    lock.acquire()
    try:
        engine = open_known(store_path)
        try:
            yield engine
        finally:
            engine.dispose()
    finally:
        lock.release()


@dataclass(frozen=True, slots=True, order=True)
class _Standing:
    start: str
    end: str
    quantity: float
    unit: str
    source: str


def import_ledger(
    engine: WriterEngine,
    site: str,
    rows: Sequence[LedgerRow],
    *,
    kind: LedgerKind,
    file_name: str,
    sha256: str,
    at_ms: int,
    replace: bool = False,
    who: str = "",
    declared: str = "",
    limits: Mapping[str, Plausible] | None = None,
    why: str = "",
    progress: Progress | None = None,
) -> ImportOutcome:
    """Put a ledger's rows into the store. The engine is the writer's.

    A row that stands already is left alone, so that the same file can be given again. A new figure for
    the days of a standing row takes its place only with ``replace``, and both are kept as a correction.

    Parameters
    ----------
    limits : the mean use a day that each subject can have.
    why : the reason for which figures are replaced; the file's name where nobody gives one.

    Raises
    ------
    LedgerRefused : a row shares days with a standing one, changes its figure without ``replace``, or changes
        a locked base year.
    """
    columns = {"site": site, "at_ms": at_ms, "kind": kind, "file": file_name, "sha256": sha256}
    columns |= {"who": who, "declared": declared}
    with engine.begin() as connection:
        plan = _Plan(_standing(connection, site, {row.subject for row in rows}), file_name, replace)
        for row in rows:
            plan.take(row)
            plan.judge(row, limits or {})
        if plan.problems:
            raise LedgerRefused(plan.problems)
        written = [*plan.added, *plan.replaced]
        if written:
            import_id = record_import(connection, **columns, rows=len(rows))
            guard = BookedGuard(connection, site, {row.subject for row in written})
            write_corrections(connection, site, plan.corrections, Why(why or file_name, who, at_ms))
            _write(connection, site, plan, import_id, progress)
            guard.raise_any(file_name, [GivenRow(r.row, r.subject, r.start, r.end) for r in written])
        if progress is not None:
            progress(plan.unchanged)
    return ImportOutcome(len(plan.added), plan.unchanged, len(plan.replaced))


class _Plan:
    """Compares a file's rows with what stands, one after the other."""

    def __init__(self, standing: dict[str, list[_Standing]], file_name: str, replace: bool) -> None:
        self._standing = standing
        self._file = file_name
        self._replace = replace
        self.added: list[LedgerRow] = []
        self.replaced: list[LedgerRow] = []
        self.corrections: list[Correction] = []
        self.unchanged = 0
        self.problems: list[StoreError] = []

    def judge(self, row: LedgerRow, limits: Mapping[str, Plausible]) -> None:
        """Refuse a figure that cannot be."""
        found = implausible_row(row.subject, (row.start, row.end), row.quantity, row.unit, limits)
        if found is not None:
            self.problems.append(StoreError(found.code, file=self._file, row=row.row, **found.data))

    def take(self, row: LedgerRow) -> None:
        """Decide what becomes of a row."""
        others = self._standing.setdefault(row.subject, [])
        mine = _Standing(row.start.isoformat(), row.end.isoformat(), row.quantity, row.unit, row.source)
        other = _sharing_days(others, mine)
        if other is None:
            insort(others, mine)
            self.added.append(row)
        elif (other.start, other.end) != (mine.start, mine.end):
            data = {"other_start": other.start, "other_end": other.end, "source": other.source}
            self._refuse("store.ledger_overlap", row, **data)
        elif (other.quantity, other.unit) != (mine.quantity, mine.unit) and not self._replace:
            figures = {"old": f"{other.quantity:.15g}", "new": f"{mine.quantity:.15g}"}
            self._refuse("store.ledger_changed", row, **figures, unit=row.unit)
        elif other == mine or not self._replace:
            self.unchanged += 1
        else:
            others[others.index(other)] = mine
            self.replaced.append(row)
            self.corrections.append(
                Correction(
                    "quantity", row.subject, mine.start, mine.end, other.quantity, mine.quantity, mine.unit,
                    other.source, mine.source,
                )
            )  # fmt: skip

    def _refuse(self, code: str, row: LedgerRow, **data: Any) -> None:
        where = {"file": self._file, "row": row.row, "subject": row.subject}
        days = {"start": row.start.isoformat(), "end": row.end.isoformat()}
        self.problems.append(StoreError(code, **where, **days, **data))


def _sharing_days(others: list[_Standing], mine: _Standing) -> _Standing | None:
    """Find a standing row that shares a day, that with the same days first; they share none among them."""
    at = bisect_left(others, mine.start, key=lambda other: other.start)
    if at < len(others) and others[at].start <= mine.end:
        return others[at]
    return others[at - 1] if at and others[at - 1].end >= mine.start else None


def _standing(connection: Connection, site: str, subjects: set[str]) -> dict[str, list[_Standing]]:
    table = schema.ledger
    query = select(table).where(table.c.site == site).order_by(table.c.subject, table.c.start_day)
    found: dict[str, list[_Standing]] = {}
    for row in connection.execute(query):
        if row.subject in subjects:
            one = _Standing(row.start_day, row.end_day, row.quantity, row.unit, row.source)
            found.setdefault(row.subject, []).append(one)
    return found


def _write(connection: Connection, site: str, plan: _Plan, import_id: int, progress: Progress | None) -> None:
    table = schema.ledger
    for step in _steps(plan.added):
        connection.execute(
            insert(table),
            [
                {"site": site, "subject": row.subject, "start_day": row.start.isoformat()}
                | _figures(row, import_id)
                for row in step
            ],
        )
        if progress is not None:
            progress(len(step))
    for row in plan.replaced:
        connection.execute(
            update(table)
            .where(table.c.site == site, table.c.subject == row.subject)
            .where(table.c.start_day == row.start.isoformat())
            .values(_figures(row, import_id))
        )
        if progress is not None:
            progress(1)


def _figures(row: LedgerRow, import_id: int) -> dict[str, Any]:
    return {
        "end_day": row.end.isoformat(),
        "quantity": row.quantity,
        "unit": row.unit,
        "source": row.source,
        "import_id": import_id,
    }


def _steps(rows: Sequence[LedgerRow]) -> Iterable[Sequence[LedgerRow]]:
    return (rows[at : at + ROWS_A_STEP] for at in range(0, len(rows), ROWS_A_STEP))


def import_reasons(
    engine: WriterEngine,
    site: str,
    rows: Sequence[ReasonRow],
    *,
    file_name: str,
    sha256: str,
    at_ms: int,
    replace: bool = False,
    who: str = "",
    declared: str = "",
) -> ImportOutcome:
    """Put reasons into the store, in the file's order within each subject and period.

    A reason that stands already is left alone and a new one goes to the end of the list; with
    ``replace`` the file's list takes the place of the standing one.
    """
    added = unchanged = replaced = 0
    columns = {"site": site, "at_ms": at_ms, "kind": "reasons", "file": file_name, "sha256": sha256}
    columns |= {"who": who, "declared": declared}
    with engine.begin() as connection:
        import_id: int | None = None
        for key, group in groupby(sorted(rows, key=_reason_key), key=_reason_key):
            given = [row.reason for row in group]
            standing = _standing_reasons(connection, site, key)
            wanted = given if replace else [*standing, *(text for text in given if text not in standing)]
            unchanged += sum(text in standing for text in given)
            added += sum(text not in standing for text in wanted)
            if wanted == standing:
                continue
            replaced += sum(text not in wanted for text in standing)
            if import_id is None:
                import_id = record_import(connection, **columns, rows=len(rows))
            _write_reasons(connection, site, key, wanted, import_id)
    return ImportOutcome(added, unchanged, replaced)


_ReasonKey = tuple[str, date, date]


def _reason_key(row: ReasonRow) -> _ReasonKey:
    return row.subject, row.start, row.end


def _reason_columns(site: str, key: _ReasonKey) -> dict[str, str]:
    subject, start, end = key
    days = {"start_day": start.isoformat(), "end_day": end.isoformat()}
    return {"site": site, "subject": subject, **days}


def _standing_reasons(connection: Connection, site: str, key: _ReasonKey) -> list[str]:
    table = schema.reasons
    query = select(table.c.text).filter_by(**_reason_columns(site, key)).order_by(table.c.position)
    return list(connection.scalars(query))


def _write_reasons(
    connection: Connection, site: str, key: _ReasonKey, texts: Sequence[str], import_id: int
) -> None:
    columns = _reason_columns(site, key)
    connection.execute(delete(schema.reasons).filter_by(**columns))
    connection.execute(
        insert(schema.reasons),
        [
            {**columns, "position": position, "text": text, "import_id": import_id}
            for position, text in enumerate(texts)
        ],
    )


def record_import(connection: Connection, **columns: Any) -> int:
    """Record which file it was; a file that changed nothing leaves no trace."""
    key = connection.execute(insert(schema.imports).values(**columns)).inserted_primary_key
    if key is None:
        raise AssertionError("an insert gives its key")
    return int(key[0])
