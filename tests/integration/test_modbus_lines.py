"""Lines in trouble: silent neighbours, half-open connections, cut frames, refused blocks, TLS."""

import asyncio
import os
import socket
import ssl
import struct
import time
from contextlib import suppress
from itertools import pairwise

import pytest
from pydantic import TypeAdapter

from config.words import LANGUAGES, say
from drivers.contract import DeviceCondition, NoAnswer, Unreachable
from drivers.modbus import ModbusDriver
from drivers.settings import ModbusBus
from rules.quality import Quality
from tests.modbus_world import (
    EIGHT,
    NAMES,
    ONE,
    PATIENT_S,
    asked,
    clock_ms,
    driver,
    profile,
    wait_for_an_answer,
)
from tests.servers import Authority, free_port
from tests.servers.modbus import answer_of, exception_of, good_answer, running, scripted, watched


def test_neighbours_of_a_silent_unit_miss_nothing_and_nobody_hangs_up():
    async def scene():
        port = free_port()
        questions = {unit: [] for unit in (1, 2, 3, 4)}

        def gateway(frame):
            questions[frame[6]].append(time.monotonic())
            return None if frame[6] == 3 else good_answer(frame)

        devices = [{"id": f"unit-{unit}", "unit": unit} for unit in questions]
        devices[2]["timeout_s"] = 0.3
        one = driver(devices, port=port, every_s=1.0)
        async with watched() as stalls, scripted(port, gateway) as connections, running(one) as inbox:
            await inbox.until(lambda box: min(len(box.of(f"unit-{n}")) for n in (1, 2, 4)) >= 8, 120)
            assert len(connections) == 1
        for unit in (1, 2, 4):
            slots = [scan.at_ms // 1000 for scan in inbox.of(f"unit-{unit}")]
            assert len(slots) - 1 <= slots[-1] - slots[0] + 1  # one a slot, however late
        # The silent unit takes 0.3 s of a second's slot; what stood still with us is the machine's.
        assert one.counts.missed <= 3 + len(questions) * stalls.total_s
        assert inbox.last_news("unit-3").condition is DeviceCondition.OFFLINE
        assert inbox.last_news("unit-3").error.code == "driver.no_answer"
        assert {inbox.last_news(f"unit-{n}").condition for n in (1, 2, 4)} == {DeviceCondition.ONLINE}

    asyncio.run(scene())


def test_silent_units_together_take_no_more_than_their_share():
    """Twelve of sixteen units are silent, asked ten times a second if they could: the budget stops them."""

    async def scene():
        port = free_port()
        devices = [{"id": f"unit-{unit}", "unit": unit} for unit in range(1, 17)]
        timeout_s, share, in_vain = 0.25, 0.2, []
        one = driver(devices, port=port, every_s=0.2, timeout_s=timeout_s, silent_share=share)

        def gateway(frame):
            if frame[6] <= 4:
                return good_answer(frame)
            in_vain.append(frame)
            return None

        async with scripted(port, gateway), running(one) as inbox:
            await inbox.until(lambda box: box.last_news("unit-16"))  # each was asked once, unsuspected
            began_s, before = time.monotonic(), len(in_vain)
            read = len(inbox.of("unit-1"))
            await inbox.until(lambda box: len(box.of("unit-1")) >= read + 25, 120)
            silent_s = (len(in_vain) - before) * timeout_s
            # What was saved before, two waits at most, the one under way, and the share of all the time.
            assert silent_s <= 3 * timeout_s + share * (time.monotonic() - began_s)

    asyncio.run(scene())


def test_a_retry_in_the_same_slot_saves_the_poll():
    async def scene():
        port, tries = free_port(), []

        def forgetful(frame):
            tries.append(frame)
            answered = len(tries) % 2 == 0
            wait_for_an_answer(one, 0.1 if answered else PATIENT_S)
            return good_answer(frame) if answered else None

        one = driver([{"id": "a", "retries": 1, "timeout_s": 0.1}], port=port)
        async with scripted(port, forgetful), running(one) as inbox:
            await inbox.until(lambda box: len(box.of("a")) >= 4)
            assert [news.condition for news in inbox.told] == [DeviceCondition.ONLINE]

    asyncio.run(scene())


def test_a_late_answer_is_counted_and_the_line_goes_on():
    async def scene():
        port, owed = free_port(), []

        def slow_once(frame):
            if not owed:
                owed.append(answer_of(frame, b"\x7f\xff"))
                wait_for_an_answer(one, PATIENT_S)
                return None
            late, owed[0] = owed[0], b""
            return late + good_answer(frame)

        one = driver([{"id": "a"}], port=port, timeout_s=0.2)
        async with scripted(port, slow_once) as connections, running(one) as inbox:
            await inbox.until(lambda box: len(box.of("a")) >= 3)
            assert {scan.values[0] for scan in inbox.scans} == {0.0}
            assert one.counts.late == 1
            assert len(connections) == 1

    asyncio.run(scene())


def silent_for_ever(frame):
    return None


def cut_in_the_middle(frame):
    return good_answer(frame)[:9]


def another_protocol(frame):
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


@pytest.mark.parametrize("fault", [silent_for_ever, cut_in_the_middle, another_protocol])
def test_a_connection_that_makes_no_sense_is_made_anew(fault):
    """Half-open, cut or foreign: after a deadline comes a fresh socket, and readings."""

    async def scene():
        port, frames = free_port(), []

        def answer(frame):
            frames.append(frame)
            wait_for_an_answer(one, 0.5 if connections[-1] == 0 and len(frames) >= 3 else PATIENT_S)
            return fault(frame) if connections[-1] == 0 and len(frames) > 3 else good_answer(frame)

        one = driver([{"id": "a"}, {"id": "b", "unit": 2}], port=port)
        async with scripted(port, answer) as connections, running(one) as inbox:
            await inbox.until(lambda box: len(connections) >= 2)
            read = len(inbox.scans)
            await inbox.until(lambda box: len(box.scans) >= read + 6)
            await inbox.until(lambda box: box.last_news("a").condition is DeviceCondition.ONLINE)
            codes = {news.error.code for news in inbox.told if news.error}
            expected = {silent_for_ever: "driver.no_answer", cut_in_the_middle: "driver.cut_frame",
                        another_protocol: "driver.not_modbus"}[fault]  # fmt: skip
            assert codes == {expected}

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
        (4, "driver.points_refused", DeviceCondition.DEGRADED),
        (6, "driver.busy", DeviceCondition.DEGRADED),
        (11, "driver.nobody_behind", DeviceCondition.OFFLINE),
    ],
)
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


