"""``energy-monitor dr baseline``: what would have been drawn in a window, and which days say so."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from config.baseline_presets import Preset
from config.loading import load_site
from config.words import say
from monitor.baselines import SiteLoad, as_data, preset_baseline
from monitor.cli.dr_asking import Asking, Refused, Window, event_days
from monitor.cli.dr_words import (
    day_text,
    doubts,
    finding_data,
    finding_text,
    kw_text,
    left_out_text,
    named,
    span_text,
)
from monitor.cli.words import plain, tell
from monitor.event_words import number
from monitor.store.reader import StoreReader
from rules.baseline.adjusting import Adjusted
from rules.baseline.baseline import Baseline, window_kw
from rules.baseline.method import AdjustmentKind

FINE, PROBLEM, WRONG_USE = 0, 1, 2


def run_baseline(
    site: Path,
    said: tuple[str, str, str | None],
    wanted: Sequence[str],
    meters: Sequence[str],
    events: Path | None,
    language: str,
    *,
    as_json: bool,
) -> int:
    """Work presets out for a window.

    Parameters
    ----------
    said : ``--from``, ``--to`` and ``--notice`` as they were typed.
    wanted : presets; none means all of the product's.

    Returns
    -------
    0 fine; 1 no preset gives a number; 2 wrong use.
    """
    asking = Asking(load_site(site), language)
    try:
        window, of = asking.window(*said), asking.meters(meters)
    except Refused as error:
        tell(error.text)
        return WRONG_USE
    presets = asking.presets(wanted)
    days = event_days(asking.events(events))
    reader = StoreReader.open(asking.loaded.store_path, asking.loaded.site.site.id)
    try:
        found = asking.load_around(reader, of, [window.occasion], presets, days)
    finally:
        reader.close()
    answers = [(preset, _answer(preset, window, found)) for preset in presets]
    if as_json:
        rows = [_data(preset, one, found, window, language) for preset, one in answers]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(asking, answers, found, window)
    return FINE if any(one.kw is not None for _, one in answers) else PROBLEM


def _answer(preset: Preset, window: Window, found: SiteLoad) -> Baseline:
    return preset_baseline(preset, found, window.occasion, window.start.date())


def _drawn(preset: Preset, window: Window, found: SiteLoad) -> float | None:
    return window_kw(found.load, window.occasion, preset.method.statistic, found.around.zone)


def _data(preset: Preset, one: Baseline, found: SiteLoad, window: Window, language: str) -> dict[str, Any]:
    drawn_kw = _drawn(preset, window, found)
    return {
        "preset": preset.id,
        "name": named(preset, language),
        "grade": preset.grade,
        "unverified": list(preset.unverified[language]),
        "digest": preset.digest,
        "meters": list(found.meters),
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "notice": None if window.notice is None else window.notice.isoformat(),
        "statistic": str(preset.method.statistic),
        "drawn_kw": drawn_kw,
        "curtailed_kw": None if drawn_kw is None or one.kw is None else one.kw - drawn_kw,
        "unverified_off_peak_years": list(found.unverified_years),
        **as_data(one),
        "findings": [finding_data(finding, language) for finding in one.findings],
    }


def _show(
    asking: Asking, answers: Sequence[tuple[Preset, Baseline]], found: SiteLoad, window: Window
) -> None:
    language, console = asking.language, Console()
    data = {"meters": ", ".join(found.meters), "window": span_text(window.start, window.end)}
    console.print(plain(say("dr.baseline_of", language, **data)), soft_wrap=True)
    for preset, one in answers:
        console.print()
        for line in _lines(preset, one, _drawn(preset, window, found), found, language):
            console.print(plain(line), soft_wrap=True)


def _lines(
    preset: Preset, one: Baseline, drawn_kw: float | None, found: SiteLoad, language: str
) -> list[str]:
    def told(key: str, **data: object) -> str:
        return "  " + say(f"dr.{key}", language, **data)

    lines = [f"{preset.id}: {kw_text(one.kw, language)}  ({named(preset, language)})"]
    if one.unadjusted_kw is not None and one.unadjusted_kw != one.kw:
        lines.append(told("line_unadjusted", kw=kw_text(one.unadjusted_kw, language)))
    if one.adjusted is not None and one.adjusted.amount is not None:
        lines.append(told("line_adjusted", **_adjusted_facts(one.adjusted, language)))
    if drawn_kw is not None:
        lines.append(told(f"line_drawn_{preset.method.statistic}", kw=kw_text(drawn_kw, language)))
        if one.kw is not None:
            lines.append(told("line_difference", kw=kw_text(one.kw - drawn_kw, language)))
    if one.days:
        used = ", ".join(f"{day_text(day.day, language)} {number(day.kw, 1)}" for day in one.days)
        lines.append(told("line_days", days=used))
    if one.left_out:
        out = ", ".join(
            f"{day_text(day.day, language)} {left_out_text(day, language)}" for day in one.left_out
        )
        lines.append(told("line_left_out", days=out))
    lines += [f"  {finding_text(finding, language)}" for finding in one.findings]
    lines += [f"  {text}" for text in doubts(preset, language)]
    doubtful = [str(year) for year in found.unverified_years if any(d.day.year == year for d in one.days)]
    if doubtful:
        lines.append(told("unverified_off_peak", years=", ".join(doubtful)))
    return lines


def _adjusted_facts(adjusted: Adjusted, language: str) -> dict[str, str]:
    amount = adjusted.amount or 0.0
    ratio = adjusted.kind is AdjustmentKind.MULTIPLICATIVE
    shown = f"× {number(amount, 6)}" if ratio else f"{'+' if amount >= 0 else '−'} {number(abs(amount))} kW"
    return {
        "event_day": kw_text(adjusted.event_day_kw, language),
        "days": kw_text(adjusted.days_kw, language),
        "amount": shown,
    }
