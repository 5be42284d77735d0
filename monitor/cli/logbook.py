"""``energy-monitor log add|correct|list|key``: slips, readings and corrections, each with whose it was."""

import json
import re
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from config.loading import LoadedSite, load_site
from config.log_entry import Entry, NotAnEntry, Typed, entry_of, subjects_of
from config.problems import did_you_mean, hinted
from config.words import say
from monitor.cli.handing_over import carried_out
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.log_words import refusal_words
from monitor.store.database import StoreError
from monitor.store.deliveries import who
from monitor.store.reader import StoreReader
from monitor.store.slips import CorrectRequest, LogOutcome, LogRequest, correct_figure, log_figure
from monitor.timestamps import iso_utc, local_text

FINE, PROBLEM, WRONG_USE = 0, 1, 2
ANSWER_WITHIN_S = 60.0

Kind = Literal["quantity", "reading"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was typed of a figure: one of quantity and reading."""

    day: str
    quantity: str | None
    reading: str | None
    through: str
    unit: str

    @property
    def kind(self) -> Kind | None:
        """Which of the two it is; None where it is both or neither."""
        if (self.quantity is None) == (self.reading is None):
            return None
        return "quantity" if self.reading is None else "reading"


def run_add(
    path: Path, subject: str, figures: Figures, source: str, language: str, *, again: bool = False
) -> int:
    """Write a slip or a reading down, or leave it to the process that writes to the store."""
    loaded, kind = load_site(path), figures.kind
    entry = _entry(loaded, subject, figures, source, language)
    if entry is None or kind is None:
        return WRONG_USE
    request = LogRequest(
        kind, entry.subject, entry.start, entry.end, entry.figure, entry.unit, entry.source, who(), "command",
        SystemClock().now_ms(), entry.limits, again,
    )  # fmt: skip
    try:
        outcome = carried_out(
            loaded, request, lambda engine, site: log_figure(engine, site, request), ANSWER_WITHIN_S
        )
    except StoreError as error:
        tell(refusal_words(error, language))
        return PROBLEM
    sys.stdout.write(added_text(outcome, kind, entry, language) + "\n")
    return FINE


def run_correct(path: Path, subject: str, figures: Figures, number: int, reason: str, language: str) -> int:
    """Put a figure in the place of a wrong one; both are kept, with the reason."""
    loaded, kind = load_site(path), figures.kind
    entry = _entry(loaded, subject, figures, "-", language)
    if entry is None or kind is None:
        return WRONG_USE
    if not reason.strip():
        tell(f"--reason: {say('ledger.empty', language, column='reason')}")
        return WRONG_USE
    request = CorrectRequest(
        kind, entry.subject, entry.start, number, entry.figure, reason.strip(), who(), "command",
        SystemClock().now_ms(), entry.limits,
    )  # fmt: skip
    try:
        outcome = carried_out(
            loaded, request, lambda engine, site: correct_figure(engine, site, request), ANSWER_WITHIN_S
        )
    except StoreError as error:
        tell(refusal_words(error, language))
        return PROBLEM
    data = {"subject": entry.subject, "day": entry.start.isoformat(), "unit": entry.unit}
    data |= {"old": f"{outcome.old or 0:,.15g}", "new": f"{entry.figure:,.15g}"}
    key = "logbook.corrected" if outcome.added else "logbook.correct_already"
    sys.stdout.write(say(key, language, **data) + "\n")
    return FINE


def _entry(loaded: LoadedSite, subject: str, figures: Figures, source: str, language: str) -> Entry | None:
    """What was typed, checked; else it is told what is wrong, and None."""
    if figures.kind is None:
        tell(say("logbook.one_figure", language))
        return None
    figure = figures.quantity if figures.reading is None else figures.reading
    typed = Typed(figures.kind, subject, figures.day, figure or "", source, figures.through, figures.unit)
    try:
        return entry_of(loaded.site, typed, _today(loaded), language)
    except NotAnEntry as error:
        options = {"subject": "", "end": "--through: ", "figure": f"--{figures.kind}: "}
        tell(options.get(error.field, f"--{error.field}: ") + error.words(language))
        return None


def _today(loaded: LoadedSite) -> date:
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
    return now.astimezone(ZoneInfo(loaded.site.site.timezone)).date()


def added_text(outcome: LogOutcome, kind: str, entry: Entry, language: str) -> str:
    """What became of an entry."""
    data = {"subject": entry.subject, "day": entry.start.isoformat(), "unit": entry.unit}
    figure = f"{entry.figure:,.15g}"
    if not outcome.added:
        return say("logbook.known_already", language, **data, figure=figure)
    if kind == "reading":
        return say("logbook.added_reading", language, **data, figure=figure)
    total = f"{outcome.figure:,.15g}"
    return say("logbook.added", language, **data, figure=figure, total=total, entry=outcome.entry)


def run_list(path: Path, wanted: str | None, limit: int, language: str, *, as_json: bool) -> int:
    """List what was written down, newest days first, and what was corrected."""
    loaded = load_site(path)
    known = subjects_of(loaded.site)
    if wanted is not None and wanted not in known:
        hint = did_you_mean(wanted, known)
        tell(hinted(say("logbook.unknown_subject", language, subject=wanted), hint, language))
        return WRONG_USE
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        rows = reader.logbook.rows(wanted, limit)
        corrections = reader.logbook.corrections(wanted, limit)
    finally:
        reader.close()
    if as_json:
        facts = {"rows": [_plain(asdict(one)) for one in rows]}
        facts["corrections"] = [_plain(asdict(one)) for one in corrections]
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        return FINE
    zone, console = ZoneInfo(loaded.site.site.timezone), Console()
    table = _table("day", "subject", "kind", "figure", "source", "who", language=language)
    for one in rows:
        days = one.start.isoformat() + ("" if one.end == one.start else f" – {one.end.isoformat()}")
        kind = say(f"logbook.kind_{one.kind}", language) + (f" {one.entry}" if one.entry else "")
        amount, by = f"{one.figure:,.15g} {one.unit}", _by(one.who, one.at_ms, zone)
        cells = (days, one.subject, kind, amount, one.source, by)
        table.add_row(*(plain(cell) for cell in cells))
    console.print(table) if rows else sys.stdout.write(say("logbook.none", language) + "\n")
    for kept in corrections:
        data = {"subject": kept.subject, "day": kept.start.isoformat(), "unit": kept.unit}
        figures = {"old": f"{kept.old:,.15g}", "new": f"{kept.new:,.15g}"}
        told = {"who": _by(kept.who, kept.at_ms, zone), "reason": kept.reason}
        sys.stdout.write(say("logbook.line_corrected", language, **data, **figures, **told) + "\n")
    return FINE


def _by(name: str, at_ms: int, zone: tzinfo) -> str:
    return f"{name or '?'}, {local_text(at_ms, zone)}"


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    at = iso_utc(facts.pop("at_ms"))
    days = {key: value.isoformat() for key, value in facts.items() if isinstance(value, date)}
    return {**facts, **days, "at": at}


def _table(*columns: str, language: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(say(f"logbook.col_{column}", language), overflow="fold")
    return table


def run_key(name: str, language: str) -> int:
    """Make a key for the page's logbook, and the lines of the site file that know it."""
    from monitor.keys import new_key

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        tell(say("logbook.bad_name", language, name=name))
        return WRONG_USE
    key, known_by = new_key()
    sys.stdout.write(say("logbook.key", language, name=name, key=key) + "\n\n")
    sys.stdout.write(f"page:\n  loggers:\n    - {{id: {name}, key: '{known_by}'}}\n")
    return FINE
