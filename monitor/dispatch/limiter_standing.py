"""How the limiter stands, as data: what page, ``status`` and ``dr limiter`` show of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rules.demand import DemandWindow
from rules.limiter import Decision

CHANGES = ("wanted", "mode", "missing", "event", "shed", "next", "why")
"""A change of one of these is told at once."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was told, and when.

    Attributes
    ----------
    key : what makes it another standing.
    """

    key: tuple[str, ...]
    data: dict[str, Any]
    at_ms: int = 0


def telling(
    said: Mapping[str, Any], decision: Decision, window: DemandWindow | None, limit_kw: float | None
) -> Told:
    """Put together what is told of a look at the window.

    Parameters
    ----------
    said : of the limiter and its run.
    """
    data = {
        **said,
        "why": decision.why.value,
        "limit_kw": limit_kw,
        "projected_kw": None if window is None else round(window.projected_kw, 1),
        "power_kw": None if window is None else round(window.power_kw, 1),
        "left_s": None if window is None else round(window.left_s),
        "short_kw": round(decision.short_kw, 1),
    }
    return Told(tuple(repr(data[key]) for key in CHANGES), data)
