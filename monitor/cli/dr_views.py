"""``energy-monitor dr plan|list|show``: plans as they were read, events as they stand in the store."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from config.loading import load_site
from config.problems import did_you_mean, hinted
from config.words import say, say_error
from monitor.cli.dr_limiter_views import limiter_lines
from monitor.cli.dr_plan import plan_lines
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.dispatch.desk import plans_of
from monitor.event_watch import event_facts, whole_facts
from monitor.event_words import mode_text, step_text
from monitor.limiter_watch import limiter_facts
from monitor.store.event_reader import EventReader
from monitor.store.events import EventRow
from monitor.timestamps import local_text
from rules.curtailment import OPEN, Plan
from rules.shedding import Action, Sheds

_ARROWS = {Sheds.DOWN: " ↓", Sheds.UP: " ↑", Sheds.EITHER: ""}
FINE, PROBLEM, WRONG_USE = 0, 1, 2


def run_plan(path: Path, wanted: str | None, language: str, *, as_json: bool) -> int:
    """Show the plans of the site file."""
    loaded = load_site(path)
    plans = plans_of(loaded)
    if wanted is not None and wanted not in plans:
        hint = did_you_mean(wanted, plans, listed=True)
        text = say("dispatch.unknown_plan", language, plan=wanted, known=", ".join(plans) or "-")
        tell(hinted(text, hint, language))
        return WRONG_USE
    shown = [plan for name, plan in plans.items() if wanted in (None, name)]
    if as_json:
        _dump([asdict(plan) for plan in shown])
    elif not shown:
        sys.stdout.write(say("dispatch.no_plans", language) + "\n")
    for plan in () if as_json else shown:
        _show_plan(plan, language)
    if wanted is not None and not as_json:
        settings = next(one for one in loaded.site.curtailment.plans if one.id == wanted)
        for line in plan_lines(plans[wanted], settings, language):
            sys.stdout.write(line + "\n")
    return FINE


def _show_plan(plan: Plan, language: str) -> None:
    console = Console()
    kw = sum(action.expected_kw for action in plan.actions)
    data = {
        "plan": plan.id,
        "mode": mode_text(plan.mode.value, language),
        "kw": f"{kw:g}",
        "dead_man": f"{plan.dead_man_s:g}",
    }
    console.print(plain(say("dispatch.plan_line", language, **data)), soft_wrap=True)
    table = _table(language, "col_action", "col_point", "col_sheds", "col_back", "col_kw", "col_limits")
    for action in plan.actions:
        limits = f"{action.low:g}..{action.high:g}"
        table.add_row(
            plain(action.id),
            plain(f"{action.device}.{action.point}"),
            _sheds(action),
            "=" if action.release is None else f"{action.release:g}",
            f"{action.expected_kw:g}",
            limits,
        )
    console.print(table)


def _sheds(action: Action) -> str:
    return f"{action.to:g}{_ARROWS[action.sheds]}" if action.to is not None else f"{action.by:+g}"


def run_list(path: Path, language: str, *, as_json: bool) -> int:
    """List the events, the newest last."""
    loaded = load_site(path)
    reader = EventReader.open(loaded.store_path, loaded.site.site.id)
    try:
        rows, shed = reader.events(), set(reader.shed())
        limiter = limiter_facts(loaded, reader, SystemClock().now_ms())
    finally:
        reader.close()
    if as_json:
        _dump([event_facts(row) | {"is_shed": row.id in shed} for row in rows])
        return FINE
    zone = ZoneInfo(loaded.site.site.timezone)
    for line in () if limiter is None else limiter_lines(limiter, zone, language):
        Console().print(plain(line), soft_wrap=True)
    if not rows:
        sys.stdout.write(say("dispatch.no_events", language) + "\n")
        return FINE
    table = _table(language, "col_event", "col_life", "col_mode", "col_start", "col_end", "col_who")
    for row in rows:
        life = say(f"dispatch.life_{row.life.value}", language)
        if row.id in shed and row.life not in OPEN:  # while it runs that is as it should be
            life += say("dispatch.not_back", language)
        when = local_text(row.start_ms, zone), local_text(row.end_ms, zone)
        table.add_row(plain(row.id), life, mode_text(row.mode.value, language), *when, plain(row.who))
    Console().print(table)
    return FINE


def run_show(path: Path, event: str, language: str, *, as_json: bool) -> int:
    """Show everything that the store knows of an event."""
    loaded = load_site(path)
    reader = EventReader.open(loaded.store_path, loaded.site.site.id)
    try:
        found = reader.events(ids=[event])
        if not found:
            tell(say("dispatch.unknown_event", language, event=event))
            return WRONG_USE
        facts = whole_facts(reader, found[0])
    finally:
        reader.close()
    if as_json:
        _dump(facts)
    else:
        _show_event(facts, found[0], ZoneInfo(loaded.site.site.timezone), language)
    return FINE


def _show_event(facts: dict[str, Any], row: EventRow, zone: tzinfo, language: str) -> None:
    console = Console()
    life = say(f"dispatch.life_{row.life.value}", language)
    when = {"start": local_text(row.start_ms, zone), "end": local_text(row.end_ms, zone)}
    text = say(
        "dispatch.asked", language, event=row.id, life=life, mode=mode_text(row.mode.value, language), **when
    )
    console.print(plain(text), soft_wrap=True)
    table = _table(language, "col_action", "col_point", "col_state", "col_before", "col_now", "col_why")
    for one in facts["actions"]:
        state = say(f"dispatch.state_{one['state']}", language)
        why = say_error(one["error"], language) if one["error"] else ""
        table.add_row(
            plain(one["action"]),
            plain(one["point"]),
            state,
            _n(one["stood"]),
            _n(one["standing"]),
            plain(why),
        )
    console.print(table)
    writes = _table(language, "col_at", "col_action", "col_purpose", "col_asked", "col_shown", "col_outcome")
    for one in facts["writes"]:
        outcome = _outcome(one, language)
        purpose = say(f"dispatch.purpose_{one['purpose']}", language)
        writes.add_row(
            _local(one["at"], zone),
            plain(one["action"]),
            purpose,
            _n(one["asked"]),
            _n(one["shown"]),
            outcome,
        )
    if facts["writes"]:
        console.print(writes)
    for one in facts["steps"]:
        told = (_local(one["at"], zone), step_text(one, language))
        console.print(plain(" ".join(told)), soft_wrap=True)


def _outcome(write: dict[str, Any], language: str) -> str:
    if write["error"]:
        return str(plain(say_error(write["error"], language)))
    return say(f"dispatch.outcome_{write['outcome']}", language)


def _n(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _local(text: str, zone: tzinfo) -> str:
    from monitor.cli.meter import instant_ms

    return local_text(instant_ms(text, zone) or 0, zone)


def _table(language: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        is_name = column in ("col_event", "col_action")  # what is typed again is never cut
        table.add_column(say(f"dispatch.{column}", language), no_wrap=is_name, overflow="fold")
    return table


def _dump(facts: dict[str, Any] | Sequence[Any]) -> None:
    sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
