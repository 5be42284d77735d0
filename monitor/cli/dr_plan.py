"""All that one plan does, line by line: beyond the table of its actions."""

from collections.abc import Iterator

from config.curtailment import PlanSettings
from config.words import say
from monitor.event_words import number
from rules.curtailment import Guard, Plan
from rules.shedding import Action


def plan_lines(plan: Plan, settings: PlanSettings, language: str) -> Iterator[str]:
    """What holds for the whole plan, then each action's and each guard's own."""

    def told(key: str, **data: object) -> str:
        return "  " + say(f"trigger.plan_{key}", language, **data)

    yield told("restart_resume" if plan.resumes else "restart_release")
    yield told("signal_hold" if plan.holds_without_signal else "signal_release")
    yield told("failure_release" if plan.all_or_nothing else "failure_continue")
    if plan.stage_s:
        yield told("stage", seconds=number(plan.stage_s))
    yield told("notified", minutes=number(plan.notify_s / 60))
    if settings.least_notice_s:
        yield told("notice", minutes=number(settings.least_notice_s / 60))
    for key in ("baseline", "programme"):
        value = getattr(settings, key)
        yield told(key, name=value) if value else told(f"no_{key}")
    if settings.bid is not None:
        yield told("bid", bid=number(settings.bid))
    for action in plan.actions:
        yield told(
            "action", action=action.id, facts=say("config.comma", language).join(_own(action, language))
        )
    for guard in plan.guards:
        yield told("guard", **_guard(guard, language))


def _own(action: Action, language: str) -> Iterator[str]:
    def told(key: str, **data: object) -> str:
        return say(f"trigger.action_{key}", language, **data)

    yield told("priority", priority=action.priority)
    if action.rotates:
        yield told("rotates")
    if action.after_s:
        yield told("after", seconds=number(action.after_s))
    if action.ramp is not None:
        yield told("ramp", step=number(action.ramp.step), seconds=number(action.ramp.every_s))
    for key in ("min_off", "min_on"):
        if seconds := getattr(action, f"{key}_s"):
            yield told(key, seconds=number(seconds))
    yield told("budget", count=action.writes_per_day)


def _guard(guard: Guard, language: str) -> dict[str, str]:
    limit = guard.above if guard.above is not None else guard.below
    side = "above" if guard.above is not None else "below"
    comma = say("config.comma", language)
    back = "guard_never_back" if guard.back_at is None else "guard_back"
    return {
        "point": f"{guard.device}.{guard.point}",
        "limit": say(f"trigger.guard_{side}", language, value=number(limit or 0.0)),
        "actions": comma.join(guard.actions) if guard.actions else say("trigger.guard_all", language),
        "back": say(f"trigger.{back}", language, value=number(guard.back_at or 0.0)),
        "unknown": say(
            "trigger.guard_unknown_release" if guard.unknown_releases else "trigger.guard_unknown_hold",
            language,
            seconds=number(guard.stale_after_s),
        ),
    }
