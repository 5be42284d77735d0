"""``energy-monitor audit``: who had what done, and what was refused; beside a running daemon too."""

import json
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.table import Table

from config.event_times import TimeRefusedError, event_instant
from config.loading import load_site
from config.words import say
from monitor.cli.words import plain, tell, wide_console
from monitor.store.audits import AuditReader
from monitor.timestamps import iso_utc, local_text

FINE, WRONG_USE = 0, 2


@dataclass(frozen=True, slots=True)
class AuditWish:
    """What was typed; a day as ``first`` begins with its midnight, as ``last`` it is whole."""

    first: str = ""
    last: str = ""
    who: str = ""
    what: str = ""


def run_audit(path: Path, wish: AuditWish, language: str, *, as_json: bool) -> int:
    """Print the entries, oldest first."""
    loaded = load_site(path)
    zone = ZoneInfo(loaded.site.site.timezone)
    try:
        span_ms = _instant_ms(wish.first, zone, is_end=False), _instant_ms(wish.last, zone, is_end=True)
    except TimeRefusedError as error:
        tell(say(error.code, language, **error.data))
        return WRONG_USE
    reader = AuditReader.open(loaded.store_path, loaded.site.site.id)
    try:
        entries = reader.entries(span_ms, wish.who, wish.what)
    finally:
        reader.close()
    if as_json:
        rows = [{"at": iso_utc(one["at_ms"]), **one} for one in entries]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
    elif entries:
        wide_console().print(_table(entries, zone, language))
    else:
        sys.stdout.write(say("trigger.audit_none", language) + "\n")
    return FINE


def _instant_ms(text: str, zone: ZoneInfo, *, is_end: bool) -> int | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return round(event_instant(text, zone).timestamp() * 1000)
    day += timedelta(days=is_end)
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def _table(entries: list[dict[str, Any]], zone: ZoneInfo, language: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("at", "who", "what", "detail"):
        table.add_column(say(f"trigger.audit_{column}", language), overflow="fold", no_wrap=column == "what")
    for one in entries:
        detail = say("config.comma", language).join(
            f"{key} {_shown(value)}"
            for key, value in one["detail"].items()
            if value not in ("", None, [], {})
        )
        at = local_text(one["at_ms"], zone)
        style = "yellow" if "refused" in one["detail"] else ""
        table.add_row(at, plain(one["actor"]), plain(one["action"]), plain(detail), style=style)
    return table


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
