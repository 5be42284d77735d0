"""Degree days by the rules of CalTRACK: every balance point, and the best adjusted R2 among what qualifies.

References
----------
.. [1] CalTRACK 2.0 methods, sections 3.2 to 3.4: balance points 30 to 90 F in steps of at most 3 F,
   cooling not below heating, at least 10 days and 20 degree days (F) for a slope, slopes and intercept not
   negative.
"""

from dataclasses import dataclass

import numpy as np

from rules.models.basis import Basis
from rules.models.hinge_sums import Hinge, TemperatureOrder
from rules.models.observations import Flags, Floats

VARIES = 1e-12
"""Degree days whose squares about their mean are below this share of their sum's square are the same every
day.
"""


@dataclass(frozen=True, slots=True)
class DegreeDayRules:
    """What is searched.

    Attributes
    ----------
    balance_points : rising. [unit of temperature]
    fewest_days, fewest_degree_days : for a slope.
    """

    balance_points: tuple[float, ...]
    fewest_days: int = 10
    fewest_degree_days: float = 20.0


CALTRACK_F = DegreeDayRules(tuple(float(point) for point in range(30, 91)))
"""Steps of 1 F; temperatures in F."""

CALTRACK_C = DegreeDayRules(
    tuple((point - 32.0) / 1.8 for point in range(30, 91)), fewest_degree_days=20.0 / 1.8
)
"""The same in degC."""


@dataclass(frozen=True, slots=True)
class DegreeDayChoice:
    """The best balance points.

    Attributes
    ----------
    basis : one hinge, or two, or none.
    adjusted_r2 : by CalTRACK's count, in which a balance point is no parameter.
    qualified : how many candidates met the rules, of ``tried``.
    """

    basis: Basis
    adjusted_r2: float
    qualified: int
    tried: int


@dataclass(frozen=True, slots=True)
class _Candidates:
    error: Floats
    qualifies: Flags
    heating_below: Floats | None
    cooling_above: Floats | None
    slopes: int


def degree_day_choice(order: TemperatureOrder, use_mean: float, rules: DegreeDayRules) -> DegreeDayChoice:
    """Choose among no slope, heating, cooling, and both.

    Parameters
    ----------
    order : the days of the base period.
    use_mean : mean use of these days, which the order has taken off.
    """
    points = np.array(rules.balance_points)
    tau = points - order.t_mean
    heating, cooling = order.heating(tau), order.cooling(tau)
    enough_heating, enough_cooling = _enough(heating, rules), _enough(cooling, rules)
    best = DegreeDayChoice(Basis(), 0.0, 0, 0)
    qualified, tried = int(use_mean >= 0), 1
    for candidates in (
        _single(order, use_mean, heating, enough_heating, points, heats=True),
        _single(order, use_mean, cooling, enough_cooling, points, heats=False),
        _double(order, use_mean, (heating, cooling), (enough_heating, enough_cooling), points),
    ):
        qualified += int(candidates.qualifies.sum())
        tried += len(candidates.qualifies)
        best = _better(best, candidates, order)
    return DegreeDayChoice(best.basis, best.adjusted_r2, qualified, tried)


def _enough(hinge: Hinge, rules: DegreeDayRules) -> Flags:
    varies = hinge.own > VARIES * hinge.total * hinge.total
    return (hinge.days >= rules.fewest_days) & (hinge.total >= rules.fewest_degree_days) & varies


def _single(
    order: TemperatureOrder, use_mean: float, hinge: Hinge, enough: Flags, points: Floats, *, heats: bool
) -> _Candidates:
    slope = np.where(enough, hinge.with_y / np.where(enough, hinge.own, 1.0), np.nan)
    intercept = use_mean - slope * hinge.total / order.n
    qualifies = enough & (slope >= 0) & (intercept >= 0)
    error = order.yy - slope * hinge.with_y
    return _Candidates(error, qualifies, points if heats else None, None if heats else points, 1)


def _double(
    order: TemperatureOrder,
    use_mean: float,
    hinges: tuple[Hinge, Hinge],
    enough: tuple[Flags, Flags],
    points: Floats,
) -> _Candidates:
    low, high = np.nonzero((points[:, None] <= points[None, :]) & enough[0][:, None] & enough[1][None, :])
    heating, cooling = hinges[0].at(low), hinges[1].at(high)
    b_h, b_c, error = order.both_slopes(heating, cooling)
    intercept = use_mean - (b_h * heating.total + b_c * cooling.total) / order.n
    qualifies = (b_h >= 0) & (b_c >= 0) & (intercept >= 0)
    return _Candidates(error, qualifies, points[low], points[high], 2)


def _better(best: DegreeDayChoice, candidates: _Candidates, order: TemperatureOrder) -> DegreeDayChoice:
    """Return the best candidate where it beats what was found before it."""
    error = np.where(candidates.qualifies, candidates.error, np.inf)
    freedom = order.n - 1 - candidates.slopes
    if not len(error) or not order.yy > 0 or freedom < 1:
        return best
    at = int(np.argmin(error))
    r2 = 1.0 - float(error[at]) / order.yy
    adjusted = 1.0 - (1.0 - r2) * (order.n - 1) / freedom
    if not adjusted > best.adjusted_r2:
        return best
    low, high = candidates.heating_below, candidates.cooling_above
    basis = Basis(
        heating_below=None if low is None else float(low[at]),
        cooling_above=None if high is None else float(high[at]),
    )
    return DegreeDayChoice(basis, adjusted, 0, 0)
