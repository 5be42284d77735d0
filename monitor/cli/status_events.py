"""What ``status`` says of events: where they stand, what is drawn, and each action's state."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from config.words import say, say_error
from monitor.cli.words import plain
from monitor.event_watch import failed_in, left_over
from monitor.event_words import error_text, mode_text
from monitor.timestamps import local_text

_CLOSED = ("ended", "aborted", "settled", "cancelled")


def needs_attention(event: dict[str, Any]) -> bool:
    """Whether a person has to look: an action failed, or is shed although the event is over."""
    return bool(failed_in(event)) or (event["is_shed"] and event["life"] in _CLOSED)


def show_event(console: Console, event: dict[str, Any], zone: ZoneInfo, language: str) -> None:
    """Print one event."""
    style = "yellow" if needs_attention(event) else ""
    data = {
        "mark": "■" if needs_attention(event) else "●",
        "event": event["event"],
        "life": say(f"dispatch.life_{event['life']}", language),
        "mode": mode_text(event["mode"], language),
        "start": _local(event["start"], zone),
        "end": _local(event["end"], zone),
    }
    console.print(plain(say("dispatch.status_event", language, **data)), style=style, soft_wrap=True)
    figures = {key: _kw(event[f"{key}_kw"]) for key in ("actual", "baseline", "delivered", "committed")}
    if event["actual_kw"] is not None:
        console.print(plain(say("dispatch.status_power", language, **figures)), soft_wrap=True)
    if event["why_no_baseline"] is not None:
        why = error_text(event["why_no_baseline"], zone, language)
        text = say("dispatch.status_no_baseline", language, preset=event["baseline"], why=why)
        console.print(plain(text), soft_wrap=True)
    states = [
        f"{one['action']}: {say('dispatch.state_' + one['state'], language)}" for one in event["actions"]
    ]
    comma = say("config.comma", language)
    console.print(plain(say("dispatch.status_actions", language, actions=comma.join(states))), soft_wrap=True)
    if left := left_over(event):
        text = say("dispatch.status_not_back", language, actions=comma.join(left))
        console.print(plain(text), style="red", soft_wrap=True)


def show_openadr(console: Console, facts: dict[str, Any], zone: ZoneInfo, language: str) -> None:
    """Print how the connection to the VTN is doing."""
    since = "-" if facts["since"] is None else _local(facts["since"], zone)
    if facts["error"]:
        error = say_error(facts["error"], language)
        text = say("openadr.status_trouble", language, since=since, error=error)
        console.print(plain(text), style="yellow", soft_wrap=True)
    else:
        key = "openadr.status_waiting" if facts["since"] is None else "openadr.status_fine"
        console.print(plain(say(key, language, since=since)), soft_wrap=True)


def _kw(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _local(text: str, zone: ZoneInfo) -> str:
    return local_text(round(datetime.fromisoformat(text).timestamp() * 1000), zone)
