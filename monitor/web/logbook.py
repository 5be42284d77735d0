"""The logbook's page: a form for slips and readings by hand, which works without a script.

What is sent is checked here, signed with the sender's name, and put into the request box.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment

from config.loading import LoadedSite
from config.log_entry import NotAnEntry, Typed, entry_of, subjects_of
from config.site import COMMODITY_UNITS, Language, every_meter
from config.words import LANGUAGES, catalogue, say
from monitor.clock import Clock
from monitor.keys import fits
from monitor.log_words import refusal_words
from monitor.store.database import LedgerRefused, StoreError
from monitor.store.logbook import KeptCorrection, Logged
from monitor.store.reader import UNREADABLE, StoreReader
from monitor.store.requests import RequestBox
from monitor.store.slips import LogOutcome, LogRequest
from monitor.timestamps import local_text

TOKEN = "log_form"  # noqa: S105  a cookie's name
MOST_BYTES = 8_192
ROWS = 30
ANSWER_WITHIN_S, LOOK_EVERY_S = 5.0, 0.1
MOST_WRONG, WRONG_WITHIN_S, MOST_SENDERS = 5, 60.0, 1_000

FIELDS = ("kind", "subject", "day", "figure", "source", "name", "key", "token", "again")


class Turned(Exception):
    """A form that is not taken: the HTTP status, and the words for it."""

    def __init__(self, status: int, words: str, typed: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.words = words
        self.typed = {name: text for name, text in (typed or {}).items() if name not in ("key", "token")}
        super().__init__(words)


@dataclass
class Doorkeeper:
    """Lets in who has a key, one at a time, and turns away whoever guesses.

    ``wrong`` holds when each sender gave a wrong key, seconds of a clock that never goes back.
    """

    known: Mapping[str, str]
    wrong: dict[str, list[float]] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def admits(self, name: str, key: str, sender: str, now_s: float) -> str | None:
        """None for a name and key that belong together; else the key of the words that say why not."""
        async with self.turn:
            lately = [at_s for at_s in self.wrong.get(sender, ()) if now_s - at_s < WRONG_WITHIN_S]
            if len(lately) >= MOST_WRONG:
                return "page_too_often"
            known_by = self.known.get(name)
            # It takes as long for a name that nobody has.
            told = known_by or next(iter(self.known.values()), "")
            right = await asyncio.to_thread(fits, told, key)
            if known_by is not None and right:
                self.wrong.pop(sender, None)
                return None
            if len(self.wrong) >= MOST_SENDERS:
                self.wrong.clear()
            self.wrong[sender] = [*lately, now_s]
            return "page_wrong_key"


class LogbookPage:
    """The page and what is done with its form."""

    def __init__(self, loaded: LoadedSite, templates: Environment, clock: Clock) -> None:
        self._loaded = loaded
        self._templates = templates
        self._clock = clock
        self._zone = ZoneInfo(loaded.site.site.timezone)
        self.doorkeeper = Doorkeeper({one.id: one.key for one in loaded.site.page.loggers})

    # -- showing ------------------------------------------------------------------------------------

    def render(self, language: Language, shown: Mapping[str, Any]) -> str:
        """The page; ``shown`` holds what was typed, the message and the form's token."""
        site = self._loaded.site
        rows, corrections, trouble = self._written(language)
        subjects = [
            (name, f"{self._name(name, language)} ({COMMODITY_UNITS[commodity]})")
            for name, commodity in subjects_of(site).items()
        ]
        return self._templates.get_template("logbook.html").render(
            say=lambda key, **data: say(f"logbook.{key}", language, **data),
            language=language,
            other="en" if language == "zh-TW" else "zh-TW",
            other_name=say("page.language_other", language),
            site=site.site.name.in_language(language),
            subjects=subjects,
            loggers=[one.id for one in site.page.loggers],
            rows=rows,
            corrections=corrections,
            trouble=trouble,
            today=self.today().isoformat(),
            typed={name: shown.get(name, "") for name in FIELDS},
            ask_again=shown.get("ask_again") or shown.get("again"),
            message=shown.get("message", ""),
            level=shown.get("level", "calm"),
        )

    def today(self) -> date:
        """The day at the site."""
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).astimezone(self._zone).date()

    def _name(self, subject: str, language: Language) -> str:
        for meter in every_meter(self._loaded.site):
            if meter.id == subject:
                return meter.name.in_language(language)
        return say(f"report.commodity_{subject}", language)

    def _written(self, language: Language) -> tuple[list[dict[str, str]], list[str], str]:
        """What was written down lately, what was corrected, and what is wrong with the store."""
        try:
            reader = StoreReader.open(self._loaded.store_path, self._loaded.site.site.id)
        except StoreError as error:
            code = "logbook.page_no_store" if error.code == "store.missing" else error.code
            return [], [], say(code, language, **error.data)
        try:
            known = subjects_of(self._loaded.site)
            rows = [one for one in reader.logbook.rows(limit=ROWS) if one.subject in known]
            told = [self._row(one, language) for one in rows]
            corrections = [self._correction(one, language) for one in reader.logbook.corrections(limit=ROWS)]
        except UNREADABLE as error:
            return [], [], say("store.unusable", language, path=self._loaded.store_path, reason=str(error))
        finally:
            reader.close()
        return told, corrections, ""

    def _row(self, one: Logged, language: Language) -> dict[str, str]:
        days = one.start.isoformat() + ("" if one.end == one.start else f" – {one.end.isoformat()}")
        number = f" {one.entry}" if one.entry else ""
        return {
            "days": days,
            "subject": self._name(one.subject, language),
            "kind": say(f"logbook.kind_{one.kind}", language) + number,
            "figure": f"{one.figure:,.15g} {one.unit}",
            "source": one.source,
            "who": self._by(one.who, one.at_ms),
        }

    def _correction(self, one: KeptCorrection, language: Language) -> str:
        figures = {"old": f"{one.old:,.15g}", "new": f"{one.new:,.15g}", "unit": one.unit}
        data = {"subject": self._name(one.subject, language), "day": one.start.isoformat()}
        by = {"reason": one.reason, "who": self._by(one.who, one.at_ms)}
        return say("logbook.line_corrected", language, **data, **figures, **by)

    def _by(self, who: str, at_ms: int) -> str:
        return f"{who or '?'}, {local_text(at_ms, self._zone)}"

    # -- taking -------------------------------------------------------------------------------------

    async def take(self, request: Request, language: Language) -> int:
        """Check a form that was sent, and put it into the request box; returns its number there.

        Raises
        ------
        Turned : it is not taken; nothing was written.
        """
        form = await _form_of(request, language)
        if not _is_ours(request, form.get("token", "")):
            raise Turned(403, say("logbook.page_foreign", language))
        sender = request.client.host if request.client else "?"
        name, now_s = form.get("name", ""), self._clock.monotonic_s()
        refused = await self.doorkeeper.admits(name, form.get("key", ""), sender, now_s)
        if refused is not None:
            status = 429 if refused == "page_too_often" else 403
            raise Turned(status, say(f"logbook.{refused}", language), form)
        kind = form.get("kind", "")
        fields = ("subject", "day", "figure", "source")
        typed = Typed(kind, *(form.get(one, "") for one in fields))
        try:
            entry = entry_of(self._loaded.site, typed, self.today(), language)
        except NotAnEntry as error:
            label = f"logbook.page_{error.field}"
            prefix = say(label, language) + ": " if label in catalogue(language) else ""
            raise Turned(422, prefix + error.words(language), form) from error
        if kind not in ("quantity", "reading"):
            raise Turned(422, say("logbook.one_figure", language), form)
        asked = LogRequest(
            "reading" if kind == "reading" else "quantity", entry.subject, entry.start, entry.end,
            entry.figure, entry.unit, entry.source, name, "page", self._clock.now_ms(), entry.limits,
            form.get("again") == "yes",
        )  # fmt: skip
        return await asyncio.to_thread(self._put, asked)

    def _put(self, asked: LogRequest) -> int:
        box = RequestBox(self._loaded.store_path)
        try:
            return box.put(asked)
        finally:
            box.close()

    async def answered(self, number: int) -> None:
        """Wait a little for the daemon."""
        for _ in range(round(ANSWER_WITHIN_S / LOOK_EVERY_S)):
            try:
                if await asyncio.to_thread(self._answer, number) is not None:
                    return
            except StoreError:
                return  # refused: that is an answer as well
            except UNREADABLE:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def _answer(self, number: int) -> Any:
        box = RequestBox(self._loaded.store_path)
        try:
            return box.answer_to(number)
        finally:
            box.close()

    def became(self, number: int, language: Language) -> dict[str, str]:
        """What became of a request, as the page's message; the form again where it wants another word."""
        gone = {"message": say("logbook.page_gone", language, number=number), "level": "warn"}
        if not RequestBox(self._loaded.store_path).path.exists():
            return gone
        try:
            outcome = self._answer(number)
        except StoreError as error:
            return {"message": refusal_words(error, language, on_page=True), "level": "bad", **_asked(error)}
        except UNREADABLE:
            return gone
        if outcome is None:
            return {"message": say("logbook.page_waits", language), "level": "warn"}
        return _told(outcome, language) if isinstance(outcome, LogOutcome) else gone


