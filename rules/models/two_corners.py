"""The best line with two corners and a level between them, over all pairs of places for the corners."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rules.models.hinge_sums import Side, TemperatureOrder, meeting
from rules.models.observations import Floats, Ints

NEARLY = 1 - 1e-12

BLOCK = 64
"""Rows of the matrix of pairs that are worked on at a time: what fits the cache is four times as fast."""


@dataclass(frozen=True, slots=True)
class Corner:
    """A change point, or two, and the sum of squares that is left. [unit of temperature; use^2]"""

    error: float
    heating_below: float | None = None
    cooling_above: float | None = None

    def moved(self, by: float) -> "Corner":
        """Return the same on a scale whose zero lies elsewhere."""
        low = None if self.heating_below is None else self.heating_below + by
        high = None if self.cooling_above is None else self.cooling_above + by
        return Corner(self.error, low, high)


def two_corners(order: TemperatureOrder, side_days: int) -> Corner | None:
    """Find two change points with at least one day at or between them and ``side_days`` beyond each."""
    best = _on_days(order, side_days)
    if best is None or not order.plain:
        return best
    found = [best, *_InGaps(order).found(side_days, best.error)]
    return min(found, key=lambda corner: corner.error)


def _on_days(order: TemperatureOrder, side_days: int) -> Corner | None:
    t = order.t
    heating, cooling = order.heating_on_days, order.cooling_on_days
    rows = np.flatnonzero(heating.days >= side_days)
    columns = np.flatnonzero(cooling.days >= side_days)
    best = None
    for block, beyond in _blocks(rows, columns):
        error = order.pair_errors(heating.at(block), cooling.at(beyond))
        error[block[:, None] > beyond[None, :]] = np.inf
        row, column = divmod(int(np.argmin(error)), len(beyond))
        least = float(error[row, column])
        if least < (np.inf if best is None else best.error):
            best = Corner(least, float(t[block[row]]), float(t[beyond[column]]))
    return best


def _blocks(rows: Ints, columns: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Some rows at a time, each with the columns that do not lie before all of them."""
    for first in range(0, len(rows), BLOCK):
        block = rows[first : first + BLOCK]
        beyond = columns[columns >= block[0]]
        if len(beyond):
            yield block, beyond


class _InGaps:
    """Corners that lie between days, one of them or both.

    Three free parts, left of ``i``, right of ``j`` and the level between, are a lower bound of every
    joined line: only the pairs of which that lies below what was found on days are looked at closely.
    """

    def __init__(self, order: TemperatureOrder) -> None:
        self.t = order.t
        self.below, self.above = order.below, order.above
        self.left, self.right = order.lines_below, order.lines_above

    def found(self, side_days: int, bound: float) -> list[Corner]:
        """Return the best of each kind, where there is one."""
        rows = np.flatnonzero(self.below.n >= side_days)
        columns = np.flatnonzero(self.above.n >= side_days)
        close = [self._close(block, beyond, bound * NEARLY) for block, beyond in _blocks(rows, columns)]
        i, j = (np.concatenate(parts) for parts in zip(*close, strict=True))
        kinds = (self._both, self._upper, self._lower) if len(i) else ()
        corners = (kind(i, j) for kind in kinds)
        return [corner for corner in corners if corner is not None]

    def _close(self, rows: Ints, columns: Ints, bound: float) -> tuple[Ints, Ints]:
        """Pairs whose free parts leave less than a bound; worked in place."""
        below, before = self.below, columns - 1
        total = (self.left.error - below.yy)[rows][:, None] + (self.right.error[columns] + below.yy[before])
        middle = below.y[before][None, :] - below.y[rows][:, None]
        middle *= middle
        days = below.n[before][None, :] - below.n[rows][:, None]
        np.maximum(days, 1.0, out=days)
        middle /= days
        total -= middle
        total[columns[None, :] <= rows[:, None]] = np.inf
        i, j = np.nonzero(total < bound)
        return rows[i], columns[j]

    def _both(self, i: Ints, j: Ints) -> Corner | None:
        """Both between days."""
        t, below = self.t, self.below
        wide = j >= i + 2
        i, j = i[wide], j[wide]
        days = below.n[j - 1] - below.n[i]
        mean = (below.y[j - 1] - below.y[i]) / days
        middle = below.yy[j - 1] - below.yy[i] - days * mean * mean
        left, right = self.left.at(i), self.right.at(j)
        low, high = meeting(mean, left), meeting(mean, right)
        meets = _within(low, t[i], t[i + 1]) & _within(high, t[j - 1], t[j])
        return _least(np.where(meets, left.error + middle + right.error, np.inf), low, high)

    def _upper(self, i: Ints, j: Ints) -> Corner | None:
        """The lower corner on a day, the upper one between two days."""
        level, error = _hinged(self.below, j - 1, _sums(self.below, self.t, -1.0), i)
        right = self.right.at(j)
        high = meeting(level, right)
        meets = _within(high, self.t[j - 1], self.t[j])
        return _least(np.where(meets, error + right.error, np.inf), self.t[i], high)

    def _lower(self, i: Ints, j: Ints) -> Corner | None:
        """The upper corner on a day, the lower one between two days."""
        level, error = _hinged(self.above, i + 1, _sums(self.above, self.t, 1.0), j)
        left = self.left.at(i)
        low = meeting(level, left)
        meets = _within(low, self.t[i], self.t[i + 1])
        return _least(np.where(meets, error + left.error, np.inf), low, self.t[j])


def _sums(side: Side, t: Floats, sign: float) -> tuple[Floats, Floats, Floats]:
    """For a hinge on each day: its sum, its squares, its products with the use."""
    total = sign * (side.t - t * side.n)
    return total, side.tt - 2 * t * side.t + t * t * side.n, sign * (side.ty - t * side.y)


def _hinged(part: Side, of: Ints, hinges: tuple[Floats, Floats, Floats], at: Ints) -> tuple[Floats, Floats]:
    """Level and squared error of part of the days, with one hinge among them."""
    total, squares, with_y = (sums[at] for sums in hinges)
    n, y = part.n[of], part.y[of]
    own = squares - total * total / n
    across = with_y - total * y / n
    apart = own > 1e-12 * squares
    slope = np.where(apart, across / np.where(apart, own, 1.0), 0.0)
    return (y - slope * total) / n, part.yy[of] - y * y / n - slope * across


def _within(where: Floats, low: Floats, high: Floats) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    return (where >= low) & (where <= high)


def _least(error: Floats, low: Floats, high: Floats) -> Corner | None:
    if not np.isfinite(error).any():
        return None
    at = int(np.argmin(error))
    return Corner(float(error[at]), float(low[at]), float(high[at]))
