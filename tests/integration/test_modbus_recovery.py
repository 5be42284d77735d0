"""A device with a refused register that was in trouble for a while: the others come back by themselves."""

import asyncio

import pytest

from rules.quality import Quality
from tests.modbus_world import EIGHT, NAMES, asked, driver
from tests.servers import free_port
from tests.servers.modbus import exception_of, good_answer, running, scripted


@pytest.mark.parametrize(("exception", "healthy_before"), [(2, 0), (6, 5)], ids=["starting", "busy"])
def test_what_a_device_refuses_for_a_while_is_not_lost_for_long(monkeypatch, exception, healthy_before):
    """It refuses one register always, and everything for a number of requests."""
    monkeypatch.setattr("drivers.modbus_poll.FIRST_FRUITLESS_S", 0.2)

    async def scene():
        port, requests = free_port(), []

        def trouble(frame):
            _, address, count = asked(frame)
            requests.append((address, count))
            if healthy_before * 6 < len(requests) <= healthy_before * 6 + 30:
                return exception_of(frame, exception)
            return exception_of(frame, 2) if address <= 6 < address + count else good_answer(frame)

        one = driver([{"id": "a"}], EIGHT, port=port)
        async with scripted(port, trouble), running(one) as inbox:
            await inbox.until(lambda box: len(requests) > healthy_before * 6 + 30)
            seen = len(inbox.scans)
            await inbox.until(lambda box: any((s.quality == Quality.GOOD).any() for s in box.scans[seen:]))
            await inbox.until(lambda box: len(box.scans) >= seen + 5)
            missing = {n for n, q in zip(NAMES, inbox.scans[-1].quality, strict=True) if q == Quality.MISSING}
            assert missing == {"current_l1"}

    asyncio.run(scene())


def test_a_block_that_was_not_halved_is_not_laid_to_rest(monkeypatch):
    """Two blocks: one in trouble for a moment while halving is barred, the other fine."""
    monkeypatch.setattr("drivers.modbus_poll.FIRST_FRUITLESS_S", 30.0)

    async def scene():
        port, requests = free_port(), []

        def trouble(frame):
            _, address, count = asked(frame)
            requests.append((address, count))
            first = len(requests) <= 20
            return (
                exception_of(frame, 2)
                if first or (len(requests) <= 40 and address == 0)
                else good_answer(frame)
            )

        one = driver([{"id": "a", "limits": {"max_regs": 8}}], EIGHT, port=port)
        async with scripted(port, trouble), running(one) as inbox:
            await inbox.until(lambda box: len(requests) > 60)
            await inbox.until(lambda box: (box.scans[-1].quality == Quality.GOOD).all())

    asyncio.run(scene())


def test_a_defect_that_one_address_brings_to_light_stops_no_other(monkeypatch, caplog):
    async def scene():
        port, other = free_port(), free_port()
        one = driver([{"id": "a"}, {"id": "b", "port": other}], EIGHT, port=port)
        sick = one.lines[0]

        def defect(*_):
            raise ZeroDivisionError("a defect of ours")

        monkeypatch.setattr(sick.devices[0].plan.decoder, "decode_unwarned", defect)
        async with scripted(port, good_answer), scripted(other, good_answer), running(one) as inbox:
            await inbox.until(lambda box: len(box.of("b")) >= 20)
            assert inbox.of("a") == []

    asyncio.run(scene())
    assert "a defect of ours" in caplog.text
