"""Columns of stamps: the wall clock's time of each row, whatever way of writing it a system has.

Cells that are written alike (digits in the same places) are read together, so that a year of stamps takes
a few steps of arithmetic.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.history.grid import Cells, letters

ROC_OFFSET = 1911  # year 1 of the Republic of China is 1912
FIRST_YEAR, LAST_YEAR = 1990, 2100
NO_OFFSET = np.iinfo(np.int64).min
_MOST_WAYS = 200

_YMD = (
    r"(?:中華民國|民國)? ?(?P<y>0{2,4})(?:[-/.](?P<m>0{1,2})[-/.](?P<d>0{1,2})|"
    r" ?年 ?(?P<m2>0{1,2}) ?月 ?(?P<d2>0{1,2}) ?日)"
)
_DMY = r"(?P<d>0{1,2})[-/.](?P<m>0{1,2})[-/.](?P<y>0{4})"
_MDY = r"(?P<m>0{1,2})[-/.](?P<d>0{1,2})[-/.](?P<y>0{4})"
_COMPACT = {"gregorian": r"(?P<y>0{4})(?P<m>0{2})(?P<d>0{2})", "roc": r"(?P<y>0{2,3})(?P<m>0{2})(?P<d>0{2})"}
_CLOCK = (
    r"(?P<am>(?i:AM|PM|上午|下午))? ?(?P<H>0{1,2})(?::(?P<M>0{2})(?::(?P<S>0{2})(?:\.(?P<f>0{1,9}))?)?"
    r"|時(?:(?P<M2>0{1,2})分)?(?:(?P<S2>0{1,2})秒)?)(?: ?(?P<pm>(?i:AM|PM)))?"
)
_COMPACT_CLOCK = r"(?P<Hc>0{2})(?:(?P<Mc>0{2})(?:(?P<Sc>0{2}))?)?"
_ZONE = r" ?(?P<zone>[Zz]|(?P<sign>[+-])(?P<zh>0{2})(?::?(?P<zm>0{2}))?)"


@dataclass(frozen=True, slots=True)
class Stamps:
    """A column read as stamps.

    Attributes
    ----------
    local_s : (n,) int64, the wall clock's time as seconds since its 1970.
    offset_s : (n,) int64, what the stamp says of its distance from UTC; ``NO_OFFSET`` where nothing.
    bad : (n,) bool, cells that are no stamp.
    late : (n,) bool, those of them that are one but for a year after ``LAST_YEAR``.
    """

    local_s: NDArray[np.int64]
    offset_s: NDArray[np.int64]
    bad: NDArray[np.bool_]
    late: NDArray[np.bool_]


def stamps(
    cells: Cells, calendar: str = "gregorian", order: str = "ymd", *, day_only: bool = False
) -> Stamps:
    """Read a column of stamps; a day without a time of day is its midnight.

    Parameters
    ----------
    calendar : ``gregorian`` or ``roc``.
    order : ``ymd``, ``dmy`` or ``mdy``.
    day_only : a time of day is refused, unless it is midnight.
    """
    return _read(cells, _date_patterns(calendar, order), calendar, day_only=day_only)


def clock_times(cells: Cells) -> Stamps:
    """Read a column of times of day, 13:15 or the hour alone, 24 included; seconds since midnight."""
    patterns = (re.compile(_CLOCK), re.compile(r"(?P<H>0{1,2})(?:\.0)?"))
    return _read(cells, patterns, "", day_only=False)


def _date_patterns(calendar: str, order: str) -> tuple[re.Pattern[str], ...]:
    date = {"ymd": _YMD, "dmy": _DMY, "mdy": _MDY}[order]
    patterns = [rf"{date}(?:(?: +|T){_CLOCK}(?:{_ZONE})?)?"]
    if order == "ymd":
        compact = _COMPACT[calendar]
        patterns += [rf"{compact}(?: +{_CLOCK}(?:{_ZONE})?)?", rf"{compact}[ T]?{_COMPACT_CLOCK}(?:\.0)?"]
    return tuple(re.compile(pattern) for pattern in patterns)


def _read(cells: Cells, patterns: tuple[re.Pattern[str], ...], calendar: str, *, day_only: bool) -> Stamps:
    count = len(cells)
    local_s = np.zeros(count, dtype=np.int64)
    offset_s = np.full(count, NO_OFFSET, dtype=np.int64)
    bad, late = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    if not count:
        return Stamps(local_s, offset_s, bad, late)
    codes = letters(cells)
    is_digit = (codes >= 48) & (codes <= 57)
    ways = np.where(is_digit, 48, codes)
    left = np.arange(count)
    for _ in range(_MOST_WAYS):
        way = ways[left[0]]
        alike = (ways[left] == way).all(axis=1)
        rows = left[alike]
        text = "".join(map(chr, way.tolist())).rstrip("\0")
        match = next((found for pattern in patterns if (found := pattern.fullmatch(text))), None)
        if match is not None:
            part = _Way(match, codes[rows], calendar)
            local_s[rows], offset_s[rows] = part.local_s(), part.offset_s()
            bad[rows], late[rows] = part.bad(day_only), part.late()
        left = left[~alike]
        if not len(left):
            break
    return Stamps(local_s, offset_s, bad, late)


class _Way:
    """Cells that are written alike, and where their parts stand."""

    def __init__(
        self, match: re.Match[str], codes: NDArray[np.uint32] | NDArray[np.uint8], calendar: str
    ) -> None:
        self._match = match
        self._codes = codes
        self._groups = match.groupdict()
        self._has_date = "y" in self._groups
        self.year = self._field("y") + (ROC_OFFSET if calendar == "roc" else 0)
        self.month, self.day = self._field("m", "m2"), self._field("d", "d2")
        self.hour = self._field("H", "Hc")
        self.minute, self.second = self._field("M", "M2", "Mc"), self._field("S", "S2", "Sc")
        word = (self._groups.get("am") or self._groups.get("pm") or "").upper()
        self._half = {"AM": 0, "上午": 0, "PM": 12, "下午": 12}.get(word)

    def _field(self, *names: str) -> NDArray[np.int64]:
        name = next((name for name in names if self._groups.get(name) is not None), None)
        value = np.zeros(len(self._codes), dtype=np.int64)
        if name is not None:
            for at in range(*self._match.span(name)):
                value = value * 10 + (self._codes[:, at].astype(np.int64) - 48)
        return value

    def local_s(self) -> NDArray[np.int64]:
        hour = self.hour if self._half is None else self.hour % 12 + self._half
        seconds = hour * 3600 + self.minute * 60 + self.second
        return seconds + 86_400 * _days(self.year, self.month, self.day) if self._has_date else seconds

    def offset_s(self) -> NDArray[np.int64]:
        if self._groups.get("zone") is None:
            return np.full(len(self._codes), NO_OFFSET, dtype=np.int64)
        distance = self._field("zh") * 3600 + self._field("zm") * 60
        return -distance if self._groups.get("sign") == "-" else distance

    def bad(self, day_only: bool) -> NDArray[np.bool_]:
        is_end = (self.hour == 24) & (self.minute == 0) & (self.second == 0)
        wrong = ((self.hour > 23) & ~is_end) | (self.minute > 59) | (self.second > 59)
        wrong |= (self._field("f") != 0) | (self._field("zh") > 15) | (self._field("zm") > 59)
        if self._half is not None:
            wrong |= (self.hour < 1) | (self.hour > 12)
        if day_only:
            wrong |= (self.hour != 0) | (self.minute != 0) | (self.second != 0)
        if self._has_date:
            wrong |= (self.year < FIRST_YEAR) | (self.year > LAST_YEAR)
            wrong |= (self.month < 1) | (self.month > 12) | (self.day < 1)
            wrong |= self.day > _month_length(self.year, self.month)
        return np.asarray(wrong, dtype=bool)

    def late(self) -> NDArray[np.bool_]:
        return np.asarray(self._has_date & (self.year > LAST_YEAR), dtype=bool)


def _days(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970-01-01 of the Gregorian calendar, counted from March so that leap days come last."""
    year = np.where(month <= 2, year - 1, year)
    of_march = (month + 9) % 12
    of_year = (153 * of_march + 2) // 5 + day - 1
    era_year = year + 400
    days = era_year * 365 + era_year // 4 - era_year // 100 + era_year // 400 + of_year
    return days - 865_565


def _month_length(year: NDArray[np.int64], month: NDArray[np.int64]) -> NDArray[np.int64]:
    lengths = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    length = lengths[np.clip(month, 1, 12) - 1]
    return np.where(leap & (month == 2), 29, length)
