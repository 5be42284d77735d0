"""The base year as it was agreed on: its rows in one fixed form, their hash, and how two of them differ.

The hash is the SHA-256 of the canonical text: a heading, then one line a row in the order of kind, subject
and first day, each a JSON list without spaces, ended by a line feed. Anybody makes it again in ten lines.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from enum import StrEnum
from math import fsum, isfinite

import numpy as np

from rules.daily import day_edges_s
from rules.intervals import IntervalSeries
from rules.quality import Quality
from rules.savings import ONE_DAY, Days

FORM = "energy-monitor base year 1"
"""Stands in the heading: another form would be another name."""


class RowKind(StrEnum):
    """What a row of the base year is made from."""

    BOOKED = "booked"  # a bill, a total, a log, or what was used between two readings by hand
    INTERVALS = "intervals"  # the closed intervals of a meter that begin on one local day


@dataclass(frozen=True, slots=True)
class BaseScope:
    """What is locked: the days of one commodity, of the site's own calendar.

    Attributes
    ----------
    start, end : first and last day, inclusive.
    meters : those that add up to the commodity, as the site file named them when it was locked.
    zone : IANA name of the site's zone: it says what a day is.
    """

    commodity: str
    base_year: int
    start: date
    end: date
    unit: str
    meters: tuple[str, ...]
    zone: str


@dataclass(frozen=True, slots=True)
class BaseRow:
    """One row of a base year.

    Attributes
    ----------
    subject : the commodity, or a meter.
    start, end : its days, inclusive; a booked row may reach beyond the base period.
    quantity : of all its days, in ``unit``.
    source : the bill's number, both readings, or how many intervals.
    digest : SHA-256 over the intervals of a day; empty for booked rows.
    """

    kind: RowKind
    subject: str
    start: date
    end: date
    quantity: float
    unit: str
    source: str
    digest: str = ""

    @property
    def key(self) -> tuple[str, str, date]:
        """What tells a row from the others of its base year."""
        return self.kind.value, self.subject, self.start

    def line(self) -> str:
        """The row in the canonical text; ``repr`` of a float64 is the shortest that reads back the same."""
        cells = [self.kind.value, self.subject, self.start.isoformat(), self.end.isoformat()]
        cells += [repr(float(self.quantity)), self.unit, self.source, self.digest]
        return _json(cells)


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row as it was locked and as it is found; None where there is none."""

    locked: BaseRow | None
    found: BaseRow | None


def canonical_text(site: str, scope: BaseScope, rows: Iterable[BaseRow]) -> str:
    """The text that is hashed."""
    heading: list[object] = [FORM, site, scope.commodity, scope.base_year, scope.start.isoformat()]
    heading += [scope.end.isoformat(), scope.unit, scope.zone, list(scope.meters)]
    ordered = sorted(rows, key=lambda row: row.key)
    return "\n".join([_json(heading), *(row.line() for row in ordered)]) + "\n"


def base_hash(site: str, scope: BaseScope, rows: Iterable[BaseRow]) -> str:
    """SHA-256 of the canonical text in UTF-8, as hexadecimal digits."""
    return hashlib.sha256(canonical_text(site, scope, rows).encode()).hexdigest()


def row_differences(locked: Iterable[BaseRow], found: Iterable[BaseRow]) -> tuple[RowDifference, ...]:
    """What changed, vanished or came since, in the order of the canonical text."""
    before = {row.key: row for row in locked}
    after = {row.key: row for row in found}
    return tuple(
        RowDifference(before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )


def interval_rows(
    meter: str, series: IntervalSeries, days: Sequence[Days], zone: tzinfo, unit: str
) -> list[BaseRow]:
    """One row for each local day of some runs of days that a meter has closed intervals on.

    Parameters
    ----------
    series : in order of time; an interval belongs to the day in which it begins.
    days : runs that nothing is booked on, first and last inclusive.
    """
    start_s = series.start.astype(np.int64)
    rows = []
    for first, last in days:
        edges_s = day_edges_s(first, last, zone)
        cuts = np.searchsorted(start_s, edges_s)
        day = first
        for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            if end > begin:
                rows.append(_row_of_day(meter, day, series, slice(begin, end), unit))
            day += ONE_DAY
    return rows


def _row_of_day(meter: str, day: date, series: IntervalSeries, part: slice, unit: str) -> BaseRow:
    lines, known = [], []
    columns = (
        series.start.astype(np.int64),
        series.duration_s,
        series.quantity,
        series.coverage,
        series.quality,
    )
    for start_s, duration_s, quantity, coverage, quality in zip(
        *(column[part].tolist() for column in columns), strict=True
    ):
        lines.append(f"{start_s},{duration_s},{quantity!r},{coverage!r},{quality}\n")
        if isfinite(quantity) and quality < Quality.MISSING:
            known.append(quantity)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return BaseRow(RowKind.INTERVALS, meter, day, day, fsum(known), unit, str(len(lines)), digest)


def runs_of(days: Sequence[date]) -> tuple[Days, ...]:
    """Days in order, as runs of neighbours: first and last of each."""
    runs: list[Days] = []
    for day in days:
        if runs and day - runs[-1][1] == ONE_DAY:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return tuple(runs)


def _json(cells: Sequence[object]) -> str:
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
