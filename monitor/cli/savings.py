"""``energy-monitor savings``: three answers about one commodity and period, side by side."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from config.words import LANGUAGES, preferred_language, say
from monitor.cli.report import answerable
from monitor.cli.words import tell

if TYPE_CHECKING:
    from config.loading import LoadedSite
    from config.site import Commodity, Language
    from monitor.reports.savings import SavingsAnswer
    from rules.calendar import ReportingPeriod

CHARTS = (".svg", ".png")


def run_savings(
    site_path: Path,
    commodity_text: str,
    period_text: str,
    language: str | None = None,
    *,
    as_json: bool = False,
    chart: Path | None = None,
    hourly: bool = False,
    variant: str = "projection",
) -> int:
    """Print the answers; draw them where asked.

    Returns
    -------
    0 fine; 1 no adjusted number can be given, or the store cannot be read; 2 wrong use or configuration.
    """
    from config.loading import load_site
    from config.problems import ConfigurationError, render_all
    from monitor.store.database import StoreError
    from rules.calendar import PeriodError, reporting_period

    words = language if language is not None and language in LANGUAGES else preferred_language()
    if wrong := _wrong_use(chart, variant, words):
        return _failed(wrong, 2)
    try:
        loaded = load_site(site_path)
        commodity = _commodity(loaded, commodity_text)
        if commodity is None:
            known = ", ".join(loaded.site.commodities)
            data = {"site": site_path, "commodity": commodity_text, "known": known}
            return _failed(say("savings.no_such_commodity", words, **data), 2)
        wanted = reporting_period(period_text)
        period = answerable(wanted, loaded)
        answer = _answer(loaded, commodity, period, language, hourly=hourly, variant=variant)
    except PeriodError as error:
        return _failed(say(error.code, words, **error.data), 2)
    except ConfigurationError as error:
        return _failed(render_all(error.problems, words), 2)
    except StoreError as error:
        return _failed(say(error.code, words, **error.data), 1)
    if period != wanted:
        tell(say("report.so_far", words, period=wanted.id, last=period.end.isoformat()))
    _print(answer, as_json)
    drawn = 0 if chart is None else _draw(answer, chart, words)
    return drawn or (1 if answer.further is None else 0)


def _wrong_use(chart: Path | None, variant: str, words: str) -> str | None:
    from rules.models.uncertainty import Variant

    if chart is not None and chart.suffix.lower() not in CHARTS:
        return say("savings.bad_chart", words, path=chart)
    if variant not in set(Variant):
        return say("savings.bad_variant", words, text=variant, choices=", ".join(Variant))
    return None


def _commodity(loaded: "LoadedSite", text: str) -> "Commodity | None":
    return next((one for one in loaded.site.commodities if one == text), None)


def _answer(
    loaded: "LoadedSite",
    commodity: "Commodity",
    period: "ReportingPeriod",
    language: str | None,
    *,
    hourly: bool,
    variant: str,
) -> "SavingsAnswer":
    from monitor.reports.savings import savings_answer
    from monitor.store.reader import StoreReader
    from rules.models.fitted import Step
    from rules.models.uncertainty import Variant

    site = loaded.site
    chosen = cast("Language", language) if language is not None else site.site.language
    reader = StoreReader.open(loaded.store_path, site.site.id)
    try:
        return savings_answer(
            reader,
            loaded,
            commodity,
            period,
            chosen,
            step=Step.HOUR if hourly else Step.DAY,
            variant=Variant(variant),
        )
    finally:
        reader.close()


def _print(answer: "SavingsAnswer", as_json: bool) -> None:
    from monitor.reports.savings_data import savings_json
    from monitor.reports.savings_words import savings_text

    sys.stdout.write(savings_json(answer) if as_json else savings_text(answer))


def _draw(answer: "SavingsAnswer", path: Path, words: str) -> int:
    if not answer.adjusted.days:
        return _failed(say("savings.nothing_to_draw", words, path=path), 1)
    try:
        from monitor.reports.savings_chart import drawn
    except ImportError as error:
        data = {"extra": "page", "module": error.name or "?"}
        return _failed(say("cli.missing_extra", words, **data), 2)
    try:
        path.write_bytes(drawn(answer, path.suffix.lower()))
    except OSError as error:
        return _failed(say("report.cannot_write", words, path=path, reason=error.strerror), 1)
    tell(say("savings.chart_written", words, path=path, period=answer.period.id))
    return 0


def _failed(text: str, code: int) -> int:
    tell(text)
    return code
