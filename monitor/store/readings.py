"""Putting manual readings into the store: a whole file or nothing, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, insert, select, update

from config.ledger import ReadingRow
from monitor.store import schema
from monitor.store.base_guard import BookedGuard, GivenRow
from monitor.store.correcting import Correction, Why, implausible_row, write_corrections
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.ledgers import ROWS_A_STEP, ImportOutcome, Progress, WriterEngine, record_import
from rules.logs import Plausible


def import_readings(
    engine: WriterEngine,
    site: str,
    rows: Sequence[ReadingRow],
    *,
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
    """Put manual readings into the store. The engine is the writer's.

    A reading that stands already is left alone, so that the same file can be given again. A new figure for
    a day that has one takes its place only with ``replace``, and both are kept as a correction.

    Parameters
    ----------
    limits : the mean use a day that each subject can have.
    why : the reason for which readings are replaced; the file's name where nobody gives one.

    Raises
    ------
    LedgerRefused : a reading changes a standing one without ``replace``; or, with the whole file taken, a
        register would go back or change its unit, or a locked base year would be another.
    """
    with engine.begin() as connection:
        plan = _Plan(_standing(connection, site, {row.subject for row in rows}), file_name, replace)
        for row in rows:
            plan.take(row)
        plan.compare_neighbours(limits or {})
        if plan.problems:
            raise LedgerRefused(sorted(plan.problems, key=lambda problem: problem.data["row"]))
        if plan.added or plan.replaced:
            told = {"site": site, "at_ms": at_ms, "kind": "readings", "file": file_name, "sha256": sha256}
            told |= {"who": who, "declared": declared}
            written = [*plan.added, *plan.replaced]
            write_corrections(connection, site, plan.corrections, Why(why or file_name, who, at_ms))
            guard = BookedGuard(connection, site, {row.subject for row in written})
            _write(connection, site, plan, record_import(connection, **told, rows=len(rows)), progress)
            # A reading ends a span with the day before its own, and begins one.
            spans = [GivenRow(r.row, r.subject, r.day - timedelta(days=1), r.day) for r in written]
            guard.raise_any(file_name, spans)
        if progress is not None:
            progress(plan.unchanged)
    return ImportOutcome(len(plan.added), plan.unchanged, len(plan.replaced))


class _Plan:
    """Compares a file's readings with what stands: each with its own day, then all with their neighbours."""

    def __init__(self, standing: dict[str, dict[date, ReadingRow]], file_name: str, replace: bool) -> None:
        self._merged = standing
        self._file = file_name
        self._replace = replace
        self.added: list[ReadingRow] = []
        self.replaced: list[ReadingRow] = []
        self.corrections: list[Correction] = []
        self.unchanged = 0
        self.problems: list[StoreError] = []

    def take(self, row: ReadingRow) -> None:
        """Decide about a reading by what stands on its day."""
        of_subject = self._merged.setdefault(row.subject, {})
        other = of_subject.setdefault(row.day, row)
        if other is row:
            self.added.append(row)
            return
        same_figure = (other.reading, other.unit) == (row.reading, row.unit)
        if not same_figure and not self._replace:
            old, new = f"{other.reading:.15g} {other.unit}", f"{row.reading:.15g} {row.unit}"
            self._refuse("store.reading_changed", row, day=row.day.isoformat(), old=old, new=new)
        elif not self._replace or (same_figure and other.source == row.source):
            self.unchanged += 1
        else:
            of_subject[row.day] = row
            self.replaced.append(row)
            day, figures = row.day.isoformat(), (other.reading, row.reading)
            texts = (row.unit, other.source, row.source)
            self.corrections.append(Correction("reading", row.subject, day, day, *figures, *texts))

    def compare_neighbours(self, limits: Mapping[str, Plausible]) -> None:
        """Refuse what contradicts a neighbour, in the file or in the store, once the whole file is taken."""
        for of_subject in self._merged.values():
            ordered = sorted(of_subject.values(), key=lambda one: one.day)
            for before, after in pairwise(ordered):
                code = "store.reading_unit" if before.unit != after.unit else "store.reading_back"
                if before.unit == after.unit and before.reading <= after.reading:
                    self._judge(before, after, limits)
                    continue
                mine = max(before, after, key=lambda one: one.row)
                figures = {
                    "before": f"{before.reading:.15g} {before.unit}",
                    "before_day": before.day.isoformat(),
                    "after": f"{after.reading:.15g} {after.unit}",
                    "after_day": after.day.isoformat(),
                }
                self._refuse(code, mine, **figures)

    def _judge(self, before: ReadingRow, after: ReadingRow, limits: Mapping[str, Plausible]) -> None:
        """Refuse an advance that cannot be, where the file has one of the two readings."""
        mine = max(before, after, key=lambda one: one.row)
        if mine.row == 0:
            return  # both stand already
        days, advance = (before.day, after.day - timedelta(days=1)), after.reading - before.reading
        found = implausible_row(after.subject, days, advance, after.unit, limits)
        if found is not None:
            self.problems.append(StoreError(found.code, file=self._file, row=mine.row, **found.data))

    def _refuse(self, code: str, row: ReadingRow, **data: Any) -> None:
        self.problems.append(StoreError(code, file=self._file, row=row.row, subject=row.subject, **data))


def _standing(connection: Connection, site: str, subjects: set[str]) -> dict[str, dict[date, ReadingRow]]:
    """Every reading of the subjects; ``row`` is 0, for they stand in no line of the file."""
    table = schema.manual_readings
    found: dict[str, dict[date, ReadingRow]] = {}
    for row in connection.execute(select(table).where(table.c.site == site)):
        if row.subject in subjects:
            day = date.fromisoformat(row.day)
            one = ReadingRow(row.subject, day, row.reading, row.unit, row.source, 0)
            found.setdefault(row.subject, {})[day] = one
    return found


def _write(connection: Connection, site: str, plan: _Plan, import_id: int, progress: Progress | None) -> None:
    table = schema.manual_readings
    for at in range(0, len(plan.added), ROWS_A_STEP):
        step = plan.added[at : at + ROWS_A_STEP]
        connection.execute(
            insert(table),
            [
                {"site": site, "subject": row.subject, "day": row.day.isoformat()} | _figures(row, import_id)
                for row in step
            ],
        )
        if progress is not None:
            progress(len(step))
    for row in plan.replaced:
        connection.execute(
            update(table)
            .where(table.c.site == site, table.c.subject == row.subject)
            .where(table.c.day == row.day.isoformat())
            .values(_figures(row, import_id))
        )
        if progress is not None:
            progress(1)


def _figures(row: ReadingRow, import_id: int) -> dict[str, Any]:
    return {"reading": row.reading, "unit": row.unit, "source": row.source, "import_id": import_id}
