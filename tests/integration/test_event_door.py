"""Events asked for over HTTP, on a real socket, with what the daemon does with the request box beside it."""

import contextlib
import http.client
import json
import threading

import pytest

from config.loading import load_site
from monitor.dispatch.desk import EventDesk
from monitor.store.event_reader import EventReader
from monitor.store.ledgers import writing
from monitor.store.requests import RequestBox
from monitor.web import event_door
from tests.browser.serving import PATIENCE_S, Answer, StillClock, served
from tests.unit.test_config_curtailment import KEY, loaded

NOW_MS = 1_764_000_000_000  # 2025-11-25 00:00 in Taipei
SCHEDULE = {
    "what": "schedule",
    "plan": "summer",
    "start": "2025-11-25T02:00",
    "length_s": 1800,
    "event": "one",
}


@pytest.fixture(scope="module")
def clock():
    return StillClock(NOW_MS)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("door"), ("by: 2}", "by: 2, expected_kw: 90}"))


@pytest.fixture(scope="module")
def page(site, clock):
    with pytest.MonkeyPatch.context() as patient, served(site.path, clock) as running:
        patient.setattr(event_door, "ANSWER_WITHIN_S", PATIENCE_S)  # on a machine that stands still
        yield running


@pytest.fixture(scope="module")
def daemon(site, clock):
    """What the daemon does with the request box."""
    ended, ready = threading.Event(), threading.Event()

    def run():
        desk = EventDesk(load_site(site.path), clock, lambda: None)
        with writing(site.store_path) as engine:
            box = RequestBox(site.store_path)
            box.give_to("curtailment", desk.carry_out)
            ready.set()
            while not ended.wait(0.05):
                box.take_up(engine, "hall")
            box.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(PATIENCE_S)
    yield
    ended.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def ask(page, body, *, operator="wang", key=KEY, path="/api/v1/events?lang=en", method="POST", **headers):
    sent = {"Content-Type": "application/json", "X-Operator": operator, "X-Operator-Key": key}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    text = body if isinstance(body, bytes | str) else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request(method, path, text, {name: value for name, value in sent.items() if value})
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, answer.read())


def events(site):
    """Those that are still to come, or going on."""
    reader = EventReader.open(site.store_path, "hall")
    try:
        return [row for row in reader.events() if row.life != "cancelled"]
    finally:
        reader.close()


def scheduled(page, event, **more):
    answer = ask(page, {**SCHEDULE, "event": event, **more})
    assert answer.status == 201, answer.text
    return answer


def cancelled(page, event):
    answer = ask(page, {"what": "cancel", "event": event})
    assert answer.status == 200, answer.text
    return answer


def test_an_event_is_scheduled_told_of_and_cancelled(site, page, daemon):
    answer = scheduled(page, "first", kw=50, programme="bidding", note="hot", ttl_s=7200)
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    (remark,) = told.pop("remarks")
    assert (remark["code"], "'bidding'" in remark["words"]) == ("dispatch.unknown_programme", True)
    assert told == {
        "event": "first", "life": "scheduled", "mode": "live",
        "start": "2025-11-24T18:00:00.000Z", "end": "2025-11-24T18:30:00.000Z",
    }  # fmt: skip
    (row,) = events(site)
    assert (row.source, row.who, row.wanted_kw, row.note) == ("http", "wang (wang)", 50.0, "hot")
    assert (row.signal.is_active, row.signal.ttl_s) == (True, 7200.0)
    assert ask(page, {"what": "signal", "event": "first", "active": False}).status == 200
    assert not events(site)[0].signal.is_active
    assert cancelled(page, "first").json()["life"] == "cancelled"
    answer = ask(page, {"what": "trigger", "plan": "summer", "length_s": 600, "event": "now"})
    assert (answer.status, answer.json()["life"]) == (201, "scheduled")
    assert cancelled(page, "now").json()["start"] == "2025-11-24T16:00:00.000Z"
    assert KEY.encode() not in (site.store_path.with_name(site.store_path.name + ".requests")).read_bytes()


def test_a_draft_is_written_down_and_confirmed(site, page, daemon):
    assert scheduled(page, "maybe", draft=True).json()["life"] == "draft"
    answer = ask(page, {"what": "confirm", "event": "maybe"})
    assert (answer.status, answer.json()["life"]) == (200, "scheduled"), answer.text
    answer = ask(page, {"what": "confirm", "event": "maybe"})
    assert (answer.status, answer.json()["error"]["code"]) == (409, "dispatch.not_draft")
    cancelled(page, "maybe")


