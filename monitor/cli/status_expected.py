"""Expected use in ``status``: the newest day, the sum since the half-year began, and what is asked about."""

from collections.abc import Iterable
from math import isfinite
from typing import Any

from config.words import say
from monitor.adjusted.expected import asked_words
from monitor.adjusted.shown import ExpectedNow


def expected_lines(told: Iterable[ExpectedNow], language: str) -> Iterable[tuple[str, bool]]:
    """Each line, and whether it wants a person."""
    for one in told:
        name = say(f"report.commodity_{one.commodity}", language)
        unit = say(f"report.unit_{one.commodity}", language)
        if one.days and isfinite(one.days[-1].expected):
            last = one.days[-1]
            data: dict[str, Any] = {"name": name, "unit": unit, "day": last.day.isoformat()}
            figures = {n: f"{getattr(last, n):,.0f}" for n in ("expected", "low", "high")}
            key = "status_day" if isfinite(last.actual) else "status_day_unknown"
            actual = f"{last.actual:,.0f}" if isfinite(last.actual) else "?"
            yield say(f"savings.{key}", language, actual=actual, **figures, **data), False
            if one.since is not None and isfinite(one.cumulative):
                total = {"cumulative": f"{one.cumulative:+,.0f}", "half": f"{one.half_width:,.0f}"}
                since = one.since.isoformat()
                yield say("savings.status_since", language, since=since, name=name, unit=unit, **total), False
        if one.asks is not None:
            yield asked_words(one.asks, language), one.changed
