"""Tables of any kind as columns of cells: CSV quickly where it is plain, carefully where it is not."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.history.declared import TableFile, column_hint
from config.history.files import read_bytes
from config.history.workbook import is_workbook, read_workbook
from config.positions import Source
from config.problems import ConfigurationError, Place, Problem

Cells = NDArray[Any]
"""Cells of a column without the spaces around them: ``S`` (ASCII) or ``U``, by row."""

LONGEST_CELL = 64
"""No stamp and no figure is longer; what is, is wrong whatever its end."""

_SEPARATORS = {",": ",", ";": ";", "tab": "\t"}
_CODECS = {"utf-8": "utf-8-sig", "big5": "cp950", "utf-16": "utf-16"}
_SHOWN_LETTERS = 400


@dataclass(slots=True)
class Grid:
    """A table with named columns.

    Attributes
    ----------
    file : its name, as the person gave it.
    names : of the columns.
    lines : (n,) int64, the line of each row in the file, or the row of the sheet.
    uneven : of rows with more or fewer cells than the heading: they are left out, and the file is refused.
    """

    file: str
    names: tuple[str, ...]
    lines: NDArray[np.int64]
    _plain: "_Plain | None" = None
    _rows: Sequence[Sequence[str]] = ()
    _texts: Sequence[str] = ()
    _kept: NDArray[np.int64] | None = None
    uneven: Sequence[Problem] = ()
    _cache: dict[int, Cells] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def cells(self, column: int) -> Cells:
        """One column's cells, each cut at ``LONGEST_CELL``."""
        if column not in self._cache:
            if self._plain is not None:
                cells = self._plain.cells(column)
                self._cache[column] = cells if self._kept is None else cells[self._kept]
            else:
                cut = [row[column][:LONGEST_CELL] for row in self._rows]
                self._cache[column] = np.array(cut, dtype=np.str_) if cut else np.empty(0, "U1")
        return self._cache[column]

    def text(self, row: int, column: int) -> str:
        """One whole cell."""
        if self._plain is not None:
            return self._plain.text(row if self._kept is None else int(self._kept[row]), column)
        return self._rows[row][column]

    def without(self, leave: NDArray[np.bool_]) -> "Grid":
        """The same table without some rows."""
        if not leave.any():
            return self
        kept = np.flatnonzero(~leave)
        rows = [self._rows[at] for at in kept.tolist()] if self._plain is None else ()
        before = kept if self._kept is None else self._kept[kept]
        return Grid(
            self.file, self.names, self.lines[kept], self._plain, rows, self._texts, before, self.uneven
        )

    def place(self, row: int, column: int) -> Place:
        """Where a cell stands; a column of a workbook is told by its number."""
        line = int(self.lines[row])
        if self._plain is not None:
            text = self._plain.line(line, row if self._kept is None else int(self._kept[row]))
        elif self._texts:
            text = self._texts[line - 1]
        else:
            return Place(self.file, line, column + 1)
        start, end = _span(text, column)
        if end > _SHOWN_LETTERS:
            return Place(self.file, line, start + 1)
        shown = text[:_SHOWN_LETTERS]
        return Place(self.file, line, start + 1, max(1, end - start), shown)


@dataclass(slots=True)
class _Plain:
    """Rows of a CSV without quotes: where each cell begins and ends, found all at once."""

    body: NDArray[np.uint8]
    starts: NDArray[np.int64]  # (rows, columns)
    ends: NDArray[np.int64]
    quoted: bytes = b""  # the file as it is, where its quotes were left away

    def cells(self, column: int) -> Cells:
        starts = self.starts[:, column]
        widths = np.minimum(self.ends[:, column] - starts, LONGEST_CELL)
        widest = max(1, int(widths.max(initial=1)))
        reach = np.arange(widest)
        matrix = self.body[starts[:, None] + reach]
        matrix[reach >= widths[:, None]] = 0
        if (matrix >= 128).any():
            texts = [self.text(row, column)[:LONGEST_CELL] for row in range(len(starts))]
            return np.array(texts, dtype=np.str_)
        cells = matrix.view(f"S{widest}").reshape(-1)
        return np.char.strip(cells, b" \t") if _has_spaces(matrix, widths) else cells

    def text(self, row: int, column: int) -> str:
        raw = self.body[self.starts[row, column] : self.ends[row, column]].tobytes()
        return raw.decode("utf-8", "replace").strip()

    def line(self, line: int, row: int) -> str:
        if self.quoted:
            return self.quoted.split(b"\n", line)[line - 1].decode("utf-8", "replace")
        raw = self.body[self.starts[row, 0] : self.ends[row, -1]].tobytes()
        return raw.decode("utf-8", "replace")


