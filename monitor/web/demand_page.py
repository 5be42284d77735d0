"""The demand of a period on a page of its own: duration curve, highest windows and what ran in them.

How to ask::

    /demand?period=2026-11            # this month where it is left out; also 2025H2, 2025
    /api/v1/demand?period=2026-11     # the same for programs, as ``energy-monitor demand --json``
"""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment

from config.loading import LoadedSite
from config.site import Language
from config.words import LANGUAGES, say
from monitor.clock import Clock
from monitor.demand.as_data import demand_data
from monitor.demand.tops import SHARES, Demand, TopWindow, demand_of
from monitor.demand.windows import site_meters
from monitor.demand.words import note_words, period_words
from monitor.store.database import StoreError
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.timestamps import local_text
from monitor.web import duration_chart
from monitor.web.charts import COLOURS, Theme
from monitor.web.wording import number
from rules.calendar import PeriodError, ReportingPeriod, reporting_period

TOPS = 10
CURVE_SHARES = tuple(round(at / 200, 4) for at in range(201))
Asked = Annotated[str, Query(max_length=20)]


class Unanswered(Exception):
    """There is nothing to show: the HTTP status, a code, and the words for it."""

    def __init__(self, status: int, code: str, words: str) -> None:
        self.status = status
        self.code = code
        self.words = words
        super().__init__(words)


class DemandPage:
    """Looks periods up; each call opens the store by itself, so that any thread may ask."""

    def __init__(self, loaded: LoadedSite, templates: Environment, clock: Clock) -> None:
        self._loaded = loaded
        self._templates = templates
        self._clock = clock
        self._zone = ZoneInfo(loaded.site.site.timezone)
        self._names = {one.id: one.name for one in loaded.site.meters}

    def period(self, text: str, language: Language) -> ReportingPeriod:
        """The period that is meant; this month where nothing is said. Raises ``Unanswered``."""
        today = datetime.fromtimestamp(self._clock.now_ms() / 1000, tz=self._zone)
        try:
            return reporting_period(text or f"{today:%Y-%m}")
        except PeriodError as error:
            raise Unanswered(422, error.code, say(error.code, language, **error.data)) from None

    def found(self, text: str, language: Language, *, is_fine: bool = False) -> Demand:
        """The demand of a period; with a fine curve for the chart. Raises ``Unanswered``."""
        period, meters = self.period(text, language), site_meters(self._loaded.site)
        if not meters:
            raise Unanswered(404, "limiter.no_meters", say("limiter.no_meters", language))
        try:
            reader = StoreReader.open(self._loaded.store_path, self._loaded.site.site.id)
            try:
                shares = CURVE_SHARES if is_fine else SHARES
                return demand_of(self._loaded, reader, meters, period, 0 if is_fine else TOPS, shares)
            finally:
                reader.close()
        except StoreError as error:
            raise Unanswered(503, error.code, say(error.code, language, **error.data)) from error
        except UNREADABLE as error:
            data = {"path": str(self._loaded.store_path), "reason": str(error.__cause__ or error)}
            raise Unanswered(503, "store.unusable", say("store.unusable", language, **data)) from error

    def data(self, text: str, language: Language) -> dict[str, Any]:
        """For programs. Raises ``Unanswered``."""
        return demand_data(self.found(text, language), self._loaded.site.site.id, self._zone, language)

    def chart(self, text: str, language: Language, theme: Theme) -> dict[str, Any]:
        """Specification and rows of the duration curve. Raises ``Unanswered``."""
        found = self.found(text, language, is_fine=True)
        contract = self._loaded.site.contract
        contract_kw = None if contract is None else contract.on(found.period.end).capacity_kw
        rows = duration_chart.rows(found.curve, contract_kw, language)
        return {"spec": duration_chart.spec(language, COLOURS[theme]), "rows": rows}

    def render(self, text: str, language: Language) -> tuple[int, str]:
        """Status and the whole page."""
        status, found, trouble, period = 200, None, "", None
        try:
            period = self.period(text, language)
            found = self.found(text, language)
        except Unanswered as unanswered:
            status, trouble = unanswered.status, unanswered.words
        other = "en" if language == "zh-TW" else "zh-TW"
        return status, self._templates.get_template("demand.html").render(
            language=language,
            other=other,
            other_name=say("page.language_other", language),
            site=self._loaded.site.site.name.in_language(language),
            say=lambda key, **facts: say(f"page.{key}", language, **facts),
            period=period,
            period_name="" if period is None else period.id if language == "en" else period.roc,
            trouble=trouble,
            found=found if found is not None and found.tops else None,
            windows=say(
                "demand.windows", language, counting=f"{found.counting:,}", expected=f"{found.expected:,}"
            )
            if found is not None
            else "",
            peaks=[] if found is None else self._peaks(found, language),
            tops=[] if found is None else [self._top(one, language) for one in found.tops],
            curve=[]
            if found is None
            else [(f"{share:.0%}", number(kw)) for share, kw in found.curve.items() if math.isfinite(kw)],
        )

    def _peaks(self, found: Demand, language: Language) -> list[str]:
        lines = []
        for month in found.months:
            texts = [
                say(
                    "demand.period_peak",
                    language,
                    period=period_words(period.key, language),
                    kw=f"{peak.kw:,.1f}",
                    at=self._at(peak.start_s),
                )
                for period, peak in month.peaks.items()
            ]
            texts += [note_words(note, language, self._zone) for note in month.notes]
            if texts:
                lines.append(f"{month.month}: {say('config.comma', language).join(texts)}")
        return lines

    def _top(self, one: TopWindow, language: Language) -> dict[str, Any]:
        ran = [
            (self._name(other.meter, language), f"{number(other.kw)} kW", "" if other.is_measured else "?")
            for other in one.others
        ]
        ran += [(chiller.device, f"{number(chiller.percent)} %", "") for chiller in one.chillers]
        return {"kw": number(one.top.kw, 1), "at": self._at(one.top.start_s), "ran": ran}

    def _name(self, meter: str, language: Language) -> str:
        name = self._names.get(meter)
        return meter if name is None else name.in_language(language)

    def _at(self, start_s: int) -> str:
        return local_text(start_s * 1000, self._zone)[:16]


def add_demand(app: FastAPI, page: DemandPage, language_of: Callable[[Request], Language]) -> None:
    """Add the routes; ``language_of`` a request is the live page's."""
    headers = {"Cache-Control": "no-store"}

    def refused(unanswered: Unanswered) -> JSONResponse:
        error = {"code": unanswered.code, "words": unanswered.words}
        return JSONResponse({"error": error}, unanswered.status, headers)

    @app.get("/demand", response_class=HTMLResponse)
    async def show(request: Request, period: Asked = "") -> HTMLResponse:
        language = language_of(request)
        status, text = await asyncio.to_thread(page.render, period, language)
        made = HTMLResponse(text, status, headers)
        if request.query_params.get("lang") in LANGUAGES:
            made.set_cookie("language", language, max_age=31_536_000, httponly=True, samesite="lax")
        return made

    @app.get("/api/v1/demand")
    async def data(request: Request, period: Asked = "") -> Response:
        try:
            return JSONResponse(
                await asyncio.to_thread(page.data, period, language_of(request)), 200, headers
            )
        except Unanswered as unanswered:
            return refused(unanswered)

    @app.get("/api/v1/demand/chart")
    async def chart(request: Request, period: Asked = "", theme: Theme = "light") -> Response:
        try:
            made = await asyncio.to_thread(page.chart, period, language_of(request), theme)
        except Unanswered as unanswered:
            return refused(unanswered)
        return JSONResponse(made, 200, headers)