@pytest.mark.parametrize(
    ("change", "status", "code", "words"),
    [
        ({"plan": "winter"}, 404, "dispatch.unknown_plan", "no plan 'winter'"),
        ({"start": "2025-11-24T02:00"}, 422, "dispatch.past", "would begin at 2025-11-24 02:00"),
        ({"start": "2025-11-25T02:00+08:06"}, 422, "dr.bad_offset", "+08:06"),
        ({"start": "soon"}, 422, "dr.bad_time", "soon"),
        ({"start": "0001-01-01T00:00+14:00"}, 422, "dr.bad_time", "0001"),
        ({"start": ""}, 422, "trigger.missing_field", "'start' is missing"),
        ({"end": "2025-11-25T03:00"}, 422, "trigger.end_or_length", "exactly one of 'end'"),
        ({"length_s": 7200}, 422, "dispatch.longer_than_dead_man", "lasts 7200 s"),
        ({"length_s": 1e308}, 422, "trigger.bad_field", "'length_s'"),
        ({"length_s": "1800"}, 422, "trigger.bad_field", "'length_s'"),
        ({"kw": 500}, 422, "dispatch.not_enough", "500 kW are wanted"),
        ({"mode": "full"}, 422, "trigger.bad_field", "'mode'"),
        ({"colour": "red"}, 422, "trigger.unknown_field", "no field 'colour'. Known: what, plan"),
        ({"key": "x"}, 422, "trigger.unknown_field", "no field 'key'"),
        ({"what": "explode"}, 422, "trigger.bad_field", "'what'"),
        ({"what": "abort"}, 404, "dispatch.unknown_event", "no event 'one'"),
    ],
)
def test_what_is_refused_is_told_in_words_and_leaves_nothing(site, page, daemon, change, status, code, words):
    answer = ask(page, {**SCHEDULE, **change})
    told = answer.json()["error"]
    assert (answer.status, told["code"]) == (status, code), told
    assert words in told["words"]
    assert events(site) == []


def test_a_body_that_is_none(site, page, daemon):
    for body, headers, status, code in (
        ("what=trigger", {}, 422, "trigger.not_json"),
        ("[]", {}, 422, "trigger.not_json"),
        ("", {}, 422, "trigger.not_json"),
        (b"\xff\xfe", {}, 422, "trigger.not_json"),
        ("{}", {}, 422, "trigger.missing_field"),
        (json.dumps(SCHEDULE), {"Content_Type": "text/plain"}, 415, "trigger.not_json"),
        ("{" + " " * 10_000 + "}", {}, 413, "trigger.too_long"),
    ):
        answer = ask(page, body, **headers)
        assert (answer.status, answer.json()["error"]["code"]) == (status, code), body
    assert events(site) == []


def test_events_that_overlap_are_a_conflict_in_both_languages(site, page, daemon):
    scheduled(page, "stands")
    answer = ask(page, {**SCHEDULE, "event": "two"}, path="/api/v1/events?lang=zh-TW")
    assert (answer.status, answer.json()["error"]["code"]) == (409, "dispatch.overlaps")
    assert "與事件「stands」（2025-11-25 02:00" in answer.json()["error"]["words"]
    cancelled(page, "stands")


def test_without_a_key_nothing_is_asked_and_guessing_is_slowed_down(site, page, daemon, clock):
    for missing in ({"operator": ""}, {"key": ""}):
        answer = ask(page, SCHEDULE, **missing)
        assert (answer.status, answer.json()["error"]["code"]) == (401, "trigger.no_key")
    for operator, key in (("wang", "guess"), ("nobody", KEY), ("wang", "x"), ("wang", "y"), ("wang", "z")):
        assert ask(page, SCHEDULE, operator=operator, key=key).status == 403
    answer = ask(page, SCHEDULE)
    assert (answer.status, "try again in a minute" in answer.json()["error"]["words"]) == (429, True)
    clock.at_ms += 61_000
    assert ask(page, SCHEDULE, operator="lin").json()["error"]["code"] == "dispatch.not_dispatcher"
    assert events(site) == []
    scheduled(page, "after-a-minute")
    cancelled(page, "after-a-minute")


def test_a_foreign_page_gets_no_further_than_its_preflight(site, page, daemon):
    foreign = {"Origin": "http://evil.example", "Access_Control_Request_Method": "POST"}
    answer = ask(page, "", method="OPTIONS", Access_Control_Request_Headers="x-operator-key", **foreign)
    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert ask(page, SCHEDULE, Host="evil.example").status == 421
    assert events(site) == []


def test_a_daemon_that_does_not_answer_is_told_and_carries_nothing_out_later(tmp_path, monkeypatch):
    site, clock = loaded(tmp_path), StillClock(NOW_MS)
    monkeypatch.setattr(event_door, "ANSWER_WITHIN_S", 0.5)
    with writing(site.store_path) as engine, served(site.path, clock) as page:  # it is there, and busy
        for language, words in (("en", "did not answer within 0.5 s"), ("zh-TW", "未於 0.5 秒內回應")):
            answer = ask(page, SCHEDULE, path=f"/api/v1/events?lang={language}")
            told = answer.json()["error"]
            assert (answer.status, told["code"]) == (504, "trigger.no_answer"), told
            assert words in told["words"]
        clock.at_ms += 61_000
        box = RequestBox(site.store_path)
        box.give_to("curtailment", EventDesk(site, clock, lambda: None).carry_out)
        assert box.take_up(engine, "hall") == 2
        box.close()
        assert events(site) == []
        audit = engine.connect().exec_driver_sql("SELECT detail FROM audit").scalars().all()
    assert [json.loads(detail)["refused"] for detail in audit] == ["dispatch.expired"] * 2


def test_without_a_daemon_nothing_waits_in_the_box(tmp_path):
    site = loaded(tmp_path)
    with served(site.path, StillClock(NOW_MS)) as page:
        answer = ask(page, SCHEDULE)
    assert (answer.status, answer.json()["error"]["code"]) == (503, "dispatch.nobody_acts")
    assert not site.store_path.with_name(site.store_path.name + ".requests").exists()
