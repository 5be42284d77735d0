"""The page's charts: Vega-Lite specifications, and the rows that fill them.

Rows go in by name (``today``, ``contract``, ...) so that the browser changes data and never rebuilds a chart.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from monitor.web.halfyear import HalfYear
from monitor.web.snapshot import DayCurve, Snapshot, finite
from monitor.web.wording import NO_VALUE, Words, number

Theme = Literal["light", "dark"]
Spec = dict[str, Any]
Rows = dict[str, list[dict[str, Any]]]

CHARTS = ("power", "window", "half")
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
FONT = (
    "'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans CJK TC', 'Noto Sans TC', 'PingFang TC', "
    "'Microsoft JhengHei', system-ui, sans-serif"
)
# The same colours as the style sheet's; every text reaches 4.5:1 on its ground.
COLOURS: dict[Theme, dict[str, str]] = {
    "light": {"ink": "#16211f", "muted": "#5a6866", "grid": "#e6eae8", "accent": "#0b6f68",
              "contract": "#a8321f", "base": "#7b8b88", "ground": "#ffffff"},
    "dark": {"ink": "#eaf1ef", "muted": "#96a5a2", "grid": "#243230", "accent": "#4fc9bb",
             "contract": "#ff9a80", "base": "#718380", "ground": "#131c1b"},
}  # fmt: skip


def chart(name: str, snapshot: Snapshot, words: Words, theme: Theme) -> Spec:
    """The specification of a chart. KeyError for a name that is not in ``CHARTS``."""
    colours = COLOURS[theme]
    layers = {"power": _today_layers, "window": _window_layers, "half": _half_layers}[name]
    return framed(layers(snapshot, words, colours), colours)


def rows(
    name: str,
    snapshot: Snapshot,
    words: Words,
    curves: tuple[DayCurve | None, DayCurve | None],
    trace: dict[int, float],
) -> Rows:
    """The rows of a chart, by the names that its specification reads."""
    if name == "power":
        return _today_rows(snapshot, curves[0], curves[1], words)
    if name == "window":
        return _window_rows(snapshot, trace, words)
    half = next((half for key, half in snapshot.half_years.items() if key == "electricity"), None)
    return {"months": _half_rows(half, words)}


def framed(layers: list[Spec], colours: Mapping[str, str]) -> Spec:
    """A chart that fills its place, in the page's type and colours."""
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": "container",
        "autosize": {"type": "fit", "contains": "padding"},
        "background": "transparent",
        "padding": {"left": 0, "right": 6, "top": 4, "bottom": 0},
        "layer": layers,
        "config": {
            "font": FONT,
            "view": {"stroke": None},
            "axis": {
                "domain": False,
                "ticks": False,
                "labelColor": colours["muted"],
                "labelFontSize": 12,
                "labelPadding": 8,
                "gridColor": colours["grid"],
                "titleColor": colours["muted"],
                "titleFontWeight": "normal",
            },
            "text": {"font": FONT, "fontSize": 12},
        },
    }


