"""Reading what a VTN sends: elements that the profile's schema has passed, into our own types.

Ids are kept letter by letter: openleadr's own reading makes numbers of those that look like one, and an event
``007`` would be answered as ``7``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from monitor.openadr.wire import Answer, VtnError, text_at
from rules.openadr import SCALES, Part, VtnEvent, VtnSignal

OK = 200


@dataclass(frozen=True, slots=True)
class Registration:
    """What a VTN knows us by; ``poll_s`` is how often it wishes to be asked, None where it says nothing."""

    registration_id: str
    ven_id: str
    poll_s: float | None


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What a VTN wants to be told: points of a report, how fine, and how often; 0 seconds is once."""

    id: str
    specifier: str
    points: tuple[str, ...]
    granularity_s: float
    back_s: float


def refuse(answer: Answer | None, wanted: str) -> Answer:
    """The answer, where it is of the kind that was wanted and says that all is well. Raises ``VtnError``."""
    if answer is None or answer.kind != wanted:
        raise VtnError("openadr.other_answer", wanted=wanted, kind="-" if answer is None else answer.kind)
    code = answer.text("eiResponse", "responseCode")
    if code is not None and code != str(OK):
        words = answer.text("eiResponse", "responseDescription") or "-"
        raise VtnError("openadr.refused", kind=wanted, status=code, words=words)
    return answer


def registration_of(answer: Answer) -> Registration | None:
    """What a VTN gives who registers; None where it gives nothing: we are refused."""
    registration_id, ven_id = answer.text("registrationID"), answer.text("venID")
    if registration_id is None or ven_id is None:
        return None
    poll = answer.text("oadrRequestedOadrPollFreq", "duration")
    return Registration(registration_id, ven_id, None if poll is None else seconds_of(poll))


def request_id_of(answer: Answer) -> str:
    """Of a message that wants an answer."""
    return answer.text("requestID") or answer.text("eiResponse", "requestID") or ""


def events_of(answer: Answer) -> list[VtnEvent]:
    """Every event of a message, in order; one that cannot be read has no signals, so that no rule fits."""
    return [_event(element) for element in answer.body.findall("{*}oadrEvent")]


def _event(element: Any) -> VtnEvent:
    descriptor = element.find("{*}eiEvent/{*}eventDescriptor")
    try:
        return _whole_event(element, descriptor)
    except (VtnError, ValueError, OverflowError):
        number = int(text_at(descriptor, "modificationNumber") or 0)
        return VtnEvent(text_at(descriptor, "eventID") or "", number, "", "", 0, 0)


def _whole_event(element: Any, descriptor: Any) -> VtnEvent:
    event = element.find("{*}eiEvent")
    properties = event.find("{*}eiActivePeriod/{*}properties")
    start_ms = instant_ms(text_at(properties, "dtstart", "date-time") or "")
    length_s = seconds_of(text_at(properties, "duration", "duration") or "PT0S")
    end_ms = start_ms + round(1000 * length_s) if length_s > 0 else None
    test = text_at(descriptor, "testEvent")
    return VtnEvent(
        id=text_at(descriptor, "eventID") or "",
        modification=int(text_at(descriptor, "modificationNumber") or 0),
        status=text_at(descriptor, "eventStatus") or "",
        market_context=text_at(descriptor, "eiMarketContext", "marketContext") or "",
        start_ms=start_ms,
        end_ms=end_ms,
        tolerance_s=seconds_of(text_at(properties, "tolerance", "tolerate", "startafter") or "PT0S"),
        resources=frozenset(_texts(event.find("{*}eiTarget"), "resourceID")),
        is_test=test is not None and test.lower() != "false",
        wants_response=text_at(element, "oadrResponseRequired") != "never",
        signals=tuple(_signals(event, start_ms, end_ms)),
    )


def _signals(event: Any, start_ms: int, end_ms: int | None) -> Iterator[VtnSignal]:
    for element in event.findall("{*}eiEventSignals/{*}eiEventSignal"):
        yield VtnSignal(
            name=text_at(element, "signalName") or "",
            kind=text_at(element, "signalType") or "",
            parts=tuple(_parts(element, start_ms, end_ms)),
            watts=_watts(element),
        )


def _parts(element: Any, start_ms: int, end_ms: int | None) -> Iterator[Part]:
    """Intervals follow one another where they say no start; one without a length lasts to the end."""
    at_ms = start_ms
    last_ms = end_ms if end_ms is not None else start_ms + FOREVER_MS
    for interval in element.findall("{*}intervals/{*}interval"):
        start = text_at(interval, "dtstart", "date-time")
        value = text_at(interval, "signalPayload", "payloadFloat", "value")
        at_ms = at_ms if start is None else instant_ms(start)
        length_s = seconds_of(text_at(interval, "duration", "duration") or "PT0S")
        until_ms = at_ms + round(1000 * length_s) if length_s > 0 else last_ms
        if value is not None:
            yield Part(at_ms, until_ms, float(value))
        at_ms = until_ms


FOREVER_MS = 10 * 365 * 86_400_000


def _watts(element: Any) -> float | None:
    """What one of a signal's unit is, where it is power: ``W`` with a scale."""
    for unit in element.iterfind(".//{*}itemUnits"):
        if (unit.text or "").strip() == "W":
            return SCALES.get(text_at(unit.getparent(), "siScaleCode") or "none")
    return None


def _texts(element: Any, name: str) -> list[str]:
    found = [] if element is None else element.iterfind(f"{{*}}{name}")
    return [text for one in found if (text := (one.text or "").strip())]


def report_requests_of(answer: Answer) -> list[ReportRequest]:
    """Every report that a VTN asks for."""
    return [_report_request(one) for one in answer.body.findall("{*}oadrReportRequest")]


def _report_request(element: Any) -> ReportRequest:
    specifier = element.find("{*}reportSpecifier")
    return ReportRequest(
        id=text_at(element, "reportRequestID") or "",
        specifier=text_at(specifier, "reportSpecifierID") or "",
        points=tuple(text_at(one, "rID") or "" for one in specifier.findall("{*}specifierPayload")),
        granularity_s=seconds_of(text_at(specifier, "granularity", "duration") or "PT0S"),
        back_s=seconds_of(text_at(specifier, "reportBackDuration", "duration") or "PT0S"),
    )


def report_ids_of(answer: Answer) -> list[str]:
    """Requests for reports that a VTN takes back."""
    return _texts(answer.body, "reportRequestID")


def instant_ms(text: str) -> int:
    """An instant as the profile writes it, UTC. Raises ``VtnError``."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise VtnError("openadr.no_instant", text=text) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000)


def seconds_of(text: str) -> float:
    """Length of a duration as the profile writes it. [s] Raises ``VtnError``.

    Weeks stand alone, with or without the P: so the schema has it. Years and months have 365 and 30 days.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise VtnError("openadr.no_duration", text=text)
    return float(sum(int(one or 0) * each_s for one, each_s in zip(match.groups(), _EACH_S, strict=True)))


_DURATION = re.compile(
    r"\+?P?(?:(\d+)W|(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)"
)
_EACH_S = (7 * 86_400, 365 * 86_400, 30 * 86_400, 86_400, 3_600, 60, 1)
