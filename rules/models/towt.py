"""Time of week and temperature: a level for each kind of time, and a bent line of temperature, occupied or
not.

First a plain regression on degree hours tells which kinds of time use more than the weather explains:
those are occupied. Then occupied and unoccupied time are fitted apart, each kind of time with its own level.

References
----------
.. [1] Mathieu, Price, Kiliccote, Piette (2011), IEEE Trans. Smart Grid 2(3), 507-518.
.. [2] CalTRACK 2.0 methods, sections 3.7 to 3.12: fixed knots, bins under 20 hours merged, occupied where
   over 65 % of the residuals of the regression on degrees below 50 F and above 65 F are positive.
"""

from dataclasses import dataclass

import numpy as np

from rules.models.basis import Basis
from rules.models.fitted import FittedModel, Step, fit_on
from rules.models.levels import fit_levels
from rules.models.observations import BaselineSeries, Floats, Ints


@dataclass(frozen=True, slots=True)
class TowtRules:
    """How the temperature is cut, and what is occupied.

    Attributes
    ----------
    heating_base, cooling_base : of the first regression. [unit of temperature]
    knots : where the line may bend; empty = at equal counts of observations.
    segments : how many parts of equal count, where no knots are given.
    fewest : observations in each bin; smaller ones are merged with a neighbour.
    occupied_share : of positive residuals, above which a kind of time is occupied.
    """

    heating_base: float
    cooling_base: float
    knots: tuple[float, ...] = ()
    segments: int = 6
    fewest: int = 20
    occupied_share: float = 0.65


def _celsius(*fahrenheit: float) -> tuple[float, ...]:
    return tuple((degrees - 32.0) / 1.8 for degrees in fahrenheit)


CALTRACK_HOURLY_F = TowtRules(50.0, 65.0, (30.0, 45.0, 55.0, 65.0, 75.0, 90.0))
CALTRACK_HOURLY_C = TowtRules(10.0, _celsius(65.0)[0], _celsius(*CALTRACK_HOURLY_F.knots))
EQUAL_COUNTS_F = TowtRules(50.0, 65.0)
EQUAL_COUNTS_C = TowtRules(10.0, _celsius(65.0)[0])
"""Six parts of equal count, as RMV2.0 and nmecr have them: for daily values, and where knots at fixed
temperatures would leave a warm climate with two."""


def fit_towt(series: BaselineSeries, rules: TowtRules, step: Step) -> FittedModel:
    """Fit TOWT on rows that are all known.

    Parameters
    ----------
    series : without masked rows; its cells are days of the week, hours of the week or day types.
    """
    t = series.conditions.temperature
    knots = merged_knots(t, rules.knots or equal_count_knots(t, rules.segments), rules.fewest)
    basis = Basis(linear=not knots, knots=knots, moisture=series.conditions.moisture is not None)
    return fit_on(series, "TOWT", basis, step, by_cell=True, group=occupied(series, rules))


def occupied(series: BaselineSeries, rules: TowtRules) -> Ints:
    """(k,) 1 for cells that are occupied, else 0."""
    cell = series.conditions.cell
    one = np.zeros(len(series), dtype=np.int64)
    basis = Basis(heating_below=rules.heating_base, cooling_above=rules.cooling_base)
    columns = basis.columns(series.conditions)
    above = series.use - fit_levels(series.use, one, columns).predicted(one, columns) > 0
    cells = int(cell.max()) + 1
    count, positive = np.bincount(cell, minlength=cells), np.bincount(cell[above], minlength=cells)
    return (positive > rules.occupied_share * count).astype(np.int64)


def equal_count_knots(temperature: Floats, segments: int) -> tuple[float, ...]:
    """Temperatures that cut the observations into parts of equal count, the warmest of each part."""
    ordered = np.sort(temperature)
    last = np.floor(len(ordered) * np.arange(1, segments + 1) / segments + 0.001).astype(np.int64) - 1
    return tuple(sorted(set(ordered[last[last >= 0]].tolist())))


def merged_knots(temperature: Floats, knots: tuple[float, ...], fewest: int) -> tuple[float, ...]:
    """Drop knots until each bin (low, high] holds enough; the outer bins first, then those between.

    References
    ----------
    .. [1] CalTRACK 2.0, 3.9.2; the order of merging is that of eemeter 2.10.
    """
    kept = np.array(sorted(knots))
    while len(kept):
        count = np.bincount(np.searchsorted(kept, temperature, side="left"), minlength=len(kept) + 1)
        few = count < fewest
        gone = np.zeros(len(kept), dtype=bool)
        gone[0] |= few[0]
        gone[-1] |= few[-1]
        if not gone.any():
            gone[1:] = few[1:-1]
        if not gone.any():
            break
        kept = kept[~gone]
    return tuple(kept.tolist())
