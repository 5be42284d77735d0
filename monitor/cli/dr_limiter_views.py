"""The demand limiter as people read it: how it stands, and what it was simulated and armed with."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

from config.words import say
from monitor.event_words import decision_text, mode_text
from monitor.limiter_watch import limiter_wants_somebody
from monitor.timestamps import local_text

Facts = dict[str, Any]


def limiter_lines(facts: Facts, zone: tzinfo, language: str) -> Iterator[str]:
    """How it stands; the first line for all, the others where there is something to say."""

    def line(key: str, **data: Any) -> str:
        return say(f"limiter.{key}", language, **data)

    comma = say("config.comma", language)
    mark = "■" if limiter_wants_somebody(facts) else "●"
    if not facts["is_on"]:
        mode = mode_text(facts["wanted"], language)
        yield line("stands_off", mark="○", plan=facts["plan"], mode=mode)
        return
    yield line(
        "stands",
        mark=mark,
        plan=facts["plan"],
        mode=mode_text(facts["mode"], language),
        why=line(f"why_{facts['why']}"),
        projected=_kw(facts["projected_kw"]),
        limit=_kw(facts["limit_kw"]),
        short=_kw(facts["short_kw"]),
    )
    if facts["missing"] is not None:
        yield "  " + line("only_watches", reason=say(facts["missing"], language))
    if facts["next"]:
        yield "  " + line("would_shed", action=facts["next"])
    if facts["actions"]:
        states = (
            (one["action"], say(f"dispatch.state_{one['state']}", language)) for one in facts["actions"]
        )
        told = comma.join(f"{action}: {state}" for action, state in states)
        yield "  " + line("stands_actions", event=facts["event"], actions=told)
    if facts["last"]:
        at = _local(facts["last"]["at"], zone)
        yield "  " + line("stands_last", at=at, what=decision_text(facts["last"], language))


def record_lines(facts: Facts, zone: tzinfo, language: str) -> Iterator[str]:
    """What it was simulated and armed with."""
    simulated, armed = facts["simulated"], facts["armed"]
    if simulated is not None:
        figures = simulated["figures"]
        actions = figures.get("actions", [])
        yield say(
            "limiter.record_simulated",
            language,
            at=_local(simulated["at"], zone),
            who=simulated["who"],
            year=figures.get("year"),
            saved=_kw(figures.get("saved_kw")),
            minutes=_kw(figures.get("discomfort_min")) if figures.get("comfort_k") is not None else "?",
            most=max((one["most_starts_a_day"] for one in actions), default=0),
        )
    if armed is not None:
        at, who = _local(armed["at"], zone), armed["who"]
        yield say(f"limiter.record_{armed['kind']}", language, at=at, who=who)
    against = facts["stands_against"]
    if against is not None and facts["wanted"] == "live" and against != facts["missing"]:
        yield say(against, language)


def _kw(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _local(text: str, zone: tzinfo) -> str:
    return local_text(round(datetime.fromisoformat(text).timestamp() * 1000), zone)
