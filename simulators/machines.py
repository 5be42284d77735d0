"""What chillers, drives, the plant's header and the weather station show."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from simulators.building import Moment
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
from simulators.sources import Source
from simulators.weather import wet_bulb

Reading = Callable[[Moment], float]
MAINS_HZ = 60.0
_RATED_KW = RATED_RT * KW_PER_RT
_SYNCHRONOUS_RPM = 1800.0  # four poles
_SLIP = 0.02
_CHILLER_VOLTS, _CHILLER_FACTOR = 380.0, 0.9


def nothing(_: Moment) -> float:
    """A point that stays at 0."""
    return 0.0


def dry_bulb(now: Moment) -> float:
    """The air outside, degC."""
    return now.gauge("dry_bulb_c")


def chiller_readings(number: int, setpoints: Mapping[str, float]) -> dict[str, Reading]:
    """The points of one chiller's controller.

    Parameters
    ----------
    number : which of the plant's chillers, from 1.
    setpoints : what was written to the controller, by quantity; read at every reading.
    """
    supply = Source(((f"chiller-{number}-power", 1.0),))

    def cooling_kw(now: Moment) -> float:
        return now.gauge(f"cooling_kw_{number}")

    def load_pct(now: Moment) -> float:
        return min(110.0, 100.0 * now.rate(supply) / RATED_CHILLER_KW)

    def running(now: Moment) -> float:
        return 1.0 if cooling_kw(now) > 0 else 0.0

    def chw_setpoint(_: Moment) -> float:
        return setpoints.get("chw_setpoint", SUPPLY_SETPOINT_C)

    def limit(_: Moment) -> float:
        return setpoints.get("demand_limit_setpoint", 100.0)

    def chw_flow(now: Moment) -> float:
        part = cooling_kw(now) / _RATED_KW
        return CHW_FLOW_LS * max(0.6, part) if part > 0 else 0.0

    def chw_supply(now: Moment) -> float:
        return now.gauge("chw_supply_c") + chw_setpoint(now) - SUPPLY_SETPOINT_C

    def chw_return(now: Moment) -> float:
        flow = chw_flow(now)
        return chw_supply(now) + (cooling_kw(now) / (WATER_KJ_PER_L_K * flow) if flow else 0.3)

    def cw_leaving(now: Moment) -> float:
        heat_kw = cooling_kw(now) + (now.rate(supply) if cooling_kw(now) > 0 else 0.0)
        return now.gauge("cw_supply_c") + heat_kw / (WATER_KJ_PER_L_K * CW_FLOW_LS)

    def current(now: Moment) -> float:
        return now.rate(supply) * 1000.0 / (math.sqrt(3) * _CHILLER_VOLTS * _CHILLER_FACTOR)

    return {
        "chw_setpoint": chw_setpoint,
        "chw_setpoint_active": chw_setpoint,
        "control_point": chw_setpoint,
        "demand_limit_setpoint": limit,
        "demand_limit_active": limit,
        "demand_limit_min": lambda _: 40.0,
        "chw_supply_temp": chw_supply,
        "chw_return_temp": chw_return,
        "cw_entering_temp": lambda now: now.gauge("cw_supply_c"),
        "cw_leaving_temp": cw_leaving,
        "outdoor_temp": dry_bulb,
        "chw_flow": chw_flow,
        "chiller_current": current,
        "capacity_rla": load_pct,
        "capacity": lambda now: min(100.0, load_pct(now)),
        "status": running,
        "run_status": running,
        "start_stop": running,
        "local_remote": nothing,  # 0 = remote: the network may write
        "control_type": lambda _: 1.0,
        "enable_setpoint": lambda _: setpoints.get("enable_setpoint", 1.0),
    }


def drive_readings(
    power_kw: Reading, current_a: Reading, phase: float, setpoints: Mapping[str, float]
) -> dict[str, Reading]:
    """The points of a drive: a fan or pump that wanders about two thirds of its speed until it is told one.

    Parameters
    ----------
    power_kw, current_a : of what it drives.
    phase : of its wandering, radians.
    setpoints : what was written to the drive, by quantity; read at every reading.
    """

    def speed_pct(now: Moment) -> float:
        if "frequency_reference" in setpoints:
            return setpoints["frequency_reference"] * 100.0 / MAINS_HZ
        wandering = 65.0 + 20.0 * math.sin(now.at_s / 7200.0 + phase)
        return setpoints.get("speed_reference", wandering)

    def output_hz(now: Moment) -> float:
        return MAINS_HZ * speed_pct(now) / 100.0

    def rpm(now: Moment) -> float:
        return _SYNCHRONOUS_RPM * (1.0 - _SLIP) * speed_pct(now) / 100.0

    return {
        "speed_reference": speed_pct,
        "speed_reference2": lambda _: setpoints.get("speed_reference2", 0.0),
        "frequency_reference": output_hz,
        "main_actual_value": speed_pct,
        "actual_1": speed_pct,
        "actual_2": power_kw,
        "output_frequency": output_hz,
        "output_frequency_pct": speed_pct,
        "motor_speed_rpm": rpm,
        "motor_current": current_a,
        "motor_power_pct": lambda now: 100.0 * (speed_pct(now) / 100.0) ** 3,  # the law of fans
        "dc_bus_voltage": lambda now: 311.0 + 2.0 * math.sin(now.at_s / 300.0 + phase),
        "heatsink_temp": lambda now: dry_bulb(now) + 0.2 * speed_pct(now),
        "status_word": lambda _: 0x0237,  # ready, enabled, running, at speed, remote
        "control_word": lambda _: 0x047F,  # run
    }


def _plant_cooling_kw(now: Moment) -> float:
    return sum(now.gauge(f"cooling_kw_{n}") for n in range(1, CHILLERS + 1))


def _header_flow_ls(now: Moment) -> float:
    parts = [now.gauge(f"cooling_kw_{n}") / _RATED_KW for n in range(1, CHILLERS + 1)]
    return sum(CHW_FLOW_LS * max(0.6, part) for part in parts if part > 0)


def _header_return_c(now: Moment) -> float:
    flow = _header_flow_ls(now)
    warming = _plant_cooling_kw(now) / (WATER_KJ_PER_L_K * flow) if flow else 0.3
    return now.gauge("chw_supply_c") + warming


# The energy meter on the plant's common header.
HEADER: dict[str, Reading] = {
    "cooling_power": _plant_cooling_kw,
    "chw_flow": _header_flow_ls,
    "chw_supply_temp": lambda now: now.gauge("chw_supply_c"),
    "chw_return_temp": _header_return_c,
}

_RAIN = Source((("rain", 1.0),))
WEATHER: dict[str, Reading] = {
    "temperature": dry_bulb,
    "humidity": lambda now: now.gauge("humidity_pct"),
    "wet_bulb": lambda now: float(
        wet_bulb(np.asarray(now.gauge("dry_bulb_c")), np.asarray(now.gauge("humidity_pct")))
    ),
    "rain_intensity": lambda now: now.rate(_RAIN),
    "rain_total": lambda now: now.counter(_RAIN),
}
