"""The virtual end node: asks the VTN again and again, for ever, and does what it says.

Whatever the VTN does or openleadr throws ends a question, never the task: it is told as a condition, and
asked again after a while.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from config.openadr import OpenAdrSettings
from config.words import Spoken
from drivers.contract import Backoff
from monitor.clock import SteadyClock
from monitor.openadr.agreement import Opt
from monitor.openadr.messages import (
    OK,
    Registration,
    events_of,
    refuse,
    registration_of,
    report_ids_of,
    report_requests_of,
    request_id_of,
)
from monitor.openadr.reception import Reception
from monitor.openadr.reporting import UsageReports
from monitor.openadr.wire import Answer, NotRegistered, VtnError, Wire, new_id
from monitor.store.reader import UNREADABLE
from rules.openadr import CLOSED, VtnEvent

log = logging.getLogger(__name__)

TURN_S = 0.5
"""A signal that changes inside an event is looked at so often."""

POLL_S = 10.0
"""Where neither the site file nor the VTN says how often."""

BACKOFF_CAP_S = 60.0

AT_ONCE = 20
"""So many messages of the VTN are taken in a row before it is asked again at the usual pace."""

REPORT, EVENT, PARTY, POLL = "EiReport", "EiEvent", "EiRegisterParty", "OadrPoll"
UNSUPPORTED, OUT_OF_SEQUENCE = 461, 450

Tell = Callable[[str, dict[str, Any] | None], None]
"""Keeps how the connection is doing: a word, and code and data of what is wrong."""


class Ven:
    """Speaks with one VTN.

    Parameters
    ----------
    tell : where page and ``status`` find how it goes.
    """

    def __init__(
        self, settings: OpenAdrSettings, wire: Wire, reception: Reception, reports: UsageReports,
        clock: SteadyClock, tell: Tell,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._wire = wire
        self._reception = reception
        self._reports = reports
        self._clock = clock
        self._tell = tell
        self._registration: Registration | None = None
        self._knows_events = False
        self._is_offered = False
        self._backoff = Backoff(first_s=1.0, cap_s=BACKOFF_CAP_S)
        self._heard_s: float | None = None
        self._standing: tuple[str, str | None] | None = None

    async def run(self) -> None:
        """Ask and act until cancelled."""
        began_s = self._clock.monotonic_s()
        self._heard_s = began_s
        watching = asyncio.create_task(self._watch(), name="openadr signals")
        try:
            while True:  # the VTN is asked: it sends nothing by itself
                rest_s = await self._asked()
                await asyncio.sleep(rest_s)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            with suppress(Exception):
                await self._wire.close()

    # -- whatever happens ----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Let events follow their signals, whether or not the VTN answers."""
        while True:
            await asyncio.sleep(TURN_S)
            if self._clock.is_holding:
                continue
            try:
                await self._reception.look()
                silent_s = self._clock.monotonic_s() - (self._heard_s or 0.0)
                if silent_s >= self._settings.unknown_after_s:
                    await self._reception.silent()
            except UNREADABLE as error:
                log.warning(Spoken("openadr.log_store_waits", reason=error.__cause__ or error))
                await asyncio.sleep(POLL_S)
            except Exception:
                log.exception("openadr: looking at signals; it is tried again")
                await asyncio.sleep(POLL_S)

    async def _asked(self) -> float:
        """Ask once; gives the seconds until it is to be asked again."""
        if self._clock.is_holding:
            return TURN_S
        try:
            await self._talk()
        except VtnError as error:
            return await self._failed(error)
        except UNREADABLE as error:
            return await self._failed(VtnError("openadr.store_waits", reason=str(error.__cause__ or error)))
        except Exception as error:
            log.exception("openadr: a question to the VTN; it is asked again")
            return await self._failed(VtnError("openadr.defect", reason=f"{type(error).__name__}: {error}"))
        self._backoff.succeeded()
        self._say("online", None)
        wished = self._registration.poll_s if self._registration else None
        return self._settings.poll_s or wished or POLL_S

    async def _failed(self, error: VtnError) -> float:
        self._knows_events = False  # what was missed is asked for anew
        if isinstance(error, NotRegistered):
            self._registration = None
        self._say("offline", error)
        with suppress(Exception):
            await self._wire.close()
        cap_s = max(1.0, min(BACKOFF_CAP_S, self._settings.unknown_after_s / 4))
        return min(cap_s, self._backoff.failed(random.random()))  # noqa: S311  jitter

    def _say(self, state: str, error: VtnError | None) -> None:
        """Tell page, ``status`` and log what changed."""
        standing = (state, error.code if error else None)
        if standing == self._standing:
            return
        before, self._standing = self._standing, standing
        if error is None:
            self._tell(state, None)
            ven_id = self._registration.ven_id if self._registration else "-"
            key = "openadr.log_online" if before else "openadr.log_registered"
            log.info(Spoken(key, url=self._settings.vtn_url, ven=ven_id))
            return
        trouble = {"code": error.code, "data": {key: str(value) for key, value in error.data.items()}}
        self._tell(state, trouble)
        log.warning(Spoken("openadr.log_trouble", error=trouble))

    # -- talking -------------------------------------------------------------------------------------------

    async def _talk(self) -> None:
        if self._registration is None:
            await self._register()
        if not self._knows_events:
            await self._ask_for_events()
        for _ in range(AT_ONCE):
            answer = await self._ask(POLL, "oadrPoll", ven_id=self._ven_id)
            if answer is None:  # nothing was said, so nothing holds any longer for it
                raise VtnError("openadr.other_answer", wanted="oadrResponse", kind="-")
            await self._heard()
            if answer.kind == "oadrResponse":
                break
            await self._take(answer)
        await self._tell_what_ended_here()
        # Last: a VTN that has trouble with reports still gets its events carried out.
        if not self._is_offered:
            await self._offer_reports()
        await self._send_reports()

    async def _ask(self, service: str, kind: str, **payload: Any) -> Answer | None:
        return await self._wire.ask(service, kind, **payload)

    async def _heard(self) -> None:
        self._heard_s = self._clock.monotonic_s()
        await self._reception.heard()

    @property
    def _ven_id(self) -> str:
        if self._registration is None:
            raise NotRegistered("openadr.reregistration")
        return self._registration.ven_id

    async def _register(self) -> None:
        settings = self._settings
        answer = await self._ask(
            PARTY,
            "oadrCreatePartyRegistration",
            request_id=new_id(),
            ven_name=settings.ven_name,
            ven_id=settings.ven_id,
            registration_id=settings.registration_id,
            http_pull_model=True,
            xml_signature=settings.sign,
            report_only=False,
            profile_name="2.0b",
            transport_name="simpleHttp",
            transport_address=None,
        )
        found = registration_of(refuse(answer, "oadrCreatedPartyRegistration"))
        if found is None:
            raise VtnError("openadr.not_registered", ven=settings.ven_name)
        self._registration, self._is_offered = found, False

    async def _ask_for_events(self) -> None:
        """Ask for every event that there is: a VTN tells what is new only once."""
        answer = await self._ask(EVENT, "oadrRequestEvent", request_id=new_id(), ven_id=self._ven_id)
        if answer is not None and answer.kind == "oadrDistributeEvent":
            await self._take_events(refuse(answer, answer.kind))
        self._knows_events = True

    async def _take(self, answer: Answer) -> None:
        """Do what a message of the VTN wants."""
        if answer.kind == "oadrDistributeEvent":
            await self._take_events(answer)
        elif answer.kind == "oadrCreateReport":
            await self._take_report_requests(answer)
        elif answer.kind == "oadrCancelReport":
            await self._take_reports_back(answer)
        elif answer.kind == "oadrCancelPartyRegistration":
            await self._give_up(answer)
        elif answer.kind == "oadrRegisterReport":
            await self._ask(
                REPORT, "oadrRegisteredReport", report_requests=[], **self._said(answer), ven_id=self._ven_id
            )
        else:
            raise VtnError("openadr.other_answer", wanted="oadrResponse", kind=answer.kind)

    @staticmethod
    def _said(answer: Answer, code: int = OK) -> dict[str, Any]:
        words = "OK" if code == OK else "ERROR"
        response = {"response_code": code, "response_description": words}
        return {"response": {**response, "request_id": request_id_of(answer)}}

    async def _give_up(self, answer: Answer) -> None:
        """The VTN takes our registration back; we ask for another one, with patience."""
        ven_id, registration_id = self._ven_id, answer.text("registrationID")
        said = self._said(answer)
        await self._ask(
            PARTY, "oadrCanceledPartyRegistration", **said, ven_id=ven_id, registration_id=registration_id
        )
        raise NotRegistered("openadr.cancelled_registration")

    # -- events --------------------------------------------------------------------------------------------

    async def _take_events(self, answer: Answer) -> None:
        opts: list[tuple[VtnEvent, Opt]] = [
            (event, await self._reception.take(event)) for event in events_of(answer)
        ]
        wanted = [opt for event, opt in opts if event.wants_response and event.status != CLOSED[1]]
        await self._tell_opts(wanted, request_id_of(answer))

    async def _tell_what_ended_here(self) -> None:
        await self._tell_opts(await self._reception.opted_out_here(), new_id())

    async def _tell_opts(self, opts: list[Opt], request_id: str) -> None:
        if not opts:
            return
        responses = [
            {
                "response_code": OK,
                "response_description": "OK",
                "request_id": request_id,
                "event_id": opt.event,
                "modification_number": opt.modification,
                "opt_type": "optIn" if opt.is_in else "optOut",
            }
            for opt in opts
        ]
        response = {"response_code": OK, "response_description": "OK", "request_id": request_id}
        payload = {"ven_id": self._ven_id, "response": response, "event_responses": responses}
        answer = await self._ask(EVENT, "oadrCreatedEvent", **payload)
        if answer is not None:
            refuse(answer, "oadrResponse")

    # -- reports -------------------------------------------------------------------------------------------

    async def _offer_reports(self) -> None:
        self._reports.forget()
        offered = self._reports.offered(self._clock.now_ms())
        payload = {"request_id": new_id(), "ven_id": self._ven_id, "reports": offered}
        answer = await self._ask(REPORT, "oadrRegisterReport", **payload)
        await self._take_report_requests(refuse(answer, "oadrRegisteredReport"))
        self._is_offered = True

    async def _take_report_requests(self, answer: Answer) -> None:
        requests = report_requests_of(answer)
        if not requests:
            return
        taken = [request for request in requests if self._reports.want(request, self._clock.now_ms())]
        said = self._said(answer, OK if len(taken) == len(requests) else UNSUPPORTED)
        pending = [{"report_request_id": request.id} for request in taken]
        await self._ask(REPORT, "oadrCreatedReport", **said, pending_reports=pending, ven_id=self._ven_id)

    async def _take_reports_back(self, answer: Answer) -> None:
        for id_ in report_ids_of(answer):
            self._reports.take_back(id_)
        await self._ask(
            REPORT, "oadrCanceledReport", **self._said(answer), pending_reports=[], ven_id=self._ven_id
        )

    async def _send_reports(self) -> None:
        for report in await self._reports.due(self._clock.now_ms()):
            if report.payload["intervals"]:
                payload = {"request_id": new_id(), "ven_id": self._ven_id, "reports": [report.payload]}
                answer = refuse(await self._ask(REPORT, "oadrUpdateReport", **payload), "oadrUpdatedReport")
                cancelled = answer.body.find("{*}oadrCancelReport")
                if cancelled is not None:
                    await self._take_reports_back(Answer("oadrCancelReport", cancelled))
            self._reports.sent(report)
