"""Modbus TCP: one connection an address, one task a connection, blocks decoded from the frame's bytes.

The only file that imports pymodbus. Its client frames and matches requests; a response class of ours
keeps the bytes of a block instead of a list of numbers, which is where most of the time went.
"""

import asyncio
import contextlib
import heapq
import logging
import random
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from drivers.contract import (
    Backoff,
    Delivery,
    DeviceCondition,
    DeviceNews,
    DriverError,
    Garbled,
    NoAnswer,
    ProbeResult,
    Refused,
    Unreachable,
    Where,
)
from drivers.modbus_profile import ModbusProfile, Table, register_points
from drivers.overrides import resolve
from drivers.planner import Block, plan_reads
from drivers.profile import is_counter
from drivers.registers import ScanDecoder
from drivers.settings import ModbusDevice, ModbusTcpBus
from rules.quality import Quality
from rules.scan import Layout, Scan

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what goes wrong is told by device, in words

OFFLINE_AFTER = 3
"""Failures in a row after which a device counts as offline, not merely degraded."""

_REQUESTS: dict[Table, type[ReadHoldingRegistersRequest]] = {
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}


class _BlockResponse(ModbusPDU):
    """Keeps a block's bytes. ``payload`` is empty when the frame's byte count does not fit."""

    rtu_byte_count_pos = 2
    payload = b""

    def decode(self, data: bytes) -> None:
        if data and data[0] == len(data) - 1:
            self.payload = data[1:]

    def __str__(self) -> str:  # built for a debug log on every answer, even when that is off
        return "block"


class _HoldingBlock(_BlockResponse):
    function_code = 3


class _InputBlock(_BlockResponse):
    function_code = 4


@dataclass(slots=True)
class _Device:
    """A device with everything resolved before the first poll."""

    settings: ModbusDevice
    profile: ModbusProfile
    layout: Layout
    blocks: tuple[Block, ...]
    decoder: ScanDecoder
    stamp_block: int  # the block whose answer gives the scan its instant: the first with a counter
    period_ms: int
    phase_ms: int
    backoff: Backoff = field(default_factory=Backoff)
    failures: int = 0
    condition: DeviceCondition | None = None
    error_code: str | None = None

    @property
    def unit(self) -> int:
        return self.settings.unit


def _device(bus: ModbusTcpBus, settings: ModbusDevice, profile: ModbusProfile) -> _Device:
    device = resolve(profile, settings)
    blocks = plan_reads(device.points, device.limits)
    period_ms = max(1, round((settings.every_s or bus.every_s) * 1000))
    with_counter = [i for i, b in enumerate(blocks) if any(is_counter(p.name) for p in b.points)]
    return _Device(
        settings=settings,
        profile=device.profile,
        layout=device.layout,
        blocks=blocks,
        decoder=ScanDecoder(blocks),
        stamp_block=with_counter[0] if with_counter else 0,
        period_ms=period_ms,
        # Stable and spread: a thousand devices never fire at once, and a restart changes nothing.
        phase_ms=zlib.crc32(settings.id.encode()) % period_ms,
    )


class ModbusTcpDriver:
    """Polls the devices of one Modbus TCP bus.

    Parameters
    ----------
    profiles : the bus's profiles by name.
    clock_ms : wall clock in milliseconds UTC; stamps readings and aligns polls.
    """

    def __init__(
        self,
        bus: ModbusTcpBus,
        profiles: Mapping[str, ModbusProfile],
        clock_ms: Callable[[], int],
    ) -> None:
        by_address: dict[tuple[str, int], list[_Device]] = {}
        for settings in bus.devices:
            address = (settings.host or bus.host or "", settings.port or bus.port)
            by_address.setdefault(address, []).append(_device(bus, settings, profiles[settings.profile]))
        self._lines = [
            _Line(host, port, bus.timeout_s, devices, clock_ms)
            for (host, port), devices in by_address.items()
        ]

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """What this bus's scans look like."""
        return tuple(device.layout for line in self._lines for device in line.devices)

    async def run(self, delivery: Delivery) -> None:
        """Poll for ever; an address that is dead delays no other."""
        async with asyncio.TaskGroup() as tasks:
            for line in self._lines:
                tasks.create_task(line.run(delivery), name=f"modbus {line.address}")

    async def read(self, device: str) -> list[Scan]:
        """Read one device once."""
        line, found = self._find(device)
        async with line.dialled(device):
            return [await line.poll(found)]

    async def probe(self, device: str) -> ProbeResult:
        """Read the profile's probe point and say whether it is in range."""
        line, found = self._find(device)
        async with line.dialled(device):
            return await line.probe(found)

    async def close(self) -> None:
        """Hang up everywhere."""
        for line in self._lines:
            line.hang_up()

    def _find(self, device: str) -> tuple["_Line", _Device]:
        for line in self._lines:
            for candidate in line.devices:
                if candidate.settings.id == device:
                    return line, candidate
        raise KeyError(device)


