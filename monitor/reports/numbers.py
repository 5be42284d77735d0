"""Figures and days as each language writes them; see docs/decisions/0002-number-style.md."""

from datetime import date
from decimal import Decimal

from config.site import Language
from config.words import say
from rules.calendar import BaselinePeriod, ReportingPeriod, roc_date

MYRIADS = ("", "萬", "億", "兆")


def figure_text(number: Decimal, language: Language) -> str:
    """A count, grouped: 12,572,309 in English, 1,257萬2,309 in Chinese.

    Examples
    --------
    >>> figure_text(Decimal(90476), "zh-TW")
    '9萬0,476'
    """
    sign = "-" if number < 0 else ""
    whole, _, decimals = f"{abs(number):f}".partition(".")
    grouped = f"{int(whole):,}" if language == "en" else _by_myriads(whole)
    return f"{sign}{grouped}.{decimals}" if decimals else f"{sign}{grouped}"


def signed_text(number: Decimal, language: Language) -> str:
    """A change, with its sign; nothing before zero."""
    return ("+" if number > 0 else "") + figure_text(number, language)


def exact(quantity: float) -> Decimal:
    """A stored figure as it was written, to the fifteen digits that it keeps."""
    return Decimal(f"{quantity:.15g}")


def _by_myriads(digits: str) -> str:
    """Groups of four digits from the right; the lower ones keep their leading zeros, as 9萬0,476."""
    text = ""
    for name in MYRIADS[:-1]:
        digits, group = digits[:-4], digits[-4:]
        if not digits:
            return f"{int(group):,}{name}{text}"
        text = f"{group[0]},{group[1:]}{name}{text}"
    return f"{int(digits):,}{MYRIADS[-1]}{text}"


def day_text(day: date, language: Language, *, after: date | None = None) -> str:
    """A day: 106年7月1日 in Chinese (the year left out after a day of the same), 2017-07-01 in English."""
    return day.isoformat() if language == "en" else roc_date(day, after=after)


def days_text(start: date, end: date, language: Language) -> str:
    """First and last day, both inclusive: 106年7月1日至12月31日, or 2017-07-01 to 2017-12-31."""
    first, last = day_text(start, language), day_text(end, language, after=start)
    return say("report.days", language, start=first, end=last)


def rows_text(count: int, language: str) -> str:
    """How many rows: 1 row, 2 rows."""
    return say("base.rows_one" if count == 1 else "base.rows_many", language, count=count)


def period_text(period: ReportingPeriod | BaselinePeriod, language: Language) -> str:
    """Name of a period: 106年下半年 or 2017H2; a run of days by its first and last."""
    if "/" in period.id:
        return days_text(period.start, period.end, language)
    return period.id if language == "en" else period.roc


def year_text(year: int, language: Language) -> str:
    """A year: 104年 in Chinese, 2015 in English."""
    return str(year) if language == "en" else f"{year - 1911}年"
