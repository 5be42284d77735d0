"""How the open demand window stands, as the daemon writes it down and page and ``status`` read it.

What is older than a minute is of a window that nobody looks at any more: it is not shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.store.rows import ConditionRow
from monitor.timestamps import iso_utc
from rules.demand import DemandWindow
from rules.open_window import Level

CONDITION = "demand/contract"
"""Under this name stands the alarm."""

WINDOW = "demand/window"
"""Under this name stand the figures of the open window; its ``since_ms`` is when they were so."""

STALE_MS = 60_000
CODES = {Level.NEAR: "demand.near", Level.OVER: "demand.over"}

Conditions = Mapping[str, ConditionRow]


@dataclass(frozen=True, slots=True)
class Standing:
    """The open window, the limit that it is held against (None without a contract), and when it was so."""

    window: DemandWindow
    limit_kw: float | None
    at_ms: int

    @property
    def shed_kw(self) -> float | None:
        """What has to go until the window closes to stay within the limit. [kW]"""
        return None if self.limit_kw is None else max(0.0, self.window.shed_kw(self.limit_kw))

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        window = self.window
        return {
            "at": iso_utc(self.at_ms),
            "start": iso_utc(window.start_s * 1000),
            "elapsed_s": window.elapsed_s,
            "left_s": window.left_s,
            "mean_kw": window.mean_kw,
            "power_kw": window.power_kw,
            "projected_kw": window.projected_kw,
            "limit_kw": self.limit_kw,
            "shed_kw": self.shed_kw,
        }


def window_row(window: DemandWindow, limit_kw: float | None, level: Level, now_ms: int) -> ConditionRow:
    """The figures of the open window as a row."""
    data = {
        "start_s": window.start_s,
        "duration_s": window.duration_s,
        "elapsed_s": window.elapsed_s,
        "mean_kw": window.mean_kw,
        "power_kw": window.power_kw,
        "limit_kw": limit_kw,
    }
    return ConditionRow(WINDOW, level.value, now_ms, {"code": "demand.window", "data": data})


def alarm_row(
    window: DemandWindow, limit_kw: float, level: Level, since_ms: int, now_ms: int
) -> ConditionRow:
    """The alarm as a row, with the figures of now; without an error where all is calm."""
    if level is Level.CALM:
        return ConditionRow(CONDITION, level.value, since_ms, None)
    data = {
        "at_ms": now_ms,
        "projected": f"{window.projected_kw:,.0f}",
        "limit": f"{limit_kw:,.0f}",
        "mean": f"{window.mean_kw:,.0f}",
        "shed": f"{max(0.0, window.shed_kw(limit_kw)):,.0f}",
        "left_min": f"{window.left_s / 60:.1f}",
    }
    return ConditionRow(CONDITION, level.value, since_ms, {"code": CODES[level], "data": data})


def alarm_of(conditions: Conditions, now_ms: int) -> ConditionRow | None:
    """How the demand stands against the contract; None where nobody looks, or no longer."""
    row = conditions.get(CONDITION)
    if row is None or row.error is None:
        return row
    return row if abs(now_ms - int(row.error["data"].get("at_ms", 0))) < STALE_MS else None


def standing_of(conditions: Conditions, now_ms: int) -> Standing | None:
    """The open window; None where nobody knows it, or where that is long ago."""
    row = conditions.get(WINDOW)
    if row is None or row.error is None or abs(now_ms - row.since_ms) >= STALE_MS:
        return None
    data = dict(row.error["data"])
    limit_kw = data.pop("limit_kw")
    return Standing(DemandWindow(**data), limit_kw, row.since_ms)
