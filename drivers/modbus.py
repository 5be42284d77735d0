"""Modbus over TCP, TLS, a serial line, or serial frames through a socket: one task a line.

``modbus_link`` is the wire, ``modbus_line`` asks a line's devices in turn, ``modbus_schedule`` says whose
turn it is, ``modbus_poll`` is one poll of one device, ``modbus_writing`` one write, ``modbus_device`` what is
known of a device.
"""

import asyncio
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from drivers.contract import Backoff, Counts, Delivery, ProbeResult, Where, Written
from drivers.modbus_device import Device, Plan
from drivers.modbus_line import Line
from drivers.modbus_link import LineCounts, Transport, serial_transport, socket_transport
from drivers.modbus_profile import ModbusProfile, Table
from drivers.modbus_schedule import Alarms, Lateness
from drivers.modbus_writing import show, words_for, write
from drivers.overrides import resolve
from drivers.planner import plan_reads
from drivers.settings import ModbusBus, ModbusDevice, ModbusRtuTcpBus, ModbusSerialBus
from rules.scan import Layout, Scan

_log = logging.getLogger(__name__)

PHASE_STEP_MS = 20
"""A few devices wake together: at a thousand polls a second, waking for each alone costs twice as much."""


def phase_ms(device: str, period_ms: int) -> int:
    """A device's place in the period: spread, so that a thousand never fire at once, and always the same."""
    return zlib.crc32(device.encode()) % period_ms // PHASE_STEP_MS * PHASE_STEP_MS


def _device(address: str, bus: ModbusBus, settings: ModbusDevice, profile: ModbusProfile) -> Device:
    resolved = resolve(profile, settings)
    where = Where(address, settings.id)
    period_ms = max(1, round((settings.every_s or bus.every_s) * 1000))
    return Device(
        settings=settings,
        profile=resolved.profile,
        limits=resolved.limits,
        layout=resolved.layout,
        where=where,
        whole=Plan.of(where, settings.unit, plan_reads(resolved.points, resolved.limits)),
        period_ms=period_ms,
        phase_ms=phase_ms(settings.id, period_ms),
        timeout_s=settings.timeout_s or bus.timeout_s,
        retries=bus.retries if settings.retries is None else settings.retries,
    )


def _transports(bus: ModbusBus, folder: Path) -> Iterator[tuple[Transport, list[ModbusDevice]]]:
    """Each line of a bus, and who is on it."""
    if isinstance(bus, ModbusSerialBus):
        yield serial_transport(bus), list(bus.devices)
        return
    by_address: dict[tuple[str, int], list[ModbusDevice]] = {}
    for settings in bus.devices:
        address = (settings.host or bus.host or "", settings.port or bus.port)
        by_address.setdefault(address, []).append(settings)
    for (host, port), devices in by_address.items():
        if isinstance(bus, ModbusRtuTcpBus):
            yield socket_transport(host, port, rtu=True), devices
        else:
            yield socket_transport(host, port, tls=bus.tls, folder=folder), devices


async def _kept_up(line: Line, delivery: Delivery) -> None:
    """Run a line for ever: a defect that one address brings to light stops no other."""
    backoff = Backoff()
    while True:
        try:
            await line.run(delivery)
        except Exception:  # noqa: BLE001  whatever it is, the other lines go on
            _log.exception("%s: the line failed and is started again", line.address)
        line.hang_up()
        await asyncio.sleep(backoff.failed(0.5))


class ModbusDriver:
    """Polls the devices of one Modbus bus, whatever carries it.

    Parameters
    ----------
    profiles : the bus's profiles by name.
    clock_ms : wall clock in milliseconds UTC; stamps readings and aligns polls.
    folder : where relative paths of certificates count from.

    Attributes
    ----------
    lateness : how late polls began, over all lines.
    """

    def __init__(
        self,
        bus: ModbusBus,
        profiles: Mapping[str, ModbusProfile],
        clock_ms: Callable[[], int],
        folder: Path = Path(),
    ) -> None:
        self.lateness, alarms = Lateness(), Alarms()
        self._clock_ms = clock_ms
        self.lines = tuple(
            Line(
                transport,
                bus,
                [_device(transport.address, bus, one, profiles[one.profile]) for one in devices],
                clock_ms,
                self.lateness,
                alarms,
            )
            for transport, devices in _transports(bus, folder)
        )

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """What this bus's scans look like."""
        return tuple(device.layout for line in self.lines for device in line.devices)

    @property
    def counts(self) -> LineCounts:
        """What all lines saw together."""
        names = [one.name for one in fields(LineCounts) if one.type in (int, "int")]
        return LineCounts(**{name: sum(getattr(line.counts, name) for line in self.lines) for name in names})

    def device_counts(self) -> dict[str, Counts]:
        """What was seen of each device."""
        return {
            device.id: device.tally.counts(line.counts.dials)
            for line in self.lines
            for device in line.devices
        }

    async def run(self, delivery: Delivery) -> None:
        """Poll for ever; an address that is dead delays no other."""
        async with asyncio.TaskGroup() as tasks:
            for line in self.lines:
                tasks.create_task(_kept_up(line, delivery), name=f"modbus {line.address}")

    async def read(self, device: str) -> list[Scan]:
        """Read one device once."""
        line, found = self._find(device)
        return [await line.read(found)]

    async def words(self, device: str, table: Table, start: int, count: int) -> bytes:
        """Registers of a device as they are, two bytes each. Raises ``DriverError``.

        Parameters
        ----------
        start : wire address of the first.
        """
        line, found = self._find(device)
        return await line.words(found, table, start, count)

    async def show(self, device: str, point: str, *, own: bool = False) -> float:
        """What a device goes by for a writable point, or what stands in the point itself."""
        line, found = self._find(device)
        return await show(line, found, point, own=own)

    def check_back(self, device: str, point: str, value: float) -> None:
        """Whether a value could be handed back."""
        words_for(self._find(device)[1], point, value, own=True)

    async def write(self, device: str, point: str, value: float, *, own: bool = False) -> Written:
        """Write a point and read it back."""
        line, found = self._find(device)
        return await write(line, found, point, value, self._clock_ms, own=own)

    async def probe(self, device: str) -> ProbeResult:
        """Read the profile's probe point and say whether it is in range."""
        line, found = self._find(device)
        return await line.probe(found)

    async def close(self) -> None:
        """Hang up everywhere."""
        for line in self.lines:
            line.hang_up()

    def _find(self, device: str) -> tuple[Line, Device]:
        for line in self.lines:
            for candidate in line.devices:
                if candidate.id == device:
                    return line, candidate
        raise KeyError(device)
