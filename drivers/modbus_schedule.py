"""Whose turn it is on a line: aligned to the clock, those that answer first, the silent within a budget."""

import asyncio
import heapq
import math
import time
from collections.abc import Awaitable, Callable, Sequence

from drivers.modbus_device import Device

TICK_S = 0.001
"""Timers are no finer: what is due within a tick is due."""


class SilenceBudget:
    """How much of a line's time may go into waiting for devices that do not answer.

    A bucket of waiting time that fills by ``share`` seconds a second. What a device that was thought well
    keeps the line waiting is charged too, after the fact.
    """

    def __init__(self, share: float, most_s: float) -> None:
        self._share = share
        self._most_s = most_s
        self._level_s = most_s
        self._at_s = -math.inf

    def ready_s(self, wait_s: float, now_s: float) -> float:
        """When a wait of this length may begin."""
        self._fill(now_s)
        lacking_s = min(wait_s, self._most_s) - self._level_s
        return now_s if lacking_s <= 0 else now_s + lacking_s / self._share

    def spent(self, wait_s: float, now_s: float) -> None:
        """Charge a wait that was in vain."""
        self._fill(now_s)
        self._level_s -= wait_s

    def _fill(self, now_s: float) -> None:
        if now_s > self._at_s:
            self._level_s = min(self._most_s, self._level_s + (now_s - self._at_s) * self._share)
            self._at_s = now_s


class Lateness:
    """How late polls began: a histogram of 0.1 ms steps to 100 ms, and 1 ms steps to a second."""

    def __init__(self) -> None:
        self._counts = [0] * 1901
        self.count = 0

    def record(self, late_s: float) -> None:
        """Add one poll."""
        late_ms = max(late_s, 0.0) * 1000
        step = int(late_ms * 10) if late_ms < 100 else min(900 + int(late_ms), 1900)
        self._counts[step] += 1
        self.count += 1

    def percentile_ms(self, percent: float) -> float:
        """Upper edge of the step in which the percentile lies; NaN before the first poll. [ms]"""
        wanted, seen = self.count * percent / 100, 0
        for step, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return (step + 1) / 10 if step < 1000 else step - 900 + 1.0
        return math.nan

    def clear(self) -> None:
        """Begin anew."""
        self._counts = [0] * len(self._counts)
        self.count = 0


class Alarms:
    """Wakes who waits for the same millisecond together: one timer of the loop, however many they are.

    Devices are due in steps, so that at thousands of polls a second some tens share each timer.

    Parameters
    ----------
    now_s : monotonic clock, seconds.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}

    def ring_after(self, wait_s: float) -> asyncio.Future[None]:
        """What ends after so many seconds, or within the tick after that."""
        loop, now_s = asyncio.get_running_loop(), self._now_s()
        future: asyncio.Future[None] = loop.create_future()
        at_ms = math.ceil((now_s + wait_s) * 1000)
        waiting = self._waiting.get(at_ms)
        if waiting is None:
            waiting = self._waiting[at_ms] = []
            loop.call_later(at_ms / 1000 - now_s, self._ring, at_ms)
        waiting.append(future)
        return future

    def _ring(self, at_ms: int) -> None:
        for future in self._waiting.pop(at_ms):
            if not future.done():  # who was cancelled waits no more
                future.set_result(None)


class Schedule:
    """The turns of one line's devices.

    Slots are aligned to the wall clock and waited for on the monotonic one: a clock that is set silences
    nobody, and nothing drifts. Devices that answer come first; one that stays silent is asked when none
    of them is due and the budget allows, unless nobody on the line answers: then nobody is kept waiting. On a
    line so busy that somebody always is due, it is asked once it was passed over for a period of its own.

    Parameters
    ----------
    clock_ms : wall clock, milliseconds UTC. now_s : monotonic clock, seconds.
    ring_after : what to wait for, for so many seconds.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        budget: SilenceBudget,
        clock_ms: Callable[[], int],
        now_s: Callable[[], float],
        ring_after: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._devices = devices
        self._budget = budget
        self._clock_ms = clock_ms
        self._now_s = now_s
        self._ring_after = ring_after
        self._slots_ms = [0] * len(devices)
        self._due_s = [0.0] * len(devices)
        self._well: list[tuple[float, int]] = []
        self._suspect: list[tuple[float, int]] = []
        self._passed_over_s = math.inf  # since when the first of the suspect might have been asked
        for index in range(len(devices)):
            self.to_next_slot(index)

    @property
    def someone_is_well(self) -> bool:
        """Whether anyone could be kept waiting."""
        return bool(self._well)

    async def turn(self) -> tuple[int, float]:
        """Wait for the next turn; gives the device's index and how late it is, in seconds."""
        while True:
            now_s = self._now_s()
            ready_s = self._suspect_ready_s(now_s)
            if self._well and self._well[0][0] <= now_s + TICK_S and not self._has_waited(ready_s, now_s):
                due_s, index = heapq.heappop(self._well)
                return index, now_s - due_s
            if ready_s <= now_s + TICK_S:
                self._passed_over_s = math.inf
                _, index = heapq.heappop(self._suspect)
                return index, 0.0  # it was put off on purpose
            until_s = min(ready_s, self._well[0][0]) if self._well else ready_s
            await self._ring_after(max(until_s - now_s, TICK_S))

    def _suspect_ready_s(self, now_s: float) -> float:
        if not self._suspect:
            return math.inf
        due_s, index = self._suspect[0]
        if not self._well:
            return due_s
        return max(due_s, self._budget.ready_s(self._devices[index].timeout_s, now_s))

    def _has_waited(self, ready_s: float, now_s: float) -> bool:
        """Whether a silent one was passed over for a whole period although the budget allowed it a turn."""
        if ready_s > now_s + TICK_S:
            return False
        self._passed_over_s = min(self._passed_over_s, now_s)
        return now_s - self._passed_over_s >= self._devices[self._suspect[0][1]].period_ms / 1000

    def again(self, index: int) -> None:
        """Ask a device again in this slot, after the others that are due."""
        self._put(index, self._now_s())

    def to_next_slot(self, index: int, after_s: float = 0.0) -> int:
        """Put a device to its next slot, at least ``after_s`` from now; gives the slots passed unused."""
        device, wall_ms = self._devices[index], self._clock_ms()
        after_ms = wall_ms + round(after_s * 1000)
        slot_ms = self._slots_ms[index]
        period_ms = device.period_ms
        if wall_ms < slot_ms <= wall_ms + period_ms // 2:  # the timer fired a little early
            after_ms = max(after_ms, slot_ms)
        next_ms = after_ms + period_ms - (after_ms - device.phase_ms) % period_ms
        due_s = self._now_s() + (next_ms - wall_ms) / 1000
        unused = round((due_s - self._due_s[index]) * 1000 / period_ms) - 1
        first, self._slots_ms[index], self._due_s[index] = not slot_ms, next_ms, due_s
        self._put(index, due_s)
        return 0 if first or after_s else max(unused, 0)

    def _put(self, index: int, due_s: float) -> None:
        heapq.heappush(self._suspect if self._devices[index].suspect else self._well, (due_s, index))
