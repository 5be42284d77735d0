"""How the demand limiter stands, for page, ``status`` and ``dr limiter``: from the store alone."""

from typing import Any

from config.loading import LoadedSite
from monitor.event_watch import action_facts
from monitor.store.event_reader import EventReader
from monitor.store.limiting import LimiterRecord
from monitor.timestamps import iso_utc
from rules.curtailment import Life
from rules.limiter import Why

CURRENT_MS = 60_000
"""What was told longer ago says nothing of now: no daemon runs, or it is stuck."""


def limiter_facts(loaded: LoadedSite, events: EventReader, now_ms: int) -> dict[str, Any] | None:
    """The limiter for machines; None where the site has none.

    ``is_on`` says whether a daemon has told it within the last minute; without one nothing is known of now.
    """
    settings = loaded.site.limiter
    if settings is None:
        return None
    told = events.limiter_standing() or {}
    at_ms = told.pop("at_ms", None)
    is_on = at_ms is not None and now_ms - at_ms <= CURRENT_MS and told["plan"] == settings.plan
    row = next(iter(events.events(ids=[told["event"]])), None) if told.get("event") else None
    runs = row is not None and row.life is Life.ACTIVE
    last = told.get("last")
    return {
        "plan": settings.plan,
        "wanted": settings.mode,
        "is_on": is_on,
        "at": None if at_ms is None else iso_utc(at_ms),
        "mode": told.get("mode") if is_on else None,
        "missing": told.get("missing") if is_on else None,
        "why": told.get("why") if is_on else None,
        "limit_kw": told.get("limit_kw") if is_on else settings.limit_kw,
        "projected_kw": told.get("projected_kw") if is_on else None,
        "power_kw": told.get("power_kw") if is_on else None,
        "short_kw": told.get("short_kw") if is_on else None,
        "next": told.get("next") if is_on else None,
        "event": row.id if row is not None and runs else None,
        "shed": told.get("shed", []) if is_on else [],
        "last": None if last is None else {**_without(last), "at": iso_utc(last["at_ms"])},
        "actions": action_facts(events, row) if row is not None and runs else [],
    }


def _without(last: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in last.items() if key != "at_ms"}


def limiter_wants_somebody(facts: dict[str, Any] | None) -> bool:
    """Whether a person has to look: it may not write, has nothing left to shed, or an action failed."""
    if facts is None or not facts["is_on"]:
        return False  # that no daemon runs is told elsewhere
    failed = any(action["state"] == "failed" for action in facts["actions"])
    return facts["missing"] is not None or facts["why"] == Why.NOTHING_LEFT.value or failed


def record_facts(record: LimiterRecord) -> dict[str, Any]:
    """What was simulated, armed or disarmed, for machines."""
    said = {"kind": record.kind, "digest": record.digest, "who": record.who, "at": iso_utc(record.at_ms)}
    return said | ({"figures": dict(record.detail)} if record.kind == "simulated" else {})
