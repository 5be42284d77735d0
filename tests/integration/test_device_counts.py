"""What drivers count of each device, over real sockets: for whoever looks for the trouble."""

import asyncio
import struct
from dataclasses import replace

import pytest

from drivers.contract import Counts
from tests import servers
from tests.broker_world import Desk, away, first_connection, hung_up, make, now_ms, payload, run, until
from tests.broker_world import running as listening
from tests.modbus_world import PATIENT_S, driver, wait_for_an_answer
from tests.servers import free_port
from tests.servers.modbus import answer_of, exception_of, good_answer, running, scripted


def of_unit(frame, unit):
    return frame[:6] + bytes([unit]) + frame[7:]


TROUBLES = {
    "silent": (lambda frame: None, {"silent": 1}),
    "foreign": (lambda frame: of_unit(good_answer(frame), 9) + good_answer(frame), {"foreign": 1}),
    "refused": (lambda frame: exception_of(frame, 6), {"refused": 1}),
    "wrong size": (lambda frame: answer_of(frame, bytes(6)), {"bad": 1}),
    "another protocol": (lambda frame: b"HTTP/1.1 400 Bad Request\r\n\r\n", {"bad": 1, "foreign": 1}),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_is_counted_once_at_its_own_device(trouble):
    """The third question to one device is answered badly, everything else well."""

    async def scene():
        port, frames = free_port(), []
        fault, expected = TROUBLES[trouble]

        def gateway(frame):
            if frame[6] == 2:
                return good_answer(frame)
            frames.append(frame)
            wait_for_an_answer(one, 0.2 if trouble == "silent" and len(frames) == 2 else PATIENT_S)
            return fault(frame) if len(frames) == 3 else good_answer(frame)

        one = driver([{"id": "sick"}, {"id": "well", "unit": 2}], port=port)
        async with scripted(port, gateway), running(one) as inbox:
            await inbox.until(lambda box: len(box.of("sick")) >= 6 and len(box.of("well")) >= 3)
            counts = one.device_counts()
        wanted = {name: expected.get(name, 0) for name in ("silent", "late", "foreign", "bad", "refused")}
        assert {name: getattr(counts["sick"], name) for name in wanted} == wanted
        assert not any(getattr(counts["well"], name) for name in wanted)
        assert counts["sick"].readings >= 6
        assert counts["sick"].polls >= counts["sick"].readings
        assert counts["sick"].dials == counts["well"].dials >= 1

    asyncio.run(scene())


def test_a_late_answer_and_a_retry_are_counted_at_their_device():
    async def scene():
        port, owed = free_port(), []

        def slow_once(frame):
            if not owed:
                owed.append(answer_of(frame, struct.pack(">H", 7)))
                wait_for_an_answer(one, PATIENT_S)
                return None
            late, owed[0] = owed[0], b""
            return late + good_answer(frame)

        one = driver([{"id": "a", "retries": 1}], port=port, timeout_s=0.2)
        async with scripted(port, slow_once), running(one) as inbox:
            await inbox.until(lambda box: len(box.of("a")) >= 3)
            counts = one.device_counts()["a"]
        assert (counts.late, counts.retries, counts.silent) == (1, 1, 1)

    asyncio.run(scene())


def test_polls_whose_slot_passed_are_counted():
    """A silent unit keeps its neighbour waiting for six slots."""

    async def scene():
        port = free_port()
        devices = [{"id": "silent", "timeout_s": 0.3}, {"id": "neighbour", "unit": 2}]
        one = driver(devices, port=port, every_s=0.05)
        async with (
            scripted(port, lambda frame: good_answer(frame) if frame[6] == 2 else None),
            running(one) as inbox,
        ):
            await inbox.until(lambda box: one.device_counts()["neighbour"].missed >= 3)
            await inbox.until(lambda box: box.last_news("silent"))
        counts = one.device_counts()
        assert counts["silent"].missed + counts["neighbour"].missed == one.counts.missed
        assert counts["neighbour"].readings >= 1

    asyncio.run(scene())


def test_what_a_broker_brings_is_counted_at_its_device(mosquitto: servers.Mosquitto):
    async def story() -> None:
        await first_connection(make(mosquitto), mosquitto)
        mqtt, desk = make(mosquitto), Desk()
        assert mqtt.device_counts() == {"water-1": Counts()}
        at_ms = now_ms() - 3000
        async with listening(mqtt, desk):
            await away(mosquitto, payload(1, at_ms), payload(1, at_ms), b"garbage", payload(2, at_ms + 1))
            await until(lambda: desk.volumes == [1, 2])
            counts = mqtt.device_counts()["water-1"]
        assert replace(counts, dials=1) == Counts(messages=4, readings=2, duplicates=1, bad=1, dials=1)
        await hung_up(mosquitto)
        async with listening(mqtt, desk):
            await until(lambda: mqtt.device_counts()["water-1"].dials > counts.dials)
            assert mqtt.device_counts()["water-1"].messages >= 4  # counting goes on; the last may come again

    run(story())
