"""The periods of a time-of-use tariff, and the clock that says which of them an instant is in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

MINUTES_A_DAY = 1440

SUMMER, OTHER = "summer", "other"
SEASONS = (SUMMER, OTHER)
"""Names of the seasons; a season's number is its place here."""


class Period(IntEnum):
    """Periods in the order in which excess over the contract is charged."""

    PEAK = 0
    HALF_PEAK = 1
    SATURDAY_HALF_PEAK = 2
    OFF_PEAK = 3

    @property
    def key(self) -> str:
        """Its name in files and words, as ``half_peak``."""
        return self.name.lower()


class DayKind(IntEnum):
    """What a day is to a tariff; a Sunday and a day of the utility's list are off-peak days."""

    WEEKDAY = 0
    SATURDAY = 1
    OFF_PEAK_DAY = 2


Hours = Mapping[tuple[str, DayKind], Iterable[tuple[int, int, Period]]]
"""Minutes of the day [begin, end) with their period, by season and kind of day."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Which period each minute of each kind of day is in; by its making every minute is in exactly one.

    Attributes
    ----------
    summer : first and last (month, day) of the summer season, both included, within one year.
    table : (2, 3, 1440) uint8, ``Period`` by season, kind of day and minute of the day.
    """

    summer: tuple[tuple[int, int], tuple[int, int]]
    table: NDArray[np.uint8]

    @classmethod
    def of_hours(cls, summer: tuple[tuple[int, int], tuple[int, int]], hours: Hours) -> "Clock":
        """Make the table; what no hour names is off-peak. ValueError where two hours overlap."""
        table = np.full((len(SEASONS), len(DayKind), MINUTES_A_DAY), Period.OFF_PEAK, dtype=np.uint8)
        taken = np.zeros(table.shape, dtype=bool)
        for (season, kind), spans in hours.items():
            row = SEASONS.index(season), int(kind)
            for begin, end, period in spans:
                if taken[row][begin:end].any():
                    raise ValueError(f"two periods hold a minute of {begin} to {end}")
                taken[row][begin:end] = True
                table[row][begin:end] = period
        table.flags.writeable = False
        return cls(summer, table)

    def season(self, day: date) -> str:
        """Name of the season of a day."""
        first, last = self.summer
        return SUMMER if first <= (day.month, day.day) <= last else OTHER

    def periods(self, season: str) -> tuple[Period, ...]:
        """The periods that a season has, in their order."""
        return tuple(Period(code) for code in np.unique(self.table[SEASONS.index(season)]).tolist())


def kind_of(day: date, is_listed: bool) -> DayKind:
    """What a day is, given whether the utility's list has it."""
    if is_listed or day.isoweekday() == 7:
        return DayKind.OFF_PEAK_DAY
    return DayKind.SATURDAY if day.isoweekday() == 6 else DayKind.WEEKDAY