class _Line:
    """One TCP address and the units behind it, asked in turn."""

    def __init__(
        self,
        host: str,
        port: int,
        timeout_s: float,
        devices: Sequence[_Device],
        clock_ms: Callable[[], int],
    ) -> None:
        self.address = f"{host}:{port}"
        self.devices = tuple(devices)
        self._clock_ms = clock_ms
        self._timeout_s = timeout_s
        self._backoff = Backoff()
        self._client: AsyncModbusTcpClient | None = None
        self._host, self._port = host, port

    # -- the connection -----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def dialled(self, device: str) -> AsyncIterator[None]:
        """Connect for one question, and hang up."""
        try:
            await self._dial(device)
            yield
        finally:
            self.hang_up()

    async def _dial(self, device: str) -> None:
        if self._client is not None and self._client.connected:
            return
        self.hang_up()
        client = AsyncModbusTcpClient(
            self._host, port=self._port, timeout=self._timeout_s, retries=0, reconnect_delay=0
        )
        client.register(_HoldingBlock)
        client.register(_InputBlock)
        self._client = client
        try:
            connected = await client.connect()
        except (OSError, ValueError):  # a name that no resolver takes is a ValueError
            connected = False
        if not connected:
            self.hang_up()
            raise Unreachable(Where(self.address, device))

    def hang_up(self) -> None:
        """Close the socket; a late answer can never meet a later question."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # -- polling ------------------------------------------------------------------------------------

    async def run(self, delivery: Delivery) -> None:
        """Poll the units in the order in which they are due."""
        loop = asyncio.get_running_loop()
        # Aligned to the wall clock, waited for on the monotonic one: a clock that is set silences nobody.
        due = [(loop.time() + self._until_due_s(device), i) for i, device in enumerate(self.devices)]
        heapq.heapify(due)
        try:
            while True:
                due_s, index = heapq.heappop(due)
                device = self.devices[index]
                await asyncio.sleep(max(due_s - loop.time(), 0))
                penalty_s = await self._poll_and_tell(device, delivery)
                next_s = loop.time() + penalty_s + self._until_due_s(device, penalty_s)
                heapq.heappush(due, (next_s, index))
        finally:
            self.hang_up()

    def _until_due_s(self, device: _Device, after_s: float = 0.0) -> float:
        """Seconds to the next instant that is aligned to the device's period and phase."""
        at_ms = self._clock_ms() + round(after_s * 1000)
        return (device.period_ms - (at_ms - device.phase_ms) % device.period_ms) / 1000

    async def _poll_and_tell(self, device: _Device, delivery: Delivery) -> float:
        """Poll one device; returns how long to leave it alone, in seconds."""
        try:
            await self._connected(device, delivery)
            scan = await self.poll(device)
        except Unreachable as error:
            if not isinstance(error, NoAnswer):
                return 0  # the whole line is down; _connected has told and waited
            return self._failed(device, error, delivery)
        except DriverError as error:
            return self._failed(device, error, delivery)
        delivery.scan(scan)
        device.failures = 0
        device.backoff.succeeded()
        if (scan.quality == Quality.MISSING).all() and len(scan.quality):
            refused = Refused(Where(self.address, device.settings.id), "driver.all_refused")
            self._tell(device, DeviceCondition.DEGRADED, refused, delivery)
        else:
            self._tell(device, DeviceCondition.ONLINE, None, delivery)
        return 0

    async def _connected(self, device: _Device, delivery: Delivery) -> None:
        try:
            await self._dial(device.settings.id)
        except Unreachable:
            for other in self.devices:
                told = Unreachable(Where(self.address, other.settings.id))
                self._tell(other, DeviceCondition.OFFLINE, told, delivery)
            await asyncio.sleep(self._backoff.failed(random.random()))  # noqa: S311  jitter, not a secret
            raise
        self._backoff.succeeded()

    def _failed(self, device: _Device, error: DriverError, delivery: Delivery) -> float:
        self.hang_up()
        device.failures += 1
        offline = device.failures >= OFFLINE_AFTER
        condition = DeviceCondition.OFFLINE if offline else DeviceCondition.DEGRADED
        self._tell(device, condition, error, delivery)
        if not offline:
            return 0
        return device.backoff.failed(random.random())  # noqa: S311  jitter, not a secret

    def _tell(
        self, device: _Device, condition: DeviceCondition, error: DriverError | None, delivery: Delivery
    ) -> None:
        code = error.code if error else None
        if (condition, code) != (device.condition, device.error_code):
            device.condition, device.error_code = condition, code
            delivery.news(DeviceNews(device.settings.id, condition, error))

    # -- asking -------------------------------------------------------------------------------------

    async def poll(self, device: _Device) -> Scan:
        """Read every block of a device. A refused block's points are MISSING, the others go on."""
        payloads: list[bytes | None] = []
        at_ms = 0
        for i, block in enumerate(device.blocks):
            if i and device.profile.limits.pause_ms:
                await asyncio.sleep(device.profile.limits.pause_ms / 1000)
            try:
                payloads.append(await self._ask(device, block))
            except Refused:
                payloads.append(None)
            if i <= device.stamp_block:
                at_ms = self._clock_ms()
        return Scan(device.layout, at_ms, *device.decoder.decode(payloads))

    async def probe(self, device: _Device) -> ProbeResult:
        """Ask for the probe's value alone."""
        probe = device.profile.probe
        where = Where(self.address, device.settings.id)
        if probe is None:
            scan = await self.poll(device)
            answered = int((scan.quality < Quality.MISSING).sum())
            return ProbeResult(device.settings.id, answered > 0, "> 0", f"{answered}/{len(scan.values)}")
        point = register_points(device.profile, [probe.point])[0]
        (block,) = plan_reads([point], device.profile.limits)
        expected = f"{probe.point} {probe.between[0]:g}..{probe.between[1]:g}"
        payload = await self._ask(device, block)
        values, _ = ScanDecoder([block]).decode([payload])
        raw = struct.unpack(f">{len(payload) // 2}H", payload)
        fits = bool(probe.between[0] <= values[0] <= probe.between[1])
        return ProbeResult(where.device, fits, expected, f"{values[0]:g}", raw)

    async def _ask(self, device: _Device, block: Block) -> bytes:
        where = Where(self.address, device.settings.id)
        client = self._client
        if client is None:
            raise Unreachable(where)
        request = _REQUESTS[block.table](address=block.start, count=block.count, dev_id=device.unit)
        try:
            answer = await client.execute(False, request)
        except ModbusException as error:
            if client.connected:
                raise NoAnswer(where, timeout_s=self._timeout_s) from error
            raise NoAnswer(where, code="driver.hung_up") from error
        if answer.isError():
            raise Refused(where, exception=answer.exception_code)
        if answer.dev_id != device.unit or answer.transaction_id != request.transaction_id:
            raise Garbled(where, "driver.foreign_answer", found=answer.dev_id, expected=device.unit)
        payload = getattr(answer, "payload", b"")
        if answer.function_code != request.function_code or len(payload) != 2 * block.count:
            raise Garbled(where, "driver.wrong_size", found=len(payload), expected=2 * block.count)
        return bytes(payload)
