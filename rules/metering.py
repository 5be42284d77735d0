"""One meter as it is followed in time: its counter, and the readings that no interval has closed over yet."""

import json
import math
from array import array
from bisect import bisect_right
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from rules.counters import CounterLimits, CounterState, Doubt, Left, Verdict, advance, first_reading
from rules.intervals import Interval, Readings, close_interval
from rules.quality import Quality

REOPEN_MS = 31 * 86_400_000
"""How far back intervals are opened again at the most."""

LONGEST_GAP_MS = 366 * 86_400_000
"""A longer silence is not spread over its intervals: it is a clock that was wrong, or another life."""


@dataclass(frozen=True, slots=True)
class MeterRules:
    """What is fixed about a meter.

    Attributes
    ----------
    limits : what its counter can physically do.
    interval_s : length of an interval; edges lie at multiples of it since 1970 UTC.
    max_gap_ms : the longest silence between readings that still counts as measured.
    """

    limits: CounterLimits
    interval_s: int
    max_gap_ms: int


@dataclass(slots=True)
class MeterTrack:
    """A meter's state: exactly what is needed to close its next intervals.

    The readings kept are those from the last one at or before the open interval's start. ``save`` and
    ``restore`` carry it over a restart; scans that were committed after the save are taken again.
    """

    rules: MeterRules
    counter: CounterState | None = None
    open_start_s: int = 0
    _at_ms: list[int] = field(default_factory=list)
    _total: list[float] = field(default_factory=list)
    _rate: list[float] = field(default_factory=list)
    _quality: list[int] = field(default_factory=list)

    def take(self, at_ms: int, raw: float, rate: float, quality: int) -> Verdict:
        """Take one reading of the register.

        Parameters
        ----------
        raw : finite, in the meter's unit; ``rate`` may be NaN.
        quality : ``Quality`` of the reading, below MISSING.
        """
        before = self.counter
        if before is None:
            self.counter = first_reading(at_ms, raw)
            self.open_start_s = at_ms // 1000 // self.rules.interval_s * self.rules.interval_s
            verdict = Verdict.COUNTED
        else:
            self.counter, verdict = advance(before, at_ms, raw, self.rules.limits)
            if verdict is Verdict.CAUGHT_UP:
                self._stood_still_from(before.moved_at_ms, before.total)
        if verdict.believed:
            self._at_ms.append(at_ms)
            self._total.append(self.counter.total)
            self._rate.append(rate)
            # What happened between the old and the new register is not known.
            doubtful = Quality.SUSPECT if verdict is Verdict.NEW_EPOCH else Quality.GOOD
            self._quality.append(max(quality, doubtful))
        return verdict

    def _stood_still_from(self, instant_ms: int, total: float) -> None:
        """Forget what a register showed while it stood still: energy went on, the answers did not.

        Intervals that were closed over it meanwhile are opened again from the first edge after the
        instant, so that what was caught up is spread over them instead of booked to the last one.
        """
        if instant_ms >= self.open_start_s * 1000:
            self._cut(0, bisect_right(self._at_ms, instant_ms))
            return
        length_ms = self.rules.interval_s * 1000
        edge_ms = max(-(-instant_ms // length_ms) * length_ms, self.open_start_s * 1000 - REOPEN_MS)
        edge_ms = min(edge_ms, self.open_start_s * 1000)
        self._at_ms, self._total = [edge_ms], [total]
        self._rate, self._quality = [math.nan], [int(Quality.GOOD)]
        self.open_start_s = edge_ms // 1000

    def close_due(self) -> list[Interval]:
        """Close every interval that a reading stands behind, oldest first.

        An interval ends at the next multiple of the interval's length; it is shorter than that only
        where the length was changed and the old one ended between two multiples of the new.
        """
        if self.counter is None or not self._at_ms or self._at_ms[-1] < self._open_end_s() * 1000:
            return []
        self._begin_anew_after_a_gap()
        readings = Readings(
            np.array(self._at_ms, dtype=np.int64),
            np.array(self._total, dtype=np.float64),
            np.array(self._rate, dtype=np.float64),
            np.array(self._quality, dtype=np.uint8),
        )
        closed = []
        while self._at_ms[-1] >= (end_s := self._open_end_s()) * 1000:
            length_s = end_s - self.open_start_s
            closed.append(
                close_interval(readings, self.open_start_s, length_s, self.rules.max_gap_ms, self.counter)
            )
            self.open_start_s = end_s
        self._forget_before(self.open_start_s * 1000)
        return [interval for interval in closed if interval is not None]

    def _open_end_s(self) -> int:
        return (self.open_start_s // self.rules.interval_s + 1) * self.rules.interval_s

    def _begin_anew_after_a_gap(self) -> None:
        """Where a gap is longer than anybody would spread by time, book nothing for it: an old clock."""
        if self._at_ms[-1] - self.open_start_s * 1000 <= LONGEST_GAP_MS:
            return
        gaps = [b - a for a, b in pairwise([self.open_start_s * 1000, *self._at_ms])]
        last = max(i for i, gap in enumerate(gaps) if gap == max(gaps))
        self._cut(last, None)
        self.open_start_s = self._at_ms[0] // 1000 // self.rules.interval_s * self.rules.interval_s

    def _forget_before(self, instant_ms: int) -> None:
        """Drop readings that no later interval needs: all before the last one at or before the instant."""
        keep = max(int(np.searchsorted(self._at_ms, instant_ms, side="right")) - 1, 0)
        self._cut(keep, None)

    def _cut(self, first: int, last: int | None) -> None:
        """Keep the readings from ``first`` to before ``last``."""
        self._at_ms, self._total = self._at_ms[first:last], self._total[first:last]
        self._rate, self._quality = self._rate[first:last], self._quality[first:last]

    def open_readings(self) -> list[tuple[int, float]]:
        """Instant (ms) and total of the readings that no interval has closed over yet, oldest first."""
        return list(zip(self._at_ms, self._total, strict=True))

    def save(self) -> bytes:
        """The state as bytes; ``restore`` is its inverse."""
        counter = None if self.counter is None else asdict(self.counter)
        head = {"counter": counter, "open_start_s": self.open_start_s, "readings": len(self._at_ms)}
        columns = (
            array("q", self._at_ms),
            array("d", self._total),
            array("d", self._rate),
            array("B", self._quality),
        )
        return json.dumps(head).encode() + b"\n" + b"".join(column.tobytes() for column in columns)

    @classmethod
    def restore(cls, rules: MeterRules, state: bytes) -> "MeterTrack":
        """Make the track that ``save`` told of."""
        text, _, packed = state.partition(b"\n")
        head = json.loads(text)
        columns: list[list[Any]] = []
        at = 0
        for code, size in (("q", 8), ("d", 8), ("d", 8), ("B", 1)):
            column: array[Any] = array(code)
            column.frombytes(packed[at : at + size * head["readings"]])
            columns.append(column.tolist())
            at += size * head["readings"]
        counter = head["counter"]
        if counter is not None:
            doubt, left = counter.pop("doubt"), counter.pop("left")
            counter = CounterState(**counter, doubt=doubt and Doubt(**doubt), left=left and Left(**left))
        return cls(rules, counter, head["open_start_s"], *columns)
