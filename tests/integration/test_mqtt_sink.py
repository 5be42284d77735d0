"""The MQTT sink over a real broker: what it keeps, what it refuses, and what is lost on the way."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.settings import Secret
from monitor.sinks.contract import Sink, SinkState
from monitor.sinks.delivery import check_far_end
from monitor.sinks.mqtt import MqttFarEnd
from monitor.sinks.secrets import Token
from tests import servers
from tests.convention_world import client_of
from tests.convention_world import until as until_true
from tests.mqtt_far_end import SITE_FILE, door, row_of, settings_of, sink_of
from tests.servers.certificates import Authority
from tests.sink_world import START_S, interval, open_world, running, settled, troubled, until

ROOT = "energy-monitor/city-hall"


@pytest.fixture
def world(tmp_path: Path):
    with open_world(tmp_path) as made:
        yield made


@contextmanager
def listening(broker: servers.Mosquitto, name: str = "listener"):
    """Everything that arrives: topic, payload, and whether the broker had kept it."""
    heard: list[tuple[str, bytes, bool]] = []
    with client_of(broker, name) as client:
        client.on_message = lambda _, __, message: heard.append(
            (message.topic, message.payload, message.retain)
        )
        client.subscribe([(f"{ROOT}/#", 1), ("homeassistant/#", 1)])
        yield heard


async def kept_by(broker: servers.Mosquitto, count: int) -> dict[str, bytes]:
    with listening(broker, "later") as heard:
        await until_true("what is kept", lambda: len(heard) >= count)
        return {topic: payload for topic, payload, retained in heard if retained}


async def backing_off(sink: Sink) -> bool:
    return sink.standing()[0] is SinkState.BACKING_OFF


def check(port: int, folder: Path, **more):
    settings = settings_of(port, **more)
    password = Token(settings.password, folder)
    return asyncio.run(check_far_end(lambda: MqttFarEnd(settings, SITE_FILE, password, folder, None)))


def test_the_broker_keeps_the_newest_of_each(world, mosquitto):
    async def story() -> None:
        world.intervals(*[interval(START_S + 900 * n, 10.0 + n) for n in range(3)])
        world.result({"demand_kw": 1.0}, at_s=START_S + 900)
        world.result({"demand_kw": 2.0, "none": None}, at_s=START_S)
        async with running(sink_of(world, mosquitto.port)) as sink:
            await settled(sink)
            world.intervals(interval(START_S, 5.5))  # a correction of the oldest
            await settled(sink)
        kept = await kept_by(mosquitto, 3)
        assert json.loads(kept[f"{ROOT}/meters/main/interval"]) == {
            "start": "2025-06-15T15:36:40+00:00", "duration_s": 900, "kwh": 12.0, "kw_avg": 48.0,
            "kw_max": 60.0, "coverage": 1.0, "quality": "good", "rev": 0,
        }  # fmt: skip
        assert kept[f"{ROOT}/meters/main/total"] == b"28.500000"
        result = json.loads(kept[f"{ROOT}/results/demand/site"])
        assert (result["demand_kw"], result["at"]) == (1.0, "2025-06-15T15:21:40+00:00")
        assert len(kept) == 3

    asyncio.run(story())


def test_what_is_older_is_passed_on_and_not_kept(world, mosquitto):
    async def story() -> None:
        with listening(mosquitto) as heard:
            world.intervals(interval(START_S, 1.0), interval(START_S + 900, 2.0))
            async with running(sink_of(world, mosquitto.port)) as sink:
                await settled(sink)
                past = f"{ROOT}/past/meters/main/interval"
                await until_true("the older one", lambda: past in {topic for topic, _, _ in heard})
        assert f"{ROOT}/past/meters/main/interval" not in await kept_by(mosquitto, 2)

    asyncio.run(story())


def test_a_broker_that_is_killed_in_the_middle_costs_nothing(world, tmp_path):
    async def story(broker: servers.Mosquitto) -> None:
        got: set[tuple[str, str]] = set()
        with door(broker.port) as before:
            async with running(sink_of(world, before.port)) as sink:
                for n in range(60):
                    world.intervals(interval(START_S + 900 * n, float(n)))
                    if n in {20, 40}:
                        await asyncio.to_thread(broker.kill)
                        world.intervals(interval(START_S + 900 * 1000 + n, 1000.0 + n))
                        await until("backing off", lambda: backing_off(sink))
                        await asyncio.to_thread(broker.start)
                health = await settled(sink)
            got = {row_of(*message) for message in before.taken if message[0].endswith("/interval")}
        assert got == {("intervals", repr(float(n))) for n in (*range(60), 1020, 1040)}
        assert (health.dead_letters, health.state) == (0, SinkState.OK)

    with servers.mosquitto(tmp_path / "broker") as broker:
        asyncio.run(story(broker))


def test_an_acknowledgement_that_is_lost_is_repeated_and_never_skipped(world, mosquitto):
    async def story() -> None:
        lost: list[bytes] = []

        def once(topic: str, payload: bytes) -> bool:
            stream, number = row_of(topic, payload)
            if stream and number == "3.0" and len(lost) < 2:
                lost.append(payload)
                return True
            return False

        with door(mosquitto.port) as before:
            before.loses = once
            world.intervals(*[interval(START_S + 900 * n, float(n)) for n in range(6)])
            async with running(sink_of(world, before.port)) as sink:
                await settled(sink)
            passed = [row_of(*message)[1] for message in before.passed if row_of(*message)[0]]
            taken = {row_of(*message)[1] for message in before.taken if row_of(*message)[0]}
        assert len(lost) == 2
        assert passed.count("3.0") == 3
        assert taken == {repr(float(n)) for n in range(6)}

    asyncio.run(story())


def test_while_the_acknowledgement_is_missing_the_cursor_stands(world, mosquitto):
    async def story() -> None:
        with door(mosquitto.port) as before:
            before.loses = lambda topic, payload: True
            world.intervals(interval(START_S, 1.0))
            async with running(sink_of(world, before.port)) as sink:
                await until_true("it was sent thrice", lambda: len(before.passed) >= 3)
                assert not world.reader.cursors("city").get("intervals")
                before.loses = lambda topic, payload: False
                await settled(sink)
            assert world.reader.cursors("city")["intervals"]

    asyncio.run(story())


@contextmanager
def guarded(folder: Path, rules: str):
    """A broker that knows user ``hall`` with password ``right``, and lets him do what the rules say."""
    folder.mkdir()
    users, access = folder / "users", folder / "access"
    users.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", users, "hall", "right"], check=True, capture_output=True)
    access.write_text(rules)
    access.chmod(0o600)
    extra = f"password_file {users}\nacl_file {access}\n"
    with servers.mosquitto(folder / "broker", extra=extra) as broker:
        yield broker


def test_what_the_access_list_forbids_is_held_with_the_topic_and_the_cure(world, tmp_path):
    login = {"username": "hall", "password": Secret(file="password")}
    (tmp_path / "password").write_text("right")

    async def story(broker: servers.Mosquitto) -> None:
        world.intervals(interval(START_S, 1.0))
        async with running(sink_of(world, broker.port, **login)) as sink:
            health = await troubled(sink, "sink.mqtt_forbidden")
            assert health.state is SinkState.HOLDING
            assert health.trouble is not None
            assert health.trouble.data["topic"] == f"{ROOT}/meters/main/interval"
            assert (health.pending["intervals"], health.dead_letters) == (1, 0)
            await asyncio.to_thread(broker.stop)
            (tmp_path / "guarded" / "access").write_text(f"user hall\ntopic readwrite {ROOT}/#\n")
            await asyncio.to_thread(broker.start)
            health = await settled(sink)
        assert (health.delivered["intervals"], health.dead_letters) == (1, 0)

    with guarded(tmp_path / "guarded", f"user hall\ntopic write {ROOT}/probe\n") as broker:
        asyncio.run(story(broker))


def test_check_tells_a_wrong_password_from_a_forbidden_topic_and_from_nobody(tmp_path):
    (tmp_path / "right").write_text("right")
    (tmp_path / "wrong").write_text("wrong")
    with guarded(tmp_path / "guarded", f"user hall\ntopic write {ROOT}/#\n") as broker:

        def tried(file: str, **more):  # fmt: skip
            return check(broker.port, tmp_path, username="hall", password=Secret(file=file), **more)

        assert (tried("right").ok, tried("right").code) == (True, "sink.mqtt_takes")
        assert tried("wrong").code == "sink.mqtt_login"
        # Home Assistant's topics are tried as well.
        forbidden = tried("right", discovery_prefix="homeassistant")
        assert (forbidden.code, forbidden.data["topic"]) == (
            "sink.mqtt_forbidden",
            "homeassistant/sensor/city-hall_main/config",
        )
        broker.stop()
        assert tried("right").code == "sink.unreachable"


def test_a_message_that_is_too_large_for_the_broker_becomes_a_dead_letter(world, tmp_path):
    async def story(broker: servers.Mosquitto) -> None:
        world.result({"demand_kw": 1.0, "words": "x" * 3000})
        world.result({"demand_kw": 2.0}, at_s=START_S + 900)
        async with running(sink_of(world, broker.port)) as sink:
            health = await settled(sink)
        assert (health.dead_letters, health.delivered["results"]) == (1, 1)
        [(line, reason)] = world.dead_letters()
        assert line.startswith(f"{ROOT}/")
        assert "Packet too large, 0x95" in reason

    with servers.mosquitto(tmp_path / "small", extra="max_packet_size 2000\n") as broker:
        asyncio.run(story(broker))


def test_over_tls_only_to_a_broker_that_proves_itself(tmp_path):
    authority = Authority(tmp_path)
    other = Authority(tmp_path, "other")
    own = authority.sign("broker", alternatives="IP:127.0.0.1")
    extra = f"cafile {authority.own.file}\ncertfile {own.file}\nkeyfile {own.key}\n"
    with servers.mosquitto(tmp_path / "broker", extra=extra) as broker:
        assert check(broker.port, tmp_path, tls={"ca": authority.own.file.name}).ok
        assert (
            check(broker.port, tmp_path, tls={"ca": other.own.file.name}).code == "sink.tls_unknown_authority"
        )
        assert check(broker.port, tmp_path).code in {"sink.mqtt_not_spoken", "sink.unreachable"}


SITE_TEXT = """
site: {{id: hall, name: {{zh-TW: 市政大樓, en: City Hall}}}}
sinks:
  - {{id: home, kind: mqtt, host: 127.0.0.1, port: {port}}}
"""
OLD = """
site: {id: hall, name: {zh-TW: 市政大樓, en: City Hall}}
buses:
  - id: broker
    kind: mqtt
    host: 127.0.0.1
    discovery_prefix: homeassistant
    devices: [{id: water, profile: json_water_meter, topic: hall/water}]
"""


def command(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    words = ["check", "--site", str(folder / "site.yaml"), *options]
    env = {**os.environ, "ENERGY_MONITOR_LANGUAGE": "en"}
    run = [sys.executable, "-m", "monitor.cli.main", *words]
    return subprocess.run(run, capture_output=True, text=True, timeout=120, check=False, env=env)


def test_the_command_tries_it(mosquitto, tmp_path):
    done = command(tmp_path, SITE_TEXT.format(port=mosquitto.port), "--probe")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "energy-monitor/hall/probe was acknowledged" in done.stdout + done.stderr


def test_the_place_where_discovery_was_is_told_with_the_new_one(tmp_path):
    done = command(tmp_path, OLD)
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "site.yaml:7:5" in said
    assert "kind: mqtt" in said
    assert "1 to mend, 0 to look at" in said  # not as an unknown key as well
