"""Simulated heat meters, pulse inputs and drives agree with themselves and obey what is written."""

import pytest

from simulators.building import Building
from simulators.telemetry import Telemetry

MODEL = Building(installed_s=1_498_838_400)
NODE_S = 1_499_832_000.0  # 2017-07-12 12:00 in Taipei, where a five-minute cell begins


def test_a_heat_meters_energy_is_the_integral_of_its_power():
    device = Telemetry(MODEL, "tower-makeup", "heat", {})
    start, middle, end = (MODEL.at(NODE_S + at_s) for at_s in (0, 150, 300))
    energy_kwh = device("thermal_energy")(end) - device("thermal_energy")(start)
    assert energy_kwh == pytest.approx(device("thermal_power")(middle) * 300 / 3600)
    assert device("heating_energy")(end) == device("thermal_energy")(end)


def test_a_heat_meters_power_is_its_flow_times_what_the_water_lost():
    device = Telemetry(MODEL, "tower-makeup", "heat", {})
    now = MODEL.at(NODE_S)
    kelvin = device("temp_supply")(now) - device("temp_return")(now)
    assert kelvin == pytest.approx(device("temp_delta")(now))
    assert device("flow")(now) > 0
    # 4.186 kJ/(l K) and 3.6 kJ a Wh: 1.163 kWh warms a cubic metre by a kelvin.
    assert device("thermal_power")(now) == pytest.approx(1.1628 * device("flow")(now) * kelvin, rel=1e-4)


def test_pulses_follow_the_meter_behind_them():
    device = Telemetry(MODEL, "water-main", "pulse", {})
    now, later = MODEL.at(NODE_S), MODEL.at(NODE_S + 3600)
    advance_m3 = MODEL.energy("water-main", NODE_S, NODE_S + 3600, "water")
    assert device("pulses_0")(later) - device("pulses_0")(now) == pytest.approx(10 * advance_m3)


@pytest.mark.parametrize(("reference", "value"), [("speed_reference", 50.0), ("frequency_reference", 30.0)])
def test_a_drive_turns_as_it_is_told(reference: str, value: float):
    told: dict[str, float] = {}
    device = Telemetry(MODEL, "pump-1", "drive", told)
    now = MODEL.at(NODE_S)
    assert 40 < device("main_actual_value")(now) < 90
    told[reference] = value
    assert device(reference)(now) == value
    assert device("main_actual_value")(now) == pytest.approx(50.0)
    assert device("output_frequency")(now) == pytest.approx(30.0)
    assert device("motor_speed_rpm")(now) == pytest.approx(882.0)
    assert device("motor_power_pct")(now) == pytest.approx(12.5)
