"""A city's PostgreSQL: one role a site, rows that only grow newer, and words for what is wrong."""

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.sinks import PostgresSink
from drivers.settings import Secret
from monitor.cli.fleet import run_add_site, run_init
from monitor.sinks.postgres import PostgresFarEnd
from monitor.sinks.secrets import Token
from tests.servers.postgres import Postgres, postgres
from tests.sink_world import MAIN, SITE, START_S, World, interval, open_world, running, settled, troubled

OTHER = "town-hall"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.fixture
def city(server: Postgres, tmp_path: Path) -> Postgres:
    with psycopg.connect(server.url, autocommit=True) as owner:
        owner.execute("DROP SCHEMA IF EXISTS energy CASCADE")
        for site in (SITE, OTHER):
            owner.execute(f'DROP ROLE IF EXISTS "energy_{site}"'.encode())
    assert run_init(server.url, "en") == 0
    for site in (SITE, OTHER):
        assert run_add_site(server.url, site, tmp_path / site, "en", renew=False) == 0
    return server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as made:
        yield made


def sink(world: World, city: Postgres, folder: Path, **changes):
    given = {"kind": "postgres", "id": "city", "host": city.host, "port": city.port,
             "database": "postgres", "timeout_s": 10, "scans": True}  # fmt: skip
    settings = PostgresSink.model_validate({**given, **changes})
    password = Token(Secret(file=SITE), folder)
    return world.delivery(lambda: PostgresFarEnd(settings, SITE, password, folder))


def asked(city: Postgres, statement: str) -> list[tuple]:
    with psycopg.connect(city.url, autocommit=True) as owner:
        return owner.execute(statement.encode()).fetchall()


def as_site(city: Postgres, site: str, folder: Path) -> psycopg.Connection:
    password = (folder / site).read_text().strip()
    return psycopg.connect(
        host=city.host, port=city.port, dbname="postgres", user=f"energy_{site}", password=password,
        autocommit=True,
    )  # fmt: skip


def test_rows_arrive_in_their_months_and_never_grow_older(world, city, tmp_path):
    async def story() -> None:
        month_s = 31 * 86_400
        world.intervals(*[interval(START_S + month_s * n, 10.0 + n) for n in range(3)])
        world.result({"demand_kw": 7.5, "note": "tab\t line\n back\\slash"})
        world.scans([[1.5, float("nan")], [2.5, 3.0]])
        async with running(sink(world, city, tmp_path)) as delivery:
            await settled(delivery)
            world.intervals(interval(START_S, 99.0))
            await settled(delivery)
            assert asked(city, "SELECT quantity, rev FROM energy.intervals ORDER BY start_s") == [
                (99.0, 1), (11.0, 0), (12.0, 0)]  # fmt: skip
            # Days are the sums of their rows, corrections included.
            told = asked(city, "SELECT quantity, rows FROM energy.days ORDER BY day")
            assert told == [(99.0, 1), (11.0, 1), (12.0, 1)]
            # What an older building's backup says does not come back.
            with as_site(city, SITE, tmp_path) as site:
                site.execute("UPDATE energy.intervals SET rev = 5, quantity = 50 WHERE rev = 1")
            world.forget_cursors()
        async with running(sink(world, city, tmp_path)) as delivery:
            await settled(delivery)
        assert asked(city, "SELECT max(quantity), max(rev) FROM energy.intervals") == [(50.0, 5)]
        assert asked(city, "SELECT data::json->>'note' FROM energy.results") == [
            ("tab\t line\n back\\slash",)]  # fmt: skip
        (spec,) = asked(city, "SELECT l.device, count(*) FROM energy.scans s JOIN energy.layouts l "
                              "ON l.site = s.site AND l.id = s.layout_id GROUP BY 1")  # fmt: skip
        assert spec == (MAIN.device, 2)
        made = {
            row[0] for row in asked(city, "SELECT relname FROM pg_class WHERE relname LIKE 'intervals_y%m__'")
        }
        assert {
            "intervals_y2025m06",
            "intervals_y2025m07",
            "intervals_y2025m08",
            "intervals_y2025m09",
        } <= made

    asyncio.run(story())


