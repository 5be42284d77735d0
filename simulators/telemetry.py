"""What each point of a device shows: the model has a plausible value for every quantity there is."""

import math
from collections.abc import Callable

import numpy as np

from simulators.building import Building, Moment
from simulators.history import month_peak
from simulators.plant import (
    CHILLERS,
    CHW_FLOW_LS,
    CW_FLOW_LS,
    KW_PER_RT,
    RATED_CHILLER_KW,
    RATED_RT,
    SUPPLY_SETPOINT_C,
    WATER_KJ_PER_L_K,
)
from simulators.sources import Source, chance, chiller_number
from simulators.weather import wet_bulb

Reading = Callable[[Moment], float]
_WINDOW_S = 900
_INTAKE = ("main",)  # metered where the utility hands over, at 22.8 kV


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
        self._chiller = chiller_number(device_id, model.seed)
        self._powered: tuple[Moment, float] | None = None
        self._top: tuple[int, float] | None = None
        self._readings: dict[str, Reading] = {
            **self._electricity(),
            **self._water(),
            **self._chillers(),
            **_WEATHER,
            **(_HEADER if family == "chilled_water" else {}),
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

    def _electricity(self) -> dict[str, Reading]:
        readings: dict[str, Reading] = {
            "active_power_total": self._power,
            "reactive_power_total": lambda now: (
                self._power(now) * math.tan(math.acos(self._power_factor(now)))
            ),
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
            "demand_import_max_period": self._highest_power,
            "energy_import": self._counter,
            "energy_import_i64": self._counter,
            "energy_total": self._counter,
            "energy_export": _nothing,
            "energy_export_i64": _nothing,
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
        return {"flow": self._power, "volume": self._counter}

    def _chillers(self) -> dict[str, Reading]:
        supply = Source(((f"chiller-{self._chiller}-power", 1.0),))
        rated_kw = RATED_RT * KW_PER_RT

        def cooling_kw(now: Moment) -> float:
            return now.gauge(f"cooling_kw_{self._chiller}")

        def chw_setpoint(_: Moment) -> float:
            return self._setpoints.get("chw_setpoint", SUPPLY_SETPOINT_C)

        def limit(_: Moment) -> float:
            return self._setpoints.get("demand_limit_setpoint", 100.0)

        def chw_flow(now: Moment) -> float:
            part = cooling_kw(now) / rated_kw
            return CHW_FLOW_LS * max(0.6, part) if part > 0 else 0.0

        def chw_supply(now: Moment) -> float:
            return now.gauge("chw_supply_c") + chw_setpoint(now) - SUPPLY_SETPOINT_C

        def chw_return(now: Moment) -> float:
            flow = chw_flow(now)
            return chw_supply(now) + (cooling_kw(now) / (WATER_KJ_PER_L_K * flow) if flow else 0.3)

        def cw_leaving(now: Moment) -> float:
            heat_kw = cooling_kw(now) + (now.rate(supply) if cooling_kw(now) > 0 else 0.0)
            return now.gauge("cw_supply_c") + heat_kw / (WATER_KJ_PER_L_K * CW_FLOW_LS)

        return {
            "chw_setpoint": chw_setpoint,
            "chw_setpoint_active": chw_setpoint,
            "demand_limit_setpoint": limit,
            "demand_limit_active": limit,
            "chw_supply_temp": chw_supply,
            "chw_return_temp": chw_return,
            "cw_entering_temp": lambda now: now.gauge("cw_supply_c"),
            "cw_leaving_temp": cw_leaving,
            "chw_flow": chw_flow,
            "capacity_rla": lambda now: min(110.0, 100.0 * now.rate(supply) / RATED_CHILLER_KW),
            "status": lambda now: 1.0 if cooling_kw(now) > 0 else 0.0,
        }


def _nothing(_: Moment) -> float:
    return 0.0


def _plant_cooling_kw(now: Moment) -> float:
    return sum(now.gauge(f"cooling_kw_{n}") for n in range(1, CHILLERS + 1))


def _header_flow_ls(now: Moment) -> float:
    rated_kw = RATED_RT * KW_PER_RT
    parts = [now.gauge(f"cooling_kw_{n}") / rated_kw for n in range(1, CHILLERS + 1)]
    return sum(CHW_FLOW_LS * max(0.6, part) for part in parts if part > 0)


def _header_return_c(now: Moment) -> float:
    flow = _header_flow_ls(now)
    warming = _plant_cooling_kw(now) / (WATER_KJ_PER_L_K * flow) if flow else 0.3
    return now.gauge("chw_supply_c") + warming


# The energy meter on the plant's common header.
_HEADER: dict[str, Reading] = {
    "cooling_power": _plant_cooling_kw,
    "chw_flow": _header_flow_ls,
    "chw_supply_temp": lambda now: now.gauge("chw_supply_c"),
    "chw_return_temp": _header_return_c,
}

_RAIN = Source((("rain", 1.0),))
_WEATHER: dict[str, Reading] = {
    "temperature": lambda now: now.gauge("dry_bulb_c"),
    "humidity": lambda now: now.gauge("humidity_pct"),
    "wet_bulb": lambda now: float(
        wet_bulb(np.asarray(now.gauge("dry_bulb_c")), np.asarray(now.gauge("humidity_pct")))
    ),
    "rain_intensity": lambda now: now.rate(_RAIN),
    "rain_total": lambda now: now.counter(_RAIN),
}
