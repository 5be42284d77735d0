"""``energy-monitor deadletter list|show|retry``: rows that a far side refused for good."""

import json
import sys
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from config.loading import LoadedSite, load_site
from config.problems import did_you_mean, hinted
from config.words import say
from monitor.cli.asking import asked, daemon_runs
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.store.database import StoreError
from monitor.store.deliveries import UNSETTLED, Letter, LetterState, RetryRequest, who
from monitor.store.reader import StoreReader
from monitor.timestamps import iso_utc, local_text

FINE, PROBLEM, WRONG_USE = 0, 1, 2
SHOWN = 60
LISTED = 100


def run_list(
    path: Path, sink: str | None, language: str, *, every: bool, limit: int | None, as_json: bool
) -> int:
    """List letters, oldest first: those that wait for a person, or ``every`` one.

    Without a limit a table holds as many as a person reads, and says how many there are; JSON holds all.
    """
    loaded = load_site(path)
    if not is_sink(loaded, sink, language):
        return WRONG_USE
    states = tuple(LetterState) if every else UNSETTLED
    if limit is None and not as_json:
        limit = LISTED
    letters = _read(loaded, lambda reader: reader.deliveries.letters(sink, states, limit))
    if as_json:
        sys.stdout.write(json.dumps([_facts(one) for one in letters], ensure_ascii=False, indent=2) + "\n")
        return FINE
    if not letters:
        sys.stdout.write(say("deadletter.none", language) + "\n")
        return FINE
    Console().print(_table(letters, ZoneInfo(loaded.site.site.timezone), language))
    total = _read(loaded, lambda reader: reader.deliveries.count_letters(sink, states))
    if total > len(letters):
        tell(say("deadletter.some_of", language, shown=f"{len(letters):,}", total=f"{total:,}"))
    return FINE


def run_show(path: Path, number: int, language: str, *, as_json: bool) -> int:
    """Show one letter: all of its line, and the far side's words."""
    loaded = load_site(path)
    letter = _read(loaded, lambda reader: reader.deliveries.letter(number))
    if letter is None:
        tell(say("deadletter.no_such", language, number=number))
        return PROBLEM
    facts = _facts(letter)
    if as_json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
        return FINE
    zone = ZoneInfo(loaded.site.site.timezone)
    facts |= {"at": local_text(letter.at_ms, zone), "state": _state(letter, language)}
    for name in ("number", "sink", "stream", "at", "state", "reason", "line"):
        shown = plain(str(facts[name]))
        sys.stdout.write(f"{say(f'deadletter.col_{name}', language)}: {shown}\n")
    return FINE


def run_retry(path: Path, numbers: tuple[int, ...], sink: str | None, wait_s: float, language: str) -> int:
    """Have letters tried again, as their rows are now; wait a while for what becomes of them."""
    loaded = load_site(path)
    if not is_sink(loaded, sink, language):
        return WRONG_USE
    found = _read(loaded, lambda reader: [reader.deliveries.letter(number) for number in numbers])
    missing = [number for number, letter in zip(numbers, found, strict=True) if letter is None]
    if missing:
        tell(say("deadletter.no_such", language, number=", ".join(map(str, missing))))
        return PROBLEM
    by_sink: dict[str, list[int]] = {}
    for letter in found:
        if letter is not None:
            by_sink.setdefault(letter.sink, []).append(letter.id)
    if not numbers:
        sinks = [sink] if sink is not None else [one.id for one in loaded.site.sinks]
        by_sink = {one: [] for one in sinks}
    now_ms, count = SystemClock().now_ms(), 0
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    for one, wanted in by_sink.items():
        try:
            outcome = asked(loaded, RetryRequest(one, tuple(wanted), who(), now_ms))
        except StoreError as error:
            tell(say(error.code, language, **error.data))
            return PROBLEM
        spans[one] = outcome.spans
        count += outcome.count
    if not count:
        sys.stdout.write(say("deadletter.none_open", language) + "\n")
        return FINE
    if not daemon_runs(loaded):
        sys.stdout.write(say("deadletter.asked_no_daemon", language, count=count) + "\n")
        return FINE
    return _told(loaded, spans, wait_s, language)


def _told(
    loaded: LoadedSite, spans: dict[str, tuple[tuple[int, int], ...]], wait_s: float, language: str
) -> int:
    deadline_s = monotonic() + wait_s
    while True:
        found = _read(loaded, lambda reader: [reader.deliveries.became(*one) for one in spans.items()])
        counts = {state.value: sum(one[state] for one in found) for state in LetterState}
        if not counts["asked"] or monotonic() > deadline_s:
            break
        Event().wait(0.2)
    sys.stdout.write(say("deadletter.retried", language, **counts) + "\n")
    return PROBLEM if counts["open"] else FINE


def is_sink(loaded: LoadedSite, sink: str | None, language: str) -> bool:
    """Whether the site has a sink of this id (None: of any); tells when not."""
    known = [one.id for one in loaded.site.sinks]
    if sink is None or sink in known:
        return True
    hint = did_you_mean(sink, known)
    tell(hinted(say("deadletter.unknown_sink", language, sink=sink), hint, language))
    return False


def _read(loaded: LoadedSite, look: Any) -> Any:
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        return look(reader)
    finally:
        reader.close()


def _facts(letter: Letter) -> dict[str, Any]:
    return {
        "number": letter.id,
        "sink": letter.sink,
        "stream": letter.stream,
        "at": iso_utc(letter.at_ms),
        "state": letter.state.value,
        "settled": iso_utc(letter.settled_ms) if letter.settled_ms is not None else None,
        "reason": letter.reason,
        "line": letter.line.decode(errors="replace"),
    }


def _state(letter: Letter, language: str) -> str:
    return say(f"deadletter.state_{letter.state.value}", language)


def _table(letters: list[Letter], zone: ZoneInfo, language: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("number", "sink", "at", "state", "line", "reason"):
        table.add_column(say(f"deadletter.col_{name}", language), overflow="fold")
    for letter in letters:
        line = letter.line.decode(errors="replace")
        table.add_row(
            str(letter.id),
            plain(letter.sink),
            local_text(letter.at_ms, zone),
            _state(letter, language),
            plain(line if len(line) <= SHOWN else line[:SHOWN] + "…"),
            plain(letter.reason),
        )
    return table
