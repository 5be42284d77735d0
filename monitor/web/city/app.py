"""A city's page: every site that delivers, or one of them, out of the city's database alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

from fastapi import Cookie, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from config.site import Language
from config.words import LANGUAGES, say
from monitor.clock import Clock
from monitor.store.city_days import ZONE
from monitor.store.city_reader import CityReader
from monitor.store.database import StoreError
from monitor.web.assets import FOLDER, Asset, hashed
from monitor.web.city.facts import CityFacts
from monitor.web.city.view import clock_of, meter_row, site_row, site_structured, sites_structured
from monitor.web.guard import Guard, allowed_hosts

COOKIE, YEAR_S, REFRESH_S = "language", 31_536_000, 60
FILES = ("page.css", "city.css", "icon.svg", "theme.js")

Wish = Annotated[str | None, Query(alias="lang")]
Remembered = Annotated[str | None, Cookie(alias=COOKIE)]


class CityPage:
    """What the routes share: the facts, the template, the files."""

    def __init__(self, facts: CityFacts, clock: Clock, language: Language) -> None:
        self.facts = facts
        self.clock = clock
        self._language = language
        self.files = {name: Asset.of(name, (FOLDER / name).read_bytes()) for name in FILES}
        self.urls = {name: hashed(name, asset.body) for name, asset in self.files.items()}
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def language(self, *wishes: str | None) -> Language:
        """The first wish that is a language of ours, else the one that the page was started in."""
        return cast("Language", next((wish for wish in wishes if wish in LANGUAGES), self._language))

    def render(self, language: Language, path: str, trouble: StoreError | None, **shown: Any) -> str:
        """The page with the facts of now."""

        def words(key: str, **data: Any) -> str:
            return say(key if "." in key else f"city.{key}", language, **data)

        zone = shown["site"].state.zone if shown.get("site") else ZoneInfo(ZONE)
        return self._templates.get_template("city.html").render(
            say=words,
            language=language,
            other="en" if language == "zh-TW" else "zh-TW",
            path=path,
            url=lambda name: f"/static/{self.urls[name]}",
            clock=clock_of(self.clock.now_ms(), zone),
            trouble="" if trouble is None else say(trouble.code, language, **trouble.data),
            refresh_s=REFRESH_S,
            **{"sites": None, "site": None, "meters": (), "silent": 0, **shown},
        )


def create_city_app(
    reader: CityReader, clock: Clock, language: Language, only: str | None, hosts: Iterable[str]
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    only : the one site that is shown; None for every site.
    hosts : names under which it may be opened, beside the machine's own.
    """
    page = CityPage(CityFacts(reader, clock, only), clock, language)
    app = FastAPI(title="facility-energy-monitor: city", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(
        Guard,
        hosts=allowed_hosts("", hosts),
        refusal=lambda host: say("city.foreign_host", language, host=host),
    )
    _add_pages(app, page)
    _add_interface(app, page)

    @app.exception_handler(StoreError)
    def unreadable(request: Request, error: StoreError) -> Response:
        wished = page.language(request.query_params.get("lang"), request.cookies.get(COOKIE))
        status = 404 if error.code == "fleet.no_such_site" else 503
        return PlainTextResponse(say(error.code, wished, **error.data), status_code=status)

    @app.exception_handler(404)
    def not_found(request: Request, _error: Exception) -> Response:
        wished = page.language(request.query_params.get("lang"), request.cookies.get(COOKIE))
        return PlainTextResponse(say("city.not_found", wished), status_code=404)

    return app


def _add_pages(app: FastAPI, page: CityPage) -> None:
    def answer(html: str, lang: str | None) -> HTMLResponse:
        made = HTMLResponse(html, headers={"Cache-Control": "no-store"})
        if lang in LANGUAGES:
            made.set_cookie(COOKIE, lang, max_age=YEAR_S, httponly=True, samesite="lax")
        return made

    @app.get("/", response_class=HTMLResponse)
    def every_site(lang: Wish = None, kept: Remembered = None) -> Response:
        if page.facts.only is not None:
            return RedirectResponse(f"/sites/{page.facts.only}" + (f"?lang={lang}" if lang else ""))
        language, now_ms = page.language(lang, kept), page.clock.now_ms()
        states, trouble = page.facts.sites.get()
        rows = [site_row(one, language, now_ms) for one in states or ()]
        silent = sum(row["silent"] for row in rows)
        return answer(page.render(language, "/", trouble, sites=rows, silent=silent), lang)

    @app.get("/sites/{name}", response_class=HTMLResponse)
    def one_site(name: str, lang: Wish = None, kept: Remembered = None) -> Response:
        language, now_ms = page.language(lang, kept), page.clock.now_ms()
        site, trouble = page.facts.site.get(name)
        assert site is not None  # noqa: S101  what is not there was raised
        rows = [meter_row(one, site, language, now_ms) for one in site.meters]
        row = site_row(site.state, language, now_ms)
        html = page.render(language, f"/sites/{name}", trouble, site=site, row=row, meters=rows)
        return answer(html, lang)

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        found = next((file for file, url in page.urls.items() if url == name), None)
        if found is None:
            raise HTTPException(404)
        headers = {"Cache-Control": f"public, max-age={YEAR_S}, immutable"}
        return Response(page.files[found].body, media_type=page.files[found].media_type, headers=headers)


def _add_interface(app: FastAPI, page: CityPage) -> None:
    @app.get("/api/v1/city")
    def sites() -> JSONResponse:
        states, _ = page.facts.sites.get()
        return JSONResponse(sites_structured(states or (), page.clock.now_ms()), headers=_NO_STORE)

    @app.get("/api/v1/city/{name}")
    def site(name: str) -> JSONResponse:
        found, _ = page.facts.site.get(name)
        assert found is not None  # noqa: S101  what is not there was raised
        return JSONResponse(site_structured(found, page.clock.now_ms()), headers=_NO_STORE)

    @app.get("/healthz")
    def health() -> JSONResponse:
        try:
            _, trouble = page.facts.sites.get()
        except StoreError as error:
            trouble = error
        if trouble is not None:
            return JSONResponse({"status": "unreadable", "store": trouble.code}, status_code=503)
        return JSONResponse({"status": "ok", "store": "ok"})


_NO_STORE = {"Cache-Control": "no-store"}
