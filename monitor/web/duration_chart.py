"""The duration curve of a demand: a Vega-Lite specification, and the rows that fill it."""

import math
from collections.abc import Mapping
from typing import Any

from config.site import Language
from config.words import say
from monitor.web.charts import Rows, Spec, contract_layers, framed, kilowatts
from monitor.web.wording import number


def spec(language: Language, colours: Mapping[str, str]) -> Spec:
    """The curve under the contract's line: demand by the share of the time in which it was passed."""
    share: dict[str, Any] = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "nice": False},
        "axis": {
            "title": say("page.demand_share", language),
            "grid": False,
            "format": ".0%",
            "values": [0, 0.25, 0.5, 0.75, 1],
            "labelFlush": True,
        },
    }
    level, accent = kilowatts("kw", zero=True), colours["accent"]
    layers: list[Spec] = [
        {
            "data": {"name": "curve"},
            "mark": {"type": "area", "color": accent, "opacity": 0.14},
            "encoding": {"x": share, "y": level},
        },
        {
            "data": {"name": "curve"},
            "mark": {"type": "line", "strokeWidth": 2, "color": accent},
            "encoding": {"x": share, "y": level},
        },
        *contract_layers(colours),
        {
            "data": {"name": "curve"},
            "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0, "color": accent},
            "encoding": {"x": share, "tooltip": {"field": "tip"}},
        },
    ]
    made = framed(layers, colours)
    return made | {"padding": {**made["padding"], "bottom": 4}}  # the axis has a title here


def rows(curve: Mapping[float, float], contract_kw: float | None, language: Language) -> Rows:
    """The rows by the names that the specification reads."""
    points = [
        {
            "share": share,
            "kw": round(kw, 1),
            "tip": say("page.demand_tip", language, share=f"{share:.1%}", kw=number(kw)),
        }
        for share, kw in curve.items()
        if math.isfinite(kw)
    ]
    if contract_kw is None:
        return {"curve": points, "contract": []}
    label = say("page.chart_contract", language, kw=number(contract_kw))
    return {"curve": points, "contract": [{"kw": contract_kw, "label": label}]}
