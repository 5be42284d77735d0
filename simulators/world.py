"""Which devices there are: a world read from a site file or from a file of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from config.crosschecks import check_values
from config.explanations import explain
from config.loading import load_site
from config.positions import Source
from config.problems import ConfigurationError
from config.profiles import load_profile
from config.shapes import Shape
from config.site import Site
from config.syntax import read_tree
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.settings import Bus, Seconds, Settings
from simulators.building import DEFAULT_SEED, INSTALLED_S, Building
from simulators.fault_script import read_faults
from simulators.faults import FaultScript

PUBLISH_EVERY_S = 5.0
NO_FAULTS = FaultScript()


class WorldFile(Settings):
    """A world of devices without a site: its buses are written as a site file's are."""

    seed: int = Field(default=DEFAULT_SEED, ge=0)
    installed: AwareDatetime | None = Field(
        default=None, description="When every counter stood at 0; with offset."
    )
    publish_every_s: Seconds = PUBLISH_EVERY_S
    buses: tuple[Bus, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class World:
    """Devices to serve, and the building that feeds them.

    ``profiles`` : by the name that the devices use; ``folder`` : where secret files count from;
    ``hold_s`` : how long, in the world's time, an answer is given again at most: real meters measure
    afresh about once a second; ``zone`` : of the devices' local times.
    """

    buses: tuple[Bus, ...]
    profiles: dict[str, ModbusProfile | MqttProfile]
    folder: Path
    model: Building
    publish_every_s: float = PUBLISH_EVERY_S
    hold_s: float = 0.0
    faults: FaultScript = NO_FAULTS
    zone: str = "Asia/Taipei"

    def devices(self) -> Mapping[str, ModbusProfile | MqttProfile]:
        """Profile of each device, by the device's id."""
        return {device.id: self.profiles[device.profile] for bus in self.buses for device in bus.devices}

    def faults_of_file(self, path: Path) -> FaultScript:
        """The faults of a script, held against these devices. Raises ConfigurationError."""
        return read_faults(Source.read(path), self.devices())


def world_of_site(path: Path, seed: int | None = None, installed_s: float | None = None) -> World:
    """The devices that a site file names. Raises ConfigurationError."""
    loaded = load_site(path)
    site: Site = loaded.site
    return World(
        site.buses, loaded.profiles, loaded.folder, _model(seed, installed_s), zone=site.site.timezone
    )


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
