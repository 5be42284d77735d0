"""``energy-monitor import``: ledgers, manual readings and reasons from CSV files into the store."""

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from config.words import LANGUAGES, preferred_language, say

if TYPE_CHECKING:
    from rich.progress import Progress

    from config.loading import LoadedSite
    from config.site import Commodity
    from monitor.store.ledgers import ImportOutcome, WriterEngine
    from monitor.store.requests import ImportKind, ImportRequest

KINDS = ("base", "actuals", "readings", "reasons")
ANSWER_WITHIN_S = 120


def run_import(
    site_path: Path,
    kind: str,
    files: Sequence[Path],
    replace: bool = False,
    language: str | None = None,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> int:
    """Import files, each whole or not at all.

    All files are read before the first is imported, so that a bad row in any of them leaves the store as
    it was. Beside a running daemon the files are left to it.

    Parameters
    ----------
    kind : ``base``, ``actuals``, ``readings`` or ``reasons``.
    replace : new figures take the place of standing ones.
    language : of what is said; the terminal's when left out.
    answer_within_s : how long another process that writes to the store is waited for. [s]

    Returns
    -------
    0 fine; 1 a file has a problem or the store cannot be written; 2 wrong use or configuration.
    """
    from config.loading import load_site
    from config.problems import ConfigurationError, render_all
    from monitor.clock import SystemClock
    from monitor.store.database import StoreError

    words = language if language is not None and language in LANGUAGES else preferred_language()
    try:
        loaded = load_site(site_path)
    except ConfigurationError as error:
        return _failed(render_all(error.problems, words), 2)
    job = _Job(cast("ImportKind", kind), replace, words, SystemClock().now_ms(), answer_within_s)
    try:
        _import_all(loaded, job, files)
    except ConfigurationError as error:
        return _failed(render_all(error.problems, words), 1)
    except StoreError as error:
        return _failed(_all_words(error, words), 1)
    return 0


@dataclass(frozen=True, slots=True)
class _Job:
    """What is asked of each file, and when."""

    kind: "ImportKind"
    replace: bool
    words: str
    at_ms: int
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
                    _tell(request, outcome, job.words)
        except StoreError as error:
            if error.code != "store.in_use":
                raise
            for request in requests:
                _tell(request, _hand_over(loaded, job, request, progress), job.words)


def _read_all(
    loaded: "LoadedSite", job: _Job, files: Sequence[Path], progress: "Progress"
) -> "list[ImportRequest]":
    """Read every file; what is wrong with any of them is told at once."""
    from config.problems import ConfigurationError, Problem

    meters = {meter.id: meter.commodity for meter in loaded.site.meters}
    requests: list[ImportRequest] = []
    problems: list[Problem] = []
    for path in files:
        task = progress.add_task(say("import.reading", job.words, file=path.name), total=None)
        try:
            requests.append(_read(path, job, meters))
        except ConfigurationError as error:
            problems += error.problems
        progress.remove_task(task)
    if problems:
        raise ConfigurationError(problems)
    return requests


def _read(path: Path, job: _Job, meters: "Mapping[str, Commodity]") -> "ImportRequest":
    """Read one file: what is asked of the store, every row of it right."""
    from config.ledger import read_ledger, read_readings, read_reasons
    from monitor.store.requests import ImportRequest

    facts = (job.kind, str(path), _digest(path), job.at_ms, job.replace)
    if job.kind == "reasons":
        return ImportRequest(*facts, reasons=read_reasons(path))
    if job.kind == "readings":
        return ImportRequest(*facts, readings=read_readings(path, meters))
    return ImportRequest(*facts, ledger=read_ledger(path, meters))


def _digest(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read, which reading its rows tells in words."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _import_one(
    engine: "WriterEngine", site: str, job: _Job, request: "ImportRequest", progress: "Progress"
) -> "ImportOutcome":
    from monitor.store.requests import carry_out

    rows = len(request.ledger) + len(request.readings) + len(request.reasons)
    file = Path(request.file_name).name
    task = progress.add_task(say("import.writing", job.words, file=file), total=rows)
    try:
        return carry_out(engine, site, request, progress=lambda done: progress.advance(task, done))
    finally:
        progress.remove_task(task)


def _hand_over(
    loaded: "LoadedSite", job: _Job, request: "ImportRequest", progress: "Progress"
) -> "ImportOutcome":
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


def _tell(request: "ImportRequest", outcome: "ImportOutcome", words: str) -> None:
    data = {"added": outcome.added, "unchanged": outcome.unchanged, "replaced": outcome.replaced}
    key = "import.done" if outcome.added or outcome.replaced else "import.nothing_new"
    sys.stdout.write(say(key, words, file=request.file_name, **data) + "\n")


def _all_words(error: Exception, words: str) -> str:
    """Everything that a store has to say against a file."""
    from monitor.store.database import StoreError
    from monitor.store.ledgers import LedgerRefused

    errors = error.problems if isinstance(error, LedgerRefused) else (error,)
    return "\n".join(say(one.code, words, **one.data) for one in errors if isinstance(one, StoreError))


def _failed(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code
