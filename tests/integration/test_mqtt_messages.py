"""Messages of a real broker become scans; what cannot be read is refused and counted."""

import pytest

from drivers.contract import DeviceCondition
from drivers.mqtt_link import MAXIMUM_PACKET_BYTES
from drivers.payload_json import MAX_BYTES
from rules.quality import Quality
from tests import servers
from tests.broker_world import (
    Desk,
    away,
    drain,
    first_connection,
    make,
    now_ms,
    payload,
    run,
    running,
    until,
    versions,
)


@versions
def test_messages_become_scans(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        driver, desk = make(mosquitto, version), Desk()
        await first_connection(driver, mosquitto)
        at_ms = now_ms() - 3000
        async with running(driver, desk):
            await away(mosquitto, payload(90476.25, at_ms), payload(90477.0, at_ms + 1000))
            await until(lambda: len(desk.scans) == 2)
        assert [scan.at_ms for scan in desk.scans] == [at_ms, at_ms + 1000]
        assert desk.scans[0].layout.key == "water-1/main"
        assert desk.scans[0].values.tolist() == [1.5, 90476.25]
        assert desk.scans[0].quality.tolist() == [Quality.GOOD, Quality.GOOD]
        assert desk.conditions == [("water-1", DeviceCondition.ONLINE, "")]

    run(story(), version)


@versions
@pytest.mark.scenario(18)
def test_garbage_is_refused_counted_and_acknowledged(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        driver, desk = make(mosquitto, version), Desk(commits_at_once=False)
        await first_connection(driver, mosquitto)
        driver = make(mosquitto, version)
        garbage = [b"", b"\xff\xfe", b"{", b'"1,234"', b"[" * 2000, b"x" * (MAX_BYTES + 1)]
        async with running(driver, desk):
            await away(mosquitto, *garbage, payload(7))
            await until(lambda: desk.volumes == [7])
            assert driver.counts.refused == len(garbage)
            assert desk.conditions == [
                ("water-1", DeviceCondition.DEGRADED, "payload.not_json"),
                ("water-1", DeviceCondition.DEGRADED, "payload.not_text"),
                ("water-1", DeviceCondition.DEGRADED, "payload.not_json"),
                ("water-1", DeviceCondition.DEGRADED, "payload.no_value"),
                ("water-1", DeviceCondition.DEGRADED, "payload.too_deep"),
                ("water-1", DeviceCondition.DEGRADED, "payload.too_large"),
                ("water-1", DeviceCondition.ONLINE, ""),
            ]
        # Refused is final; only the good one was left uncommitted.
        assert await drain(make(mosquitto, version), mosquitto) == [7]

    run(story(), version)


def test_a_payload_beyond_all_bounds_does_not_stop_the_next(mosquitto: servers.Mosquitto):
    async def story() -> None:
        driver, desk = make(mosquitto), Desk()
        await first_connection(driver, mosquitto)
        async with running(driver, desk):
            await away(mosquitto, b"x" * (MAXIMUM_PACKET_BYTES + 1), payload(7))
            await until(lambda: desk.volumes == [7])

    run(story())


@versions
@pytest.mark.scenario(16)
def test_a_retained_message_counts_only_while_fresh(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        hour_ago_ms = now_ms() - 3_600_000
        await away(mosquitto, payload(1, hour_ago_ms), retain=True)
        driver, desk = make(mosquitto, version), Desk()
        async with running(driver, desk):
            await until(lambda: driver.counts.retained_ignored == 1)
            assert desk.scans == []
            assert desk.told == []
        await away(mosquitto, payload(2), retain=True)
        driver, desk = make(mosquitto, version), Desk()
        async with running(driver, desk):
            await until(lambda: desk.volumes == [2])

    run(story(), version)


def test_a_retained_message_without_a_time_of_its_own_is_history(mosquitto: servers.Mosquitto):
    async def story() -> None:
        await away(mosquitto, b"12.5", topic="site/water/flow", retain=True)
        driver, desk = make(mosquitto, profile="test_plain"), Desk()
        async with running(driver, desk):
            await until(lambda: driver.counts.retained_ignored == 1)
            before_ms = now_ms()
            await away(mosquitto, b"13.5", topic="site/water/flow")
            await until(lambda: len(desk.scans) == 1)
        assert desk.scans[0].layout.key == "water-1/flow"
        assert desk.scans[0].values.tolist() == [13.5]
        assert before_ms <= desk.scans[0].at_ms <= now_ms()

    run(story())
