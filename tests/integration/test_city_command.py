"""``energy-monitor fleet`` as a person types it, and TLS to the city with the right authority and without."""

import asyncio
import csv
import json
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from arro3.io import read_parquet

from config.sinks import PostgresSink
from drivers.settings import Secret
from monitor.sinks.postgres import PostgresFarEnd
from monitor.sinks.secrets import Token
from tests.servers import Authority, run_program
from tests.servers.postgres import Postgres, postgres
from tests.sink_world import SITE, START_S, World, interval, open_world, running, settled, troubled

NAME = "city.test"


@dataclass(frozen=True, slots=True)
class City:
    """A server, and who signed its certificate."""

    server: Postgres
    authority: Authority


def energy_monitor(*words: str | Path, language: str = "en", **env: str) -> tuple[int, str]:
    """Exit code and all that a command printed."""
    command = [sys.executable, "-m", "monitor.cli.main", *words]
    with run_program(command, name="fleet", env={"ENERGY_MONITOR_LANGUAGE": language, **env}) as program:
        code = program.wait()
        program.wait_for_children()
        return code, program.output


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with postgres(authority.sign(NAME, alternatives="IP:127.0.0.1")) as server:
        yield City(server, authority)


@pytest.fixture(scope="module")
def password_file(city: City, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the commands alone, as on the city's side."""
    file = tmp_path_factory.mktemp("passwords") / "site.password"
    code, said = energy_monitor("fleet", "init", "--database", city.server.url)
    assert (code, "database is ready" in said) == (0, True), said
    code, said = energy_monitor("fleet", "add-site", SITE, "--database", city.server.url,
                                "--password-file", file)  # fmt: skip
    assert code == 0, said
    assert str(file) in said
    assert file.read_text().strip() not in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return file


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as made:
        yield made


def test_the_commands_may_be_run_again_and_say_what_is_wrong(city: City, password_file: Path, tmp_path: Path):
    # The database is taken from the environment too.
    assert energy_monitor("fleet", "init", ENERGY_MONITOR_FLEET_DATABASE=city.server.url)[0] == 0
    add = ("fleet", "add-site", SITE, "--database", city.server.url, "--password-file")
    code, said = energy_monitor(*add, tmp_path / "again")
    assert (code, "already; nothing was changed" in said) == (1, True), said
    code, said = energy_monitor(*add, password_file, "--renew")
    assert (code, "not overwritten" in said) == (2, True), said
    code, said = energy_monitor("fleet", "add-site", "Bad Name", "--database", city.server.url,
                                "--password-file", tmp_path / "x")  # fmt: skip
    assert (code, "no id of a site" in said) == (2, True), said
    code, said = energy_monitor("fleet", "add-site", "far-hall", "--database", city.server.url,
                                "--password-file", tmp_path / "far", "--zone", "Mars/Olympus")  # fmt: skip
    assert (code, "Mars/Olympus" in said, (tmp_path / "far").exists()) == (1, True, False), said
    own = f"postgresql://energy_{SITE}@127.0.0.1:{city.server.port}/postgres"
    code, said = energy_monitor("fleet", "init", "--database", own,
                                PGPASSWORD=password_file.read_text().strip())  # fmt: skip
    assert (code, "Name its owner" in said) == (1, True), said
    code, said = energy_monitor("fleet", "init", "--database", "postgresql://x@127.0.0.1:1/x")
    assert (code, "cannot be reached" in said) == (1, True), said
    code, said = energy_monitor("fleet", "init")
    assert (code, "--database" in said) == (2, True), said
    said_in_chinese = energy_monitor(*add, tmp_path / "again", language="zh-TW")[1]
    assert "已有角色" in said_in_chinese


def far_end(world: World, city: City, password_file: Path, folder: Path, **changes: object):
    given = {"kind": "postgres", "id": "city", "host": city.server.host, "port": city.server.port,
             "database": "postgres", "timeout_s": 10}  # fmt: skip
    settings = PostgresSink.model_validate({**given, **changes})
    password = Token(Secret(file=str(password_file)), folder)
    return world.delivery(lambda: PostgresFarEnd(settings, SITE, password, folder))


def test_rows_travel_encrypted_and_the_server_is_who_it_says(
    world: World, city: City, password_file: Path, tmp_path: Path
):
    stranger = Authority(tmp_path / "stranger")

    async def fails(code: str, **changes: object) -> None:
        async with running(far_end(world, city, password_file, tmp_path, **changes)) as sink:
            health = await troubled(sink, code)
            assert health.pending["intervals"] == 1

    async def story() -> None:
        world.intervals(interval(START_S, 10.0))
        trusted = {"ca": str(city.authority.own.file)}
        await fails("sink.tls_failed", tls={"ca": str(stranger.own.file)})
        await fails("sink.tls_wrong_name", tls=trusted, host="localhost")
        await fails("sink.tls_files", tls={"ca": "not-there.pem"})
        await fails("sink.pg_login")  # without TLS the server lets no site in
        async with running(far_end(world, city, password_file, tmp_path, tls=trusted)) as sink:
            await settled(sink)
            with psycopg.connect(city.server.url, autocommit=True) as owner:
                (told,) = owner.execute(
                    "SELECT s.ssl, s.version FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
                    f"WHERE a.usename = 'energy_{SITE}'"
                ).fetchall()
                assert told[0] is True
                assert told[1] in ("TLSv1.2", "TLSv1.3")
                assert owner.execute("SELECT quantity FROM energy.intervals").fetchall() == [(10.0,)]

    asyncio.run(story())


def test_a_server_without_tls_is_named_so(world: World, password_file: Path, tmp_path: Path):
    authority = Authority(tmp_path / "authority")
    world.intervals(interval(START_S, 10.0))
    with postgres() as server:

        async def story() -> None:
            tls = {"ca": str(authority.own.file)}
            plain = City(server, authority)
            async with running(far_end(world, plain, password_file, tmp_path, tls=tls)) as sink:
                await troubled(sink, "sink.tls_not_spoken")

        asyncio.run(story())


def test_a_city_is_reported_and_watched_over_by_who_may_only_read(
    world: World, city: City, password_file: Path, tmp_path: Path
):
    """What a building delivered is what the city's people read, of one site and of all."""
    add = ("fleet", "add-site", "town-hall", "--database", city.server.url, "--password-file")
    assert energy_monitor(*add, tmp_path / "town-hall")[0] in (0, 1)
    with psycopg.connect(city.server.url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS anna")
        owner.execute("DROP ROLE IF EXISTS nobody")
        owner.execute("CREATE ROLE anna LOGIN PASSWORD 'a' IN ROLE energy_reader")
        owner.execute("CREATE ROLE nobody LOGIN PASSWORD 'n'")
        owner.execute("DELETE FROM energy.intervals")
        owner.execute("DELETE FROM energy.days")

    async def story() -> None:
        # 2017-07-01 00:00 in Taipei, the quarter before it, and one in December.
        world.intervals(*(interval(at_s, 10.0) for at_s in (1498838400, 1498838400 - 900, 1514700000)))
        trusted = {"ca": str(city.authority.own.file)}
        async with running(far_end(world, city, password_file, tmp_path, tls=trusted)) as sink:
            await settled(sink)

    asyncio.run(story())
    base = f"@127.0.0.1:{city.server.port}/postgres?sslmode=require"
    anna = ("--store", f"postgresql://anna:a{base}")
    code, said = energy_monitor("report", "2017H2", *anna, "--all-sites", "--json")
    assert code == 0, said
    (meter,) = json.loads(said)["meters"]
    assert (meter["site"], meter["meter"], meter["quantity"], meter["intervals"]) == (SITE, "main", 20.0, 2)
    code, said = energy_monitor("report", "2017H2", *anna, "--site-id", SITE)
    assert (code, "20.00" in said) == (0, True), said
    for whose in (("--all-sites",), ("--site-id", SITE)):
        code, said = energy_monitor("export", "intervals", "2017H2", *anna, *whose)
        assert code == 0, said
        rows = list(csv.DictReader(said.lstrip("\ufeff").splitlines()))
        assert [(row["site"], row["meter"], float(row["quantity"])) for row in rows] == [
            (SITE, "main", 10.0)] * 2  # fmt: skip
        assert rows[0]["start"].startswith("2017-07-01")
        assert "00:00" in rows[0]["start"]
    code, said = energy_monitor("export", "scans", "2017H2", *anna, "--all-sites")  # nobody forwards any yet
    assert (code, said.lstrip("\ufeff").startswith("site,device,part,at")) == (0, True), said
    file = tmp_path / "city.parquet"
    assert energy_monitor("export", "intervals", "2017", *anna, "--all-sites", "--out", file)[0] == 0
    assert read_parquet(file).read_all().num_rows == 3
    code, said = energy_monitor("status", *anna, "--all-sites", "--json")
    assert code == 1  # nobody has delivered for years
    assert {one["site"]: one["silent"] for one in json.loads(said)["sites"]} == {
        SITE: True,
        "town-hall": True,
    }
    code, said = energy_monitor("status", *anna, "--site-id", "nowhere")
    assert (code, "knows no site 'nowhere'" in said) == (1, True), said
    code, said = energy_monitor("status", *anna)
    assert (code, "--all-sites" in said) == (2, True), said
    code, said = energy_monitor("status", "--store", f"postgresql://nobody:n{base}", "--all-sites")
    assert (code, "energy_reader" in said) == (1, True), said
    code, said = energy_monitor("report", "2017H2", "--store", "postgresql://x@127.0.0.1:1/x", "--all-sites")
    assert (code, "cannot be read" in said) == (1, True), said
