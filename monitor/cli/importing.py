"""``energy-monitor import``: ledgers, readings, reasons and history from people's files into the store."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.words import LANGUAGES, preferred_language, say

if TYPE_CHECKING:
    from rich.progress import Progress

    from config.history.intervals import IntervalRows
    from config.loading import LoadedSite
    from monitor.cli.import_reading import Wish
    from monitor.store.adjusting import AdjustRequest
    from monitor.store.history_requests import HistoryRequest
    from monitor.store.ledgers import ImportOutcome, WriterEngine
    from monitor.store.measures import MeasuresRequest
    from monitor.store.requests import ImportRequest

    Request = ImportRequest | HistoryRequest | AdjustRequest | MeasuresRequest

KINDS = (
    "base",
    "actuals",
    "readings",
    "reasons",
    "settlements",
    "intervals",
    "weather",
    "events",
    "adjustments",
    "measures",
)
MOST_METERS_TOLD = 12
ANSWER_WITHIN_S = 120


def run_import(
    site_path: Path,
    kind: str,
    files: Sequence[Path],
    replace: bool = False,
    language: str | None = None,
    answer_within_s: float = ANSWER_WITHIN_S,
    declared: "Declared | None" = None,
) -> int:
    """Import files, each whole or not at all.

    All files are read before the first is imported, so that a bad row in any of them leaves the store as
    it was. Beside a running daemon the files are left to it.

    Parameters
    ----------
    kind : one of ``KINDS``.
    replace : new figures take the place of standing ones.
    language : of what is said; the terminal's when left out.
    answer_within_s : how long another process that writes to the store is waited for. [s]
    declared : how the files are to be read.

    Returns
    -------
    0 fine; 1 a file has a problem or the store cannot be written; 2 wrong use or configuration.
    """
    from config.history.workbook import SheetsMissing
    from config.loading import load_site
    from config.problems import ConfigurationError, render_all
    from monitor.cli.import_reading import Wish
    from monitor.clock import SystemClock
    from monitor.store.database import StoreError

    words = language if language is not None and language in LANGUAGES else preferred_language()
    try:
        loaded = load_site(site_path)
    except ConfigurationError as error:
        return _failed(render_all(error.problems, words), 2)
    how = declared or Declared()
    wish = Wish(kind, replace, SystemClock().now_ms(), how.file, how.settings)
    job = _Job(wish, words, answer_within_s)
    try:
        _import_all(loaded, job, files)
    except ConfigurationError as error:
        return _failed(render_all(error.problems, words), 1)
    except StoreError as error:
        return _failed(_all_words(error, loaded, words), 1)
    except SheetsMissing:
        return _failed(say("history.sheets_missing", words), 2)
    return 0


@dataclass(frozen=True, slots=True)
class Declared:
    """How files are to be read.

    Attributes
    ----------
    file : YAML file that says what the columns are; None where it may lie beside each file.
    settings : ``KEY=VALUE``, which go before the declaration.
    """

    file: Path | None = None
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Job:
    """What is asked of each file, in which language it is told, and how long an answer may take."""

    wish: "Wish"
    words: str
    answer_within_s: float


def _import_all(loaded: "LoadedSite", job: _Job, files: Sequence[Path]) -> None:
    from monitor.store.database import StoreError
    from monitor.store.ledgers import writing
    from monitor.store.sites import check_site

    with _progress() as progress:
        requests = _read_all(loaded, job, files, progress)
        try:
            with writing(loaded.store_path) as engine:
                check_site(engine, loaded.store_path, loaded.site.site.id)
                for request in requests:
                    outcome = _import_one(engine, loaded.site.site.id, job, request, progress)
                    _tell(loaded, request, outcome, job.words)
        except StoreError as error:
            if error.code != "store.in_use":
                raise
            for request in requests:
                _tell(loaded, request, _hand_over(loaded, job, request, progress), job.words)


def _read_all(
    loaded: "LoadedSite", job: _Job, files: Sequence[Path], progress: "Progress"
) -> "list[Request]":
    """Read every file; what is wrong with any of them is told at once."""
    from config.problems import ConfigurationError, Problem
    from monitor.cli.import_reading import read_request

    requests: list[Request] = []
    problems: list[Problem] = []
    for path in files:
        task = progress.add_task(say("import.reading", job.words, file=path.name), total=None)
        try:
            requests.append(read_request(path, job.wish, loaded))
        except ConfigurationError as error:
            problems += error.problems
        progress.remove_task(task)
    if problems:
        raise ConfigurationError(problems)
    return requests


def _import_one(
    engine: "WriterEngine", site: str, job: _Job, request: "Request", progress: "Progress"
) -> "ImportOutcome":
    from monitor.store.ledgers import ImportOutcome
    from monitor.store.requests import carry_out

    file = Path(request.file_name).name
    task = progress.add_task(say("import.writing", job.words, file=file), total=_row_count(request))
    try:
        done = carry_out(engine, site, request, progress=lambda count: progress.advance(task, count))
        assert isinstance(done, ImportOutcome)  # noqa: S101  as it was asked
        return done
    finally:
        progress.remove_task(task)


def _hand_over(loaded: "LoadedSite", job: _Job, request: "Request", progress: "Progress") -> "ImportOutcome":
    """Leave a file to the process that writes to the store, and wait for what it says.

    Where that process ends without an answer (it was a daemon that stops, or another import), the file
    is carried out here.
    """
    from monitor.cli.handing_over import carried_out_elsewhere
    from monitor.store.ledgers import ImportOutcome

    file = Path(request.file_name).name
    task = progress.add_task(say("import.handing_over", job.words, file=file), total=None)
    try:
        outcome = carried_out_elsewhere(loaded, request, job.answer_within_s)
    finally:
        progress.remove_task(task)
    assert isinstance(outcome, ImportOutcome)  # noqa: S101  as it was asked
    return outcome


@contextmanager
def _progress() -> "Iterator[Progress]":
    """Show bars on a terminal's standard error, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def _row_count(request: "Request") -> int:
    from monitor.store.requests import ImportRequest

    if not isinstance(request, ImportRequest):
        return len(request.rows)
    rows = (request.ledger, request.readings, request.reasons, request.settlements)
    return sum(map(len, rows))


