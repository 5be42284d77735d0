"""Tokens that are renewed, and certificates that hold or do not: a person's work shows at once."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.loading import load_site
from monitor.sinks.contract import SinkState
from tests.servers import Answer as Scripted
from tests.servers import Authority
from tests.sink_world import TOKEN, World, open_world, picky_server, running, settled, troubled

ROWS = [[float(n), 100.0 + n] for n in range(5)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as made:
        yield made


def test_a_token_file_that_is_written_anew_is_used_at_once(world: World, scripted_http, tmp_path: Path):
    async def story() -> None:
        scripted_http.otherwise = Scripted(401)
        world.scans(ROWS)
        async with running(world.influx(scripted_http.url)) as sink:
            await troubled(sink, "sink.unauthorized")
            (tmp_path / "token").write_text("another-one\n")
            seen = len(scripted_http.requests)
            await asyncio.to_thread(scripted_http.wait_for_requests, seen + 2)
            scripted_http.otherwise = Scripted()
            assert (await settled(sink)).state is SinkState.OK
        sent = [request.headers["Authorization"] for request in scripted_http.requests]
        assert (sent[0], sent[-1]) == (f"Token {TOKEN}", "Token another-one")

    asyncio.run(story())


def test_a_token_file_that_is_gone_leaves_the_token_as_it_was(world: World, scripted_http, tmp_path: Path):
    async def story() -> None:
        sink = world.influx(scripted_http.url)
        (tmp_path / "token").unlink()
        world.scans(ROWS)
        async with running(sink):
            await settled(sink)
        assert scripted_http.requests[0].headers["Authorization"] == f"Token {TOKEN}"

    asyncio.run(story())


SITE = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}}
sinks:
  - {kind: influxdb, id: city, url: "http://db.example", bucket: energy, token: {file: token}}
"""


def test_a_token_that_everybody_can_read_is_flagged(tmp_path: Path):
    path, token = tmp_path / "site.yaml", tmp_path / "token"
    path.write_text(SITE, encoding="utf-8")
    token.write_text("secret")
    token.chmod(0o644)
    (problem,) = load_site(path).warnings
    assert (problem.code, "chmod 600" in problem.message("en")) == ("config.secret_open_to_all", True)
    token.chmod(0o600)
    assert load_site(path).warnings == ()


@pytest.mark.parametrize(
    ("alternatives", "days", "trusted", "code"),
    [
        ("IP:127.0.0.1", 30, True, "sink.takes"),
        ("IP:127.0.0.1", 30, False, "sink.tls_unknown_authority"),
        ("IP:127.0.0.1", -1, True, "sink.tls_expired"),
        ("DNS:elsewhere.example", 30, True, "sink.tls_wrong_name"),
    ],
)
def test_a_certificate_is_believed_or_what_is_wrong_is_told(
    world: World, tmp_path: Path, alternatives: str, days: int, trusted: bool, code: str
):
    authority = Authority(tmp_path / "tls")
    own = authority.sign("server", alternatives=alternatives, days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file, own.key)

    async def story() -> None:
        with picky_server() as server:
            server.secure(context)
            url = server.url.replace("http:", "https:")
            tls = {"ca": str(authority.own.file)} if trusted else None
            assert (await world.influx(url, tls=tls).check()).code == code

    asyncio.run(story())


def test_a_plain_port_and_a_missing_file_are_told(world: World, tmp_path: Path):
    async def story() -> None:
        with picky_server() as server:
            url = server.url.replace("http:", "https:")
            assert (await world.influx(url).check()).code == "sink.tls_not_spoken"
            missing = await world.influx(url, tls={"ca": "nowhere.pem"}).check()
            assert (missing.code, "nowhere.pem" in missing.data["reason"]) == ("sink.tls_files", True)

    asyncio.run(story())
