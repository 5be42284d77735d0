"""Working an event's money out again from its record: baseline, what was drawn, energy, credit."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from monitor.baselines import together
from monitor.event_bundle import METHOD, PROGRAMME
from rules.baseline.baseline import Occasion, Surroundings, baseline_again, window_kw
from rules.baseline.days import day_book
from rules.baseline.load import DailyLoad, daily_load
from rules.intervals import IntervalSeries
from rules.quality import Quality
from rules.settlement.money import measured
from rules.settlement.settle import Delivered, settle_event
from rules.settlement.terms import Called, Terms

Fault = tuple[str, dict[str, Any]]

SLACK_KW = 1e-6


def sums_again(content: Mapping[str, Any]) -> list[Fault]:
    """What of a settlement does not follow from the record's own intervals."""
    settled = content["settlement"]
    if settled is None:
        return []
    told, rests_on = settled["detail"], settled["baseline"]
    if rests_on["method"] is None or settled["text"] is None:
        return [("dispatch.bundle_not_again", {})]
    zone, programme = ZoneInfo(content["zone"]), PROGRAMME.validate_python(settled["text"])
    load = _load(rests_on["intervals"], content["interval_s"], zone)
    start, end = (datetime.fromisoformat(told[key]) for key in ("start", "end"))
    called = Called(start, end, _instant(told["notice"]))
    occasion = Occasion(
        int(called.start.timestamp()),
        int(called.end.timestamp()),
        None if called.notice is None else int(called.notice.timestamp()),
    )
    around = Surroundings(day_book(load, {}, set()), zone, rests_on["contract_kw"])
    days = [date.fromisoformat(one["day"]) for one in rests_on["days"]]
    baseline_kw = baseline_again(load, METHOD.validate_python(rests_on["method"]), occasion, around, days)
    drawn_kw = window_kw(load, occasion, programme.statistic, zone)
    found = [
        *_differs("baseline", baseline_kw, rests_on["kw"]),
        *_differs("drawn", drawn_kw, told["drawn_kw"]),
    ]
    if baseline_kw is None or drawn_kw is None:
        return found
    agreed = {key: _decimal(told["terms"][key]) for key in ("committed_kw", "bid", "minimum_kw")}
    terms = Terms(**agreed, notice_min=told["terms"]["notice_min"])
    kw = measured(baseline_kw), measured(drawn_kw)
    whole_hours = Decimal(told["called_hours"])
    delivered = Delivered(*kw, called.hours, called.on_the_day, called_hours=whole_hours)
    again = settle_event(programme, terms, delivered)
    credit = None if again.amount is None else f"{again.amount:f}"
    if credit != settled["credit"] or told["credit"] != settled["credit"]:
        found.append(("dispatch.bundle_credit", {"told": settled["credit"], "found": credit or "-"}))
    found += _differs("kwh", float(again.kwh), settled["kwh"])
    return found


def _differs(what: str, found: float | None, told: float) -> list[Fault]:
    if found is not None and abs(found - told) <= SLACK_KW * max(1.0, abs(told)):
        return []
    return [
        (f"dispatch.bundle_{what}", {"told": f"{told:g}", "found": "-" if found is None else f"{found:g}"})
    ]


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _load(rows: Mapping[str, Sequence[Mapping[str, Any]]], interval_s: int, zone: ZoneInfo) -> DailyLoad:
    """The meters' demand together, as it was when it was settled."""
    return daily_load(*together([_series(one) for one in rows.values()], interval_s), interval_s, zone)


def _series(rows: Sequence[Mapping[str, Any]]) -> IntervalSeries:
    """A meter's intervals as the store gives them; of power beside them the record says nothing."""
    unknown = np.full(len(rows), np.nan)
    return IntervalSeries(
        start=np.array([row["start"].removesuffix("Z") for row in rows], dtype="datetime64[s]"),
        duration_s=np.array([row["duration_s"] for row in rows], dtype=np.int64),
        quantity=np.array([row["kwh"] for row in rows], dtype=np.float64),
        coverage=np.array([row["coverage"] for row in rows], dtype=np.float64),
        quality=np.array([Quality[row["quality"].upper()] for row in rows], dtype=np.uint8),
        rate_avg=unknown,
        rate_max=unknown,
        caught_up=np.array([row["caught_up"] for row in rows], dtype=np.bool_),
    )
