"""How well a model tells what it was fitted on. Every residual is observed minus modelled."""

from dataclasses import dataclass
from math import isfinite, nan, sqrt

import numpy as np

from rules.models.observations import Floats, Instants

FEWEST_PAIRS = 3
DAY_S = 86400
HOURS = 24
LARGEST_LAG1 = 0.999


@dataclass(frozen=True, slots=True)
class FitQuality:
    """Goodness of fit; a figure that has no meaning is NaN.

    Attributes
    ----------
    n : observations in the fit.
    parameters : p, level and slopes and the change points that were searched for.
    mean : of the observed use. [use]
    rmse : sqrt(sum r^2 / (n - p)). [use]
    cv_rmse : rmse / mean.
    nmbe : sum r / ((n - p) mean); above 0 the model tells too little.
    ndbe : sum r / sum of the observed use.
    r2, adjusted_r2 : 1 - SSE / SST, and 1 - (1 - R2)(n - 1)/(n - p).
    squared_error : SSE. [use^2]
    lag1 : correlation of each residual with the one just before it; gaps are no neighbours.
    widening : so many times the variance of independent residuals has a sum of them, by the day.

    References
    ----------
    .. [1] ASHRAE Guideline 14-2014, 5.2.11; CalTRACK 2.0, 4.3.2.
    """

    n: int
    parameters: int
    mean: float
    rmse: float
    cv_rmse: float
    nmbe: float
    ndbe: float
    r2: float
    adjusted_r2: float
    squared_error: float
    lag1: float
    widening: float

    @property
    def freedom(self) -> int:
        """Degrees of freedom n - p."""
        return self.n - self.parameters

    @property
    def effective_n(self) -> float:
        """n' = n (1 - rho)/(1 + rho): so many independent observations tell as much; n where rho is not
        known.
        """
        return effective_count(self.n, self.lag1)


def fit_quality(
    observed: Floats, modelled: Floats, parameters: int, start: Instants, step_s: int
) -> FitQuality:
    """Judge a fit.

    Parameters
    ----------
    observed, modelled : (n,) finite. [use]
    parameters : p; n > p.
    start : (n,) datetime64[s] of the rows; neighbours are ``step_s`` apart.
    """
    left = observed - modelled
    lag1 = lag_one(left, start, step_s)
    n, mean = len(observed), float(observed.mean())
    squares = float(left @ left)
    spread = float(((observed - mean) ** 2).sum())
    rmse = sqrt(squares / (n - parameters)) if n > parameters else nan
    r2 = 1.0 - squares / spread if spread > 0 else nan
    bias, total = float(left.sum()), mean * n
    some = mean != 0
    return FitQuality(
        n=n,
        parameters=parameters,
        mean=mean,
        rmse=rmse,
        cv_rmse=rmse / mean if some else nan,
        nmbe=bias / ((n - parameters) * mean) if some and n > parameters else nan,
        ndbe=bias / total if some else nan,
        r2=r2,
        adjusted_r2=1.0 - (1.0 - r2) * (n - 1) / (n - parameters) if n > parameters else nan,
        squared_error=squares,
        lag1=lag1,
        widening=widening(lag1) if step_s == DAY_S else _widening_by_day(left, start),
    )


def lag_one(residuals: Floats, start: Instants, step_s: int) -> float:
    """Correlation of neighbours; NaN with fewer than three pairs, or where nothing varies."""
    beside = np.diff(start.astype("datetime64[s]").astype(np.int64)) == step_s
    before, after = residuals[:-1][beside], residuals[1:][beside]
    if len(before) < FEWEST_PAIRS:
        return nan
    before, after = before - before.mean(), after - after.mean()
    size = sqrt(float(before @ before) * float(after @ after))
    return float(before @ after) / size if size > 0 else nan


def widening(lag1: float) -> float:
    """(1 + rho)/(1 - rho): what the variance of a sum of residuals grows by when each remembers the last.

    Never below 1, for chance makes rho negative as often as not, and 1 where it is not known.
    """
    rho = min(max(lag1, 0.0), LARGEST_LAG1) if isfinite(lag1) else 0.0
    return (1.0 + rho) / (1.0 - rho)


def _widening_by_day(left: Floats, start: Instants) -> float:
    """Find the same for hours, from the sums of whole days.

    What makes a day unlike another (people, plant, weather that the model does not know) holds for all its
    hours; the correlation of one hour with the next tells nothing of that, and bands from it hold half of
    the truth.
    """
    day = start.astype("datetime64[D]").astype(np.int64)
    days, of_row, count = np.unique(day, return_inverse=True, return_counts=True)
    whole = count == HOURS
    sums = np.bincount(of_row, left)[whole]
    alone = float(left @ left) / len(left) * HOURS
    if len(sums) < FEWEST_PAIRS or alone == 0:
        return 1.0
    together = float(sums @ sums) / len(sums)
    starts = days[whole].astype("datetime64[D]")
    return max(1.0, together / alone * widening(lag_one(sums, starts, DAY_S)))


def effective_count(n: int, lag1: float) -> float:
    """n (1 - rho)/(1 + rho).

    References
    ----------
    .. [1] ASHRAE Guideline 14-2014, annex B; CalTRACK 2.0, 4.3.2.4.
    """
    return n * (1.0 - lag1) / (1.0 + lag1) if -1.0 < lag1 < 1.0 else float(n)


def cv_rmse_limit(reporting_months: float) -> float:
    """Largest CV(RMSE) of the prescriptive path of Option C.

    The 15 and 30 % that are often quoted are limits for calibrated simulations.

    References
    ----------
    .. [1] ASHRAE Guideline 14-2014, 4.3.2.1: 20 % with under 12 months of reporting data, 25 % up to 60
       months, 30 % beyond.
    """
    if reporting_months < 12:
        return 0.20
    return 0.25 if reporting_months <= 60 else 0.30
