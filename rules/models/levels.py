"""Least squares with a level for each kind of time and slopes on a few columns, the levels solved out first.

By the theorem of Frisch, Waugh and Lovell the slopes are those of the columns and the use with the mean of
their cell taken off. So 168 hours of a week cost no more than a few sums, where the same fit as one
matrix has 182 columns.
"""

from dataclasses import dataclass

import numpy as np

from rules.models.observations import Flags, Floats, Ints

CONSTANT = 1e-10
"""A column whose deviations are below this share of its size is constant: what is left of it is rounding."""

RANK_TOLERANCE = 1e-11
"""Directions of the scaled normal matrix below this share of the largest carry no information."""


@dataclass(frozen=True, slots=True)
class LevelFit:
    """A fitted plane a kind of time: use = level[cell] + columns . slopes[group[cell]].

    Attributes
    ----------
    count : (k,) rows of each cell in the fit; 0 = never seen.
    level : (k,) level of each cell; NaN where never seen. [use]
    column_mean : (k, q) mean of the columns in each cell, 0 where never seen.
    group : (k,) int64, which slopes a cell has.
    slopes : (g, q). [use a unit of the column]
    spread : (g, q, q) inverse of the normal matrix of the centred columns.
    rank : independent coefficients, levels included.
    """

    count: Ints
    level: Floats
    column_mean: Floats
    group: Ints
    slopes: Floats
    spread: Floats
    rank: int

    def seen(self, cell: Ints) -> Flags:
        """(n,) bool, the fit had rows of this cell."""
        inside = (cell >= 0) & (cell < len(self.count))
        return inside & (self.count[np.where(inside, cell, 0)] > 0)

    def predicted(self, cell: Ints, columns: Floats) -> Floats:
        """(n,) use; NaN for cells that were never seen and where a column is missing. [use]"""
        seen = self.seen(cell)
        at = np.where(seen, cell, 0)
        slopes = self.slopes[self.group[at]] if len(self.slopes) > 1 else self.slopes
        moved = np.einsum("nq,nq->n", columns, np.broadcast_to(slopes, columns.shape))
        return np.where(seen, self.level[at] + moved, np.nan)

    def leverage(self, cell: Ints, columns: Floats) -> float:
        """g'(X'X)^-1 g for the sum of some rows, all of seen cells: what the coefficients add to its
        variance.

        The sum is that of n_c times each cell's mean use, plus the slopes times what the columns' sum is away
        from n_c times the cell's mean of the columns.
        """
        cells = len(self.count)
        asked = np.bincount(cell, minlength=cells).astype(np.float64)
        known = self.count > 0
        total = float((asked[known] ** 2 / self.count[known]).sum())
        away = columns - self.column_mean[cell]
        group = self.group[cell]
        for number, spread in enumerate(self.spread):
            g = away[group == number].sum(axis=0)
            total += float(g @ spread @ g)
        return total


def fit_levels(use: Floats, cell: Ints, columns: Floats, group: Ints | None = None) -> LevelFit:
    """Fit levels and slopes by ordinary least squares.

    Parameters
    ----------
    use : (n,) finite. [use]
    cell : (n,) from 0 on.
    columns : (n, q) finite.
    group : (k,) which slopes each cell has; all the same by default.
    """
    total = max(int(cell.max()) + 1, 0 if group is None else len(group))
    group = np.zeros(total, dtype=np.int64) if group is None else group
    count = np.bincount(cell, minlength=total)
    divisor = np.maximum(count, 1)
    width = columns.shape[1]
    use_mean = np.bincount(cell, use, total) / divisor
    column_mean = np.empty((total, width))
    for number in range(width):
        column_mean[:, number] = np.bincount(cell, columns[:, number], total) / divisor
    centred = columns - column_mean[cell]
    use_left = use - use_mean[cell]
    row_group = group[cell]
    groups = int(group.max()) + 1
    slopes, spread = np.zeros((groups, width)), np.zeros((groups, width, width))
    rank = int((count > 0).sum())
    for number in range(groups if width else 0):
        rows = slice(None) if groups == 1 else row_group == number
        slopes[number], spread[number], found = _slopes(centred[rows], use_left[rows], columns[rows])
        rank += found
    level = use_mean - (column_mean * slopes[group]).sum(axis=1)
    return LevelFit(count, np.where(count > 0, level, np.nan), column_mean, group, slopes, spread, rank)


def _slopes(centred: Floats, use: Floats, columns: Floats) -> tuple[Floats, Floats, int]:
    """Solve the normal equations of scaled columns, once refined; columns without information get no
    slope.
    """
    normal = centred.T @ centred
    scale = np.sqrt(np.diagonal(normal))
    size = np.sqrt(np.einsum("nq,nq->q", columns, columns))
    moves = scale > CONSTANT * size
    scale = np.where(moves, scale, 1.0)
    normal = np.where(np.outer(moves, moves), normal, 0.0)
    values, vectors = np.linalg.eigh(normal / np.outer(scale, scale))
    kept = values > RANK_TOLERANCE * max(float(values[-1]), 1.0)
    directions = vectors[:, kept] * (moves / scale)[:, None]
    spread = (directions / values[kept]) @ directions.T
    slopes = spread @ (centred.T @ use)
    slopes += spread @ (centred.T @ (use - centred @ slopes))
    return slopes, spread, int(kept.sum())
