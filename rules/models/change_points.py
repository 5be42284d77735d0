"""Change points by exact search: no grid, no start value, no local minimum.

Between two neighbouring days in the order of temperature the best broken line either has its corner on one
of them or is the one whose two free parts happen to meet there (Hudson 1966 [1]_). Both are closed forms
of running sums, so every gap is looked at. With a second driver the corners lie on days.

References
----------
.. [1] Hudson, D. J. (1966), Fitting Segmented Curves Whose Join Points Have to Be Estimated, J. Amer.
   Stat. Assoc. 61, 1097-1129.
.. [2] Kissock, Haberl, Claridge (2003), Inverse Modeling Toolkit: Numerical Algorithms, ASHRAE
   Transactions 109(2): the names 2P to 5P.
"""

from enum import StrEnum

import numpy as np

from rules.models.basis import Basis
from rules.models.hinge_sums import Line, Side, TemperatureOrder, meeting
from rules.models.observations import Floats
from rules.models.two_corners import Corner, two_corners

SIDE_DAYS = 10
"""A slope needs so many days beyond its change point, as CalTRACK 3.3.4.1.1 asks for degree days."""

BEFORE, AFTER = slice(None, -1), slice(1, None)
"""The temperatures before and after each gap between neighbours."""


class Shape(StrEnum):
    """How use answers to temperature."""

    LINE = "2P"
    COOLING = "3PC"
    HEATING = "3PH"
    BOTH = "4P"
    LEVEL_BETWEEN = "5P"


def change_point_basis(shape: Shape, order: TemperatureOrder, side_days: int = SIDE_DAYS) -> Basis | None:
    """Find the change points with the least squared error.

    Parameters
    ----------
    order : the days of the base period.
    side_days : so many days lie beyond each change point.

    Returns
    -------
    None where there are too few days, or too few temperatures, for the shape.
    """
    if shape is Shape.LINE:
        return Basis(linear=True, moisture=not order.plain) if len(order.t) > 1 else None
    corner = {
        Shape.COOLING: _cooling,
        Shape.HEATING: _heating,
        Shape.BOTH: _both,
        Shape.LEVEL_BETWEEN: _level_between,
    }[shape](order, side_days)
    if corner is None:
        return None
    found = corner.moved(order.t_mean)
    return Basis(
        heating_below=found.heating_below, cooling_above=found.cooling_above, moisture=not order.plain
    )


def _cooling(order: TemperatureOrder, side_days: int) -> Corner | None:
    hinge = order.cooling_on_days
    on_days = np.where(hinge.days >= side_days, order.one_error(hinge), np.inf)
    corners = [_best_on_days(on_days, order.t)]
    if order.plain:
        level, line = _means(order.below), order.lines_above
        free = order.below.mean_error[:-1] + line.error[1:]
        free[order.above.n[1:] < side_days] = np.inf
        corners.append(_best_in_gaps(free, meeting(level[:-1], line.at(AFTER)), order.t))
    best = _least(corners)
    return None if best is None else Corner(best[0], cooling_above=best[1])


def _heating(order: TemperatureOrder, side_days: int) -> Corner | None:
    hinge = order.heating_on_days
    on_days = np.where(hinge.days >= side_days, order.one_error(hinge), np.inf)
    corners = [_best_on_days(on_days, order.t)]
    if order.plain:
        level, line = _means(order.above), order.lines_below
        free = line.error[:-1] + order.above.mean_error[1:]
        free[order.below.n[:-1] < side_days] = np.inf
        corners.append(_best_in_gaps(free, meeting(level[1:], line.at(BEFORE)), order.t))
    best = _least(corners)
    return None if best is None else Corner(best[0], heating_below=best[1])


def _both(order: TemperatureOrder, side_days: int) -> Corner | None:
    heating, cooling = order.heating_on_days, order.cooling_on_days
    enough = (heating.days >= side_days) & (cooling.days >= side_days)
    corners = [_best_on_days(np.where(enough, order.both_errors(heating, cooling), np.inf), order.t)]
    if order.plain:
        left, right = order.lines_below.at(BEFORE), order.lines_above.at(AFTER)
        free = left.error + right.error
        free[(order.below.n[:-1] < side_days) | (order.above.n[1:] < side_days)] = np.inf
        corners.append(_best_in_gaps(free, _crossing(left, right), order.t))
    best = _least(corners)
    return None if best is None else Corner(best[0], best[1], best[1])


def _level_between(order: TemperatureOrder, side_days: int) -> Corner | None:
    """Two change points with at least one day on the level between them, or one where a 4P is better."""
    one = _both(order, side_days)
    two = two_corners(order, side_days)
    if two is None or (one is not None and one.error < two.error):
        return one
    return two


def _means(side: Side) -> Floats:
    return side.y / side.n


def _crossing(left: Line, right: Line) -> Floats:
    turn = right.slope - left.slope
    flat = turn == 0
    return np.where(flat, np.nan, (left.intercept - right.intercept) / np.where(flat, 1.0, turn))


def _best_on_days(error: Floats, t: Floats) -> tuple[float, float]:
    at = int(np.argmin(error))
    return float(error[at]), float(t[at])


def _best_in_gaps(free: Floats, meeting: Floats, t: Floats) -> tuple[float, float]:
    inside = (meeting >= t[:-1]) & (meeting <= t[1:])
    error = np.where(inside, free, np.inf)
    if not len(error):
        return float("inf"), 0.0
    at = int(np.argmin(error))
    return float(error[at]), float(meeting[at])


def _least(corners: list[tuple[float, float]]) -> tuple[float, float] | None:
    best = min(corners)
    return best if np.isfinite(best[0]) else None
