"""One column of figures: whose they are, in which unit, and which rows can be used."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config.history.declared import IntervalsFile, Value
from config.history.facts import SiteFacts
from config.history.findings import Findings
from config.history.grid import Grid
from config.history.numbers import figures
from config.history.units import Unit, units_of
from config.problems import ConfigurationError, Hint, Place, Problem, did_you_mean

NO_METER = -1


@dataclass(frozen=True, slots=True)
class Column:
    """Figures of one column by row of the grid.

    index : of the column; meter : (n,) position in the list of meters; meter_varies : a column names it;
    figures : (n,) as they are written; unit : (n,) position in ``units``; missing : (n,) declared as
    nothing; usable : (n,) with a figure, a meter and a unit.
    """

    index: int
    meter: NDArray[np.int64]
    meter_varies: bool
    figures: NDArray[np.float64]
    unit: NDArray[np.int64]
    units: tuple[Unit, ...]
    missing: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    factor: float

    @property
    def scale(self) -> float:
        """Of a register, to the kept unit; all rows have one unit."""
        return self.units[0].times / self.units[0].by

    def quantity(self, duration_s: int) -> NDArray[np.float64]:
        """What was used in each interval, in the kept unit."""
        times = np.array([unit.times * (duration_s if unit.is_rate else 1) for unit in self.units])
        by = np.array([unit.by * (3600 if unit.is_rate else 1) for unit in self.units])
        used: NDArray[np.float64] = self.figures * (times * self.factor)[self.unit] / by[self.unit]
        return used


def value_column(
    grid: Grid,
    declared: IntervalsFile,
    value: Value,
    site: SiteFacts,
    meters: list[str],
    findings: Findings,
) -> Column:
    """Read one column of figures. New meters are added to ``meters``; what is wrong goes to the findings."""
    index = grid.names.index(value.column)
    read = figures(grid.cells(index), declared.missing, declared.thousands)
    findings.bad("history.bad_number", read.bad, index)
    meter = _meters(grid, value, site, meters, findings)
    known = np.where(read.missing, NO_METER, meter)
    unit, units = _units(grid, value, site, meters, known, findings)
    usable = ~read.bad & ~read.missing & (meter != NO_METER) & (unit >= 0)
    varies = bool(value.meter_column)
    return Column(
        index, meter, varies, read.values, np.maximum(unit, 0), units, read.missing, usable, value.factor
    )


def _meters(
    grid: Grid, value: Value, site: SiteFacts, meters: list[str], findings: Findings
) -> NDArray[np.int64]:
    """Whose each row is, as a position in the list of meters."""
    if (value.meter is None) == (not value.meter_column):
        raise ConfigurationError([Problem("history.meter_or_column", Place("values"), (value.column,))])
    if value.meter is not None:
        _check_meter(value.meter, site)
        return np.full(len(grid), _position(meters, value.meter), dtype=np.int64)
    column = grid.names.index(value.meter_column)
    names, of_row = _told_apart(grid, column)
    positions = np.full(len(names), NO_METER, dtype=np.int64)
    for at, name in enumerate(names):
        meter = value.meters.get(name, name)
        facts = site.meters.get(meter)
        if facts is None or facts.is_virtual:
            code = "history.unknown_meter" if facts is None else "history.virtual_meter"
            hint = did_you_mean(name, site.meters) if facts is None else None
            findings.add(code, np.flatnonzero(of_row == at)[:1], column, hint=hint)
        else:
            positions[at] = _position(meters, meter)
    return positions[of_row]


def _check_meter(meter: str, site: SiteFacts) -> None:
    facts = site.meters.get(meter)
    if facts is None:
        hint = did_you_mean(meter, site.meters)
        raise ConfigurationError(
            [Problem("history.unknown_meter", Place("values"), ("meter",), {"value": meter}, hint)]
        )
    if facts.is_virtual:
        raise ConfigurationError(
            [Problem("history.virtual_meter", Place("values"), ("meter",), {"value": meter})]
        )


def _position(meters: list[str], meter: str) -> int:
    if meter not in meters:
        meters.append(meter)
    return meters.index(meter)


def _told_apart(grid: Grid, column: int) -> tuple[list[str], NDArray[np.int64]]:
    """The texts of a column, each once, and which of them each row has."""
    cells = grid.cells(column)
    # Rows of one meter mostly stand together: only where the text changes it is looked up.
    changes = np.concatenate(([True], cells[1:] != cells[:-1]))
    texts, of_run = np.unique(cells[changes], return_inverse=True)
    lengths = np.diff(np.concatenate((np.flatnonzero(changes), [len(cells)])))
    return texts.astype(np.str_).tolist(), np.repeat(of_run.astype(np.int64), lengths)


def _units(
    grid: Grid,
    value: Value,
    site: SiteFacts,
    meters: Sequence[str],
    meter: NDArray[np.int64],
    findings: Findings,
) -> tuple[NDArray[np.int64], tuple[Unit, ...]]:
    """The unit of each row, as a position in the list of units; -1 where it is none."""
    if bool(value.unit) == bool(value.unit_column):
        raise ConfigurationError([Problem("history.unit_or_column", Place("values"), (value.column,))])
    column = grid.names.index(value.unit_column or value.column)
    texts, of_row = (
        _told_apart(grid, column) if value.unit_column else ([value.unit], np.zeros(len(grid), int))
    )
    units: list[Unit] = []
    found = np.full(len(grid), -1, dtype=np.int64)
    pairs = np.where(meter == NO_METER, -1, of_row * max(1, len(meters)) + meter)
    for pair in np.unique(pairs[pairs >= 0]).tolist():
        text, name = texts[pair // len(meters)], meters[pair % len(meters)]
        known = units_of(site.meters[name].commodity)
        unit = known.get(text)
        rows = pairs == pair
        if unit is None or (value.is_register and unit.is_rate):
            _tell_unit(text, name, known, np.flatnonzero(rows)[:1], column, findings)
            continue
        if unit not in units:
            units.append(unit)
        found[rows] = units.index(unit)
    if value.is_register and len(units) > 1:
        raise ConfigurationError([Problem("history.registers_of_one_unit", Place("values"), (value.column,))])
    return found, tuple(units) or (Unit(1, 1),)


def _tell_unit(
    text: str, meter: str, known: dict[str, Unit], rows: NDArray[np.intp], column: int, findings: Findings
) -> None:
    same = [name for name in known if name.casefold() == text.casefold()]
    hint = Hint("config.did_you_mean", {"guess": same[0]}) if same else None
    data = {"unit": text, "meter": meter}
    findings.add(
        "history.wrong_unit",
        rows,
        column,
        lambda _row: data,
        hint or Hint("config.known", {"known": tuple(known)}),
    )
