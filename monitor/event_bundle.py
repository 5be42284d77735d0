"""The record of an event in one file: made of the store alone, and checked without it."""

import hashlib
import json
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from config.loading import LoadedSite
from monitor.baselines import metered
from monitor.event_watch import whole_facts
from monitor.store.event_reader import EventReader
from monitor.store.events import EventRow
from monitor.store.reader import StoreReader
from rules.curtailment import NEXT, Life
from rules.quality import Quality

FORMAT = "energy-monitor event 1"

Fault = tuple[str, dict[str, Any]]
"""A code of the word catalogue, and its data."""

_BACK = ("obeyed", "already", "dry_run")
_LEFT_ALONE = "sheds_already"
"""What was found shed as much: nothing went out, so nothing is to be handed back."""
_SLACK = 1e-6


def bundle_of(loaded: LoadedSite, events: EventReader, reader: StoreReader, row: EventRow) -> dict[str, Any]:
    """Plan, signals, writes with read-backs, intervals and settlement of an event, with a check sum."""
    zone = ZoneInfo(loaded.site.site.timezone)
    first, last = (datetime.fromtimestamp(ms / 1000, zone).date() for ms in (row.start_ms, row.end_ms))
    settled = [one for one in reader.past.curtailment.settlements(first, last) if one.id == row.id]
    content = {
        "format": FORMAT,
        "site": loaded.site.site.id,
        "site_file_sha256": loaded.digest,
        **whole_facts(events, row),
        "intervals": {
            meter: _intervals(reader, meter, row.start_ms // 1000, -(-row.end_ms // 1000))
            for meter in metered(loaded.site)
        },
        "settlement": [
            {"programme": one.programme, "kwh": one.kwh, "credit": one.credit, "currency": one.currency}
            for one in settled
        ],
    }
    return {"content": content, "sha256": digest_of(content)}


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 of the content as text: the same content is the same text."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _intervals(reader: StoreReader, meter: str, start_s: int, end_s: int) -> list[dict[str, Any]]:
    series = reader.intervals(meter, start_s, end_s)
    return [
        {
            "start": f"{start}Z",
            "kwh": float(quantity),
            "coverage": float(coverage),
            "quality": Quality(int(quality)).name.lower(),
        }
        for start, quantity, coverage, quality in zip(
            series.start.astype("datetime64[s]"),
            series.quantity,
            series.coverage,
            series.quality,
            strict=True,
        )
    ]


def faults_of(bundle: Any) -> list[Fault]:
    """What is wrong with a record: changed since, or an event that broke its own plan."""
    content = bundle.get("content") if isinstance(bundle, dict) else None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return [("dispatch.bundle_foreign", {})]
    found: list[Fault] = []
    if digest_of(content) != bundle.get("sha256"):
        found.append(("dispatch.bundle_changed", {}))
    try:
        found += [*_lives(content), *_writes(content), *_handed_back(content)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found.append(("dispatch.bundle_incomplete", {"reason": f"{type(error).__name__}: {error}"}))
    return found


def _lives(content: dict[str, Any]) -> list[Fault]:
    lives = [Life(step["kind"]) for step in content["steps"] if step["kind"] in list(Life)]
    wrong = [(one, after) for one, after in pairwise(lives) if after not in NEXT[one]]
    return [("dispatch.bundle_lives", {"one": one.value, "next": after.value}) for one, after in wrong]


def _writes(content: dict[str, Any]) -> list[Fault]:
    actions = {action["id"]: action for action in content["plan_data"]["actions"]}
    found: list[Fault] = []
    for write in content["writes"]:
        action, data = actions[write["action"]], {"number": write["id"], "action": write["action"]}
        if write["purpose"] == "shed" and write["outcome"] != _LEFT_ALONE:
            if not action["low"] - _SLACK <= write["asked"] <= action["high"] + _SLACK:
                found.append(("dispatch.bundle_floor", {**data, "value": f"{write['asked']:g}"}))
            if write["previous"] is None:
                found.append(("dispatch.bundle_no_previous", data))
        if write["outcome"] == "obeyed" and write["shown"] is None:
            found.append(("dispatch.bundle_no_read_back", data))
    return found


def _handed_back(content: dict[str, Any]) -> list[Fault]:
    """Each action's last write hands back, and not before its minimum off time is over."""
    found: list[Fault] = []
    for action in content["plan_data"]["actions"]:
        own = [
            write
            for write in content["writes"]
            if write["action"] == action["id"] and write["outcome"] != _LEFT_ALONE
        ]
        if not own or content["life"] == Life.ACTIVE.value:
            continue
        if own[-1]["purpose"] != "release" or own[-1]["outcome"] not in _BACK:
            found.append(("dispatch.bundle_not_back", {"action": action["id"]}))
        shed_s: float | None = None
        for write in own:
            at_s = datetime.fromisoformat(write["at"]).timestamp()
            if write["purpose"] == "shed":
                shed_s = at_s if shed_s is None else shed_s
            elif shed_s is not None:
                if at_s - shed_s < action["min_off_s"] - 1:
                    found.append(("dispatch.bundle_min_off", {"action": action["id"]}))
                shed_s = None if write["outcome"] in _BACK else shed_s
    return found
