"""Sheets of workbooks (XLSX, XLS, ODS) as rows of text, as a CSV would have them."""

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path

from config.history.files import read_bytes
from config.problems import ConfigurationError, Place, Problem, did_you_mean

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

CellValue = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta


class SheetsMissing(Exception):
    """The extra that reads workbooks is not installed."""


def is_workbook(path: Path) -> bool:
    """Whether a file's name says that it is a workbook."""
    return path.suffix.lower() in SUFFIXES


def read_workbook(path: Path, sheet: str) -> list[list[str]]:
    """All rows of a sheet, from its first row and column on.

    Parameters
    ----------
    sheet : its name; the first when empty.

    Raises
    ------
    ConfigurationError : it cannot be read, or has no such sheet.
    SheetsMissing : the extra is not installed.
    """
    try:
        import python_calamine
    except ImportError as error:
        raise SheetsMissing(error.name) from error
    raw = read_bytes(path)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(raw))
        names = book.sheet_names
        rows = None
        if not sheet or sheet in names:
            at = names.index(sheet) if sheet else 0
            rows = book.get_sheet_by_index(at).to_python(skip_empty_area=False)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001  a panic of the library is no Exception
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        problem = Problem("history.bad_workbook", Place(str(path)), (), {"reason": reason})
        raise ConfigurationError([problem]) from None
    if rows is None:
        hint = did_you_mean(sheet, names)
        raise ConfigurationError([Problem("history.no_sheet", Place(str(path)), (), {"sheet": sheet}, hint)])
    return [[cell_text(cell) for cell in row] for row in rows]


def cell_text(cell: CellValue) -> str:
    """A cell as a CSV would have it: digits in full, days and times in ISO 8601."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, int | float):
        return format(Decimal(f"{cell:.15g}"), "f") if cell - cell == 0 else str(cell)
    if isinstance(cell, dt.datetime):
        # A workbook counts days as fractions: what is meant is the nearest second.
        nearest = (cell + dt.timedelta(microseconds=500_000)).replace(microsecond=0)
        return nearest.isoformat(" ")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, dt.timedelta):
        seconds = round(cell.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return cell
