"""The instants of a table's rows: stamps, the zone of those that name none, and what is wrong with them."""

import re
from pathlib import PurePath
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from config.history.declared import TimeColumn
from config.history.findings import Findings
from config.history.grid import Grid
from config.history.stamps import LAST_YEAR, NO_OFFSET, Stamps, clock_times, stamps
from config.problems import ConfigurationError, Place, Problem
from rules.local_time import to_instants


def zone_of(name: str | None, otherwise: ZoneInfo) -> ZoneInfo:
    """A zone by its name. Raises ConfigurationError where there is none of it."""
    if name is None:
        return otherwise
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError([Problem("history.no_zone", Place("zone"), (), {"zone": name})]) from None


def columns_of(time: TimeColumn) -> list[str]:
    """The columns that a declaration of stamps names."""
    return [time.column, time.clock] if time.clock else [time.column]


def row_instants(
    grid: Grid,
    time: TimeColumn,
    site_zone: ZoneInfo,
    series: NDArray[np.int64],
    findings: Findings,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """When each row was.

    Parameters
    ----------
    series : (n,) which series each row belongs to: a local time that was twice stands twice in it.

    Returns
    -------
    (n,) int64 seconds UTC, and (n,) bool: which of them can be used. What is wrong goes to the findings.
    """
    column = grid.names.index(time.column)
    read = _stamped(grid, time, column, findings)
    return resolved(read, column, zone_of(time.zone, site_zone), series, findings)


def resolved(
    read: Stamps, column: int, zone: ZoneInfo, series: NDArray[np.int64], findings: Findings
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Instants of stamps, by their own offset or else by the zone."""
    known = read.offset_s != NO_OFFSET
    utc_s = read.local_s - np.where(known, read.offset_s, 0)
    usable = ~read.bad
    local = np.flatnonzero(~known & usable)
    found = to_instants(read.local_s[local], zone, series[local])
    utc_s[local] = found.utc_s
    name = zone.key
    findings.add("history.skipped_hour", local[found.skipped], column, lambda _row: {"zone": name})
    findings.add("history.doubtful_hour", local[found.doubtful], column, lambda _row: {"zone": name})
    usable[local[found.skipped | found.doubtful]] = False
    return utc_s, usable


def _stamped(grid: Grid, time: TimeColumn, column: int, findings: Findings) -> Stamps:
    if time.day_in_name:
        day_s, clock, clock_column = _day_of_name(grid.file, time), clock_times(grid.cells(column)), column
        findings.bad("history.bad_clock", clock.bad, clock_column)
        return Stamps(day_s + clock.local_s, clock.offset_s, clock.bad, clock.late)
    read = stamps(grid.cells(column), time.calendar, time.order, day_only=bool(time.clock))
    tell_bad(read, read.bad, column, time.calendar, findings)
    if not time.clock:
        return read
    clock_column = grid.names.index(time.clock)
    clock = clock_times(grid.cells(clock_column))
    findings.bad("history.bad_clock", clock.bad, clock_column)
    return Stamps(read.local_s + clock.local_s, read.offset_s, read.bad | clock.bad, read.late)


def tell_bad(read: Stamps, bad: NDArray[np.bool_], column: int, calendar: str, findings: Findings) -> None:
    """Tell of cells that are no stamp of a calendar: whether only the year cannot be, or the whole."""
    findings.bad("history.bad_stamp", bad & ~read.late, column, calendar=calendar)
    late = "history.no_such_roc_year" if calendar == "roc" else "history.no_such_year"
    findings.bad(late, bad & read.late, column, last=LAST_YEAR)


def _day_of_name(file: str, time: TimeColumn) -> int:
    """The day in a file's name, as in 466920-2017-07-01.csv."""
    pattern = r"(?<![0-9])(?:[0-9]{2,4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{7,8})(?![0-9])"
    for text in re.findall(pattern, PurePath(file).stem):
        read = stamps(np.array([text]), time.calendar, time.order, day_only=True)
        if not read.bad[0]:
            return int(read.local_s[0])
    raise ConfigurationError([Problem("history.no_day_in_name", Place(file))])
