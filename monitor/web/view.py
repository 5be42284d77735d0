"""The page's words: a snapshot as flat fields in one language.

The template fills in the same fields that the stream sends when they change:
``r.`` a reading, ``t.`` a text, ``s.`` a state, ``g.`` a gauge, ``h.`` a list, ``c.`` what charts need.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from config.site import Commodity, Language
from config.words import say
from monitor.web.device_view import device_fields, device_name, error_words
from monitor.web.event_view import event_fields, event_notices
from monitor.web.expected_view import expected_fields, expected_notices
from monitor.web.halfyear import HalfYear
from monitor.web.limiter_view import limiter_fields, limiter_notices
from monitor.web.reading import Reading, combined, missing
from monitor.web.snapshot import ChillerState, OpenWindow, Snapshot, finite
from monitor.web.wording import NO_VALUE, Words, finer, number
from rules.demand import DemandWindow
from rules.quality import Quality
from rules.savings import Direction

Fields = dict[str, Any]

NEAR_SHARE = 0.05
"""Headroom under this share of the contract is close."""

RUNNING_KW, RUNNING_PCT = 5.0, 1.0

NEVER_STALE_MS = 2 * 86_400_000
"""The day's maximum stays what it was, all day long."""


def fields(snapshot: Snapshot, language: Language, zone: ZoneInfo) -> Fields:
    """Everything the page shows, in one language."""
    words = Words(language, zone, snapshot.now_ms)
    shown: Fields = {
        "s.page": "waiting" if snapshot.waiting else "live",
        "s.data": "fresh" if snapshot.newest_ms is not None and snapshot.stopped_ms is None else "old",
    }
    shown |= _window(snapshot, words)
    shown |= _power(snapshot, words)
    shown |= _half_years(snapshot, words)
    shown |= _plant(snapshot, words)
    for name, one, decimals in (
        ("flow", snapshot.flow, 1),
        ("water_today", snapshot.water_today, 1),
        ("temperature", snapshot.temperature, 1),
        ("humidity", snapshot.humidity, 0),
        ("wet_bulb", snapshot.wet_bulb, 1),
    ):
        shown[f"r.{name}"] = words.reading(one, decimals)
    shown |= device_fields(snapshot, words)
    shown |= expected_fields(snapshot, words)
    shown |= event_fields(snapshot, words)
    shown |= limiter_fields(snapshot, words)
    shown["h.notices"] = list(_notices(snapshot, words))
    shown["c.point"] = snapshot.power_point
    shown["c.version"] = snapshot.charts_version
    return shown


def _notices(snapshot: Snapshot, words: Words) -> Iterator[dict[str, str]]:
    if snapshot.trouble is not None:
        missing = snapshot.trouble["code"] == "store.missing"
        yield {
            "level": "calm" if missing else "bad",
            "text": say(snapshot.trouble["code"], words.language, **snapshot.trouble["data"]),
        }
    elif snapshot.newest_ms is None:
        yield {"level": "calm", "text": words("waiting_text")}
    if snapshot.stopped_ms is not None:
        since = words.moment(snapshot.stopped_ms, snapshot.now_ms)
        yield {"level": "bad", "text": words("notice_stopped", since=since)}
        return
    window, contract_kw = snapshot.window, snapshot.contract_kw
    if window is not None and contract_kw is not None and window.demand.headroom_kw(contract_kw) < 0:
        # Without figures: who hears the page read aloud is told once, not every second.
        yield {"level": "bad", "text": words("notice_over")}
    elif snapshot.demand_error is not None:
        yield {"level": "warn", "text": error_words(snapshot.demand_error, words)}
    if snapshot.openadr_error is not None:
        yield {"level": "warn", "text": error_words(snapshot.openadr_error, words)}
    if snapshot.clock_error is not None:
        yield {"level": "warn", "text": error_words(snapshot.clock_error, words)}
    for error in snapshot.store_troubles:
        yield {"level": "warn", "text": error_words(error, words)}
    yield from event_notices(snapshot, words)
    yield from limiter_notices(snapshot, words)
    yield from expected_notices(snapshot, words)
    offline = [device.id for device in snapshot.devices if device.condition == "offline"]
    if offline:
        names = words.listed(offline[:6])
        names += " …" if len(offline) > 6 else ""
        yield {"level": "warn", "text": words("notice_offline", count=len(offline), names=names)}
    doubtful = [device for device in snapshot.devices if device.doubtful]
    if doubtful:
        names = words.listed([device_name(device, words) for device in doubtful[:6]])
        names += " …" if len(doubtful) > 6 else ""
        yield {"level": "warn", "text": words("notice_doubtful", count=len(doubtful), names=names)}


