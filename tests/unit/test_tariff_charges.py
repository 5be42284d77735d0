"""Charges of a tariff: the worked examples, to the cent."""

from decimal import Decimal
from fractions import Fraction

import pytest

from rules.tariff.charges import basic_charge, over_contract, power_factor_share, to_cents
from rules.tariff.terms import BasicRates, Contract
from tests.tariff_world import (
    HALF,
    OFF,
    PEAK,
    RATES,
    RULES,
)


def test_the_worked_example_of_an_excess():
    (one,) = over_contract(Contract(Decimal(1000)), {PEAK: Decimal(1150)}, RATES["summer"], RULES)
    assert [float(kw) for kw in (one.charged_kw, one.first_kw)] == [150, 100]
    assert one.amount == Fraction(78_260)
    assert f"NT${to_cents(one.amount):,.0f}" == "NT$78,260"


def test_the_worked_example_of_a_power_factor():
    assert to_cents(power_factor_share(Decimal(92), RULES) * 1_000_000) == Decimal("-12000.00")
    assert power_factor_share(Decimal(78), RULES) == Fraction(2, 1000)
    assert power_factor_share(Decimal(99), RULES) == Fraction(-15, 1000)  # no more than at 95 %
    assert power_factor_share(Decimal("91.5"), RULES) == Fraction(-12, 1000)
    assert power_factor_share(Decimal(80), RULES) == 0


def test_the_basic_charge_counts_what_is_beyond_half_of_the_day_capacities():
    contract = Contract(Decimal(1000), Decimal(100), Decimal(400), Decimal(300))
    assert basic_charge(contract, RATES["summer"]) == Fraction("223600") + 16690 + Fraction("44.7") * 150
    assert basic_charge(Contract(Decimal(1000), Decimal(0), Decimal(500)), RATES["summer"]) == 223_600
    alone = BasicRates(Decimal(100), None, None)
    assert basic_charge(Contract(Decimal(10)), alone) == 1000
    assert basic_charge(Contract(Decimal(10), Decimal(1)), alone) is None
    assert basic_charge(Contract(Decimal(10), Decimal(0), Decimal(6)), alone) is None


def test_an_excess_is_charged_once():
    """Peak 1100 over 1000; half-peak 1250 over 1050 is 200, less the 100 of the peak; off-peak 80 is less."""
    contract = Contract(Decimal(1000), Decimal(50))
    demand = {PEAK: Decimal(1100), HALF: Decimal(1250), OFF: Decimal(1130)}
    first, second = over_contract(contract, demand, RATES["summer"], RULES)
    assert (first.period, first.amount) == (PEAK, Fraction("223.6") * 200)
    assert (second.period, float(second.charged_kw), float(second.first_kw)) == (HALF, 100, 100)
    assert second.amount == Fraction("166.9") * 200
    assert over_contract(contract, {PEAK: Decimal(1000)}, RATES["summer"], RULES) == ()


def test_an_excess_without_a_rate_has_no_amount():
    rates = BasicRates(Decimal(100), None, None)
    (one,) = over_contract(Contract(Decimal(10)), {OFF: Decimal(12)}, rates, RULES)
    assert (one.rate, one.amount) == (None, None)


@pytest.mark.parametrize(
    ("amount", "printed"), [("0.005", "0.01"), ("-0.005", "-0.01"), ("1/3", "0.33"), ("78260", "78260.00")]
)
def test_amounts_are_rounded_half_away_from_zero(amount, printed):
    assert str(to_cents(Fraction(amount))) == printed
