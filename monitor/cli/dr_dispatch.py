"""``energy-monitor dr schedule|trigger|abort|cancel|key``: what is asked of events, handed to the desk."""

import math
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from config.event_times import TimeRefusedError, event_instant
from config.loading import LoadedSite, load_site
from config.words import say, say_error
from monitor.cli.handing_over import carried_out
from monitor.cli.words import tell
from monitor.clock import SystemClock
from monitor.dispatch.desk import EventDesk
from monitor.event_words import mode_text, refusal_text
from monitor.keys import new_key
from monitor.store.database import StoreError
from monitor.store.deliveries import who
from monitor.store.event_requests import EventOutcome, EventRequest, Wanted
from monitor.timestamps import local_text
from rules.curtailment import Mode

FINE, PROBLEM, WRONG_USE = 0, 1, 2
ANSWER_WITHIN_S = 30.0
KEY_VARIABLE = "ENERGY_MONITOR_KEY"

SIGNALS = ("active", "inactive")

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)")
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Said:
    """What was typed of an event; texts as they came."""

    what: Wanted
    plan: str = ""
    event: str = ""
    start: str = ""
    end: str = ""
    length: str = ""
    mode: str = ""
    kw: float | None = None
    operator: str = ""
    key_file: Path | None = None
    note: str = ""
    programme: str = ""
    is_draft: bool = False
    signal: str = ""
    ttl: str = ""


def run_asked(path: Path, said: Said, language: str) -> int:
    """Ask the desk, and tell what came of it."""
    loaded = load_site(path)
    zone = ZoneInfo(loaded.site.site.timezone)
    now_ms = SystemClock().now_ms()
    try:
        request = _request(said, zone, now_ms)
        outcome = asked(loaded, request)
    except WrongUseError as error:
        guess = error.data.pop("guess", None)
        words = say(error.code, language, **error.data).rstrip(".。")
        stop = say("config.stop", language)
        tell(words + (stop if guess is None else say("config.did_you_mean", language, guess=guess)))
        return WRONG_USE
    except StoreError as error:
        tell(refusal_text(error, zone, language))
        return PROBLEM
    sys.stdout.write(_told(outcome, zone, language) + "\n")
    for remark in outcome.remarks:
        sys.stdout.write(say("dispatch.remark", language, text=say_error(remark, language)) + "\n")
    return FINE


def asked(loaded: LoadedSite, request: EventRequest) -> EventOutcome:
    """Have it done by the daemon; where none runs, write down what does not need one.

    Raises
    ------
    StoreError : it was refused, or nobody answered.
    """
    desk = EventDesk(loaded, SystemClock())
    return carried_out(
        loaded, request, lambda engine, site: desk.carry_out(engine, site, request), ANSWER_WITHIN_S
    )


class WrongUseError(Exception):
    """What was typed says nothing; ``code`` names the words."""

    def __init__(self, code: str, **data: str) -> None:
        self.code = code
        self.data = data
        super().__init__(code)


def _request(said: Said, zone: ZoneInfo, now_ms: int) -> EventRequest:
    start_ms = instant_ms(said.start, zone) if said.what == "schedule" else now_ms
    end_ms, length_s = 0, None
    if said.what in ("schedule", "trigger"):
        if bool(said.end) == bool(said.length):
            raise WrongUseError("dispatch.end_or_length")
        if said.end:
            end_ms = instant_ms(said.end, zone)
        else:  # counted from when it begins, which of a trigger is when it is taken up
            length_s = length_ms(said.length) / 1000
    if said.kw is not None and not 0 < said.kw < math.inf:
        raise WrongUseError("dispatch.bad_kw")
    if said.what == "signal" and said.signal not in SIGNALS:
        raise WrongUseError("trigger.bad_signal", state=said.signal)
    if said.mode and said.mode not in list(Mode):
        raise WrongUseError("dispatch.bad_mode", mode=said.mode)
    return EventRequest(
        what=said.what,
        asked_ms=now_ms,
        who=who(),
        plan=said.plan,
        event=said.event,
        start_ms=start_ms,
        end_ms=end_ms,
        mode=said.mode,
        wanted_kw=said.kw,
        operator=said.operator,
        key=key_of(said.key_file) if said.operator else "",
        note=said.note.strip(),
        programme=said.programme,
        is_draft=said.is_draft,
        length_s=length_s,
        signal=said.signal != "inactive",
        ttl_s=length_ms(said.ttl) / 1000 if said.ttl else None,
    )


def key_of(key_file: Path | None) -> str:
    """An operator's key out of the file, or of the environment. Raises ``WrongUseError``."""
    if key_file is None:
        return os.environ.get(KEY_VARIABLE, "").strip()
    try:
        return key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUseError("dispatch.no_key_file", file=str(key_file), reason=str(error)) from error


def instant_ms(text: str, zone: ZoneInfo) -> int:
    """An instant as people write it. Raises ``WrongUseError``."""
    try:
        return round(event_instant(text, zone).timestamp() * 1000)
    except TimeRefusedError as error:
        raise WrongUseError(error.code, **error.data) from None


def length_ms(text: str) -> int:
    """``90m`` or ``2h``. Raises ``WrongUseError``."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise WrongUseError("dispatch.bad_length", length=text)
    return round(1000 * float(found[1]) * _UNITS_S[found[2]])


def _told(outcome: EventOutcome, zone: ZoneInfo, language: str) -> str:
    return say(
        "dispatch.asked",
        language,
        event=outcome.event,
        life=say(f"dispatch.life_{outcome.life}", language),
        mode=mode_text(outcome.mode, language),
        start=local_text(outcome.start_ms, zone),
        end=local_text(outcome.end_ms, zone),
    )


def run_key(language: str, operator: str) -> int:
    """Make a key for an operator: shown once, with what the site file is to say."""
    key, digest = new_key()
    sys.stdout.write(say("dispatch.key_made", language, key=key, operator=operator, digest=digest) + "\n")
    return FINE
