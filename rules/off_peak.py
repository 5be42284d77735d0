"""Days that a utility bills as off-peak from midnight to midnight: dated lists, one a year.

A year without a list is not guessed: whoever asks for it gets ``NoListError``, and says where a list belongs.
Sundays are no part of the lists: they are off-peak in every week.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

UNVERIFIED = "B"
"""Grade of background knowledge: shown as unverified. P: primary text was read; S: secondary source."""


class NoListError(LookupError):
    """Nobody has written down which days of a year are off-peak."""

    def __init__(self, calendar: str, year: int) -> None:
        self.calendar = calendar
        self.year = year
        super().__init__(f"{calendar} has no list of {year}")


@dataclass(frozen=True, slots=True)
class YearList:
    """The off-peak days of one year.

    Attributes
    ----------
    days : each day, with its name by language (``zh-TW``, ``en``).
    grade : P, S or B. source : where it was read.
    """

    year: int
    grade: str
    source: str
    days: Mapping[date, Mapping[str, str]]

    @property
    def is_unverified(self) -> bool:
        """Whether it has to be shown as unverified."""
        return self.grade == UNVERIFIED


@dataclass(frozen=True, slots=True)
class OffPeakDays:
    """A calendar of off-peak days: its lists by year.

    >>> one = YearList(2025, "S", "a letter", {date(2025, 5, 1): {"en": "Labour Day"}})
    >>> OffPeakDays("mine", {2025: one}).holds(date(2025, 5, 1))
    True
    """

    name: str
    lists: Mapping[int, YearList]

    def of(self, year: int) -> YearList:
        """The list of a year. NoListError where there is none."""
        found = self.lists.get(year)
        if found is None:
            raise NoListError(self.name, year)
        return found

    def holds(self, day: date) -> bool:
        """Whether a day is in its year's list. NoListError where there is none."""
        return day in self.of(day.year).days

    def between(self, first: date, last: date) -> tuple[date, ...]:
        """The off-peak days from ``first`` to ``last``, both included. NoListError as above."""
        years = range(first.year, last.year + 1)
        return tuple(sorted(day for year in years for day in self.of(year).days if first <= day <= last))

    def missing(self, years: Iterable[int]) -> tuple[int, ...]:
        """Those of some years that have no list, sorted."""
        return tuple(sorted(set(years) - self.lists.keys()))

    def unverified(self, years: Iterable[int]) -> tuple[int, ...]:
        """Those of some years whose list has to be shown as unverified, sorted."""
        return tuple(
            year for year in sorted(set(years)) if year in self.lists and self.lists[year].is_unverified
        )
