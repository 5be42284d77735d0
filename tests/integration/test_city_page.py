"""``energy-monitor serve --store postgresql://...``: a city's page, out of its database alone."""

import asyncio
import csv
import http.client
import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from config.sinks import PostgresSink
from drivers.settings import Secret
from monitor.cli.fleet import run_add_site, run_init
from monitor.sinks.postgres import PostgresFarEnd
from monitor.sinks.secrets import Token
from tests.servers import free_port, run_program
from tests.servers.postgres import Postgres, postgres
from tests.sink_world import MAIN, SITE, WIDE, interval, open_world, running, settled

MONITOR = [sys.executable, "-m", "monitor.cli.main"]
QUARTER = 900


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Two sites: one that delivers over its sink, one that never did."""
    folder = tmp_path_factory.mktemp("city")
    with postgres() as server, open_world(folder) as world:
        assert run_init(server.url, "en") == 0
        assert run_add_site(server.url, SITE, folder / "password", "en", renew=False) == 0
        assert run_add_site(server.url, "town-hall", folder / "other", "en", renew=False) == 0
        with psycopg.connect(server.url, autocommit=True) as owner:
            owner.execute("CREATE ROLE anna LOGIN PASSWORD 'a' IN ROLE energy_reader")
        # Three days of quarters, the last of them doubtful.
        newest_s = int(time.time()) // QUARTER * QUARTER - QUARTER
        quarters = range(newest_s - 3 * 86_400, newest_s, QUARTER)
        world.intervals(*(interval(at_s, 2.5) for at_s in quarters))
        world.intervals(interval(newest_s, 7.25, quality=2))
        settings = PostgresSink.model_validate(
            {
                "kind": "postgres",
                "id": "city",
                "host": server.host,
                "port": server.port,
                "database": "postgres",
            }
        )
        password = Token(Secret(file="password"), folder)

        async def deliver() -> None:
            async with running(
                world.delivery(lambda: PostgresFarEnd(settings, SITE, password, folder))
            ) as sink:
                await settled(sink)

        asyncio.run(deliver())
        yield server


def address(server: Postgres, who: str = "anna:a") -> str:
    return f"postgresql://{who}@127.0.0.1:{server.port}/postgres"


class Page:
    """A page that is served, and how it is asked."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=90)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()


@contextmanager
def serving(server: Postgres, *options: str) -> Iterator[Page]:
    port = free_port()
    command = [*MONITOR, "serve", "--store", address(server), "--port", str(port), *options]
    with run_program(command, name="serve", env={"ENERGY_MONITOR_LANGUAGE": "en"}) as program:
        program.wait_for_line(rf"http://127\.0\.0\.1:{port}/", timeout_s=90)
        yield Page(port)
        program.signal(signal.SIGTERM)
        assert program.wait(90) == 0


def test_a_citys_page_shows_every_site_and_each_ones_meters(city: Postgres):
    with serving(city, "--all-sites") as page:
        status, html, headers = page.get("/")
        assert status == 200
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "2 buildings, 1 of them silent" in html
        # The silent one first, with a shape and a word and not with a colour alone.
        assert re.findall(r'<tr data-silent="(\w+)">\s*<th scope="row"><a href="/sites/([\w-]+)">', html) == [
            ("yes", "town-hall"),
            ("no", SITE),
        ]
        assert 'data-q="missing" aria-hidden="true"></span> silent' in html
        status, html, _ = page.get(f"/sites/{SITE}")
        assert status == 200
        assert ">7.25 <" in html.replace("</span> 7.25 <", ">7.25 <")
        assert 'data-q="suspect"' in html
        assert ": 240.0</title>" in html  # a whole day: 96 quarters of 2.5
        assert html.count("<rect ") >= 3
        assert "<script>" not in html
        for file in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            assert page.get(file)[0] == 200
        _, chinese, headers = page.get("/?lang=zh-TW")
        assert "2 棟建築，其中 1 棟無資料" in chinese
        assert "language=zh-TW" in headers["set-cookie"]
        assert "全市" in page.get("/", Cookie="language=zh-TW")[1]


def test_its_numbers_are_there_for_programs(city: Postgres):
    with serving(city, "--all-sites") as page:
        sites = json.loads(page.get("/api/v1/city")[1])["sites"]
        assert {one["site"]: (one["silent"], one["meters"]) for one in sites} == {
            SITE: (False, 1),
            "town-hall": (True, 0),
        }
        site = json.loads(page.get(f"/api/v1/city/{SITE}")[1])
        (meter,) = site["meters"]
        assert (meter["meter"], meter["newest"]["quantity"], meter["newest"]["quality"]) == (
            "main", 7.25, "suspect")  # fmt: skip
        assert sum(meter["days"].values()) == pytest.approx(288 * 2.5 + 7.25)
        assert json.loads(page.get("/healthz")[1]) == {"status": "ok", "store": "ok"}


