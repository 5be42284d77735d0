"""Weather out of a weather office's file: hours with what was measured, each figure possible."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from config.history.declared import WeatherFile
from config.history.facts import SiteFacts
from config.history.findings import Findings
from config.history.grid import Grid, among, read_grid
from config.history.instants import columns_of, row_instants
from config.history.numbers import figures
from config.problems import ConfigurationError, Place, Problem

# The least and the most that an instrument can have shown in an hour or a day; beyond it stand codes for
# "broken", as -9999.
MEASURES: Mapping[str, tuple[float, float]] = {
    "temperature_c": (-60.0, 60.0),
    "dew_point_c": (-80.0, 50.0),
    "humidity_pct": (0.0, 100.0),
    "pressure_hpa": (500.0, 1100.0),
    "wind_m_s": (0.0, 120.0),
    "rain_mm": (0.0, 2000.0),
    "sunshine_h": (0.0, 24.0),
    "radiation_mj_m2": (0.0, 60.0),
}


@dataclass(frozen=True, slots=True)
class WeatherRows:
    """Weather as parallel arrays, ordered by time.

    station : whose instruments; start_s : (n,) int64 seconds UTC; duration_s : of all;
    values : (n,) float64 by measure, NaN = not measured; line : (n,) row in the file.
    """

    station: str
    start_s: NDArray[np.int64]
    duration_s: int
    values: Mapping[str, NDArray[np.float64]]
    line: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.start_s)


def read_weather(path: Path, declared: WeatherFile, site: SiteFacts) -> WeatherRows:
    """Read a file of weather.

    Raises
    ------
    ConfigurationError : with what is wrong, by row and column; the first of it, and how much more.
    """
    grid = read_grid(path, declared, [*columns_of(declared.time), *declared.columns.values()])
    findings = Findings(grid)
    values = {measure: _measured(grid, measure, declared, findings) for measure in declared.columns}
    series = np.zeros(len(grid), dtype=np.int64)
    at_s, usable = row_instants(grid, declared.time, site.zone, series, findings)
    start_s = at_s - declared.interval_s if declared.time.marks == "end" else at_s
    stamp = grid.names.index(declared.time.column)
    ahead = usable & (start_s + declared.interval_s > site.now_s)
    findings.bad("history.future", ahead, stamp)
    rows = np.flatnonzero(usable & ~ahead)
    rows = rows[np.argsort(start_s[rows], kind="stable")]
    close = np.diff(start_s[rows]) < declared.interval_s
    other = dict(zip(rows[1:][close].tolist(), grid.lines[rows[:-1][close]].tolist(), strict=True))
    findings.add("history.weather_twice", rows[1:][close], stamp, lambda row: {"other": other[row]})
    findings.raise_any()
    measured = np.zeros(len(grid), dtype=bool)
    for column in values.values():
        measured |= ~np.isnan(column)
    rows = rows[measured[rows]]
    if not len(rows):
        raise ConfigurationError([Problem("history.nothing_known", Place(grid.file))])
    taken = {str(measure): column[rows] for measure, column in values.items()}
    return WeatherRows(declared.station, start_s[rows], declared.interval_s, taken, grid.lines[rows])


def _measured(grid: Grid, measure: str, declared: WeatherFile, findings: Findings) -> NDArray[np.float64]:
    index = grid.names.index({str(name): column for name, column in declared.columns.items()}[measure])
    cells = grid.cells(index)
    traces = among(cells, declared.traces)
    read = figures(cells, (*declared.missing, *declared.traces), declared.thousands)
    findings.bad("history.bad_number", read.bad, index)
    values = np.where(traces, 0.0, read.values)
    least, most = MEASURES[measure]
    impossible = (values < least) | (values > most)
    findings.bad("history.not_a_measure", impossible, index, least=f"{least:g}", most=f"{most:g}")
    return values
