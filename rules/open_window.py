"""The open demand window out of what meters have shown so far, and the alarm that speaks in time.

Nothing is guessed: a window whose readings have a gap, are doubted, do not reach back to its start or are old
is unknown, and an unknown window neither raises an alarm nor ends one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from rules.counters import MS_AN_HOUR
from rules.demand import SECONDS_AN_HOUR, DemandWindow, window_start_s
from rules.factors import Factors
from rules.intervals import Readings
from rules.quality import Quality

SLOPE_OVER_MS = 60_000
"""Without a rate point the power of now is the register's slope over so long."""


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A register of the window: its share of the sum, its readings, and what is fixed about it."""

    share: float
    readings: Readings
    factors: Factors
    max_gap_ms: int


def open_window(parts: Sequence[OpenPart], now_ms: int, duration_s: int) -> DemandWindow | None:
    """The window that is open now, None where a part of it is not measured whole.

    Parameters
    ----------
    parts : every register that it is made of.
    """
    start_ms = window_start_s(now_ms / 1000, duration_s) * 1000
    energy_kwh = power_kw = 0.0
    for part in parts:
        found = _measured(part, start_ms, now_ms)
        if found is None:
            return None
        energy_kwh += part.share * found[0]
        power_kw += part.share * found[1]
    elapsed_s = (now_ms - start_ms) / 1000
    mean_kw = energy_kwh * SECONDS_AN_HOUR / elapsed_s if elapsed_s > 0 else power_kw
    return DemandWindow(start_ms // 1000, duration_s, elapsed_s, mean_kw, power_kw) if parts else None


def _measured(part: OpenPart, start_ms: int, now_ms: int) -> tuple[float, float] | None:
    """Energy since the start [kWh] and power now [kW] of a register; None where it is not measured whole."""
    at_ms, total = part.readings.at_ms, part.readings.total
    before = int(np.searchsorted(at_ms, start_ms, side="right")) - 1
    if before < 0 or not 0 <= now_ms - int(at_ms[-1]) <= part.max_gap_ms:
        return None
    if (np.diff(at_ms[before:]) > part.max_gap_ms).any() or part.readings.quality[
        before:
    ].max() > Quality.GOOD:
        return None
    energy = 0.0
    if before + 1 < len(at_ms):
        share = (start_ms - at_ms[before]) / (at_ms[before + 1] - at_ms[before])
        edge = float(total[before] + share * (total[before + 1] - total[before]))
        later = zip(at_ms[before + 1 :].tolist(), total[before + 1 :].tolist(), strict=True)
        energy = part.factors.metered([(start_ms, edge), *later])
    power = _power(part)
    if power is None:
        return None
    unmeasured_ms = now_ms - max(int(at_ms[-1]), start_ms)
    return energy + power * unmeasured_ms / MS_AN_HOUR, power


def _power(part: OpenPart) -> float | None:
    """Power of now: what the rate point showed last, else the slope of the register."""
    at_ms, total = part.readings.at_ms, part.readings.total
    if np.isfinite(part.readings.rate[-1]):
        return float(part.readings.rate[-1])
    first = int(np.searchsorted(at_ms, at_ms[-1] - SLOPE_OVER_MS))
    if first + 1 >= len(at_ms):
        return None
    points = list(zip(at_ms[first:].tolist(), total[first:].tolist(), strict=True))
    return float(part.factors.metered(points) * MS_AN_HOUR / (points[-1][0] - points[0][0]))


class Level(Enum):
    """How the open window stands against the contract."""

    CALM = "calm"
    NEAR = "near"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class AlarmRules:
    """When the alarm speaks.

    Attributes
    ----------
    near_share : of the limit, from which on the projection is near.
    back_share : of the limit, by which the projection has to fall below a threshold before it is calm again.
    settle_s : so young a window says nothing yet: its mean is that of a moment.
    """

    near_share: float = 0.95
    back_share: float = 0.02
    settle_s: float = 60.0


def next_level(level: Level, window: DemandWindow | None, limit_kw: float, rules: AlarmRules) -> Level:
    """The level after a look at the window; an unknown or very young window changes nothing.

    >>> next_level(Level.CALM, DemandWindow(0, 900, 600, 1050, 1020), 1000, AlarmRules()).value
    'over'
    """
    if window is None or window.elapsed_s < min(rules.settle_s, window.duration_s / 2):
        return level
    projected, back = window.projected_kw, rules.back_share * limit_kw
    over_kw = limit_kw - (back if level is Level.OVER else 0.0)
    near_kw = rules.near_share * limit_kw - (back if level is not Level.CALM else 0.0)
    if projected > over_kw:
        return Level.OVER
    return Level.NEAR if projected > near_kw else Level.CALM
