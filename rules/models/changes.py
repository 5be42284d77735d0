"""Whether a building has begun to use otherwise than expected: a step or a drift, since when and how much.

Each day's use is told as its share above or below the expected. What a measure has saved for years is no
news: a change is one against the days before it. Days remember each other, so they are whitened first; then
two charts watch them, day by day as they came:

- the likelihood ratio of a step at any day of the last weeks against a level that has not moved, and
- a two-sided cumulative sum (CUSUM) of days that start their own reference, for what creeps.

Either raises an alarm; a step and a ramp from any day are then held against each other, and the better one is
told. After a change the watch begins anew from its day.

References
----------
.. [1] Lai (1995), Sequential Changepoint Detection in Quality Control and Dynamical Systems, J. R. Statist.
   Soc. B 57, 613-658: the window-limited likelihood ratio.
.. [2] Hawkins (1987), Self-starting Cusum Charts for Location and Scale, The Statistician 36, 299-315.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import nan, sqrt

import numpy as np

from rules.models.observations import Floats, Ints

LARGEST_RHO = 0.9
FEWEST_DAYS = 28
CONSTANT = 1e-9
"""Below this share of their size, what is left of days that are all alike is rounding."""
MEDIAN_OF_NORMAL = 0.6745
"""Half of the values of a normal distribution lie within so many standard deviations."""
TAMING_ROUNDS = 5
ODD_DAY = 3.5
"""More standard deviations than this tell no more: one odd day, as a typhoon's, is no change."""


class ChangeKind(StrEnum):
    """How it began."""

    STEP = "step"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Watch:
    """How closely days are watched.

    With these limits 2 to 3 % of half-years without any change raise an alarm, days that remember each other
    (correlation 0.5) and days that do not alike; ``tests/property/test_changes.py`` holds it.

    Attributes
    ----------
    step_limit : of the likelihood ratio's z.
    cusum_limit : of the cumulative sum, in standard deviations of whitened days.
    slack : what the cumulative sum forgives each day, in the same.
    reference_days : so many known days come before any alarm.
    window_days : a step further back is not looked for.
    fewest_after : so many days are seen of a change before it is told.
    """

    step_limit: float = 4.75
    cusum_limit: float = 17.0
    slack: float = 0.25
    reference_days: int = 28
    window_days: int = 90
    fewest_after: int = 2


DEFAULT_WATCH = Watch()


