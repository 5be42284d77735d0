"""What each point of a device shows: the model has a plausible value for every quantity there is."""

import math

from simulators.building import Building, Moment
from simulators.history import month_peak
from simulators.machines import HEADER, WEATHER, Reading, chiller_readings, drive_readings, dry_bulb, nothing
from simulators.plant import WATER_KJ_PER_L_K
from simulators.sources import Source, chance, chiller_number

__all__ = ["Reading", "Telemetry"]

_WINDOW_S = 900
_INTAKE = ("main",)  # metered where the utility hands over, at 22.8 kV
_HEAT_KELVIN = 10.0  # between supply and return of a heat meter: always, so that its energy is exact
_KWH_PER_M3 = WATER_KJ_PER_L_K * 1000.0 / 3600.0 * _HEAT_KELVIN
_PIPE_M2 = 0.0314  # 200 mm inside
_PULSES = 10.0  # a kWh or m3
# Nothing flows back and nobody resets: what a meter has counted, under every name it is asked for.
_COUNTERS = (
    "energy_import",
    "energy_import_i64",
    "energy_import_f32",
    "energy_import_coarse",
    "energy_import_partial",
    "energy_partial",
    "energy_counter_1",
    "energy_total",
    "energy_net",
)


class Telemetry:
    """The points of one device.

    Parameters
    ----------
    device_id : id in the site file; says what is measured, see ``simulators.sources``.
    family : the profile's.
    setpoints : what was written to the device, by quantity; read at every reading.
    """

    def __init__(self, model: Building, device_id: str, family: str, setpoints: dict[str, float]) -> None:
        self.source: Source = model.source(device_id, family)
        self._model = model
        self._setpoints = setpoints
        self._phase = 2 * math.pi * chance(model.seed, device_id, "phase")
        self._factor = 0.9 + 0.08 * chance(model.seed, device_id, "factor")
        self._volts = 22_800 / math.sqrt(3) if device_id in _INTAKE else 220.0
        self._powered: tuple[Moment, float] | None = None
        self._top: tuple[int, float] | None = None
        self._readings: dict[str, Reading] = {
            **self._electricity(),
            **self._water(),
            **self._heat(),
            **chiller_readings(chiller_number(device_id, model.seed), setpoints),
            **drive_readings(self._power, self._current, self._phase, setpoints),
            **WEATHER,
            **(HEADER if family == "chilled_water" else {}),
        }

    def __call__(self, name: str) -> Reading:
        """How to read one quantity. KeyError for one that the model lacks."""
        return self._readings[name]

    def _power(self, now: Moment) -> float:
        # Half of a meter's points follow from its power: it is summed up once an instant.
        if self._powered is None or self._powered[0] is not now:
            self._powered = (now, now.rate(self.source))
        return self._powered[1]

    def _counter(self, now: Moment) -> float:
        return now.counter(self.source)

    def _voltage(self, now: Moment, shift: float = 0.0) -> float:
        """Line to neutral: it wanders within 2 % and the phases differ a little."""
        slow = math.sin(now.at_s / 5400.0 + self._phase) + 0.4 * math.sin(now.at_s / 61.0 + self._phase)
        return self._volts * (1.0 + 0.01 * slow + 0.002 * shift)

    def _power_factor(self, now: Moment) -> float:
        return self._factor + 0.01 * math.sin(now.at_s / 3700.0 + self._phase)

    def _current(self, now: Moment, shift: float = 0.0) -> float:
        return self._power(now) * 1000.0 / (3.0 * self._voltage(now, shift) * self._power_factor(now))

    def _reactive(self, now: Moment) -> float:
        return self._power(now) * math.tan(math.acos(self._power_factor(now)))

    def _electricity(self) -> dict[str, Reading]:
        readings: dict[str, Reading] = {
            "active_power_total": self._power,
            "reactive_power_total": self._reactive,
            "apparent_power_total": lambda now: self._power(now) / self._power_factor(now),
            "power_factor_total": self._power_factor,
            "voltage_ln_avg": self._voltage,
            "voltage_ll_avg": lambda now: self._voltage(now) * math.sqrt(3),
            "current_avg": self._current,
            "current_sum": lambda now: 3.0 * self._current(now),
            "frequency": lambda now: (
                60.0 + 0.02 * math.sin(now.at_s / 47.0) + 0.01 * math.sin(now.at_s / 7.3)
            ),
            "demand_total": self._demand,
            "demand_total_max": self._highest_demand,
            "demand_import_max": self._highest_demand,
            "demand_import_max_period": self._highest_power,
            "active_power_total_max": self._highest_demand,
            **dict.fromkeys(_COUNTERS, self._counter),
            "energy_export": nothing,
            "energy_export_i64": nothing,
            "active_power_ch1": lambda now: self._power(now) / 3.0,
            "reactive_power_ch1": lambda now: self._reactive(now) / 3.0,
            "apparent_power_ch1": lambda now: self._power(now) / (3.0 * self._power_factor(now)),
            "power_factor_ch1": self._power_factor,
            "current_ch1": self._current,
        }
        for phase, shift in (("l1", -1.0), ("l2", 0.0), ("l3", 1.0)):
            readings |= self._phase_readings(phase, shift)
        return readings

    def _phase_readings(self, phase: str, shift: float) -> dict[str, Reading]:
        return {
            f"active_power_{phase}": lambda now: self._power(now) / 3.0,
            f"power_factor_{phase}": self._power_factor,
            f"voltage_ln_{phase}": lambda now: self._voltage(now, shift),
            f"voltage_ll_{phase}": lambda now: self._voltage(now, shift) * math.sqrt(3),
            f"current_{phase}": lambda now: self._current(now, shift),
            f"energy_import_{phase}": lambda now: self._counter(now) / 3.0,
            f"energy_total_{phase}": lambda now: self._counter(now) / 3.0,
        }

    def _demand(self, now: Moment) -> float:
        """Mean power of the last fifteen minutes."""
        start = self._model.at(max(self._model.installed_s, now.at_s - _WINDOW_S))
        elapsed_s = now.at_s - start.at_s
        return (
            (self._counter(now) - self._counter(start)) * 3600.0 / elapsed_s
            if elapsed_s
            else self._power(now)
        )

    def _highest_power(self, now: Moment) -> float:
        """The largest power since the quarter of an hour began; power is linear between five-minute nodes."""
        start_s = now.at_s // _WINDOW_S * _WINDOW_S
        nodes = [
            start_s + step for step in (0, 300, 600) if self._model.installed_s <= start_s + step < now.at_s
        ]
        return max(self._power(now), *(self._power(self._model.at(at_s)) for at_s in nodes), 0.0)

    def _highest_demand(self, now: Moment) -> float:
        """The highest closed quarter of an hour of the local month; 0 until the first has closed."""
        window = int(now.at_s // _WINDOW_S)
        if self._top is None or self._top[0] != window:
            self._top = (window, month_peak(self._model, self.source, now.at_s, _WINDOW_S))
        return self._top[1]

    def _water(self) -> dict[str, Reading]:
        return {
            "flow": self._power,
            "flow_v2": self._power,
            "velocity": lambda now: self._power(now) / (3600.0 * _PIPE_M2),
            "volume": self._counter,
            "volume_reverse": nothing,
            **{
                f"pulses_{channel}": lambda now: _PULSES * self._counter(now)
                for channel in (0, 1, 2, 3, "a", "b")
            },
        }

    def _heat(self) -> dict[str, Reading]:
        """A heat meter on what the id's water is: it is always as much colder when it comes back."""

        def supply(now: Moment) -> float:
            return 60.0 + 1.5 * math.sin(now.at_s / 5400.0 + self._phase)

        def energy(now: Moment) -> float:
            return _KWH_PER_M3 * self._counter(now)

        return {
            "thermal_power": lambda now: _KWH_PER_M3 * self._power(now),
            "thermal_energy": energy,
            "heating_energy": energy,
            "cooling_energy": lambda now: 0.5 * energy(now),
            "temp_supply": supply,
            "temp_return": lambda now: supply(now) - _HEAT_KELVIN,
            "temp_delta": lambda _: _HEAT_KELVIN,
            "temp_t1": supply,
            "temp_t2": lambda now: supply(now) - _HEAT_KELVIN,
            "temp_t3": dry_bulb,
            "temp_t4": dry_bulb,
            "valve_setpoint": lambda _: self._setpoints.get("valve_setpoint", 55.0),
            "valve_position": lambda _: self._setpoints.get("valve_setpoint", 55.0),
        }