def kilowatts(field: str, zero: bool) -> Spec:
    """The axis of a power."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"zero": True, "nice": True} if zero else {"zero": False, "nice": True, "padding": 24},
        "axis": {"title": None, "tickCount": 5 if zero else 4, "format": ",.0f"},
    }


def contract_layers(colours: Mapping[str, str]) -> list[Spec]:
    """The contract as a line with its name."""
    return [
        {
            "data": {"name": "contract"},
            "mark": {"type": "rule", "color": colours["contract"], "strokeWidth": 1.5, "strokeDash": [5, 4]},
            "encoding": {"y": {"field": "kw", "type": "quantitative"}},
        },
        {
            "data": {"name": "contract"},
            "mark": {"type": "text", "align": "left", "baseline": "bottom", "dx": 4, "dy": -4,
                     "color": colours["contract"]},
            "encoding": {
                "x": {"value": 0},
                "y": {"field": "kw", "type": "quantitative"},
                "text": {"field": "label"},
            },
        },
    ]  # fmt: skip


def _contract_rows(snapshot: Snapshot, words: Words) -> list[dict[str, Any]]:
    if snapshot.contract_kw is None:
        return []
    label = words("chart_contract", kw=number(snapshot.contract_kw))
    return [{"kw": snapshot.contract_kw, "label": label}]


# -- today ----------------------------------------------------------------------------------------------


def _today_layers(snapshot: Snapshot, words: Words, colours: dict[str, str]) -> list[Spec]:
    hours = {
        "field": "h",
        "type": "quantitative",
        "scale": {"domain": [0, 24], "nice": False},
        "axis": {
            "title": None,
            "grid": False,
            "values": list(range(0, 25, 3)),
            "labelExpr": "format(datum.value, '02d') + ':00'",
            "labelFlush": True,
        },
    }
    level = kilowatts("kw", zero=True)
    accent = colours["accent"]
    return [
        {
            "data": {"name": "base"},
            "mark": {"type": "line", "interpolate": "monotone", "strokeWidth": 1.5, "color": colours["base"]},
            "encoding": {"x": hours, "y": level},
        },
        {
            "data": {"name": "today"},
            "mark": {"type": "area", "interpolate": "step-after", "color": accent, "opacity": 0.14},
            "encoding": {"x": hours, "y": level},
        },
        {
            "data": {"name": "today"},
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2, "color": accent},
            "encoding": {"x": hours, "y": level},
        },
        *contract_layers(colours),
        {
            "data": {"name": "highest"},
            "mark": {"type": "point", "filled": True, "size": 64, "color": accent, "opacity": 1,
                     "stroke": colours["ground"], "strokeWidth": 2},
            "encoding": {"x": hours, "y": level},
        },
        {
            "data": {"name": "highest"},
            "mark": {"type": "text", "dy": -12, "color": colours["ink"], "fontWeight": 600},
            "encoding": {"x": hours, "y": level, "text": {"field": "label"}},
        },
        {
            "data": {"name": "today"},
            "mark": {"type": "rule", "strokeWidth": 9, "opacity": 0, "color": accent},
            "encoding": {"x": hours, "tooltip": {"field": "tip"}},
        },
    ]  # fmt: skip


def _today_rows(snapshot: Snapshot, today: DayCurve | None, base: DayCurve | None, words: Words) -> Rows:
    step_h = snapshot.interval_s / 3600
    points: list[dict[str, Any]] = []
    highest = []
    for n, (hour, kw) in enumerate(zip(today.hours, today.mean_kw, strict=True) if today else ()):
        tip = f"{_clock(hour)} – {_clock(hour + step_h)}　{number(kw)} kW"
        points.append({"h": round(hour, 4), "kw": finite(round(kw, 1)), "tip": tip})
        if today is not None and n == today.highest:
            label = words("chart_highest", kw=number(kw))
            highest.append({"h": round(hour + step_h / 2, 4), "kw": round(kw, 1), "label": label})
    known = [n for n, point in enumerate(points) if point["kw"] is not None]
    if known:
        # A step needs its right edge: the last known mean holds until its window closes.
        last = points[known[-1]]
        points = [*points[: known[-1] + 1], {**last, "h": round(last["h"] + step_h, 4)}]
    return {
        "today": points,
        "base": [
            {"h": round(hour + step_h / 2, 4), "kw": round(kw, 1)}
            for hour, kw in (zip(base.hours, base.mean_kw, strict=True) if base else ())
            if math.isfinite(kw)
        ],
        "highest": highest,
        "contract": _contract_rows(snapshot, words),
    }


def _clock(hour: float) -> str:
    minutes = round(hour * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def today_table(today: DayCurve | None, base: DayCurve | None) -> list[tuple[str, str, str]]:
    """The day's figures as text: window, mean, the base year's; for people who do not see the chart."""
    if today is None:
        return []
    told = dict(zip(base.hours, base.mean_kw, strict=True)) if base else {}
    return [
        (_clock(hour), number(kw), number(told[hour]) if hour in told else NO_VALUE)
        for hour, kw in zip(today.hours, today.mean_kw, strict=True)
        if math.isfinite(kw)
    ]


# -- the open window ------------------------------------------------------------------------------------


def _window_layers(snapshot: Snapshot, words: Words, colours: dict[str, str]) -> list[Spec]:
    minutes = snapshot.interval_s / 60
    elapsed = {
        "field": "m",
        "type": "quantitative",
        "scale": {"domain": [0, minutes], "nice": False},
        "axis": {"title": None, "grid": False, "tickCount": 4, "labelFlush": True,
                 "labelExpr": f"datum.value + ' {words('chart_minute')}'"},
    }  # fmt: skip
    level = kilowatts("kw", zero=False)
    accent = colours["accent"]
    return [
        *contract_layers(colours),
        {
            "data": {"name": "power"},
            "mark": {"type": "line", "strokeWidth": 1.25, "color": colours["base"], "interpolate": "linear"},
            "encoding": {"x": elapsed, "y": level},
        },
        {
            "data": {"name": "mean"},
            "mark": {"type": "line", "strokeWidth": 3, "strokeCap": "round", "color": accent},
            "encoding": {"x": elapsed, "y": level},
        },
        {
            "data": {"name": "projection"},
            "mark": {"type": "line", "strokeWidth": 2, "strokeDash": [2, 5], "strokeCap": "round",
                     "color": accent},
            "encoding": {"x": elapsed, "y": level},
        },
        {
            "data": {"name": "end"},
            "mark": {"type": "point", "filled": True, "size": 72, "color": accent, "opacity": 1},
            "encoding": {"x": elapsed, "y": level},
        },
    ]  # fmt: skip


def _window_rows(snapshot: Snapshot, trace: dict[int, float], words: Words) -> Rows:
    start_ms = int(snapshot.now_ms / 1000 // snapshot.interval_s) * snapshot.interval_s * 1000
    power = [
        {"m": round((at - start_ms) / 60_000, 4), "kw": round(kw, 1)}
        for at, kw in trace.items()
        if at >= start_ms
    ]
    shown: Rows = {
        "power": power,
        "mean": [],
        "projection": [],
        "end": [],
        "contract": _contract_rows(snapshot, words),
    }
    if snapshot.window is not None:
        demand = snapshot.window.demand
        now_m, end_m = round(demand.elapsed_s / 60, 4), demand.duration_s / 60
        mean, projected = round(demand.mean_kw, 1), round(demand.projected_kw, 1)
        shown["mean"] = [{"m": 0, "kw": mean}, {"m": now_m, "kw": mean}]
        shown["end"] = [{"m": end_m, "kw": projected}]
        shown["projection"] = [{"m": now_m, "kw": mean}, *shown["end"]]
    return shown


# -- the half-year --------------------------------------------------------------------------------------


def _half_layers(_snapshot: Snapshot, words: Words, colours: dict[str, str]) -> list[Spec]:
    if words.language == "zh-TW":
        label = "datum.value == 0 ? '0' : format(datum.value / 10000, ',.0f') + ' 萬度'"
    else:
        label = "datum.value == 0 ? '0' : format(datum.value / 1000, ',.0f') + ' MWh'"
    return [
        {
            "data": {"name": "months"},
            "mark": {"type": "bar", "cornerRadiusEnd": 2},
            "encoding": {
                "x": {
                    "field": "month",
                    "type": "ordinal",
                    "sort": None,
                    "scale": {"paddingInner": 0.35, "paddingOuter": 0.15},
                    "axis": {"title": None, "labelAngle": 0},
                },
                "xOffset": {"field": "which", "sort": ["base", "actual"]},
                "y": {
                    "field": "kwh",
                    "type": "quantitative",
                    "axis": {"title": None, "tickCount": 3, "labelExpr": label},
                },
                "color": {
                    "field": "which",
                    "type": "nominal",
                    "legend": None,
                    "scale": {
                        "domain": ["base", "actual"],
                        "range": [colours["base"], colours["accent"]],
                    },
                },
                "tooltip": {"field": "tip"},
            },
        }
    ]


def _half_rows(half: HalfYear | None, words: Words) -> list[dict[str, Any]]:
    if half is None:
        return []
    found = []
    for pair in half.months:
        month = words("month", month=pair.month)
        for which, year, value in (
            ("base", half.base_year, pair.base),
            ("actual", half.year, pair.actual),
        ):
            tip = f"{year} / {pair.month}　{number(value)} kWh"
            found.append({"month": month, "which": which, "kwh": finite(value), "tip": tip})
    return found
