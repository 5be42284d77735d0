"""The page and its HTTP interface."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import Cookie, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from config.loading import LoadedSite
from config.site import Language
from config.words import LANGUAGES, say
from monitor.clock import Clock
from monitor.store.reader import StoreReader
from monitor.web import charts
from monitor.web.assets import Asset, Assets
from monitor.web.demand_page import DemandPage, add_demand
from monitor.web.event_door import add_event_door
from monitor.web.guard import Guard, allowed_hosts
from monitor.web.hub import Hub
from monitor.web.live import LiveState
from monitor.web.logbook import LogbookPage, add_logbook
from monitor.web.structured import structured
from monitor.web.view import Fields
from monitor.web.wording import Words

COOKIE = "language"
YEAR_S = 31_536_000
FOR_EVER = f"public, max-age={YEAR_S}, immutable"
LISTS = ("notices", "devices", "counts", "expected", "events", "limiter")

Wish = Annotated[str | None, Query(alias="lang")]
Kept = Annotated[str | None, Cookie(alias=COOKIE)]


class LivePage:
    """What the routes share: the hub, the templates, the assets."""

    def __init__(self, loaded: LoadedSite, reader: StoreReader | None, clock: Clock) -> None:
        self.facts = loaded.site.site
        self.live = LiveState(loaded, reader)
        self.assets = Assets(loaded.store_path.parent)
        self.templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.hub = Hub(self.live, clock, self._fragments)

    def language(self, *wishes: str | None) -> Language:
        """The first wish that is a language of ours, else the site's."""
        found = next((wish for wish in wishes if wish in LANGUAGES), self.facts.language)
        return cast("Language", found)

    def words(self, language: Language) -> Words:
        """Says things in one language."""
        return Words(language, self.live.plan.zone)

    def _fragments(self, fields: Fields, language: Language) -> Fields:
        made = dict(fields)
        for name in LISTS:
            template = self.templates.get_template(f"{name}.html")
            made[f"h.{name}"] = template.render(rows=fields[f"h.{name}"], say=self.words(language))
        return made

    def render(self, language: Language) -> str:
        """The whole page with the values of now."""
        snapshot = self.hub.snapshot
        if snapshot is None:
            raise RuntimeError("nothing was looked at yet")
        today, base = self.live.day_curves()
        return self.templates.get_template("page.html").render(
            say=self.words(language),
            language=language,
            other="en" if language == "zh-TW" else "zh-TW",
            site=self.facts.name.in_language(language),
            f=self.hub.page(language).fields,
            snapshot=snapshot,
            url=self.assets.url,
            table=charts.today_table(today, base),
            base_day=base.day if base else None,
            half=next((half for key, half in snapshot.half_years.items() if key == "electricity"), None),
            clock=self.words(language).clock(snapshot.now_ms / 1000, seconds=True),
            offset_min=self._offset_min(snapshot.now_ms),
            left=countdown(self.hub.page(language).fields["c.window_end"] - snapshot.now_ms),
        )

    def _offset_min(self, now_ms: int) -> int:
        local = datetime.fromtimestamp(now_ms / 1000, tz=self.live.plan.zone)
        return int((local.utcoffset() or timedelta()).total_seconds() // 60)


def countdown(left_ms: float) -> str:
    """Minutes and seconds that are left."""
    seconds = max(0, int(left_ms // 1000))
    return f"{seconds // 60}:{seconds % 60:02d}"


def create_app(loaded_site: LoadedSite, reader: StoreReader | None, clock: Clock) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    reader : the site's store; None to look for it until it is there.

    Returns
    -------
    An application whose ``state.page`` is its ``LivePage``; whoever serves it calls
    ``state.page.hub.close()`` before it waits for connections to end.
    """
    page = LivePage(loaded_site, reader, clock)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        page.assets.start()
        await page.hub.look()
        following = asyncio.create_task(page.hub.run(), name="page-hub")
        try:
            yield
        finally:
            page.hub.close()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await page.assets.close()
            page.live.close()

    app = FastAPI(
        title="facility-energy-monitor",
        lifespan=lifespan,
        docs_url=None,  # its pages come from a content network
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.page = page
    settings = loaded_site.site.page
    app.add_middleware(
        Guard,
        hosts=allowed_hosts(settings.host, settings.hosts),
        refusal=lambda host: say("page.foreign_host", page.facts.language, host=host),
    )
    _add_page(app, page)
    _add_interface(app, page)
    page.templates.globals["url"] = page.assets.url

    def language_of(request: Request) -> Language:
        return page.language(request.query_params.get("lang"), request.cookies.get(COOKIE))

    add_logbook(app, LogbookPage(loaded_site, page.templates, clock), language_of)
    add_demand(app, DemandPage(loaded_site, page.templates, clock), language_of)
    add_event_door(app, loaded_site, clock, language_of)
    return app


def _add_page(app: FastAPI, page: LivePage) -> None:
    @app.get("/", response_class=HTMLResponse)
    async def live_page(lang: Wish = None, kept: Kept = None) -> HTMLResponse:
        language = page.language(lang, kept)
        answer = HTMLResponse(page.render(language), headers={"Cache-Control": "no-store"})
        if lang in LANGUAGES:
            answer.set_cookie(COOKIE, lang, max_age=YEAR_S, httponly=True, samesite="lax")
        return answer

    @app.get("/static/{name}")
    async def static(name: str, request: Request) -> Response:
        asset = await page.assets.get(name)
        if asset is None:
            raise HTTPException(404)
        return _sent(asset, request.headers.get("accept-encoding", ""))

    @app.get("/favicon.ico")
    async def icon(request: Request) -> Response:
        asset = await page.assets.get(page.assets.url("icon.svg").rpartition("/")[2])
        if asset is None:
            raise HTTPException(404)
        return _sent(asset, request.headers.get("accept-encoding", ""))

    @app.exception_handler(404)
    async def not_found(request: Request, _error: Exception) -> Response:
        language = page.language(request.query_params.get("lang"), request.cookies.get(COOKIE))
        return PlainTextResponse(say("page.not_found", language), status_code=404)


def _sent(asset: Asset, accepted: str) -> Response:
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" in accepted:
        headers["Content-Encoding"] = "gzip"
        return Response(asset.packed, media_type=asset.media_type, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


def _add_interface(app: FastAPI, page: LivePage) -> None:
    @app.get("/api/v1/live")
    async def live() -> JSONResponse:
        snapshot = page.hub.snapshot
        return JSONResponse(
            structured(snapshot, page.facts.id) if snapshot else {}, headers={"Cache-Control": "no-store"}
        )

    @app.get("/api/v1/events")
    async def events() -> JSONResponse:
        snapshot, headers = page.hub.snapshot, {"Cache-Control": "no-store"}
        if snapshot is None or snapshot.trouble is not None:
            trouble = None if snapshot is None or snapshot.trouble is None else snapshot.trouble["code"]
            return JSONResponse({"events": [], "trouble": trouble}, 503, headers)
        return JSONResponse({"events": list(snapshot.events)}, headers=headers)

    @app.get("/api/v1/stream")
    async def stream(lang: Wish = None, kept: Kept = None) -> StreamingResponse:
        return StreamingResponse(
            page.hub.stream(page.language(lang, kept)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @app.get("/api/v1/chart/{name}")
    async def chart(
        name: str, theme: charts.Theme = "light", lang: Wish = None, kept: Kept = None
    ) -> Response:
        words = page.words(page.language(lang, kept))
        snapshot = page.hub.snapshot
        if name not in charts.CHARTS or snapshot is None:
            known = ", ".join(charts.CHARTS)
            return PlainTextResponse(words("unknown_chart", name=name, known=known), status_code=404)
        rows = charts.rows(name, snapshot, words, page.live.day_curves(), page.live.power_trace())
        answer: dict[str, Any] = {"spec": charts.chart(name, snapshot, words, theme), "rows": rows}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    @app.get("/healthz")
    async def health() -> JSONResponse:
        snapshot = page.hub.snapshot
        if snapshot is None:
            return JSONResponse({"status": "starting"}, status_code=503)
        age_ms = None if snapshot.newest_ms is None else snapshot.now_ms - snapshot.newest_ms
        trouble = snapshot.trouble["code"] if snapshot.trouble else None
        if page.hub.stuck:
            return JSONResponse({"status": "stuck", "store": trouble, "newest_age_ms": age_ms}, 503)
        return JSONResponse({"status": "ok", "store": trouble or "ok", "newest_age_ms": age_ms})
