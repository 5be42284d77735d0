"""Calendars of off-peak days (離峰日): ``config/calendars/*.yaml`` and an operator's own, one list a year.

How to ask::

    days = load_calendar("taipower-off-peak", site_folder)   # or "calendars/mine.yaml"
    days.holds(date(2025, 10, 10))        # True; NoListError for a year without a list
    days.between(first, last)             # the days themselves; NoListError likewise
    days.missing([2025, 2027])            # (2027,): say so, with the cure, before working anything out
    days.unverified([2017])               # (2017,): grade B, to be shown as unverified wherever it is used
    days.of(2017).source                  # where the list was read

Sundays are no part of the lists.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import Field

from config.data_files import Grade, Graded, Shelf, read_data_file
from config.days import Day
from config.positions import Node, Source
from config.problems import Problem
from config.site import LocalName
from drivers.settings import Identifier, Settings
from rules.off_peak import OffPeakDays, YearList

DEFAULT_CALENDAR = "taipower-off-peak"


class CalendarYear(Settings):
    """The off-peak days of one year."""

    grade: Grade
    source: Graded
    days: dict[Day, LocalName]


class CalendarFile(Settings):
    """The whole of a calendar's file."""

    calendar: Identifier
    extends: str | None = Field(default=None, description="A calendar whose other years hold too.")
    years: dict[int, CalendarYear] = Field(min_length=1)


def _read(path: Path) -> OffPeakDays:
    read = read_data_file(path, CalendarFile, _checks)
    lists = {
        year: YearList(year, one.grade, one.source, {day: _names(name) for day, name in one.days.items()})
        for year, one in read.model.years.items()
    }
    if read.model.extends is not None:
        lists = {**CALENDARS.extended(read, read.model.extends).lists, **lists}
    return OffPeakDays(read.model.calendar, dict(sorted(lists.items())))


CALENDARS = Shelf("calendars", "tariff.unknown_calendar", _read)
load_calendar = CALENDARS.load


def _names(name: LocalName) -> dict[str, str]:
    return {"zh-TW": name.zh_TW, "en": name.en}


def _checks(root: Node, source: Source) -> Iterator[Problem]:
    """A day stands in the list of its own year."""
    years = root.get("years")
    for year, node in ((years.mapping or {}) if years is not None else {}).items():
        days = node.get("days")
        for key, entry in ((days.mapping or {}) if days is not None else {}).items():
            if _is_day(key) and not key.startswith(f"{year}-"):
                place = source.place(entry.label)
                yield Problem("tariff.day_of_other_year", place, entry.path, {"day": key, "year": year})


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10
