"""A message is acknowledged after the commit of what it carried: never before, always in the end."""

from drivers.contract import DeviceCondition
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
def test_nothing_is_acknowledged_before_its_commit(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        forgetful = Desk(commits_at_once=False)
        at_ms = now_ms()
        async with running(make(mosquitto, version), forgetful):
            await away(mosquitto, payload(1, at_ms), payload(2, at_ms + 1))
            await until(lambda: len(forgetful.scans) == 2)
        # The daemon died before the commit: the broker sends them again ...
        assert await drain(make(mosquitto, version), mosquitto) == [1, 2]
        # ... and once committed never more.
        assert await drain(make(mosquitto, version), mosquitto) == []

    run(story(), version)


@versions
def test_what_is_committed_after_a_reconnect_is_acknowledged_on_the_new_connection(
    mosquitto: servers.Mosquitto, version: str
):
    async def story() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        driver, desk = make(mosquitto, version), Desk(commits_at_once=False)
        async with running(driver, desk):
            await away(mosquitto, payload(1))
            await until(lambda: len(desk.scans) == 1)
            mosquitto.stop()
            await until(lambda: desk.conditions[-1][1] is DeviceCondition.OFFLINE)
            mosquitto.start()
            # Sent again while the first is still on its way to the disk: no second scan.
            await until(lambda: driver.counts.duplicates == 1)
            assert desk.volumes == [1]
            desk.commit()
            desk.commit()
            await away(mosquitto, payload(2))
            await until(lambda: desk.volumes == [1, 2])
            desk.commit()
        assert await drain(make(mosquitto, version), mosquitto) == []

    run(story(), version)


@versions
def test_commits_that_lag_do_not_block(mosquitto: servers.Mosquitto, version: str):
    """More messages than the broker sends ahead: each commit lets the next ones through."""

    async def story() -> None:
        driver, desk = make(mosquitto, version), Desk(commits_at_once=False)
        await first_connection(driver, mosquitto)
        at_ms = now_ms()
        async with running(driver, desk):
            await away(mosquitto, *(payload(number, at_ms + number) for number in range(200)))
            # mosquitto sends 20 ahead by default; with MQTT 5 we ask for more.
            await until(lambda: len(desk.scans) == (200 if version == "5" else 20))
            while len(desk.scans) < 200:
                before = len(desk.scans)
                desk.commit()
                await until(lambda before=before: len(desk.scans) > before)
            desk.commit()
        assert desk.volumes == [float(number) for number in range(200)]
        assert await drain(make(mosquitto, version), mosquitto) == []

    run(story(), version)


@versions
def test_duplicates_fall_out_and_are_acknowledged(mosquitto: servers.Mosquitto, version: str):
    async def story() -> None:
        await first_connection(make(mosquitto, version), mosquitto)
        driver, desk = make(mosquitto, version), Desk()
        at_ms = now_ms()
        async with running(driver, desk):
            await away(mosquitto, payload(1, at_ms), payload(1, at_ms), payload(2, at_ms + 1))
            await until(lambda: desk.volumes == [1, 2])
            assert driver.counts.duplicates == 1
        assert await drain(make(mosquitto, version), mosquitto) == []

    run(story(), version)