def _has_spaces(matrix: NDArray[np.uint8], widths: NDArray[np.int64]) -> bool:
    last = matrix[np.arange(len(matrix)), np.maximum(widths - 1, 0)]
    return bool(np.isin(matrix[:, 0], (32, 9)).any() or np.isin(last, (32, 9)).any())


def read_grid(path: Path, declared: TableFile, wanted: Sequence[str]) -> Grid:
    """Read a table.

    Parameters
    ----------
    wanted : the columns that the declaration names; each must be there.

    Raises
    ------
    ConfigurationError : it cannot be read, is not such a table, or lacks a column.
    """
    if is_workbook(path):
        rows = read_workbook(path, declared.sheet)
        grid = _of_rows(str(path), rows, list(range(1, len(rows) + 1)), declared, ())
    else:
        grid = _read_csv(path, declared)
    return _left_out(_with_columns(grid, [*wanted, *declared.leave_out], declared), declared)


def _with_columns(grid: Grid, wanted: Sequence[str], declared: TableFile) -> Grid:
    problems = []
    heading = Place(grid.file, declared.heading_row, 1)
    for name in dict.fromkeys(wanted):
        count = grid.names.count(name)
        if count == 0:
            hint = column_hint(name, grid.names)
            problems.append(Problem("history.no_column", heading, (name,), {"column": name}, hint))
        elif count > 1:
            problems.append(Problem("history.column_twice", heading, (name,), {"column": name}))
    if problems:
        raise ConfigurationError(problems)
    return grid


def _left_out(grid: Grid, declared: TableFile) -> Grid:
    leave = np.zeros(len(grid), dtype=bool)
    for column, texts in declared.leave_out.items():
        leave |= among(grid.cells(grid.names.index(column)), texts)
    grid = grid.without(leave)
    if not len(grid):
        raise ConfigurationError([Problem("history.no_rows", Place(grid.file, declared.heading_row, 1))])
    return grid


def among(cells: Cells, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which cells hold one of some texts."""
    found = np.zeros(len(cells), dtype=bool)
    for text in texts:
        if cells.dtype.kind == "U":
            found |= cells == text
        elif text.isascii():
            found |= cells == text.encode()
    return found


def letters(cells: Cells) -> NDArray[np.uint32] | NDArray[np.uint8]:
    """Each cell's letters as numbers, zeros behind its end: (n, widest)."""
    whole = np.ascontiguousarray(cells)
    if cells.dtype.kind == "S":
        return whole.view(np.uint8).reshape(len(cells), -1)
    return whole.view(np.uint32).reshape(len(cells), -1)


def _read_csv(path: Path, declared: TableFile) -> Grid:
    raw = read_bytes(path)
    file = str(path)
    separator = _SEPARATORS[declared.separator]
    if declared.encoding == "utf-8":
        raw = raw.removeprefix(b"\xef\xbb\xbf")
        _check_utf8(file, raw)
    else:
        try:
            raw = raw.decode(_CODECS[declared.encoding]).encode()
        except UnicodeError:
            data = {"encoding": declared.encoding}
            raise ConfigurationError([Problem("history.bad_encoding", Place(file), (), data)]) from None
    plain = _plain(file, raw, separator, declared.heading_row)
    return plain if plain is not None else _careful(file, raw.decode(), separator, declared)


def _check_utf8(file: str, raw: bytes) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem("history.not_utf8", Place(file, line, 1), (), {"byte": raw[error.start]})
        raise ConfigurationError([problem]) from None


def _plain(file: str, raw: bytes, separator: str, heading_row: int) -> Grid | None:
    """A table whose cells are found by their separators alone; None where that is not enough."""
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n")
    quoted = b""
    if b'"' in raw:
        quoted, raw = raw, _unquoted(raw, separator)
    if b'"' in raw or b"\r" in raw or b"\0" in raw:
        return None
    lines = raw.split(b"\n", heading_row)
    if len(lines) <= heading_row or not lines[heading_row]:
        return None
    names = tuple(name.strip() for name in lines[heading_row - 1].decode().split(separator))
    body = lines[heading_row].rstrip(b"\n") + b"\n"
    found = np.frombuffer(body, dtype=np.uint8)
    marks = np.flatnonzero((found == ord(separator)) | (found == 10))
    width = len(names)
    if len(marks) % width or len(marks) // width != int(np.count_nonzero(found == 10)):
        return None
    ends = marks.reshape(-1, width)
    if (found[ends[:, -1]] != 10).any():
        return None
    starts = np.concatenate(([0], marks[:-1] + 1)).reshape(-1, width)
    padded = np.concatenate((found, np.zeros(LONGEST_CELL, dtype=np.uint8)))
    numbers = np.arange(heading_row + 1, heading_row + 1 + len(ends), dtype=np.int64)
    grid = Grid(file, names, numbers, _Plain(padded, starts, ends, quoted))
    return grid.without(ends[:, -1] - starts[:, 0] == width - 1)  # spreadsheets leave empty rows behind


def _unquoted(raw: bytes, separator: str) -> bytes:
    """The same without quotes, where each stands at the edge of a cell and none guards a separator."""
    found = np.frombuffer(b"\n" + raw + b"\n", dtype=np.uint8)
    quotes = np.flatnonzero(found == ord('"'))
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) != len(closing):
        return raw
    is_mark = (found == ord(separator)) | (found == 10)
    marks = np.flatnonzero(is_mark)
    whole = is_mark[opening - 1].all() and is_mark[closing + 1].all()
    inside = np.searchsorted(marks, opening) != np.searchsorted(marks, closing)
    return raw if not whole or inside.any() else raw.replace(b'"', b"")


