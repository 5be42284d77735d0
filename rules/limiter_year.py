"""A demand limiter held against a year of a building's load, before it may touch the building.

Minute by minute the limiter decides by what it would have seen; a simple model answers: an action takes its
expected power off, and the heat that is not removed meanwhile warms the rooms and is removed afterwards.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rules.curtailment import Plan
from rules.demand import SECONDS_AN_HOUR, DemandWindow
from rules.limiter import LimiterRules, Part, Standing, Why, after, decide, writes_to_shed

Floats = NDArray[np.float64]

DAY_MS = 86_400_000
CALM_K = 0.01
"""Rooms that are warmer by less than this are as they were."""

BASE_PERCENTILE = 5
"""What the building draws at its quietest: no action takes its power below that."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """All zones as one mass of air, furniture and floors.

    The temperature above what the rooms would have: C dT/dt = cop * (shed - rebound), with
    rebound = C * T / (recovery * cop) while nothing is shed, and 0 before; never more than all actions take
    off, for that is what the plant has to spare. All of the heat that is left behind costs its electricity
    later.

    Attributes
    ----------
    capacity_kwh_per_k : C; heat that warms the rooms by one kelvin. [kWh/K]
    cop : cooling for each unit of electricity that is shed.
    recovery_s : in which the plant brings them back, e-fold. [s]
    comfort_k : warmer than this is discomfort. [K]

    References
    ----------
    .. [1] ISO 13790:2008, table 12: internal heat capacity of a medium building, 165 kJ/K per m2 of floor.
    """

    capacity_kwh_per_k: float
    cop: float = 4.5
    recovery_s: float = 14_400.0
    comfort_k: float = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """A year's load as it was, or as a model has it.

    Attributes
    ----------
    start_s : start of the first window, seconds since 1970 UTC.
    kw : (windows, steps) float64, mean power of each step of each window; NaN = not known. [kW]
    limit_kw : (windows,) float64; NaN = no limit. [kW]
    day : (windows,) int64, local day of each window.
    window_s : length of a window. [s]
    """

    start_s: int
    kw: Floats
    limit_kw: Floats
    day: NDArray[np.int64]
    window_s: int

    @property
    def step_s(self) -> float:
        """Length of a step. [s]"""
        return self.window_s / int(self.kw.shape[1])


@dataclass(slots=True)
class Tally:
    """What one action went through in the year.

    Attributes
    ----------
    starts : how often it was shed; most_starts : the most of a local day.
    shed_s : how long it was shed. [s]
    writes : to its point, shedding and handing back; most_writes : the most within 24 hours.
    """

    starts: int = 0
    most_starts: int = 0
    shed_s: float = 0.0
    writes: int = 0
    most_writes: int = 0
    _of_day: tuple[int, int] = (0, 0)
    _recent_ms: deque[int] = field(default_factory=deque)

    def used(self, now_ms: int) -> int:
        """Writes within the last 24 hours."""
        while self._recent_ms and self._recent_ms[0] <= now_ms - DAY_MS:
            self._recent_ms.popleft()
        return len(self._recent_ms)

    def wrote(self, count: int, now_ms: int) -> None:
        """Count writes."""
        self.writes += count
        self._recent_ms.extend([now_ms] * count)
        self.most_writes = max(self.most_writes, self.used(now_ms))

    def started(self, day: int) -> None:
        """Count a start."""
        self.starts += 1
        self._of_day = (day, self._of_day[1] + 1 if self._of_day[0] == day else 1)
        self.most_starts = max(self.most_starts, self._of_day[1])


@dataclass(slots=True)
class Outcome:
    """What the year would have been.

    Attributes
    ----------
    before_kw, after_kw : (windows,) float64, mean power of each window. [kW]
    discomfort_s : how long the rooms were warmer than comfortable. [s]
    warmest_k : the most that they were warmer. [K]
    dead_man_struck : how often everything had to be handed back because it was shed for so long.
    shed_kwh, rebound_kwh : taken off, and drawn afterwards to cool the rooms again. [kWh]
    """

    before_kw: Floats
    after_kw: Floats
    actions: dict[str, Tally]
    discomfort_s: float = 0.0
    warmest_k: float = 0.0
    dead_man_struck: int = 0
    shed_kwh: float = 0.0
    rebound_kwh: float = 0.0


class _Year:
    """The year as it goes."""

    def __init__(self, plan: Plan, rules: LimiterRules, load: Load, rooms: Rooms | None) -> None:
        self.rules, self.load, self.rooms = rules, load, rooms
        self.parts = tuple(Part(action) for action in plan.actions)
        self.standing = Standing()
        self.warm_k = 0.0
        self.power_kw = math.nan
        self.spare_kw = sum(action.expected_kw for action in plan.actions)
        known = load.kw[np.isfinite(load.kw)]
        self.base_kw = float(np.percentile(known, BASE_PERCENTILE)) if known.size else 0.0
        before_kw = load.kw.mean(axis=1)
        self.outcome = Outcome(before_kw, before_kw.copy(), {p.action.id: Tally() for p in self.parts})

    @property
    def is_calm(self) -> bool:
        """Whether the building is as if there were no limiter."""
        return self.standing.since_ms is None and self.warm_k < CALM_K

    def window(self, at: int) -> None:
        """Go through one window."""
        load, steps = self.load, self.load.kw[at]
        limit_kw = float(load.limit_kw[at])
        passes = bool(np.isnan(steps).any()) or steps.max() > self.rules.shed_share * limit_kw
        if self.is_calm and not passes:
            self.warm_k, self.power_kw = 0.0, float(steps[-1])
            return
        start_s, energy_kws = load.start_s + at * load.window_s, 0.0
        for number, kw in enumerate(steps.tolist()):
            elapsed_s = number * load.step_s
            window = None
            if math.isfinite(energy_kws) and math.isfinite(self.power_kw):
                mean_kw = energy_kws / elapsed_s if number else self.power_kw
                window = DemandWindow(start_s, load.window_s, elapsed_s, mean_kw, self.power_kw)
            self._look(window, limit_kw, round(1000 * (start_s + elapsed_s)), int(load.day[at]))
            self.power_kw = self._answer(kw)
            energy_kws += self.power_kw * load.step_s
        self.outcome.after_kw[at] = energy_kws / load.window_s

    def _look(self, window: DemandWindow | None, limit_kw: float, now_ms: int, day: int) -> None:
        tallies = self.outcome.actions
        limit = limit_kw if math.isfinite(limit_kw) else None
        parts = tuple(replace(part, used=tallies[part.action.id].used(now_ms)) for part in self.parts)
        decision = decide(parts, window, limit, now_ms, self.standing, self.rules)
        self.outcome.dead_man_struck += decision.why is Why.DEAD_MAN and bool(decision.back)
        is_known = window is not None and limit is not None
        self.parts, self.standing = after(parts, decision, self.standing, now_ms, is_known=is_known)
        for part in self.parts:
            tally = tallies[part.action.id]
            if part.action.id == decision.shed:
                tally.started(day)
                tally.wrote(writes_to_shed(part.action), now_ms)
            elif part.action.id in decision.back:
                tally.wrote(1, now_ms)

    def _answer(self, kw: float) -> float:
        """Power of a step with what is shed in it; the rooms follow. [kW]"""
        step_s, outcome = self.load.step_s, self.outcome
        shed = [part.action for part in self.parts if part.is_shed]
        for action in shed:
            outcome.actions[action.id].shed_s += step_s
        expected_kw = sum(action.expected_kw for action in shed)
        shed_kw = min(expected_kw, max(0.0, kw - self.base_kw)) if math.isfinite(kw) else 0.0
        rebound_kw = 0.0 if self.rooms is None else self._warmed(self.rooms, shed_kw, bool(shed))
        hours = step_s / SECONDS_AN_HOUR
        outcome.shed_kwh += shed_kw * hours
        outcome.rebound_kwh += rebound_kw * hours
        return kw - shed_kw + rebound_kw

    def _warmed(self, rooms: Rooms, shed_kw: float, is_shed: bool) -> float:
        """Let the rooms follow for a step; power that cools them again. [kW]"""
        step_s = self.load.step_s
        kwh_per_k = rooms.capacity_kwh_per_k / rooms.cop
        hours = step_s / SECONDS_AN_HOUR
        spare_k = self.spare_kw * hours / kwh_per_k
        gone_k = 0.0 if is_shed else min(spare_k, self.warm_k * -math.expm1(-step_s / rooms.recovery_s))
        self.warm_k += shed_kw * hours / kwh_per_k - gone_k
        self.outcome.warmest_k = max(self.outcome.warmest_k, self.warm_k)
        self.outcome.discomfort_s += step_s if self.warm_k > rooms.comfort_k else 0.0
        return gone_k * kwh_per_k / hours


def simulate(plan: Plan, rules: LimiterRules, load: Load, rooms: Rooms | None) -> Outcome:
    """Go through the year.

    Parameters
    ----------
    rooms : None where nobody knows how big they are: nothing is said of comfort, and no heat comes back.

    Raises
    ------
    ValueError : the arrays do not fit each other.
    """
    if not load.kw.shape[0] == load.limit_kw.shape[0] == load.day.shape[0]:
        raise ValueError("load, limits and days are of different lengths")
    year = _Year(plan, rules, load, rooms)
    for at in range(load.kw.shape[0]):
        year.window(at)
    return year.outcome


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest window of some, before and after; NaN where none is known. [kW]"""

    before_kw: float
    after_kw: float

    @property
    def saved_kw(self) -> float:
        """By what the peak is lower. [kW]"""
        return self.before_kw - self.after_kw


def peaks(outcome: Outcome, groups: Sequence[int]) -> dict[int, Peak]:
    """The peak of each group of windows, as of each month.

    Parameters
    ----------
    groups : (windows,) which group each window is of.
    """
    of = np.asarray(groups)
    return {int(one): _peak(outcome, of == one) for one in np.unique(of)}


def whole_peak(outcome: Outcome) -> Peak:
    """The peak of the year."""
    return _peak(outcome, np.ones(len(outcome.before_kw), dtype=np.bool_))


def _peak(outcome: Outcome, here: NDArray[np.bool_]) -> Peak:
    def highest(kw: Floats) -> float:
        known = kw[here & np.isfinite(kw)]
        return float(known.max()) if known.size else math.nan

    return Peak(highest(outcome.before_kw), highest(outcome.after_kw))
