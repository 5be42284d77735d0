"""``energy-monitor meter replace|reset|withdraw``: a person's record of what happened to a register."""

import sys
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from config.counters import counter_limits
from config.loading import LoadedSite, load_site
from config.problems import did_you_mean, hinted
from config.site import MeterSettings
from config.words import say
from monitor.cli.handing_over import carried_out
from monitor.cli.words import tell
from monitor.clock import SystemClock
from monitor.store.database import StoreError
from monitor.store.past import RecordKind
from monitor.store.records import RecordOutcome, RecordRequest, write_record
from monitor.timestamps import local_text

FINE, PROBLEM, WRONG_USE = 0, 1, 2
ANSWER_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """What was typed."""

    kind: RecordKind
    meter: str
    at: str
    reason: str
    old_final: float | None = None
    new_start: float | None = None
    serial: str = ""
    force: bool = False


def run_record(path: Path, said: Said, language: str, answer_within_s: float = ANSWER_WITHIN_S) -> int:
    """Write a record, or leave it to the process that writes to the store; tell what follows from it."""
    loaded = load_site(path)
    zone = ZoneInfo(loaded.site.site.timezone)
    settings, at_ms = find_meter(loaded, said.meter, language), instant_ms(said.at, zone)
    if settings is None:
        return WRONG_USE
    if at_ms is None or not said.reason.strip():
        key = "meter.bad_time" if at_ms is None else "meter.no_reason"
        tell(say(key, language, time=said.at))
        return WRONG_USE
    request = _request(said, settings, at_ms)
    try:
        outcome = carried_out(
            loaded, request, lambda engine, site: write_record(engine, site, request), answer_within_s
        )
    except StoreError as error:
        data = {k: local_text(instant_ms(v, zone) or 0, zone) if k in _INSTANTS else v
                for k, v in error.data.items()}  # fmt: skip
        tell(say(error.code, language, **data))
        return PROBLEM
    sys.stdout.write(_told(outcome, request, zone, language) + "\n")
    return FINE


_INSTANTS = ("at", "oldest", "shown_at")


def find_meter(loaded: LoadedSite, wanted: str, language: str) -> MeterSettings | None:
    """A meter that has a register; else tell what is wrong, and None."""
    found = next((meter for meter in loaded.site.meters if meter.id == wanted), None)
    if found is None:
        hint = did_you_mean(wanted, [meter.id for meter in loaded.site.meters])
        tell(hinted(say("meter.unknown", language, meter=wanted), hint, language))
    elif found.formula is not None:
        tell(say("meter.is_formula", language, meter=wanted, formula=found.formula))
        return None
    return found


def instant_ms(text: str, zone: tzinfo) -> int | None:
    """An ISO 8601 instant, in the site's zone where it names none; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    return round(at.timestamp() * 1000)


def _request(said: Said, settings: MeterSettings, at_ms: int) -> RecordRequest:
    limits = counter_limits(settings, None)
    return RecordRequest(
        kind=said.kind,
        meter=said.meter,
        at_ms=at_ms,
        old_final=said.old_final,
        new_start=said.new_start,
        reason=said.reason.strip(),
        serial=said.serial.strip(),
        force=said.force,
        recorded_ms=SystemClock().now_ms(),
        max_rate=limits.max_rate / limits.factors.at(at_ms),
    )


def _told(outcome: RecordOutcome, request: RecordRequest, zone: tzinfo, language: str) -> str:
    data = {"meter": request.meter, "at": local_text(request.at_ms, zone)}
    if not outcome.added:
        return say("meter.known_already", language, **data)
    first = say(f"meter.{request.kind}_kept", language, **data)
    if outcome.again_from_ms is None:
        return f"{first} {say('meter.waits', language)}"
    again = local_text(outcome.again_from_ms, zone)
    return f"{first} {say('meter.made_again', language, since=again)}"
