"""A maker's register list, saved from a spreadsheet as CSV: what each row says, in our own words.

Lists come in every shape. Columns are known by their usual names in English and Chinese, wherever in the
first rows they stand; what cannot be told is left open.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.problems import ConfigurationError, Place, Problem
from config.quantity_names import quantity_for
from config.register_cells import (
    Unreadable,
    decimal_step,
    known_unit,
    read_number,
    register_address,
    register_table,
    register_type,
    unit_in_name,
    unit_of,
)
from config.register_words import plain, section
from drivers.modbus_profile import RegisterType, Table

LARGEST_BYTES = 2 * 1024 * 1024
HEADER_WITHIN_ROWS = 20
"""Titles and revisions stand above many a list."""

_FLOATS = (RegisterType.F32, RegisterType.F64)
_NEEDED = ("name", "address", "type")
_NOTHING = frozenset(("", "-", "--", "—", "–", "/", "無", "n/a", "na"))


@dataclass(frozen=True, slots=True)
class ListedRegister:
    """One row of a list.

    Attributes
    ----------
    line : of the file, from 1.
    name : what the maker calls it.
    quantity : our word for it; None where the name does not say for sure.
    address : as the list gives it; as it goes on the wire (``on_wire``) where the list writes 40001 and
        the like.
    unit : ours where it is known, else the list's own.
    """

    line: int
    name: str
    quantity: str | None
    address: int
    table: Table | None
    type: RegisterType
    unit: str
    scale: float
    offset: float
    note: str
    on_wire: bool = False


@dataclass(frozen=True, slots=True)
class RegisterList:
    """A list's rows, and the columns that nothing was made of, as the list calls them."""

    registers: tuple[ListedRegister, ...]
    left_aside: tuple[str, ...]


def read_register_list(path: Path) -> RegisterList:
    """Read a list.

    Raises
    ------
    ConfigurationError : with every row that cannot be read, and why.
    """
    try:
        rows = _rows(_text(path))
    except csv.Error:
        raise ConfigurationError([Problem("profiles.list_not_text", Place(str(path)))]) from None
    header, columns = _header(rows, path)
    found: list[ListedRegister] = []
    problems: list[Problem] = []
    for line, row in rows[header + 1 :]:
        cells = columns.cells(row)
        # A heading within the list, as 'Instantaneous values', has a name alone.
        if not any(text for key, text in cells.items() if key != "name"):
            continue
        try:
            found.append(_row(line, cells, hexadecimal=columns.hexadecimal))
        except Unreadable as error:
            place = Place(str(path), line, columns.places[error.column] + 1)
            problems.append(Problem(error.code, place, (error.column,), {"value": cells[error.column]}))
    if not found and not problems:
        problems.append(Problem("profiles.list_empty", Place(str(path), 1, 1)))
    if problems:
        raise ConfigurationError(problems)
    left_aside = [
        cell.strip() for at, cell in enumerate(rows[header][1]) if at not in columns.places.values()
    ]
    return RegisterList(tuple(found), tuple(cell for cell in left_aside if cell))


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if len(raw) > LARGEST_BYTES:
        data = {"limit_kb": LARGEST_BYTES // 1024}
        raise ConfigurationError([Problem("profiles.list_too_large", Place(str(path)), (), data)])
    utf_16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))  # a spreadsheet's 'Unicode text'
    for encoding in ("utf-16",) if utf_16 else ("utf-8-sig", "cp950"):  # what spreadsheets save in Taiwan
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigurationError([Problem("profiles.list_not_text", Place(str(path)))])


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Every row with the line on which it begins: a cell may go over several."""
    top = "\n".join(text.splitlines()[:HEADER_WITHIN_ROWS])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=top.count))
    rows, line = [], 1
    for row in reader:
        rows.append((line, row))
        line = reader.line_num + 1
    return rows


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where each thing stands in a row; ``hexadecimal`` : all addresses are, the column says so."""

    places: Mapping[str, int]
    hexadecimal: bool

    def cells(self, row: list[str]) -> dict[str, str]:
        return {key: row[place].strip() if place < len(row) else "" for key, place in self.places.items()}

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(key for key in _NEEDED if key not in self.places)


