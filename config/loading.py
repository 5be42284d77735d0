"""Reading ``site.yaml``: everything that is wrong at once, or a site that can be run."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from config.concealment import conceal
from config.crosschecks import check_site, check_values
from config.curtailment_checks import around, check_curtailment
from config.explanations import covered, explain
from config.limiter_checks import check_limiter
from config.office_days import check_calendar
from config.openadr_checks import check_openadr
from config.plan_files import read_plans, with_plans
from config.positions import Node, Source
from config.problems import ConfigurationError, Problem
from config.profiles import (
    ReadProfile,
    other_version,
    profile_hint,
    profile_path,
    read_profile,
    split_version,
)
from config.shapes import Shape
from config.site import Site
from config.supply import make_supply, read_supply
from config.syntax import read_tree
from config.tls_checks import check_tls
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.overrides import overridden
from drivers.settings import Bus, ModbusDevice, MqttBus, MqttDevice
from rules.tariff.terms import Supply


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """A device where it is: its bus, what the site file says of it, and its profile as this device has it."""

    bus: Bus
    settings: ModbusDevice | MqttDevice
    profile: ModbusProfile | MqttProfile


@dataclass(frozen=True, slots=True)
class LoadedSite:
    """A site file that holds together, with everything that it names.

    Attributes
    ----------
    path : the site file.
    site : what it says.
    profiles : the profiles that its devices use, by the name that the devices use.
    store_path : file of the store; a relative path counts from the site file's folder.
    digest : SHA-256 of the site file's bytes, hexadecimal.
    supply : its tariffs and contracts; None where it names no tariff.
    warnings : what may be wrong but hinders nothing, such as a secret that is not there yet.
    """

    path: Path
    site: Site
    profiles: dict[str, ModbusProfile | MqttProfile]
    store_path: Path
    digest: str
    supply: Supply | None = None
    warnings: tuple[Problem, ...] = ()

    @property
    def folder(self) -> Path:
        """Where relative paths of the site file count from."""
        return self.path.parent

    def placed(self) -> dict[str, PlacedDevice]:
        """Every device by its id. Made at each call: a caller with many questions asks once."""
        return {
            device.id: PlacedDevice(bus, device, overridden(self.profiles[device.profile], device))
            for bus in self.site.buses
            for device in bus.devices
        }


def every_s(device: PlacedDevice) -> float:
    """How often a device that is polled is read: its own period, else its bus's. ValueError for others."""
    if isinstance(device.settings, MqttDevice) or isinstance(device.bus, MqttBus):
        raise ValueError(f"{device.settings.id} is not polled")  # noqa: TRY004  a question to the wrong device
    return device.settings.every_s or device.bus.every_s


def load_site(path: Path, checked_at_s: float | None = None) -> LoadedSite:
    """Read a site file and the profiles that it names.

    Parameters
    ----------
    checked_at_s : seconds since 1970-01-01 UTC, where certificates are to be judged too, as ``check`` does.

    Raises
    ------
    ConfigurationError
        With everything that is wrong in the site file and in its profiles, each with its place.
    """
    source = _site_source(path)
    root, problems = read_tree(source)
    if root is None:
        raise ConfigurationError(problems)
    conceal(root, Shape.of(Site), source)
    problems += check_values(root, Shape.of(Site), source)
    profiles, found = _profiles_of(root, source, path.parent)
    problems += found + check_site(root, source, path.parent, profiles)
    problems += check_calendar(root, source, path.parent)
    beside = around(root, path.parent, profiles)
    problems += check_curtailment(root, source, beside)
    plans, found = read_plans(root, source, beside)
    problems += found
    problems += check_limiter(root, source, [plan.id for plan in plans])
    problems += check_openadr(root, source, path.parent, plans)
    problems += check_tls(root, source, path.parent, checked_at_s)
    files, found = read_supply(root, source, path.parent)
    problems += found
    site = None
    try:
        site = Site.model_validate(root.data())
    except ValidationError as error:
        explained = explain(error, root, Site, source)
        problems += [problem for problem in explained if not covered(problem, problems + explained)]
    if site is None or any(not problem.warning for problem in problems):
        raise ConfigurationError(_site_first(problems, source))
    return LoadedSite(
        path=path,
        site=with_plans(site, plans),
        profiles=profiles,
        store_path=path.parent / site.store.path,
        digest=source.digest,
        supply=make_supply(site, files),
        warnings=tuple(problems),
    )


def _site_source(path: Path) -> Source:
    try:
        return Source.read(path)
    except ConfigurationError as error:
        # Where it is the site file that is missing, there is more to say than of any file.
        cures = {"config.no_file": "config.no_site_file", "config.is_folder": "config.site_is_folder"}
        problems = [
            replace(problem, code=cures.get(problem.code, problem.code)) for problem in error.problems
        ]
        raise ConfigurationError(problems) from None


def _site_first(problems: Iterable[Problem], source: Source) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.place.file != source.file)


def _profiles_of(
    root: Node, source: Source, base: Path
) -> tuple[dict[str, ModbusProfile | MqttProfile], list[Problem]]:
    """The profiles that devices name, and what is wrong with them. A bad profile is reported once."""
    profiles: dict[str, ModbusProfile | MqttProfile] = {}
    problems: list[Problem] = []
    read: dict[str, ReadProfile | None] = {}
    for device in (device for bus in root.entries("buses") for device in bus.entries("devices")):
        node = device.get("profile")
        name = node.text if node is not None else None
        if node is None or not name:
            continue
        path, (wish, _) = profile_path(name, base), split_version(name)
        if path is None or not path.is_file():
            code = "config.unknown_profile" if path is None else "config.no_profile_file"
            hint = profile_hint(wish) if path is None else None
            problems.append(Problem(code, source.place(node.span), node.path, {"profile": wish}, hint))
            continue
        if wish not in read:
            read[wish] = _read(wish, base, problems)
        found = read[wish]
        if found is not None:
            other = other_version(name, found.profile, source.place(node.span), node.path)
            problems += [other] if other is not None else []
            profiles[name] = found.profile
    return profiles, problems


def _read(name: str, base: Path, problems: list[Problem]) -> ReadProfile | None:
    """Read a profile; what is wrong or doubtful in it is added to the problems."""
    try:
        read = read_profile(name, base)
    except ConfigurationError as error:
        problems += error.problems
        return None
    problems += read.warnings
    return read
