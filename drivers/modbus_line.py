"""A line: one connection, the units behind it, one task that asks them in turn."""

import asyncio
import contextlib
import random
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from drivers.contract import (
    Backoff,
    Busy,
    Delivery,
    DeviceCondition,
    DriverError,
    Garbled,
    NoAnswer,
    ProbeResult,
    Refused,
    Unreachable,
    Where,
)
from drivers.modbus_device import OFFLINE_AFTER, Device, Plan
from drivers.modbus_link import LineCounts, Link, Question, Transport, question
from drivers.modbus_poll import Poller, Reading
from drivers.modbus_profile import Table, register_points
from drivers.modbus_schedule import Alarms, Lateness, Schedule, SilenceBudget
from drivers.planner import plan_reads
from drivers.registers import unwarned
from drivers.settings import ModbusBusBase
from rules.quality import Quality
from rules.scan import Scan

_GONE_AFTER = 2
"""Vain questions in a row to devices that were well: then the connection itself is in doubt."""


class Line:
    """One address and its devices.

    Attributes
    ----------
    poll : reads every block of a device over the connection that stands; called within ``unwarned``.
    counts : what it saw. lateness : how late polls began; may be shared by the lines of a bus.
    """

    def __init__(
        self,
        transport: Transport,
        bus: ModbusBusBase,
        devices: Sequence[Device],
        clock_ms: Callable[[], int],
        lateness: Lateness,
        alarms: Alarms,
    ) -> None:
        self.devices = tuple(devices)
        self.counts = LineCounts(tallies={device.id: device.tally for device in self.devices})
        self.lateness = lateness
        self._transport = transport
        self._bus = bus
        self._clock_ms = clock_ms
        self._alarms = alarms
        self._backoff = Backoff()
        self._link: Link | None = None
        self._turn = asyncio.Lock()
        self._vain = 0
        self._rests_until_s: dict[int, float] = {}
        self._longest_pause_s = max(device.limits.pause_ms for device in devices) / 1000
        poller = Poller(self.ask, clock_ms, time.monotonic)
        self.poll: Callable[[Device], Awaitable[Reading]] = poller.poll

    @property
    def address(self) -> str:
        """For people."""
        return self._transport.address

    # -- the connection ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def dialled(self, device: Device) -> AsyncIterator[None]:
        """Take the line for some questions; hang up after them unless it is being polled."""
        async with self._turn:
            kept = self._link is not None
            try:
                await self.connect(device)
                yield
            finally:
                if not kept:
                    self.hang_up()

    async def connect(self, device: Device) -> None:
        """Dial, unless the connection stands. Raises ``Unreachable``, told of ``device``."""
        if self._link is not None and self._link.connected:
            return
        self.hang_up()
        try:
            self._link = await self._transport.dial(self._bus.timeout_s, self.counts)
        except Unreachable as error:
            raise _of_device(error, device) from error
        self._link.rest_s = self._longest_pause_s
        self._vain = 0

    def hang_up(self) -> None:
        """Close the connection. Safe to call twice."""
        if self._link is not None:
            self._link.hang_up()
            self._link = None

    def ask(self, device: Device, one: Question) -> Awaitable[bytes]:
        """Put one question; the unit has its rest before it. Awaiting it raises ``DriverError``."""
        if self._link is None or self._longest_pause_s:
            return self._ask_rested(device, one)
        return self._link.ask(one, device.timeout_s)  # the hot path: no coroutine of its own

    async def _ask_rested(self, device: Device, one: Question) -> bytes:
        wait_s = self._rests_until_s.get(device.unit, 0.0) - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if self._link is None:
            raise NoAnswer(device.where, "driver.hung_up")
        try:
            return await self._link.ask(one, device.timeout_s)
        finally:
            self._rests_until_s[device.unit] = time.monotonic() + device.limits.pause_ms / 1000

    # -- polling ----------------------------------------------------------------------------------------

    async def run(self, delivery: Delivery) -> None:
        """Poll the devices in the order in which they are due, for ever."""
        most_s = 2 * max(device.timeout_s for device in self.devices)
        budget = SilenceBudget(self._bus.silent_share, most_s)
        # Not the loop's time, which stands still within a turn of the loop.
        schedule = Schedule(self.devices, budget, self._clock_ms, time.monotonic, self._alarms.ring_after)
        with unwarned():
            await self._poll_in_turn(schedule, budget, delivery)

    async def _poll_in_turn(self, schedule: Schedule, budget: SilenceBudget, delivery: Delivery) -> None:
        try:
            while True:
                index, late_s = await schedule.turn()
                device, began_s = self.devices[index], time.monotonic()
                if not device.suspect:
                    self.lateness.record(late_s)
                try:
                    async with self._turn:
                        await self.connect(device)
                        device.tally.polls += 1
                        reading = await self.poll(device)
                except NoAnswer as error:
                    again, rest_s = self._failed(device, error, delivery)
                except Unreachable as error:
                    await self._all_gone(error, delivery)
                    again, rest_s = False, 0.0
                except DriverError as error:
                    again, rest_s = self._failed(device, error, delivery)
                else:
                    again, rest_s = False, self._delivered(device, reading, delivery)
                if device.suspect and schedule.someone_is_well:
                    now_s = time.monotonic()
                    budget.spent(now_s - began_s, now_s)
                if again:
                    device.tally.retries += 1
                    schedule.again(index)
                else:
                    missed = schedule.to_next_slot(index, rest_s)
                    self.counts.missed += missed
                    device.tally.missed += missed
        finally:
            self.hang_up()

    async def _all_gone(self, error: Unreachable, delivery: Delivery) -> None:
        for device in self.devices:
            self._tell(device, DeviceCondition.OFFLINE, _of_device(error, device), delivery)
        await asyncio.sleep(self._backoff.failed(random.random()))  # noqa: S311  jitter, not a secret

    def _delivered(self, device: Device, reading: Reading, delivery: Delivery) -> float:
        """Hand over a scan; gives how long to leave the device alone, in seconds."""
        self._vain = 0
        self._backoff.succeeded()
        delivery.scan(reading.scan)
        device.tally.readings += 1
        refused = reading.refused
        rest_s = 0.0
        if reading.nothing_came and not isinstance(refused, Busy):
            data = {} if refused is None else {"exception": refused.data["exception"]}
            refused = Refused(device.where, "driver.all_refused", **data)
            rest_s = device.backoff.failed(random.random())  # noqa: S311  jitter, not a secret
            device.tries = device.failures = 0
        elif device.suspect or device.state.condition is not DeviceCondition.ONLINE:
            device.answered()
        if refused is not None:
            self._tell(device, DeviceCondition.DEGRADED, refused, delivery)
        elif device.state.condition is not DeviceCondition.ONLINE:
            self._tell(device, DeviceCondition.ONLINE, None, delivery)
        return rest_s

    def _failed(self, device: Device, error: DriverError, delivery: Delivery) -> tuple[bool, float]:
        """Whether to ask again in this slot, else how long to leave the device alone, in seconds."""
        self._doubt(device)
        device.tries += 1
        if device.tries <= device.retries:
            return True, 0.0
        device.tries = 0
        device.failures += 1
        offline = device.failures >= OFFLINE_AFTER
        self._tell(device, DeviceCondition.OFFLINE if offline else DeviceCondition.DEGRADED, error, delivery)
        return False, device.backoff.failed(random.random()) if offline else 0.0  # noqa: S311

    def _doubt(self, device: Device) -> None:
        """Hang up where the stream makes no sense any more, or where even the well ones are silent.

        A half-open connection looks like silence for ever. A device that was silent before proves nothing
        against it, as long as somebody else on the line is well.
        """
        if device.failures < OFFLINE_AFTER or all(one.failures for one in self.devices):
            self._vain += 1
        if self._vain >= _GONE_AFTER or self._link is None or not self._link.connected:
            self._vain = 0
            self.hang_up()

    def _tell(
        self, device: Device, condition: DeviceCondition, error: DriverError | None, delivery: Delivery
    ) -> None:
        news = device.state.becomes(device.id, condition, error, self._clock_ms())
        if news is not None:
            delivery.news(news)

    # -- on request ---------------------------------------------------------------------------------------

    async def read(self, device: Device) -> Scan:
        """Poll one device now. Raises ``DriverError``."""
        async with self.dialled(device):
            with unwarned():
                return await self._read(device)

    async def _read(self, device: Device) -> Scan:
        for _ in range(device.retries):
            with contextlib.suppress(NoAnswer, Garbled):
                return (await self.poll(device)).scan
            await self.connect(device)
        return (await self.poll(device)).scan

    async def words(self, device: Device, table: Table, start: int, count: int) -> bytes:
        """Registers as they are, whatever the profile says. Raises ``DriverError``."""
        async with self.dialled(device):
            return await self.ask(device, question(device.where, device.unit, table, start, count))

    async def probe(self, device: Device) -> ProbeResult:
        """Ask for the profile's probe point alone. Raises ``DriverError``."""
        probe = device.profile.probe
        if probe is None:
            scan = await self.read(device)
            answered = int((scan.quality < Quality.MISSING).sum())
            return ProbeResult(device.id, answered > 0, "> 0", f"{answered}/{len(scan.values)}")
        point = register_points(device.profile, [probe.point])[0]
        plan = Plan.of(device.where, device.unit, plan_reads([point], device.limits))
        async with self.dialled(device):
            payloads = [await self.ask(device, one) for one in plan.questions]
        values, _ = plan.decoder.decode(payloads)
        shown = next(payload for payload, block in zip(payloads, plan.blocks, strict=True) if block.points)
        raw = struct.unpack(f">{len(shown) // 2}H", shown)
        fits = bool(probe.between[0] <= values[0] <= probe.between[1])
        expected = f"{probe.point} {probe.between[0]:g}..{probe.between[1]:g}"
        return ProbeResult(device.id, fits, expected, f"{values[0]:g}", raw)


def _of_device(error: Unreachable, device: Device) -> Unreachable:
    """The line's trouble, told of one of its devices."""
    data = {key: value for key, value in error.data.items() if key not in ("address", "device")}
    return Unreachable(Where(error.where.address, device.id), error.code, **data)
