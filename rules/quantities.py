"""The names and units of everything that a device can measure.

A profile names its points by these words, so that the same quantity has the same name, the same unit
and the same field in the series database whatever the maker calls it.
"""

from dataclasses import dataclass
from enum import StrEnum


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


_ALL: list[Quantity] = [
    # electricity
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
    _gauge("demand_import_max_period", "kW", "demand_period_max_kw"),
    _counter("energy_import", "kWh", "import_kwh"),
    _counter("energy_export", "kWh", "export_kwh"),
    _counter("energy_total", "kWh", "total_kwh"),
    _counter("energy_import_i64", "kWh", "import_i64_kwh"),
    _counter("energy_export_i64", "kWh", "export_i64_kwh"),
    *[_counter(f"energy_import_{phase}", "kWh", f"import_{phase}_kwh") for phase in ("l1", "l2", "l3")],
    # water
    _gauge("flow", "m3/h", "flow_m3h"),
    _counter("volume", "m3", "volume_m3"),
    # chillers
    _gauge("chw_setpoint_active", "degC", "chw_setpoint_active_c"),
    _gauge("chw_supply_temp", "degC", "chw_supply_c"),
    _gauge("chw_return_temp", "degC", "chw_return_c"),
    _gauge("cw_entering_temp", "degC", "cw_supply_c"),
    _gauge("cw_leaving_temp", "degC", "cw_return_c"),
    _gauge("capacity_rla", "%", "load_pct"),
    _gauge("demand_limit_active", "%", "demand_limit_pct"),
    _gauge("chw_flow", "L/s", "chw_flow_ls"),
    _gauge("cooling_power", "kW", "cooling_kw"),
    Quantity("status", "", Kind.STATUS, "status"),
    Quantity("chw_setpoint", "degC", Kind.SETPOINT, "chw_setpoint_c"),
    Quantity("demand_limit_setpoint", "%", Kind.SETPOINT, "demand_limit_setpoint_pct"),
    # surroundings
    _gauge("temperature", "degC", "temperature_c"),
    _gauge("humidity", "%", "humidity_pct"),
    _gauge("wet_bulb", "degC", "wet_bulb_c"),
    _gauge("rain_intensity", "mm/h", "rain_mmh"),
    _counter("rain_total", "mm", "rain_mm"),
]

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL}

# Factors to the product's own units. Temperatures have an offset and are handled in profiles.
CONVERSIONS: dict[str, dict[str, float]] = {
    "kW": {"kW": 1.0, "W": 1e-3, "MW": 1e3},
    "kvar": {"kvar": 1.0, "var": 1e-3},
    "kVA": {"kVA": 1.0, "VA": 1e-3},
    "kWh": {"kWh": 1.0, "Wh": 1e-3, "MWh": 1e3},
    "V": {"V": 1.0, "mV": 1e-3, "kV": 1e3},
    "A": {"A": 1.0, "mA": 1e-3},
    "Hz": {"Hz": 1.0},
    "m3": {"m3": 1.0, "L": 1e-3},
    "m3/h": {"m3/h": 1.0, "L/h": 1e-3, "L/s": 3.6, "L/min": 0.06},
    "L/s": {"L/s": 1.0, "m3/h": 1 / 3.6},
    "degC": {"degC": 1.0},
    "%": {"%": 1.0},
    "mm": {"mm": 1.0},
    "mm/h": {"mm/h": 1.0},
    "": {"": 1.0},
}
