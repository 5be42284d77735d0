"""Why points of a reading are not good: held against their range, and asked again word by word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.loading import PlacedDevice
from config.words import say
from drivers.contract import Driver, DriverError, Refused
from drivers.modbus_profile import ModbusProfile, RegisterPoint, register_points
from drivers.settings import MqttDevice
from rules.doubts import Doubt, doubt_of
from rules.scan import PointSpec, Scan


@dataclass(frozen=True, slots=True)
class Told:
    """Why a point is not good; ``code`` names the text ``cli.why_<code>``, ``data`` fills it."""

    code: str
    data: Mapping[str, Any]

    def words(self, language: str) -> str:
        """For a person."""
        return say(f"cli.why_{self.code}", language, **self.data)


async def doubts_of(driver: Driver, device: PlacedDevice, scan: Scan) -> dict[str, Told]:
    """Why points of a graded scan are not good, by name.

    Registers that gave no value are asked once more, each by itself: that tells a refused register from
    one in which the device says that it has nothing.
    """
    registers = _registers(device)
    told = {}
    for point, value, quality in zip(scan.layout.points, scan.values, scan.quality, strict=True):
        doubt = doubt_of(point, float(value), int(quality))
        if doubt is Doubt.NO_VALUE and point.name in registers:
            told[point.name] = await _asked_again(driver, device, registers[point.name])
        elif doubt is not None:
            told[point.name] = _out_of_range(point, doubt)
    return told


def _registers(device: PlacedDevice) -> dict[str, RegisterPoint]:
    if not isinstance(device.profile, ModbusProfile) or isinstance(device.settings, MqttDevice):
        return {}
    return {point.name: point for point in register_points(device.profile, device.settings.points)}


def _out_of_range(point: PointSpec, doubt: Doubt) -> Told:
    limits = {Doubt.BELOW: point.low, Doubt.ABOVE: point.high}
    return Told(doubt.value, {"limit": f"{limits[doubt]:,.6g} {point.unit}"} if doubt in limits else {})


async def _asked_again(driver: Driver, device: PlacedDevice, point: RegisterPoint) -> Told:
    from drivers.modbus import ModbusDriver

    first, end = point.span
    place: dict[str, Any] = {"register": f"{point.table.value} {first}"}
    if not isinstance(driver, ModbusDriver):
        return Told("no_value", {})
    try:
        payload = await driver.words(device.settings.id, point.table, first, end - first)
    except Refused as refused:
        return Told("refused", place | {"exception": refused.data.get("exception", "?")})
    except DriverError:
        return Told("no_answer", place)
    words = payload.hex(" ", 2).upper()
    return Told("pattern", place | {"words": words})
