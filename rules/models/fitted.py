"""A fitted model: what it says of any conditions, and how far that can be trusted."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from rules.models.basis import Basis
from rules.models.fit_quality import FitQuality, fit_quality
from rules.models.levels import LevelFit, fit_levels
from rules.models.observations import BaselineSeries, Conditions, Flags, Floats, Ints

FAR_SHARE, LEAST_FAR = 0.5, 10.0
"""Half of the base period's range, 10 degrees at least: so far goes another unit or thermometer alone."""


class Step(StrEnum):
    """What one observation spans."""

    HOUR = "hour"
    DAY = "day"

    @property
    def seconds(self) -> int:
        """Its length; a local day of 23 or 25 hours is a day."""
        return 3600 if self is Step.HOUR else 86400


@dataclass(frozen=True, slots=True)
class FittedModel:
    """Use = level of the kind of time + slopes times columns of the weather.

    Attributes
    ----------
    name : ``mean``, ``day types``, ``2P`` to ``5P``, ``degree days`` or ``TOWT``.
    basis : the columns.
    levels : the coefficients.
    by_cell : each kind of time has a level of its own; else all share one.
    quality : on the base period.
    step : what one observation spans.
    warmest, coldest : temperatures of the base period; beyond them the model extrapolates.
    """

    name: str
    basis: Basis
    levels: LevelFit
    by_cell: bool
    quality: FitQuality
    step: Step
    coldest: float
    warmest: float

    def predicted(self, conditions: Conditions) -> Floats:
        """(n,) use under some conditions; NaN where one is missing or the kind of time was never seen.
        [use]
        """
        return self.levels.predicted(self.cells(conditions), self.basis.columns(conditions))

    def seen(self, conditions: Conditions) -> Flags:
        """(n,) bool, the base period had this kind of time."""
        return self.levels.seen(self.cells(conditions))

    def leverage(self, conditions: Conditions) -> float:
        """What the coefficients' own error adds to the variance of a sum, in units of that of one
        residual.
        """
        return self.levels.leverage(self.cells(conditions), self.basis.columns(conditions))

    def cells(self, conditions: Conditions) -> Ints:
        """(n,) the kinds of time as this model sees them."""
        return conditions.cell if self.by_cell else np.zeros(len(conditions), dtype=np.int64)

    def extrapolated(self, conditions: Conditions, beyond: float = 0.0) -> int:
        """How many rows are colder or warmer than the base period ever was, by more than ``beyond``."""
        t = conditions.temperature
        return int(((t < self.coldest - beyond) | (t > self.warmest + beyond)).sum())

    @property
    def far(self) -> float:
        """So far beyond what the base period saw no year of the same place and thermometer goes."""
        return max(LEAST_FAR, FAR_SHARE * (self.warmest - self.coldest))


def fit_on(
    series: BaselineSeries,
    name: str,
    basis: Basis,
    step: Step,
    *,
    by_cell: bool = False,
    group: Ints | None = None,
) -> FittedModel:
    """Fit a basis on rows that are all known.

    Parameters
    ----------
    series : without masked rows.
    group : (k,) which slopes the cells have, of ``by_cell`` models.
    """
    conditions = series.conditions
    cell = conditions.cell if by_cell else np.zeros(len(series), dtype=np.int64)
    columns = basis.columns(conditions)
    levels = fit_levels(series.use, cell, columns, group)
    modelled = levels.predicted(cell, columns)
    parameters = levels.rank + basis.searched
    quality = fit_quality(series.use, modelled, parameters, series.start, step.seconds)
    t = conditions.temperature
    return FittedModel(name, basis, levels, by_cell, quality, step, float(t.min()), float(t.max()))
