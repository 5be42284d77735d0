"""``energy-monitor influx backfill``: a span of the past, delivered once more on the sinks' own way."""

import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Self
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from config.loading import LoadedSite, load_site
from config.sinks import InfluxSink
from config.words import say, say_error
from monitor.cli.asking import asked, daemon_runs
from monitor.cli.deadletter import is_sink
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.store.database import StoreError
from monitor.store.deliveries import Backfill, BackfillRequest, who
from monitor.store.reader import StoreReader
from monitor.store.rows import ConditionRow

FINE, PROBLEM, WRONG_USE = 0, 1, 2
LOOK_S = 0.5
LINE_EVERY_S = 10.0


def run_backfill(
    path: Path,
    span: tuple[str, str],
    sink: str | None,
    streams: tuple[str, ...],
    language: str,
    *,
    detach: bool,
) -> int:
    """Begin, or go on with, a backfill; show how far it is until it is done.

    Parameters
    ----------
    span : first instant and the one after the last, ISO 8601; a day is its beginning in the site's zone.
    streams : those wanted; empty for all that the sink has.
    """
    loaded = load_site(path)
    zone = ZoneInfo(loaded.site.site.timezone)
    from_ms, to_ms = _instant_ms(span[0], zone), _instant_ms(span[1], zone)
    if from_ms is None or to_ms is None or from_ms >= to_ms:
        wrong = span[0] if from_ms is None else span[1]
        key = "backfill.empty" if from_ms is not None and to_ms is not None else "backfill.bad_time"
        tell(say(key, language, time=wrong))
        return WRONG_USE
    chosen = _chosen(loaded, sink, streams, language)
    if not chosen:
        return WRONG_USE
    numbers: list[int] = []
    for one in chosen:
        wanted = streams or one.streams()
        request = BackfillRequest(one.id, wanted, from_ms, to_ms, who(), SystemClock().now_ms())
        try:
            numbers += asked(loaded, request).ids
        except StoreError as error:
            tell(say(error.code, language, **error.data))
            return PROBLEM
    if not numbers:
        sys.stdout.write(say("backfill.nothing", language) + "\n")
        return FINE
    if detach or not daemon_runs(loaded):
        key = "backfill.begun" if daemon_runs(loaded) else "backfill.no_daemon"
        sys.stdout.write(say(key, language) + "\n")
        return FINE
    return _watch(loaded, numbers, language)


def _chosen(
    loaded: LoadedSite, sink: str | None, streams: tuple[str, ...], language: str
) -> list[InfluxSink]:
    """The sinks that are meant; none, and why, where something is wrong with the wish."""
    if not is_sink(loaded, sink, language):
        return []
    chosen = [one for one in loaded.site.sinks if isinstance(one, InfluxSink) and sink in (None, one.id)]
    if not chosen:
        tell(say("backfill.no_sink", language))
    unknown = [stream for stream in streams if chosen and stream not in chosen[0].streams()]
    if unknown:
        tell(say("backfill.bad_stream", language, stream=", ".join(unknown)))
    return [] if unknown else chosen


def _watch(loaded: LoadedSite, numbers: list[int], language: str) -> int:
    """Show how far each stream is. An interrupted command leaves the backfill to the daemon."""
    reader = StoreReader.open(loaded.store_path, loaded.site.site.id)
    try:
        with _Shown(language) as shown:
            while True:
                standing = [one for number in numbers for one in reader.deliveries.backfills(number=number)]
                shown.standing(standing)
                if all(one.is_done for one in standing):
                    break
                if not daemon_runs(loaded):
                    sys.stdout.write(say("backfill.no_daemon", language) + "\n")
                    return PROBLEM
                shown.sinks(reader.conditions(), {one.sink for one in standing if not one.is_done})
                Event().wait(LOOK_S)
    finally:
        reader.close()
    sys.stdout.write(say("backfill.done", language, streams=_names(standing)) + "\n")
    return FINE


class _Shown:
    """How far a backfill is: bars on a terminal, else a line every ten seconds; and what holds it up."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bars: dict[int, TaskID] = {}
        self._told: dict[str, str | None] = {}
        self._line_s: float | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """Take the bars away."""
        self._progress.stop()

    def standing(self, standing: Sequence[Backfill]) -> None:
        """Show where the cursors are."""
        for one in standing:
            if one.id not in self._bars:
                words = say("backfill.sending", self._language, sink=one.sink, stream=one.stream)
                self._bars[one.id] = self._progress.add_task(words, total=one.until - one.after)
            self._progress.update(self._bars[one.id], completed=one.position - one.after)
        now_s = monotonic()
        if self._console.is_terminal or (self._line_s is not None and now_s - self._line_s < LINE_EVERY_S):
            return
        self._line_s = now_s
        for one in standing:
            share = (one.position - one.after) / max(1, one.until - one.after)
            facts = {"sink": one.sink, "stream": one.stream, "percent": f"{100 * share:.0f}"}
            tell(say("backfill.so_far", self._language, **facts))

    def sinks(self, conditions: Iterable[ConditionRow], wanted: Collection[str]) -> None:
        """Tell what keeps a sink from delivering, when it begins, changes and ends."""
        for row in conditions:
            kind, _, sink = row.device.partition("/")
            if kind != "sink" or sink not in wanted:
                continue
            code = None if row.error is None else str(row.error["code"])
            before, self._told[sink] = self._told.get(sink), code
            if code == before:
                continue
            if row.error is None:
                text = say("backfill.sink_again", self._language, sink=sink)
            else:
                words = say_error(row.error, self._language)
                text = say("backfill.sink_waits", self._language, words=words)
            self._console.print(plain(text))


def _names(standing: list[Backfill]) -> str:
    return ", ".join(dict.fromkeys(one.stream for one in standing))


def _instant_ms(text: str, zone: tzinfo) -> int | None:
    """An ISO 8601 instant or day, in the site's zone where it names none; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
