"""What one device does otherwise than its profile says, worked in before anything reads or serves it."""

from dataclasses import dataclass
from typing import Any, TypeVar

from drivers.modbus_profile import Limits, ModbusProfile, RegisterPoint, modbus_layout, register_points
from drivers.mqtt_profile import MqttProfile
from drivers.settings import DeviceBase, ModbusDevice, PointOverride
from rules.scan import Layout

AnyProfile = TypeVar("AnyProfile", ModbusProfile, MqttProfile, ModbusProfile | MqttProfile)


@dataclass(frozen=True, slots=True)
class ResolvedDevice:
    """A device that is read by registers, as its driver and its simulator need it.

    Attributes
    ----------
    profile : its profile with everything that this device does otherwise.
    points : what is read, in the layout's order.
    """

    profile: ModbusProfile
    points: tuple[RegisterPoint, ...]
    layout: Layout

    @property
    def limits(self) -> Limits:
        """What the device bears in one request."""
        return self.profile.limits


def resolve(profile: ModbusProfile, device: ModbusDevice) -> ResolvedDevice:
    """Everything that the site file and the profile say together about one device.

    Raises
    ------
    ValueError : an override does not fit the profile.
    """
    own = overridden(profile, device)
    return ResolvedDevice(
        own, register_points(own, device.points), modbus_layout(own, device.id, device.points)
    )


def overridden(profile: AnyProfile, device: DeviceBase) -> AnyProfile:
    """A profile as one device has it; the very same where the device does nothing otherwise.

    Raises
    ------
    ValueError : an override does not fit the profile.
    """
    unknown = device.overrides.keys() - profile.every_point().keys()
    if unknown:
        raise ValueError(f"{device.id}: {profile.profile} has no point {', '.join(sorted(unknown))}")
    if isinstance(profile, MqttProfile):
        return profile.overridden(device.overrides)
    if not isinstance(device, ModbusDevice):
        raise ValueError(f"{device.id} is not read by registers, as {profile.profile} is")  # noqa: TRY004
    said = _said_of(device)
    return ModbusProfile.model_validate(_changed(profile, device, said)) if said else profile


def _said_of(device: ModbusDevice) -> dict[str, Any]:
    """What a device says that changes its profile."""
    keys = {"overrides", "limits", "word_order", "byte_order"}
    said = device.model_dump(include=keys, exclude_none=True)
    return {key: value for key, value in said.items() if value}


def _changed(profile: ModbusProfile, device: ModbusDevice, said: dict[str, Any]) -> dict[str, Any]:
    whole = profile.model_dump()
    whole["limits"] |= said.get("limits", {})
    orders = {key: said[key] for key in ("word_order", "byte_order") if key in said}
    whole["defaults"] |= orders
    values = [*whole["registers"].values(), *whole["points"].values()]
    values += [part for point in whole["points"].values() for part in point["plus"]]
    for value in values:
        value.update(orders)  # what the device's own menu says holds for all of it
    for name, override in device.overrides.items():
        _override(whole["points"][name], override)
    return whole


def _override(point: dict[str, Any], override: PointOverride) -> None:
    """Change a point; its parts keep their distance from it."""
    if override.address is not None:
        for part in point["plus"]:
            part["address"] += override.address - point["address"]
    point.update(override.model_dump(exclude_none=True, exclude={"path"}))
