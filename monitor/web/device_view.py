"""The page's words about devices: how each is doing, what is doubted of it, what its driver counted."""

from collections.abc import Iterator
from typing import Any

from config.words import catalogue, say
from monitor.findings import device_counts_words, troubled_counts
from monitor.web.snapshot import DeviceState, Snapshot
from monitor.web.wording import Words

Fields = dict[str, Any]

_ORDER = {"offline": 0, "degraded": 1, "doubtful": 2, "waiting": 3, "online": 4}


def device_fields(snapshot: Snapshot, words: Words) -> Fields:
    """Everything about devices, in one language."""
    shown, stopped = snapshot.devices, snapshot.stopped_ms is not None
    ordered = sorted(shown, key=lambda device: _ORDER.get(_state(device), 0))
    well = all(_state(device) == "online" for device in shown) and not stopped
    return {
        "t.devices": _summary(snapshot, words),
        "s.devices": "well" if well else "troubled",
        "h.devices": [_device(device, words, stopped) for device in ordered],
        "h.counts": list(_counts(snapshot, words)),
    }


def _summary(snapshot: Snapshot, words: Words) -> str:
    devices = [device for device in snapshot.devices if not device.formula]
    if not devices:
        return words("devices_none")
    if snapshot.stopped_ms is not None:
        return words("devices_before_stop")
    online = sum(device.condition == "online" for device in devices)
    if online == len(devices):
        text = words("devices_all_well", all=online)
    else:
        text = words("devices_some", online=online, all=len(devices))
    doubtful = sum(device.doubtful for device in devices)
    return words("devices_doubtful", text=text, count=doubtful) if doubtful else text


def device_name(device: DeviceState, words: Words) -> str:
    """What people call it: its meters, else its id."""
    names = [name.in_language(words.language) for name in device.meters]
    return words.listed(names) or device.id


def _state(device: DeviceState) -> str:
    return "doubtful" if device.doubtful and device.condition == "online" else device.condition


def _device(device: DeviceState, words: Words, stopped: bool) -> Fields:
    well, state = device.condition == "online", _state(device)
    since = ""
    if not well and device.since_ms is not None:
        since = words("condition_since", since=words.moment(device.since_ms, words.now_ms))
    return {
        "id": device.id,
        "name": device_name(device, words),
        "more": device.formula or (device.id if device.meters else device.model),
        # What the daemon said before it stopped is no news of now.
        "condition": "waiting" if well and stopped else state,
        "word": words(f"condition_{state}"),
        "since": since,
        "error": error_words(device.error, words) if not well and device.error else "",
        "heard": device.heard_ms,
        "doubts": [] if stopped else list(_doubts(device, words)),
        "refused": words("readings_refused", count=device.refused) if device.refused else "",
    }


def _doubts(device: DeviceState, words: Words) -> Iterator[str]:
    """What cannot be believed, and since when."""
    if not device.doubtful:
        return
    for finding in device.findings:
        text = finding.words(words.zone, words.language)
        # A device with several meters says which one it is.
        yield f"{finding.meter}: {text}" if len(device.meters) > 1 else text
    for doubt in device.doubts:
        text = doubt.words(words.language)
        if doubt.since_ms is None:
            yield text
            continue
        since = words("condition_since", since=words.moment(doubt.since_ms, words.now_ms))
        yield words("doubt_since", text=text, since=since)


def _counts(snapshot: Snapshot, words: Words) -> Iterator[Fields]:
    for device in snapshot.devices:
        if device.counts is not None:
            yield {
                "name": device_name(device, words),
                "id": device.id,
                "troubled": bool(troubled_counts(device.counts.counts)),
                "since": words.moment(device.counts.since_ms, words.now_ms),
                "text": device_counts_words(device.counts.counts, words.language) or "—",
            }


def error_words(error: dict[str, Any], words: Words) -> str:
    """What went wrong, as the daemon told it."""
    key, data = error.get("code", ""), error.get("data") or {}
    if key not in catalogue(words.language):
        return words("unknown_error")
    try:
        return say(key, words.language, **data)
    except (KeyError, IndexError):
        return words("unknown_error")