def test_a_site_can_neither_read_nor_write_anothers_rows(world, city, tmp_path):
    async def story() -> None:
        world.intervals(interval(START_S, 10.0))
        async with running(sink(world, city, tmp_path)) as delivery:
            await settled(delivery)

    asyncio.run(story())
    columns = "site, meter, start_s, duration_s, quantity, coverage, quality, caught_up, epoch, rev, seq"
    with as_site(city, OTHER, tmp_path) as thief:
        assert thief.execute("SELECT count(*) FROM energy.intervals").fetchone() == (0,)
        assert thief.execute("SELECT count(*) FROM energy.days").fetchone() == (0,)
        assert thief.execute("UPDATE energy.intervals SET quantity = 0").rowcount == 0
        figures = f"'main', {START_S}, 900, 0, 1, 0, 0, 0, 9, 9"
        forged = f"INSERT INTO energy.intervals ({columns}) VALUES ('{SITE}', {figures})"
        wicked = [
            forged,
            f"{forged} ON CONFLICT (site, meter, start_s) DO UPDATE SET quantity = 0",
            "SELECT * FROM energy.intervals_y2025m06",
            "DELETE FROM energy.intervals",
            "UPDATE energy.days SET quantity = 0",
            "TRUNCATE energy.intervals",
            "SELECT * FROM energy.sites",
            f"UPDATE energy.sites SET site = '{SITE}'",
            f'SET ROLE "energy_{SITE}"',
            f'SET SESSION AUTHORIZATION "energy_{SITE}"',
            "CREATE TABLE energy.mine (n int)",
            "ALTER TABLE energy.intervals DISABLE ROW LEVEL SECURITY",
            "SELECT energy.make_ahead('intervals', 4102444800)",
            "SELECT energy.make_ahead('sites', 1750000000)",
        ]
        for statement in wicked:
            with pytest.raises(psycopg.Error):
                thief.execute(statement.encode())
    assert asked(city, "SELECT site, quantity, rev FROM energy.intervals") == [(SITE, 10.0, 0)]


def test_what_is_wrong_is_told_and_everything_waits(world, city, tmp_path):
    world.intervals(interval(START_S, 10.0))

    async def story() -> None:
        thief = sink(world, city, tmp_path, user=f"energy_{OTHER}")
        async with running(thief):
            assert (await troubled(thief, "sink.pg_login")).pending["intervals"] == 1
        (tmp_path / SITE).write_text((tmp_path / OTHER).read_text())
        async with running(sink(world, city, tmp_path, user=f"energy_{OTHER}")) as delivery:
            held = await troubled(delivery, "sink.pg_other_site")
            assert held.trouble is not None
            assert held.trouble.data["own"] == OTHER
        async with running(sink(world, city, tmp_path, database="nowhere")) as delivery:
            await troubled(delivery, "sink.pg_login")

    asyncio.run(story())


def test_making_it_ready_twice_harms_nothing_and_mistakes_have_words(city, tmp_path, capsys):
    assert run_init(city.url, "en") == 0
    assert stat.S_IMODE((tmp_path / SITE).stat().st_mode) == 0o600
    capsys.readouterr()
    assert run_add_site(city.url, SITE, tmp_path / "again", "en", renew=False) == 1
    assert "already; nothing was changed" in capsys.readouterr().err
    assert run_add_site(city.url, "Not A Site", tmp_path / "again", "en", renew=False) == 2
    assert run_add_site(city.url, SITE, tmp_path / SITE, "en", renew=True) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert run_add_site(city.url, SITE, tmp_path / "again", "en", renew=True) == 0
    assert run_init("postgresql://nobody@127.0.0.1:1/x", "en") == 1
    assert "cannot be reached" in capsys.readouterr().err
    password = (tmp_path / OTHER).read_text().strip()
    own = f"postgresql://energy_{OTHER}:{password}@{city.host}:{city.port}/postgres"
    assert run_init(own, "en") == 1
    assert "Name its owner" in capsys.readouterr().err
