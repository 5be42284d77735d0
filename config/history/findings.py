"""What is wrong with a table's rows: all of it counted, the first of it told."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.history.grid import MOST_PROBLEMS, Grid, bounded
from config.problems import ConfigurationError, Hint, Problem

Rows = NDArray[np.integer[Any]]
Data = Callable[[int], Mapping[str, Any]]


class Findings:
    """Gathers what is wrong with the cells of a grid."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._problems: list[Problem] = list(grid.uneven)
        self._count = len(grid.uneven)

    def add(
        self, code: str, rows: Rows, column: int, data: Data | None = None, hint: Hint | None = None
    ) -> None:
        """Something is wrong with a column in some rows; ``data`` fills the words for each that is told."""
        if not len(rows):
            return
        self._count += len(rows)
        lines = self._grid.lines[rows]
        first = rows[np.argsort(lines, kind="stable")[:MOST_PROBLEMS]]
        for row in first.tolist():
            facts = {"value": self._grid.text(row, column)} | dict(data(row) if data is not None else {})
            place = self._grid.place(row, column)
            self._problems.append(Problem(code, place, (self._grid.names[column],), facts, hint))

    def bad(self, code: str, mask: NDArray[np.bool_], column: int, **data: Any) -> NDArray[np.bool_]:
        """As ``add``, for the rows of a mask; returns the mask."""
        self.add(code, np.flatnonzero(mask), column, lambda _row: data)
        return mask

    def raise_any(self) -> None:
        """Raise ConfigurationError when anything was found."""
        if self._problems:
            raise ConfigurationError(bounded(self._problems, self._count))
