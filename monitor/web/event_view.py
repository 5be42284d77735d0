"""Curtailment events on the page: what runs or comes, how much it delivers, where each action stands."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from config.site import Language
from config.words import say
from monitor.event_watch import failed_in, left_over
from monitor.event_words import error_text, mode_text
from monitor.web.snapshot import Snapshot
from monitor.web.wording import NO_VALUE, Words, number

Fields = dict[str, Any]
Facts = Mapping[str, Any]

COMING = ("scheduled", "notified")


def event_fields(snapshot: Snapshot, words: Words) -> Fields:
    """The card of events, in one language; without an event there is none."""
    rows = [_row(one, snapshot.now_ms, words) for one in _in_order(snapshot.events)]
    runs = any(row["life"] == "active" for row in rows)
    return {"s.events": "none" if not rows else "active" if runs else "quiet", "h.events": rows}


def event_notices(snapshot: Snapshot, words: Words) -> Iterator[dict[str, str]]:
    """What a person has to do something about."""
    for one in snapshot.events:
        left = left_over(one)
        if left:
            text = _say("not_back", words.language, event=one["event"], actions=words.listed(left))
            yield {"level": "bad", "text": text}
        if failed := failed_in(one):
            key = "failed" if one["life"] == "active" else "had_failed"
            text = _say(key, words.language, event=one["event"], actions=words.listed(failed))
            yield {"level": "warn", "text": text}


def _in_order(events: tuple[Facts, ...]) -> list[Facts]:
    """What runs first, then what comes, then what is over."""
    place = {"active": 0} | dict.fromkeys(COMING, 1)
    return sorted(events, key=lambda one: (place.get(one["life"], 2), one["start"]))


def _row(one: Facts, now_ms: int, words: Words) -> Fields:
    language, life = words.language, one["life"]
    start_ms, end_ms = _ms(one["start"]), _ms(one["end"])
    coming, active = life in COMING, life == "active"
    return {
        "event": one["event"],
        "life": life,
        "life_word": say(f"dispatch.life_{life}", language),
        "mode_word": mode_text(one["mode"], language),
        "span": words("window_span", start=_at(start_ms, now_ms, words), end=_at(end_ms, start_ms, words)),
        "left_label": _say("until_start" if coming else "until_end", language),
        "until": start_ms if coming else end_ms if active else None,
        # To the minute: the browser counts seconds, and the list is not sent anew for each of them.
        "left": span_left(((start_ms if coming else end_ms) - now_ms) // 60_000 * 60_000),
        "delivered": kw(one["delivered_kw"]),
        "committed": kw(one["committed_kw"]),
        "baseline": kw(one["baseline_kw"]),
        "actual": kw(one["actual_kw"]),
        "why": "" if coming else _why(one, words),
        "bar": _bar(one, language),
        "actions": [action_row(action, words) for action in one["actions"]],
    }


def _why(one: Facts, words: Words) -> str:
    """Why there is no delivered power to tell."""
    if one["delivered_kw"] is not None or one["life"] == "cancelled":
        return ""
    if not one["baseline"]:
        return _say("no_baseline", words.language)
    if one["why_no_baseline"] is not None:
        why = error_text(one["why_no_baseline"], words.zone, words.language)
        return _say("unanswered", words.language, preset=one["baseline"], why=why)
    return _say("first_interval", words.language)


def _bar(one: Facts, language: Language) -> Fields:
    """Percents of the bar's width: delivered, and where the commitment stands."""
    delivered, committed = max(0.0, one["delivered_kw"] or 0.0), one["committed_kw"]
    full = max(delivered, committed * 1.1, 1.0)
    enough = one["delivered_kw"] is not None and committed > 0 and delivered >= committed
    return {
        "delivered": round(100 * delivered / full, 2),
        "committed": round(100 * committed / full, 2) if committed > 0 else None,
        "state": "unknown" if one["delivered_kw"] is None else "enough" if enough else "short",
        "label": _say("bar", language, delivered=kw(one["delivered_kw"]), committed=kw(committed)),
    }


def action_row(action: Facts, words: Words) -> Fields:
    """One action of an event or of the limiter, as its card lists it."""
    standing = action["standing"]
    return {
        "id": action["action"],
        "point": action["point"],
        "state": action["state"],
        "word": say(f"dispatch.state_{action['state']}", words.language),
        "value": "" if standing is None else f"{standing:.6g}",
        "kw": kw(action["expected_kw"]),
    }


def span_left(left_ms: float) -> str:
    """Hours, minutes and seconds that are left; the browser counts on in the same form."""
    seconds = max(0, int(left_ms // 1000))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _at(at_ms: int, today_ms: int, words: Words) -> str:
    """To the minute, with its day where that is another."""
    told = words.moment(at_ms, today_ms)
    return told if "/" in told else words.clock(at_ms / 1000)


def kw(value: float | None) -> str:
    """Power as cards show it; a dash where there is none."""
    return NO_VALUE if value is None else number(value)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _say(key: str, language: Language, **data: Any) -> str:
    return say(f"event.{key}", language, **data)
