"""Bills and readings out of a spreadsheet: its own columns, calendar and units, as a ledger's rows."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from config.history.declared import LedgerFile
from config.history.grid import bounded, read_grid
from config.history.numbers import number
from config.history.stamps import stamps
from config.history.units import LEDGER_NAMES
from config.ledger import EXACT_UNITS
from config.positions import Span
from config.problems import ConfigurationError, Hint, Place, Problem
from config.site import COMMODITY_UNITS, Commodity
from config.tables import Cell, Record, Table

_DAYS = ("start", "end", "day")
_FIGURES = ("quantity", "reading")
_ALL = ("commodity", "meter", "start", "end", "day", "quantity", "reading", "unit", "source")
_COLUMNS = {
    "base": ("start", "end", "quantity", "unit", "source"),
    "actuals": ("start", "end", "quantity", "unit", "source"),
    "readings": ("day", "reading", "unit", "source"),
}


class DeclaredTable(Table):
    """A table of a ledger, made of another system's columns; problems name the file's own."""

    def __init__(self, path: Path, declared: LedgerFile, subjects: dict[str, Commodity]) -> None:
        self._declared = declared
        self._subjects = subjects
        self._named = {str(name): column for name, column in declared.columns.items()}
        self._fixed = {str(name): text for name, text in declared.fixed.items()}
        self._grid = read_grid(path, declared, list(self._named.values()))
        self._named |= {name: name for name in _ALL if self._is_plain(name)}
        self.problems = list(self._grid.uneven)
        self.records = []
        self._at: dict[int, int] = {}
        uneven = len(self.problems)
        self._check_columns()
        if len(self.problems) == uneven:
            for row in range(len(self._grid)):
                self._add_row(row)
        self.problems = bounded(self.problems)

    def _is_plain(self, name: str) -> bool:
        """Whether a column that is not declared stands in the file under its own name."""
        return name in self._grid.names and name not in self._named and name not in self._fixed

    def problem(
        self, code: str, record: Record, column: str, /, hint: Hint | None = None, **data: Any
    ) -> Problem:
        """Something wrong with a cell, told by the file's own column."""
        name = self._named.get(column) or self._named.get("start", "")
        if name not in self._grid.names:
            return Problem(code, Place(self._grid.file, record.row), (column,), data, hint)
        place = self._grid.place(self._at[record.row], self._grid.names.index(name))
        return Problem(code, place, (name,), data, hint)

    def _check_columns(self) -> None:
        heading = Place(self._grid.file, self._declared.heading_row, 1)
        known = {*self._named, *self._fixed} | ({"end"} if self._declared.period == "one_column" else set())
        for name in _COLUMNS[self._declared.kind]:
            if name not in known:
                problem = Problem("history.no_event_column", heading, (name,), {"column": name})
                self.problems.append(problem)
        if not {"commodity", "meter"} & known:
            data = {"columns": ("commodity", "meter")}
            self.problems.append(Problem("ledger.no_subject_column", heading, (), data))

    def _add_row(self, row: int) -> None:
        texts = {name: self._grid.text(row, self._grid.names.index(own)) for name, own in self._named.items()}
        texts |= {name: text for name, text in self._fixed.items() if not texts.get(name)}
        if any(texts.get(name) in self._declared.missing for name in _FIGURES):
            return
        line = int(self._grid.lines[row])
        if self._declared.period == "one_column":
            ends = _two_days(texts.get("start", ""))
            if ends is None:
                place = self._grid.place(row, self._grid.names.index(self._named["start"]))
                data = {"value": texts.get("start", "")}
                self.problems.append(Problem("history.bad_period", place, (self._named["start"],), data))
                return
            texts["start"], texts["end"] = ends
        cells = {
            name: Cell(name, self._plain(name, text, texts), Span(line, 1)) for name, text in texts.items()
        }
        self._at[line] = row
        self.records.append(Record(line, cells))

    def _plain(self, name: str, text: str, texts: dict[str, str]) -> str:
        """A cell as a ledger has it; what cannot be read stays as it is, and is told there."""
        if name in _DAYS:
            return self._day(name, text)
        if name in _FIGURES and self._declared.thousands and number(text, thousands=True) is not None:
            return text.replace(",", "")
        if name == "unit":
            commodity = self._subjects.get(texts.get("meter") or texts.get("commodity") or "")
            if text == "度" and commodity is not None and COMMODITY_UNITS[commodity] in EXACT_UNITS:
                return COMMODITY_UNITS[commodity]
            return LEDGER_NAMES.get(text, text)
        return text

    def _day(self, name: str, text: str) -> str:
        if not text:
            return text
        read = stamps(np.array([text]), self._declared.calendar, self._declared.order, day_only=True)
        if read.bad[0]:
            return text
        day = date(1970, 1, 1) + timedelta(days=int(read.local_s[0]) // 86_400)
        if name == "end" and self._declared.last_day == "excluded":
            day -= timedelta(days=1)
        return day.isoformat()


def _two_days(text: str) -> tuple[str, str] | None:
    """Both ends of 1060701-1060731, 106/07/01~106/07/31 and the like."""
    parts = re.split(r"\s*[~～至]\s*|\s+-\s+", text)
    if len(parts) != 2:
        parts = text.split("-")
    return (parts[0].strip(), parts[1].strip()) if len(parts) == 2 else None


def declared_table(path: Path, declared: LedgerFile, meters: dict[str, Commodity]) -> Table:
    """Read a table of a ledger. Raises ConfigurationError where it is no such table."""
    subjects = {str(one): one for one in Commodity} | meters
    table = DeclaredTable(path, declared, subjects)
    if not table.records and not table.problems:
        raise ConfigurationError([Problem("history.no_rows", Place(str(path), declared.heading_row, 1))])
    return table
