"""Counters: which readings of a register are believed, and how they add up over rollovers and resets.

The register is the truth. What is refused is never lost: the raw reading stays in its scan, and the
verdict says why it was not counted.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from rules.factors import Factors

CONFIRMATIONS = 3
"""Readings in a row, consistent with each other, before a lower or far higher register is a new epoch.

A single 0 between two good readings is a spurious answer; three that count on from each other are a
replaced or reset meter.
"""

FLOAT32_SLACK = 2.0**-22
"""Relative resolution of a float32 register (two steps): it moves in jumps, and that is not a spike."""

UNSEEN_MS = 3_600_000
"""How long a register may have gathered its first step before anybody looked: a coarse one moves seldom."""

MS_AN_HOUR = 3_600_000

NEAR_THE_END = 0.1
"""A register rolls over from the last tenth of its range, or from an hour at full power before its end."""

BEYOND = 2.0**50
"""No register of a building counts so far, and above it a number holds no tenths: bits gone wrong."""

NO_CHANGE = Factors()


class Verdict(StrEnum):
    """What became of a reading."""

    COUNTED = "counted"
    CAUGHT_UP = "caught_up"
    ROLLED_OVER = "rolled_over"
    NEW_EPOCH = "new_epoch"
    REPEATED = "repeated"
    LATE = "late"
    BACKWARD = "backward"
    SPIKE = "spike"
    STUCK = "stuck"

    @property
    def believed(self) -> bool:
        """Whether the reading advanced the counter."""
        return self is not _REPEATED and self is not _LATE and self is not _BACKWARD and self is not _SPIKE


_COUNTED, _REPEATED, _LATE = Verdict.COUNTED, Verdict.REPEATED, Verdict.LATE
_BACKWARD, _SPIKE = Verdict.BACKWARD, Verdict.SPIKE


@dataclass(frozen=True, slots=True)
class CounterLimits:
    """What is physically possible for one counter.

    Attributes
    ----------
    max_rate : the most that is metered, in its unit an hour (kW for kWh, m3/h for m3): factors included.
    rolls_over_at : modulus of the register as it is shown, or None.
    factors : what the register's advance is multiplied by.
    """

    max_rate: float
    rolls_over_at: float | None = None
    factors: Factors = NO_CHANGE


@dataclass(frozen=True, slots=True)
class Doubt:
    """Readings that were not believed and agree with each other: perhaps a register of its own.

    ``first_raw`` is where they began; ``at_ms`` and ``raw`` are the last of ``count``.
    """

    first_raw: float
    at_ms: int
    raw: float
    count: int


@dataclass(frozen=True, slots=True)
class Left:
    """The register of the epoch before, as it was left; it may have been away for a while only."""

    at_ms: int
    raw: float
    offset: float


@dataclass(slots=True)  # one a reading: frozen costs five times as much to make
class CounterState:
    """A counter after its last believed reading. It is never changed: the next reading makes another.

    Attributes
    ----------
    at_ms, raw : that reading.
    offset : total = raw + offset. The total never goes back; rollovers and epochs move the offset. Both
        are as the register shows it: factors are no part of them.
    epoch : 0 at first, +1 at each reset or replacement.
    moved_from_ms : the last instant at which the register still showed its previous value; a step may
        have gathered since then.
    moved_at_ms : the first instant at which it showed the present one.
    resolution : the smallest step seen; infinite before the first.
    doubt : what was not believed since; None when the last reading was.
    left : the epoch before this one, if there was one.
    """

    at_ms: int
    raw: float
    offset: float = 0.0
    epoch: int = 0
    moved_from_ms: int = 0
    moved_at_ms: int = 0
    resolution: float = math.inf
    doubt: Doubt | None = None
    left: Left | None = None

    @property
    def total(self) -> float:
        """The register without rollovers and resets, as it is shown."""
        return self.raw + self.offset


@dataclass(frozen=True, slots=True)
class Life:
    """How a total is told as a register from an instant on: what the display shows is total - offset."""

    from_ms: int
    offset: float
    epoch: int


@dataclass(frozen=True, slots=True)
class Replacement:
    """A person's record that a register was replaced, or set back (the same with a new start).

    Attributes
    ----------
    at_ms : the instant.
    old_final, new_start : what the old and the new display showed then, in the register's unit; without
        ``old_final`` nothing is known of what came after the last believed reading.
    """

    at_ms: int
    old_final: float | None
    new_start: float


def countable(raw: float) -> bool:
    """Whether a register can show such a number at all; if not, it never begins or ends an epoch."""
    return abs(raw) < BEYOND


def first_reading(at_ms: int, raw: float) -> CounterState:
    """Start a counter: its total is what the register shows."""
    return CounterState(at_ms=at_ms, raw=raw, moved_from_ms=at_ms - UNSEEN_MS, moved_at_ms=at_ms)


def advance(
    state: CounterState, at_ms: int, raw: float, limits: CounterLimits
) -> tuple[CounterState, Verdict]:
    """Take one more reading of a register.

    Parameters
    ----------
    state : after the last believed reading.
    at_ms, raw : the new reading; ``raw`` finite, in the counter's unit.

    Returns
    -------
    The state to go on with, and what became of the reading. Every believed step lies within
    ``max_rate`` times the time in which it can have gathered; CAUGHT_UP means that it is more than can
    have gathered since the reading before: the readings between showed a register that stood still.
    """
    if at_ms <= state.at_ms:
        return state, _REPEATED if at_ms == state.at_ms else _LATE
    if state.doubt is not None and at_ms == state.doubt.at_ms:
        return state, _REPEATED
    if not countable(raw):
        return state, _SPIKE
    step = raw - state.raw
    if step == 0:
        return _stood(state, at_ms), _COUNTED
    if step < 0 and _near_the_end(state, at_ms, limits):
        step += limits.rolls_over_at or 0.0
    if step > 0:
        # What can have gathered since the last reading can have gathered since the last move all the more.
        at_once = step <= _bound(limits, state.at_ms, at_ms, state, raw)
        if at_once or step <= _bound(limits, state.moved_from_ms, at_ms, state, raw):
            return _moved(state, at_ms, raw, step, limits, at_once)
    return _doubted(state, at_ms, raw, limits)


def _bound(limits: CounterLimits, from_ms: int, to_ms: int, state: CounterState, raw: float) -> float:
    """The most that a register can show to have gathered between two instants: it shows whole steps only."""
    grain = state.resolution
    if grain == math.inf:
        grain = 0.0
    return limits.factors.most(limits.max_rate, from_ms, to_ms) + grain + abs(raw) * FLOAT32_SLACK


def _near_the_end(state: CounterState, at_ms: int, limits: CounterLimits) -> bool:
    """Whether a register stands where it may roll over: elsewhere going back is a reset, however long ago."""
    modulus = limits.rolls_over_at
    if modulus is None:
        return False
    an_hour_at_most = min(at_ms, state.at_ms + MS_AN_HOUR)
    within_reach = limits.factors.most(limits.max_rate, state.at_ms, an_hour_at_most)
    return modulus - state.raw <= max(NEAR_THE_END * modulus, within_reach)


def _stood(state: CounterState, at_ms: int) -> CounterState:
    return CounterState(
        at_ms,
        state.raw,
        state.offset,
        state.epoch,
        state.moved_from_ms,
        state.moved_at_ms,
        state.resolution,
        None,
        state.left,
    )


def _moved(
    state: CounterState, at_ms: int, raw: float, step: float, limits: CounterLimits, at_once: bool
) -> tuple[CounterState, Verdict]:
    offset = state.offset
    # Before its first step nothing is known of a register's grain.
    verdict = _COUNTED if at_once or state.resolution == math.inf else Verdict.CAUGHT_UP
    if raw < state.raw:
        offset += limits.rolls_over_at or 0.0
        verdict = Verdict.ROLLED_OVER
    finest = min(step, state.resolution)
    moved = CounterState(at_ms, raw, offset, state.epoch, state.at_ms, at_ms, finest, None, state.left)
    return moved, verdict


def _doubted(
    state: CounterState, at_ms: int, raw: float, limits: CounterLimits
) -> tuple[CounterState, Verdict]:
    """Refuse a reading, unless it is the epoch before that is back, or enough others say the same."""
    back = _returned(state, at_ms, raw, limits)
    if back is not None:
        return back, Verdict.NEW_EPOCH
    doubt = Doubt(raw, at_ms, raw, 1)
    known = state.doubt
    if known is not None and at_ms > known.at_ms:
        step = raw - known.raw
        if 0 <= step <= _bound(limits, known.at_ms, at_ms, state, raw):
            doubt = Doubt(known.first_raw, at_ms, raw, known.count + 1)
    if doubt.count >= CONFIRMATIONS:
        return _new_epoch(state, at_ms, raw, raw - doubt.first_raw), Verdict.NEW_EPOCH
    return replace(state, doubt=doubt), Verdict.BACKWARD if raw < state.raw else Verdict.SPIKE


def _new_epoch(state: CounterState, at_ms: int, raw: float, known: float) -> CounterState:
    """Another register goes on from here.

    What it counted since its first reading is ``known``; what came between the old register's last
    reading and that is not, and counts as nothing: a dated record of the replacement can add it.
    """
    return CounterState(
        at_ms=at_ms,
        raw=raw,
        offset=state.total + known - raw,
        epoch=state.epoch + 1,
        moved_from_ms=at_ms - UNSEEN_MS,
        moved_at_ms=at_ms,
        left=Left(state.at_ms, state.raw, state.offset),
    )


def fits_between(before: CounterState, raw: float, after: float) -> bool:
    """Whether a reading that came late can lie between the one before it and the one after it.

    Where the register went on from the one to the other it must lie between them: else its time is wrong,
    as that of a device whose clock was set back. Where the register went back there is no telling.
    """
    return after < before.raw or before.raw <= raw <= after


def replaced(state: CounterState, record: Replacement, limits: CounterLimits) -> CounterState:
    """The counter after a replacement that somebody wrote down: another register goes on from its start.

    The old register is taken to have come to its final reading at that instant, rolled over if it must;
    one below the last believed reading takes nothing back.
    """
    step = 0.0 if record.old_final is None else record.old_final - state.raw
    if step < 0 and _near_the_end(state, record.at_ms, limits):
        step += limits.rolls_over_at or 0.0
    return CounterState(
        at_ms=record.at_ms,
        raw=record.new_start,
        offset=state.total + max(0.0, step) - record.new_start,
        epoch=state.epoch + 1,
        moved_from_ms=record.at_ms - UNSEEN_MS,
        moved_at_ms=record.at_ms,
    )


def _returned(state: CounterState, at_ms: int, raw: float, limits: CounterLimits) -> CounterState | None:
    """The state when a reading goes on from the epoch before this one: that register was only away."""
    left = state.left
    if left is None or raw < left.raw or raw + left.offset < state.total:
        return None
    if raw - left.raw > _bound(limits, left.at_ms, at_ms, state, raw):
        return None
    return CounterState(
        at_ms=at_ms,
        raw=raw,
        offset=left.offset,
        epoch=state.epoch + 1,
        moved_from_ms=at_ms - UNSEEN_MS,
        moved_at_ms=at_ms,
    )
