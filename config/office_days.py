"""Calendars of worked days: ``config/workdays/*.yaml`` and an operator's own, one list a year.

``load_workdays("taiwan", site_folder)`` or ``load_workdays("calendars/mine.yaml", site_folder)``. A year
without a list has no kinds of days: nothing is guessed.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import Field

from config.data_files import Graded, Shelf, read_data_file
from config.days import Day
from config.positions import Node, Source
from config.problems import ConfigurationError, Problem
from drivers.settings import Identifier, Settings
from rules.models.day_types import DatedCalendar


class WorkdaysYear(Settings):
    """One year's days off, weekends left out, and the weekend days that are worked."""

    source: Graded
    holidays: tuple[Day, ...]
    makeup_workdays: tuple[Day, ...] = ()


class WorkdaysFile(Settings):
    """The whole of a calendar's file."""

    calendar: Identifier
    years: dict[int, WorkdaysYear] = Field(min_length=1)


def check_calendar(root: Node, source: Source, base: Path) -> Iterator[Problem]:
    """What is wrong with the calendar that a site file names."""
    node = root.get("calendar")
    if node is None or node.text is None:
        return
    try:
        load_workdays(node.text, base)
    except ConfigurationError as error:
        for problem in error.problems:
            if problem.place.line:
                yield problem
            else:  # there is no such file: that is a mistake of the site's
                place = source.place(node.span)
                yield Problem(problem.code, place, node.path, problem.data, problem.hint)


def _read(path: Path) -> DatedCalendar:
    years = read_data_file(path, WorkdaysFile, _checks).model.years
    return DatedCalendar(
        date(min(years), 1, 1),
        date(max(years), 12, 31),
        frozenset(day for year in years.values() for day in year.holidays),
        frozenset(day for year in years.values() for day in year.makeup_workdays),
    )


WORKDAYS = Shelf("workdays", "savings.unknown_calendar", _read)
load_workdays = WORKDAYS.load


def _checks(root: Node, source: Source) -> Iterator[Problem]:
    """Days in the list of another year or in both lists of their own, and years that are left out."""
    section = root.get("years")
    years = (section.mapping if section is not None else None) or {}
    for year, node in years.items():
        seen: dict[str, str] = {}
        for name in ("holidays", "makeup_workdays"):
            for entry in node.entries(name):
                day = entry.text or ""
                if len(day) == 10 and not day.startswith(f"{year}-"):
                    place = source.place(entry.span)
                    yield Problem("savings.day_of_other_year", place, entry.path, {"day": day, "year": year})
                if seen.setdefault(day, name) != name:
                    yield Problem("savings.day_twice", source.place(entry.span), entry.path, {"day": day})
    numbers = sorted(int(year) for year in years if year.isdecimal())
    for number in range(numbers[0], numbers[-1]) if numbers else ():
        if number not in numbers and section is not None:
            place = source.place(section.label)
            yield Problem("savings.year_left_out", place, section.path, {"year": number})
