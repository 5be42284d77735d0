"""The names and units of everything that a device can measure.

A profile names its points by these words, so that the same quantity has the same name, the same unit
and the same field in the series database whatever the maker calls it.
"""

from dataclasses import dataclass
from enum import StrEnum

PULSE = "pulse"
"""Unit of a pulse input: what a pulse is worth is the meter's ``factor``, whatever is metered."""


class Kind(StrEnum):
    """How a point behaves in time."""

    GAUGE = "gauge"
    COUNTER = "counter"
    STATUS = "status"
    SETPOINT = "setpoint"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measurable quantity.

    Attributes
    ----------
    name : the word used in profiles, as ``active_power_total``.
    unit : the unit inside the product; drivers convert to it. Empty for a bare number.
    kind : how the point behaves in time.
    field : its field in the series database, the unit in the name, as ``active_power_kw``.
    """

    name: str
    unit: str
    kind: Kind
    field: str


def _phased(stem: str, unit: str, suffix: str) -> list[Quantity]:
    return [
        Quantity(f"{stem}_{phase}", unit, Kind.GAUGE, f"{stem}_{phase}{suffix}")
        for phase in ("l1", "l2", "l3")
    ]


def _gauge(name: str, unit: str, field: str) -> Quantity:
    return Quantity(name, unit, Kind.GAUGE, field)


def _counter(name: str, unit: str, field: str) -> Quantity:
    return Quantity(name, unit, Kind.COUNTER, field)


def _status(name: str) -> Quantity:
    return Quantity(name, "", Kind.STATUS, name)


_ELECTRICITY: list[Quantity] = [
    _gauge("active_power_total", "kW", "active_power_kw"),
    *_phased("active_power", "kW", "_kw"),
    _gauge("reactive_power_total", "kvar", "reactive_power_kvar"),
    _gauge("apparent_power_total", "kVA", "apparent_power_kva"),
    _gauge("power_factor_total", "", "power_factor"),
    *_phased("power_factor", "", ""),
    _gauge("voltage_ln_avg", "V", "voltage_v"),
    _gauge("voltage_ll_avg", "V", "voltage_ll_v"),
    *_phased("voltage_ln", "V", "_v"),
    *_phased("voltage_ll", "V", "_v"),
    _gauge("current_avg", "A", "current_a"),
    _gauge("current_sum", "A", "current_sum_a"),
    *_phased("current", "A", "_a"),
    _gauge("frequency", "Hz", "frequency_hz"),
    _gauge("demand_total", "kW", "demand_kw"),
    _gauge("demand_total_max", "kW", "demand_max_kw"),
    _gauge("demand_import_max", "kW", "demand_import_max_kw"),
    _gauge("demand_import_max_period", "kW", "demand_period_max_kw"),
    _gauge("active_power_total_max", "kW", "active_power_max_kw"),
    _counter("energy_import", "kWh", "import_kwh"),
    _counter("energy_export", "kWh", "export_kwh"),
    # Import and export added, as a meter without direction counts.
    _counter("energy_total", "kWh", "total_kwh"),
    _counter("energy_import_i64", "kWh", "import_i64_kwh"),
    _counter("energy_export_i64", "kWh", "export_i64_kwh"),
    _counter("energy_import_f32", "kWh", "import_f32_kwh"),
    # The same energy as energy_import in coarser steps: good for a comparison.
    _counter("energy_import_coarse", "kWh", "import_coarse_kwh"),
    *[_counter(f"energy_import_{phase}", "kWh", f"import_{phase}_kwh") for phase in ("l1", "l2", "l3")],
    *[_counter(f"energy_total_{phase}", "kWh", f"total_{phase}_kwh") for phase in ("l1", "l2", "l3")],
    # Partial counters: anybody at the meter can set them to 0, which begins a new epoch.
    _counter("energy_import_partial", "kWh", "import_partial_kwh"),
    _counter("energy_partial", "kWh", "partial_kwh"),
    _counter("energy_counter_1", "kWh", "counter_1_kwh"),
    # Import less export runs both ways, so it is no counter that intervals could be made of.
    _gauge("energy_net", "kWh", "net_kwh"),
    # the first channel of a meter of many circuits
    _gauge("active_power_ch1", "kW", "active_power_ch1_kw"),
    _gauge("reactive_power_ch1", "kvar", "reactive_power_ch1_kvar"),
    _gauge("apparent_power_ch1", "kVA", "apparent_power_ch1_kva"),
    _gauge("power_factor_ch1", "", "power_factor_ch1"),
    _gauge("current_ch1", "A", "current_ch1_a"),
]

_WATER_AND_HEAT: list[Quantity] = [
    _gauge("flow", "m3/h", "flow_m3h"),
    _gauge("flow_v2", "m3/h", "flow_v2_m3h"),
    _gauge("velocity", "m/s", "velocity_ms"),
    _counter("volume", "m3", "volume_m3"),
    _counter("volume_reverse", "m3", "volume_reverse_m3"),
    _gauge("thermal_power", "kW", "thermal_kw"),
    _counter("thermal_energy", "kWh", "thermal_kwh"),
    _counter("heating_energy", "kWh", "heating_kwh"),
    _counter("cooling_energy", "kWh", "cooling_kwh"),
    _gauge("temp_supply", "degC", "supply_c"),
    _gauge("temp_return", "degC", "return_c"),
    _gauge("temp_delta", "K", "delta_k"),
    *[_gauge(f"temp_t{number}", "degC", f"t{number}_c") for number in (1, 2, 3, 4)],
    _gauge("valve_position", "%", "valve_pct"),
    Quantity("valve_setpoint", "%", Kind.SETPOINT, "valve_setpoint_pct"),
    *[_counter(f"pulses_{channel}", PULSE, f"pulses_{channel}") for channel in (0, 1, 2, 3, "a", "b")],
]

_CHILLERS: list[Quantity] = [
    _gauge("chw_setpoint_active", "degC", "chw_setpoint_active_c"),
    _gauge("chw_supply_temp", "degC", "chw_supply_c"),
    _gauge("chw_return_temp", "degC", "chw_return_c"),
    _gauge("cw_entering_temp", "degC", "cw_supply_c"),
    _gauge("cw_leaving_temp", "degC", "cw_return_c"),
    _gauge("outdoor_temp", "degC", "outdoor_c"),
    _gauge("capacity_rla", "%", "load_pct"),
    _gauge("capacity", "%", "capacity_pct"),
    _gauge("demand_limit_active", "%", "demand_limit_pct"),
    _gauge("demand_limit_min", "%", "demand_limit_min_pct"),
    _gauge("chiller_current", "A", "chiller_current_a"),
    _gauge("chw_flow", "L/s", "chw_flow_ls"),
    _gauge("cooling_power", "kW", "cooling_kw"),
    _status("status"),
    _status("run_status"),
    _status("local_remote"),
    _status("control_type"),
    _status("start_stop"),
    Quantity("chw_setpoint", "degC", Kind.SETPOINT, "chw_setpoint_c"),
    Quantity("control_point", "degC", Kind.SETPOINT, "control_point_c"),
    Quantity("demand_limit_setpoint", "%", Kind.SETPOINT, "demand_limit_setpoint_pct"),
    Quantity("enable_setpoint", "", Kind.SETPOINT, "enable_setpoint"),
]

_DRIVES: list[Quantity] = [
    Quantity("speed_reference", "%", Kind.SETPOINT, "speed_reference_pct"),
    Quantity("speed_reference2", "%", Kind.SETPOINT, "speed_reference2_pct"),
    Quantity("frequency_reference", "Hz", Kind.SETPOINT, "frequency_reference_hz"),
    _gauge("main_actual_value", "%", "main_actual_pct"),
    _gauge("actual_1", "%", "actual_1_pct"),
    _gauge("actual_2", "", "actual_2"),
    _gauge("output_frequency", "Hz", "output_frequency_hz"),
    _gauge("output_frequency_pct", "%", "output_frequency_pct"),
    _gauge("motor_speed_rpm", "rpm", "motor_speed_rpm"),
    _gauge("motor_current", "A", "motor_current_a"),
    _gauge("motor_power_pct", "%", "motor_power_pct"),
    _gauge("dc_bus_voltage", "V", "dc_bus_v"),
    _gauge("heatsink_temp", "degC", "heatsink_c"),
    _status("status_word"),
    # What somebody commands, to look at: this product writes no command words.
    _status("control_word"),
]

_SURROUNDINGS: list[Quantity] = [
    _gauge("temperature", "degC", "temperature_c"),
    _gauge("humidity", "%", "humidity_pct"),
    _gauge("wet_bulb", "degC", "wet_bulb_c"),
    _gauge("rain_intensity", "mm/h", "rain_mmh"),
    _counter("rain_total", "mm", "rain_mm"),
]

_ALL = (*_ELECTRICITY, *_WATER_AND_HEAT, *_CHILLERS, *_DRIVES, *_SURROUNDINGS)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL}

# Factors to the product's own units. Temperatures have an offset and are handled in profiles.
CONVERSIONS: dict[str, dict[str, float]] = {
    "kW": {"kW": 1.0, "W": 1e-3, "MW": 1e3, "GJ/h": 1e3 / 3.6},
    "kvar": {"kvar": 1.0, "var": 1e-3},
    "kVA": {"kVA": 1.0, "VA": 1e-3},
    "kWh": {"kWh": 1.0, "Wh": 1e-3, "MWh": 1e3, "MJ": 1 / 3.6, "GJ": 1e3 / 3.6},
    "V": {"V": 1.0, "mV": 1e-3, "kV": 1e3},
    "A": {"A": 1.0, "mA": 1e-3},
    "Hz": {"Hz": 1.0},
    "m3": {"m3": 1.0, "L": 1e-3},
    "m3/h": {"m3/h": 1.0, "L/h": 1e-3, "L/s": 3.6, "L/min": 0.06},
    "L/s": {"L/s": 1.0, "m3/h": 1 / 3.6},
    "m/s": {"m/s": 1.0},
    PULSE: {PULSE: 1.0},
    "rpm": {"rpm": 1.0},
    "degC": {"degC": 1.0},
    "K": {"K": 1.0},
    "%": {"%": 1.0},
    "mm": {"mm": 1.0},
    "mm/h": {"mm/h": 1.0},
    "": {"": 1.0},
}
