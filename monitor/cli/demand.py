"""``energy-monitor demand``: the highest windows of a period, what ran then, each tariff period's peak."""

import json
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from config.loading import LoadedSite, load_site
from config.words import preferred_language, say
from monitor.cli.billing import FINE, PROBLEM, WRONG_USE, WrongUseError, chosen_language, meters_of, refused
from monitor.cli.words import plain, wide_console
from monitor.demand.as_data import demand_data
from monitor.demand.tops import Demand, demand_of
from monitor.demand.words import note_words, period_words
from monitor.store.reader import StoreReader
from monitor.timestamps import local_text
from rules.calendar import PeriodError, reporting_period

SHOWN_OTHERS = 6


def run_demand(
    path: Path, period: str, meter: str | None, count: int, language: str | None, *, as_json: bool
) -> int:
    """Print the demand of a period.

    Returns
    -------
    0 fine; 1 no window of it can be a demand; 2 wrong use or configuration.
    """
    loaded = load_site(path)
    words = chosen_language(language, loaded)
    try:
        meters, wanted = meters_of(loaded, meter, words), reporting_period(period)
    except WrongUseError as error:
        return refused(error)
    except PeriodError as error:
        sys.stderr.write(say(error.code, language or preferred_language(), **error.data) + "\n")
        return WRONG_USE
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        found = demand_of(loaded, reader, meters, wanted, count)
    finally:
        reader.close()
    if as_json:
        data = demand_data(found, loaded.site.site.id, ZoneInfo(loaded.site.site.timezone), words)
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    elif not found.tops:
        sys.stderr.write(say("demand.none", words, period=_named(found, words)) + "\n")
    else:
        _show(found, loaded, words)
    return FINE if found.tops else PROBLEM


def _named(found: Demand, words: str) -> str:
    return found.period.id if words == "en" else found.period.roc


def _meter_name(loaded: LoadedSite, meter: str, words: str) -> str:
    one = next((one for one in loaded.site.meters if one.id == meter), None)
    return meter if one is None else one.name.in_language("en" if words == "en" else "zh-TW")


# -- for people -------------------------------------------------------------------------------------------


def _show(found: Demand, loaded: LoadedSite, words: str) -> None:
    console, zone = wide_console(), ZoneInfo(loaded.site.site.timezone)
    comma = say("config.comma", words)
    meters = comma.join(_meter_name(loaded, meter, words) for meter in found.meters)
    console.print(plain(say("demand.title", words, period=_named(found, words), meters=meters)), style="bold")
    counts = {"counting": f"{found.counting:,}", "expected": f"{found.expected:,}"}
    console.print(plain(say("demand.windows", words, **counts)))
    for month in found.months:
        texts = [
            say(
                "demand.period_peak",
                words,
                period=period_words(period.key, words),
                kw=f"{peak.kw:,.1f}",
                at=_at(peak.start_s, zone),
            )
            for period, peak in month.peaks.items()
        ]
        texts += [note_words(note, words, zone) for note in month.notes]
        if texts:  # a month to come has nothing to tell
            console.print(plain(f"{month.month}: {comma.join(texts)}"))
    console.print(plain(say("demand.curve", words)), style="bold")
    curve = [f"{share:.0%} {kw:,.0f} kW" for share, kw in found.curve.items()]
    console.print(plain("  " + comma.join(curve)))
    console.print(plain(say("demand.tops", words)), style="bold")
    console.print(_table(found, loaded, zone, words))
    _show_rows(console, found, loaded, words)


def _table(found: Demand, loaded: LoadedSite, zone: ZoneInfo, words: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for key, justify in (("rank", "right"), ("kw", "right"), ("start", "left"), ("others", "left")):
        table.add_column(say(f"demand.col_{key}", words), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for rank, one in enumerate(found.tops, 1):
        others = say("config.comma", words).join(
            f"{_meter_name(loaded, other.meter, words)} {other.kw:,.0f}{'' if other.is_measured else ' ?'}"
            for other in one.others[:SHOWN_OTHERS]
        )
        loads = [f"{chiller.device} {chiller.percent:.0f} %" for chiller in one.chillers]
        others = say("config.comma", words).join([*([others] if others else []), *loads])
        table.add_row(str(rank), f"{one.top.kw:,.1f}", _at(one.top.start_s, zone), plain(others or "-"))
    return table


def _show_rows(console: Console, found: Demand, loaded: LoadedSite, words: str) -> None:
    """What the highest window stands on."""
    for row in found.tops[0].rows:
        registers = {"start": _figure(row.register_start), "end": _figure(row.register_end)}
        quality = say(f"cli.quality_{row.quality.name.lower()}", words)
        name = _meter_name(loaded, row.meter, words)
        facts = {"meter": f"{name} [{row.meter}]", "factor": f"{row.factor:g}", "quality": quality}
        key = "stands_on_import" if row.register_start is None else "stands_on"
        console.print(plain(say(f"demand.{key}", words, **registers, **facts)), style="dim")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.3f}"


def _at(start_s: int, zone: ZoneInfo) -> str:
    return local_text(start_s * 1000, zone)[:16]
