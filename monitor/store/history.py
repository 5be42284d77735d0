"""Putting other systems' intervals into the store: a whole file or nothing, in one transaction.

Everything that takes time was done before: the rows come checked, sorted and as arrays. The transaction
compares them with what stands and writes them, some hundred thousand a second; meanwhile the writer's own
commits wait.
"""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from config.history.intervals import IntervalRows
from monitor.store import schema
from monitor.store.base_guard import inside_s, locked_spans, told_of_lock_over
from monitor.store.ledgers import ImportOutcome, Progress, WriterEngine
from monitor.store.order import newest_seq
from monitor.store.provenance import MOST_REFUSALS, Provenance, Refusals
from monitor.timestamps import iso_utc

ROWS_A_STATEMENT = 50  # one statement for many rows: three times the speed of one for each
ROWS_A_STEP = 10_000  # rows between two moves of a progress bar
LONGEST_INTERVAL_S = 3600

Rows = NDArray[np.intp]

_COLUMNS = (
    "site, meter, start_s, duration_s, quantity, coverage, quality, rate_avg, rate_max, rate_min, "
    "caught_up, register_start, register_end, epoch, factor, rev, seq, import_id"
)
_FIXED = 4  # site, meter, duration and import stand once, whatever the number of rows
_PER_ROW = 8


def _insert_sql(rows: int) -> str:
    """SQL that inserts so many rows of one meter; its parameters are the fixed ones, then those of each."""
    values = []
    for row in range(rows):
        at = _FIXED + 1 + row * _PER_ROW
        start, quantity, quality, rate, begin, end, factor, seq = (f"?{at + n}" for n in range(_PER_ROW))
        values.append(
            f"(?1, ?2, {start}, ?3, {quantity}, 1.0, {quality}, {rate}, NULL, NULL, 0, {begin}, {end}, 0, "
            f"{factor}, 0, {seq}, ?4)"
        )
    return f"INSERT INTO intervals ({_COLUMNS}) VALUES {', '.join(values)}"  # noqa: S608  no value of a person


_MANY_SQL, _ONE_SQL = _insert_sql(ROWS_A_STATEMENT), _insert_sql(1)

_KEPT = (
    "site, meter, start_s, duration_s, quantity, coverage, quality, rate_avg, rate_max, rate_min, "
    "caught_up, register_start, register_end, epoch, factor, rev, import_id"
)
_KEEP_SQL = (
    f"INSERT INTO replaced_intervals ({_KEPT}, replaced_by) SELECT {_KEPT}, ? FROM intervals "  # noqa: S608
    "WHERE site = ? AND meter = ? AND start_s = ?"
)
_REPLACE_SQL = (
    "UPDATE intervals SET quantity = ?, quality = ?, rate_avg = ?, register_start = ?, register_end = ?, "
    "factor = ?, seq = ?, import_id = ?, coverage = 1.0, rate_max = NULL, rate_min = NULL, caught_up = 0, "
    "epoch = 0, rev = rev + 1 WHERE site = ? AND meter = ? AND start_s = ?"
)


def import_intervals(
    engine: WriterEngine,
    site: str,
    rows: IntervalRows,
    provenance: Provenance,
    progress: Progress | None = None,
) -> ImportOutcome:
    """Put intervals into the store. The engine is the writer's.

    An interval that stands already with the same figure is left alone, so that the same file can be given
    again. Another figure takes its place only with ``replace``: as a revision, and the old one is kept.

    Raises
    ------
    LedgerRefused : an interval shares time with a standing one of another length, changes a figure without
        ``replace``, or lies in a locked base year; with the first of them, and how many more.
    """
    with engine.begin() as connection:
        plans = [_Plan(connection, site, rows, meter) for meter in range(len(rows.meters))]
        refusals = Refusals(provenance)
        for plan in plans:
            plan.refuse(refusals, replace=provenance.replace)
        for plan in plans:
            _refuse_locked(connection, site, plan, rows, refusals)
        refusals.raise_any()
        unchanged = sum(len(plan.unchanged) for plan in plans)
        if any(len(plan.added) or len(plan.changed) for plan in plans):
            writing = _Writing(connection, site, rows, provenance.record(connection, site, len(rows)))
            for plan in plans:
                writing.add(plan.meter, plan.added, progress)
                writing.replace(plan.meter, plan.changed, progress)
        if progress is not None:
            progress(unchanged)
    added, changed = sum(len(plan.added) for plan in plans), sum(len(plan.changed) for plan in plans)
    return ImportOutcome(added, unchanged, changed)


