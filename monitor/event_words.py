"""What is refused of events, or cannot be told of them, in words."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from config.words import catalogue, say, say_error
from monitor.store.database import StoreError
from monitor.timestamps import local_text

STEP_DETAILS = (
    "note",
    "why",
    "actions",
    "action",
    "point",
    "holds_back",
    "value",
    "resumes",
    "active",
    "ttl_s",
    "kwh",
    "credit",
)
"""What a step of an event may tell beside its kind."""


WHYS = ("missed", "failed", "restart")


def number(value: float, decimals: int = 3) -> str:
    """A figure with thousands separators and at most some decimals, without zeros at its end."""
    text = f"{value:,.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-0", "0", text == "-0")


def mode_text(mode: str, language: str) -> str:
    """How much of a plan is carried out, in words."""
    return say(f"event.mode_{mode.replace('-', '_')}", language)


def counted(key: str, count: object, language: str) -> str:
    """The key of a text that tells a count: of one thing it may be another."""
    return f"{key}_one" if str(count) == "1" and f"{key}_one" in catalogue(language) else key


def step_text(step: Mapping[str, Any], language: str) -> str:
    """What happened to an event, who did it, and what is known of it."""
    data = step["data"] or {}
    if step["kind"] == "decision":
        return f"{say('dispatch.step_decision', language)} {decision_text(data, language)}"
    told = [say(f"dispatch.step_{step['kind']}", language), step["who"]]
    for key, value in data.items():
        if key in ("error", "place") or value is None or value in ("", [], ()):
            continue
        told.append(_detail(key, value, language))
    if data.get("error"):
        told.append(say_error(data["error"], language))
    return " ".join(part for part in told if part)


def _detail(key: str, value: Any, language: str) -> str:
    """One thing that is known of a step; what this program does not know yet is shown as it is."""
    if isinstance(value, bool):
        value = say(f"dispatch.{'yes' if value else 'no'}", language)
    elif key == "why" and value in WHYS:
        value = say(f"dispatch.why_{value}", language)
    elif key == "why" and f"limiter.why_{value}" in catalogue(language):
        value = say(f"limiter.why_{value}", language)
    elif isinstance(value, float):
        value = number(value)
    elif isinstance(value, list | tuple):
        value = say("config.comma", language).join(map(str, value))
    known = key if key in STEP_DETAILS else "other"
    return say(f"dispatch.detail_{known}", language, key=key, value=value)


def decision_text(said: Mapping[str, Any], language: str) -> str:
    """A decision of the limiter: what it changed, and what it rests on."""
    comma = say("config.comma", language)
    changed = []
    if said.get("shed"):
        changed.append(say("limiter.did_shed", language, action=said["shed"]))
    if said.get("back"):
        changed.append(say("limiter.did_back", language, actions=comma.join(said["back"])))
    why = say(f"limiter.why_{said['why']}", language)
    known = {key: said.get(f"{key}_kw") for key in ("projected", "limit", "short")}
    figures = {key: "-" if value is None else f"{value:,.0f}" for key, value in known.items()}
    return say("limiter.did", language, changed=comma.join(changed), why=why, **figures)


def refusal_text(error: StoreError, zone: tzinfo, language: str) -> str:
    """A refusal as people read it."""
    return error_text({"code": error.code, "data": error.data}, zone, language)


def error_text(error: Mapping[str, Any], zone: tzinfo, language: str) -> str:
    """A code and its data as people read them: instants in local time, lives in words, figures in short."""
    data = {key: number(one) if isinstance(one, float) else one for key, one in error["data"].items()}
    for key in ("start", "end", "now", "asked", "at"):
        if key in data:
            at = datetime.fromisoformat(str(data[key]))
            data[key] = local_text(round(at.timestamp() * 1000), zone)
    if "life" in data:
        data["life"] = say(f"dispatch.life_{data['life']}", language)
    return say(error["code"], language, **data)
