"""CSV files with the place of every cell, so that a bad figure can be found and mended."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from config.positions import Source, Span
from config.problems import Hint, Problem, did_you_mean

# One cell as it is written; the csv module says what it means.
_CELL = re.compile(r'[ \t]*(?P<quoted>"(?:[^"]|"")*")[^,]*|[^,]*')


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text without the spaces around it, and where it stands."""

    column: str
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Record:
    """One row; ``row`` is its line in the file, the heading being row 1."""

    row: int
    cells: dict[str, Cell]

    def text(self, column: str) -> str:
        """Text of a cell; empty where the table has no such column."""
        cell = self.cells.get(column)
        return cell.text if cell is not None else ""


class Table:
    """A CSV file with a heading.

    Parameters
    ----------
    source : the file's text.
    columns : every column that must be there.
    either : columns of which at least one must be there.

    Attributes
    ----------
    records : the rows; empty when the heading is not right.
    problems : everything that is wrong with the file as a table.
    """

    def __init__(self, source: Source, columns: tuple[str, ...], either: tuple[str, ...] = ()) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.records: list[Record] = []
        rows = self._rows()
        heading = next(rows, None)
        if heading is None:
            if not self.problems:
                wanted = {"heading": ",".join((*either[:1], *columns))}
                self.problems.append(Problem("ledger.empty_file", source.place(), (), wanted))
            return
        names = [text.strip() for text, _ in heading[1]]
        self._check_heading(names, [span for _, span in heading[1]], columns, either)
        complete = set(columns) <= set(names) and (not either or bool(set(either) & set(names)))
        for row, cells in rows:
            if complete and len(names) == len(set(names)):
                self._add(row, names, cells)
        if not self.records and not self.problems:
            self.problems.append(Problem("ledger.no_rows", source.place(Span(len(source.lines), 1))))

    def problem(
        self, code: str, record: Record, column: str, /, hint: Hint | None = None, **data: Any
    ) -> Problem:
        """Something wrong with a cell."""
        place = self.source.place(record.cells[column].span)
        return Problem(code, place, (column,), data, hint)

    def _add(self, row: int, names: list[str], cells: list[tuple[str, Span]]) -> None:
        if len(cells) != len(names):
            code = "ledger.too_many_cells" if len(cells) > len(names) else "ledger.too_few_cells"
            place = self.source.place(cells[min(len(cells), len(names) + 1) - 1][1])
            self.problems.append(Problem(code, place, (), {"found": len(cells), "wanted": len(names)}))
            return
        pairs = zip(names, cells, strict=True)
        self.records.append(
            Record(row, {name: Cell(name, text.strip(), span) for name, (text, span) in pairs})
        )

    def _check_heading(
        self, names: list[str], spans: list[Span], columns: tuple[str, ...], either: tuple[str, ...]
    ) -> None:
        whole = self.source.place(spans[0])
        if len(names) == 1 and re.search("[;\t]", names[0]):
            mark = ";" if ";" in names[0] else "Tab"
            self.problems.append(Problem("ledger.separator", whole, data={"mark": mark}))
            return
        meant: set[object] = set()
        for number, (name, span) in enumerate(zip(names, spans, strict=True)):
            place = self.source.place(span)
            if name not in columns + either:
                hint = did_you_mean(name, columns + either)
                meant.add(hint.data.get("guess") if hint else None)
                self.problems.append(Problem("ledger.unknown_column", place, (), {"column": name}, hint))
            elif name in names[:number]:
                self.problems.append(Problem("ledger.column_twice", place, (), {"column": name}))
        for name in columns:
            if name not in names and name not in meant:
                self.problems.append(Problem("ledger.no_column", whole, (), {"column": name}))
        if either and not set(either) & {*names, *meant}:
            self.problems.append(Problem("ledger.no_subject_column", whole, (), {"columns": either}))

    def _rows(self) -> Iterator[tuple[int, list[tuple[str, Span]]]]:
        reader = csv.reader((line + "\n" for line in self.source.lines), strict=True)
        while True:
            first = reader.line_num + 1
            try:
                texts = next(reader)
            except StopIteration:
                return
            except csv.Error:
                place = self.source.place(Span(min(first, len(self.source.lines)), 1))
                self.problems.append(Problem("ledger.bad_quotes", place))
                return
            if any(text.strip() for text in texts):
                yield first, list(zip(texts, self._spans(first, reader.line_num, len(texts)), strict=True))

    def _spans(self, first: int, last: int, count: int) -> Iterable[Span]:
        """Where the cells of one row stand; quoted cells may hold line breaks."""
        text = "\n".join(self.source.lines[first - 1 : last])
        spans: list[Span] = []
        position = 0
        while len(spans) < count:
            match = _CELL.match(text, position)
            assert match is not None  # noqa: S101  the pattern matches nothing at all, too
            before = text[:position]
            line, column = first + before.count("\n"), position - before.rfind("\n")
            length = len(match[0].splitlines()[0]) if match[0] else 1
            spans.append(Span(line, column, length))
            position = min(match.end() + 1, len(text))
        return spans
