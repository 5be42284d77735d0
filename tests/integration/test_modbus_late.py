"""RTU answers that come too late, of the right length: no frame says which question it answers."""

import asyncio
import time

import pytest

from drivers.contract import DeviceCondition
from rules.quality import Quality
from tests.modbus_world import EIGHT, ONE, PATIENT_S, driver, wait_for_an_answer
from tests.servers.modbus import rtu_gateway, running, serial_line, watched
from tests.servers.rtu import answer_of, asked, exception_of, rtu_meter

BAD = 0xBAD
TIMEOUT_S, LATE_S = 0.4, 1.5


@pytest.fixture(params=["serial line", "gateway"])
def reach(request, tmp_path):
    """The bus of a line, and the line's far end."""
    with serial_line(tmp_path) as (ours, theirs):
        if request.param == "serial line":
            yield {"kind": "modbus_rtu", "line": str(ours), "baud": 115200}, theirs
            return
        with rtu_gateway(ours) as port:
            yield {"kind": "modbus_rtu_tcp", "port": port}, theirs


class SlowMeter:
    """Unit 1 takes far too long for each third block, and says then what it measured then; others never do.

    It answers in the order in which it was asked, as whoever has one receiver does. What it says too late
    is marked: nothing of it may ever be booked.
    """

    def __init__(self) -> None:
        self.blocks = 0
        self.late = 0
        self._busy_until_s = 0.0

    def hear(self, request, say):
        unit, _, _, count = asked(request)
        if unit != 1:
            say(answer_of(request, unit))
            return
        now_s = time.monotonic()
        if count == 15:
            self.blocks += 1
            if self.blocks % 3 == 2:
                self._busy_until_s = max(self._busy_until_s, now_s) + LATE_S
        wait_s = max(self._busy_until_s - now_s, 0.0)
        if wait_s == 0.0:
            say(answer_of(request, unit))
        elif wait_s > TIMEOUT_S:
            asyncio.get_running_loop().call_later(wait_s, self._too_late, request, say)

    def _too_late(self, request, say):
        self.late += 1
        say(answer_of(request, BAD))


def test_an_answer_that_comes_one_and_a_half_seconds_late_is_never_booked(reach):
    bus, theirs = reach

    async def scene():
        meter = SlowMeter()
        devices = [{"id": "slow", "unit": 1}, {"id": "neighbour", "unit": 2}]
        one = driver(devices, EIGHT, every_s=1.0, timeout_s=TIMEOUT_S, **bus)
        async with rtu_meter(theirs, meter.hear), watched() as stalls, running(one) as inbox:
            await inbox.until(lambda box: meter.late >= 6 and len(box.of("slow")) >= 6, 120)
            await inbox.until(lambda _: one.device_counts()["slow"].late >= 4)
        for device, unit in (("slow", 1), ("neighbour", 2)):
            values = {value for scan in inbox.of(device) for value in scan.values.tolist()}
            assert values == {unit}
        neighbour = one.device_counts()["neighbour"]
        # A wait for the slow unit takes 0.4 s of a slot of a second; the rest is the machine's doing, of this
        # process and of the one that is the line. Whoever waited for each late answer would miss one by each.
        assert neighbour.missed + neighbour.silent <= meter.late // 2 + 3 * stalls.total_s
        assert inbox.last_news("neighbour").condition is DeviceCondition.ONLINE

    asyncio.run(scene())


class HoldingMeter:
    """Holds some answers until the next question comes, and says them right before its answer.

    Parameters
    ----------
    held : which questions, counted from 1. exact : whether it refuses what is not the whole block.
    tables : functions that it knows, and those that it does not even refuse.
    """

    def __init__(self, *held, count=15, exact=False, knows=(3, 4), ignores=(), code=None):
        self.held, self.count, self.exact = held, count, exact
        self.knows, self.ignores, self.code = knows, ignores, code
        self.questions = 0
        self.owed = b""

    def hear(self, request, say):
        _, function, _, count = asked(request)
        if function in self.ignores:
            return
        self.questions += 1
        if self.questions in self.held:
            self.owed += answer_of(request, BAD) if self.code is None else exception_of(request, self.code)
            return
        owed, self.owed = self.owed, b""
        if function not in self.knows:
            say(owed + exception_of(request, 1))
        elif self.exact and count != self.count:
            say(owed + exception_of(request, 2))
        else:
            say(owed + answer_of(request, 1))


MANNERS = {
    "reads anything": {},
    "one table": {"knows": (3,)},
    "whole blocks": {"exact": True},
    "whole blocks of one table": {"exact": True, "knows": (3,)},
}


@pytest.mark.parametrize(
    ("registers", "held"),
    [(15, (3,)), (1, (3,)), (15, (3, 4, 5, 6, 7))],
    ids=["once", "one register", "until the line is made anew"],
)
@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("code", [None, 2], ids=["data", "refusal"])
def test_what_is_held_back_is_told_from_the_next_answer(tmp_path, registers, held, manner, code):
    async def scene(ours, theirs):
        meter = HoldingMeter(*held, count=registers, code=code, **MANNERS[manner])
        one = driver([{"id": "a"}], EIGHT if registers == 15 else ONE, kind="modbus_rtu", line=str(ours),
                     baud=115200, every_s=0.05)  # fmt: skip

        def hear(request, say):
            # Patience where an answer comes: only the silence is the meter's doing.
            wait_for_an_answer(one, 0.2 if meter.questions + 2 in held else PATIENT_S)
            meter.hear(request, say)

        async with rtu_meter(theirs, hear), running(one) as inbox:
            await inbox.until(lambda box: len(box.of("a")) >= 6, 60)
            for scan in inbox.scans:
                assert set(scan.values.tolist()) == {1.0}
                assert set(scan.quality.tolist()) == {Quality.GOOD}
            codes = {news.error.code for news in inbox.told if news.error}
            assert codes == {"driver.no_answer"}
            assert one.device_counts()["a"].silent == len(held)

    with serial_line(tmp_path) as (ours, theirs):
        asyncio.run(scene(ours, theirs))
