"""``energy-monitor status``: how daemon, devices, meters and sinks are doing, from the store alone."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.loading import LoadedSite, load_site
from config.sinks import SinkSettings
from config.site import MeterSettings
from config.words import say
from monitor.adjusted.shown import ExpectedNow, expected_now
from monitor.cli.dr_limiter_views import limiter_lines
from monitor.cli.status_demand import window_line
from monitor.cli.status_devices import counts_lines, device_facts, doubts_lines, newest_scans, unread_meters
from monitor.cli.status_events import needs_attention, show_event, show_openadr
from monitor.cli.status_expected import expected_lines
from monitor.cli.words import plain
from monitor.clock import SystemClock
from monitor.demand.standing import Standing, alarm_of, standing_of
from monitor.event_watch import standings_of
from monitor.findings import Finding, PointDoubt, counts_words, meter_findings, refusal_words
from monitor.limiter_watch import limiter_facts, limiter_wants_somebody
from monitor.sinks.lanes import pending
from monitor.store.care.told import store_troubles
from monitor.store.database import WriterLock
from monitor.store.openadr import CONDITION as OPENADR
from monitor.store.past import Refusal
from monitor.store.reader import StoreReader
from monitor.store.rows import ConditionRow
from monitor.timekeeping import CONDITION as CLOCK
from monitor.timestamps import iso_utc, local_text
from monitor.virtual import store_key
from rules.quality import Quality

DAY_MS = 86_400_000


def run_status(path: Path, language: str, *, as_json: bool, now_ms: int | None = None) -> int:
    """Show. Exit code 0 when all is well, 1 when something needs a person, or nothing can be said."""
    loaded = load_site(path)
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        facts = _facts(loaded, reader, SystemClock().now_ms() if now_ms is None else now_ms)
    finally:
        reader.close()
    if as_json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2, default=_as_data) + "\n")
    else:
        _show(facts, loaded, language)
    return 1 if facts["attention"] else 0


def _as_data(found: Finding | PointDoubt | ExpectedNow | Standing) -> dict[str, Any]:
    return found.as_data()


def _facts(loaded: LoadedSite, reader: StoreReader, now_ms: int) -> dict[str, Any]:
    pid = WriterLock(loaded.store_path).holder()
    conditions = {row.device: row for row in reader.conditions()}
    newest = newest_scans(reader)
    devices = device_facts(loaded, reader, conditions, newest)
    silent = unread_meters(loaded, reader, conditions, newest)
    meters = [
        _meter(reader, meter.id, now_ms, silent.get(meter.id)) | _virtual(meter, conditions)
        for meter in loaded.site.meters
    ]
    sinks = [_sink(reader, sink, conditions.get(f"sink/{sink.id}")) for sink in loaded.site.sinks]
    clock = conditions.get(CLOCK)
    store = store_troubles(reader, conditions.values(), loaded.store_path, now_ms)
    expected = _expected(loaded, reader, conditions, now_ms)
    events = standings_of(loaded, loaded.store_path, now_ms)
    limiter = limiter_facts(loaded, reader.events, now_ms)
    demand, window = alarm_of(conditions, now_ms), standing_of(conditions, now_ms)
    openadr = _openadr(loaded, conditions)
    attention = (
        pid is None
        or bool(store)
        or (clock is not None and clock.error is not None)
        or any(device["condition"] != "online" or device["doubts"] for device in devices)
        or any(meter.get("error") or meter["findings"] for meter in meters)
        or any(sink["dead_letters"] or sink["state"] not in ("ok", None) for sink in sinks)
        or any(one.changed for one in expected)
        or any(needs_attention(event) for event in events)
        or limiter_wants_somebody(limiter)
        or (demand is not None and demand.error is not None)
        or (openadr is not None and openadr["error"] is not None)
    )
    return {
        "site": loaded.site.site.id,
        "at": iso_utc(now_ms),
        "daemon_pid": pid,
        "store": store,
        "clock": {"standing": clock.condition, "error": clock.error} if clock else None,
        "demand": _demand(demand),
        "window": window,
        "openadr": openadr,
        "devices": devices,
        "meters": meters,
        "sinks": sinks,
        "expected": expected,
        "events": events,
        "limiter": limiter,
        "attention": attention,
    }


def _demand(row: ConditionRow | None) -> dict[str, Any] | None:
    """How the demand stands against the contract; None before the daemon has looked."""
    if row is None:
        return None
    return {"standing": row.condition, "since": iso_utc(row.since_ms), "error": row.error}


def _openadr(loaded: LoadedSite, conditions: dict[str, ConditionRow]) -> dict[str, Any] | None:
    """How the connection to the VTN is doing; None where there is none."""
    if loaded.site.curtailment.openadr is None:
        return None
    row = conditions.get(OPENADR)
    if row is None:
        return {"state": "waiting", "since": None, "error": None}
    return {"state": row.condition, "since": iso_utc(row.since_ms), "error": row.error}


def _expected(
    loaded: LoadedSite, reader: StoreReader, conditions: dict[str, ConditionRow], now_ms: int
) -> list[ExpectedNow]:
    zone, now_s = ZoneInfo(loaded.site.site.timezone), now_ms // 1000
    told = (expected_now(reader, one, zone, conditions, now_s) for one in loaded.site.commodities)
    return [one for one in told if one is not None]


def _meter(reader: StoreReader, meter: str, now_ms: int, silent: Finding | None) -> dict[str, Any]:
    span, day_ms = reader.interval_span(meter), now_ms - DAY_MS
    counts = reader.past.refusal_counts(meter, day_ms)
    facts: dict[str, Any] = {
        "meter": meter,
        "refused_24h": sum(counts.values()),
        "verdicts_24h": counts,
        "findings": meter_findings(reader.past, meter, now_ms, counts)
        or ([] if silent is None else [silent]),
        "last_refusal": None,
        "last_interval": None,
    }
    if counts:
        (last_refusal,) = reader.past.refusals(meter, day_ms, 1)
        facts["last_refusal"] = asdict(last_refusal)
    if span is not None:
        last = reader.intervals(meter, span[1] - 3600, span[1])
        facts["last_interval"] = {
            "start": iso_utc(int(last.start[-1].astype("int64")) * 1000),
            "quantity": float(last.quantity[-1]),
            "coverage": float(last.coverage[-1]),
            "quality": Quality(int(last.quality[-1])).name.lower(),
        }
    return facts


def _virtual(meter: MeterSettings, conditions: dict[str, ConditionRow]) -> dict[str, Any]:
    """What only a virtual meter has: its formula, and who it waits for."""
    if meter.formula is None:
        return {}
    row = conditions.get(store_key(meter.id))
    waits = row is not None and row.error is not None
    return {
        "formula": meter.formula,
        "since": iso_utc(row.since_ms) if row and waits else None,
        "error": row.error if row else None,
    }


def _sink(reader: StoreReader, sink: SinkSettings, row: ConditionRow | None) -> dict[str, Any]:
    return {
        "sink": sink.id,
        "state": row.condition if row else None,
        "since": iso_utc(row.since_ms) if row else None,
        "error": row.error if row else None,
        "behind": pending(reader, sink.id, sink.streams()),
        "dead_letters": reader.dead_letter_count(sink.id),
    }


def _no_number(pid: int | None, language: str) -> str:
    return say("cli.daemon_down" if pid is None else "cli.daemon_untold", language)


def _show(facts: dict[str, Any], loaded: LoadedSite, language: str) -> None:
    console = Console()
    zone = ZoneInfo(loaded.site.site.timezone)
    name = loaded.site.site.name.in_language("en" if language == "en" else "zh-TW")
    pid = facts["daemon_pid"]
    daemon = say("cli.daemon_up", language, pid=pid) if pid else _no_number(pid, language)
    console.print(Text.assemble((name, "bold"), "  ", daemon))
    for error in facts["store"]:
        console.print(_error(error, language), style="yellow", soft_wrap=True)
    if facts["clock"] and facts["clock"]["error"]:
        console.print(_error(facts["clock"]["error"], language), style="yellow")
    if facts["demand"] and facts["demand"]["error"]:
        since = _local(facts["demand"]["since"], zone)
        console.print(Text(f"{since}  ").append_text(_error(facts["demand"]["error"], language)), style="red")
    if facts["window"]:
        console.print(plain(window_line(facts["window"], zone, language)), soft_wrap=True)
    _show_devices(console, facts, zone, language)
    _show_meters(console, facts["meters"], zone, language)
    for text, wants in expected_lines(facts["expected"], language):
        console.print(plain(f"■ {text}" if wants else text), style="yellow" if wants else "", soft_wrap=True)
    for sink in facts["sinks"]:
        behind = ", ".join(f"{stream} {rows:,}" for stream, rows in sink["behind"].items())
        state = say(f"cli.sink_{sink['state'] or 'unknown'}", language)
        facts_ = {"sink": sink["sink"], "behind": behind, "dead": sink["dead_letters"], "state": state}
        text = say("cli.sink_line", language, **facts_)
        console.print(plain(text))
        if sink["error"]:
            console.print(Text("  ").append_text(_error(sink["error"], language)), style="red")
    if facts["openadr"]:
        show_openadr(console, facts["openadr"], zone, language)
    if facts["limiter"]:
        style = "yellow" if limiter_wants_somebody(facts["limiter"]) else ""
        for line in limiter_lines(facts["limiter"], zone, language):
            console.print(plain(line), style=style, soft_wrap=True)
    for event in facts["events"]:
        show_event(console, event, zone, language)


def _show_devices(console: Console, facts: dict[str, Any], zone: ZoneInfo, language: str) -> None:
    devices = facts["devices"]
    console.print(_device_table(facts, zone, language))
    if facts["daemon_pid"] and any(device["condition"] == "offline" for device in devices):
        console.print(plain(say("cli.keeps_trying", language)))
    for line in doubts_lines(devices, language):
        console.print(plain(line), style="yellow", soft_wrap=True)
    for line in counts_lines(devices, zone, language):
        console.print(plain(line), soft_wrap=True)


def _show_meters(console: Console, meters: list[dict[str, Any]], zone: ZoneInfo, language: str) -> None:
    console.print(_meter_table(meters, zone, language))
    for meter in meters:
        for found in meter["findings"]:
            text = f"■ {meter['meter']}: {found.words(zone, language)}"
            console.print(plain(text), style="yellow", soft_wrap=True)
    for meter in meters:
        if meter["last_refusal"] and not _is_told(meter):
            console.print(_refused(meter, zone, language), soft_wrap=True)
    for meter in meters:
        if meter.get("error"):
            since = say("cli.meter_waits", language, meter=meter["meter"], since=_local(meter["since"], zone))
            console.print(plain(since), _error(meter["error"], language), style="yellow")


def _is_told(meter: dict[str, Any]) -> bool:
    """Whether a finding speaks of the meter's last refused reading already."""
    return any(
        found.last is not None and asdict(found.last) == meter["last_refusal"] for found in meter["findings"]
    )