def _tell(loaded: "LoadedSite", request: "Request", outcome: "ImportOutcome", words: str) -> None:
    from config.history.intervals import IntervalRows
    from monitor.store.history_requests import HistoryRequest
    from monitor.store.requests import ImportRequest

    data = {"added": outcome.added, "unchanged": outcome.unchanged, "replaced": outcome.replaced}
    key = "import.done" if outcome.added or outcome.replaced else "import.nothing_new"
    lines = [say(key, words, file=request.file_name, **data)]
    if isinstance(request, HistoryRequest):
        lines += _spans(loaded, request.rows, words) if isinstance(request.rows, IntervalRows) else []
    elif isinstance(request, ImportRequest) and request.settlements:
        sys.stderr.write(_doubts(request, loaded, words))
    sys.stdout.write("\n".join(lines) + "\n")


def _spans(loaded: "LoadedSite", rows: "IntervalRows", words: str) -> list[str]:
    """From when to when each meter has intervals now, and how much: a wrong zone or unit is seen here."""
    from zoneinfo import ZoneInfo

    from config.site import COMMODITY_UNITS
    from monitor.timestamps import local_text

    zone = ZoneInfo(loaded.site.site.timezone)
    units = {meter.id: COMMODITY_UNITS[meter.commodity] for meter in loaded.site.meters}
    lines = []
    for at, meter in enumerate(rows.meters[:MOST_METERS_TOLD]):
        mine = rows.meter == at
        if not mine.any():
            continue
        first, last = int(rows.start_s[mine][0]), int(rows.start_s[mine][-1]) + rows.duration_s
        facts = {"start": local_text(1000 * first, zone), "end": local_text(1000 * last, zone)}
        total = f"{float(rows.quantity[mine].sum()):,.10g}"
        lines.append(say("import.span", words, meter=meter, **facts, total=total, unit=units[meter]))
    if rows.left_out:
        lines.append(say("import.left_out", words, count=rows.left_out))
    return lines


def _doubts(request: "ImportRequest", loaded: "LoadedSite", words: str) -> str:
    """What to look at in settlements that are taken all the same."""
    from config.problems import render_all
    from config.settlement_list import settlement_warnings

    found = render_all(
        settlement_warnings(Path(request.file_name), request.settlements, loaded.folder), words
    )
    return found + "\n" if found else ""


def _all_words(error: Exception, loaded: "LoadedSite", words: str) -> str:
    """Everything that a store has to say against a file, in the site's time as the file is."""
    from zoneinfo import ZoneInfo

    from monitor.store.database import LedgerRefused, StoreError
    from monitor.timestamps import local_if_instant

    errors = error.problems if isinstance(error, LedgerRefused) else (error,)
    zone = ZoneInfo(loaded.site.site.timezone)
    return "\n".join(
        say(one.code, words, **{name: local_if_instant(value, zone) for name, value in one.data.items()})
        for one in errors
        if isinstance(one, StoreError)
    )


def _failed(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code
