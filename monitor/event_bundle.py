"""The record of an event in one file, made of the store alone: ``monitor.event_check`` holds it together."""

import hashlib
import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from config.baseline_presets import load_preset
from config.curtailment import writable_of
from config.loading import LoadedSite
from config.problems import ConfigurationError
from config.programme_texts import programme_on
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.profile import conversion
from monitor.baselines import metered
from monitor.event_watch import whole_facts
from monitor.store.event_reader import EventReader
from monitor.store.events import EventRow
from monitor.store.reader import StoreReader
from monitor.timestamps import iso_utc
from rules.baseline.method import Method
from rules.quality import Quality
from rules.settlement.programme import Programme

FORMAT = "energy-monitor event 2"

METHOD, PROGRAMME = TypeAdapter(Method), TypeAdapter(Programme)


def bundle_of(loaded: LoadedSite, events: EventReader, reader: StoreReader, row: EventRow) -> dict[str, Any]:
    """All that the store knows of an event, with a check sum.

    Plan, signals, writes with read-backs, what happened, who asked for it, intervals, settlement with its
    lines and terms, and the baseline: days used and left out, parameters, and the days' intervals.
    """
    settled = _settled(loaded, reader, row)
    content = {
        "format": FORMAT,
        "site": loaded.site.site.id,
        "site_file_sha256": loaded.digest,
        "zone": loaded.site.site.timezone,
        "interval_s": loaded.site.interval_s,
        **whole_facts(events, row),
        "bid": row.bid,
        "signal": {
            "active": row.signal.is_active,
            "at": iso_utc(row.signal.at_ms),
            "ttl_s": row.signal.ttl_s,
        },
        "resolution": _resolutions(loaded, row),
        "audit": [
            {"at": iso_utc(one["at_ms"]), **{key: one[key] for key in ("actor", "action", "detail")}}
            for one in events.audit(row.id)
        ],
        "intervals": {
            meter: _intervals(reader, meter, row.start_ms // 1000, -(-row.end_ms // 1000))
            for meter in metered(loaded.site)
        },
        "settlement": settled,
    }
    return {"content": content, "sha256": digest_of(content)}


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 of the content as text: the same content is the same text."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _resolutions(loaded: LoadedSite, row: EventRow) -> dict[str, float]:
    """By how much a read-back may differ from what was asked: half a step of the coarser register."""
    placed = loaded.placed()
    found: dict[str, float] = {}
    for action in row.plan.actions:
        profile = placed[action.device].profile if action.device in placed else None
        writable = writable_of(profile, action.point)
        if profile is None or writable is None:
            continue
        names = [action.point, *([writable.read_back] if writable.read_back else [])]
        found[action.id] = max(_step(profile, name) for name in names) / 2
    return found


def _step(profile: ModbusProfile | MqttProfile, name: str) -> float:
    """The least by which a point's value changes, in the product's unit."""
    point = profile.every_point()[name]
    return abs(point.scale * conversion(name, point.unit))


def _settled(loaded: LoadedSite, reader: StoreReader, row: EventRow) -> dict[str, Any] | None:
    """What was kept of its settlement; None where it is not settled."""
    kept = reader.past.curtailment.kept(row.id)
    if kept is None:
        return None
    settlement, rests_on = kept
    zone = ZoneInfo(loaded.site.site.timezone)
    start, end = (datetime.fromtimestamp(rests_on[key], zone) for key in ("start_s", "end_s"))
    meters, detail = json.loads(rests_on["meters"]), json.loads(rests_on["detail"])
    days = [date.fromisoformat(one["day"]) for one in detail["days"]]
    contract = loaded.site.contract
    method = _method(loaded, rests_on)
    spans = [] if method is None else _spans([start.date(), *days], start, end, method)
    return {
        **{key: settlement[key] for key in ("programme", "kwh", "credit", "currency", "source")},
        "detail": json.loads(settlement["detail"]),
        "text": _text(loaded, settlement["programme"], start.date()),
        "baseline": {
            **{key: rests_on[key] for key in ("preset", "digest", "start_s", "end_s", "kw")},
            "meters": meters,
            "method": None if method is None else METHOD.dump_python(method, mode="json"),
            "contract_kw": None if contract is None else contract.on(start.date()).capacity_kw,
            **{key: detail[key] for key in ("days", "left_out", "adjustment", "unadjusted_kw", "findings")},
            "intervals": {
                meter: [
                    one
                    for first, last in spans
                    for one in _intervals(
                        reader, meter, *(int(_midnight(d, zone).timestamp()) for d in (first, last))
                    )
                ]
                for meter in meters
            },
        },
    }


def _method(loaded: LoadedSite, rests_on: dict[str, Any]) -> Method | None:
    """The parameters; None where the preset's file is not the one any more that was settled by."""
    try:
        preset = load_preset(rests_on["preset"], loaded.folder)
    except ConfigurationError:
        return None
    return preset.method if preset.digest == rests_on["digest"] else None


def _text(loaded: LoadedSite, programme: str, day: date) -> Any:
    try:
        return PROGRAMME.dump_python(programme_on(programme, day, loaded.folder), mode="json")
    except ConfigurationError:  # its file is gone: the money cannot be worked out again
        return None


def _spans(days: Iterable[date], start: datetime, end: datetime, method: Method) -> list[tuple[date, date]]:
    """[first, last) of the whole days that a method looks at, each once; a span may reach over midnight."""
    early, late = 0, (end.date() - start.date()).days + 1
    looked_at = [*method.same_day, *(() if method.adjustment is None else (method.adjustment.span,))]
    if looked_at:
        early = min(0, *(int(one.from_h // 24) - 1 for one in looked_at if one.from_h < 0), 0)
        late += max(int(one.to_h // 24) + 1 for one in looked_at)
    wanted = sorted({day + timedelta(days=offset) for day in days for offset in range(early, late)})
    return [(day, day + timedelta(days=1)) for day in wanted]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _intervals(reader: StoreReader, meter: str, start_s: int, end_s: int) -> list[dict[str, Any]]:
    series = reader.intervals(meter, start_s, end_s)
    return [
        {
            "start": f"{start}Z",
            "kwh": float(quantity),
            "coverage": float(coverage),
            "quality": Quality(int(quality)).name.lower(),
            "caught_up": bool(caught_up),
            "duration_s": int(duration_s),
        }
        for start, quantity, coverage, quality, caught_up, duration_s in zip(
            series.start.astype("datetime64[s]"),
            series.quantity,
            series.coverage,
            series.quality,
            series.caught_up,
            series.duration_s,
            strict=True,
        )
    ]
