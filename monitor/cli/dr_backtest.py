"""``energy-monitor dr backtest``: which baseline is honest for this building."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from config.baseline_presets import Preset
from config.loading import load_site
from config.words import say
from monitor.baselines import LONGEST_LOOKBACK_D
from monitor.cli.dr_asking import Asking, Refused, event_days
from monitor.cli.dr_words import named
from monitor.cli.words import plain, tell
from monitor.store.reader import StoreReader
from rules.baseline.backtest import Backtest, backtest, trial_days
from rules.baseline.baseline import Occasion
from rules.models.day_types import DAY_S

FINE, PROBLEM, WRONG_USE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class BacktestWish:
    """What was typed.

    Attributes
    ----------
    window : ``--from`` and ``--to``: its days are those that are tried, its hours the window of each.
    notice_min : a notice so long before the window.
    """

    window: tuple[str, str]
    presets: Sequence[str]
    meters: Sequence[str]
    events: Path | None
    notice_min: int


def run_backtest(site: Path, wish: BacktestWish, language: str, *, as_json: bool) -> int:
    """Ask presets of past days without an event, the best first.

    Returns
    -------
    0 fine; 1 there is no day to try; 2 wrong use.
    """
    asking = Asking(load_site(site), language)
    try:
        first, last = asking.instant(wish.window[0]), asking.instant(wish.window[1])
        _check(asking, first, last)
        meters = asking.meters(wish.meters)
    except Refused as error:
        tell(error.text)
        return WRONG_USE
    presets = asking.presets(wish.presets)
    span_s = int(first.timestamp()) - (LONGEST_LOOKBACK_D + 2) * DAY_S, int(last.timestamp()) + 2 * DAY_S
    called = event_days(asking.events(wish.events))
    reader = StoreReader.open(asking.loaded.store_path, asking.loaded.site.site.id)
    try:
        found = asking.load(reader, meters, span_s, called)
    finally:
        reader.close()

    def occasion_on(day: date) -> Occasion:
        start, end = (datetime.combine(day, at.time(), tzinfo=asking.zone) for at in (first, last))
        start_s, end_s = int(start.timestamp()), int(end.timestamp())
        return Occasion(start_s, end_s, start_s - 60 * wish.notice_min)

    days = [day for day in trial_days(found.load, found.around) if first.date() <= day <= last.date()]
    around = {day: found.around_on(day) for day in days}
    answers = [
        (one, backtest(found.load, one.method, days, occasion_on, around.__getitem__)) for one in presets
    ]
    ranked = sorted(answers, key=lambda one: (one[1].rrmse_percent is None, one[1].rrmse_percent or 0.0))
    if as_json:
        rows = [_data(preset, one, language) for preset, one in ranked]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(ranked, first, last, language)
    return FINE if any(one.trials for _, one in ranked) else PROBLEM


def _check(asking: Asking, first: datetime, last: datetime) -> None:
    """A window of each day, on full intervals, that ends on the day on which it begins."""
    asking.check_edges(first, last)
    if last.date() < first.date() or last.time() <= first.time():
        raise asking.refuse("dr.no_window_of_days")
    if last.date() - first.date() > timedelta(days=LONGEST_LOOKBACK_D):
        raise asking.refuse("dr.too_many_days", days=LONGEST_LOOKBACK_D)


def _data(preset: Preset, one: Backtest, language: str) -> dict[str, Any]:
    return {
        "preset": preset.id,
        "name": named(preset, language),
        "grade": preset.grade,
        "days": len(one.trials),
        "unanswered": one.unanswered,
        "mean_kw": one.mean_kw,
        "bias_percent": one.bias_percent,
        "rrmse_percent": one.rrmse_percent,
        "trials": [
            {"day": trial.day.isoformat(), "baseline_kw": trial.baseline_kw, "actual_kw": trial.actual_kw}
            for trial in one.trials
        ],
    }


def _show(ranked: Sequence[tuple[Preset, Backtest]], first: datetime, last: datetime, language: str) -> None:
    console = Console()
    window = {"hours": f"{first:%H:%M}–{last:%H:%M}", "first": first.date().isoformat()}
    heading = say("dr.backtest_of", language, **window, last=last.date().isoformat())
    console.print(plain(heading), soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(say("dr.col_preset", language), min_width=max(len(preset.id) for preset, _ in ranked))
    table.add_column(say("dr.col_grade", language))
    for name in ("days", "unanswered", "mean", "bias", "rrmse"):
        table.add_column(say(f"dr.col_{name}", language), justify="right")
    for preset, one in ranked:
        figures = [_shown(value, sign) for value, sign in ((one.bias_percent, "+"), (one.rrmse_percent, ""))]
        mean = "–" if one.mean_kw is None else f"{one.mean_kw:,.1f}"
        counts = (str(len(one.trials)), str(one.unanswered))
        table.add_row(plain(preset.id), preset.grade, *counts, mean, *figures)
    console.print(table)
    console.print(plain(say("dr.backtest_note", language)), soft_wrap=True)


def _shown(percent: float | None, sign: str) -> str:
    return "–" if percent is None else f"{percent:{sign}.2f} %"
