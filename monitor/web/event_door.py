"""Asking for events over HTTP: an operator's key in a header, JSON held to its form, words for every refusal.

What is asked goes through the request box; the daemon's desk decides.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.event_times import TimeRefusedError, event_instant
from config.loading import LoadedSite
from config.modes import LONGEST_S
from config.site import Language
from config.words import say, say_error
from monitor.clock import Clock
from monitor.event_words import refusal_text
from monitor.store.database import LedgerRefused, StoreError, WriterLock
from monitor.store.event_requests import EventOutcome, EventRequest
from monitor.store.reader import UNREADABLE
from monitor.store.requests import RequestBox
from monitor.timestamps import iso_utc
from monitor.web.logbook import Doorkeeper

OPERATOR, KEY = "x-operator", "x-operator-key"
MOST_BYTES = 8_192
ANSWER_WITHIN_S, LOOK_EVERY_S = 30.0, 0.1

_STATUS = {
    "dispatch.unknown_plan": 404,
    "dispatch.unknown_event": 404,
    "dispatch.overlaps": 409,
    "dispatch.known_event": 409,
    "dispatch.changed_meanwhile": 409,
    "dispatch.not_cancellable": 409,
    "dispatch.not_active": 409,
    "dispatch.not_open": 409,
    "dispatch.not_draft": 409,
    "dispatch.not_dispatcher": 403,
    "dispatch.wrong_key": 403,
    "dispatch.unknown_operator": 403,
    "dispatch.nobody_acts": 503,
    "dispatch.expired": 504,
}
"""What is not here does not fit the site's plans: 422."""


