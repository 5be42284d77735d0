"""Serving a world: every port and publisher of its devices, their faults, and the control channel."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from config.secrets import reveal
from config.words import preferred_language
from drivers.mqtt_profile import MqttProfile
from drivers.overrides import overridden
from drivers.settings import ModbusSerialBus, MqttBus
from simulators.clock import WorldClock
from simulators.control import HOST, ControlChannel
from simulators.lines import Service, ServingError, answering, lines_of, listening
from simulators.message_faults import FaultyPublisher
from simulators.modbus_server import KeptAnswers
from simulators.mqtt_publisher import MqttPublisher, Publishes, PublishingDevice
from simulators.sparkplug import SparkplugNode
from simulators.standing import DeviceFaults, FaultBook
from simulators.value_faults import FaultyReadings
from simulators.world import World

Ready = Callable[[int | None, Mapping[str, str]], None]
"""Told when everything listens: the control channel's port, and the path of each serial line by its bus."""


async def serve(
    world: World,
    clock: WorldClock,
    ready: Ready,
    stop: asyncio.Event,
    service: Service,
) -> None:
    """Serve every device until ``stop`` is set.

    Parameters
    ----------
    ready : called when every port and line listens.

    Raises
    ------
    ServingError : an address or line cannot be listened on, or two devices claim the same one.
    """
    if clock.now_s() < world.model.installed_s:
        raise ServingError("simulators.not_installed_yet")
    book = FaultBook(world.devices(), clock.now_s(), world.faults.seed)
    book.take(world.faults)
    kept = KeptAnswers(world.hold_s / clock.speed)
    publishers = list(_publishers(world, clock, book))
    async with AsyncExitStack() as open_parts:
        for line in lines_of(world, book, service):
            server = await answering(line, clock.now_s, book, kept, service)
            open_parts.push_async_callback(server.close)
        kept.start()
        open_parts.callback(kept.stop)
        control_port = service.control_port
        if control_port is not None:
            language = preferred_language()
            channel = ControlChannel(book, world.devices(), clock.now_s, kept.forget, language)
            open_parts.push_async_callback(channel.close)
            control_port = await listening(channel.start(control_port), f"{HOST}:{control_port}")
        world.model.at(clock.now_s())  # adds up the past before the first poll has to wait for it
        tasks = [asyncio.create_task(publisher.run()) for publisher in publishers]
        ready(control_port, _paths(world, service))
        try:
            await _until_stopped(stop, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _paths(world: World, service: Service) -> dict[str, str]:
    """By which path each serial bus is served."""
    serial = [bus for bus in world.buses if isinstance(bus, ModbusSerialBus)]
    return {bus.id: str(service.lines.get(bus.id, bus.line)) for bus in serial}


async def _until_stopped(stop: asyncio.Event, tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for ``stop``, or raise what broke a publisher."""
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    for task in done:
        task.result()


def _disobeys(faults: DeviceFaults, clock: WorldClock) -> bool:
    """Whether a device that publishes takes the command that comes now and does not do it."""
    return bool(faults.write) and faults.disobeys(clock.now_s()) is not None


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
            faults = book.of(settings.id)
            device = make(nodes, partial(_disobeys, faults, clock))
            device.telemetry = FaultyReadings(device.telemetry, faults, world.model, profile)
            devices.append(FaultyPublisher(device, make, faults))
        password = reveal(bus.password, world.folder) if bus.password else None
        yield MqttPublisher(bus, devices, clock.now_s, world.publish_every_s, password, nodes)