def _refuse_locked(
    connection: Connection, site: str, plan: "_Plan", rows: IntervalRows, refusals: Refusals
) -> None:
    """Refuse what would change a locked base year's intervals; what stands there may come again."""
    spans = locked_spans(connection, site).get(plan.meter, [])
    written = np.concatenate([plan.added, plan.changed])
    locked = written[inside_s(rows.start_s[written], spans)]
    told = []
    for row in locked[:MOST_REFUSALS].tolist():
        start_s = int(rows.start_s[row])
        lock = told_of_lock_over(connection, site, plan.meter, start_s) or {}
        told.append({"meter": plan.meter, "at": iso_utc(1000 * start_s), **lock})
    refusals.add("store.base_locked_interval", rows.line[locked].tolist(), told)


class _Plan:
    """One meter's rows of a file, held against what stands in the store."""

    def __init__(self, connection: Connection, site: str, rows: IntervalRows, meter: int) -> None:
        self.meter = rows.meters[meter]
        self._rows = rows
        mine = np.flatnonzero(rows.meter == meter)
        nothing: Rows = np.empty(0, dtype=np.intp)
        self.added, self.unchanged, self.changed, self._clashing = mine, nothing, nothing, nothing
        self._standing = self._read(connection, site, mine) if len(mine) else None
        if self._standing is not None and len(self._standing):
            self._compare(mine, self._standing)

    def refuse(self, refusals: Refusals, *, replace: bool) -> None:
        """Tell what speaks against the rows."""
        rows, clashing = self._rows, self._clashing
        told = [
            {
                "meter": self.meter,
                "start": iso_utc(1000 * int(rows.start_s[row])),
                "other": iso_utc(1000 * other),
            }
            for row, other in zip(
                clashing[:MOST_REFUSALS], self._others[:MOST_REFUSALS].tolist(), strict=True
            )
        ]
        refusals.add("store.interval_overlap", rows.line[clashing].tolist(), told)
        if replace:
            return
        differences = [self._difference(row) for row in self.changed[:MOST_REFUSALS].tolist()]
        refusals.add("store.interval_changed", rows.line[self.changed].tolist(), differences)

    _others: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def _read(self, connection: Connection, site: str, mine: Rows) -> NDArray[np.void]:
        table = schema.intervals
        names = ("start_s", "duration_s", "quantity", "quality", "register_start", "register_end")
        first, last = int(self._rows.start_s[mine[0]]), int(self._rows.start_s[mine[-1]])
        query = (
            select(*(table.c[name] for name in names))
            .where(table.c.site == site, table.c.meter == self.meter)
            .where(table.c.start_s > first - LONGEST_INTERVAL_S)
            .where(table.c.start_s < last + self._rows.duration_s)
            .order_by(table.c.start_s)
        )
        kinds = [(name, "f8" if name.startswith(("quantity", "register")) else "i8") for name in names]
        found = connection.execute(query).all()
        return np.array([tuple(np.nan if one is None else one for one in row) for row in found], dtype=kinds)

    def _compare(self, mine: Rows, standing: NDArray[np.void]) -> None:
        rows, length_s = self._rows, self._rows.duration_s
        starts, ends = standing["start_s"], standing["start_s"] + standing["duration_s"]
        start_s = rows.start_s[mine]
        # The last one that begins before this one's end is the only one that can be the same, or the first
        # to share time with it.
        at = np.searchsorted(starts, start_s + length_s) - 1
        near = np.maximum(at, 0)
        shares = (at >= 0) & (ends[near] > start_s)
        same = shares & (starts[near] == start_s) & (standing["duration_s"][near] == length_s)
        other = standing[near]
        alike = same & (other["quantity"] == rows.quantity[mine]) & (other["quality"] == rows.quality[mine])
        for name in ("register_start", "register_end"):
            register = getattr(rows, name)[mine]
            alike &= np.isnan(register) | (other[name] == register)
        self.added, self.unchanged, self.changed = mine[~shares], mine[alike], mine[same & ~alike]
        self._clashing, self._others = mine[shares & ~same], starts[near][shares & ~same]

    def _difference(self, row: int) -> dict[str, object]:
        assert self._standing is not None  # noqa: S101  there is a difference
        start_s = int(self._rows.start_s[row])
        other = self._standing[np.searchsorted(self._standing["start_s"], start_s)]
        old, new = f"{other['quantity']:.15g}", f"{self._rows.quantity[row]:.15g}"
        facts = {"meter": self.meter, "start": iso_utc(1000 * start_s), "old": old, "new": new}
        return facts | {"old_quality": int(other["quality"]), "new_quality": int(self._rows.quality[row])}


