"""Expected use on the page: the last days against it, the sum since the half-year began, what is asked."""

from collections.abc import Iterator, Mapping
from math import isfinite, nan
from typing import Any

from config.site import Commodity
from monitor.adjusted.expected import CONDITIONS, asked_words
from monitor.adjusted.shown import ExpectedNow, HeldDay, expected_now
from monitor.store.reader import StoreReader
from monitor.store.rows import ConditionRow
from monitor.web.plan import SitePlan
from monitor.web.snapshot import Snapshot
from monitor.web.wording import NO_VALUE, Words, number

Fields = dict[str, Any]

MARGIN = 0.08
"""Of the scale's width, free on both sides."""


class ExpectedWatch:
    """Reads what is known of expected use, anew only when a result or a finding has changed."""

    def __init__(self, plan: SitePlan) -> None:
        self._plan = plan
        self._seen: object = None
        self.told: tuple[ExpectedNow, ...] = ()

    def look(
        self,
        reader: StoreReader,
        results_seq: int | None,
        conditions: Mapping[str, ConditionRow],
        now_ms: int,
    ) -> None:
        """Take up what has changed."""
        asked = [
            (one.device, one.since_ms, str(one.error))
            for name, one in conditions.items()
            if name.startswith(CONDITIONS)
        ]
        seen = (results_seq, asked, now_ms // 3_600_000)
        if seen == self._seen:
            return
        commodities = self._plan.site.commodities
        told = (expected_now(reader, one, self._plan.zone, conditions, now_ms // 1000) for one in commodities)
        self.told = tuple(one for one in told if one is not None)
        self._seen = seen


def expected_fields(snapshot: Snapshot, words: Words) -> Fields:
    """The card of electricity, in one language."""
    one = next((one for one in snapshot.expected if one.commodity is Commodity.ELECTRICITY), None)
    shown: Fields = {
        "s.expected": "none",
        "t.expected_sum": NO_VALUE,
        "t.expected_word": "",
        "t.expected_band": "",
        "t.expected_ask": "",
        "h.expected": [],
    }
    if one is None:
        return shown
    if one.asks and not one.changed:  # what has changed stands above everything else
        shown["t.expected_ask"] = asked_words(one.asks, words.language)
    if not one.days:
        return shown | {"s.expected": "lacking"}
    shown["s.expected"] = "known"
    shown["h.expected"] = list(_rows(one.days, words))
    if isfinite(one.cumulative) and one.since is not None:
        less = one.cumulative < 0
        shown["s.expected"] = "less" if less else "more"
        shown["t.expected_sum"] = number(abs(one.cumulative))
        shown["t.expected_word"] = words("half_less" if less else "half_more")
        since = f"{one.since.month}/{one.since.day}"
        shown["t.expected_band"] = words("expected_band", half=number(one.half_width), since=since)
    return shown


def expected_notices(snapshot: Snapshot, words: Words) -> Iterator[dict[str, str]]:
    """Changes that somebody has to explain."""
    for one in snapshot.expected:
        if one.changed and one.asks is not None:
            yield {"level": "warn", "text": asked_words(one.asks, words.language)}


def _rows(days: tuple[HeldDay, ...], words: Words) -> Iterator[Fields]:
    """Each day's share above or below the expected on one scale, in percents of its width."""
    away = [abs(_away(one, value)) for one in days for value in (one.actual, one.low, one.high)]
    widest = max((one for one in away if isfinite(one)), default=0.0) or 1.0

    for one in reversed(days):

        def place(value: float, one: HeldDay = one) -> float | None:
            share = 0.5 + (0.5 - MARGIN) * _away(one, value) / widest
            return round(100 * share, 2) if isfinite(share) else None

        yield {
            "day": f"{one.day.month}/{one.day.day}",
            "weekday": words(f"weekday_{one.day.isoweekday()}"),
            "low": place(one.low),
            "width": round((place(one.high) or 0.0) - (place(one.low) or 0.0), 2),
            "expected": place(one.expected),
            "actual": place(one.actual),
            "state": _state(one),
            "percent": _percent(one),
            "label": words(
                "expected_day", actual=number(one.actual), expected=number(one.expected),
                low=number(one.low), high=number(one.high),
            ),
        }  # fmt: skip


def _state(one: HeldDay) -> str:
    if not (isfinite(one.actual) and isfinite(one.low)):
        return "unknown"
    return "over" if one.actual > one.high else "under" if one.actual < one.low else "within"


def _away(one: HeldDay, value: float) -> float:
    """Share above (+) or below (-) the expected."""
    return (value - one.expected) / one.expected if one.expected > 0 else nan


def _percent(one: HeldDay) -> str:
    share = _away(one, one.actual)
    return f"{100 * share:+.1f} %" if isfinite(share) else NO_VALUE
