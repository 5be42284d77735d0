"""What models are fitted on and asked about: use, weather and the kind of time, in parallel arrays.

The base period and the reporting period are two types: swapping them does not type-check.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Instants = NDArray[np.datetime64]

NO_CELL = -1
"""The kind of time is not known: outside the dated calendar, say."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What use is explained by.

    Attributes
    ----------
    temperature : (n,) dry bulb, NaN = missing; in one unit throughout, degC in this product.
    cell : (n,) int64, kind of time: a day type, a weekday or an hour of the week; ``NO_CELL`` = unknown.
    moisture : (n,) wet bulb [degC] or enthalpy [kJ/kg] as a second driver, NaN = missing; or None.
    """

    temperature: Floats
    cell: Ints
    moisture: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse arrays of unequal length."""
        sizes = {len(self.temperature), len(self.cell)}
        if self.moisture is not None:
            sizes.add(len(self.moisture))
        if len(sizes) > 1:
            raise ValueError(f"conditions differ in length: {sorted(sizes)}")

    def __len__(self) -> int:
        """Return the number of observations."""
        return len(self.temperature)

    @property
    def known(self) -> Flags:
        """(n,) bool, everything that a model may ask for is there."""
        known: Flags = np.isfinite(self.temperature) & (self.cell != NO_CELL)
        return known if self.moisture is None else known & np.isfinite(self.moisture)

    def taken(self, rows: Flags) -> "Conditions":
        """Return some of the rows."""
        moisture = None if self.moisture is None else self.moisture[rows]
        return Conditions(self.temperature[rows], self.cell[rows], moisture)


@dataclass(frozen=True, slots=True)
class _Period:
    """Observations in the order of time.

    Attributes
    ----------
    start : (n,) datetime64[s], the start of each day or hour.
    use : (n,) in the commodity's unit, NaN = missing.
    conditions : of the same rows.
    """

    start: Instants
    use: Floats
    conditions: Conditions

    def __post_init__(self) -> None:
        """Refuse arrays of unequal length, and rows that are out of order."""
        if not len(self.start) == len(self.use) == len(self.conditions):
            raise ValueError(
                f"{len(self.start)} starts, {len(self.use)} uses, {len(self.conditions)} conditions"
            )
        if (np.diff(self.start) <= np.timedelta64(0)).any():
            raise ValueError("starts must rise")

    def __len__(self) -> int:
        """Return the number of rows, those that are masked included."""
        return len(self.use)

    @property
    def known(self) -> Flags:
        """(n,) bool, use and all conditions are there."""
        return np.isfinite(self.use) & self.conditions.known

    def absent(self, step_s: int) -> int:
        """How many rows between the first and the last are not there at all.

        A local day of 23 or 25 hours is one row like any other.
        """
        if not len(self):
            return 0
        first, last = self.start[[0, -1]].astype("datetime64[s]").astype(np.int64)
        return max(0, round(float(last - first) / step_s) + 1 - len(self))

    @property
    def masked(self) -> "Masked":
        """How many rows cannot be used, and why."""
        return masked(self.use, self.conditions)


@dataclass(frozen=True, slots=True)
class BaselineSeries(_Period):
    """The period that a model is fitted on."""


@dataclass(frozen=True, slots=True)
class ReportingSeries(_Period):
    """The period that a model is asked about."""


@dataclass(frozen=True, slots=True)
class Masked:
    """Rows that no sum holds. A row with several reasons counts under the first of them.

    Attributes
    ----------
    rows : all rows of the period.
    no_use, no_weather, no_cell : without a meter's value, without weather, of an unknown kind of time.
    unseen : of a kind of time that the base period never had.
    """

    rows: int
    no_use: int
    no_weather: int
    no_cell: int
    unseen: int = 0

    @property
    def total(self) -> int:
        """Masked rows."""
        return self.no_use + self.no_weather + self.no_cell + self.unseen

    @property
    def counted(self) -> int:
        """Rows that sums hold."""
        return self.rows - self.total


def masked(use: Floats, conditions: Conditions, seen: Flags | None = None) -> Masked:
    """Count what cannot be used; ``seen`` tells which rows are of a kind that the model knows."""
    no_use = ~np.isfinite(use)
    weather = np.isfinite(conditions.temperature)
    if conditions.moisture is not None:
        weather &= np.isfinite(conditions.moisture)
    no_weather = ~no_use & ~weather
    no_cell = ~no_use & weather & (conditions.cell == NO_CELL)
    unseen = 0
    if seen is not None:
        unseen = int((~no_use & weather & ~no_cell & ~seen).sum())
    return Masked(len(use), int(no_use.sum()), int(no_weather.sum()), int(no_cell.sum()), unseen)
