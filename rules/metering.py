"""One meter as it is followed in time: its counter, and the readings that no interval has closed over yet."""

import json
import math
from array import array
from bisect import bisect_right
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from rules.counters import (
    CounterLimits,
    CounterState,
    Doubt,
    Left,
    Life,
    Replacement,
    Verdict,
    advance,
    countable,
    first_reading,
    replaced,
)
from rules.factors import Factors
from rules.intervals import Interval, Readings, close_interval
from rules.quality import Quality
from rules.stuck import StillWatch

REOPEN_MS = 31 * 86_400_000
"""How far back intervals are opened again at the most."""

LONGEST_GAP_MS = 366 * 86_400_000
"""A longer silence is not spread over its intervals: it is a clock that was wrong, or another life."""

STUCK_AFTER_MS = 3_600_000

RATE_SLACK = 1.2
"""A rate further above the meter's maximum than this is a wrong answer, and no maximum of an interval."""


@dataclass(frozen=True, slots=True)
class MeterRules:
    """What is fixed about a meter.

    Attributes
    ----------
    limits : what its counter can physically do.
    interval_s : length of an interval; edges lie at multiples of it since 1970 UTC.
    max_gap_ms : the longest silence between readings that still counts as measured.
    stuck_after_ms : a register that stands still so long, against what the rate says, is stuck.
    replacements : what people wrote down, oldest first; one that lies ahead waits.
    """

    limits: CounterLimits
    interval_s: int
    max_gap_ms: int
    stuck_after_ms: int = STUCK_AFTER_MS
    replacements: tuple[Replacement, ...] = ()


