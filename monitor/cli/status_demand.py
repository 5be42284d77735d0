"""What ``status`` says of the open demand window."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from config.words import say
from monitor.demand.standing import Standing


def window_line(one: Standing, zone: ZoneInfo, language: str) -> str:
    """Elapsed, mean so far, projection, kW to shed and time left, in one line."""
    window = one.window
    edges = (window.start_s, window.start_s + window.duration_s)
    start, end = (f"{datetime.fromtimestamp(at, UTC).astimezone(zone):%H:%M}" for at in edges)
    told = {
        "start": start,
        "end": end,
        "gone": f"{window.elapsed_s / 60:.1f}",
        "left": f"{window.left_s / 60:.1f}",
        "mean": f"{window.mean_kw:,.0f}",
        "projected": f"{window.projected_kw:,.0f}",
    }
    if one.limit_kw is None or one.shed_kw is None:
        return say("demand.window_line", language, **told)
    shed = {"limit": f"{one.limit_kw:,.0f}", "shed": f"{one.shed_kw:,.0f}"}
    return say("demand.window_line_limit", language, **told, **shed)
