"""What a tariff says: dated clocks, prices and rules, and what a site has agreed with its utility.

Everything here was read from files and is fixed. Money is ``Decimal`` of the tariff's currency.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Generic, TypeVar

from rules.off_peak import UNVERIFIED, OffPeakDays
from rules.tariff.periods import Clock, Period

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """What holds from a day to a day, both included; without ``last`` until something else is said.

    ``grade`` and ``source`` say how far to trust it and where it was read.
    """

    first: date
    last: date | None
    value: T
    grade: str = ""
    source: str = ""

    def holds(self, day: date) -> bool:
        """Whether it holds on a day."""
        return self.first <= day and (self.last is None or day <= self.last)

    @property
    def is_unverified(self) -> bool:
        """Whether it has to be shown as unverified."""
        return self.grade == UNVERIFIED


def on(entries: Iterable[Dated[T]], day: date) -> Dated[T] | None:
    """What holds on a day; None where nothing does. The entries do not overlap."""
    return next((entry for entry in entries if entry.holds(day)), None)


@dataclass(frozen=True, slots=True)
class EnergyPrices:
    """Price of a kWh by season and period; what is not known is left out."""

    by_season: Mapping[str, Mapping[Period, Decimal]]

    def of(self, season: str, period: Period) -> Decimal | None:
        """Price of a kWh; None where it is not known."""
        return self.by_season.get(season, {}).get(period)


@dataclass(frozen=True, slots=True)
class BasicRates:
    """Basic charge of one season, per kW and month; what a tariff does not have is None.

    Attributes
    ----------
    regular, half_peak : of the contract capacities C1 and C2.
    others : of the Saturday half-peak and off-peak capacities, C3 and C4.
    """

    regular: Decimal
    half_peak: Decimal | None
    others: Decimal | None

    def of(self, period: Period) -> Decimal | None:
        """The rate on which excess in a period is charged."""
        return {Period.PEAK: self.regular, Period.HALF_PEAK: self.half_peak}.get(period, self.others)


@dataclass(frozen=True, slots=True)
class ContractRules:
    """How excess over the contract and the power factor are charged.

    Attributes
    ----------
    first_share : of the contract, up to which an excess costs ``first_times`` the basic rate; the rest
        costs ``beyond_times`` of it.
    neutral_percent, best_percent : power factor that changes nothing, and from which on it gains no more.
    step_share : of the bill, for each whole percent of power factor.
    """

    first_share: Decimal
    first_times: Decimal
    beyond_times: Decimal
    neutral_percent: int
    best_percent: int
    step_share: Decimal


@dataclass(frozen=True, slots=True)
class Contract:
    """Contract capacities [kW]: regular C1, half-peak C2, Saturday half-peak C3, off-peak C4."""

    regular_kw: Decimal | Fraction
    half_peak_kw: Decimal | Fraction = Decimal(0)
    saturday_kw: Decimal | Fraction = Decimal(0)
    off_peak_kw: Decimal | Fraction = Decimal(0)

    @property
    def capacities_kw(self) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        """C1 to C4. [kW]"""
        every = (self.regular_kw, self.half_peak_kw, self.saturday_kw, self.off_peak_kw)
        c1, c2, c3, c4 = (Fraction(kw) for kw in every)
        return c1, c2, c3, c4

    def allowed_kw(self, period: Period) -> Fraction:
        """What may be drawn in a period: the capacities up to it, added. [kW]

        >>> Contract(Decimal(1000), Decimal(100)).allowed_kw(Period.HALF_PEAK)
        Fraction(1100, 1)
        """
        return sum(self.capacities_kw[: period + 1], Fraction(0))


@dataclass(frozen=True, slots=True)
class Tariff:
    """One tariff of a utility through the years.

    Attributes
    ----------
    id : its file's name. names : for people, by language. currency : sign before amounts.
    clocks, energy, basic, rules : each without overlaps, oldest first; there may be gaps.
    basic : rates by season.
    """

    id: str
    names: Mapping[str, str]
    currency: str
    calendar: str
    clocks: tuple[Dated[Clock], ...]
    energy: tuple[Dated[EnergyPrices], ...]
    basic: tuple[Dated[Mapping[str, BasicRates]], ...]
    rules: tuple[Dated[ContractRules], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A tariff as a site has it: with the off-peak days that are meant."""

    tariff: Tariff
    days: OffPeakDays


@dataclass(frozen=True, slots=True)
class Supply:
    """What a site has agreed with its utility, by time; neither plans nor contracts overlap.

    ``power_factor_percent`` is the monthly mean that the utility bills; None where nobody told.
    """

    plans: tuple[Dated[Plan], ...]
    contracts: tuple[Dated[Contract], ...]
    power_factor_percent: Decimal | None = None