def _asked(error: StoreError) -> dict[str, str]:
    """What was sent, where it may be sent again once somebody says that it is meant."""
    (first, *others) = error.problems if isinstance(error, LedgerRefused) else (error,)
    if others or first.code != "store.log_twice":
        return {}
    facts = {name: str(first.data[name]) for name in ("subject", "figure", "source")}
    return {"kind": "quantity", "day": str(first.data["start"]), "ask_again": "yes", **facts}


def _told(outcome: LogOutcome, language: Language) -> dict[str, str]:
    if not outcome.added:
        return {"message": say("logbook.page_known", language)}
    key = "page_done_slip" if outcome.entry else "page_done_reading"
    data = {"entry": outcome.entry, "figure": f"{outcome.figure:,.15g}"}
    return {"message": say(f"logbook.{key}", language, **data)}


async def _form_of(request: Request, language: Language) -> dict[str, str]:
    """The fields that were sent; each once. Raises ``Turned`` for what no form of ours sends."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Turned(413, say("logbook.page_too_long", language))
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        found = parse_qs(body.decode(), True, True, max_num_fields=len(FIELDS))
    except ValueError:
        found = {}
    if kind != "application/x-www-form-urlencoded" or not found:
        raise Turned(403, say("logbook.page_foreign", language))
    return {name: values[0] for name, values in found.items() if name in FIELDS}


def _is_ours(request: Request, token: str) -> bool:
    """Whether the form came from our own page: the cookie's token is in it, and no browser says otherwise."""
    kept = request.cookies.get(TOKEN, "")
    if not kept or not secrets.compare_digest(kept.encode(), token.encode()):
        return False
    origin = request.headers.get("origin", "null")
    if origin != "null" and origin.partition("://")[2] != request.headers.get("host", ""):
        return False
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def add_logbook(app: FastAPI, logbook: LogbookPage, language_of: Any) -> None:
    """Add the logbook's routes; ``language_of`` a request is the live page's."""

    def answer(request: Request, shown: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        language = language_of(request)
        token = request.cookies.get(TOKEN) or secrets.token_urlsafe(18)
        page = logbook.render(language, {**shown, "token": token})
        made = HTMLResponse(page, status_code=status, headers={"Cache-Control": "no-store"})
        made.set_cookie(TOKEN, token, httponly=True, samesite="strict")
        if request.query_params.get("lang") in LANGUAGES:
            made.set_cookie("language", language, max_age=31_536_000, httponly=True, samesite="lax")
        return made

    @app.get("/log", response_class=HTMLResponse)
    def show(request: Request, done: int | None = None) -> HTMLResponse:
        return answer(request, {} if done is None else logbook.became(done, language_of(request)))

    @app.post("/log", response_class=HTMLResponse)
    async def take(request: Request) -> Response:
        language = language_of(request)
        try:
            number = await logbook.take(request, language)
        except Turned as turned:
            shown = {**turned.typed, "message": turned.words, "level": "bad"}
            return await asyncio.to_thread(answer, request, shown, turned.status)
        await logbook.answered(number)
        return RedirectResponse(f"/log?done={number}", status_code=303)