def _careful(file: str, text: str, separator: str, declared: TableFile) -> Grid:
    """Read with quotes, cells over several lines and empty lines."""
    source = Source(file, text)
    reader = csv.reader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n")), delimiter=separator)
    rows: list[list[str]] = []
    numbers: list[int] = []
    first = 1
    try:
        for row in reader:
            rows.append(row)
            numbers.append(first)
            first = reader.line_num + 1
    except csv.Error:
        place = source.place()
        problem = Problem("ledger.bad_quotes", Place(file, min(first, len(source.lines)), 1, 1, place.text))
        raise ConfigurationError([problem]) from None
    return _of_rows(file, rows, numbers, declared, source.lines)


def _of_rows(
    file: str,
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
    declared: TableFile,
    texts: Sequence[str],
) -> Grid:
    at = next((at for at, number in enumerate(numbers) if number >= declared.heading_row), None)
    if at is None:
        raise ConfigurationError(
            [Problem("history.no_heading", Place(file), (), {"row": declared.heading_row})]
        )
    names = tuple(cell.strip() for cell in rows[at])
    body, lines, problems = [], [], []
    for row, number in zip(rows[at + 1 :], numbers[at + 1 :], strict=True):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != len(names):
            if len(cells) > len(names) and not any(cells[len(names) :]):
                cells = cells[: len(names)]
            else:
                code = "ledger.too_many_cells" if len(cells) > len(names) else "ledger.too_few_cells"
                data = {"found": len(cells), "wanted": len(names)}
                problems.append(Problem(code, Place(file, number, 1), (), data))
                continue
        body.append(cells)
        lines.append(number)
    if not body and problems:
        raise ConfigurationError(bounded(problems))
    if not body:
        raise ConfigurationError([Problem("history.no_rows", Place(file, declared.heading_row, 1))])
    return Grid(file, names, np.array(lines, dtype=np.int64), None, body, texts, uneven=problems)


MOST_PROBLEMS = 20


def bounded(problems: Sequence[Problem], count: int | None = None) -> list[Problem]:
    """The first problems, and how many more there are; ``count`` where not all were made."""
    total = len(problems) if count is None else count
    if total <= MOST_PROBLEMS:
        return list(problems)
    shown = sorted(problems, key=lambda one: (one.place.line, one.place.column))[:MOST_PROBLEMS]
    last = shown[-1].place
    more = Problem("history.more", Place(last.file, last.line + 1), (), {"count": total - MOST_PROBLEMS})
    return [*shown, more]


_CELL = re.compile(r'[ \t]*"(?:[^"]|"")*"[^,;\t]*|[^,;\t]*')


def _span(text: str, column: int) -> tuple[int, int]:
    """Where a cell begins and ends on its line."""
    position = 0
    for _ in range(column):
        match = _CELL.match(text, position)
        position = min((match.end() if match else position) + 1, len(text))
    match = _CELL.match(text, position)
    return position, match.end() if match else position
