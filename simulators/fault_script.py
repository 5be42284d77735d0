"""Reading faults from a file or from a line of the control channel, with the place of every mistake."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from config.crosschecks import check_values
from config.explanations import explain
from config.positions import Node, Source
from config.problems import ConfigurationError, Hint, Problem, did_you_mean
from config.shapes import Shape
from config.syntax import read_tree
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.profile import is_counter
from simulators.faults import EVERY_DEVICE, FaultScript

Profiles = Mapping[str, ModbusProfile | MqttProfile]

_OF_MODBUS = {
    "slow", "dripping", "refusing", "foreign_unit", "foreign_transaction", "late", "cutting", "closing",
    "wrong_count",
}  # fmt: skip
_OF_MQTT = {"duplicate", "retained", "disordered"}
_ABOUT_COUNTERS = {"rolling_over", "resetting", "zero", "stuck"}


def read_faults(source: Source, devices: Profiles) -> FaultScript:
    """The faults that a text of YAML (or JSON, which is YAML) tells of.

    Parameters
    ----------
    devices : profile of each device of the world, by the device's id.

    Raises
    ------
    ConfigurationError : with everything that is wrong, each with its place.
    """
    root, problems = read_tree(source)
    if root is None:
        raise ConfigurationError(problems)
    problems += check_values(root, Shape.of(FaultScript), source)
    problems += _Checks(root, source, devices).all()
    try:
        script = FaultScript.model_validate(root.data())
    except ValidationError as error:
        raise ConfigurationError([*problems, *explain(error, root, FaultScript, source)]) from None
    if problems:
        raise ConfigurationError(problems)
    return script


@dataclass(frozen=True, slots=True)
class _Checks:
    """What no model of one fault can see, or cannot point at."""

    root: Node
    source: Source
    devices: Profiles

    def all(self) -> list[Problem]:
        return [problem for fault in self.root.entries("faults") for problem in self._of(fault)]

    def _of(self, fault: Node) -> Iterator[Problem]:
        yield from self._times(fault)
        device = fault.get("device")
        if device is None or device.text is None or device.text == EVERY_DEVICE:
            return
        profile = self.devices.get(device.text)
        if profile is None:
            hint = did_you_mean(device.text, self.devices)
            yield self._at("simulators.unknown_device", device, hint, device=device.text)
            return
        yield from self._fits(fault, profile, device.text)
        yield from self._points(fault, profile)

    def _times(self, fault: Node) -> Iterator[Problem]:
        for first, second in (("from_s", "at"), ("for_s", "until")):
            both = fault.get(second)
            if both is not None and fault.get(first) is not None:
                yield self._at("simulators.one_of_two", both, first=first, second=second)
        begin, end = _instant(fault.get("at")), _instant(fault.get("until"))
        until = fault.get("until")
        if until is not None and begin is not None and end is not None and end <= begin:
            yield self._at("simulators.ends_before_it_begins", until)

    def _fits(self, fault: Node, profile: ModbusProfile | MqttProfile, device: str) -> Iterator[Problem]:
        kind = fault.get("kind")
        foreign = _OF_MQTT if isinstance(profile, ModbusProfile) else _OF_MODBUS
        if kind is not None and kind.text in foreign:
            wire = "Modbus" if isinstance(profile, ModbusProfile) else "MQTT"
            yield self._at("simulators.fault_of_other_wire", kind, kind=kind.text, device=device, wire=wire)

    def _points(self, fault: Node, profile: ModbusProfile | MqttProfile) -> Iterator[Problem]:
        known = profile.every_point()
        named = fault.get("points")
        for point in (named.sequence if named else None) or ():
            if point.text is not None and point.text not in known:
                hint = did_you_mean(point.text, known)
                yield self._at("config.unknown_point", point, hint, point=point.text, profile=profile.profile)
            elif (
                point.text is not None
                and fault.word("kind") in _ABOUT_COUNTERS
                and not is_counter(point.text)
            ):
                yield self._at("simulators.not_a_counter", point, point=point.text)
        kind = fault.get("kind")
        if kind is not None and kind.text == "rolling_over" and fault.get("modulus") is None:
            names = [node.text or "" for node in (named.sequence if named else None) or ()]
            if not all(_modulus(profile, name) for name in names or _counters(known)):
                yield self._at("simulators.no_modulus", kind)

    def _at(self, code: str, node: Node, hint: Hint | None = None, **data: object) -> Problem:
        return Problem(code, self.source.place(node.span), node.path, data, hint)


def _instant(node: Node | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(node.raw) if node is not None else None
    except ValueError:
        return None
    return instant if instant is not None and instant.tzinfo is not None else None


def _counters(names: Iterable[str]) -> list[str]:
    return [name for name in names if is_counter(name)]


def _modulus(profile: ModbusProfile | MqttProfile, name: str) -> float | None:
    if isinstance(profile, ModbusProfile):
        points = dict(profile.points)
        return points[name].rolls_over_at if name in points else None
    for part in profile.parts.values():
        if name in part.points:
            return part.points[name].rolls_over_at
    return None
