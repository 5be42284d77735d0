"""Periods that are answered for: years, half-years, months and runs of days, Gregorian or of the Republic.

A reporting period and the period of the base year that it is held against are two types, so that
swapping them is an error that the type checker finds.
"""

import calendar
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

ROC_OFFSET = 1911  # year 1 of the Republic is 1912
FIRST_YEAR, LAST_YEAR = 1 + ROC_OFFSET, 999 + ROC_OFFSET

_YEAR = r"(?P<year>\d{1,4})"
_HALF = re.compile(_YEAR + r"-?H(?P<half>[12])", re.ASCII)
_MONTH = re.compile(_YEAR + r"-(?P<month>\d{1,2})", re.ASCII)
_WHOLE = re.compile(_YEAR, re.ASCII)
_DAYS = re.compile(r"(?P<start>\d{4}-\d{2}-\d{2})/(?P<end>\d{4}-\d{2}-\d{2})", re.ASCII)
_ROC_NAME = re.compile(  # as the report prints it
    r"(?:民國)?(?P<year>\d{1,3})年(?:(?P<side>[上下])半年|(?P<month>\d{1,2})月)?", re.ASCII
)


class PeriodError(ValueError):
    """No such period; ``code`` names the text in the word catalogue, ``data`` fills it."""

    def __init__(self, code: str, **data: Any) -> None:
        self.code = code
        self.data = data
        super().__init__(f"{code}: {data}")


@dataclass(frozen=True, slots=True)
class _Period:
    """Days from ``start`` to ``end``, both inclusive, of the site's own calendar.

    ``id`` is Gregorian: ``2017H2``, ``2017``, ``2017-07`` or ``2017-07-01/2017-10-31``.
    """

    id: str
    start: date
    end: date

    @property
    def days(self) -> int:
        """How many days, the first and the last included."""
        return (self.end - self.start).days + 1

    @property
    def roc(self) -> str:
        """Name in the calendar of the Republic: 106年下半年, 106年7月, 106年."""
        year = self.start.year - ROC_OFFSET
        if "/" in self.id:
            return f"{roc_date(self.start)}至{roc_date(self.end, after=self.start)}"
        if "H" in self.id:
            return f"{year}年{'上' if self.id.endswith('1') else '下'}半年"
        return f"{year}年{self.start.month}月" if "-" in self.id else f"{year}年"

    def bounds_s(self, zone: tzinfo) -> tuple[int, int]:
        """[first, last) instant of the period in a zone, seconds since 1970 UTC."""
        return day_start_s(self.start, zone), day_start_s(self.end + timedelta(days=1), zone)

    def holds(self, day: date) -> bool:
        """Whether a day lies in the period."""
        return self.start <= day <= self.end


@dataclass(frozen=True, slots=True)
class BaselinePeriod(_Period):
    """The days of the base year that a reporting period is held against.

    ``leap_days`` says by how many days the 29th of February makes it longer (+1) or shorter (-1) than
    the reporting period; the figures are compared as they stand, and the report says so.
    """

    leap_days: int = 0


@dataclass(frozen=True, slots=True)
class ReportingPeriod(_Period):
    """The days that are answered for."""

    def baseline(self, year: int) -> BaselinePeriod:
        """Return the same days of another year, for the period that starts in ``year``.

        A run of days that starts on the 29th of February starts on the 1st of March of a common year, and
        one that ends on it ends on the 28th; whole months and years keep their own ends.
        """
        shift = year - self.start.year
        if "/" in self.id:
            start, end = _same_day(self.start, shift, 1), _same_day(self.end, shift, 0)
            twin = _run_of_days(min(start, end), end)  # the 29th of February alone is the 28th
        else:
            twin = _parse(f"{year:04d}{self.id[4:]}")
        id_, first, last = twin
        length = (last - first).days + 1
        return BaselinePeriod(id_, first, last, leap_days=length - self.days)

    def through(self, day: date) -> "ReportingPeriod":
        """Return the part of the period up to ``day``, the day included; all of it when it is over.

        Raises
        ------
        PeriodError : the day lies before the period.
        """
        if day >= self.end:
            return self
        if day < self.start:
            raise _refusal(day.isoformat())
        return ReportingPeriod(*_run_of_days(self.start, day))


