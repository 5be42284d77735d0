"""``energy-monitor export``: intervals or readings of a period as CSV or Parquet."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import Progress

from config.loading import LoadedSite, load_site
from config.problems import did_you_mean, hinted
from config.words import say
from monitor.cli.words import WRONG_USE, tell
from monitor.exports.intervals import interval_sheet
from monitor.exports.scans import scan_sheet
from monitor.exports.sheets import Sheet
from monitor.exports.writing import write_csv, write_parquet
from monitor.store.streams import RowStreams, Span
from rules.calendar import PeriodError, reporting_period

FINE, PROBLEM = 0, 1
WHAT = ("intervals", "scans")
FORMATS = ("csv", "parquet")
ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed. ``only``: meters of intervals, devices of scans; all of them when empty."""

    what: str
    period: str
    only: tuple[str, ...]
    format: str | None
    out: Path | None
    force: bool = False


def run_export(site_path: Path, wanted: Wanted, language: str) -> int:
    """Write the file, or CSV to standard output. Raises what ``explain`` puts into words.

    Returns
    -------
    0 fine; 1 the file cannot be written; 2 wrong use.
    """
    loaded = load_site(site_path)
    format_ = format_of(wanted)
    if (wrong := wrong_out(wanted, format_, language)) is not None:
        return _failed(wrong, WRONG_USE)
    zone = ZoneInfo(loaded.site.site.timezone)
    try:
        span = Span(*reporting_period(wanted.period).bounds_s(zone))
    except PeriodError as error:
        return _failed(say(error.code, language, **error.data), WRONG_USE)
    streams = RowStreams.open(loaded.store_path, loaded.site.site.id)
    try:
        if (unknown := _unknown(streams, loaded, wanted, language)) is not None:
            return _failed(unknown, WRONG_USE)
        return write_sheet(_sheet(streams, loaded, wanted, span), wanted, format_, zone, language)
    finally:
        streams.close()


def format_of(wanted: Wanted) -> str:
    """The format that was asked for, or that the file's name says."""
    by_name = wanted.out is not None and wanted.out.suffix.lower() == ".parquet"
    return wanted.format or ("parquet" if by_name else "csv")


def wrong_out(wanted: Wanted, format_: str, language: str) -> str | None:
    """What is said of a file that cannot be meant: no name, another kind by its ending, or there already."""
    out = wanted.out
    if out is None:
        return say("export.needs_out", language) if format_ == "parquet" else None
    ending = out.suffix.lower()
    if wanted.format is None and ending not in ENDINGS:
        return say("export.bad_ending", language, path=out, ending=ending or out.name)
    if out.is_dir():
        return say("export.is_folder", language, path=out)
    if out.exists() and not wanted.force:
        return say("export.exists", language, path=out)
    return None


def _unknown(streams: RowStreams, loaded: LoadedSite, wanted: Wanted, language: str) -> str | None:
    """What is said of a name that neither site file nor store knows."""
    if wanted.what == "scans":
        known = {layout.device for layout in streams.layouts().values()} | set(loaded.placed())
    else:
        known = {meter.id for meter in loaded.site.meters}
        known |= set(streams.interval_counts(Span(-(2**40), 2**40), wanted.only)) if wanted.only else set()
    for name in wanted.only:
        if name not in known:
            hint = did_you_mean(name, sorted(known))
            key = "export.no_device" if wanted.what == "scans" else "export.no_meter"
            return hinted(say(key, language, name=name), hint, language)
    return None


def _sheet(streams: RowStreams, loaded: LoadedSite, wanted: Wanted, span: Span) -> Sheet:
    site = loaded.site.site.id
    if wanted.what == "scans":
        return scan_sheet(streams, site, span, wanted.only)
    commodities = {meter.id: meter.commodity for meter in loaded.site.meters}
    return interval_sheet(streams, site, commodities, span, wanted.only)


def write_sheet(sheet: Sheet, wanted: Wanted, format_: str, zone: ZoneInfo, language: str) -> int:
    """Write a sheet where it was wanted, with a bar; exit code."""
    with _bar(sheet.total, say(f"export.{wanted.what}", language)) as done:
        if wanted.out is None:
            write_csv(sheet, sys.stdout, zone, done)
            return FINE
        try:
            count = _to_file(sheet, wanted.out, format_, zone, done)
        except OSError as error:
            reason = error.strerror or str(error)
            return _failed(say("export.cannot_write", language, path=wanted.out, reason=reason), PROBLEM)
    tell(say("export.written", language, path=wanted.out, rows=f"{count:,}"))
    return FINE


def _to_file(sheet: Sheet, path: Path, format_: str, zone: ZoneInfo, done: Callable[[int], None]) -> int:
    """Write beside the file and give it its name at the end: nobody reads half of it."""
    part = path.with_name(path.name + ".part")
    try:
        if format_ == "parquet":
            part.touch()  # what the folder says of it is told in our words
            count = write_parquet(sheet, part, zone, done)
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                count = write_csv(sheet, file, zone, done)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


@contextmanager
def _bar(total: int, words: str) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(words, total=total)
        yield lambda step: progress.advance(task, step)


def _failed(text: str, code: int) -> int:
    tell(text)
    return code


def chosen(values: Sequence[str] | None) -> tuple[str, ...]:
    """Names that were given once or several times, or with commas between them."""
    return tuple(name for value in values or () for name in value.split(",") if name)