@dataclass(slots=True)
class MeterTrack:
    """A meter's state: exactly what is needed to close its next intervals.

    The readings kept are those from the last one at or before the open interval's start. ``save`` and
    ``restore`` carry it over a restart; scans that were committed after the save are taken again.
    ``heard_ms`` is the newest time that a reading has been dated, believed or not, for those who care.
    """

    rules: MeterRules
    counter: CounterState | None = None
    open_start_s: int = 0
    _at_ms: list[int] = field(default_factory=list)
    _total: list[float] = field(default_factory=list)
    _rate: list[float] = field(default_factory=list)
    _quality: list[int] = field(default_factory=list)
    _lives: list[Life] = field(default_factory=list)
    _watch: StillWatch = field(default_factory=StillWatch)
    _told_again: list[Interval] = field(default_factory=list)
    heard_ms: int = -1

    def take(self, at_ms: int, raw: float, rate: float, quality: int) -> Verdict:
        """Take one reading of the register.

        Parameters
        ----------
        raw : finite, as the register shows it; ``rate`` in the meter's unit an hour, may be NaN.
        quality : ``Quality`` of the reading, below MISSING.
        """
        if self.counter is None and not countable(raw):
            return Verdict.SPIKE
        if self.counter is None:
            self.counter = first_reading(at_ms, raw)
            self.open_start_s = at_ms // 1000 // self.rules.interval_s * self.rules.interval_s
            verdict = Verdict.COUNTED
        else:
            if self.rules.replacements:
                self._replace_until(at_ms)
            before = self.counter
            self.counter, verdict = advance(before, at_ms, raw, self.rules.limits)
            if verdict is Verdict.CAUGHT_UP:
                self._stood_still_from(before.moved_at_ms, before.total)
            if verdict is Verdict.LATE and self._holds(at_ms):
                verdict = Verdict.REPEATED
            verdict = self._watched(before, verdict)
        if verdict.believed:
            # What happened between the old and the new register is not known.
            doubtful = verdict is Verdict.NEW_EPOCH or self._watch.stuck
            self._append(at_ms, rate, max(quality, Quality.SUSPECT if doubtful else Quality.GOOD))
        return verdict

    @property
    def unmetered(self) -> float:
        """What the rate point says has gone by since the register moved last, in the meter's unit."""
        return self._watch.quantity

    def _append(self, at_ms: int, rate: float, quality: int) -> None:
        """Keep the reading at which the counter stands now."""
        counter = self.counter
        assert counter is not None  # noqa: S101  there is one as soon as there is a reading
        if not abs(rate) <= RATE_SLACK * self.rules.limits.max_rate:
            rate = math.nan
        self._at_ms.append(at_ms)
        self._total.append(counter.total)
        self._rate.append(rate)
        self._quality.append(quality)
        life = self._lives[-1] if self._lives else None
        if life is None or life.offset != counter.offset or life.epoch != counter.epoch:
            self._lives.append(Life(at_ms, counter.offset, counter.epoch))

    def _holds(self, at_ms: int) -> bool:
        """Whether a reading of this very instant was taken already, as far as they are kept."""
        place = bisect_right(self._at_ms, at_ms) - 1
        return place >= 0 and self._at_ms[place] == at_ms

    def _replace_until(self, at_ms: int) -> None:
        """Change the register where a person wrote that it was changed, before a reading is taken."""
        for record in self.rules.replacements:
            counter = self.counter
            assert counter is not None  # noqa: S101
            if counter.at_ms < record.at_ms <= at_ms:
                self.counter = replaced(counter, record, self.rules.limits)
                self._watch.moved()
                known = record.old_final is not None
                self._append(record.at_ms, math.nan, Quality.GOOD if known else Quality.ESTIMATED)

    def _watched(self, before: CounterState, verdict: Verdict) -> Verdict:
        """Hold a register that stands still against its rate."""
        after = self.counter
        if after is None or not verdict.believed:
            return verdict
        if after.moved_at_ms != before.moved_at_ms:
            self._watch.moved()
            return verdict
        elapsed_ms = after.at_ms - before.at_ms
        if elapsed_ms <= self.rules.max_gap_ms:
            self._watch.stood(elapsed_ms, self._rate[-1])
        if not self._watch.judge(after, self.rules.limits, self.rules.stuck_after_ms):
            return verdict
        self._told_again += self._watch.doubted()
        return Verdict.STUCK

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
        told, self._told_again = self._told_again, []
        if self.counter is None or not self._at_ms or self._at_ms[-1] < self._open_end_s() * 1000:
            return told
        self._begin_anew_after_a_gap()
        limits, max_gap_ms = self.rules.limits, self.rules.max_gap_ms
        readings = self._readings().cut_at_changes(limits.factors, limits.max_rate)
        closed = []
        while self._at_ms[-1] >= (end_s := self._open_end_s()) * 1000:
            start_s, life = self.open_start_s, self._life_at(end_s * 1000)
            one = close_interval(readings, start_s, end_s - start_s, max_gap_ms, life, limits.factors)
            closed += [] if one is None else [one]
            self.open_start_s = end_s
        self._forget_before(self.open_start_s * 1000)
        self._watch.keep(closed, self.counter.moved_at_ms)
        return told + closed

    def _readings(self) -> Readings:
        return Readings(
            np.array(self._at_ms, dtype=np.int64),
            np.array(self._total, dtype=np.float64),
            np.array(self._rate, dtype=np.float64),
            np.array(self._quality, dtype=np.uint8),
        )

    def _life_at(self, instant_ms: int) -> Life:
        """The register that is in force at an instant: the oldest known one for all before it."""
        return next((one for one in reversed(self._lives) if one.from_ms <= instant_ms), self._lives[0])

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
        while len(self._lives) > 1 and self._lives[1].from_ms <= instant_ms:
            del self._lives[0]

    def _cut(self, first: int, last: int | None) -> None:
        """Keep the readings from ``first`` to before ``last``."""
        self._at_ms, self._total = self._at_ms[first:last], self._total[first:last]
        self._rate, self._quality = self._rate[first:last], self._quality[first:last]

    def goes_on_like(self, other: "MeterTrack") -> bool:
        """Whether the same readings from now on close the same intervals.

        Totals may stand higher or lower as a whole: an interval is a difference of them. The epoch before
        plays no part.
        """
        mine, its = self.counter, other.counter
        if mine is None or its is None:
            return mine is its
        shift = mine.offset - its.offset
        return (
            replace(mine, offset=0.0, left=None) == replace(its, offset=0.0, left=None)
            and self.open_start_s == other.open_start_s
            and self._at_ms == other._at_ms
            and self._quality == other._quality
            and np.array_equal(self._rate, other._rate, equal_nan=True)
            and np.allclose(np.subtract(self._total, shift), other._total, rtol=1e-12, atol=1e-9)
            and repr(self._watch) == repr(other._watch)
        )

    def open_readings(self) -> list[tuple[int, float]]:
        """Instant (ms) and total of the readings that no interval has closed over yet, oldest first."""
        return list(zip(self._at_ms, self._total, strict=True))

    def save(self) -> bytes:
        """The state as bytes; ``restore`` is its inverse."""
        counter = None if self.counter is None else asdict(self.counter)
        factors = self.rules.limits.factors
        head = {
            "counter": counter,
            "open_start_s": self.open_start_s,
            "readings": len(self._at_ms),
            "lives": [[one.from_ms, one.offset, one.epoch] for one in self._lives],
            "watch": self._watch.as_data(),
            "factors": [factors.first, factors.changes],
            "heard_ms": self.heard_ms,
        }
        columns = (
            array("q", self._at_ms),
            array("d", self._total),
            array("d", self._rate),
            array("B", self._quality),
        )
        return json.dumps(head).encode() + b"\n" + b"".join(column.tobytes() for column in columns)

    @classmethod
    def restore(cls, rules: MeterRules, state: bytes) -> "MeterTrack":
        """Make the track that ``save`` told of; also one of a version that knew less."""
        text, _, packed = state.partition(b"\n")
        head = json.loads(text)
        columns: list[list[Any]] = []
        at = 0
        for code, size in (("q", 8), ("d", 8), ("d", 8), ("B", 1)):
            column: array[Any] = array(code)
            column.frombytes(packed[at : at + size * head["readings"]])
            columns.append(column.tolist())
            at += size * head["readings"]
        counter, lives = head["counter"], [Life(*one) for one in head.get("lives", ())]
        if counter is not None:
            doubt, left = counter.pop("doubt"), counter.pop("left")
            counter = CounterState(**counter, doubt=doubt and Doubt(**doubt), left=left and Left(**left))
            lives = lives or [Life(0, counter.offset, counter.epoch)]
        watch = StillWatch.of_data(head["watch"]) if "watch" in head else StillWatch()
        at_ms, total, rate, quality = columns
        track = cls(rules, counter, head["open_start_s"], at_ms, total, rate, quality, lives, watch)
        track.heard_ms = head.get("heard_ms", -1 if counter is None else counter.at_ms)
        return track


def saved_factors(state: bytes) -> Factors:
    """The factors with which a saved state was made: its closed intervals hold them."""
    head = json.loads(state.partition(b"\n")[0])
    first, changes = head.get("factors", (1.0, ()))
    return Factors(first, tuple((at_ms, factor) for at_ms, factor in changes))
