"""What devices and their buses must be: an address of their own, and a profile and overrides that fit.

The checks read the site file's nodes and the profiles that could be read.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from config.checking import number_of
from config.hosts import host_fault
from config.positions import Node, Source
from config.problems import Problem, did_you_mean
from config.profile_checks import PointChecks
from config.register_checks import Lie, lies
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.overrides import overridden
from drivers.settings import ModbusDevice
from drivers.sparkplug import is_sparkplug

Profiles = Mapping[str, ModbusProfile | MqttProfile]

_DEFAULT_PORTS = {"modbus_tcp": 502, "modbus_rtu_tcp": 502, "mqtt": 1883}
_KINDS = (*_DEFAULT_PORTS, "modbus_rtu")


def devices_of(root: Node) -> list[tuple[Node, Node]]:
    """Every device of a site with its bus."""
    return [
        (bus, device)
        for bus in root.entries("buses")
        for device in bus.entries("devices")
        if device.mapping is not None
    ]


def check_devices(root: Node, source: Source, profiles: Profiles) -> list[Problem]:
    """Everything about buses and devices that does not fit together.

    Parameters
    ----------
    profiles : those that could be read, by the name that devices use; others are not judged again.
    """
    checks = _DeviceChecks(root, source, profiles)
    return [
        *checks.hosts(),
        *checks.transports(),
        *checks.device_points(),
        *checks.overrides(),
        *checks.addresses(),
        *checks.topics(),
        *checks.broker_logins(),
    ]


class _DeviceChecks(PointChecks):
    def __init__(self, root: Node, source: Source, profiles: Profiles) -> None:
        super().__init__(root, source)
        self.profiles = profiles
        self.buses = root.entries("buses")
        self.devices = devices_of(root)

    def hosts(self) -> Iterator[Problem]:
        for holder in (*self.buses, *(device for _, device in self.devices)):
            host = holder.get("host")
            if host is not None and host.text is not None:
                code = host_fault(host.text)
                if code:
                    yield self.at(code, host, host=host.text)
        for bus, device in self.devices:
            if bus.word("kind") not in {"modbus_tcp", "modbus_rtu_tcp"}:
                continue
            if not _says(bus, "host") and not _says(device, "host"):
                place = self.source.place(device.span)
                yield Problem("config.no_host", place, (*device.path, "host"))

    def transports(self) -> Iterator[Problem]:
        for bus, device in self.devices:
            profile, kind = self._profile(device), bus.word("kind")
            if profile is None or kind not in _KINDS:
                continue
            if not kind.startswith(profile.transport):
                node = device.mapping["profile"]  # type: ignore[index]
                data: dict[str, Any] = {"profile": node.raw, "transport": profile.transport, "kind": kind}
                yield self.at("config.transport_differs", node, **data)

    def device_points(self) -> Iterator[Problem]:
        for _, device in self.devices:
            profile, chosen = self._profile(device), device.get("points")
            if chosen is None or chosen.sequence is None or isinstance(profile, MqttProfile):
                continue
            if not chosen.sequence:
                yield self.at("config.no_points", chosen)
            seen: set[str] = set()
            for point in chosen.sequence:
                name = point.text
                if name is not None and name in seen:
                    yield self.at("config.point_twice", point, point=name)
                elif name is not None and profile is not None and name not in profile.every_point():
                    hint = did_you_mean(name, profile.every_point())
                    yield self.at("config.unknown_point", point, hint, point=name, profile=profile.profile)
                seen.add(name or "")

    def overrides(self) -> Iterator[Problem]:
        """What a device does otherwise than its profile says must be possible for that profile."""
        for bus, device in self.devices:
            profile = self._profile(device)
            if profile is None or not (bus.word("kind") or "").startswith(profile.transport):
                continue
            found = list(self.never_read(device.get("limits")))
            section = device.get("overrides")
            for name, override in ((section.mapping if section is not None else None) or {}).items():
                found += self._override(name, override, profile)
            yield from found
            if isinstance(profile, ModbusProfile) and not found:
                yield from self._lies(device, profile)

    def _override(self, name: str, override: Node, profile: ModbusProfile | MqttProfile) -> Iterator[Problem]:
        if name not in profile.every_point():
            place, hint = self.source.place(override.label), did_you_mean(name, profile.every_point())
            data = {"point": name, "profile": profile.profile}
            yield Problem("config.unknown_point", place, override.path, data, hint)
            return
        yield from self.unit(name, override)
        yield from self.factor(name, override)
        yield from self.range(override.get("valid"))
        registers = isinstance(profile, ModbusProfile)
        foreign = override.get("path" if registers else "address")
        if foreign is not None:
            code = "config.path_of_register" if registers else "config.address_of_message"
            yield self.at(code, foreign, point=name)
        if isinstance(profile, ModbusProfile):
            base = 1 if profile.defaults.addressing == "one_based" else 0
            yield from self.address(override, profile.points[name].type.words, base)

    def _lies(self, device: Node, profile: ModbusProfile) -> Iterator[Problem]:
        """What the overrides make of a profile that is sound itself."""
        try:
            settings = ModbusDevice.model_validate(device.data())
            changed = overridden(profile, settings)
        except (ValidationError, ValueError):
            return  # told where the device's own values are judged
        if changed is profile:
            return
        known = [(lie.code, lie.path) for lie in lies(profile)]
        told: dict[object, Problem] = {}
        for lie in lies(changed):
            if (lie.code, lie.path) not in known:
                problem = self._told(lie, device)
                told.setdefault((problem.code, problem.path), problem)  # a limit too small meets every point
        yield from told.values()

    def _told(self, lie: Lie, device: Node) -> Problem:
        """A lie at what the device says of its point, else at its limits, else at its profile."""
        node = device.get("limits") or device.get("profile") or device
        overrides = device.get("overrides")
        for name in (lie.path[1], lie.data.get("other")):  # of two that overlap either may have been moved
            override = overrides.get(str(name)) if overrides is not None else None
            if override is not None:
                node = override.get(str(lie.path[-1])) or override
                break
        return self.at(lie.code, node, **lie.data)

    def addresses(self) -> Iterator[Problem]:
        """One Modbus unit named twice: the same profile is a copy that was not changed."""
        first: dict[tuple[str, float], Node] = {}
        for bus, device in self.devices:
            address = _address(bus, device)
            if address is None:
                continue
            unit = number_of(device, "unit", 1)
            other = first.setdefault((address, unit), device)
            if other is device:
                continue
            data: dict[str, Any] = {
                "address": address,
                "unit": f"{unit:g}",
                "other": other.word("id") or "?",
            }
            node = device.get("unit") or device.get("host") or device
            if other.word("profile") == device.word("profile"):
                yield self.at("config.same_address", node, **data)
            else:
                yield self.warn("config.same_address_other_profile", node, **data)

    def topics(self) -> Iterator[Problem]:
        first: dict[tuple[Any, ...], Node] = {}
        for bus, device in self.devices:
            topic = device.get("topic")
            if topic is None or topic.text is None:
                continue
            if re.search(r"[#+\0]", topic.text):
                yield self.at("config.topic_wildcard", topic, topic=topic.text)
            profile = self.profiles.get(device.word("profile") or "")
            if isinstance(profile, MqttProfile) and profile.is_sparkplug and not is_sparkplug(topic.text):
                yield self.at("config.topic_not_sparkplug", topic, topic=topic.text)
            other = first.setdefault((*_broker(bus), topic.text, device.word("profile")), device)
            if other is not device:
                yield self.at("config.same_topic", topic, topic=topic.text, other=other.word("id") or "?")

    def broker_logins(self) -> Iterator[Problem]:
        first: dict[tuple[Any, ...], Node] = {}
        for bus in self.buses:
            password, client = bus.get("password"), bus.get("client_id")
            if password is not None and bus.get("username") is None:
                yield self.at("config.password_without_user", password)
            if client is not None and client.text is not None:
                other = first.setdefault((*_broker(bus), client.text), client)
                if other is not client:
                    yield self.at("config.same_client_id", client, id=client.text)

    def _profile(self, device: Node) -> ModbusProfile | MqttProfile | None:
        return self.profiles.get(device.word("profile") or "")


def _address(bus: Node, device: Node) -> str | None:
    """Where a Modbus device is dialled; None where that is no address."""
    kind = bus.word("kind")
    if kind == "modbus_rtu":
        return bus.word("line")
    host = device.word("host") or bus.word("host")
    if kind not in {"modbus_tcp", "modbus_rtu_tcp"} or host is None:
        return None
    port = number_of(device, "port") or number_of(bus, "port") or _DEFAULT_PORTS[kind]
    return f"{host.lower()}:{port:g}"


def _says(holder: Node, key: str) -> bool:
    """Whether a key is there, and a value with it."""
    node = holder.get(key)
    return node is not None and not (node.is_scalar and node.value is None)


def _broker(bus: Node) -> tuple[str | None, float]:
    return bus.word("host"), number_of(bus, "port", _DEFAULT_PORTS["mqtt"])
