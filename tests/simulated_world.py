"""Simulated devices of one building, and what their tests share."""

from config.profiles import load_profile, profile_names
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile
from simulators.building import Building

INSTALLED_S = 1_483_200_000  # 2017-01-01 in Taipei
MODEL = Building(installed_s=INSTALLED_S)
NOON_S = 1_499_832_000.5  # 2017-07-12 12:00
INSTANTS = [INSTALLED_S + 60.0, NOON_S, NOON_S + 12 * 3600, *(NOON_S + n * 1_234_567.0 for n in range(1, 9))]

PROFILES = {name: load_profile(name) for name in profile_names()}
MODBUS = {name: profile for name, profile in PROFILES.items() if isinstance(profile, ModbusProfile)}
MQTT = {name: profile for name, profile in PROFILES.items() if isinstance(profile, MqttProfile)}

NATURAL_IDS = {
    "electricity": ("main", "chiller-1-power", "floors-low", "meter-0042"),
    "chiller": ("chiller-1", "chiller-5", "ch-unknown"),
    "water": ("water-main", "tower-makeup", "tap-1"),
    "heat": ("tower-makeup", "heat-1"),
    "pulse": ("water-main", "pulses-1"),
    "drive": ("drive-1", "drive-2"),
    "chilled_water": ("chilled-water",),
    "weather": ("weather",),
}
# Their 16-bit registers end below the building's 13 kV, or its currents.


def profile(points: dict[str, dict], **changes: object) -> ModbusProfile:
    facts = {
        "profile": "bench",
        "version": 1,
        "maker": "m",
        "model": "m",
        "family": "chiller",
        "source": ("s",),
    }
    return ModbusProfile.model_validate({**facts, "points": points, **changes})
