"""What each answer of a server means for delivery: nothing is lost, nothing is skipped, and it is said."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.contract import Backoff
from monitor.sinks.contract import Answer, SinkState, Verdict
from monitor.sinks.http import retry_after_s
from monitor.sinks.pace import Pace, wait_s
from tests.servers import Answer as Scripted
from tests.servers import ScriptedHttp
from tests.servers.scripted_http import CAPTIVE_PORTAL
from tests.sink_world import (
    QUICK,
    START_S,
    WIDE,
    PickyServer,
    World,
    interval,
    open_world,
    picky_server,
    running,
    settled,
    troubled,
)

ROWS = [[float(n), 100.0 + n] for n in range(5)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as made:
        yield made


@pytest.fixture
def picky() -> Iterator[PickyServer]:
    with picky_server() as server:
        yield server


def numbers(server: ScriptedHttp) -> list[list[str]]:
    return [request.lines for request in server.requests]


# -- what holds ---------------------------------------------------------------------------------------

HOLDS = [
    (Scripted(401), "sink.unauthorized"),
    (Scripted(403), "sink.forbidden"),
    (Scripted(404), "sink.not_found"),
    (Scripted(301, {"Location": "http://elsewhere.example/"}), "sink.redirected"),
    (Scripted(302, {"Location": "/login"}), "sink.redirected"),
    (Scripted(307, {"Location": "/login"}), "sink.redirected"),
    (Scripted(200), "sink.not_a_write"),
    (CAPTIVE_PORTAL, "sink.not_a_write"),
    (Scripted(201), "sink.not_a_write"),
    (Scripted(202), "sink.not_a_write"),
    (Scripted(405), "sink.unexpected"),
    (Scripted(415), "sink.unexpected"),
]


@pytest.mark.parametrize(("answer", "code"), HOLDS, ids=lambda value: getattr(value, "status", None))
@pytest.mark.scenario(7, 12)
def test_it_holds_everything_until_a_person_has_acted(world: World, scripted_http, answer, code):
    async def story() -> None:
        scripted_http.otherwise = answer
        world.scans(ROWS)
        async with running(world.influx(scripted_http.url)) as sink:
            held = await troubled(sink, code)
            await asyncio.to_thread(scripted_http.wait_for_requests, 2)
            assert held.state is SinkState.HOLDING
            assert held.pending["scans"] == 5
            assert world.reader.cursors("city") == {}
            scripted_http.otherwise = Scripted()
            after = await settled(sink)
        assert (after.state, after.delivered["scans"], after.dead_letters) == (SinkState.OK, 5, 0)
        assert {len(lines) for lines in numbers(scripted_http)} == {5}
        assert {request.path for request in scripted_http.requests} == {"/api/v2/write"}
        assert {request.method for request in scripted_http.requests} == {"POST"}

    asyncio.run(story())


# -- what passes by itself ----------------------------------------------------------------------------

PASSES = [
    (Scripted(408), "sink.slow"),
    (Scripted(429), "sink.busy"),
    (Scripted(500), "sink.server_error"),
    (Scripted(502), "sink.server_error"),
    (Scripted(503), "sink.busy"),
    (Scripted(504), "sink.server_error"),
    (Scripted(fault="reset"), "sink.unreachable"),
    (Scripted(fault="hang_up"), "sink.unreachable"),
    (Scripted(500, body=b"cut off in the middle", fault="half"), "sink.unreachable"),
    (Scripted(fault="hang"), "sink.slow"),
    (Scripted(fault="deaf"), "sink.slow"),
    (Scripted(200, body=b"drop by drop", drip_s=0.05), "sink.slow"),
]


@pytest.mark.parametrize(("answer", "code"), PASSES, ids=lambda value: getattr(value, "status", None))
@pytest.mark.scenario(11)
def test_it_backs_off_and_comes_again_for_ever(world: World, scripted_http, answer, code):
    async def story() -> None:
        scripted_http.script(answer, answer)
        world.scans(ROWS)
        # Patience with who answers: on a machine that stands still that would be "slow", too.
        never_ends = answer.fault in ("hang", "deaf") or answer.drip_s
        async with running(world.influx(scripted_http.url, timeout_s=0.3 if never_ends else 60.0)) as sink:
            after = await settled(sink)
        assert after.trouble is not None
        assert after.trouble.code == code
        assert (after.state, after.delivered["scans"], after.dead_letters) == (SinkState.OK, 5, 0)
        assert len(set(map(tuple, numbers(scripted_http)))) == 1

    asyncio.run(story())


def test_while_it_backs_off_nothing_moves(world: World, scripted_http):
    async def story() -> None:
        scripted_http.otherwise = Scripted(503)
        world.scans(ROWS)
        async with running(world.influx(scripted_http.url)) as sink:
            away = await troubled(sink, "sink.busy")
            assert away.state is SinkState.BACKING_OFF
            world.scans(ROWS)
            await asyncio.to_thread(scripted_http.wait_for_requests, 5)
            assert (await sink.health()).pending["scans"] == 10
            assert world.reader.cursors("city") == {}

    asyncio.run(story())


def test_a_server_that_is_not_there_yet_is_waited_for(world: World):
    async def story() -> None:
        server = PickyServer()
        world.scans(ROWS)
        async with running(world.influx(server.url)) as sink:
            await troubled(sink, "sink.unreachable")
            server.start()
            try:
                await settled(sink)
            finally:
                server.stop()
        assert len(server.lines()) == 5

    asyncio.run(story())


NOW_MS = 1_514_736_900_000  # 2017-12-31T16:15:00Z


@pytest.mark.parametrize(
    ("value", "server_date", "expected"),
    [
        ("7", None, 7.0),
        (" 120 ", None, 120.0),
        ("0", None, 0.0),
        ("Sun, 31 Dec 2017 16:15:30 GMT", None, 30.0),
        ("Sun, 31 Dec 2017 16:15:30 GMT", "Sun, 31 Dec 2017 16:15:20 GMT", 10.0),
        ("Sun, 31 Dec 2017 16:14:00 GMT", None, 0.0),
        ("soon", None, None),
        ("-5", None, None),
        ("1.5", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, server_date, expected):
    assert retry_after_s(value, server_date, NOW_MS) == expected


@pytest.mark.scenario(10)
def test_the_servers_wish_counts_up_to_five_minutes():
    def wait(asked: float | None, jitter: float = 0.0) -> float:
        return wait_s(Answer(Verdict.RETRY, retry_after_s=asked), Backoff(0.5, 60.0), Pace(), jitter)

    assert wait(7.0) == 7.0
    assert wait(7.0, 1.0) == pytest.approx(7.7)
    assert wait(86_400.0) == 300.0
    assert wait(None) == 0.25
    assert wait(0.0) == 0.25


def test_the_backoff_grows_to_its_cap_and_starts_again_after_success():
    backoff, pace, busy = Backoff(0.5, 60.0), Pace(), Answer(Verdict.RETRY)
    waits = [wait_s(busy, backoff, pace, 1.0) for _ in range(10)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    backoff.succeeded()
    assert wait_s(busy, backoff, pace, 1.0) == 0.5


@pytest.mark.scenario(10)
def test_retry_after_reaches_the_wait(world: World, scripted_http):
    async def story() -> None:
        scripted_http.script(Scripted(503, {"Retry-After": "86400"}))
        world.scans(ROWS)
        # By its own backoff it would not come again within this test's life.
        pace = replace(QUICK, first_s=3600.0, cap_s=3600.0, retry_after_cap_s=0.05)
        async with running(world.influx(scripted_http.url, pace=pace)) as sink:
            await settled(sink)
        assert len(scripted_http.requests) == 2

    asyncio.run(story())


# -- what is at fault ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.scenario(9)
def test_only_the_culprits_become_dead_letters(world: World, picky, status):
    async def story() -> None:
        picky.refusal = status
        picky.refuses = lambda line: "active_power_kw=3.0" in line or "active_power_kw=77.0" in line
        world.scans([[float(n), 0.0] for n in range(100)])
        async with running(world.influx(picky.url)) as sink:
            after = await settled(sink)
        assert len(picky.lines()) == 98
        assert set(picky.taken.values()) == {1}
        assert (after.state, after.delivered["scans"], after.dead_letters) == (SinkState.OK, 98, 2)
        letters = world.dead_letters()
        assert [line.split(" ")[1].split(",")[0] for line, _ in letters] == [
            "active_power_kw=3.0",
            "active_power_kw=77.0",
        ]
        assert all(words.startswith("unable to parse") for _, words in letters)

    asyncio.run(story())


@pytest.mark.scenario(8)
def test_a_batch_that_is_too_large_is_halved_and_the_limit_learned(world: World, picky):
    async def story() -> None:
        picky.max_bytes = 20_000
        world.scans([[float(n)] * 30 for n in range(200)], of=WIDE)
        async with running(world.influx(picky.url)) as sink:
            await settled(sink)
            asked = len(picky.batches)
            world.scans([[float(n)] * 30 for n in range(200, 400)], of=WIDE)
            after = await settled(sink)
        assert len(picky.lines()) == 400
        assert after.dead_letters == 0
        assert all(sum(map(len, lines)) <= picky.max_bytes for lines in picky.batches[asked:])

    asyncio.run(story())


def test_a_server_that_refuses_everything_gets_no_dead_letter(world: World, scripted_http):
    async def story() -> None:
        scripted_http.otherwise = Scripted(400, body=b'{"message": "organization not found"}')
        world.scans(ROWS)
        world.intervals(interval(START_S))
        async with running(world.influx(scripted_http.url)) as sink:
            held = await troubled(sink, "sink.refuses_everything")
            assert held.state is SinkState.HOLDING
            assert held.trouble is not None
            assert held.trouble.data["words"] == "organization not found"
            scripted_http.otherwise = Scripted()
            after = await settled(sink)
        assert (after.dead_letters, sum(after.delivered.values())) == (0, 6)

    asyncio.run(story())


def test_a_fault_in_the_middle_of_bisecting_loses_nothing(world: World, picky):
    async def story() -> None:
        def trouble_now_and_then(_lines: list[str]) -> None:
            picky.status = 503 if len(picky.batches) % 3 == 1 else 204

        picky.on_request = trouble_now_and_then
        picky.refuses = lambda line: "active_power_kw=9.0" in line
        world.scans([[float(n), 0.0] for n in range(64)])
        async with running(world.influx(picky.url)) as sink:
            after = await settled(sink)
        assert (len(picky.lines()), after.dead_letters) == (63, 1)

    asyncio.run(story())


def test_a_row_that_cannot_be_a_line_is_a_dead_letter_and_not_an_end(world: World, picky):
    async def story() -> None:
        world.result({"demand_kw": 1.0}, subject="two\nlines")
        world.result({"demand_kw": 2.0}, subject="site")
        world.result({"note": "no number"}, subject="other")
        async with running(world.influx(picky.url)) as sink:
            after = await settled(sink)
        assert len(picky.lines()) == 1
        assert (after.dead_letters, after.delivered["results"], after.empty["results"]) == (1, 1, 1)

    asyncio.run(story())
