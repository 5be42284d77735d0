"""What past months would have cost with another contract, and the capacity that would have cost least.

A month's basic and over-contract charges are piecewise linear in the regular capacity C1 while the other
capacities stay. Between two neighbouring breakpoints nothing bends, so that the least cost lies at one
or at the smallest capacity, and among whole kW at a whole number next to one: all of them are looked at.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from math import ceil, floor

from rules.tariff.charges import as_decimal, basic_charge, over_contract, power_factor_share
from rules.tariff.periods import Period
from rules.tariff.terms import Contract, Supply
from rules.tariff.usage import PartUse

SMALLEST_KW = 1


@dataclass(frozen=True, slots=True)
class Month:
    """What is known of one month: its parts, and how many days it has."""

    id: str
    uses: tuple[PartUse, ...]
    days: int

    def is_billable(self) -> bool:
        """Whether every part has basic rates, rules, and some time that is known."""
        return all(
            use.part.rates is not None and use.part.rules is not None and use.known_s for use in self.uses
        )


@dataclass(frozen=True, slots=True)
class Best:
    """The capacity that would have cost least: among whole kW, and among all numbers."""

    whole_kw: int
    exact_kw: Decimal


def contract_cost(month: Month, contract: Contract, power_factor: Decimal | None) -> Fraction | None:
    """Basic and over-contract charges of a month, with the power factor's share, exactly.

    None where a rate is missing that this contract needs.
    """
    total = Fraction(0)
    for use in month.uses:
        rates, rules = use.part.rates, use.part.rules
        if rates is None or rules is None:
            return None
        demand = {period: peak.kw for period, peak in use.peaks.items()}
        basic = basic_charge(contract, rates)
        amounts = [one.amount for one in over_contract(contract, demand, rates, rules.value)]
        if basic is None or None in amounts:
            return None
        part = basic + sum((one for one in amounts if one is not None), Fraction(0))
        factor = Fraction(0) if power_factor is None else power_factor_share(power_factor, rules.value)
        total += part * Fraction(use.part.days, month.days) * (1 + factor)
    return total


def total_cost(months: Iterable[Month], contract: Contract, supply: Supply) -> Fraction | None:
    """The same of several months together."""
    total = Fraction(0)
    for month in months:
        cost = contract_cost(month, contract, supply.power_factor_percent)
        if cost is None:
            return None
        total += cost
    return total


def best_regular(months: Sequence[Month], contract: Contract, supply: Supply) -> Best | None:
    """The regular capacity that would have cost least; the smaller one where two cost the same.

    None where a rate is missing, or there are no months.
    """
    knots = sorted({Fraction(SMALLEST_KW), *(kw for kw in _knots(months, contract) if kw > SMALLEST_KW)})
    exact = _cheapest(knots, months, contract, supply)
    whole = _cheapest(
        sorted({Fraction(f(kw)) for kw in knots for f in (floor, ceil)}), months, contract, supply
    )
    if exact is None or whole is None or not months:
        return None
    return Best(int(whole), as_decimal(exact))


def _cheapest(
    candidates: Sequence[Fraction], months: Sequence[Month], contract: Contract, supply: Supply
) -> Fraction | None:
    best: tuple[Fraction, Fraction] | None = None
    for kw in candidates:
        cost = total_cost(months, replace(contract, regular_kw=kw), supply)
        if cost is None:
            return None
        if best is None or cost < best[0]:
            best = cost, kw
    return None if best is None else best[1]


def _knots(months: Sequence[Month], contract: Contract) -> Iterator[Fraction]:
    """Every C1 at which a charge can bend."""
    # Where the capacities C3 and C4 begin to cost: C3 + C4 = (C1 + C2) / 2.
    _, c2, c3, c4 = contract.capacities_kw
    yield 2 * (c3 + c4) - c2
    for month in months:
        for use in month.uses:
            # Demand less what the other capacities allow: the C1 at which the excess begins.
            beyond = {
                period: Fraction(peak.kw) - _rest(contract, period) for period, peak in use.peaks.items()
            }
            yield from beyond.values()
            if use.part.rules is None:
                continue
            share = Fraction(use.part.rules.value.first_share)
            for period, edge in beyond.items():
                # Where an excess passes the first share of its contract: edge - C1 = share * (C1 + rest).
                rest = _rest(contract, period)
                yield (edge - share * rest) / (1 + share)
                # Where an earlier period was charged for a part: what is left stays the same while C1 falls.
                if share:
                    for earlier, later in combinations(sorted(beyond), 2):
                        if later == period:
                            yield (beyond[later] - beyond[earlier]) / share - rest


def _rest(contract: Contract, period: Period) -> Fraction:
    """What the other capacities allow in a period. [kW]"""
    return contract.allowed_kw(period) - contract.capacities_kw[0]
