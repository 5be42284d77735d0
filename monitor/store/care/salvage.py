"""Taking out of a damaged store whatever can still be read, row by row, into a new one.

Rows are read in the order of their row ids. Where a page cannot be read, the next row id that can be is found
by halves, so that a damaged page costs its own rows and no others.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.store.care.manifest import table_names
from monitor.store.database import StoreError, open_writer

ROWS_A_STEP = 500
LAST_ROW_ID = 2**63 - 1

Stage = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What came out of one table, and in how many places something did not."""

    rows: int
    lost: int


def salvage_store(damaged: Path, target: Path, stage: Stage) -> dict[str, Salvaged]:
    """Copy every row that can be read into a new store.

    Raises
    ------
    StoreError : no such file, a target that exists, or not even the list of tables can be read.
    """
    if not damaged.is_file():
        raise StoreError("care.no_backup", path=str(damaged))
    if target.exists():
        raise StoreError("care.exists", path=str(target))
    with closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)) as old:
        try:
            names = table_names(old)
        except sqlite3.Error as error:
            raise StoreError("care.beyond_salvage", path=str(damaged), reason=str(error)) from error
        open_writer(target).dispose()
        with closing(sqlite3.connect(target)) as new:
            new.execute("PRAGMA journal_mode=DELETE")
            known = set(table_names(new))
            found = {}
            for name in (one for one in names if one in known):
                stage(f"salvaging {name}", 0, 1)
                found[name] = _Table(old, new, name).salvage()
                stage(f"salvaging {name}", 1, 1)
            return found


class _Table:
    """One table on its way from the old store into the new one."""

    def __init__(self, old: sqlite3.Connection, new: sqlite3.Connection, name: str) -> None:
        self._old = old
        self._new = new
        columns = [row[1] for row in new.execute(f'PRAGMA table_info("{name}")')]
        there = {row[1] for row in old.execute(f'PRAGMA table_info("{name}")')}
        shared = ", ".join(f'"{column}"' for column in columns if column in there)
        marks = ", ".join("?" for column in columns if column in there)
        self._read = f'SELECT rowid, {shared} FROM "{name}" WHERE rowid > ? ORDER BY rowid LIMIT ?'  # noqa: S608
        self._write = f'INSERT OR IGNORE INTO "{name}" ({shared}) VALUES ({marks})'  # noqa: S608
        self._rows = self._lost = 0

    def salvage(self) -> Salvaged:
        """Read from the first row id to the last."""
        after: int | None = 0
        step = ROWS_A_STEP
        while after is not None:
            rows = self._rows_after(after, step)
            if rows is None and step > 1:
                step = max(1, step // 8)
            elif rows is None:
                self._lost += 1
                after = self._next_readable(after)
            elif not rows:
                break
            else:
                self._keep(rows)
                after, step = rows[-1][0], min(ROWS_A_STEP, step * 2)
        self._new.commit()
        return Salvaged(self._rows, self._lost)

    def _rows_after(self, row_id: int, limit: int) -> list[tuple[Any, ...]] | None:
        try:
            return self._old.execute(self._read, (row_id, limit)).fetchall()
        except sqlite3.Error:
            return None

    def _keep(self, rows: list[tuple[Any, ...]]) -> None:
        for row in rows:
            try:
                self._new.execute(self._write, row[1:])
                self._rows += 1
            except sqlite3.Error:  # a row that damage left without what it must have
                self._lost += 1

    def _next_readable(self, after: int) -> int | None:
        """The row id before the first row that can be read again; None when there is none."""
        reach = 1
        while self._rows_after(after + reach, 1) is None:
            reach *= 2
            if after + reach > LAST_ROW_ID:
                return None
        low, high = reach // 2, reach
        while high - low > 1:
            middle = (low + high) // 2
            if self._rows_after(after + middle, 1) is None:
                low = middle
            else:
                high = middle
        return after + high
