"""``energy-monitor dr limiter|arm|disarm``: how the limiter stands, and who lets it write."""

import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from rich.console import Console

from config.loading import LoadedSite, load_site
from config.words import say
from monitor.cli.dr_dispatch import ANSWER_WITHIN_S, FINE, PROBLEM, WRONG_USE, WrongUseError, key_of
from monitor.cli.dr_limiter_views import limiter_lines, record_lines
from monitor.cli.handing_over import carried_out
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.dispatch.limiter_desk import LimiterDesk, LimiterOrders, orders_of
from monitor.event_words import refusal_text
from monitor.limiter_watch import limiter_facts, record_facts
from monitor.store.database import StoreError
from monitor.store.deliveries import who
from monitor.store.event_reader import EventReader
from monitor.store.limiter_requests import ArmRequest
from monitor.store.limiting import arming_of
from rules.curtailment import Mode


@dataclass(frozen=True, slots=True)
class ArmWish:
    """What was typed."""

    what: Literal["arm", "disarm"]
    operator: str = ""
    key_file: Path | None = None
    note: str = ""


def run_arm(path: Path, wish: ArmWish, language: str) -> int:
    """Arm or disarm, and tell what came of it."""
    loaded = load_site(path)
    now_ms = SystemClock().now_ms()
    try:
        key = key_of(wish.key_file) if wish.operator else ""
        request = ArmRequest(wish.what, now_ms, who(), wish.operator, key, wish.note.strip())
        desk = LimiterDesk(loaded, SystemClock())
        outcome = carried_out(
            loaded, request, lambda engine, site: desk.carry_out(engine, site, request), ANSWER_WITHIN_S
        )
    except WrongUseError as error:
        tell(say(error.code, language, **error.data))
        return WRONG_USE
    except StoreError as error:
        tell(refusal_text(error, ZoneInfo(loaded.site.site.timezone), language))
        return PROBLEM
    state = f"{wish.what}_{outcome.state}" if outcome.state == "unchanged" else outcome.state
    sys.stdout.write(say(f"limiter.asked_{state}", language) + "\n")
    return FINE


def run_limiter(path: Path, language: str, *, as_json: bool) -> int:
    """Show how the limiter stands, and what it was simulated and armed with."""
    loaded = load_site(path)
    orders = orders_of(loaded)
    if orders is None:
        tell(say("limiter.none", language))
        return WRONG_USE
    facts = _facts(loaded, orders)
    if as_json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        return FINE
    console, zone = Console(), ZoneInfo(loaded.site.site.timezone)
    for text in [*limiter_lines(facts, zone, language), *record_lines(facts, zone, language)]:
        console.print(plain(text), soft_wrap=True)
    return FINE


def _facts(loaded: LoadedSite, orders: LimiterOrders) -> dict[str, Any]:
    reader = EventReader.open(loaded.store_path, loaded.site.site.id)
    try:
        facts = limiter_facts(loaded, reader, SystemClock().now_ms()) or {}
        records = reader.limiter_records()
    finally:
        reader.close()
    simulated = [one for one in records if one.kind == "simulated" and one.digest == orders.digest]
    said = [one for one in records if one.kind != "simulated"]
    return {
        **facts,
        "digest": orders.digest,
        "stands_against": arming_of(records, orders.digest).missing,
        "simulated": record_facts(simulated[-1]) if simulated else None,
        "armed": record_facts(said[-1]) if said else None,
    }


def limiter_watches(loaded: LoadedSite, language: str) -> str:
    """Why a live limiter would only watch, as the store has it now; empty where it would not."""
    orders = orders_of(loaded)
    if orders is None or orders.wanted is not Mode.LIVE:
        return ""
    missing: str | None = "limiter.not_simulated"
    with suppress(StoreError):  # nothing is stored yet
        reader = EventReader.open(loaded.store_path, loaded.site.site.id)
        try:
            missing = reader.limiter_arming(orders.digest).missing
        finally:
            reader.close()
    return (
        "" if missing is None else say("limiter.check_only_watches", language, reason=say(missing, language))
    )
