"""Figures as a settlement prints them: from measured floats to decimals, once."""

from decimal import ROUND_HALF_UP, Decimal

MICRO = Decimal("0.000001")
CENT = Decimal("0.01")
DOLLAR = Decimal(1)
TENTH = Decimal("0.1")


def measured(kw: float) -> Decimal:
    """A measured or computed power without the noise of binary fractions. [kW]

    >>> measured(149.99999999999997)
    Decimal('150.000000')
    """
    return Decimal(kw).quantize(MICRO, ROUND_HALF_UP)


def cents(amount: Decimal) -> Decimal:
    """An amount to the cent, halves away from zero. [NT$]"""
    return amount.quantize(CENT, ROUND_HALF_UP)


def dollars(amount: Decimal) -> Decimal:
    """An amount to the dollar, halves away from zero. [NT$]

    >>> dollars(Decimal("790.50"))
    Decimal('791')
    """
    return amount.quantize(DOLLAR, ROUND_HALF_UP)


def execution_percent(curtailed_kw: Decimal, committed_kw: Decimal) -> Decimal:
    """Execution rate to one decimal of a percent, never below zero. [%]

    One decimal of the percent (95.0 %), not of the ratio: 0.9496 is 95.0 % and not 0.9.

    >>> execution_percent(Decimal("189.92"), Decimal(200))
    Decimal('95.0')
    """
    return max(Decimal(0), 100 * curtailed_kw / committed_kw).quantize(TENTH, ROUND_HALF_UP)
