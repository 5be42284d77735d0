"""Expected use as page and ``status`` show it: the last days, the sum of the half-year, what to ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import isfinite, nan
from typing import Any
from zoneinfo import ZoneInfo

from config.site import COMMODITY_UNITS, Commodity
from monitor.adjusted.expected import CONDITIONS, EXPECTED
from monitor.store.changed import ChangedResult
from monitor.store.reader import StoreReader
from monitor.store.rows import ConditionRow
from rules.calendar import half_year_of

WEEK_S = 7 * 86_400
DAY_S = 86_400
STILL_NEWS_S = 4 * DAY_S
"""A newest day that is older than this says nothing of now: the meter or the weather is missing."""


@dataclass(frozen=True, slots=True)
class HeldDay:
    """One day against the expected; NaN = not known. [unit]"""

    day: date
    actual: float
    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ExpectedNow:
    """How a commodity goes.

    Attributes
    ----------
    days : the last seven that are over, oldest first.
    since : first day of the half-year that ``cumulative`` is of.
    cumulative, half_width : actual minus expected since then, and half of its band; NaN = not known. [unit]
    asks : {code, data} of a change that is asked about, or of why there is no expectation; None when quiet.
    changed : whether ``asks`` wants a person.
    """

    commodity: Commodity
    unit: str
    days: tuple[HeldDay, ...]
    since: date | None
    cumulative: float
    half_width: float
    asks: dict[str, Any] | None
    changed: bool

    def as_data(self) -> dict[str, Any]:
        """As plain texts and numbers; null is not known."""
        return {
            "commodity": self.commodity.value,
            "unit": self.unit,
            "days": [
                {"day": one.day.isoformat(), **{n: _known(getattr(one, n)) for n in _FIGURES}}
                for one in self.days
            ],
            "since": self.since.isoformat() if self.since else None,
            "cumulative": _known(self.cumulative),
            "half_width": _known(self.half_width),
            "asks": self.asks,
            "changed": self.changed,
        }


_FIGURES = ("actual", "expected", "low", "high")


def expected_now(
    reader: StoreReader,
    commodity: Commodity,
    zone: ZoneInfo,
    conditions: Mapping[str, ConditionRow],
    now_s: int,
) -> ExpectedNow | None:
    """How a commodity goes; None where nothing was ever expected of it."""
    row = conditions.get(f"{CONDITIONS}{commodity}")
    newest = reader.newest_result(EXPECTED, commodity)
    if newest is None or newest.at_s < now_s - STILL_NEWS_S:
        rows: list[ChangedResult] = []
    else:
        rows = reader.expected.results(
            EXPECTED, commodity, newest.at_s - WEEK_S + DAY_S // 2, newest.at_s + 1
        )
    asks = row.error if row else None
    if not rows and asks is None:
        return None
    days = tuple(_held(one, zone) for one in rows)
    last = rows[-1].data if rows else {}
    return ExpectedNow(
        commodity,
        COMMODITY_UNITS[commodity],
        days,
        half_year_of(days[-1].day).start if days else None,
        last.get("cumulative", nan),
        last.get("cumulative_half_width", nan),
        asks,
        bool(row and row.condition == "changed"),
    )


def _held(row: ChangedResult, zone: ZoneInfo) -> HeldDay:
    day = datetime.fromtimestamp(row.at_s, UTC).astimezone(zone).date()
    return HeldDay(day, *(row.data.get(name, nan) for name in _FIGURES))


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
