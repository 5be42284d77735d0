"""What is sent and in which order, what is kept in mind over crashes, and what is said about it."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.words import LANGUAGES, say
from monitor.clock import SystemClock
from monitor.sinks.condition import QUIET_S, Condition
from monitor.sinks.contract import FarEnd, SinkState, Verdict
from monitor.sinks.http import judge, shown_address
from monitor.store.writer import Writer
from tests.servers import Answer as Scripted
from tests.sink_world import (
    QUICK,
    SITE,
    START_S,
    TOKEN,
    WIDE,
    PickyServer,
    World,
    interval,
    open_world,
    picky_server,
    running,
    settled,
    troubled,
    until,
)

ROWS = [[float(n), 100.0 + n] for n in range(5)]
MAX_LINES, MAX_BYTES = FarEnd.max_lines, FarEnd.max_bytes


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as made:
        yield made


@pytest.fixture
def picky() -> Iterator[PickyServer]:
    with picky_server() as server:
        yield server


# -- what is sent -------------------------------------------------------------------------------------


def test_a_request_is_version_2s_write(world: World, scripted_http):
    async def story() -> None:
        (at_ms,) = world.scans([[812.5, 1234567.25]])
        async with running(world.influx(scripted_http.url)) as sink:
            await settled(sink)
        (request,) = scripted_http.requests
        assert (request.method, request.path) == ("POST", "/api/v2/write")
        assert request.query == {"org": "city", "bucket": "energy", "precision": "ms"}
        assert request.headers["Content-Encoding"] == "gzip"
        assert request.headers["Authorization"] == f"Token {TOKEN}"
        assert request.body.decode() == (
            f"energy,building={SITE},meter=main,site={SITE} "
            f"active_power_kw=812.5,import_kwh=1234567.25,quality=0.0 {at_ms}"
        )

    asyncio.run(story())


def test_without_a_token_none_is_sent(world: World, scripted_http):
    async def story() -> None:
        world.scans(ROWS)
        async with running(world.influx(scripted_http.url, token=None)) as sink:
            await settled(sink)
        assert "Authorization" not in scripted_http.requests[0].headers

    asyncio.run(story())


def test_batches_keep_within_lines_and_bytes(world: World, picky):
    async def story() -> None:
        world.scans([[float(n), 0.0] for n in range(MAX_LINES + 10)])
        world.scans([[n / 7] * 30 for n in range(2000)], of=WIDE)
        async with running(world.influx(picky.url)) as sink:
            await settled(sink)
        assert len(picky.lines()) == MAX_LINES + 10 + 2000
        assert set(picky.taken.values()) == {1}
        sizes = [(len(lines), sum(map(len, lines)) + len(lines)) for lines in picky.batches]
        assert max(count for count, _ in sizes) == MAX_LINES
        assert MAX_BYTES * 0.9 < max(size for _, size in sizes) <= MAX_BYTES

    asyncio.run(story())


def test_live_intervals_go_in_between_a_backlog_of_scans(world: World, picky):
    async def story() -> None:
        def close_an_interval(lines: list[str]) -> None:
            if not picky.batches:
                world.intervals(interval(START_S))

        picky.on_request = close_an_interval
        world.scans([[float(n), 0.0] for n in range(3 * MAX_LINES)])
        async with running(world.influx(picky.url)) as sink:
            await settled(sink)
        measurements = [lines[0].split(",")[0] for lines in picky.batches]
        assert measurements == ["energy", "energy_interval", "energy", "energy"]

    asyncio.run(story())


def test_a_live_reading_waits_for_no_backlog(world: World, picky):
    async def story() -> None:
        def read_a_meter(lines: list[str]) -> None:
            if len(picky.batches) == 2:
                world.scans([[999.0, 0.0]])

        picky.on_request = read_a_meter
        world.scans([[float(n), 0.0] for n in range(200)])
        async with running(world.influx(picky.url, split_rows=10, max_lines=5)) as sink:
            health = await settled(sink)
        assert (health.dead_letters, sum(health.pending.values())) == (0, 0)
        assert len(picky.lines()) == 201
        place = next(n for n, lines in enumerate(picky.batches) if "=999.0," in lines[0])
        assert place < 10 < len(picky.batches)
        backlog = [line for lines in picky.batches for line in lines if "=999.0," not in line]
        assert backlog == sorted(backlog, key=lambda line: int(line.split(" ")[2]))
        assert world.reader.cursors("city")["scans/live_from"] == 0

    asyncio.run(story())


@pytest.mark.scenario(17)
def test_an_interval_that_changed_is_sent_again_with_its_revision(world: World, picky):
    async def story() -> None:
        start_s = START_S
        async with running(world.influx(picky.url)) as sink:
            world.intervals(interval(start_s, 25.0))
            await settled(sink)
            world.intervals(interval(start_s, 25.0))
            world.intervals(interval(start_s, 26.0))
            await settled(sink)
        sent = [line.split(" ") for line in picky.lines()]
        assert [(fields.split(",")[0], fields.split(",")[-1]) for _, fields, _ in sent] == [
            ("kwh=25.0", "rev=0.0"),
            ("kwh=26.0", "rev=1.0"),
        ]
        assert {instant for _, _, instant in sent} == {str(START_S * 1000)}

    asyncio.run(story())


def test_a_scan_of_nothing_but_gaps_is_passed_over(world: World, picky):
    async def story() -> None:
        world.scans([[float("nan"), float("nan")], [1.0, float("nan")]])
        async with running(world.influx(picky.url)) as sink:
            after = await settled(sink)
        assert len(picky.lines()) == 1
        assert (after.delivered["scans"], after.empty["scans"]) == (1, 1)

    asyncio.run(story())


# -- the store ----------------------------------------------------------------------------------------


@pytest.mark.scenario(2)
def test_what_was_acknowledged_but_not_noted_is_sent_again(world: World, picky):
    """Fault 2: the process dies between the 204 and the cursor's commit."""

    async def story() -> None:
        world.scans(ROWS)
        never_writes = Writer(world.engine, SITE)
        async with running(world.influx(picky.url, writer=never_writes)):
            await until("the first write", lambda: asyncio.sleep(0, bool(picky.taken)))
        assert world.reader.cursors("city") == {}
        async with running(world.influx(picky.url)) as sink:
            await settled(sink)
        assert len(picky.lines()) == 5
        assert set(picky.taken.values()) == {2}

    asyncio.run(story())


