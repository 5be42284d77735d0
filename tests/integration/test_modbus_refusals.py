"""Devices that refuse: one register, a block that is too large, everything; and what each exception means."""

import asyncio
import struct

import pytest

from drivers.contract import DeviceCondition
from rules.quality import Quality
from tests.modbus_world import (
    EIGHT,
    NAMES,
    asked,
    driver,
    profile,
)
from tests.servers import free_port
from tests.servers.modbus import answer_of, exception_of, good_answer, running, scripted


def test_busy_is_no_fault_when_read_by_hand():
    async def scene():
        port = free_port()
        async with scripted(port, lambda frame: exception_of(frame, 6)):
            (scan,) = await driver([{"id": "a"}], port=port).read("a")
            assert scan.quality.tolist() == [Quality.MISSING]

    asyncio.run(scene())


def test_a_refused_register_is_found_told_once_and_left_alone():
    """Exception 2 on the joined block: halved until the culprit is alone; the others go on."""

    async def scene():
        port, requests = free_port(), []

        def picky(frame):
            _, address, count = asked(frame)
            requests.append((address, count))
            if address <= 6 < address + count:  # current_l1
                return exception_of(frame, 2)
            return answer_of(frame, struct.pack(f">{count}H", *range(address, address + count)))

        one = driver([{"id": "a"}], EIGHT, port=port)
        async with scripted(port, picky), running(one) as inbox:
            await inbox.until(lambda box: len(box.of("a")) >= 5)
            values = dict(zip(NAMES, inbox.scans[0].values.tolist(), strict=True))
            assert values.pop("current_l1") != values.get("current_l1", 0.0)
            assert list(values.values()) == [0.0, 2.0, 4.0, 8.0, 10.0, 12.0, 14.0]
            for scan in inbox.scans:
                assert [n for n, q in zip(NAMES, scan.quality, strict=True) if q == Quality.MISSING] == [
                    "current_l1"
                ]
            assert requests[0] == (0, 15)
            assert requests.count((0, 15)) == 1
            assert requests.count((6, 1)) == 1
            (told,) = inbox.told
            assert told.condition is DeviceCondition.DEGRADED
            assert told.error.code == "driver.points_refused"
            assert told.error.data["points"] == "current_l1"

    asyncio.run(scene())


def test_a_device_that_bears_fewer_registers_is_read_in_pieces():
    async def scene():
        port, requests = free_port(), []

        def small(frame):
            requests.append(asked(frame)[2])
            return exception_of(frame, 3) if requests[-1] > 4 else good_answer(frame)

        one = driver([{"id": "a"}], EIGHT, port=port)
        async with scripted(port, small), running(one) as inbox:
            await inbox.until(lambda box: len(box.of("a")) >= 4)
            assert all((scan.quality == Quality.GOOD).all() for scan in inbox.scans)
            assert max(requests[8:]) <= 4
            assert [news.condition for news in inbox.told] == [DeviceCondition.ONLINE]

    asyncio.run(scene())


def test_a_point_that_comes_back_is_joined_again(monkeypatch):
    monkeypatch.setattr("drivers.modbus_poll.FIRST_REST_S", 0.3)

    async def scene():
        port, requests = free_port(), []

        def updated(frame):
            _, address, count = asked(frame)
            requests.append((address, count))
            old = len(requests) < 12 and address <= 6 < address + count
            return exception_of(frame, 2) if old else good_answer(frame)

        one = driver([{"id": "a"}], EIGHT, port=port)
        async with scripted(port, updated), running(one) as inbox:
            await inbox.until(lambda box: requests.count((0, 15)) >= 3)
            conditions = [news.condition for news in inbox.told]
            assert conditions == [DeviceCondition.DEGRADED, DeviceCondition.ONLINE]

    asyncio.run(scene())


@pytest.mark.scenario(19)
def test_a_device_that_refuses_everything_is_not_asked_hotly():
    async def scene():
        port, requests = free_port(), []

        def no(frame):
            requests.append(asked(frame))
            return exception_of(frame, 2)

        one = driver([{"id": "a"}, {"id": "b", "unit": 2}], EIGHT, port=port, every_s=0.05)

        def gateway(frame):
            return no(frame) if frame[6] == 1 else good_answer(frame)

        async with scripted(port, gateway), running(one) as inbox:
            await inbox.until(lambda box: len(box.of("b")) >= 40)
            assert inbox.last_news("a").error.code == "driver.all_refused"
            assert requests.count((1, 0, 15)) <= 8
            assert requests.count((1, 0, 1)) == 1  # halved once only
            assert one.lines[0].devices[0].plan is one.lines[0].devices[0].whole

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("code", "error", "condition"),
    [
        (1, "driver.points_refused", DeviceCondition.DEGRADED),
        (2, "driver.points_refused", DeviceCondition.DEGRADED),
        (3, "driver.points_refused", DeviceCondition.DEGRADED),
        (4, "driver.points_refused", DeviceCondition.DEGRADED),
        (5, "driver.busy", DeviceCondition.DEGRADED),
        (6, "driver.busy", DeviceCondition.DEGRADED),
        (11, "driver.nobody_behind", DeviceCondition.OFFLINE),
    ],
)
@pytest.mark.scenario(19)
def test_what_an_exception_means(code, error, condition):
    two = profile(
        {
            "frequency": {"address": 0, "type": "u16", "unit": "Hz"},
            "voltage_ln_l1": {"address": 90, "type": "u16", "unit": "V"},
        }
    )

    async def scene():
        port = free_port()

        def answer(frame):
            return exception_of(frame, code) if asked(frame)[1] == 90 else good_answer(frame)

        one = driver([{"id": "a"}], two, port=port, every_s=0.05)
        async with scripted(port, answer), running(one) as inbox:
            await inbox.until(
                lambda box: (
                    (news := box.last_news("a")) and (news.error.code, news.condition) == (error, condition)
                )
            )
            if condition is DeviceCondition.DEGRADED:
                await inbox.until(lambda box: len(box.of("a")) >= 3)
                assert inbox.scans[0].quality.tolist() == [Quality.GOOD, Quality.MISSING]
                assert len(inbox.told) == 1
            else:
                assert not inbox.scans

    asyncio.run(scene())
