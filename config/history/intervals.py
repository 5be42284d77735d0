"""Intervals of meters out of another system's file: checked row by row, ready for the store."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.history.declared import IntervalsFile, QualityColumn, Value
from config.history.facts import SiteFacts
from config.history.figures import Column, value_column
from config.history.findings import Findings
from config.history.grid import Grid, among, read_grid
from config.history.instants import columns_of, row_instants
from config.problems import ConfigurationError, Place, Problem
from rules.quality import Quality

FINEST_GRID_S = 900  # zones lie a multiple of a quarter of an hour from UTC

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class IntervalRows:
    """Intervals as parallel arrays, ordered by meter and start; no two of a meter overlap.

    meters : names; meter : (n,) position in them; start_s : (n,) seconds UTC; duration_s : of all;
    quantity : (n,) kWh, m3 or L; register_start, register_end : (n,) what the display showed, NaN where
    the file had quantities; factor : (n,) of the registers' difference; quality : (n,) ``Quality``;
    line : (n,) row in the file; left_out : how many cells said that nothing is known.
    """

    meters: tuple[str, ...]
    meter: Ints
    start_s: Ints
    duration_s: int
    quantity: Floats
    register_start: Floats
    register_end: Floats
    factor: Floats
    quality: NDArray[np.uint8]
    line: Ints
    left_out: int = 0

    def __len__(self) -> int:
        """Return the number of intervals."""
        return len(self.start_s)


def read_intervals(path: Path, declared: IntervalsFile, site: SiteFacts) -> IntervalRows:
    """Read a file of intervals.

    Raises
    ------
    ConfigurationError : with what is wrong, by row and column; the first of it, and how much more.
    """
    duration_s = declared.interval_s or site.interval_s
    if 3600 % duration_s:
        data = {"interval_s": duration_s}
        raise ConfigurationError([Problem("history.bad_interval", Place("interval_s"), (), data)])
    grid = read_grid(path, declared, _wanted(declared))
    findings = Findings(grid)
    read = _Reader(grid, declared, site, duration_s, findings)
    parts = [read.part(value) for value in declared.values]
    findings.raise_any()
    rows = _joined(parts, read.meters, duration_s, sum(part.left_out for part in parts))
    follows = (np.diff(rows.start_s) < duration_s) & (np.diff(rows.meter) == 0)
    read.tell_overlap(rows.line[1:][follows], rows.line[:-1][follows])
    findings.raise_any()
    if not len(rows):
        raise ConfigurationError([Problem("history.nothing_known", Place(grid.file))])
    return replace(rows, line=grid.lines[rows.line])


def _wanted(declared: IntervalsFile) -> list[str]:
    names = columns_of(declared.time)
    for value in declared.values:
        names += [name for name in (value.column, value.meter_column, value.unit_column) if name]
    if isinstance(declared.quality, QualityColumn):
        names.append(declared.quality.column)
    return names


@dataclass(frozen=True, slots=True)
class _Part:
    """Intervals of one column of figures; ``row`` is the grid's."""

    column: int
    meter: Ints
    start_s: Ints
    quantity: Floats
    register_start: Floats
    register_end: Floats
    factor: float
    quality: NDArray[np.uint8]
    row: NDArray[np.intp]
    left_out: int


