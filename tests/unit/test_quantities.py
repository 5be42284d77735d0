"""The words of measurement: units that convert, fields of their own, and what is a counter."""

import re

import pytest

from rules.quantities import CONVERSIONS, PULSE, QUANTITIES, Kind


@pytest.mark.parametrize("name", QUANTITIES)
def test_a_quantity_is_in_a_unit_that_converts_to_itself(name: str):
    quantity = QUANTITIES[name]
    assert quantity.name == name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", quantity.field)
    assert CONVERSIONS[quantity.unit][quantity.unit] == 1.0


def test_no_two_quantities_share_a_field():
    assert len({quantity.field for quantity in QUANTITIES.values()}) == len(QUANTITIES)


@pytest.mark.parametrize(
    ("unit", "other", "factor"),
    [
        ("kW", "GJ/h", 277.7777777777778),
        ("kWh", "GJ", 277.7777777777778),
        ("kWh", "MJ", 0.2777777777777778),
        ("kWh", "MWh", 1000.0),
        ("m3/h", "L/s", 3.6),
        ("m3/h", "L/h", 0.001),
    ],
)
def test_units_convert(unit: str, other: str, factor: float):
    assert CONVERSIONS[unit][other] == pytest.approx(factor)


def test_what_runs_both_ways_is_no_counter():
    assert QUANTITIES["energy_net"].kind is Kind.GAUGE


def test_pulses_are_counted_whatever_they_are_of():
    pulses = [quantity for quantity in QUANTITIES.values() if quantity.unit == PULSE]
    assert pulses
    assert all(quantity.kind is Kind.COUNTER for quantity in pulses)