# -- the demand window ----------------------------------------------------------------------------------


def window_title(interval_s: int, words: Words) -> str:
    """Name of the demand, by the length of its window."""
    if interval_s == 900:
        return words("window_title")
    if interval_s % 60 == 0:
        return words("window_title_other", minutes=interval_s // 60)
    return words("window_title_s", seconds=interval_s)


def _window(snapshot: Snapshot, words: Words) -> Fields:
    duration_s = snapshot.interval_s
    start_s = int(snapshot.now_ms / 1000 // duration_s) * duration_s
    seconds = duration_s < 60
    span = words(
        "window_span",
        start=words.clock(start_s, seconds),
        end=words.clock(start_s + duration_s, seconds),
    )
    shown: Fields = {
        "t.window_title": window_title(duration_s, words),
        "t.window_span": span,
        "t.window_contract": "" if snapshot.contract_kw is None else number(snapshot.contract_kw),
        "c.window_start": start_s * 1000,
        "c.window_end": (start_s + duration_s) * 1000,
    }
    if snapshot.window is None:
        empty = {
            "used": 0,
            "mean": None,
            "projected": 0,
            "over": 0,
            "contract": None,
            "label": words("window_verdict_no_data"),
        }
        lacks = snapshot.window_lacks
        nothing = words.reading(missing("kW", lacks=lacks), 0)
        verdict = "window_verdict_unknown" if lacks else "window_verdict_no_data"
        return shown | {
            "r.projected": nothing,
            "r.mean": nothing,
            "r.used": words.reading(missing("kWh", lacks=lacks), 0),
            "s.window": "unknown",
            "t.verdict": words(verdict),
            "t.window_margin_label": words("window_headroom"),
            "t.window_margin": NO_VALUE,
            "g.window": empty,
            "c.projected": None,
        }
    return shown | _known_window(snapshot, snapshot.window, words)


def _known_window(snapshot: Snapshot, window: OpenWindow, words: Words) -> Fields:
    demand, contract = window.demand, snapshot.contract_kw
    state, verdict = _verdict(window, contract, words)
    # Without a meter nobody knows how much is left; that it is too much already holds all the same.
    unknown = contract is None or (window.reading.lacks and state != "over")
    margin = math.nan if contract is None or unknown else demand.headroom_kw(contract)
    return {
        "r.projected": words.reading(_as_power(window.reading, demand.projected_kw), 0),
        "r.mean": words.reading(_as_power(window.reading, demand.mean_kw), 0),
        "r.used": words.reading(
            replace(window.reading, value=demand.energy_kwh), finer(demand.energy_kwh, 100)
        ),
        "s.window": state,
        "t.verdict": verdict,
        "t.window_margin_label": words("window_over" if margin < 0 else "window_headroom"),
        "t.window_margin": number(abs(margin)),
        "g.window": _gauge(demand, contract, words),
        "c.projected": [round(demand.mean_kw, 1), round(demand.projected_kw, 1), round(demand.power_kw, 1)],
    }


def _as_power(reading: Reading, value: float) -> Reading:
    return replace(reading, value=value, unit="kW")


def _verdict(window: OpenWindow, contract_kw: float | None, words: Words) -> tuple[str, str]:
    if contract_kw is None:
        return "free", words("window_verdict_no_contract")
    headroom_kw = window.demand.headroom_kw(contract_kw)
    if headroom_kw < 0:
        return "over", _over(window, contract_kw, words)
    if window.reading.lacks:
        return "partial", words("window_verdict_partial")
    if headroom_kw < NEAR_SHARE * contract_kw:
        return "near", words("window_verdict_near", kw=number(headroom_kw))
    return "ok", words("window_verdict_ok", kw=number(headroom_kw))


def _over(window: OpenWindow, contract_kw: float, words: Words) -> str:
    demand = window.demand
    shed_kw, over = demand.shed_kw(contract_kw), number(-demand.headroom_kw(contract_kw))
    if window.reading.lacks:
        return words("window_verdict_over_partial", over=over)
    # Near the end the sum asks for more than there is to take off.
    if not math.isfinite(shed_kw) or shed_kw > demand.power_kw:
        return words("window_verdict_over_late", over=over)
    return words("window_verdict_over", over=over, shed=number(shed_kw))


def _gauge(demand: DemandWindow, contract_kw: float | None, words: Words) -> Fields:
    """Shares of the bar: used so far grows, as the window goes on, up to the projection."""
    mean_kw, projected_kw = demand.mean_kw, demand.projected_kw
    full = max((contract_kw or 0.0) * 1.15, projected_kw * 1.08, mean_kw * 1.08, 1.0)

    def percent(value: float) -> float:
        return round(min(100.0, max(0.0, value / full * 100)), 2)

    figures = {"mean": number(mean_kw), "projected": number(projected_kw)}
    if contract_kw is None:
        label = words("window_gauge_label", **figures)
    else:
        label = words("window_gauge_label_contract", **figures, contract=number(contract_kw))
    return {
        "used": percent(mean_kw * demand.elapsed_s / demand.duration_s),
        "mean": percent(mean_kw),
        "projected": percent(projected_kw),
        "over": 0 if contract_kw is None else percent(projected_kw - contract_kw),
        "contract": None if contract_kw is None else percent(contract_kw),
        "label": label,
    }


def _power(snapshot: Snapshot, words: Words) -> Fields:
    share, highest, reading = "", "", Reading(math.nan, "kW", Quality.MISSING)
    if snapshot.contract_kw and snapshot.power.whole:
        percent = number(snapshot.power.value / snapshot.contract_kw * 100)
        share = words("power_share", percent=percent)
    curve = snapshot.today_curve
    if curve is not None and curve.highest is not None:
        hour = curve.hours[curve.highest]
        at = f"{int(hour):02d}:{round(hour % 1 * 60):02d}"
        kw = curve.mean_kw[curve.highest]
        highest = words("today_highest", kw=number(kw), at=at)
        reading = Reading(kw, "kW", curve.highest_quality, curve.highest_ms, NEVER_STALE_MS)
    return {
        "r.power": words.reading(snapshot.power, finer(snapshot.power.value, 100)),
        "r.today": words.reading(snapshot.today, finer(snapshot.today.value, 1000)),
        "t.power_share": share,
        "t.today_highest": highest,
        "r.highest": words.reading(reading, 0),
    }


# -- half-years -----------------------------------------------------------------------------------------


def _half_years(snapshot: Snapshot, words: Words) -> Fields:
    shown: Fields = {}
    half = snapshot.half_years.get(Commodity.ELECTRICITY)
    shown |= {f"{kind}.half{name}": text for (kind, name), text in _half(half, words).items()}
    water = snapshot.half_years.get(Commodity.WATER)
    shown |= {f"{kind}.half_water{name}": text for (kind, name), text in _half(water, words).items()}
    return shown


_DIRECTIONS = {Direction.DECREASE: "less", Direction.INCREASE: "more", Direction.UNCHANGED: "same"}


def _half(half: HalfYear | None, words: Words) -> dict[tuple[str, str], str]:
    told = {
        ("t", ""): NO_VALUE,
        ("t", "_word"): "",
        ("t", "_pair"): "",
        ("t", "_days"): "",
        ("s", ""): "none",
    }
    if half is None:
        return told | {("t", "_against"): words("half_no_year")}
    told["t", "_against"] = words("half_against", year=half.base_year)
    if half.days == 0:
        return told | {("t", "_days"): words("half_first_day")}
    if half.compared == 0 or half.change.percent is None:
        key = "half_no_base" if not half.base_known else "half_no_common"
        return told | {
            ("t", "_days"): words(key, **({"year": half.base_year} if key == "half_no_base" else {}))
        }
    days = words(
        "half_days",
        first=f"{half.first.month}/{half.first.day}",
        last=f"{half.last.month}/{half.last.day}",
        compared=half.compared,
        days=half.days,
    )
    if half.estimated:
        days += ("；" if words.language == "zh-TW" else "; ") + words("half_spread")
    direction = half.change.direction or Direction.UNCHANGED
    return told | {
        ("t", ""): f"{half.change.percent:,}",
        ("t", "_word"): words(f"half_{_DIRECTIONS[direction]}"),
        ("t", "_pair"): words("half_pair", actual=f"{half.actual:,}", base=f"{half.base:,}"),
        ("t", "_days"): days,
        ("s", ""): _DIRECTIONS[direction],
    }


# -- chillers and devices -------------------------------------------------------------------------------


def _plant(snapshot: Snapshot, words: Words) -> Fields:
    plant = snapshot.plant
    if plant is None:
        return {"s.plant": "none"}
    offline = {device.id for device in snapshot.devices if device.condition == "offline"}
    states = {one.device: _state(one, one.device in offline, snapshot.now_ms) for one in plant.chillers}
    told = list(states.values())
    unknown = sum(state in ("unknown", "offline") for state in told)
    key = "plant_running_some" if unknown else "plant_running"
    counts = {"running": told.count("yes"), "all": len(told)} | ({"unknown": unknown} if unknown else {})
    shown: Fields = {
        "s.plant": "known" if plant.kw_per_rt.known else "unknown",
        "r.kw_per_rt": words.reading(plant.kw_per_rt, 3),
        "r.plant_power": words.reading(plant.power, finer(plant.power.value, 100)),
        "r.tons": words.reading(plant.tons, 0),
        "t.plant_running": words(key, **counts),
    }
    for chiller in plant.chillers:
        fields_ = _chiller(chiller, states[chiller.device], words)
        shown |= {f"{kind}.chiller-{chiller.device}{name}": one for (kind, name), one in fields_.items()}
    return shown


def _state(chiller: ChillerState, offline: bool, now_ms: int) -> str:
    """Whether a chiller runs, by what is known of now: old values say nothing about it."""
    fresh = [
        one.value > least
        for one, least in ((chiller.power, RUNNING_KW), (chiller.load_pct, RUNNING_PCT))
        if one.known and not one.is_stale(now_ms)
    ]
    if any(fresh):
        return "yes"
    if offline:
        return "offline"
    return "no" if fresh else "unknown"


def _chiller(chiller: ChillerState, state: str, words: Words) -> dict[tuple[str, str], Any]:
    load = chiller.load_pct
    supply, back = number(chiller.supply_c.value, 1), number(chiller.return_c.value, 1)
    temps = combined([chiller.supply_c, chiller.return_c], "degC", max)
    shown = temps.known and state != "no"
    return {
        ("s", ""): state,
        ("b", ""): finite(round(min(load.value, 100.0))) if load.known else 0,
        ("t", "-load"): _load(load.value, state, words),
        ("t", "-temps"): words("chiller_temps", supply=supply, back=back) if shown else "",
        ("r", "-load"): words.reading(load, 0),
        ("r", "-power"): words.reading(chiller.power, 0),
        ("r", "-temps"): words.reading(temps, 1),
    }


def _load(load_pct: float, state: str, words: Words) -> str:
    if state != "yes":
        return words({"no": "chiller_off", "offline": "condition_offline"}.get(state, "chiller_unknown"))
    if not math.isfinite(load_pct):
        return words("chiller_no_load")
    return words("chiller_load", percent=number(load_pct))
