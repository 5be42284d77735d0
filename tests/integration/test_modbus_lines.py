"""Lines in trouble: silent neighbours, half-open connections, cut frames, late answers."""

import asyncio
import time
from itertools import pairwise

import pytest

from config.words import LANGUAGES, say
from drivers.contract import DeviceCondition, Garbled
from rules.quality import Quality
from tests.modbus_world import (
    PATIENT_S,
    asked,
    driver,
    profile,
    until,
    wait_for_an_answer,
)
from tests.servers import free_port
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


def is_online(box, device):
    last = box.last_news(device)
    return last is not None and last.condition is DeviceCondition.ONLINE


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
            for well in one.lines[0].devices[:4]:
                well.timeout_s = PATIENT_S  # a machine that stands still makes no silent units of them
            wells = [f"unit-{unit}" for unit in range(1, 5)]
            await inbox.until(lambda box: all(is_online(box, well) for well in wells))
            began_s, before = time.monotonic(), len(in_vain)
            read = len(inbox.of("unit-1"))
            await inbox.until(lambda box: len(box.of("unit-1")) >= read + 25, 120)
            silent_s = (len(in_vain) - before) * timeout_s
            # What was saved before, two waits at most, the one under way, and the share of all the time.
            assert silent_s <= 3 * timeout_s + share * (time.monotonic() - began_s)

    asyncio.run(scene())


def test_who_comes_back_on_a_line_that_is_too_busy_is_heard_again():
    """Each poll takes 0.15 s, and six units want one each 0.2 s: no idle time to ask a silent one in."""
    apart = {"voltage_ln_l1": {"address": 0, "type": "u16", "unit": "V"},
             "frequency": {"address": 90, "type": "u16", "unit": "Hz"}}  # fmt: skip

    async def scene():
        port, mended = free_port(), asyncio.Event()

        def gateway(frame):
            return None if frame[6] == 7 and not mended.is_set() else good_answer(frame)

        devices = [{"id": f"unit-{unit}", "unit": unit} for unit in range(1, 8)]
        devices[6]["timeout_s"] = 0.2
        one = driver(devices, profile(apart, limits={"max_gap": 0, "pause_ms": 150}), port=port, every_s=0.2)
        async with scripted(port, gateway), running(one) as inbox:
            await inbox.until(lambda box: box.last_news("unit-7") and len(box.of("unit-1")) >= 5)
            mended.set()
            wait_for_an_answer(one, PATIENT_S)
            await inbox.until(lambda box: is_online(box, "unit-7"), 60)
            await inbox.until(lambda box: len(box.of("unit-7")) >= 3, 60)

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


def test_registers_that_a_device_ignores_are_named():
    """Some devices do not refuse what they do not have: they say nothing, as if they were not there."""
    apart = {"voltage_ln_l1": {"address": 0, "type": "u16", "unit": "V"},
             "frequency": {"address": 90, "type": "u16", "unit": "Hz"}}  # fmt: skip

    async def scene():
        port = free_port()

        def ignores(frame):
            wait_for_an_answer(one, 0.3 if asked(frame)[1] == 0 else PATIENT_S)
            return good_answer(frame) if asked(frame)[1] == 0 else None

        one = driver([{"id": "a"}], profile(apart, limits={"max_gap": 0}), port=port)
        async with scripted(port, ignores), running(one) as inbox:
            await inbox.until(lambda box: box.last_news("a"))
        error = inbox.told[0].error
        assert error.code == "driver.block_silent"
        assert inbox.scans == []
        for language in LANGUAGES:
            words = say(error.code, language, **error.data)
            assert "frequency" in words
            assert "voltage" not in words

    asyncio.run(scene())


@pytest.mark.parametrize("answers", [True, False], ids=["too late", "never"])
def test_who_always_answers_too_late_is_told_from_who_never_does(answers):
    """Each answer is held back until the unit is asked again; the cure is another than that of silence."""

    async def scene():
        port, owed = free_port(), []

        def late(frame):
            said, owed[:] = b"".join(owed), [good_answer(frame)]
            return said or None if answers else None

        one = driver([{"id": "a"}], port=port, timeout_s=0.2)
        async with scripted(port, late), running(one) as inbox:
            await until(lambda: one.device_counts()["a"].polls >= 6)
        told = {news.error.code: news.error for news in inbox.told}
        assert set(told) == {"driver.no_answer", *(["driver.answers_late"] if answers else [])}
        assert inbox.scans == []
        for code, error in told.items():
            for language in LANGUAGES:
                assert ("timeout_s" in say(code, language, **error.data)) == (code == "driver.answers_late")

    asyncio.run(scene())


def test_a_late_answer_that_comes_over_the_next_connection_is_not_the_next_ones():
    """A gateway counts by places: what one connection's question was owed is said over the one after it."""

    async def scene():
        port, owed, questions = free_port(), [], []

        def by_places(frame):
            questions.append(frame)
            if connections[-1] == 0:
                wait_for_an_answer(one, 0.2 if len(questions) == 1 else PATIENT_S)
                owed.append(answer_of(frame, b"\x7f\xff"))
                return b"HTTP" if len(questions) == 2 else None
            late, owed[:] = b"".join(owed), []
            wait_for_an_answer(one, PATIENT_S)
            return late + good_answer(frame)

        one = driver([{"id": "a"}], port=port, timeout_s=0.2)
        async with scripted(port, by_places) as connections, running(one) as inbox:
            await inbox.until(lambda box: len(box.of("a")) >= 3)
            assert {scan.values[0] for scan in inbox.scans} == {0.0}
            assert len(connections) == 2
            assert one.device_counts()["a"].late >= 1

    asyncio.run(scene())


def test_a_unit_that_answers_under_other_numbers_is_not_told_as_another_unit():
    async def scene():
        port = free_port()
        one = driver([{"id": "a"}], port=port, timeout_s=0.3)
        async with scripted(port, lambda frame: b"\0\0" + good_answer(frame)[2:]):
            with pytest.raises(Garbled) as error:
                await one.read("a")
        assert error.value.code == "driver.foreign_number"
        for language in LANGUAGES:
            assert "transaction" in say(error.value.code, language, **error.value.data)

    asyncio.run(scene())


def silent_for_ever(frame):
    return None


def cut_in_the_middle(frame):
    return good_answer(frame)[:9]


def another_protocol(frame):
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


@pytest.mark.parametrize("fault", [silent_for_ever, cut_in_the_middle, another_protocol])
@pytest.mark.scenario(21)
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
