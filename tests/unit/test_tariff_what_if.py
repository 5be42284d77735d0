"""Which contract would have cost least."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from rules.tariff.parts import parts_of
from rules.tariff.terms import BasicRates, Contract, Dated
from rules.tariff.usage import use_of_parts
from rules.tariff.what_if import Month, best_regular, contract_cost, total_cost
from tests.tariff_world import (
    RULES,
    TAIPEI,
    intervals,
    supply,
    tariff,
)


def month(kw, one, first=date(2025, 11, 1), last=date(2025, 11, 30)):
    uses = use_of_parts(parts_of(one, first, last), intervals(first, last, kw / 4), TAIPEI, 900)
    return Month("2025-11", uses, 30)


def test_the_best_contract_of_one_flat_month_is_its_demand():
    one = supply()
    months = [month(800, one)]
    best = best_regular(months, Contract(Decimal(1000)), one)
    assert (best.whole_kw, best.exact_kw) == (800, Decimal(800))
    assert total_cost(months, Contract(Decimal(800)), one) == Fraction("166.9") * 800
    assert contract_cost(months[0], Contract(Decimal(790)), None) == Fraction("166.9") * (790 + 20)


def test_a_month_that_is_rarely_high_is_better_paid_for_than_promised():
    """Eleven months of 800 and one of 900: the excess of one month at three times is cheaper than twelve."""
    one = supply()
    months = [month(800, one)] * 11 + [month(900, one)]
    best = best_regular(months, Contract(Decimal(1000)), one)
    assert best.whole_kw == 800


def test_a_best_contract_between_whole_kw():
    one = supply()
    best = best_regular([month(800.75, one)], Contract(Decimal(1000)), one)
    assert (best.whole_kw, best.exact_kw) == (801, Decimal("800.75"))


def test_without_months_or_rates_there_is_no_best():
    one = supply(tariff(basic=()))
    assert best_regular([], Contract(Decimal(1000)), one) is None
    assert best_regular([month(800, one)], Contract(Decimal(1000)), one) is None
    assert not month(800, one).is_billable()
    assert month(800, supply()).is_billable()
    alone = {"other": BasicRates(Decimal(90), None, None)}
    two = supply(tariff(basic=(Dated(date(2023, 1, 1), None, alone),)))
    assert contract_cost(month(800, two), Contract(Decimal(700)), None) is None
    assert contract_cost(month(800, two), Contract(Decimal(900), Decimal(1)), None) is None


def test_without_a_first_share_all_of_an_excess_costs_the_most():
    rules = replace(RULES, first_share=Decimal(0))
    one = supply(tariff(rules=(Dated(date(2023, 1, 1), None, rules),)))
    best = best_regular([month(800, one)], Contract(Decimal(1000)), one)
    assert best.whole_kw == 800
    none = supply(tariff(rules=()))
    assert best_regular([month(800, none)], Contract(Decimal(1000)), none) is None


def test_the_power_factor_counts_in_what_a_contract_costs():
    one = supply(power_factor=Decimal(92))
    assert total_cost([month(800, one)], Contract(Decimal(800)), one) == Fraction("131917.76")  # -1.2 %
