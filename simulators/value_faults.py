"""What a device with faults shows instead of what it measures."""

import math
from collections.abc import Callable, Iterable, Mapping

from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from drivers.profile import PointBase, is_counter
from simulators.building import Building, Moment
from simulators.faults import (
    Frozen,
    Invalid,
    RollingOver,
    Spiking,
    Stuck,
    ValueFault,
    Zero,
)
from simulators.standing import DeviceFaults, Standing
from simulators.telemetry import Reading

Readings = Callable[[str], Reading]


def points_by_name(profile: ModbusProfile | MqttProfile) -> dict[str, PointBase]:
    """Every point of a profile."""
    if isinstance(profile, ModbusProfile):
        return dict(profile.points)
    return {name: point for part in profile.parts.values() for name, point in part.points.items()}


class FaultyReadings:
    """A device's readings with its faults in them; without any it is the device's own.

    Parameters
    ----------
    right : how the device reads each quantity.
    profile : tells a counter's modulus.
    """

    def __init__(
        self,
        right: Readings,
        faults: DeviceFaults,
        model: Building,
        profile: ModbusProfile | MqttProfile,
    ) -> None:
        self._right = right
        self._faults = faults
        self._model = model
        self._moduli = _moduli(points_by_name(profile).items())
        # A reading is one moment of the device: what strikes one of its points strikes them all.
        self._met: dict[int, tuple[Moment, bool]] = {}
        self._before: dict[tuple[int, str], float] = {}

    def __call__(self, name: str) -> Reading:
        """How to read one quantity. KeyError for one that the model lacks."""
        reading = self._right(name)
        if not self._faults.value:
            return reading
        return lambda now: self._shown(name, reading, now)

    def _shown(self, name: str, reading: Reading, now: Moment) -> float:
        value = reading(now)
        for standing in self._faults.value:
            if _concerns(standing.fault, name) and self._strikes(standing, now):
                value = self._changed(standing, name, reading, value)
        return value

    def _strikes(self, standing: Standing, now: Moment) -> bool:
        met = self._met.get(standing.number)
        if met is None or met[0] is not now:
            met = self._met[standing.number] = (now, standing.strikes(now.at_s))
        return met[1]

    def _changed(self, standing: Standing, name: str, reading: Reading, value: float) -> float:
        fault = standing.fault
        if isinstance(fault, Spiking):
            return value + fault.by
        if isinstance(fault, Zero | Invalid):
            return 0.0 if isinstance(fault, Zero) else math.nan
        before = self._at_start(standing, name, reading)
        if isinstance(fault, Stuck | Frozen):
            return before
        # Reset or near its modulus: another register goes on from here.
        modulus = fault.modulus or self._moduli.get(name) if isinstance(fault, RollingOver) else None
        if isinstance(fault, RollingOver) and modulus is not None:
            return (value - before + modulus - fault.before) % modulus
        return value - before

    def _at_start(self, standing: Standing, name: str, reading: Reading) -> float:
        """What the point showed when the fault began."""
        key = (standing.number, name)
        if key not in self._before:
            start_s = max(standing.start_s, self._model.installed_s)
            self._before[key] = reading(self._model.at(start_s))
        return self._before[key]


def _moduli(points: Iterable[tuple[str, PointBase]]) -> Mapping[str, float]:
    return {name: point.rolls_over_at for name, point in points if point.rolls_over_at is not None}


def _concerns(fault: object, name: str) -> bool:
    if not isinstance(fault, ValueFault):
        return False
    if fault.points:
        return name in fault.points
    if isinstance(fault, Invalid):
        return True
    return is_counter(name) is not isinstance(fault, Frozen)
