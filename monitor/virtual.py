"""Virtual meters in the store: a row wherever every part has one, made again whenever a part's row changes.

They follow the store as a sink does: a cursor over the intervals that came or changed. What was closed live,
late, after a restart or by an import goes the same way, and so does all of the past when a formula is new:
what the old one made and the new one cannot is taken back.
"""

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.rows import Commit, ConditionRow, IntervalRow
from monitor.store.writer import Writer, submit_and_wait
from rules.formulas import Evaluated, Formula, evaluate, over_registers, parts_first
from rules.intervals import Interval, IntervalSeries
from rules.setback import untold

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 5_000
STREAM = "intervals"

FORMULA = "formula"
"""Under this name stands the formula in force beside the position of a virtual meter, as its mark."""

ALL_TIME_S = 2**40

RUN_GAP_S = 86_400
"""Changed intervals that lie further apart are read in runs of their own."""

LOOK_EVERY_S = 5
"""How often it is looked at who waits for whom."""

SETTLED_S = 60
"""So long after the end of an interval a part's may still be on its way."""


def store_key(meter: str) -> str:
    """Name of a virtual meter's condition and cursor, beside those of devices and sinks."""
    return f"meter/{meter}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A virtual meter whose next interval is open: a part has not closed it, ``since_s`` UTC."""

    meter: str
    part: str
    since_s: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A virtual meter that cannot be worked out, whatever the reason; the log tells all of it."""

    meter: str
    reason: str


class VirtualMeters:
    """Keeps the rows of all virtual meters of a site. Blocks: it belongs in a worker thread.

    Parameters
    ----------
    formulas : by meter, without a circle.
    interval_s : length of an interval.
    """

    def __init__(
        self, formulas: Mapping[str, Formula], reader: StoreReader, writer: Writer, interval_s: int
    ) -> None:
        self._formulas = formulas
        self._reader = reader
        self._writer = writer
        self._interval_s = interval_s
        self._order = parts_first(formulas)
        self._marks = {meter: _mark(formula) for meter, formula in formulas.items()}
        self._registers = {meter: tuple(over_registers(formulas, meter)) for meter in self._order}
        self._positions: dict[str, int] = {}
        self._seen = -1
        self._told: dict[str, Waiting | Broken | None] = {}
        self._broken: dict[str, Broken] = {}
        self._looked_at_s: int | None = None

    def catch_up(self, now_s: int) -> None:
        """Make every row that is due, and write down which virtual meters wait for whom."""
        newest = self._reader.newest_seqs()[STREAM] if self._formulas else self._seen
        if newest != self._seen:
            if not all(self._follow_or_note(meter) for meter in self._order):
                return  # the store is busy: the next call goes on from here
            self._seen = newest
        if self._looked_at_s is None or abs(now_s - self._looked_at_s) >= min(LOOK_EVERY_S, self._interval_s):
            self._looked_at_s = now_s
            self._tell(now_s)

    # -- following ----------------------------------------------------------------------------------

    def _follow_or_note(self, meter: str) -> bool:
        """Follow one meter. What is wrong with it is nothing to the others."""
        try:
            is_done = self._follow(meter)
        except UNREADABLE:
            raise
        except Exception as error:
            if meter not in self._broken:
                log.exception("%s: this virtual meter cannot be worked out", meter)
            self._broken[meter] = Broken(meter, f"{type(error).__name__}: {error}")
            return True  # it is tried again with the next interval
        self._broken.pop(meter, None)
        return is_done

    def _follow(self, meter: str) -> bool:
        """Take up all changes of the parts; whether that was done."""
        if meter not in self._positions and not self._begin(meter):
            return False
        while True:
            newest = self._reader.newest_seqs()[STREAM]
            changed = self._reader.changed_starts(
                self._formulas[meter].parts, self._positions[meter], ROWS_AT_ONCE
            )
            if not changed:
                self._positions[meter] = newest
                return True
            upto = changed[-1][0]
            commit = Commit(intervals=self._rows(meter, [start_s for _, start_s in changed]))
            commit.cursors[store_key(meter), STREAM] = upto
            if not submit_and_wait(self._writer, commit):
                return False
            self._positions[meter] = upto

    def _begin(self, meter: str) -> bool:
        """Find where a formula was left; one that was changed begins anew. Whether that was done."""
        cursors = self._reader.cursors(store_key(meter))
        if cursors.get(FORMULA) != self._marks[meter]:
            taken_back = self._not_made(meter)
            for first in range(0, len(taken_back), ROWS_AT_ONCE):
                rows = taken_back[first : first + ROWS_AT_ONCE]
                if not submit_and_wait(self._writer, Commit(intervals=rows)):
                    return False
            anew = {(store_key(meter), FORMULA): self._marks[meter], (store_key(meter), STREAM): 0}
            if not submit_and_wait(self._writer, Commit(cursors=anew)):
                return False
            cursors = {STREAM: 0}
        self._positions[meter] = cursors.get(STREAM, 0)
        return True

    def _not_made(self, meter: str) -> list[IntervalRow]:
        """What another formula made and this one cannot, as rows of which nothing is known."""
        stored, rows = self._reader.intervals(meter, 0, ALL_TIME_S), []
        for run in _runs(stored.start.astype(np.int64).tolist()):
            made = evaluate_stored(self._reader, self._formulas[meter], run[0], run[-1] + 1).series
            rows += [IntervalRow(meter, one) for one in _left_over(stored, run, made)]
        return rows

    def _rows(self, meter: str, starts: Sequence[int]) -> list[IntervalRow]:
        formula, rows = self._formulas[meter], []
        for run in _runs(sorted(set(starts))):
            wanted = np.array(run, dtype="datetime64[s]")
            found = evaluate_stored(self._reader, formula, run[0], run[-1] + 1)
            at = np.flatnonzero(np.isin(found.series.start, wanted))
            rows += [IntervalRow(meter, _interval(found, int(n))) for n in at]
        return rows

    # -- telling ------------------------------------------------------------------------------------

    def _tell(self, now_s: int) -> None:
        for meter in self._order:
            waiting = self._broken.get(meter) or self._waiting(meter, now_s)
            if meter not in self._told or self._told[meter] != waiting:
                self._told[meter] = waiting
                self._writer.submit(Commit(conditions=[_condition(meter, waiting, now_s)]))

    def _waiting(self, meter: str, now_s: int) -> Waiting | None:
        """The register that lies behind the others, once it is late."""
        ends = {part: self._reader.last_end_s(part) for part in self._registers[meter]}
        newest_s = max((end for end in ends.values() if end is not None), default=None)
        part, end_s = min(ends.items(), key=lambda one: -math.inf if one[1] is None else one[1])
        if newest_s is None or end_s == newest_s:
            return None
        if end_s is None:
            return Waiting(meter, part, 0)
        # Others have closed the interval that begins there: is there still time for this one to?
        is_late = now_s >= end_s + self._interval_s + min(SETTLED_S, self._interval_s)
        return Waiting(meter, part, end_s) if is_late else None


def evaluate_stored(reader: StoreReader, formula: Formula, start_s: int, end_s: int) -> Evaluated:
    """A formula over the stored intervals of its parts that start in [start_s, end_s)."""
    return evaluate(formula, {part: reader.intervals(part, start_s, end_s) for part in formula.parts})


def doubtful_parts(
    reader: StoreReader, formulas: Mapping[str, Formula], meter: str, start_s: int, end_s: int
) -> dict[str, int]:
    """How many intervals of a virtual meter each register spoiled, the most first; empty where none did."""
    if meter not in formulas:
        return {}
    formula = formulas[meter]
    found = evaluate_stored(reader, formula, start_s, end_s)
    counts: dict[str, int] = {}
    for at, part in enumerate(formula.parts):
        starts = found.series.start[found.worst == at].astype(np.int64)
        if part not in formulas:
            counts[part] = counts.get(part, 0) + len(starts)
            continue
        for inner, count in doubtful_parts(reader, formulas, part, start_s, end_s).items():
            counts[inner] = counts.get(inner, 0) + count
    ordered = sorted(counts.items(), key=lambda one: -one[1])
    return {part: count for part, count in ordered if count}


def _left_over(stored: IntervalSeries, run: Sequence[int], made: IntervalSeries) -> Iterator[Interval]:
    """The stored intervals of a run that were not made, untold."""
    starts = np.setdiff1d(np.array(run, dtype="datetime64[s]"), made.start)
    at = np.searchsorted(stored.start, starts)
    for start_s, duration_s in zip(starts.astype(int).tolist(), stored.duration_s[at].tolist(), strict=True):
        yield untold(start_s, duration_s)


def _runs(starts: Sequence[int]) -> Iterator[list[int]]:
    """Rising instants in runs without long gaps."""
    if not starts:
        return
    run = [starts[0]]
    for before, start_s in pairwise(starts):
        if start_s - before > RUN_GAP_S:
            yield run
            run = []
        run.append(start_s)
    yield run


def _interval(found: Evaluated, at: int) -> Interval:
    """One row. It has no register: the formula and the rows of its parts are what an auditor follows."""
    series, unknown = found.series, math.nan
    return Interval(
        start_s=int(series.start[at].astype(np.int64)),
        duration_s=int(series.duration_s[at]),
        quantity=float(series.quantity[at]),
        coverage=float(series.coverage[at]),
        quality=int(series.quality[at]),
        rate_avg=float(series.rate_avg[at]),
        rate_max=float(series.rate_max[at]),
        rate_min=unknown,
        caught_up=bool(series.caught_up[at]),
        register_start=unknown,
        register_end=unknown,
        epoch=0,
    )


def _condition(meter: str, waiting: Waiting | Broken | None, now_s: int) -> ConditionRow:
    if waiting is None:
        return ConditionRow(store_key(meter), "online", now_s * 1000, None)
    if isinstance(waiting, Broken):
        error = {"code": "store.sum_broken", "data": {"reason": waiting.reason}}
        return ConditionRow(store_key(meter), "degraded", now_s * 1000, error)
    error = {"code": "store.waits_for", "data": {"part": waiting.part}}
    return ConditionRow(store_key(meter), "degraded", (waiting.since_s or now_s) * 1000, error)


def _mark(formula: Formula) -> int:
    """What a formula says, as a number of 48 bits: it is kept where positions are."""
    said = repr(sorted((term.meter, term.coefficient) for term in formula.terms))
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:6])
