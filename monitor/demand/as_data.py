"""The demand of a period for programs: what the command line prints and the page's interface answers."""

import math
from datetime import tzinfo
from typing import Any

from monitor.demand.provenance import WindowRow
from monitor.demand.tops import Demand, TopWindow
from monitor.demand.words import note_words
from monitor.timestamps import iso_utc
from rules.quality import Quality


def demand_data(found: Demand, site: str, zone: tzinfo, language: str) -> dict[str, Any]:
    """The whole of it."""
    return {
        "site": site,
        "period": found.period.id,
        "meters": list(found.meters),
        "windows": found.windows,
        "counting": found.counting,
        "expected": found.expected,
        "curve": [
            {"share": share, "kw": None if math.isnan(kw) else kw} for share, kw in found.curve.items()
        ],
        "months": [
            {
                "month": month.month,
                "peaks": {
                    period.key: {"kw": str(peak.kw), "start": iso_utc(peak.start_s * 1000)}
                    for period, peak in month.peaks.items()
                },
                "notes": [{"code": n.code, "text": note_words(n, language, zone)} for n in month.notes],
            }
            for month in found.months
        ],
        "tops": [_top_data(one) for one in found.tops],
    }


def _top_data(one: TopWindow) -> dict[str, Any]:
    return {
        "kw": one.top.kw,
        "start": iso_utc(one.top.start_s * 1000),
        "rows": [row_data(row) for row in one.rows],
        "others": [{"meter": o.meter, "kw": o.kw, "measured": o.is_measured} for o in one.others],
        "chillers": [{"device": o.device, "percent": o.percent} for o in one.chillers],
    }


def row_data(row: WindowRow) -> dict[str, Any]:
    """What a meter showed in a window."""
    return {
        "meter": row.meter,
        "kwh": row.kwh,
        "quality": Quality(row.quality).name.lower(),
        "register_start": row.register_start,
        "register_end": row.register_end,
        "factor": row.factor,
        "revision": row.revision,
    }