def _header(rows: list[tuple[int, list[str]]], path: Path) -> tuple[int, _Columns]:
    """The first row that names all that is needed, and its columns. Raises ConfigurationError."""
    tried = [_columns(row) for _, row in rows[:HEADER_WITHIN_ROWS]] or [_columns([])]
    at = min(range(len(tried)), key=lambda row: len(tried[row].missing))
    missing = tried[at].missing
    if missing:
        names = section("columns")[missing[0]]
        data = {
            "missing": missing,
            "known": (*names[:2], *[name for name in names if not name.isascii()][:2]),
        }
        line = rows[at][0] if rows else 1
        raise ConfigurationError([Problem("profiles.list_header", Place(str(path), line, 1), (), data)])
    return at, tried[at]


def _columns(cells: Iterable[str]) -> _Columns:
    said = [plain(cell) for cell in cells]
    # 'Address (Dec)', 'Unit [V]': brackets explain, and tell numbers to the base of 16.
    bare = [re.sub(r"\s*[(\[].*[)\]]\s*", " ", cell).strip() for cell in said]
    sixteen = [
        bool(re.search(r"hex|16 ?進|十六進", cell))
        and not re.search(r"dec|10 ?進|十進", cell.replace("十六", ""))
        for cell in said
    ]
    places: dict[str, int] = {}
    for key, names in section("columns").items():
        for name in names:
            fitting = [
                at
                for at in range(len(said))
                if name in (said[at], bare[at])
                and at not in places.values()
                and (key != "address" or not sixteen[at])
            ]
            if fitting:
                places.setdefault(key, fitting[0])
    return _with_address(places, bare, sixteen)


def _with_address(places: dict[str, int], bare: list[str], sixteen: list[bool]) -> _Columns:
    """Addresses to the base of ten where the list has them, else those to the base of sixteen."""
    other = places.pop("address_hex", None)
    if "address" in places:
        return _Columns(places, False)
    if other is None:
        names = section("columns")["address"]
        other = next((at for at, cell in enumerate(bare) if sixteen[at] and cell in names), None)
    return _Columns(places if other is None else {**places, "address": other}, other is not None)


def _row(line: int, cells: Mapping[str, str], *, hexadecimal: bool) -> ListedRegister:
    name = cells["name"]
    address, table = register_address(cells["address"], hexadecimal=hexadecimal)
    steps, unit_text = _stepped(cells.get("unit", "") or unit_in_name(name))
    unit = unit_of(unit_text, name)
    kind = register_type(cells["type"], plain(cells.get("words", "")))
    return ListedRegister(
        line=line,
        name=name,
        quantity=quantity_for(name, unit),
        address=address,
        table=register_table(cells.get("table", "")) or table,
        type=kind,
        unit=unit,
        scale=_scale(cells, kind, steps),
        offset=_number(cells, "offset", 0.0),
        note=cells.get("note", ""),
        on_wire=table is not None,
    )


def _stepped(unit: str) -> tuple[float, str]:
    """A unit as '0.1 kWh' in its two parts; 1 where there is one part."""
    said = re.fullmatch(r"[x×*]?\s*(\d[\d./]*)\s*(\D.*)", plain(unit))
    if said and known_unit(said[2]):
        return read_number(said[1], "unit"), said[2]
    return 1.0, unit


def _scale(cells: Mapping[str, str], kind: RegisterType, steps: float) -> float:
    """The factor of a row, however many columns tell it; decimals of a float are those of the display."""
    scale = _number(cells, "scale", steps) / _number(cells, "divisor", 1.0)
    decimals = cells.get("decimals", "")
    if kind in _FLOATS or plain(decimals) in _NOTHING:
        return scale
    step = decimal_step(decimals)
    if plain(cells.get("scale", "")) in _NOTHING and scale == 1:
        return step
    if not math.isclose(scale, step):
        raise Unreadable("list_two_factors", "decimals")
    return scale


def _number(cells: Mapping[str, str], column: str, default: float) -> float:
    text = cells.get(column, "")
    return default if plain(text) in _NOTHING else read_number(text, column)
