"""A period's expected and actual use by day, and their difference summed up, as SVG or PNG."""

import itertools
from math import isfinite
from typing import Any

import vl_convert

from config.words import say
from monitor.reports.numbers import period_text
from monitor.reports.savings import SavingsAnswer

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
FONT = (
    "'Noto Sans CJK TC', 'Noto Sans TC', 'PingFang TC', 'Microsoft JhengHei', 'Segoe UI', Roboto, sans-serif"
)
INK, MUTED, GRID, ACCENT, BASE = "#16211f", "#5a6866", "#e6eae8", "#0b6f68", "#7b8b88"
WIDTH, HEIGHT, BELOW = 860, 260, 110
PIXELS = 2.0


def drawn(answer: SavingsAnswer, suffix: str) -> bytes:
    """The chart as the bytes of an ``.svg`` or ``.png`` file."""
    spec = specification(answer)
    if suffix == ".svg":
        return str(vl_convert.vegalite_to_svg(spec)).encode()
    return bytes(vl_convert.vegalite_to_png(spec, scale=PIXELS))


def specification(answer: SavingsAnswer) -> dict[str, Any]:
    """The Vega-Lite specification with its rows."""
    language = answer.language
    name = say(f"report.commodity_{answer.commodity}", language)
    unit = say(f"report.unit_{answer.commodity}", language)
    period = period_text(answer.period, language)
    title = say("savings.chart_title", language, site=answer.summary.name, name=name, period=period)
    kinds = {key: say(f"savings.chart_{key}", language) for key in ("actual", "expected", "cumulative")}
    x = {"field": "day", "type": "temporal", "axis": {"title": None, "grid": False, "format": "%m-%d"}}
    y = {"type": "quantitative", "scale": {"zero": False}, "axis": {"title": unit, "format": ",.0f"}}
    colour = {
        "type": "nominal",
        "scale": {"domain": [kinds["actual"], kinds["expected"]], "range": [ACCENT, BASE]},
        "legend": {"title": None, "orient": "top", "labelLimit": 500},
    }
    above = [
        {
            "mark": {"type": "area", "color": BASE, "opacity": 0.18},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        *(
            {
                "mark": {"type": "line", "strokeWidth": 2 if key == "actual" else 1.5},
                "encoding": {"x": x, "y": {**y, "field": key}, "color": {**colour, "datum": kinds[key]}},
            }
            for key in ("expected", "actual")
        ),
    ]
    below = {
        "width": WIDTH,
        "height": BELOW,
        "title": {"text": kinds["cumulative"], "anchor": "start", "fontSize": 12, "color": MUTED},
        "layer": [
            {"mark": {"type": "rule", "color": BASE}, "encoding": {"y": {"datum": 0}}},
            {
                "mark": {"type": "area", "color": ACCENT, "opacity": 0.3, "line": {"color": ACCENT}},
                "encoding": {"x": x, "y": {**y, "field": "cumulative", "scale": {"zero": True}}},
            },
        ],
    }
    return {
        "$schema": SCHEMA,
        "background": "#ffffff",
        "title": {"text": title, "anchor": "start", "color": INK, "fontSize": 16},
        "data": {"values": _rows(answer)},
        "vconcat": [{"width": WIDTH, "height": HEIGHT, "layer": above}, below],
        "config": {
            "font": FONT,
            "view": {"stroke": None},
            "axis": {
                "domain": False,
                "ticks": False,
                "labelColor": MUTED,
                "titleColor": MUTED,
                "gridColor": GRID,
            },
        },
    }


def _rows(answer: SavingsAnswer) -> list[dict[str, Any]]:
    """A row a day: hours are summed up, and a day with an unknown hour is not known."""
    adjusted = answer.adjusted
    rows = zip(
        adjusted.days,
        adjusted.use.tolist(),
        adjusted.expected.tolist(),
        adjusted.half_width.tolist(),
        strict=True,
    )
    told, total = [], 0.0
    for day, of_day in itertools.groupby(rows, key=lambda row: row[0]):
        _, uses, expecteds, halves = zip(*of_day, strict=True)
        use, expected, half = sum(uses), sum(expecteds), sum(halves)
        if isfinite(use - expected):
            total += use - expected
        figures = {
            "actual": use,
            "expected": expected,
            "low": expected - half,
            "high": expected + half,
            "cumulative": total,
        }
        known = {name: round(value, 3) if isfinite(value) else None for name, value in figures.items()}
        told.append({"day": day.isoformat(), **known})
    return told
