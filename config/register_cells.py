"""Cells of a maker's register list: addresses, types, units, factors and tables in every usual spelling."""

import re
from functools import cache

from config.quantity_names import quantity_for
from config.register_words import plain, replaced, section
from drivers.modbus_profile import RegisterType, Table
from rules.quantities import CONVERSIONS

# Every spelling that says one thing: what else a list writes (string, uint33, a swapped order) is asked back.
_TYPE = re.compile(
    r"(float|real|single|double|ieee754?|f)(32|64)?"
    r"|(u|s|i|unsigned|signed)?(int|integer|short|long|word|dword|qword)?(16|32|64)?(bits?)?[us]?"
    r"|(bit|flag|enum)[a-z]*(16)?"
)
_HEXADECIMAL = re.compile(r"(?:0x|16#|&h|\$)([0-9a-f]{1,4})|([0-9a-f]{1,4})h")
_TABLES = dict.fromkeys(("3", "4x", "holding", "hr", "保持"), Table.HOLDING) | dict.fromkeys(
    ("4", "3x", "input", "ir", "輸入"), Table.INPUT
)
_RANGE = re.compile(r"(.*?[0-9a-fh])[-~–—至到](?:.*[0-9a-f]h?)")


class Unreadable(Exception):
    """A cell that says nothing that can be used; ``code`` names the text, ``column`` the column."""

    def __init__(self, code: str, column: str) -> None:
        self.code = f"profiles.{code}"
        self.column = column
        super().__init__(code)


def register_address(text: str, *, hexadecimal: bool = False) -> tuple[int, Table | None]:
    """Address and, where it counts from 30001 or 40001, the table that this says. Raises ``Unreadable``.

    Parameters
    ----------
    hexadecimal : the list's column says that all of its addresses are.
    """
    compact = re.sub(r"[\s,']", "", plain(text))
    if several := _RANGE.fullmatch(compact):  # 40001-40002: the first of the value's registers
        compact = several[1]
    if found := _HEXADECIMAL.fullmatch(compact):
        return int(found[1] or found[2], 16), None
    if hexadecimal and re.fullmatch(r"[0-9a-f]{1,4}", compact):
        return int(compact, 16), None
    compact = re.sub(r"^([34])[x:](\d{4,5})$", r"\1\2", compact.removesuffix(".0"))
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
    compact = _compact_type(text)
    if not _TYPE.fullmatch(compact):
        raise Unreadable("list_type", "type")
    bits = next(iter(re.findall(r"64|32|16", compact)), "")
    if not bits and words.isdecimal():
        bits = str(16 * int(words))
    if compact.startswith("double"):
        return RegisterType.F64
    if re.match(r"(float|real|single|ieee|f(?!lag))", compact):
        return {"64": RegisterType.F64}.get(bits, RegisterType.F32)
    if re.match(r"(bit|flag|enum)", compact) and bits in ("", "16"):
        return RegisterType.BITS16
    return _whole_number(compact, bits)


def _compact_type(text: str) -> str:
    """A type's spelling in English, without blanks, how wide it is at the end."""
    spellings = {spelling: english for english, known in section("types").items() for spelling in known}
    said = replaced(plain(text), spellings, lambda spelling: spellings[spelling])
    compact = re.sub(r"[\s_\-()]", "", said)
    widths = re.findall(r"(\d\d)bit(?:s(?!igned))?", compact)
    if len(widths) == 1 and re.sub(r"\d\dbit(?:s(?!igned))?", "", compact):
        compact = re.sub(r"\d\dbit(?:s(?!igned))?", "", compact) + widths[0]
    return re.sub(r"^(int|integer|long|short)(unsigned|signed)", r"\2\1", compact)


def _whole_number(compact: str, bits: str) -> RegisterType:
    unsigned = bool(re.match(r"(u|word|dword|qword)", compact)) or compact.endswith("u")
    signed = bool(re.match(r"(i|s|int|short|long)", compact)) and not unsigned
    if not (signed or unsigned):
        raise Unreadable("list_type", "type")
    if not bits:
        bits = (
            "64" if compact.startswith("qword") else "32" if "long" in compact or compact[:1] == "d" else "16"
        )
    try:
        return RegisterType(f"{'u' if unsigned else 'i'}{bits}")
    except ValueError:  # as three registers: no type of ours
        raise Unreadable("list_type", "words") from None


def unit_of(text: str, name: str) -> str:
    """Our unit for a list's; where one word means several, the one that the name allows.

    Returns
    -------
    The list's own where we have none.
    """
    word = plain(text)
    several = section("units_by_quantity").get(word)
    if several is not None:
        return next((unit for unit in several if quantity_for(name, unit) is not None), text.strip())
    return _units().get(word, text.strip())


def known_unit(text: str) -> bool:
    """Whether a text is a unit, in any spelling."""
    word = plain(text)
    return word in _units() or word in section("units_by_quantity")


def unit_in_name(name: str) -> str:
    """The unit that a name has in brackets, as 'Power (kW)'; empty where it has none."""
    inside = re.findall(r"[(\[]([^()\[\]]*)[)\]]", plain(name))
    return next((word for word in reversed(inside) if word and known_unit(word)), "")


@cache
def _units() -> dict[str, str]:
    ours = {plain(unit): unit for units in CONVERSIONS.values() for unit in units}
    theirs = {plain(word): unit for unit, words in section("units").items() for word in words}
    return theirs | ours


def register_table(text: str) -> Table | None:
    """The table that a function code or a name says; None where it says none, or both."""
    found = set()
    for word in re.findall(r"0x0?\d+|\d+x?|[a-z]+|保持|輸入", plain(text)):
        found.add(_TABLES.get(re.sub(r"^(?:0x)?0*(?=\d)", "", word)))
    tables = found - {None}
    return tables.pop() if len(tables) == 1 else None


def decimal_step(text: str) -> float:
    """What a number of decimals makes of one step of the register: '2' is 0.01. Raises ``Unreadable``."""
    said = re.fullmatch(r"(\d)(?:\.0)?\s*位?", plain(text))
    if said is None:
        raise Unreadable("list_decimals", "decimals")
    return float(f"1e-{said[1]}")


def read_number(text: str, column: str) -> float:
    """A plain number, a ratio or a divisor; no factor is 0. Raises ``Unreadable``."""
    said = re.sub(r"^(?:x|×|\*)|倍$", "", plain(text)).strip()
    said = re.sub(r"^(?:÷|/)", "1/", said)
    ratio = re.fullmatch(r"([\d.]+)\s*[/:]\s*([\d.]+)", said)
    power = re.fullmatch(r"10\s*\^\s*\(?([+-]?\d{1,2})\)?", said)
    try:
        if power:
            value = 10.0 ** int(power[1])
        else:
            value = float(ratio[1]) / float(ratio[2]) if ratio else float(said)
    except (ValueError, ZeroDivisionError):
        raise Unreadable("list_number", column) from None
    if (column in ("scale", "divisor") and value == 0) or not abs(value) < float("inf"):
        raise Unreadable("list_number", column)
    return value
