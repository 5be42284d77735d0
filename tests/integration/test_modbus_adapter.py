"""A serial adapter that is pulled out and plugged in again, while the daemon's drivers run."""

import asyncio

from config.words import LANGUAGES, say
from drivers.contract import DeviceCondition
from tests.modbus_world import ONE, driver
from tests.servers import free_port
from tests.servers.modbus import good_answer, running, scripted, serial_line
from tests.servers.rtu import answer_of, rtu_meter

DEVICES = ("one", "two")
PATIENCE_S = 90.0


def all_are(condition):
    """Whether every device of the line was last told to be so."""
    return lambda box: all((last := box.last_news(d)) and last.condition is condition for d in DEVICES)


async def while_plugged_in(folder, inbox):
    """The line exists until both devices are online and a few scans came."""
    with serial_line(folder) as (_, theirs):
        async with rtu_meter(theirs, lambda request, say: say(answer_of(request, 230))):
            read = len(inbox.scans)
            await inbox.until(all_are(DeviceCondition.ONLINE), PATIENCE_S)
            await inbox.until(lambda box: len(box.scans) >= read + 4, PATIENCE_S)


async def pulled(inbox):
    """Until both devices are offline, because there is no such port."""
    await inbox.until(all_are(DeviceCondition.OFFLINE), PATIENCE_S)
    await inbox.until(
        lambda box: {box.last_news(device).error.code for device in DEVICES} == {"driver.no_such_port"},
        PATIENCE_S,
    )


def test_a_pulled_adapter_is_told_and_comes_back_by_itself_and_hurts_no_other_bus(tmp_path):
    async def scene():
        port, line = free_port(), str(tmp_path / "ours")
        devices = [{"id": device, "unit": unit} for unit, device in enumerate(DEVICES, 1)]
        serial = driver(devices, ONE, kind="modbus_rtu", line=line, baud=115200, timeout_s=2.0)
        other = driver([{"id": "elsewhere"}], port=port)
        async with scripted(port, good_answer), running(other) as healthy, running(serial) as inbox:
            await pulled(inbox)  # not plugged in yet
            for _ in range(2):
                await while_plugged_in(tmp_path, inbox)
                await pulled(inbox)
                seen = len(healthy.scans)
                await healthy.until(lambda box, seen=seen: len(box.scans) >= seen + 5, PATIENCE_S)
            await while_plugged_in(tmp_path, inbox)
        assert {news.condition for news in healthy.told} == {DeviceCondition.ONLINE}
        assert {value for scan in inbox.scans for value in scan.values.tolist()} == {230.0}
        assert serial.device_counts()["one"].dials >= 4
        for error in [news.error for news in inbox.told if news.error]:
            for language in LANGUAGES:
                words = say(error.code, language, **error.data)
                assert line in words
                assert "{" not in words

    asyncio.run(scene())
