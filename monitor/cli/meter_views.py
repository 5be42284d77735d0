"""``energy-monitor meter list|refusals``: registers with their records, and what was not believed of them."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from config.counters import counter_limits
from config.loading import LoadedSite, load_site
from config.site import MeterSettings
from config.words import say
from monitor.cli.meter import FINE, WRONG_USE, find_meter, instant_ms
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.findings import counts_words, refusal_words
from monitor.store.past import MeterRecord
from monitor.store.reader import StoreReader
from monitor.timestamps import iso_utc, local_text

UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def run_list(path: Path, wanted: str | None, language: str, *, as_json: bool) -> int:
    """Show the meters with their registers; with everything that was written down about them."""
    loaded = load_site(path)
    if wanted is not None and find_meter(loaded, wanted, language) is None:
        return WRONG_USE
    meters = [meter for meter in loaded.site.meters if meter.formula is None and wanted in (None, meter.id)]
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        facts = [_facts(reader, meter, SystemClock().now_ms()) for meter in meters]
    finally:
        reader.close()
    if as_json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(loaded, facts, language)
    return FINE


def _facts(reader: StoreReader, meter: MeterSettings, now_ms: int) -> dict[str, Any]:
    factors = counter_limits(meter, None).factors
    register = reader.past.newest_register(meter.id)
    return {
        "meter": meter.id,
        "counter": meter.counter,
        "factor": factors.at(now_ms),
        "factor_changes": [
            {"at": iso_utc(at_ms), "factor": change.factor, "reason": change.reason}
            for (at_ms, _), change in zip(factors.changes, meter.changes, strict=True)
        ],
        "register": None if register is None else register[1],
        "register_at": None if register is None else iso_utc(register[0]),
        "epoch": None if register is None else register[2],
        "records": [_record(one) for one in reader.past.records(meter.id)],
    }


def _record(one: MeterRecord) -> dict[str, Any]:
    facts = asdict(one)
    at, recorded = iso_utc(facts.pop("at_ms")), iso_utc(facts.pop("recorded_ms"))
    return {**facts, "at": at, "recorded": recorded}


def _show(loaded: LoadedSite, facts: Sequence[dict[str, Any]], language: str) -> None:
    console, zone = Console(), ZoneInfo(loaded.site.site.timezone)
    keys = ("col_meter", "col_register", "col_at", "col_epoch", "col_factor")
    table = _table(*(say(f"meter.{key}", language) for key in keys))
    for meter in facts:
        shown = "-" if meter["register"] is None else f"{meter['register']:,.3f}"
        epoch = "-" if meter["epoch"] is None else str(meter["epoch"])
        table.add_row(
            plain(meter["meter"]), shown, _local(meter["register_at"], zone), epoch, f"{meter['factor']:g}"
        )
    console.print(table)
    for meter in facts:
        for change in meter["factor_changes"]:
            data = {"meter": meter["meter"], "at": _local(change["at"], zone), "reason": change["reason"]}
            text = say("meter.line_factor", language, factor=f"{change['factor']:g}", **data)
            console.print(plain(text), soft_wrap=True)
        for one in meter["records"]:
            style = "" if one["counts"] else "dim"
            console.print(plain(_line(one, zone, language)), style=style, soft_wrap=True)


def _line(one: dict[str, Any], zone: tzinfo, language: str) -> str:
    old = "?" if one["old_final"] is None else f"{one['old_final']:.15g}"
    new = "" if one["new_start"] is None else f"{one['new_start']:.15g}"
    data = {"meter": one["meter"], "at": _local(one["at"], zone), "reason": one["reason"]}
    text = say(f"meter.line_{one['kind']}", language, old=old, new=new, **data)
    if one["serial"]:
        text += say("meter.line_serial", language, serial=one["serial"])
    if one["forced"]:
        text += say("meter.line_forced", language)
    if one["kind"] == "replaced" and not one["counts"]:
        text += say("meter.line_void", language)
    return text


def run_refusals(path: Path, wanted: str, since: str, limit: int, language: str, *, as_json: bool) -> int:
    """List a meter's readings that were refused or doubted, the newest first."""
    loaded = load_site(path)
    zone = ZoneInfo(loaded.site.site.timezone)
    if find_meter(loaded, wanted, language) is None:
        return WRONG_USE
    since_ms = _since_ms(since, zone, SystemClock().now_ms())
    if since_ms is None:
        tell(say("meter.bad_since", language, time=since))
        return WRONG_USE
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        found = reader.past.refusals(wanted, since_ms, limit)
        counts = reader.past.refusal_counts(wanted, since_ms)
    finally:
        reader.close()
    if as_json:
        rows = [{**asdict(one), "at": iso_utc(one.at_ms), "heard": iso_utc(one.heard_ms)} for one in found]
        told = {"meter": wanted, "counts": counts, "refusals": rows}
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
        return FINE
    if not found:
        sys.stdout.write(say("meter.none_refused", language, meter=wanted) + "\n")
        return FINE
    table = _table(*(say(f"meter.{key}", language) for key in ("col_read_at", "col_value", "col_why")))
    for one in found:
        why = plain(refusal_words(one, zone, language))
        table.add_row(local_text(one.at_ms, zone), f"{one.value:,.15g}", why)
    Console().print(table)
    sys.stdout.write(counts_words(counts, language) + "\n")
    return FINE


def _since_ms(text: str, zone: tzinfo, now_ms: int) -> int | None:
    """``90m``, ``24h``, ``7d`` or an instant."""
    ago = re.fullmatch(r"(\d{1,6})([mhd])", text)
    return now_ms - int(ago[1]) * UNITS_MS[ago[2]] if ago else instant_ms(text, zone)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def _local(text: str | None, zone: tzinfo) -> str:
    return "-" if text is None else local_text(instant_ms(text, zone) or 0, zone)
