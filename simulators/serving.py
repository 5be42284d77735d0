"""Serving a world: every port and publisher of its devices, their faults, and the control channel."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from config.secrets import reveal
from config.words import preferred_language
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.overrides import overridden
from drivers.settings import ModbusTcpBus, MqttBus
from simulators.clock import WorldClock
from simulators.conformance import PymodbusServer
from simulators.control import HOST, ControlChannel
from simulators.devices import SimulatedDevice
from simulators.message_faults import FaultyPublisher
from simulators.modbus_server import KeptAnswers, ModbusServer
from simulators.mqtt_publisher import MqttPublisher, Publishes, PublishingDevice
from simulators.sparkplug import SparkplugNode
from simulators.standing import FaultBook
from simulators.value_faults import FaultyReadings
from simulators.world import World

ServerKind = Literal["own", "pymodbus"]


@dataclass(frozen=True, slots=True)
class Service:
    """How a world is served.

    control_port : of the control channel; 0 = any that is free, None = none.
    server : whose Modbus server; pymodbus's own knows no faults on the wire and keeps no answers.
    """

    control_port: int | None = None
    server: ServerKind = "own"


class ServingError(Exception):
    """A world that cannot be served; ``code`` names the text in the word catalogue, ``data`` fills it."""

    def __init__(self, code: str, **data: object) -> None:
        self.code = code
        self.data = data
        super().__init__(f"{code}: {data}")


class _Server(Protocol):
    async def start(self, host: str, port: int) -> int: ...
    async def close(self) -> None: ...


async def serve(
    world: World,
    clock: WorldClock,
    ready: Callable[[int | None], None],
    stop: asyncio.Event,
    service: Service,
) -> None:
    """Serve every device until ``stop`` is set.

    Parameters
    ----------
    ready : called when every port listens, with the control channel's port.

    Raises
    ------
    ServingError : an address cannot be listened on, or two devices claim the same one.
    """
    if clock.now_s() < world.model.installed_s:
        raise ServingError("simulators.not_installed_yet")
    book = FaultBook(world.devices(), clock.now_s(), world.faults.seed)
    book.take(world.faults)
    kept = KeptAnswers(world.hold_s / clock.speed)
    publishers = list(_publishers(world, clock, book))
    async with AsyncExitStack() as open_parts:
        for (host, port), devices in _by_address(world, book, service).items():
            server: _Server = ModbusServer(devices, clock.now_s, book, kept)
            if service.server == "pymodbus":
                server = PymodbusServer(devices, clock.now_s)
            open_parts.push_async_callback(server.close)
            await _listening(server.start(host, port), f"{host}:{port}")
        kept.start()
        open_parts.callback(kept.stop)
        control_port = service.control_port
        if control_port is not None:
            language = preferred_language()
            channel = ControlChannel(book, world.devices(), clock.now_s, kept.forget, language)
            open_parts.push_async_callback(channel.close)
            control_port = await _listening(channel.start(control_port), f"{HOST}:{control_port}")
        world.model.at(clock.now_s())  # adds up the past before the first poll has to wait for it
        tasks = [asyncio.create_task(publisher.run()) for publisher in publishers]
        ready(control_port)
        try:
            await _until_stopped(stop, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _listening(starting: Awaitable[int], address: str) -> int:
    try:
        return await starting
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServingError("simulators.cannot_listen", address=address, reason=reason) from error


async def _until_stopped(stop: asyncio.Event, tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for ``stop``, or raise what broke a publisher."""
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    for task in done:
        task.result()


def _by_address(
    world: World, book: FaultBook, service: Service
) -> dict[tuple[str, int], dict[int, SimulatedDevice]]:
    found: dict[tuple[str, int], dict[int, SimulatedDevice]] = {}
    for bus in world.buses:
        if not isinstance(bus, ModbusTcpBus):
            continue
        for settings in bus.devices:
            host, port = settings.host or bus.host or "", settings.port or bus.port
            units = found.setdefault((host, port), {})
            if settings.unit in units:
                raise ServingError(
                    "simulators.same_unit",
                    address=f"{host}:{port}",
                    unit=settings.unit,
                    first=units[settings.unit].id,
                    second=settings.id,
                )
            profile = world.profiles[settings.profile]
            assert isinstance(profile, ModbusProfile)  # noqa: S101  loading has checked it
            profile = overridden(profile, settings)
            # Our own server keeps whole frames; a second keeping below it would only age them.
            hold_s = world.hold_s if service.server == "pymodbus" else 0.0
            device = SimulatedDevice(settings.id, profile, world.model, hold_s=hold_s)
            device.telemetry = FaultyReadings(device.telemetry, book.of(settings.id), world.model, profile)
            units[settings.unit] = device
    return found


def _publishers(world: World, clock: WorldClock, book: FaultBook) -> Iterable[MqttPublisher]:
    for bus in world.buses:
        if not isinstance(bus, MqttBus):
            continue
        devices: list[Publishes] = []
        nodes: dict[tuple[str, str], SparkplugNode] = {}
        for settings in bus.devices:
            profile = world.profiles[settings.profile]
            assert isinstance(profile, MqttProfile)  # noqa: S101  loading has checked it
            profile = overridden(profile, settings)
            make = partial(PublishingDevice, settings, profile, world.model, world.zone)
            device = make(nodes)
            faults = book.of(settings.id)
            device.telemetry = FaultyReadings(device.telemetry, faults, world.model, profile)
            devices.append(FaultyPublisher(device, make, faults))
        password = reveal(bus.password, world.folder) if bus.password else None
        yield MqttPublisher(bus, devices, clock.now_s, world.publish_every_s, password, nodes)