def test_a_store_that_cannot_be_read_for_a_while_is_waited_for(world: World, picky):
    async def story() -> None:
        world.scans(ROWS)
        away = world.path.with_name("away.db")
        world.path.rename(away)
        sink = world.influx(picky.url)
        task = asyncio.create_task(sink.run())
        try:
            await until("that it is told", lambda: asyncio.sleep(0, sink.standing()[2] is not None))
            assert not task.done()
            away.rename(world.path)
            after = await settled(sink)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert after.trouble is not None
        assert after.trouble.code == "sink.store_unreadable"
        assert (after.state, len(picky.lines())) == (SinkState.OK, 5)

    asyncio.run(story())


def test_the_application_may_wake_it(world: World, picky):
    async def story() -> None:
        committed = asyncio.Event()
        pace = replace(QUICK, poll_s=600.0)
        async with running(world.influx(picky.url, pace=pace, committed=committed)) as sink:
            await asyncio.sleep(0.05)
            world.scans(ROWS)
            committed.set()
            await settled(sink)
        assert len(picky.lines()) == 5

    asyncio.run(story())


# -- what is said -------------------------------------------------------------------------------------


def test_the_token_is_in_no_log_and_no_status(world: World, scripted_http, caplog):
    async def story() -> None:
        caplog.set_level(logging.DEBUG)
        words = f'{{"message": "token {TOKEN} is not known"}}'.encode()
        scripted_http.script(Scripted(401, body=words), Scripted(302, {"Location": f"/?t={TOKEN}"}))
        world.scans(ROWS)
        async with running(world.influx(scripted_http.url)) as sink:
            first = await troubled(sink, "sink.unauthorized")
            await settled(sink)
        assert first.trouble is not None
        assert first.trouble.data["words"] == "token *** is not known"
        assert TOKEN not in str(first)
        assert "***" in caplog.text
        assert TOKEN not in caplog.text

    asyncio.run(story())


def test_an_address_is_shown_without_its_password():
    assert shown_address("https://user:word@db.example:8086/base/?q=1") == "https://db.example:8086/base"
    assert shown_address("http://db.example") == "http://db.example"


class SteppedClock(SystemClock):
    """Seconds pass when the test says so."""

    seconds = 0.0

    def monotonic_s(self) -> float:
        return self.seconds


def test_the_same_trouble_is_logged_once_a_minute(caplog, monkeypatch):
    monkeypatch.setenv("ENERGY_MONITOR_LANGUAGE", "en")
    clock = SteppedClock()
    condition = Condition(clock)
    data = {"sink": "city", "address": "http://db", "reason": "refused", "seconds": 5.0}
    for _ in range(3):
        condition.worse(SinkState.BACKING_OFF, "sink.unreachable", data)
        condition.worse(SinkState.BACKING_OFF, "sink.slow", data)
    assert len(caplog.records) == 2
    assert "Check address, network and server" in caplog.text
    clock.seconds = QUIET_S
    condition.worse(SinkState.BACKING_OFF, "sink.unreachable", data)
    assert len(caplog.records) == 3


STATUSES = [*range(200, 209), *range(300, 309), *range(400, 430), *range(500, 512)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_trouble_has_words_with_the_cure(world: World, scripted_http, language):
    async def story() -> None:
        sink = world.influx(scripted_http.url)
        for status in STATUSES:
            scripted_http.script(Scripted(status, {"Location": "/x"}))
            answer = await sink.check()
            assert answer.ok == (status == 204)
            assert "city" in say(answer.code, language, **answer.data)

    asyncio.run(story())


def test_each_status_has_one_meaning():
    meanings = {status: judge(status)[0] for status in STATUSES}
    assert [s for s, verdict in meanings.items() if verdict is Verdict.TAKEN] == [204]
    assert [s for s, verdict in meanings.items() if verdict is Verdict.REFUSED] == [400, 413, 422]
    passing = [408, 429, *range(500, 512)]
    assert [s for s, verdict in meanings.items() if verdict is Verdict.RETRY] == passing


# -- the probe ----------------------------------------------------------------------------------------


def test_the_check_writes_one_point_and_moves_nothing(world: World, scripted_http):
    async def story() -> None:
        world.scans(ROWS)
        answer = await world.influx(scripted_http.url).check()
        assert (answer.ok, answer.code, answer.sink) == (True, "sink.takes", "city")
        (request,) = scripted_http.requests
        assert request.body.decode().startswith(f"daemon,building={SITE},site={SITE} probe=1.0 ")
        assert world.reader.cursors("city") == {}

    asyncio.run(story())


def test_the_check_of_nobody_says_so_within_the_deadline(world: World):
    async def story() -> None:
        answer = await world.influx(PickyServer().url).check()
        assert (answer.ok, answer.code) == (False, "sink.unreachable")

    asyncio.run(story())
