"""What ``energy-monitor status`` says of devices: conditions, doubted values, what their drivers counted."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from config.loading import LoadedSite
from config.words import say
from monitor.findings import (
    Finding,
    PointDoubt,
    device_counts_words,
    is_doubted,
    point_doubts,
    troubled_counts,
)
from monitor.silence import unread, unread_after_ms
from monitor.store.counts import CountsRow
from monitor.store.reader import StoreReader
from monitor.store.rows import ConditionRow
from monitor.timestamps import iso_utc, local_text
from rules.scan import Scan

NEWEST_SCANS = 2_000
"""How many of the newest scans are looked at for values that are doubted; older ones the snapshot has."""


def device_facts(
    loaded: LoadedSite,
    reader: StoreReader,
    conditions: Mapping[str, ConditionRow],
    newest: Iterable[Scan],
) -> list[dict[str, Any]]:
    """How every device of the site is doing; ``doubts`` holds ``PointDoubt``."""
    counts, doubts = reader.device_counts(), _doubts(newest)
    facts = []
    for bus in loaded.site.buses:
        for settings in bus.devices:
            row = conditions.get(settings.id)
            silent = row is not None and row.condition == "offline"
            facts.append(
                {
                    "device": settings.id,
                    "condition": row.condition if row else "unknown",
                    "since": iso_utc(row.since_ms) if row else None,
                    "error": row.error if row else None,
                    "doubts": [] if silent else doubts.get(settings.id, []),
                    "counts": _counts(counts.get(settings.id)),
                }
            )
    return facts


def newest_scans(reader: StoreReader) -> list[Scan]:
    """The newest scan of everything."""
    newest = {scan.layout.key: scan for scan in reader.snapshot_latest().values()}
    after = max(reader.snapshot_position(), reader.last_scan_id() - NEWEST_SCANS)
    newest |= {scan.layout.key: scan for _, _, scan in reader.follow(after, NEWEST_SCANS)}
    return list(newest.values())


def _doubts(newest: Iterable[Scan]) -> dict[str, list[PointDoubt]]:
    """Suspect values of the newest scans, by device."""
    found: dict[str, list[PointDoubt]] = {}
    for scan in newest:
        if is_doubted(scan):
            found.setdefault(scan.layout.device, []).extend(point_doubts(scan))
    return found


def unread_meters(
    loaded: LoadedSite,
    reader: StoreReader,
    conditions: Mapping[str, ConditionRow],
    newest: Iterable[Scan],
) -> dict[str, Finding]:
    """Meters whose device answers while no reading of their register counts, by meter."""
    heard_ms: dict[str, int] = {}
    for scan in newest:
        heard_ms[scan.layout.device] = max(scan.at_ms, heard_ms.get(scan.layout.device, 0))
    placed, found = loaded.placed(), dict[str, Finding]()
    for meter in loaded.site.meters:
        device = (meter.counter or "").partition(".")[0]
        row = conditions.get(device)
        if meter.formula is not None or row is None or row.condition == "offline" or device not in heard_ms:
            continue
        after_ms = unread_after_ms(placed[device], loaded.site.interval_s)
        one = unread(meter.id, reader.last_end_s(meter.id), row.since_ms, heard_ms[device], after_ms)
        found |= {} if one is None else {meter.id: one}
    return found


def _counts(row: CountsRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {"since": iso_utc(row.since_ms), "at": iso_utc(row.at_ms), **row.counts}


def doubts_lines(devices: list[dict[str, Any]], language: str) -> Iterator[str]:
    """A line for each value that is doubted now."""
    for device in devices:
        for doubt in device["doubts"]:
            yield f"■ {device['device']}: {doubt.words(language)}"


def counts_lines(devices: list[dict[str, Any]], zone: tzinfo, language: str) -> Iterator[str]:
    """A line for each device of which something was lost, and one for all others together."""
    sums: dict[str, int] = {}
    since, quiet = "", 0
    for device in devices:
        counts = device["counts"]
        if counts is None:
            continue
        figures = {name: n for name, n in counts.items() if name not in ("since", "at")}
        since = local_text(_ms(counts["since"]), zone)
        if troubled_counts(figures):
            text = device_counts_words(figures, language)
            yield say("cli.counts_line", language, device=device["device"], since=since, counts=text)
        else:
            quiet += 1
            sums = {name: sums.get(name, 0) + figures.get(name, 0) for name in {*sums, *figures} - {"dials"}}
    if quiet:
        ordered = {name: sums[name] for name in ("polls", "messages", "readings") if sums.get(name)}
        text = device_counts_words(ordered, language) or "-"
        yield say("cli.counts_quiet", language, count=quiet, since=since, counts=text)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
