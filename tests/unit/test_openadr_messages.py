"""Messages of a VTN, made by openleadr's templates and passed by the profile's schema, read as they are."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from openleadr import messaging, objects

from monitor.openadr.messages import (
    events_of,
    instant_ms,
    refuse,
    registration_of,
    report_requests_of,
    request_id_of,
    seconds_of,
)
from monitor.openadr.wire import Answer, VtnError
from rules.openadr import Part, VtnSignal

START = datetime(2026, 7, 1, 5, 0, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)
RESPONSE = {"response_code": 200, "response_description": "OK", "request_id": "r1"}


def answer(kind, replaced=(), **payload):
    """A message as it comes over the wire."""
    text = messaging.create_message(kind, response=RESPONSE, **payload)
    for old, new in replaced:
        assert re.search(old, text), text
        text = re.sub(old, new, text)
    tree = messaging.validate_xml_schema(text)
    body = tree.find("{*}oadrSignedObject")[0]
    return Answer(body.tag.rpartition("}")[2], body)


def told(event_id="0042", number=0, replaced=(), **changes):
    measurement = changes.pop("measurement", None)
    interval = objects.Interval(dtstart=START, duration=timedelta(minutes=30), signal_payload=1.0)
    then = objects.Interval(
        dtstart=START + timedelta(minutes=30), duration=timedelta(minutes=30), signal_payload=2.0
    )
    signal = objects.EventSignal([interval, then], "SIMPLE", "level", "s1", measurement=measurement)
    event = objects.Event(
        event_descriptor=objects.EventDescriptor(event_id, number, "http://u/dr", "far"),
        event_signals=[signal],
        targets=[{"resource_id": "hall"}, {"ven_id": "v"}],
        active_period=objects.ActivePeriod(dtstart=START, duration=timedelta(hours=1), **changes),
    )
    return answer("oadrDistributeEvent", replaced, request_id="r7", vtn_id="vtn", events=[event])


def test_an_event_is_read_with_its_id_letter_by_letter():
    message = told(tolerance={"startafter": timedelta(minutes=5)}, number=3)
    (event,) = events_of(message)
    assert request_id_of(message) == "r7"
    assert (event.id, event.modification, event.market_context) == ("0042", 3, "http://u/dr")
    assert (event.start_ms, event.end_ms, event.tolerance_s) == (START_MS, START_MS + 3_600_000, 300.0)
    assert (event.resources, event.is_test, event.wants_response) == (frozenset({"hall"}), False, True)
    half = 1_800_000
    parts = (Part(START_MS, START_MS + half, 1.0), Part(START_MS + half, START_MS + 2 * half, 2.0))
    assert event.signals == (VtnSignal("SIMPLE", "level", parts),)


def test_intervals_without_a_start_follow_one_another():
    starts = r"(<ei:interval>)<xcal:dtstart>.*?</xcal:dtstart>"
    (event,) = events_of(told(replaced=[(starts, r"\1")]))
    assert [part.start_ms - START_MS for part in event.signals[0].parts] == [0, 1_800_000]


def test_an_event_without_a_length_lasts_until_it_is_cancelled():
    (event,) = events_of(told(replaced=[("PT1H", "PT0S"), (r"PT30M", "PT0S")]))
    assert event.end_ms is None
    assert event.signals[0].parts[0].end_ms > START_MS + 365 * 86_400_000


def test_power_has_its_unit():
    power = objects.PowerAttributes()
    kilowatts = objects.Measurement("powerReal", "RealPower", "W", scale="k", power_attributes=power)
    (event,) = events_of(told(measurement=kilowatts))
    assert event.signals[0].watts == 1000.0


def test_one_event_that_cannot_be_read_does_not_take_the_others_with_it():
    message = told(replaced=[("PT1H", "-PT1H")])
    (event,) = events_of(message)
    assert (event.id, event.signals) == ("0042", ())


@pytest.mark.parametrize(("test", "is_test"), [("false", False), ("true", True), ("yes", True), ("", False)])
def test_anything_but_false_is_a_test(test, is_test):
    changed = [("<ei:testEvent>false</ei:testEvent>", f"<ei:testEvent>{test}</ei:testEvent>" if test else "")]
    (event,) = events_of(told(replaced=changed))
    assert event.is_test is is_test


def test_a_registration_says_who_we_are_and_how_often_to_ask():
    profiles = [{"profile_name": "2.0b", "transports": [{"transport_name": "simpleHttp"}]}]
    facts = {"profiles": profiles, "vtn_id": "vtn", "requested_oadr_poll_freq": timedelta(minutes=1)}
    found = registration_of(
        answer("oadrCreatedPartyRegistration", registration_id="007", ven_id="1", **facts)
    )
    assert (found.registration_id, found.ven_id, found.poll_s) == ("007", "1", 60.0)
    assert registration_of(answer("oadrCreatedPartyRegistration", **facts)) is None


def test_a_report_is_asked_for():
    specifier = objects.ReportSpecifier(
        report_specifier_id="usage",
        granularity=timedelta(minutes=15),
        report_back_duration=timedelta(hours=1),
        specifier_payloads=[objects.SpecifierPayload(r_id="main", reading_type="Mean")],
    )
    request = objects.ReportRequest(report_request_id="0012", report_specifier=specifier)
    (found,) = report_requests_of(answer("oadrRegisteredReport", report_requests=[request], ven_id="v"))
    assert (found.id, found.specifier, found.points) == ("0012", "usage", ("main",))
    assert (found.granularity_s, found.back_s) == (900.0, 3600.0)


def test_a_refusal_is_told_with_what_the_vtn_says():
    said = {"response_code": 452, "response_description": "INVALID ID", "request_id": "r1"}
    text = messaging.create_message("oadrResponse", response=said, ven_id="v")
    body = messaging.validate_xml_schema(text).find("{*}oadrSignedObject")[0]
    with pytest.raises(VtnError) as refused:
        refuse(Answer("oadrResponse", body), "oadrResponse")
    assert (refused.value.code, refused.value.data["status"]) == ("openadr.refused", "452")
    for other in (None, Answer("oadrPoll", body)):
        with pytest.raises(VtnError) as refused:
            refuse(other, "oadrResponse")
        assert refused.value.code == "openadr.other_answer"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT15M", 900), ("P1DT1H", 90_000), ("PT0S", 0), ("P2W", 1_209_600), ("2W", 1_209_600), ("+PT5S", 5)],
)
def test_durations_as_the_profile_writes_them(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["-PT5S", "P", "", "15"])
def test_what_is_no_duration_is_told(text):
    with pytest.raises(VtnError) as refused:
        seconds_of(text)
    assert refused.value.code == "openadr.no_duration"


def test_instants_are_utc():
    assert instant_ms("2026-07-01T05:00:00Z") == instant_ms("2026-07-01T05:00:00.000") == START_MS
    with pytest.raises(VtnError):
        instant_ms("tomorrow")