def _refused(meter: dict[str, Any], zone: ZoneInfo, language: str) -> Text:
    last = Refusal(**meter["last_refusal"])
    return plain(
        say(
            "meter.day_line",
            language,
            meter=meter["meter"],
            counts=counts_words(meter["verdicts_24h"], language),
            at=local_text(last.heard_ms, zone),
            value=f"{last.value:,.12g}",
            why=refusal_words(last, zone, language),
        )
    )


def _error(error: dict[str, Any], language: str) -> Text:
    return plain(say(error["code"], language, **error["data"]))


def _plain_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _device_table(facts: dict[str, Any], zone: ZoneInfo, language: str) -> Table:
    table = _plain_table(
        say("cli.col_device", language),
        say("cli.col_condition", language),
        say("cli.col_since", language),
        say("cli.col_error", language),
    )
    styles = {"online": "green", "degraded": "yellow", "offline": "red"}
    marks = {"online": "●", "degraded": "▲", "offline": "■"}
    for device in facts["devices"]:
        condition = device["condition"]
        error = device["error"]
        style = styles.get(condition, "dim")
        word = say(f"cli.condition_{condition}", language)
        table.add_row(
            plain(device["device"]),
            f"[{style}]{marks.get(condition, '○')} {word}[/{style}]",
            _local(device["since"], zone),
            _error(error, language) if error else "",
        )
    return table


def _meter_table(meters: list[dict[str, Any]], zone: ZoneInfo, language: str) -> Table:
    table = _plain_table(
        say("cli.col_meter", language),
        say("cli.col_interval", language),
        say("cli.col_value", language),
        say("cli.col_coverage", language),
        say("cli.col_quality", language),
        say("cli.col_refused", language),
    )
    for meter in meters:
        last = meter["last_interval"]
        if last is None:
            table.add_row(plain(meter["meter"]), "-", "-", "-", "-", str(meter["refused_24h"]))
            continue
        table.add_row(
            plain(meter["meter"]),
            _local(last["start"], zone),
            f"{last['quantity']:,.2f}",
            f"{last['coverage']:.0%}",
            say(f"cli.quality_{last['quality']}", language),
            str(meter["refused_24h"]),
        )
    return table


def _local(text: str | None, zone: ZoneInfo) -> str:
    if text is None:
        return "-"
    from datetime import datetime

    return local_text(round(datetime.fromisoformat(text).timestamp() * 1000), zone)