def test_since_when_stays_while_only_the_error_changes():
    async def scene():
        port, frames = free_port(), []

        def worse(frame):
            frames.append(frame)
            return None if len(frames) < 5 else exception_of(frame, 11)

        one = driver([{"id": "a", "timeout_s": 0.05}], port=port, every_s=0.1)
        async with scripted(port, worse), running(one) as inbox:
            await inbox.until(lambda box: (box.last_news("a") and box.last_news("a").error.code)
                              == "driver.nobody_behind")  # fmt: skip
            offline = [news for news in inbox.told if news.condition is DeviceCondition.OFFLINE]
            assert [news.error.code for news in offline] == ["driver.no_answer", "driver.nobody_behind"]
            assert offline[0].since_ms == offline[1].since_ms > 0

    asyncio.run(scene())


def test_why_nobody_could_be_reached(tmp_path):
    def code(**bus):
        with pytest.raises(Unreachable) as error:
            asyncio.run(driver([{"id": "a"}], **bus).read("a"))
        assert not isinstance(error.value, NoAnswer)
        assert error.value.data["device"] == "a"
        return error.value.code

    assert code(port=free_port()) == "driver.nobody_listens"
    assert code(port=free_port(), host="no-such-host.invalid") == "driver.unknown_host"
    settings = {"kind": "modbus_rtu", "id": "b", "devices": [{"id": "a", "profile": "test"}]}
    bus = TypeAdapter(ModbusBus).validate_python({**settings, "line": str(tmp_path / "ttyUSB0")})
    with pytest.raises(Unreachable) as error:
        asyncio.run(ModbusDriver(bus, {"test": ONE}, clock_ms).read("a"))
    assert error.value.code == "driver.no_such_port"