class _Writing:
    """Writes rows of one import, each with its place in the order of change."""

    def __init__(self, connection: Connection, site: str, rows: IntervalRows, import_id: int) -> None:
        self._connection = connection
        self._site = site
        self._rows = rows
        self._import_id = import_id
        self._seq = newest_seq(connection)

    def add(self, meter: str, which: Rows, progress: Progress | None) -> None:
        """Insert rows of a meter."""
        fixed = (self._site, meter, self._rows.duration_s, self._import_id)
        for step in _steps(which):
            flat = list(chain.from_iterable(self._figures(step)))
            width = ROWS_A_STATEMENT * _PER_ROW
            whole = len(flat) - len(flat) % width
            many = [(*fixed, *flat[at : at + width]) for at in range(0, whole, width)]
            few = [(*fixed, *flat[at : at + _PER_ROW]) for at in range(whole, len(flat), _PER_ROW)]
            for sql, values in ((_MANY_SQL, many), (_ONE_SQL, few)):
                if values:
                    self._connection.exec_driver_sql(sql, values)
            if progress is not None:
                progress(len(step))

    def replace(self, meter: str, which: Rows, progress: Progress | None) -> None:
        """Put rows of a meter in the place of standing ones, which are kept beside them."""
        for step in _steps(which):
            starts = self._rows.start_s[step].tolist()
            kept = [(self._import_id, self._site, meter, start_s) for start_s in starts]
            self._connection.exec_driver_sql(_KEEP_SQL, kept)
            values = [
                (
                    quantity,
                    quality,
                    rate,
                    begin,
                    end,
                    factor,
                    seq,
                    self._import_id,
                    self._site,
                    meter,
                    start_s,
                )
                for start_s, quantity, quality, rate, begin, end, factor, seq in self._figures(step)
            ]
            self._connection.exec_driver_sql(_REPLACE_SQL, values)
            if progress is not None:
                progress(len(step))

    def _figures(self, step: Rows) -> Iterator[tuple[Any, ...]]:
        """Start, quantity, quality, mean rate, both registers, factor and place of each row."""
        rows = self._rows
        first = self._seq + 1
        self._seq += len(step)
        quantity = rows.quantity[step]
        return zip(
            rows.start_s[step].tolist(),
            quantity.tolist(),
            rows.quality[step].tolist(),
            (quantity * (3600 / rows.duration_s)).tolist(),
            _or_nothing(rows.register_start[step]),
            _or_nothing(rows.register_end[step]),
            rows.factor[step].tolist(),
            range(first, first + len(step)),
            strict=False,
        )


def _or_nothing(values: NDArray[np.float64]) -> "list[float | None] | repeat[None]":
    unknown = np.isnan(values)
    if unknown.all():
        return repeat(None)
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124  NaN alone


def _steps(which: Rows) -> Iterator[Rows]:
    return (which[at : at + ROWS_A_STEP] for at in range(0, len(which), ROWS_A_STEP))
