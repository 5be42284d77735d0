"""``energy-monitor report``: what a period used, against the base year."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from config.words import LANGUAGES, preferred_language, say

if TYPE_CHECKING:
    from config.loading import LoadedSite
    from config.site import Language
    from monitor.reports.summary import Summary
    from monitor.store.reader import StoreReader
    from rules.calendar import ReportingPeriod

FORMATS = ("text", "json")


def run_report(
    site_path: Path,
    period_text: str,
    format: str = "text",  # noqa: A002  named as the option is
    language: str | None = None,
    out: Path | None = None,
) -> int:
    """Print a summary, or write it to ``out``.

    Parameters
    ----------
    period_text : as ``2017H2``, ``106H2``, ``2017`` or ``2017-07``.
    format : ``text`` or ``json``.
    language : ``zh-TW`` or ``en``; the site's own when left out.

    Returns
    -------
    0 fine; 1 the store cannot be read or the file not be written; 2 wrong use or configuration.
    """
    from config.loading import load_site
    from config.problems import ConfigurationError, render_all
    from monitor.store.database import StoreError
    from rules.calendar import PeriodError, reporting_period

    words = language if language is not None and language in LANGUAGES else preferred_language()
    try:
        loaded = load_site(site_path)
        wanted = reporting_period(period_text)
        period = answerable(wanted, loaded)
        text, unlocked = _made(loaded, period, format, language, words)
    except PeriodError as error:
        return _failed(say(error.code, words, **error.data), 2)
    except ConfigurationError as error:
        return _failed(render_all(error.problems, words), 2)
    except StoreError as error:
        return _failed(say(error.code, words, **error.data), 1)
    if period != wanted:
        sys.stderr.write(say("report.so_far", words, period=wanted.id, last=period.end.isoformat()) + "\n")
    sys.stderr.write("".join(line + "\n" for line in unlocked))
    return _deliver(text, out, wanted.id, words)


def answerable(period: "ReportingPeriod", loaded: "LoadedSite") -> "ReportingPeriod":
    """Return the part of a period that is over: whole days are compared with whole days.

    Raises
    ------
    PeriodError : no day of it is over yet.
    """
    from datetime import UTC, datetime, timedelta
    from zoneinfo import ZoneInfo

    from monitor.clock import SystemClock
    from rules.calendar import PeriodError

    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
    today = now.astimezone(ZoneInfo(loaded.site.site.timezone)).date()
    if period.start >= today:
        raise PeriodError("report.not_begun", text=period.id, start=period.start.isoformat())
    return period.through(today - timedelta(days=1))


def _made(
    loaded: "LoadedSite",
    period: "ReportingPeriod",
    format: str,  # noqa: A002  named as the option is
    language: str | None,
    words: str,
) -> tuple[str, list[str]]:
    """Make the report's text from the store, and what is to be said of base years that are not locked."""
    from monitor.reports.as_json import as_json
    from monitor.reports.as_text import as_text
    from monitor.reports.summary import half_year_summary
    from monitor.store.reader import StoreReader

    site = loaded.site
    chosen = cast("Language", language) if language is not None else site.site.language
    reader = StoreReader.open(loaded.store_path, site.site.id)
    try:
        summary = half_year_summary(reader, site, period, chosen)
        unlocked = _unlocked(reader, summary, words)
    finally:
        reader.close()
    return as_json(summary) if format == "json" else as_text(summary), unlocked


def _unlocked(reader: "StoreReader", summary: "Summary", words: str) -> list[str]:
    """Base periods that an import can still change; said beside the report, whose bytes stay as they were."""
    found = []
    for saving in summary.savings:
        days = saving.base_period
        locks = [lock.scope for lock in reader.answers.locks(saving.commodity.value)]
        if saving.base is not None and not any(s.start <= days.start and days.end <= s.end for s in locks):
            data = {"base_year": saving.base_year, "period": days.id}
            name = say(f"report.commodity_{saving.commodity}", words)
            found.append(say("report.base_unlocked", words, name=name, **data))
    return found


def _deliver(text: str, out: Path | None, period: str, words: str) -> int:
    if out is None:
        sys.stdout.write(text)
        return 0
    try:
        out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        return _failed(say("report.cannot_write", words, path=out, reason=error.strerror), 1)
    sys.stderr.write(say("report.written", words, path=out, period=period) + "\n")
    return 0


def _failed(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code
