"""Which devices there are: a world read from a site file or from a file of its own, and its serving."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from config.crosschecks import check_values
from config.explanations import explain
from config.loading import load_site
from config.positions import Source
from config.problems import ConfigurationError
from config.profiles import load_profile
from config.secrets import reveal
from config.shapes import Shape
from config.site import Site
from config.syntax import read_tree
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.settings import Bus, ModbusTcpBus, MqttBus, Seconds, Settings
from simulators.building import DEFAULT_SEED, INSTALLED_S, Building
from simulators.clock import WorldClock
from simulators.devices import SimulatedDevice
from simulators.modbus_server import ModbusServer
from simulators.mqtt_publisher import MqttPublisher, PublishingDevice

PUBLISH_EVERY_S = 5.0


class WorldFile(Settings):
    """A world of devices without a site: its buses are written as a site file's are."""

    seed: int = Field(default=DEFAULT_SEED, ge=0)
    installed: datetime | None = Field(
        default=None, description="When every counter stood at 0; with offset."
    )
    publish_every_s: Seconds = PUBLISH_EVERY_S
    buses: tuple[Bus, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class World:
    """Devices to serve, and the building that feeds them.

    ``profiles`` : by the name that the devices use; ``folder`` : where secret files
    count from; ``hold_s`` : see ``SimulatedDevice``.
    """

    buses: tuple[Bus, ...]
    profiles: dict[str, ModbusProfile | MqttProfile]
    folder: Path
    model: Building
    publish_every_s: float = PUBLISH_EVERY_S
    hold_s: float = 0.0


class ServingError(Exception):
    """A world that cannot be served; ``code`` names the text in the word catalogue, ``data`` fills it."""

    def __init__(self, code: str, **data: object) -> None:
        self.code = code
        self.data = data
        super().__init__(f"{code}: {data}")


def world_of_site(path: Path, seed: int | None = None, installed_s: float | None = None) -> World:
    """The devices that a site file names. Raises ConfigurationError."""
    loaded = load_site(path)
    site: Site = loaded.site
    return World(site.buses, loaded.profiles, loaded.folder, _model(seed, installed_s))


def world_of_file(path: Path, seed: int | None = None, installed_s: float | None = None) -> World:
    """The devices of a world file; what is given here goes before what it says. Raises ConfigurationError."""
    source = Source.read(path)
    root, problems = read_tree(source)
    if root is None:
        raise ConfigurationError(problems)
    problems += check_values(root, Shape.of(WorldFile), source)
    try:
        said = WorldFile.model_validate(root.data())
    except ValidationError as error:
        raise ConfigurationError([*problems, *explain(error, root, WorldFile, source)]) from None
    if problems:
        raise ConfigurationError(problems)
    names = {device.profile for bus in said.buses for device in bus.devices}
    if installed_s is None and said.installed is not None:
        installed_s = said.installed.timestamp()
    return World(
        buses=said.buses,
        profiles={name: load_profile(name, path.parent) for name in sorted(names)},
        folder=path.parent,
        model=_model(said.seed if seed is None else seed, installed_s),
        publish_every_s=said.publish_every_s,
    )


def _model(seed: int | None, installed_s: float | None) -> Building:
    return Building(
        DEFAULT_SEED if seed is None else seed, INSTALLED_S if installed_s is None else installed_s
    )


async def serve(world: World, clock: WorldClock, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve every device until ``stop`` is set; ``ready`` is called when every port listens.

    Raises
    ------
    ServingError : an address cannot be listened on, or two devices claim the same one.
    """
    if clock.now_s() < world.model.installed_s:
        raise ServingError("simulators.not_installed_yet")
    publishers = list(_publishers(world, clock))
    servers: list[ModbusServer] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        for (host, port), devices in _by_address(world).items():
            server = ModbusServer(devices, clock.now_s)
            servers.append(server)
            await _listen(server, host, port)
        world.model.at(clock.now_s())  # adds up the past before the first poll has to wait for it
        tasks += [asyncio.create_task(publisher.run()) for publisher in publishers]
        ready()
        await _until_stopped(stop, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in servers:
            await server.close()


async def _until_stopped(stop: asyncio.Event, tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for ``stop``, or raise what broke a publisher."""
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    for task in done:
        task.result()


async def _listen(server: ModbusServer, host: str, port: int) -> None:
    try:
        await server.start(host, port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServingError("simulators.cannot_listen", address=f"{host}:{port}", reason=reason) from error


def _by_address(world: World) -> dict[tuple[str, int], dict[int, SimulatedDevice]]:
    found: dict[tuple[str, int], dict[int, SimulatedDevice]] = {}
    for bus in world.buses:
        if not isinstance(bus, ModbusTcpBus):
            continue
        for device in bus.devices:
            host, port = device.host or bus.host or "", device.port or bus.port
            units = found.setdefault((host, port), {})
            if device.unit in units:
                raise ServingError(
                    "simulators.same_unit",
                    address=f"{host}:{port}",
                    unit=device.unit,
                    first=units[device.unit].id,
                    second=device.id,
                )
            profile = world.profiles[device.profile]
            assert isinstance(profile, ModbusProfile)  # noqa: S101  loading has checked it
            units[device.unit] = SimulatedDevice(
                device.id, profile, world.model, device.word_order, world.hold_s
            )
    return found


def _publishers(world: World, clock: WorldClock) -> Iterable[MqttPublisher]:
    for bus in world.buses:
        if not isinstance(bus, MqttBus):
            continue
        devices = []
        for device in bus.devices:
            profile = world.profiles[device.profile]
            assert isinstance(profile, MqttProfile)  # noqa: S101  loading has checked it
            devices.append(PublishingDevice(device, profile, world.model))
        password = reveal(bus.password, world.folder) if bus.password else None
        yield MqttPublisher(bus, devices, clock.now_s, world.publish_every_s, password)