class _Reader:
    """Makes intervals of the columns of one grid."""

    def __init__(
        self, grid: Grid, declared: IntervalsFile, site: SiteFacts, duration_s: int, findings: Findings
    ) -> None:
        self._grid = grid
        self._declared = declared
        self._site = site
        self._duration_s = duration_s
        self._findings = findings
        self._instants: tuple[Ints, NDArray[np.bool_]] | None = None
        self._quality = self._qualities()
        self.meters: list[str] = []

    def part(self, value: Value) -> _Part:
        """The intervals of one column of figures."""
        column = value_column(self._grid, self._declared, value, self._site, self.meters, self._findings)
        at_s, usable = self._times(column)
        rows = np.flatnonzero(usable & column.usable)
        left_out = int(column.missing.sum())
        if value.is_register:
            return self._of_registers(value, column, at_s, rows, left_out)
        if self._declared.time.marks == "end":
            at_s = at_s - self._duration_s
        rows = self._timely(at_s, rows, self._duration_s)
        rows = self._believable(column, rows, column.quantity(self._duration_s))
        quantity = column.quantity(self._duration_s)[rows]
        unknown = np.full(len(rows), np.nan)
        facts = (column.meter[rows], at_s[rows], quantity, unknown, unknown, 1.0)
        return _Part(column.index, *facts, self._quality[rows], rows, left_out)

    def _times(self, column: Column) -> tuple[Ints, NDArray[np.bool_]]:
        """Instants of the rows; those of a file with one column for each meter are read once."""
        if self._instants is None:
            zone, time = self._site.zone, self._declared.time
            series = np.maximum(column.meter, 0) if column.meter_varies else np.zeros_like(column.meter)
            self._instants = row_instants(self._grid, time, zone, series, self._findings)
        return self._instants

    def _timely(self, start_s: Ints, rows: NDArray[np.intp], duration_s: int) -> NDArray[np.intp]:
        """Rows on the grid of intervals that lie in the past; the others are told."""
        stamp = self._grid.names.index(self._declared.time.column)
        step_s = min(self._duration_s, FINEST_GRID_S)
        off = start_s[rows] % step_s != 0
        self._findings.add("history.off_grid", rows[off], stamp, lambda _row: {"minutes": step_s / 60})
        ahead = start_s[rows] + duration_s > self._site.now_s
        self._findings.add("history.future", rows[ahead & ~off], stamp)
        timely: NDArray[np.intp] = rows[~off & ~ahead]
        return timely

    def _believable(self, column: Column, rows: NDArray[np.intp], quantity: Floats) -> NDArray[np.intp]:
        """Rows with a figure that the meter can have seen; the others are told."""
        used = quantity[rows]
        below = used < 0
        self._findings.add("history.negative", rows[below], column.index)
        limits = np.array([self._site.meters[name].max_rate or np.inf for name in self.meters] or [np.inf])
        most = limits[column.meter[rows]]
        rates = used * 3600 / self._duration_s
        above = rates > most * (1 + 1e-9)
        told = dict(zip(rows[above].tolist(), zip(rates[above], most[above], strict=True), strict=True))
        data = lambda row: {"rate": f"{told[row][0]:.6g}", "most": f"{told[row][1]:.6g}"}  # noqa: E731
        self._findings.add("history.above_max_rate", rows[above], column.index, data)
        return rows[~below & ~above]

    def _of_registers(
        self, value: Value, column: Column, at_s: Ints, rows: NDArray[np.intp], left_out: int
    ) -> _Part:
        """Differences of a register between stamps that lie one interval apart."""
        rows = self._timely(at_s, rows, 0)
        rows = rows[np.lexsort((at_s[rows], column.meter[rows]))]
        before, after = rows[:-1], rows[1:]
        same = column.meter[before] == column.meter[after]
        apart_s = at_s[after] - at_s[before]
        close = same & (apart_s < self._duration_s)
        self.tell_overlap(after[close], before[close])
        register = column.figures
        back = same & (register[after] < register[before])
        told = dict(zip(after[back].tolist(), before[back].tolist(), strict=True))
        data = lambda row: {  # noqa: E731
            "other": int(self._grid.lines[told[row]]),
            "other_value": self._grid.text(told[row], column.index),
        }
        self._findings.add("history.goes_back", after[back], column.index, data)
        good = same & (apart_s == self._duration_s) & ~back
        before, after = before[good], after[good]
        quantity = np.zeros(len(self._grid))
        quantity[after] = (register[after] - register[before]) * column.scale * value.factor
        kept = self._believable(column, after, quantity)
        is_kept = np.isin(after, kept)
        before, after = before[is_kept], after[is_kept]
        edges = (register[before] * column.scale, register[after] * column.scale)
        facts = (column.meter[after], at_s[before], quantity[after], *edges, value.factor)
        worst = np.maximum(self._quality[before], self._quality[after])
        return _Part(column.index, *facts, worst, after, left_out)

    def tell_overlap(self, rows: NDArray[np.integer[Any]], others: NDArray[np.integer[Any]]) -> None:
        """Rows that share time with others of the same meter: the later in the file names the earlier."""
        rows, others = np.maximum(rows, others), np.minimum(rows, others)
        stamp = self._grid.names.index(self._declared.time.column)
        other = dict(zip(rows.tolist(), self._grid.lines[others].tolist(), strict=True))
        self._findings.add("history.twice", rows, stamp, lambda row: {"other": other[row]})

    def _qualities(self) -> NDArray[np.uint8]:
        grades = {"good": Quality.GOOD, "estimated": Quality.ESTIMATED, "suspect": Quality.SUSPECT}
        declared = self._declared.quality
        if not isinstance(declared, QualityColumn):
            return np.full(len(self._grid), int(grades[declared]), dtype=np.uint8)
        column = self._grid.names.index(declared.column)
        cells = self._grid.cells(column)
        quality = np.full(len(self._grid), int(Quality.MISSING), dtype=np.uint8)
        for name, grade in grades.items():
            quality[among(cells, getattr(declared, name))] = int(grade)
        unknown = quality == int(Quality.MISSING)
        self._findings.bad("history.unknown_quality", unknown, column)
        return quality


def _joined(parts: list[_Part], meters: list[str], duration_s: int, left_out: int) -> IntervalRows:
    meter = np.concatenate([part.meter for part in parts])
    start_s = np.concatenate([part.start_s for part in parts])
    order = np.lexsort((start_s, meter))
    factor = np.concatenate([np.full(len(part.start_s), part.factor) for part in parts])

    def column(name: str) -> NDArray[np.generic]:
        joined: NDArray[np.generic] = np.concatenate([getattr(part, name) for part in parts])
        return joined[order]

    return IntervalRows(
        tuple(meters),
        meter[order],
        start_s[order],
        duration_s,
        column("quantity").astype(np.float64),
        column("register_start").astype(np.float64),
        column("register_end").astype(np.float64),
        factor[order],
        column("quality").astype(np.uint8),
        column("row").astype(np.int64),  # of the grid; lines once they have been compared
        left_out,
    )
