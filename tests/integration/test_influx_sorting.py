"""Many lines at fault in one batch: what is found is settled, others have their turn, it is said."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.words import LANGUAGES, say
from monitor.sinks.contract import SinkState
from tests.sink_world import (
    QUICK,
    START_S,
    PickyServer,
    World,
    interval,
    open_world,
    picky_server,
    running,
    settled,
    until,
)

MANY = 60
IMPATIENT = replace(QUICK, sort_s=0.0)
"""Whatever was judged is settled at once: nothing here depends on how fast the machine is."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as made:
        yield made


@pytest.fixture
def picky() -> Iterator[PickyServer]:
    with picky_server() as server:
        server.refuses = lambda line: line.startswith("energy_interval")
        yield server


def refused_intervals(world: World) -> None:
    world.intervals(*(interval(START_S + 900 * n, float(n + 1)) for n in range(MANY)))


def test_live_rows_of_other_streams_do_not_wait_for_the_last_culprit(world: World, picky: PickyServer):
    async def story() -> None:
        refused_intervals(world)
        world.scans([[1.0, 2.0]])
        asked_before_scans: list[int] = []

        def note(lines: list[str]) -> None:
            if any(line.startswith("energy,") for line in lines) and not asked_before_scans:
                asked_before_scans.append(
                    sum(lines[0].startswith("energy_interval") for lines in picky.batches)
                )

        picky.on_request = note
        async with running(world.influx(picky.url, pace=IMPATIENT)) as sink:
            after = await settled(sink)
        assert asked_before_scans[0] < MANY  # fewer requests than there are culprits
        assert (after.dead_letters, after.delivered["scans"], after.delivered["intervals"]) == (MANY, 1, 0)
        assert after.state is SinkState.OK

    asyncio.run(story())


def test_what_was_found_is_settled_while_the_rest_is_sought(world: World, picky: PickyServer):
    async def story() -> None:
        refused_intervals(world)
        async with running(world.influx(picky.url, pace=IMPATIENT)) as sink:
            await until("a few letters", lambda: has_letters(sink, 5))
            health = await sink.health()
            assert health.state is SinkState.SORTING or health.dead_letters == MANY
        # Ended in the middle: what was settled is not judged again, and nothing is lost or twice.
        found = len(world.dead_letters())
        first = len(picky.batches)
        async with running(world.influx(picky.url, pace=IMPATIENT)) as sink:
            after = await settled(sink)
        assert after.dead_letters == MANY
        letters = [line for line, _ in world.dead_letters()]
        assert len(set(letters)) == len(letters) == MANY
        again = [lines for lines in picky.batches[first:] if any(line in letters[:found] for line in lines)]
        assert again == []

    asyncio.run(story())


async def has_letters(sink, count: int) -> bool:
    return (await sink.health()).dead_letters >= count


def test_it_is_said_at_the_first_refusal_and_taken_back_at_the_end(world: World, picky: PickyServer):
    async def story() -> None:
        states: list[SinkState] = []
        refused_intervals(world)
        async with running(world.influx(picky.url)) as sink:
            picky.on_request = lambda _lines: states.append(sink.standing()[0])
            after = await settled(sink)
        assert states[1:2] == [SinkState.SORTING]  # the second request follows the first refusal
        assert (after.state, after.dead_letters) == (SinkState.OK, MANY)

    asyncio.run(story())


def test_rows_between_the_culprits_arrive_each_once(world: World, picky: PickyServer):
    async def story() -> None:
        picky.refuses = lambda line: "quantity" in line or "kwh=7.0" in line or "kwh=31.0" in line
        refused_intervals(world)
        world.result({"said": "no number"})  # nothing to send
        async with running(world.influx(picky.url, pace=IMPATIENT)) as sink:
            after = await settled(sink)
        assert {picky.taken[line] for line in picky.lines()} == {1}
        assert (after.delivered["intervals"], after.dead_letters) == (MANY - 2, 2)

    asyncio.run(story())


def test_letters_that_are_refused_again_are_settled_as_they_are_found(world: World, picky: PickyServer):
    async def story() -> None:
        refused_intervals(world)
        async with running(world.influx(picky.url, pace=IMPATIENT)) as sink:
            await settled(sink)
            with world.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE dead_letters SET state = 'asked', settled_ms = NULL")
            await until("all are judged again", lambda: none_asked(world))
            after = await sink.health()
        assert after.dead_letters == MANY

    asyncio.run(story())


async def none_asked(world: World) -> bool:
    return not world.reader.deliveries.letters("city", ["asked"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_state_has_words(language: str):
    assert say("cli.sink_sorting", language)
    data = {"sink": "city", "address": "http://x", "words": "unable to parse"}
    assert "unable to parse" in say("sink.sorting", language, **data)
    assert "city" in say("sink.sorted", language, **data)