@dataclass(frozen=True, slots=True)
class Spread:
    """How days of the base year lie about what the model says of them.

    Attributes
    ----------
    sigma : standard deviation of their shares, odd days tamed.
    rho : correlation of a day with the one before it, 0 to 0.9.
    mean : expected of a mean day. [use]
    proportional : chance grows with the expected; else it is the same on all days.
    rms : root mean square of the shares, odd days and all.
    """

    sigma: float
    rho: float
    mean: float
    proportional: bool
    rms: float = nan

    def shares(self, use: Floats, expected: Floats) -> Floats:
        """(n,) how much more than expected, as a share of it, or of a mean day; NaN = missing."""
        return (use - expected) / (expected if self.proportional else self.mean)


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was found.

    Attributes
    ----------
    at : position of its first day.
    found_at : position of the day on which it was seen.
    share : how much more (+) or less (-) is used since, as a share of the expected; of a drift, how much it
        has come to at the last day that was looked at.
    half_width : of ``share``, 90 %.
    """

    kind: ChangeKind
    at: int
    found_at: int
    share: float
    half_width: float


def spread_of(use: Floats, expected: Floats) -> Spread | None:
    """Make the spread of the base year's days; None where nothing varies or too few are known.

    Parameters
    ----------
    use, expected : (n,) by day, NaN = missing.
    """
    known = np.isfinite(use) & np.isfinite(expected) & (expected > 0)
    if known.sum() < FEWEST_DAYS:
        return None
    use, expected = use[known], expected[known]
    away = use - expected
    high = expected > np.median(expected)
    proportional = False
    if high.any():
        # Half-way, in ratios, between chance that is the same and chance that grows with the expected.
        grown = float(expected[high].mean() / expected[~high].mean())
        proportional = bool(_size_of(away[high]) > sqrt(grown) * _size_of(away[~high]))
    mean = float(expected.mean())
    shares = away / (expected if proportional else mean)
    sigma = _size_of(shares)
    if not sigma > 0:
        return None
    tame = np.clip(shares, -ODD_DAY * sigma, ODD_DAY * sigma)
    before, after = tame[:-1] - tame[:-1].mean(), tame[1:] - tame[1:].mean()
    along = sqrt(float(before @ before) * float(after @ after))
    rho = float(before @ after) / along if along > CONSTANT * sigma**2 * len(tame) else 0.0
    rms = float(np.sqrt(np.mean(shares**2)))
    return Spread(sigma, min(max(rho, 0.0), LARGEST_RHO), mean, proportional, rms)


def _size_of(values: Floats) -> float:
    """Root mean square with odd values tamed: a feast day that the calendar lacks is no chance."""
    size = float(np.median(np.abs(values))) / MEDIAN_OF_NORMAL
    for _ in range(TAMING_ROUNDS):
        size = float(np.sqrt(np.mean(np.clip(values, -ODD_DAY * size, ODD_DAY * size) ** 2)))
    return size


def changes(shares: Floats, spread: Spread, watch: Watch = DEFAULT_WATCH) -> tuple[Change, ...]:
    """Find every change, as it would have been found day by day.

    Parameters
    ----------
    shares : (n,) as ``Spread.shares`` has them.
    """
    place = np.flatnonzero(np.isfinite(shares))
    days = shares[place]
    found: list[Change] = []
    begin = 0
    while (alarm := _alarm(days[begin:], spread, watch)) is not None:
        after = begin + alarm
        kind, at = _told(days[begin : after + 1], spread, watch)
        at += begin
        until = min(len(days), at + watch.window_days)
        share, half = _size(days[begin:until], at - begin, kind, spread)
        found.append(Change(kind, int(place[at]), int(place[after]), share, half))
        begin = at if kind is ChangeKind.STEP else after
    return tuple(found)


def whitened(days: Floats, spread: Spread) -> Floats:
    """(n,) what each day tells that the one before did not, in standard deviations."""
    before = np.concatenate([[0.0], days[:-1]])
    return (days - spread.rho * before) / (spread.sigma * sqrt(1.0 - spread.rho**2))


def _tamed(days: Floats, spread: Spread) -> Floats:
    """(n - 1,) whitened days without the first, which has none before it, and none of them too loud."""
    return np.clip(whitened(days, spread)[1:], -ODD_DAY, ODD_DAY)


def _alarm(days: Floats, spread: Spread, watch: Watch) -> int | None:
    """Position of the first day on which either chart is beyond its limit."""
    e = _tamed(days, spread)
    if len(e) <= watch.reference_days:
        return None
    creeping = cusum(e, watch.slack) > watch.cusum_limit
    for last in range(watch.reference_days, len(e)):
        if creeping[last] or _step_z(e[: last + 1], spread.rho, watch)[0].max(initial=0.0) > watch.step_limit:
            return last + 1
    return None


def cusum(e: Floats, slack: float) -> Floats:
    """(n,) the larger of both one-sided cumulative sums of days against the mean of all before them."""
    n = np.arange(len(e), dtype=np.float64)
    mean_before = np.concatenate([[0.0], np.cumsum(e)[:-1]]) / np.maximum(n, 1.0)
    t = np.where(n > 0, np.sqrt(n / (n + 1.0)) * (e - mean_before), 0.0)
    up = down = 0.0
    highest = np.empty(len(e))
    for at, value in enumerate(t.tolist()):
        up, down = max(0.0, up + value - slack), max(0.0, down - value - slack)
        highest[at] = max(up, down)
    return highest


def _step_z(e: Floats, rho: float, watch: Watch) -> tuple[Floats, Ints]:
    """(k,) |z| of a step at each day that may be one, by generalised least squares, and their positions.

    A step is whole on its first day and 1 - rho of itself on the whitened days after.
    """
    n, a = len(e), 1.0 - rho
    first = max(watch.reference_days - 1, n - watch.window_days)
    at = np.arange(first, n - watch.fewest_after + 1)
    total = np.concatenate([[0.0], np.cumsum(e)])
    behind = (n - 1 - at).astype(np.float64)
    with_e = e[at] + a * (total[n] - total[at + 1])
    with_level = a + a * a * behind
    own = 1.0 + a * a * behind
    level = a * a * n
    moved = with_e - with_level * (a * total[n]) / level
    return np.abs(moved) / np.sqrt(own - with_level**2 / level), at


def _told(days: Floats, spread: Spread, watch: Watch) -> tuple[ChangeKind, int]:
    """Step or drift, and the position of its first day: whichever explains the days better."""
    e = _tamed(days, spread)
    z, at = _step_z(e, spread.rho, watch)
    best = int(np.argmax(z))
    step, step_at = float(z[best]), int(at[best])
    starts = np.arange(max(0, len(e) - 2 * watch.window_days), len(e) - watch.reference_days + 1)
    ramps = [_z_of(e, _ramp(len(e), int(start), spread.rho), spread.rho) for start in starts]
    steepest = int(np.argmax(ramps))
    if ramps[steepest] > step:
        return ChangeKind.DRIFT, int(starts[steepest]) + 1
    return ChangeKind.STEP, step_at + 1


def _ramp(n: int, start: int, rho: float) -> Floats:
    rise: Floats = np.maximum(np.arange(n) - start + 1.0, 0.0)
    return rise - rho * np.concatenate([np.zeros(1), rise[:-1]])


def _jump(n: int, at: int, rho: float) -> Floats:
    on: Floats = (np.arange(n) >= at).astype(np.float64)
    return on - rho * np.concatenate([np.zeros(1), on[:-1]])


def _solved(e: Floats, shape: Floats, rho: float) -> tuple[float, float]:
    """Size of a shape beside a level, and its standard error, both in standard deviations."""
    level = np.full(len(e), 1.0 - rho)
    left = shape - level * float(shape @ level) / float(level @ level)
    own = float(left @ left)
    return float(left @ e) / own, 1.0 / sqrt(own)


def _z_of(e: Floats, shape: Floats, rho: float) -> float:
    size, error = _solved(e, shape, rho)
    return abs(size) / error


def _size(days: Floats, at: int, kind: ChangeKind, spread: Spread) -> tuple[float, float]:
    """How large a change is at the last of some days, and half of its 90 % band, as shares."""
    e = whitened(days, spread)[1:]
    unit = spread.sigma * sqrt(1.0 - spread.rho**2)
    if kind is ChangeKind.STEP:
        size, error = _solved(e, _jump(len(e), at - 1, spread.rho), spread.rho)
        grown = 1.0
    else:
        size, error = _solved(e, _ramp(len(e), at - 1, spread.rho), spread.rho)
        grown = float(len(e) - at + 1)
    return size * unit * grown, 1.645 * error * unit * grown
