"""Units of other people's files, as multiples of the unit that a commodity is kept in."""

from dataclasses import dataclass

from config.site import COMMODITY_UNITS, Commodity


@dataclass(frozen=True, slots=True)
class Unit:
    """How a figure becomes the kept unit: times ``times``, divided by ``by``; a rate is an hour's."""

    times: float
    by: float
    is_rate: bool = False


_ENERGY = {
    "kWh": Unit(1, 1),
    "Wh": Unit(1, 1000),
    "MWh": Unit(1000, 1),
    "GWh": Unit(1_000_000, 1),
    "度": Unit(1, 1),
    "瓩時": Unit(1, 1),
    "kW": Unit(1, 1, is_rate=True),
    "W": Unit(1, 1000, is_rate=True),
    "MW": Unit(1000, 1, is_rate=True),
    "瓩": Unit(1, 1, is_rate=True),
}
_WATER = {
    "m3": Unit(1, 1),
    "m³": Unit(1, 1),
    "L": Unit(1, 1000),
    "度": Unit(1, 1),  # Taiwan's water works count a cubic metre as one
    "立方公尺": Unit(1, 1),
    "公升": Unit(1, 1000),
    "m3/h": Unit(1, 1, is_rate=True),
    "m³/h": Unit(1, 1, is_rate=True),
    "CMH": Unit(1, 1, is_rate=True),
    "CMD": Unit(1, 24, is_rate=True),
    "L/h": Unit(1, 1000, is_rate=True),
    "L/min": Unit(60, 1000, is_rate=True),
    "LPM": Unit(60, 1000, is_rate=True),
    "L/s": Unit(3600, 1000, is_rate=True),
}
_FUEL = {
    "L": Unit(1, 1),
    "公升": Unit(1, 1),
    "m3": Unit(1000, 1),
    "L/h": Unit(1, 1, is_rate=True),
}
_BY_KEPT = {"kWh": _ENERGY, "m3": _WATER, "L": _FUEL}

LEDGER_NAMES = {"瓩時": "kWh", "公升": "L", "立方公尺": "m3", "m³": "m3"}
"""Names of a ledger's units, by how bills print them; 度 is the commodity's own unit."""


def units_of(commodity: Commodity) -> dict[str, Unit]:
    """The units in which a commodity may be counted, by name."""
    return _BY_KEPT[COMMODITY_UNITS[commodity]]