def test_one_site_alone_shows_no_other(city: Postgres):
    with serving(city, "--site-id", SITE) as page:
        status, _, headers = page.get("/")
        assert (status, headers["location"]) == (307, f"/sites/{SITE}")
        assert page.get(f"/sites/{SITE}")[0] == 200
        status, said, _ = page.get("/sites/town-hall")
        assert (status, "knows no site 'town-hall'" in said) == (404, True)
        assert [one["site"] for one in json.loads(page.get("/api/v1/city")[1])["sites"]] == [SITE]


def test_what_is_not_there_and_who_may_not_come_is_told(city: Postgres):
    with serving(city, "--all-sites", "--known-as", "city.example") as page:
        assert page.get("/nothing")[:2] == (404, "There is no such page. The list of buildings is at / .")
        status, said, _ = page.get("/", Host="evil.example")
        assert (status, "--known-as evil.example" in said) == (421, True)
        assert page.get("/", Host="city.example")[0] == 200


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--all-sites", "--site-id", SITE], 2, "--all-sites"),
        ([], 2, "--all-sites"),
        (["--site-id", "nowhere"], 1, "knows no site 'nowhere'"),
    ],
)
def test_wrong_use_is_told(city: Postgres, options: list[str], code: int, words: str):
    command = [*MONITOR, "serve", "--store", address(city), "--port", str(free_port()), *options]
    with run_program(command, name="serve", env={"ENERGY_MONITOR_LANGUAGE": "en"}) as program:
        assert program.wait(90) == code
        assert words in program.output


def test_a_database_that_goes_away_leaves_the_last_figures_and_says_so(city: Postgres, tmp_path: Path):
    with serving(city, "--all-sites") as page:
        assert page.get("/")[0] == 200
        city.stop()
        try:
            # Answers may be some seconds old; then the page asks again.
            deadline_s = time.monotonic() + 90
            while page.get("/healthz")[0] != 503:
                assert time.monotonic() < deadline_s
                time.sleep(0.5)
            status, html, _ = page.get("/")
            assert (status, "cannot be read" in html, "town-hall" in html) == (200, True, True)
            assert "the last that were read" in html
        finally:
            city.start()


def test_raw_readings_that_a_building_forwards_are_exported_from_the_city(tmp_path: Path):
    """Two buildings with other points: one sheet, each value in its column."""
    instants: dict[str, list[int]] = {}
    with postgres() as server:
        assert run_init(server.url, "en") == 0
        with psycopg.connect(server.url, autocommit=True) as owner:
            owner.execute("CREATE ROLE anna LOGIN PASSWORD 'a' IN ROLE energy_reader")
        for number, site in enumerate((SITE, "town-hall")):
            (folder := tmp_path / site).mkdir()
            assert run_add_site(server.url, site, folder / "password", "en", renew=False) == 0
            layout = MAIN if number == 0 else WIDE
            with open_world(folder) as world:
                rows = [[float(100 * number + n)] * len(layout.points) for n in range(3)]
                rows[1][0] = float("nan")
                instants[site] = world.scans(rows, of=layout)
                settings = PostgresSink.model_validate(
                    {"kind": "postgres", "id": "city", "host": server.host, "port": server.port,
                     "database": "postgres", "scans": True}
                )  # fmt: skip
                password = Token(Secret(file="password"), folder)

                async def deliver(
                    world=world, settings=settings, site=site, password=password, folder=folder
                ):
                    async with running(
                        world.delivery(lambda: PostgresFarEnd(settings, site, password, folder))
                    ) as sink:
                        await settled(sink)

                asyncio.run(deliver())
        command = [*MONITOR, "export", "scans", "2025", "--store", address(server), "--all-sites"]
        with run_program(command, name="export") as program:
            assert program.wait(90) == 0, program.output
            found = list(csv.DictReader(program.output.lstrip("\ufeff").splitlines()))
        assert [(row["site"], row["device"]) for row in found] == [(SITE, "main")] * 3 + [
            ("town-hall", "wide")
        ] * 3
        assert [row["import_kwh"] for row in found[:3]] == ["0.0", "1.0", "2.0"]
        assert [row["active_power_kw"] for row in found[:3]] == ["0.0", "", "2.0"]
        assert datetime.fromisoformat(found[0]["at"]).timestamp() * 1000 == instants[SITE][0]
