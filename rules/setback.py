"""A meter whose readings' times were set back: nothing that the register counted is lost or counted twice.

What was closed ahead of the new time is told again as it passes; all that was counted meanwhile belongs to
the one interval in which the clock was set: energy of which nobody knows the quarter of an hour, and no peak.
"""

import math
from dataclasses import replace

from rules.counters import CounterState, Life
from rules.intervals import Interval
from rules.kept import KeptReadings
from rules.metering import MeterTrack
from rules.quality import Quality


def reopened_s(track: MeterTrack, by_ms: int) -> int:
    """Start of the interval in which a meter's last reading lies by the new time, seconds since 1970 UTC."""
    counter = _counter(track)
    return (counter.at_ms - by_ms) // 1000 // track.rules.interval_s * track.rules.interval_s


def is_ahead(track: MeterTrack, now_ms: int) -> bool:
    """Whether a meter has readings of after the new time; one that carries its own time has none."""
    return track.counter is not None and track.counter.at_ms > now_ms


def gathers_longer(track: MeterTrack, by_ms: int) -> None:
    """A meter without readings ahead of the new time: its next step has gathered for longer than times tell.

    Parameters
    ----------
    by_ms : how far times were set back; more, where the register may have gathered unseen.
    """
    if track.counter is not None:
        track.counter = replace(track.counter, moved_from_ms=track.counter.moved_from_ms - by_ms)


def set_back(track: MeterTrack, by_ms: int, closed: float, *, unseen_ms: int = 0) -> MeterTrack:
    """The meter as it goes on from the new time.

    Parameters
    ----------
    track : a meter with readings ahead of the new time.
    by_ms : how far times were set back.
    closed : sum of the quantities of its intervals that begin at ``reopened_s`` or later.
    unseen_ms : how long the register may have gathered before its next reading, beyond what times tell.
    """
    counter, interval_s = _counter(track), track.rules.interval_s
    start_ms = reopened_s(track, by_ms) * 1000
    # After the interval's first instant: its beginning is not known, so that it is energy and no peak.
    first_ms = start_ms + 1
    last_ms = max(counter.at_ms - by_ms, first_ms + 1)
    base = _total_at(track, track.open_start_s * 1000) - closed / track.rules.limits.factors.at(first_ms)
    moved = replace(
        counter,
        at_ms=last_ms,
        moved_from_ms=min(counter.moved_from_ms - by_ms, last_ms) - unseen_ms,
        moved_at_ms=min(counter.moved_at_ms - by_ms, last_ms),
        doubt=None,
        left=counter.left and replace(counter.left, at_ms=counter.left.at_ms - by_ms),
    )
    doubtful = int(Quality.SUSPECT)
    return MeterTrack(
        track.rules,
        moved,
        start_ms // 1000 // interval_s * interval_s,
        KeptReadings(
            [first_ms, last_ms],
            [min(base, counter.total), counter.total],
            [math.nan, math.nan],
            [doubtful, doubtful],
        ),
        [Life(first_ms, counter.offset, counter.epoch)],
    )


def untold(start_s: int, duration_s: int) -> Interval:
    """An interval ahead of the new time: what was told of it is taken back until it is told again."""
    unknown = math.nan
    return Interval(
        start_s=start_s,
        duration_s=duration_s,
        quantity=0.0,
        coverage=0.0,
        quality=Quality.MISSING,
        rate_avg=unknown,
        rate_max=unknown,
        rate_min=unknown,
        caught_up=True,
        register_start=unknown,
        register_end=unknown,
        epoch=0,
    )


def _counter(track: MeterTrack) -> CounterState:
    if track.counter is None:
        raise AssertionError("a meter that was never read has no time to set back")
    return track.counter


def _total_at(track: MeterTrack, instant_ms: int) -> float:
    """The register without resets at an instant, by straight line; the nearest reading's outside of them."""
    readings = track.open_readings()
    before = [one for one in readings if one[0] <= instant_ms] or readings[:1]
    after = [one for one in readings if one[0] >= instant_ms] or readings[-1:]
    (a_ms, a), (b_ms, b) = before[-1], after[0]
    return a if b_ms <= a_ms else a + (b - a) * (instant_ms - a_ms) / (b_ms - a_ms)
