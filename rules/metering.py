"""One meter as it is followed in time: its counter, and the readings that no interval has closed over yet."""

import json
import math
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise

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
from rules.kept import KeptReadings
from rules.quality import Quality
from rules.stuck import StillWatch

REOPEN_MS = 31 * 86_400_000
"""How far back intervals are opened again at the most."""

LONGEST_GAP_MS = 366 * 86_400_000
"""A longer silence is not spread over its intervals: it is a clock that was wrong, or another life."""

STUCK_AFTER_MS = 3_600_000

_COUNTED, _NEW_EPOCH, _SUSPECT = Verdict.COUNTED, Verdict.NEW_EPOCH, int(Quality.SUSPECT)

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
    _kept: KeptReadings = field(default_factory=KeptReadings)
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
        before = self.counter
        if before is None:
            return self._begin(at_ms, raw, rate, quality)
        if self.rules.replacements:
            before = self._replaced_until(before, at_ms)
        after, verdict = advance(before, at_ms, raw, self.rules.limits)
        self.counter = after
        if verdict is _COUNTED and after.moved_at_ms == at_ms:  # a register that goes on as it should
            self._watch.moved()
        else:
            verdict = self._looked_into(before, after, at_ms, verdict)
            if not verdict.believed:
                return verdict
        # What happened between the old and the new register is not known.
        if verdict is _NEW_EPOCH or self._watch.stuck:
            quality = max(quality, _SUSPECT)
        self._keep(after, rate, quality)
        return verdict

    def _begin(self, at_ms: int, raw: float, rate: float, quality: int) -> Verdict:
        """Take the first reading of all."""
        if not countable(raw):
            return Verdict.SPIKE
        self.counter = first_reading(at_ms, raw)
        self.open_start_s = at_ms // 1000 // self.rules.interval_s * self.rules.interval_s
        self._keep(self.counter, rate, quality)
        return Verdict.COUNTED

    def _looked_into(
        self, before: CounterState, after: CounterState, at_ms: int, verdict: Verdict
    ) -> Verdict:
        """What became of a reading that is no plain step forward."""
        if verdict is Verdict.CAUGHT_UP:
            self._stood_still_from(before.moved_at_ms, before.total)
        if verdict is Verdict.LATE and self._kept.holds(at_ms):
            return Verdict.REPEATED
        return self._watched(before, after) or verdict if verdict.believed else verdict

    @property
    def unmetered(self) -> float:
        """What the rate point says has gone by since the register moved last, in the meter's unit."""
        return self._watch.quantity

    def _keep(self, counter: CounterState, rate: float, quality: int) -> None:
        """Keep the reading at which the counter stands now."""
        if not abs(rate) <= RATE_SLACK * self.rules.limits.max_rate:
            rate = math.nan
        life = self._lives[-1] if self._lives else None
        if life is None or life.offset != counter.offset or life.epoch != counter.epoch:
            rolled_over = life is not None and life.epoch == counter.epoch
            from_ms = self._came_to(counter.offset, counter) if rolled_over else counter.at_ms
            self._lives.append(Life(from_ms, counter.offset, counter.epoch))
        self._kept.append(counter.at_ms, counter.raw + counter.offset, rate, quality)

    def _came_to(self, total: float, counter: CounterState) -> int:
        """The first instant with at least this total, by straight line from the last reading to a new one."""
        a_ms, a = self._kept.at_ms[-1], self._kept.total[-1]
        return a_ms + math.ceil((counter.at_ms - a_ms) * (total - a) / (counter.total - a))

    def _replaced_until(self, counter: CounterState, at_ms: int) -> CounterState:
        """Change the register where a person wrote that it was changed, before a reading is taken."""
        for record in self.rules.replacements:
            if counter.at_ms < record.at_ms <= at_ms:
                counter = replaced(counter, record, self.rules.limits)
                self._watch.moved()
                known = record.old_final is not None
                self._keep(counter, math.nan, Quality.GOOD if known else Quality.ESTIMATED)
        return counter

    def _watched(self, before: CounterState, after: CounterState) -> Verdict | None:
        """Hold a register that stands still against its rate; STUCK where it is found so now."""
        if after.moved_at_ms != before.moved_at_ms:
            self._watch.moved()
            return None
        elapsed_ms = after.at_ms - before.at_ms
        if elapsed_ms <= self.rules.max_gap_ms:
            self._watch.stood(elapsed_ms, self._kept.rate[-1])
        if not self._watch.judge(after, self.rules.limits, self.rules.stuck_after_ms):
            return None
        self._told_again += self._watch.doubted()
        return Verdict.STUCK

    def _stood_still_from(self, instant_ms: int, total: float) -> None:
        """Forget what a register showed while it stood still: energy went on, the answers did not.

        Intervals that were closed over it meanwhile are opened again from the first edge after the
        instant, so that what was caught up is spread over them instead of booked to the last one.
        """
        if instant_ms >= self.open_start_s * 1000:
            self._kept.cut(0, self._kept.until(instant_ms))
            return
        length_ms = self.rules.interval_s * 1000
        edge_ms = max(-(-instant_ms // length_ms) * length_ms, self.open_start_s * 1000 - REOPEN_MS)
        edge_ms = min(edge_ms, self.open_start_s * 1000)
        self._kept = KeptReadings([edge_ms], [total], [math.nan], [Quality.GOOD])
        self.open_start_s = edge_ms // 1000

    def close_due(self) -> list[Interval]:
        """Close every interval that a reading stands behind, oldest first.

        An interval ends at the next multiple of the interval's length; it is shorter than that only
        where the length was changed and the old one ended between two multiples of the new.
        """
        at_ms, interval_s = self._kept.at_ms, self.rules.interval_s
        is_due = at_ms and at_ms[-1] >= (self.open_start_s // interval_s + 1) * interval_s * 1000
        if not is_due and not self._told_again:
            return []
        told, self._told_again = self._told_again, []
        return told + self._closed() if is_due else told

    def _closed(self) -> list[Interval]:
        """Close what is due: there is a reading at or after the open interval's end."""
        counter, limits, max_gap_ms = self.counter, self.rules.limits, self.rules.max_gap_ms
        assert counter is not None  # noqa: S101  there is one as soon as a reading is kept
        self._begin_anew_after_a_gap()
        readings = self._kept.as_readings().cut_at_changes(limits.factors, limits.max_rate)
        closed = []
        while self._kept.at_ms[-1] >= (end_s := self._open_end_s()) * 1000:
            start_s, life = self.open_start_s, self._life_at(end_s * 1000)
            one = close_interval(readings, start_s, end_s - start_s, max_gap_ms, life, limits.factors)
            closed += [] if one is None else [one]
            self.open_start_s = end_s
        self._forget_before(self.open_start_s * 1000)
        self._watch.keep(closed, counter.moved_at_ms)
        return closed

    def _life_at(self, instant_ms: int) -> Life:
        """The register that is in force at an instant: the oldest known one for all before it."""
        return next((one for one in reversed(self._lives) if one.from_ms <= instant_ms), self._lives[0])

    def _open_end_s(self) -> int:
        return (self.open_start_s // self.rules.interval_s + 1) * self.rules.interval_s

    def _begin_anew_after_a_gap(self) -> None:
        """Where a gap is longer than anybody would spread by time, book nothing for it: an old clock."""
        at_ms = self._kept.at_ms
        if at_ms[-1] - self.open_start_s * 1000 <= LONGEST_GAP_MS:
            return
        gaps = [b - a for a, b in pairwise([self.open_start_s * 1000, *at_ms])]
        last = max(i for i, gap in enumerate(gaps) if gap == max(gaps))
        self._kept.cut(last)
        self.open_start_s = self._kept.at_ms[0] // 1000 // self.rules.interval_s * self.rules.interval_s

    def _forget_before(self, instant_ms: int) -> None:
        """Drop readings that no later interval needs: all before the last one at or before the instant."""
        self._kept.cut(max(self._kept.until(instant_ms) - 1, 0))
        while len(self._lives) > 1 and self._lives[1].from_ms <= instant_ms:
            del self._lives[0]

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
            and self._kept.is_like(other._kept, shift)
            and repr(self._watch) == repr(other._watch)
        )

    def open_readings(self) -> list[tuple[int, float]]:
        """Instant (ms) and total of the readings that no interval has closed over yet, oldest first."""
        return list(zip(self._kept.at_ms, self._kept.total, strict=True))

    def unclosed(self) -> Readings:
        """The readings that no interval has closed over yet, the last one before them included."""
        return self._kept.as_readings()

    def save(self) -> bytes:
        """The state as bytes; ``restore`` is its inverse."""
        counter = None if self.counter is None else asdict(self.counter)
        factors = self.rules.limits.factors
        head = {
            "counter": counter,
            "open_start_s": self.open_start_s,
            "readings": len(self._kept),
            "lives": [[one.from_ms, one.offset, one.epoch] for one in self._lives],
            "watch": self._watch.as_data(),
            "factors": [factors.first, factors.changes],
            "heard_ms": self.heard_ms,
        }
        return json.dumps(head).encode() + b"\n" + self._kept.as_bytes()

    @classmethod
    def restore(cls, rules: MeterRules, state: bytes) -> "MeterTrack":
        """Make the track that ``save`` told of; also one of a version that knew less."""
        text, _, packed = state.partition(b"\n")
        head = json.loads(text)
        counter, lives = head["counter"], [Life(*one) for one in head.get("lives", ())]
        if counter is not None:
            doubt, left = counter.pop("doubt"), counter.pop("left")
            counter = CounterState(**counter, doubt=doubt and Doubt(**doubt), left=left and Left(**left))
            lives = lives or [Life(0, counter.offset, counter.epoch)]
        watch = StillWatch.of_data(head["watch"]) if "watch" in head else StillWatch()
        kept = KeptReadings.of_bytes(packed, head["readings"])
        track = cls(rules, counter, head["open_start_s"], kept, lives, watch)
        track.heard_ms = head.get("heard_ms", -1 if counter is None else counter.at_ms)
        return track


def saved_factors(state: bytes) -> Factors:
    """The factors with which a saved state was made: its closed intervals hold them."""
    head = json.loads(state.partition(b"\n")[0])
    first, changes = head.get("factors", (1.0, ()))
    return Factors(first, tuple((at_ms, factor) for at_ms, factor in changes))
