"""Logins and certificates: whom we trust, who trusts us, and what is said when it fails."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from config.words import LANGUAGES, say
from drivers.contract import DeviceCondition, DriverError, NoAnswer, Unreachable
from drivers.mqtt import MqttDriver
from tests import servers
from tests.broker_world import PATIENCE_S, Desk, make, payload, run, running, until, versions


def test_a_refused_login_is_told_as_such(tmp_path: Path):
    async def story(broker: servers.Mosquitto) -> None:
        for version in ("3.1.1", "5"):
            driver, desk = make(broker, version), Desk()
            async with running(driver, desk):
                await until(lambda desk=desk: len(desk.told) == 1)
            assert desk.conditions == [("water-1", DeviceCondition.OFFLINE, "mqtt.login_refused")]
            with pytest.raises(Unreachable) as caught:
                await driver.read("water-1")
            assert caught.value.code == "mqtt.login_refused"

    with servers.mosquitto(tmp_path / "closed", extra="allow_anonymous false") as broker:
        run(story(broker))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> servers.Authority:
    return servers.Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> servers.Authority:
    return servers.Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def tls_lines(authority: servers.Authority, own: servers.Certificate, *more: str) -> str:
    return "\n".join([f"cafile {authority.own.file}", f"certfile {own.file}", f"keyfile {own.key}", *more])


@pytest.fixture(scope="module")
def closed(
    authority: servers.Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Mosquitto]:
    """A broker whose certificate is for 127.0.0.1 and broker.test."""
    own = authority.sign("broker", alternatives="DNS:broker.test,IP:127.0.0.1")
    with servers.mosquitto(tmp_path_factory.mktemp("closed"), tls_lines(authority, own)) as broker:
        yield broker


@pytest.fixture(scope="module")
def strict(
    authority: servers.Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Mosquitto]:
    """A broker that wants certificates, and knows its clients by them."""
    own = authority.sign("strict", alternatives="IP:127.0.0.1")
    folder = tmp_path_factory.mktemp("strict")
    rights = folder / "rights"
    rights.write_text("user monitor-07\ntopic readwrite site/#\n")
    rights.chmod(0o700)
    lines = ("require_certificate true", "use_identity_as_username true", f"acl_file {rights}")
    with servers.mosquitto(folder, tls_lines(authority, own, *lines)) as broker:
        yield broker


def tls(ca: servers.Certificate, own: servers.Certificate | None = None, **more: str) -> dict[str, str]:
    ours = {} if own is None else {"certificate": str(own.file), "key": str(own.key)}
    return {"ca": str(ca.file), **ours, **more}


def publish_over_tls(
    broker: servers.Mosquitto, authority: servers.Authority, own: servers.Certificate
) -> None:
    client = Client(CallbackAPIVersion.VERSION2, client_id="meter-side")
    client.tls_set(str(authority.own.file), str(own.file), str(own.key))
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        client.publish("site/water", payload(7), qos=1).wait_for_publish(PATIENCE_S)
    finally:
        client.disconnect()
        client.loop_stop()


async def told_of(driver: MqttDriver, code: str) -> None:
    """Wait for one reason. A far end may cut the line before its reason arrives: then a later try has it."""
    desk = Desk()
    async with running(driver, desk):
        await until(lambda: any(news.error is not None and news.error.code == code for news in desk.told))


async def first_word(driver: MqttDriver) -> DriverError:
    """What is said about a device first."""
    desk = Desk()
    async with running(driver, desk):
        await until(lambda: bool(desk.told))
    error = desk.told[0].error
    assert error is not None
    assert desk.told[0].condition is DeviceCondition.OFFLINE
    for language in LANGUAGES:
        words = say(error.code, language, **error.data)
        assert "water-1" in words
        assert str(error.data["reason"]) in words
    return error


@versions
def test_messages_come_over_tls(closed: servers.Mosquitto, authority: servers.Authority, version: str):
    async def story() -> None:
        driver, desk = make(closed, version, tls=tls(authority.own)), Desk()
        async with running(driver, desk):
            while not desk.scans:
                await asyncio.to_thread(publish_over_tls, closed, authority, authority.sign("meter"))
        assert set(desk.volumes) == {7}
        # ... and a single look goes the same way.
        with pytest.raises(NoAnswer):
            await make(closed, version, tls=tls(authority.own), answer_s=0.5).read("water-1")

    run(story(), version)


@versions
def test_a_client_is_known_by_its_certificate(
    strict: servers.Mosquitto, authority: servers.Authority, version: str
):
    async def story() -> None:
        own = authority.sign("monitor-07")
        driver, desk = make(strict, version, tls=tls(authority.own, own)), Desk()
        async with running(driver, desk):
            while not desk.scans:
                await asyncio.to_thread(publish_over_tls, strict, authority, own)
        assert set(desk.volumes) == {7}

    run(story(), version)


@versions
def test_a_broker_that_wants_a_certificate_says_so(
    strict: servers.Mosquitto, authority: servers.Authority, stranger: servers.Authority, version: str
):
    async def story() -> None:
        for ours in (None, stranger.sign("monitor-07"), authority.sign("old", days=-1)):
            await told_of(make(strict, version, tls=tls(authority.own, ours)), "mqtt.tls_ours_refused")

    run(story(), version)


@versions
def test_a_broker_that_cannot_prove_itself_is_not_trusted(
    closed: servers.Mosquitto, authority: servers.Authority, stranger: servers.Authority, version: str
):
    async def story() -> None:
        foreign = await first_word(make(closed, version, tls=tls(stranger.own)))
        assert foreign.code == "mqtt.tls_unknown_authority"
        unknown = await first_word(make(closed, version, tls={}))  # the system's own authorities
        assert unknown.code == "mqtt.tls_unknown_authority"
        misnamed = await first_word(make(closed, version, tls=tls(authority.own, server_name="other.test")))
        assert misnamed.code == "mqtt.tls_wrong_name"
        assert "other.test" in misnamed.data["reason"]
        with pytest.raises(Unreachable) as caught:
            await make(closed, version, tls=tls(stranger.own)).read("water-1")
        assert caught.value.code == "mqtt.tls_unknown_authority"

    run(story(), version)


@versions
def test_the_name_in_the_certificate_may_be_another_than_the_hosts(
    closed: servers.Mosquitto, authority: servers.Authority, version: str
):
    async def story() -> None:
        driver = make(closed, version, tls=tls(authority.own, server_name="broker.test"), answer_s=0.5)
        with pytest.raises(NoAnswer):  # connected, and silent
            await driver.read("water-1")

    run(story(), version)


@versions
def test_an_expired_certificate_is_told_as_such(authority: servers.Authority, tmp_path: Path, version: str):
    async def story(broker: servers.Mosquitto) -> None:
        error = await first_word(make(broker, version, tls=tls(authority.own)))
        assert error.code == "mqtt.tls_expired"

    own = authority.sign("expired", alternatives="IP:127.0.0.1", days=-1)
    with servers.mosquitto(tmp_path / "expired", tls_lines(authority, own)) as broker:
        run(story(broker), version)


@versions
def test_tls_on_one_side_only_is_told_as_such(
    closed: servers.Mosquitto, mosquitto: servers.Mosquitto, authority: servers.Authority, version: str
):
    async def story() -> None:
        await told_of(make(closed, version), "mqtt.not_spoken")
        await told_of(make(mosquitto, version, tls=tls(authority.own)), "mqtt.tls_not_spoken")

    run(story(), version)


def test_files_that_cannot_be_used_are_named(
    closed: servers.Mosquitto, authority: servers.Authority, stranger: servers.Authority, tmp_path: Path
):
    async def story() -> None:
        (tmp_path / "empty.pem").write_text("")
        own, other = authority.sign("mine"), stranger.sign("theirs")
        for wrong, named in (
            ({"ca": "missing.pem"}, "missing.pem"),
            ({"ca": "empty.pem"}, "empty.pem"),
            ({**tls(authority.own), "certificate": "missing.pem"}, "missing.pem"),
            ({**tls(authority.own), "certificate": str(own.file), "key": "missing.key"}, "missing.key"),
            ({**tls(authority.own), "certificate": str(own.file), "key": str(other.key)}, str(other.key)),
        ):
            error = await first_word(make(closed, tls=wrong, folder=tmp_path))
            assert error.code == "mqtt.tls_files"
            assert named in error.data["reason"]

    run(story())


def test_a_certificate_that_is_put_right_is_found_without_a_restart(
    closed: servers.Mosquitto, authority: servers.Authority, stranger: servers.Authority, tmp_path: Path
):
    async def story() -> None:
        trusted = tmp_path / "ca.pem"
        trusted.write_bytes(stranger.own.file.read_bytes())
        driver, desk = make(closed, tls={"ca": "ca.pem"}, folder=tmp_path), Desk()
        async with running(driver, desk):
            await until(lambda: desk.last == "mqtt.tls_unknown_authority")
            trusted.write_bytes(authority.own.file.read_bytes())
            while not desk.scans:
                await asyncio.to_thread(publish_over_tls, closed, authority, authority.sign("meter"))
                await asyncio.sleep(0.1)
        assert desk.conditions[-1][1] is DeviceCondition.ONLINE

    run(story())


@versions
def test_user_and_password_open_the_door(tmp_path: Path, version: str):
    async def story(broker: servers.Mosquitto) -> None:
        for password, code in (
            ("wrong", "mqtt.login_refused"),
            (None, "mqtt.login_refused"),
            ("right", "mqtt.silent"),
        ):
            # Nobody publishes: only that silence is waited for to its end.
            answer_s = 1.0 if password == "right" else PATIENCE_S
            driver = make(broker, version, username="monitor", password=password, answer_s=answer_s)
            with pytest.raises(Unreachable) as caught:
                await driver.read("water-1")
            assert caught.value.code == code

    passwords = tmp_path / "passwords"
    passwords.touch(0o700)
    program = servers.require_program("mosquitto_passwd", "mosquitto")
    subprocess.run([program, "-b", passwords, "monitor", "right"], check=True, capture_output=True)
    with servers.mosquitto(
        tmp_path / "closed", f"allow_anonymous false\npassword_file {passwords}"
    ) as broker:
        run(story(broker), version)


@versions
def test_a_topic_that_may_not_be_read_is_told_as_such(tmp_path: Path, version: str):
    async def story(broker: servers.Mosquitto) -> None:
        desk = Desk()
        async with running(make(broker, version), desk):
            await until(lambda: desk.last == "mqtt.subscription_refused")
            assert "site/water" in str(desk.told[-1].error)

    plugin = Path("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so")
    rights = tmp_path / "rights.json"
    send, receive = {"publishClientSend": True}, {"publishClientReceive": True}
    rights.write_text(json.dumps({"defaultACLAccess": {**send, **receive, "subscribe": False}}))
    with servers.mosquitto(
        tmp_path / "closed", f"plugin {plugin}\nplugin_opt_config_file {rights}"
    ) as broker:
        run(story(broker), version)