def refuse_one(listening, context):
    """Meet one client, refuse its certificate, wait until it hangs up: a reset would overtake the words."""
    connection, _ = listening.accept()
    with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
        with suppress(ssl.SSLError):
            secured.do_handshake()
        while os.read(secured.fileno(), 4096):
            pass


def test_over_tls(tmp_path):
    """Modbus/TCP Security: both sides show certificates that one authority signed."""
    authority = Authority(tmp_path)
    theirs = authority.sign("gateway", alternatives="DNS:gateway.example")
    ours = authority.sign("monitor")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.file, theirs.key)
    context.load_verify_locations(authority.own.file)
    context.verify_mode = ssl.CERT_REQUIRED
    trust = {"ca": authority.own.file.name, "server_name": "gateway.example"}
    own = {"certificate": ours.file.name, "key": ours.key.name}

    async def scene():
        port = free_port()

        async def code(timeout_s=PATIENT_S, **tls):
            with pytest.raises(Unreachable) as error:
                await driver([{"id": "a"}], folder=tmp_path, port=port, timeout_s=timeout_s, tls=tls).read(
                    "a"
                )
            for language in LANGUAGES:
                assert "a" in say(error.value.code, language, **error.value.data)
            return error.value.code

        async with scripted(port, good_answer, context):
            one = driver([{"id": "a"}, {"id": "b", "unit": 2}], folder=tmp_path, port=port,
                         tls={**trust, **own})  # fmt: skip
            async with running(one) as inbox:
                await inbox.until(lambda box: len(box.of("a")) >= 3 and len(box.of("b")) >= 3)
            assert one.counts.dials == 1
            assert await code(**own, ca=trust["ca"]) == "driver.tls_wrong_name"
            assert await code(server_name="gateway.example") == "driver.tls_unknown_authority"
            assert await code(ca="nowhere.pem") == "driver.tls_files"
        # asyncio's server hangs up without its alert; a blocking one sends it, as gateways do.
        with socket.create_server(("127.0.0.1", port)) as listening:
            meeting = asyncio.create_task(asyncio.to_thread(refuse_one, listening, context))
            assert await code(**trust) == "driver.tls_ours_refused"
            await meeting
        async with scripted(port, good_answer):
            assert await code(0.5, **trust) in (
                "driver.tls_not_spoken",
                "driver.unreachable",
                "driver.hung_up",
            )

    asyncio.run(scene())


def test_busy_is_no_fault_when_read_by_hand():
    async def scene():
        port = free_port()
        async with scripted(port, lambda frame: exception_of(frame, 6)):
            (scan,) = await driver([{"id": "a"}], port=port).read("a")
            assert scan.quality.tolist() == [Quality.MISSING]

    asyncio.run(scene())


def test_reading_by_hand_tries_as_often_as_is_set():
    async def scene():
        port, frames = free_port(), []

        def third_time(frame):
            frames.append(frame)
            wait_for_an_answer(one, 0.1 if len(frames) < 2 else PATIENT_S)
            return good_answer(frame) if len(frames) == 3 else None

        one = driver([{"id": "a", "retries": 2, "timeout_s": 0.1}], port=port)
        async with scripted(port, third_time):
            (scan,) = await one.read("a")
            assert scan.quality.tolist() == [Quality.GOOD]

    asyncio.run(scene())


def test_a_pause_is_kept_between_the_questions_to_a_unit():
    """Two devices of the site on one unit share its rest."""

    async def scene():
        port, times = free_port(), []

        def answer(frame):
            times.append(time.monotonic())
            return good_answer(frame)

        resting = profile(
            {
                "frequency": {"address": 0, "type": "u16", "unit": "Hz"},
                "voltage_ln_l1": {"address": 90, "type": "u16", "unit": "V"},
            },
            limits={"pause_ms": 60},
        )
        one = driver([{"id": "a"}, {"id": "b"}], resting, port=port)
        async with scripted(port, answer), running(one) as inbox:
            await inbox.until(lambda box: len(box.scans) >= 6)
        assert min(later - earlier for earlier, later in pairwise(times)) > 0.05

    asyncio.run(scene())