class AskedEvent(BaseModel):
    """The body. Instants without an offset are of the site's zone."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    what: Literal["schedule", "confirm", "trigger", "abort", "cancel", "signal"]
    plan: str = Field(default="", max_length=120)
    event: str = Field(default="", max_length=120)
    start: str = Field(default="", max_length=40)
    end: str = Field(default="", max_length=40)
    length_s: float | None = Field(default=None, gt=0, le=LONGEST_S)
    mode: Literal["", "live", "dry-run", "monitor-only"] = ""
    kw: float | None = Field(default=None, allow_inf_nan=False)
    programme: str = Field(default="", max_length=120)
    note: str = Field(default="", max_length=1000)
    draft: bool = False
    active: bool = True
    ttl_s: float | None = Field(default=None, gt=0, le=LONGEST_S)


class Turned(Exception):
    """Not taken: the HTTP status, a code, and the words for it."""

    def __init__(self, status: int, code: str, words: str) -> None:
        self.status = status
        self.code = code
        self.words = words
        super().__init__(words)


class EventDoor:
    """Takes what is asked, and waits for what became of it."""

    def __init__(self, loaded: LoadedSite, clock: Clock) -> None:
        self._loaded = loaded
        self._clock = clock
        self._zone = ZoneInfo(loaded.site.site.timezone)
        self.doorkeeper = Doorkeeper({one.id: one.key for one in loaded.site.curtailment.operators})

    async def take(self, request: Request, language: Language) -> tuple[int, EventOutcome]:
        """Status and outcome. Raises ``Turned``."""
        operator, key = request.headers.get(OPERATOR, ""), request.headers.get(KEY, "")
        if not operator or not key:
            raise Turned(401, "trigger.no_key", say("trigger.no_key", language))
        sender = request.client.host if request.client else "?"
        refused = await self.doorkeeper.admits(operator, key, sender, self._clock.monotonic_s())
        if refused is not None:
            words = say(f"logbook.{refused}", language)
            raise Turned(429 if refused == "page_too_often" else 403, f"logbook.{refused}", words)
        asked = await _body(request, language)
        wish = self._wish(asked, operator, key, language)
        try:
            outcome = await self._carried_out(wish)
        except StoreError as error:
            one = error.problems[0] if isinstance(error, LedgerRefused) else error
            raise Turned(
                _STATUS.get(one.code, 422), one.code, refusal_text(one, self._zone, language)
            ) from error
        except UNREADABLE as error:
            words = say("store.unusable", language, path=self._loaded.store_path, reason=str(error))
            raise Turned(503, "store.unusable", words) from error
        if outcome is None:
            words = say("trigger.no_answer", language, seconds=f"{ANSWER_WITHIN_S:g}")
            raise Turned(504, "trigger.no_answer", words)
        return (201 if asked.what in ("schedule", "trigger") else 200), outcome

    def _wish(self, asked: AskedEvent, operator: str, key: str, language: Language) -> EventRequest:
        now_ms = self._clock.now_ms()
        start_ms, end_ms = now_ms, 0
        if asked.what in ("schedule", "trigger"):
            if asked.what == "schedule":
                start_ms = self._instant("start", asked.start, language)
            if bool(asked.end) == (asked.length_s is not None):
                raise Turned(422, "trigger.end_or_length", say("trigger.end_or_length", language))
            if asked.length_s is None:
                end_ms = self._instant("end", asked.end, language)
        return EventRequest(
            what=asked.what,
            asked_ms=now_ms,
            who=operator,
            source="http",
            plan=asked.plan,
            event=asked.event,
            start_ms=start_ms,
            end_ms=end_ms,
            mode=asked.mode,
            wanted_kw=asked.kw,
            programme=asked.programme,
            operator=operator,
            key=key,
            note=asked.note.strip(),
            is_draft=asked.draft and asked.what == "schedule",
            signal=asked.active,
            ttl_s=asked.ttl_s,
            length_s=asked.length_s,
        )

    def _instant(self, field: str, text: str, language: Language) -> int:
        if not text:
            raise Turned(422, "trigger.missing_field", say("trigger.missing_field", language, field=field))
        try:
            return round(event_instant(text, self._zone).timestamp() * 1000)
        except OverflowError as error:  # the year 9999 in another zone
            raise Turned(422, "dr.bad_time", say("dr.bad_time", language, time=text)) from error
        except TimeRefusedError as error:
            data = {name: value for name, value in error.data.items() if name != "guess"}
            raise Turned(422, error.code, f"{field}: {say(error.code, language, **data)}") from error

    async def _carried_out(self, wish: EventRequest) -> EventOutcome | None:
        """What became of a wish; None when nobody answered. Raises ``StoreError``, or what the disk says."""
        number = await asyncio.to_thread(self._put, wish)
        for _ in range(round(ANSWER_WITHIN_S / LOOK_EVERY_S)):
            outcome = await asyncio.to_thread(self._answer, number)
            if isinstance(outcome, EventOutcome):
                return outcome
            await asyncio.sleep(LOOK_EVERY_S)
        return None

    def _put(self, wish: EventRequest) -> int:
        if WriterLock(self._loaded.store_path).holder() is None:
            # A wish that waits in the box would be carried out by a daemon that starts within the minute.
            raise StoreError("dispatch.nobody_acts")
        box = RequestBox(self._loaded.store_path)
        try:
            return box.put(wish)
        finally:
            box.close()

    def _answer(self, number: int) -> Any:
        box = RequestBox(self._loaded.store_path)
        try:
            return box.answer_to(number)
        finally:
            box.close()


async def _body(request: Request, language: Language) -> AskedEvent:
    """What was sent. Raises ``Turned``."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Turned(415, "trigger.not_json", say("trigger.not_json", language))
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Turned(413, "trigger.too_long", say("trigger.too_long", language))
    try:
        return AskedEvent.model_validate_json(body)
    except ValidationError as error:
        code, data = _wrong(error)
        raise Turned(422, code, say(code, language, **data)) from error


def _wrong(error: ValidationError) -> tuple[str, Mapping[str, str]]:
    """Code and data of the first thing that is wrong with a body."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    known = ", ".join(AskedEvent.model_fields)
    if first["type"] == "json_invalid" or not field:
        return "trigger.not_json", {}
    if first["type"] == "extra_forbidden":
        return "trigger.unknown_field", {"field": field[:40], "known": known}
    if first["type"] == "missing":
        return "trigger.missing_field", {"field": field}
    return "trigger.bad_field", {"field": field}


def add_event_door(app: FastAPI, loaded: LoadedSite, clock: Clock, language_of: Any) -> None:
    """Add the route; ``language_of`` a request is the live page's."""
    door = EventDoor(loaded, clock)
    app.state.event_door = door

    @app.post("/api/v1/events")
    async def ask(request: Request) -> JSONResponse:
        headers = {"Cache-Control": "no-store"}
        try:
            status, outcome = await door.take(request, language_of(request))
        except Turned as turned:
            told = {"error": {"code": turned.code, "words": turned.words}}
            return JSONResponse(told, turned.status, headers)
        facts = {"event": outcome.event, "life": outcome.life, "mode": outcome.mode}
        times = {"start": iso_utc(outcome.start_ms), "end": iso_utc(outcome.end_ms)}
        language = language_of(request)
        remarks = [{"code": one["code"], "words": say_error(one, language)} for one in outcome.remarks]
        return JSONResponse({**facts, **times, "remarks": remarks}, status, headers)