def reporting_period(text: str) -> ReportingPeriod:
    """Read a period as people write it.

    ``2017H2``, ``106H2``, ``2017``, ``106``, ``2017-07``, ``106-07``, ``106年下半年``, ``106年7月`` or
    ``2017-07-01/2017-10-31``. A year under 1000 is of the Republic.

    Raises
    ------
    PeriodError : it is none of these, or the year lies outside 1912 to 2910.

    Examples
    --------
    >>> reporting_period("106H2").id
    '2017H2'
    """
    return ReportingPeriod(*_parse(text))


def half_year_of(day: date) -> ReportingPeriod:
    """Return the half-year that holds a day."""
    return reporting_period(f"{day.year}H{1 if day.month <= 6 else 2}")


def month_of(day: date) -> ReportingPeriod:
    """Return the month that holds a day."""
    return reporting_period(f"{day.year}-{day.month:02d}")


def day_start_s(day: date, zone: tzinfo) -> int:
    """First instant of a day in a zone, seconds since 1970 UTC.

    Where the clocks skip midnight it is the first instant after the gap; where midnight comes twice, the
    first of the two.
    """
    return int(datetime.combine(day, time(), tzinfo=zone).timestamp())


def roc_date(day: date, *, after: date | None = None) -> str:
    """Write a date by the year of the Republic, as 106年7月1日.

    The year is left out where ``after``, the date before it in the same sentence, has the same.
    """
    text = f"{day.month}月{day.day}日"
    return text if after is not None and after.year == day.year else f"{day.year - ROC_OFFSET}年{text}"


def _parse(text: str) -> tuple[str, date, date]:
    plain = unicodedata.normalize("NFKC", text).replace(" ", "").upper()
    if not plain.isascii():
        plain = _plain_of_roc_name(plain, text)
    if found := _HALF.fullmatch(plain):
        year, half = _year(found["year"], text), int(found["half"])
        start, end = (date(year, 1, 1), date(year, 6, 30)), (date(year, 7, 1), date(year, 12, 31))
        return f"{year}H{half}", *(start, end)[half - 1]
    if (found := _MONTH.fullmatch(plain)) and 1 <= int(found["month"]) <= 12:
        year, month = _year(found["year"], text), int(found["month"])
        last = calendar.monthrange(year, month)[1]
        return f"{year}-{month:02d}", date(year, month, 1), date(year, month, last)
    if found := _WHOLE.fullmatch(plain):
        year = _year(found["year"], text)
        return f"{year}", date(year, 1, 1), date(year, 12, 31)
    if found := _DAYS.fullmatch(plain):
        return _days(found["start"], found["end"], text)
    raise _refusal(text)


def _days(first: str, last: str, text: str) -> tuple[str, date, date]:
    try:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise _refusal(text) from None
    _year(first[:4], text)
    _year(last[:4], text)
    if end < start:
        raise _refusal(text)
    return _run_of_days(start, end)


def _plain_of_roc_name(name: str, text: str) -> str:
    found = _ROC_NAME.fullmatch(name)
    if found is None:
        raise _refusal(text)
    if found["side"]:
        return f"{found['year']}H{'上下'.index(found['side']) + 1}"
    return f"{found['year']}-{found['month']}" if found["month"] else found["year"]


def _year(digits: str, text: str) -> int:
    year = int(digits)
    if year < 1000:
        year += ROC_OFFSET
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise PeriodError("report.bad_year", text=text, first=FIRST_YEAR, last=LAST_YEAR)
    return year


def _run_of_days(start: date, end: date) -> tuple[str, date, date]:
    return f"{start.isoformat()}/{end.isoformat()}", start, end


def _same_day(day: date, shift: int, step: int) -> date:
    """Return the day ``shift`` years on; ``step`` days from the 28th where there is no 29th of February."""
    if (day.month, day.day) == (2, 29) and not calendar.isleap(day.year + shift):
        return date(day.year + shift, 2, 28) + timedelta(days=step)
    return day.replace(year=day.year + shift)


def _refusal(text: str) -> PeriodError:
    return PeriodError("report.bad_period", text=text)
