"""``report`` and ``status`` with ``--store postgresql://...``: a city's sites, from its days alone."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from config.words import say
from monitor.cli.words import plain, tell
from monitor.clock import SystemClock
from monitor.store.city_days import ZONE
from monitor.store.city_reader import CityReader, MeterTotal, SiteNews
from monitor.timestamps import iso_utc, local_text
from rules.calendar import PeriodError, ReportingPeriod, reporting_period

FINE, PROBLEM, WRONG_USE = 0, 1, 2
SILENT_S, LOOKED_AT_DAYS = 2 * 3600, 30
DAY_S = 86_400


def run_city_report(
    url: str, site: str | None, period_text: str, language: str, *, as_json: bool, out: Path | None
) -> int:
    """Print what each meter used in a period, of one site or of all; exit code as ``report``'s."""
    try:
        period = _over(reporting_period(period_text))
    except PeriodError as error:
        tell(say(error.code, language, **error.data))
        return WRONG_USE
    reader = _reader(url, site)
    totals = reader.totals(period.start, period.end, site)
    made = _as_json(period, totals) if as_json else _as_text(period, totals, language)
    if out is None:
        sys.stdout.write(made)
        return FINE
    try:
        out.write_text(made, encoding="utf-8", newline="\n")
    except OSError as error:
        tell(say("report.cannot_write", language, path=out, reason=error.strerror))
        return PROBLEM
    tell(say("report.written", language, path=out, period=period.id))
    return FINE


def _reader(url: str, site: str | None) -> CityReader:
    reader = CityReader(url)
    if site is not None:
        reader.check_site(site)
    return reader


def _today() -> date:
    return datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).astimezone(ZoneInfo(ZONE)).date()


def _over(period: ReportingPeriod) -> ReportingPeriod:
    """The days of a period that are over. Raises ``PeriodError`` when none is."""
    if period.start >= _today():
        raise PeriodError("report.not_begun", text=period.id, start=period.start.isoformat())
    return period.through(_today() - timedelta(days=1))


def _share(total: MeterTotal, period: ReportingPeriod) -> float:
    days = (period.end - period.start).days + 1
    return min(1.0, total.covered_s / (days * DAY_S))


def _as_json(period: ReportingPeriod, totals: Sequence[MeterTotal]) -> str:
    meters = [
        {
            "site": total.site,
            "meter": total.meter,
            "quantity": total.quantity,
            "coverage": _share(total, period),
            "intervals": total.rows,
            "unsure_intervals": total.unsure,
            "first_day": total.first.isoformat(),
            "last_day": total.last.isoformat(),
        }
        for total in totals
    ]
    facts = {
        "period": period.id,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "meters": meters,
    }
    return json.dumps(facts, ensure_ascii=False, indent=2) + "\n"


def _as_text(period: ReportingPeriod, totals: Sequence[MeterTotal], language: str) -> str:
    span = {"first": period.start.isoformat(), "last": period.end.isoformat()}
    lines = [say("fleet.report_head", language, period=period.id, **span)]
    sites = len({total.site for total in totals})
    lines.append(say("fleet.report_count", language, sites=sites, meters=len(totals)))
    for total in totals:
        figures = {"quantity": f"{total.quantity:,.2f}", "coverage": f"{_share(total, period):.1%}"}
        lines.append(
            say(
                "fleet.report_line",
                language,
                site=total.site,
                meter=total.meter,
                unsure=total.unsure,
                **figures,
            )
        )
    return "\n".join(plain(line).plain for line in lines) + "\n"


def run_city_status(url: str, site: str | None, language: str, *, as_json: bool) -> int:
    """Show who delivers. Exit code 1 when a site has been silent for two hours."""
    news = _reader(url, site).news(_today() - timedelta(days=LOOKED_AT_DAYS), site)
    now_ms = SystemClock().now_ms()
    if as_json:
        facts = [
            {
                "site": one.site,
                "meters": one.meters,
                "newest": None if one.end_s is None else iso_utc(one.end_s * 1000),
                "silent": _silent(one, now_ms),
            }
            for one in news
        ]
        sys.stdout.write(json.dumps({"at": iso_utc(now_ms), "sites": facts}, indent=2) + "\n")
    else:
        _show(news, now_ms, language)
    return PROBLEM if any(_silent(one, now_ms) for one in news) else FINE


def _silent(news: SiteNews, now_ms: int) -> bool:
    return news.end_s is None or now_ms / 1000 - news.end_s > SILENT_S


def _show(news: Sequence[SiteNews], now_ms: int, language: str) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("site", "meters", "newest", "state"):
        table.add_column(say(f"fleet.col_{column}", language), overflow="fold")
    for one in news:
        newest = "-" if one.end_s is None else local_text(one.end_s * 1000, ZoneInfo(ZONE))
        state = say("fleet.silent" if _silent(one, now_ms) else "fleet.delivers", language)
        table.add_row(plain(one.site), str(one.meters), newest, plain(state))
    Console().print(table)
