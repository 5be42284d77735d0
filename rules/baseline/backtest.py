"""How honest a baseline is for a building: asked of past days without an event, where the truth is known."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

from rules.baseline.baseline import Occasion, Surroundings, baseline, window_kw
from rules.baseline.load import DailyLoad
from rules.baseline.method import Method
from rules.models.day_types import DayType


@dataclass(frozen=True, slots=True)
class Trial:
    """One past day: what the method says, and what was drawn. [kW]"""

    day: date
    baseline_kw: float
    actual_kw: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """How a method did.

    Attributes
    ----------
    trials : the days on which both figures are known.
    unanswered : days on which the truth is known and the method gives no number.
    mean_kw : mean of what was drawn; None without trials. [kW]
    bias_percent : mean of (baseline - drawn) as a share of ``mean_kw``; above zero the method promises
        curtailment that is none. [%]
    rrmse_percent : root of the mean square of (baseline - drawn) as a share of ``mean_kw``. [%]
    """

    trials: tuple[Trial, ...]
    unanswered: int
    mean_kw: float | None
    bias_percent: float | None
    rrmse_percent: float | None


def trial_days(load: DailyLoad, around: Surroundings) -> list[date]:
    """Workdays without an event: those on which a programme might have called."""
    usable = (around.book.kind == DayType.WORKDAY) & ~around.book.event
    return [load.day_of(int(row)) for row in np.flatnonzero(usable)]


def backtest(
    load: DailyLoad,
    method: Method,
    days: Iterable[date],
    occasion_on: Callable[[date], Occasion],
    around_on: Callable[[date], Surroundings],
) -> Backtest:
    """Ask a method of past days.

    Parameters
    ----------
    days : days without an event.
    occasion_on : the window as it would have been on a day.
    around_on : what is known beside the load, with the contract of that day.
    """
    trials: list[Trial] = []
    unanswered = 0
    for day in days:
        occasion, around = occasion_on(day), around_on(day)
        actual_kw = window_kw(load, occasion, method.statistic, around.zone)
        if actual_kw is None:
            continue
        said = baseline(load, method, occasion, around).kw
        if said is None:
            unanswered += 1
        else:
            trials.append(Trial(day, said, actual_kw))
    return Backtest(tuple(trials), unanswered, *_shares(trials))


def _shares(trials: list[Trial]) -> tuple[float | None, float | None, float | None]:
    if not trials:
        return None, None, None
    actual = np.array([one.actual_kw for one in trials])
    error = np.array([one.baseline_kw for one in trials]) - actual
    mean_kw = float(np.mean(actual))
    if mean_kw <= 0:  # a building that fed power back has no share to speak of
        return mean_kw, None, None
    rmse_kw = math.sqrt(float(np.mean(error**2)))
    return mean_kw, 100 * float(np.mean(error)) / mean_kw, 100 * rmse_kw / mean_kw
