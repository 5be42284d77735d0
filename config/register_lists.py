"""A maker's register list, saved from a spreadsheet as CSV: what each row says, in our own words.

Lists come in every shape. Columns are known by their usual names in English and Chinese, addresses as 52,
0x34, 34h or 40053, types as ``Float``, ``UINT32`` or ``INT16U``. What cannot be told is left open.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.problems import ConfigurationError, Place, Problem
from drivers.modbus_profile import RegisterType, Table
from rules.quantities import CONVERSIONS, QUANTITIES

LARGEST_BYTES = 2 * 1024 * 1024

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": (
        "point",
        "name",
        "parameter",
        "description",
        "measurement",
        "signal",
        "名稱",
        "參數",
        "測點",
        "項目",
        "說明",
    ),
    "address": (
        "address",
        "register",
        "reg",
        "addr",
        "register address",
        "modbus address",
        "位址",
        "暫存器",
        "暫存器位址",
    ),
    "type": ("type", "data type", "datatype", "format", "型別", "資料型態", "資料型別", "格式"),
    "words": ("words", "length", "size", "registers", "字組", "長度"),
    "unit": ("unit", "units", "單位"),
    "scale": ("scale", "factor", "multiplier", "gain", "scaling", "倍率", "比例"),
    "offset": ("offset", "偏移"),
    "table": ("table", "function", "function code", "fc", "register type", "功能碼"),
    "note": ("note", "notes", "remark", "remarks", "comment", "備註"),
}
_TABLES = dict.fromkeys(("3", "03", "holding"), Table.HOLDING) | dict.fromkeys(
    ("4", "04", "input"), Table.INPUT
)
_UNITS = {
    "℃": "degC",
    "°c": "degC",
    "c": "degC",
    "m³": "m3",
    "m³/h": "m3/h",
    "cmh": "m3/h",
}
# What lists call a quantity, where that is not our own word.
_ALIASES: Mapping[str, str] = {
    "energy": "kwh wh consumption",
    "import": "imp imported received delivered forward positive",
    "export": "exp exported reverse negative",
    "power": "kw watt watts",
    "frequency": "hz freq",
    "power factor": "pf cosphi",
    "voltage": "volt volts u v",
    "current": "amps amp i",
    "avg": "average mean",
    "total": "sum system overall",
    "ll": "line lines",
    "ln": "neutral",
    "": "of the to phase value",
}
_WORDS = {alias: word for word, aliases in _ALIASES.items() for alias in aliases.split()}


# Every spelling that says one thing: what else a list writes (string, uint33, a swapped order) is asked back.
_TYPE = re.compile(
    r"(float|real|single|double|ieee754?|f)(32|64)?"
    r"|(u|s|i|unsigned|signed)?(int|integer|short|long|word|dword|qword)?(16|32|64)?(bits?)?[us]?"
    r"|(bit|flag|enum)[a-z]*(16)?"
)


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


def read_register_list(path: Path) -> tuple[ListedRegister, ...]:
    """Read a list.

    Raises
    ------
    ConfigurationError : with every row that cannot be read, and why.
    """
    text = _text(path)
    rows = list(csv.reader(io.StringIO(text), delimiter=_delimiter(text)))
    where = {key: place for key, place in _header(rows[0] if rows else []).items() if place is not None}
    missing = [key for key in ("name", "address", "type") if key not in where]
    if missing:
        data = {"missing": tuple(missing), "known": tuple(_COLUMNS[missing[0]][:4])}
        raise ConfigurationError([Problem("profiles.list_header", Place(str(path), 1, 1), (), data)])
    found: list[ListedRegister] = []
    problems: list[Problem] = []
    for line, row in enumerate(rows[1:], start=2):
        cells = {key: row[place].strip() if place < len(row) else "" for key, place in where.items()}
        if not any(cells.values()):
            continue
        try:
            found.append(_row(line, cells))
        except Unreadable as error:
            column = where[error.column] + 1
            place = Place(str(path), line, column, text=None)
            problems.append(Problem(error.code, place, (error.column,), {"value": cells[error.column]}))
    if not found and not problems:
        problems.append(Problem("profiles.list_empty", Place(str(path), 1, 1)))
    if problems:
        raise ConfigurationError(problems)
    return tuple(found)


class Unreadable(Exception):
    """A cell that says nothing that can be used; ``code`` names the text, ``column`` the column."""

    def __init__(self, code: str, column: str) -> None:
        self.code = f"profiles.{code}"
        self.column = column
        super().__init__(code)


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if len(raw) > LARGEST_BYTES:
        data = {"limit_kb": LARGEST_BYTES // 1024}
        raise ConfigurationError([Problem("profiles.list_too_large", Place(str(path)), (), data)])
    for encoding in ("utf-8-sig", "cp950"):  # what spreadsheets save in Taiwan
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigurationError([Problem("profiles.list_not_text", Place(str(path)))])


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _header(cells: Iterable[str]) -> dict[str, int | None]:
    plain = [re.sub(r"[\s_]+", " ", cell.strip().casefold()) for cell in cells]
    return {
        key: next((plain.index(name) for name in names if name in plain), None)
        for key, names in _COLUMNS.items()
    }


def _row(line: int, cells: Mapping[str, str]) -> ListedRegister:
    address, table = register_address(cells["address"])
    unit = _unit(cells.get("unit", ""))
    return ListedRegister(
        line=line,
        name=cells["name"],
        quantity=quantity_for(cells["name"], unit),
        address=address,
        table=_TABLES.get(cells.get("table", "").casefold(), table),
        type=register_type(cells["type"], cells.get("words", "")),
        unit=unit,
        scale=_number(cells, "scale", 1.0),
        offset=_number(cells, "offset", 0.0),
        note=cells.get("note", ""),
        on_wire=table is not None,
    )


def register_address(text: str) -> tuple[int, Table | None]:
    """Address and, where it counts from 30001 or 40001, the table that this says. Raises ``Unreadable``."""
    compact = text.replace(" ", "").replace(",", "")
    hexadecimal = re.fullmatch(r"0x([0-9a-f]{1,4})|([0-9a-f]{1,4})h", compact, re.IGNORECASE)
    if hexadecimal:
        return int(hexadecimal.group(1) or hexadecimal.group(2), 16), None
    if not compact.isdecimal() or not compact.isascii():
        raise Unreadable("list_address", "address")
    number = int(compact)
    for table, first in ((Table.INPUT, "3"), (Table.HOLDING, "4")):
        if len(compact) in (5, 6) and compact[0] == first and 1 <= int(compact[1:]) <= 65536:
            return int(compact[1:]) - 1, table
    if number > 65535:
        raise Unreadable("list_address", "address")
    return number, None


def register_type(text: str, words: str = "") -> RegisterType:
    """Our word for a list's data type. Raises ``Unreadable``.

    Parameters
    ----------
    words : the number of registers, where the list has it.
    """
    compact = re.sub(r"[\s_\-()]", "", text.casefold())
    if not _TYPE.fullmatch(compact):
        raise Unreadable("list_type", "type")
    bits = next(iter(re.findall(r"64|32|16", compact)), "")
    if not bits and words.isdecimal():
        bits = str(16 * int(words))
    if re.match(r"(double)", compact):
        return RegisterType.F64
    if re.match(r"(float|real|single|ieee|f)", compact):
        return {"64": RegisterType.F64}.get(bits, RegisterType.F32)
    if re.match(r"(bit|flag|enum)", compact) and bits in ("", "16"):
        return RegisterType.BITS16
    unsigned = bool(re.match(r"(u|word|dword|qword)", compact)) or compact.endswith("u")
    signed = bool(re.match(r"(i|s|int|short|long)", compact)) and not unsigned
    if not (signed or unsigned):
        raise Unreadable("list_type", "type")
    if not bits:
        bits = (
            "64" if compact.startswith("qword") else "32" if "long" in compact or compact[:1] == "d" else "16"
        )
    return RegisterType(f"{'u' if unsigned else 'i'}{bits}")


def _unit(text: str) -> str:
    known = {unit.casefold(): unit for units in CONVERSIONS.values() for unit in units}
    plain = text.strip().casefold()
    return _UNITS.get(plain) or known.get(plain) or text.strip()


def _number(cells: Mapping[str, str], column: str, default: float) -> float:
    text = cells.get(column, "").lstrip("x×*").strip()
    return read_number(text, column) if text else default


def read_number(text: str, column: str) -> float:
    """A plain number or a ratio; a scale is never 0. Raises ``Unreadable``."""
    ratio = re.fullmatch(r"([\d.]+)\s*/\s*([\d.]+)", text)
    try:
        value = float(ratio.group(1)) / float(ratio.group(2)) if ratio else float(text)
    except (ValueError, ZeroDivisionError):
        raise Unreadable("list_number", column) from None
    if column == "scale" and value == 0:
        raise Unreadable("list_number", column)
    return value


def quantity_for(name: str, unit: str) -> str | None:
    """Our word for what a maker calls a quantity, or None where the name does not say for sure."""
    wanted = _tokens(name)
    fitting = [
        quantity.name
        for quantity in QUANTITIES.values()
        if _tokens(quantity.name) == wanted and (not unit or unit in CONVERSIONS[quantity.unit])
    ]
    return fitting[0] if wanted and len(fitting) == 1 else None


def _tokens(text: str) -> frozenset[str]:
    """What a name says, without the words that only some lists write."""
    text = re.sub(r"\b(phase|l|p)[ _]?([123abc])\b", r"l\2", text.casefold())
    text = re.sub(r"l([abc])\b", lambda found: f"l{'abc'.index(found.group(1)) + 1}", text)
    text = re.sub(r"l([123])[ _-]*n\b", r"ln l\1", text)
    text = re.sub(r"l([123])[ _-]*l[123]\b", r"ll l\1", text)
    words = re.findall(r"[a-z]+\d*|\d+", text.replace("_", " ").replace("-", " "))
    said = set(" ".join(_WORDS.get(word, word) for word in words).split())
    if "energy" in said:
        said -= {"active", "total"} if said & {"import", "export"} else {"active"}
    if "power" in said and not said & {"reactive", "apparent", "factor", "cooling", "thermal"}:
        said.add("active")
    if "power" in said or "factor" in said:
        said -= {"total"} if said & {"l1", "l2", "l3"} else set()
        said |= {"total"} if not said & {"l1", "l2", "l3"} else set()
    if "voltage" in said and not said & {"ln", "ll"}:
        said.add("ln")
    return frozenset(said)
