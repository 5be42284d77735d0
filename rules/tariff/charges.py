"""The charges of a bill as exact arithmetic: rates are Decimal, amounts Fraction until a line is printed."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from rules.tariff.periods import Period
from rules.tariff.terms import BasicRates, Contract, ContractRules

CENT = Decimal("0.01")


def to_cents(amount: Fraction) -> Decimal:
    """An amount as it is printed: to the hundredth, a half away from zero."""
    hundredths = abs(amount) * 100
    rounded = int(hundredths + Fraction(1, 2))
    return (Decimal(rounded if amount >= 0 else -rounded) * CENT).quantize(CENT)


def as_decimal(exact: Fraction) -> Decimal:
    """An exact figure that was made of decimals, as one."""
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def basic_charge(contract: Contract, rates: BasicRates) -> Fraction | None:
    """Basic charge of a whole month: C1*r1 + C2*r2 + r34 * max(0, C3 + C4 - (C1 + C2) / 2).

    None where a capacity was agreed for which the tariff names no rate.

    >>> rates = BasicRates(Decimal("223.6"), Decimal("166.9"), Decimal("44.7"))
    >>> basic_charge(Contract(Decimal(1000), Decimal(100), Decimal(400), Decimal(300)), rates)
    Fraction(246975, 1)
    """
    c1, c2, c3, c4 = contract.capacities_kw
    beyond = max(Fraction(0), c3 + c4 - (c1 + c2) / 2)
    if (c2 and rates.half_peak is None) or (beyond and rates.others is None):
        return None
    r1, r2, r34 = (Fraction(rate or 0) for rate in (rates.regular, rates.half_peak, rates.others))
    return c1 * r1 + c2 * r2 + beyond * r34


@dataclass(frozen=True, slots=True)
class Excess:
    """What was drawn over the contract in one period.

    Attributes
    ----------
    allowed_kw : what the contract allows. demand_kw : what was drawn at the most.
    charged_kw : of the excess, what no earlier period was charged for.
    amount : of a whole month; None where the tariff names no rate.
    """

    period: Period
    allowed_kw: Fraction
    demand_kw: Decimal
    charged_kw: Fraction
    first_kw: Fraction
    rate: Decimal | None
    amount: Fraction | None


def over_contract(
    contract: Contract, demand_kw: Mapping[Period, Decimal], rates: BasicRates, rules: ContractRules
) -> tuple[Excess, ...]:
    """Charges of a whole month for demand over the contract, for each period that has any.

    In each period the excess over all capacities up to its own, less the larger excess that an earlier
    period was charged for. The first share of the contract costs twice the period's basic rate and the rest
    three times, where the rules say so.

    >>> rules = ContractRules(Decimal("0.1"), Decimal(2), Decimal(3), 80, 95, Decimal("0.001"))
    >>> rates = BasicRates(Decimal("223.6"), Decimal("166.9"), Decimal("44.7"))
    >>> over_contract(Contract(Decimal(1000)), {Period.PEAK: Decimal(1150)}, rates, rules)[0].amount
    Fraction(78260, 1)
    """
    found = []
    charged = Fraction(0)  # the largest excess so far
    for period in sorted(demand_kw):
        allowed = contract.allowed_kw(period)
        excess = Fraction(demand_kw[period]) - allowed
        rest = excess - charged
        charged = max(charged, excess)
        if rest <= 0:
            continue
        first = min(rest, Fraction(rules.first_share) * allowed)
        rate = rates.of(period)
        amount = None
        if rate is not None:
            times = first * Fraction(rules.first_times) + (rest - first) * Fraction(rules.beyond_times)
            amount = Fraction(rate) * times
        found.append(Excess(period, allowed, demand_kw[period], rest, first, rate, amount))
    return tuple(found)


def power_factor_share(percent: Decimal, rules: ContractRules) -> Fraction:
    """By which share the power factor changes a bill; negative makes it cheaper.

    The mean power factor is taken to a whole percent, a half upward.

    >>> rules = ContractRules(Decimal("0.1"), Decimal(2), Decimal(3), 80, 95, Decimal("0.001"))
    >>> power_factor_share(Decimal(92), rules) * 1_000_000
    Fraction(-12000, 1)
    """
    whole = int(percent.quantize(Decimal(1), ROUND_HALF_UP))
    return (rules.neutral_percent - min(whole, rules.best_percent)) * Fraction(rules.step_share)
