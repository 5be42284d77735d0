"""A demand-response programme as dated data: notice, hours, caps, bid, credit and penalty.

Money and shares are decimals: what a utility prints is settled as it is printed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from enum import StrEnum

from rules.baseline.method import Statistic


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a table by execution rate.

    Attributes
    ----------
    below : holds under this rate; None with ``through`` None for the last. [%]
    through : holds up to this rate, the rate included. [%]
    ratio : what the credit is multiplied by.
    """

    ratio: Decimal
    below: Decimal | None = None
    through: Decimal | None = None

    def holds(self, percent: Decimal) -> bool:
        """Whether a rate is on this step, those before it left out."""
        if self.below is not None:
            return percent < self.below
        return self.through is None or percent <= self.through


def ratio_at(steps: tuple[Step, ...], percent: Decimal) -> Decimal:
    """Ratio of an execution rate; 1 where a programme has no steps.

    >>> steps = (Step(Decimal(0), below=Decimal(60)), Step(Decimal(1)))
    >>> ratio_at(steps, Decimal("59.9")), ratio_at(steps, Decimal(60))
    (Decimal('0'), Decimal('1'))
    """
    return next((step.ratio for step in steps if step.holds(percent)), Decimal(1))


@dataclass(frozen=True, slots=True)
class BidCredit:
    """A credit by energy at the price that the customer bid.

    Attributes
    ----------
    cap : the highest bid that the text allows; a higher one is remarked. None: the text names none. [NT$/kWh]
    decimals : decimals of a bid.
    steps : ratio by execution rate; none means 1 throughout.
    zero_under_minimum : curtailment under the contracted minimum earns nothing.
    same_day_bonus : more for each kWh where the notice came on the event's own day. [NT$/kWh]
    """

    cap: Decimal | None
    decimals: int = 2
    steps: tuple[Step, ...] = ()
    zero_under_minimum: bool = False
    same_day_bonus: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class RateCredit:
    """A credit by the execution rate at a rate that follows from the event's length.

    Attributes
    ----------
    rates : by length of the event [h], NT$/kWh.
    steps : ratio by execution rate.
    most_percent : an execution rate above it counts as this. [%]
    """

    rates: tuple[tuple[Decimal, Decimal], ...]
    steps: tuple[Step, ...]
    most_percent: Decimal | None

    def rate(self, hours: Decimal) -> Decimal | None:
        """Rate of an event of some hours; None where the text has none. [NT$/kWh]"""
        return dict(self.rates).get(hours)


@dataclass(frozen=True, slots=True)
class CapacityCredit:
    """A month's credit for being ready, energy beside it, and a penalty for too little.

    Attributes
    ----------
    capacity : by the notice that the customer wants [min], NT$ a kW and month.
    steps : ratio of the capacity by the month's mean execution rate; a month without an event has 1.
    energy : NT$/kWh for an event at ``energy_from_percent`` or more.
    penalty_below_percent : under it the lacking energy costs ``penalty_factor`` times ``energy``.
    most_percent : an execution rate above it counts as this for energy; None is no limit. [%]
    """

    capacity: tuple[tuple[int, Decimal], ...]
    steps: tuple[Step, ...]
    energy: Decimal
    energy_from_percent: Decimal
    penalty_below_percent: Decimal
    penalty_factor: Decimal
    most_percent: Decimal | None = None

    def rate(self, notice_min: int) -> Decimal | None:
        """Capacity rate of a notice; None where the text has none. [NT$/kW-month]"""
        return dict(self.capacity).get(notice_min)


Credit = BidCredit | RateCredit | CapacityCredit
MonthDay = tuple[int, int]
Season = tuple[MonthDay, MonthDay]


class NoticeKind(StrEnum):
    """How early an event is announced."""

    DAY_BEFORE = "day_before"
    """by a time of the day before"""
    BEFORE_START = "before_start"
    """by some minutes before the event"""


@dataclass(frozen=True, slots=True)
class Notice:
    """One way in which a programme announces an event: ``by`` a clock time, or ``minutes`` before it."""

    kind: NoticeKind
    by: time | None = None
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Programme:
    """One text of a programme.

    Attributes
    ----------
    id : names the text, as ``taipower-demand-bidding-2016``.
    family : what the texts of several years have in common, as ``taipower-demand-bidding``.
    first, last : days on which the text holds, both included; None is not known or open. A text without
        ``first`` is only taken by its own id.
    names, family_names : of the text and of its family, by language (``zh-TW``, ``en``).
    baseline : preset by which it measures.
    statistic : what of the event is taken off the baseline, the mean or the maximum.
    season : first and last day of the year on which events are called, as (month, day); None: the whole year.
    notices : any one of them will do.
    durations_h : lengths that an event may have; none where the text does not say.
    events_a_day, hours_a_month : limits; None where the text names none.
    minimum_kw : least curtailment that may be contracted.
    bid_until : until when of the day before a bid may be changed.
    grade : P primary text, S secondary source, B background knowledge (unverified).
    source, unverified : where it was read, and what of it is not certain, by language.
    """

    id: str
    family: str
    first: date | None
    last: date | None
    names: Mapping[str, str]
    family_names: Mapping[str, str]
    baseline: str
    statistic: Statistic
    credit: Credit
    season: Season | None
    notices: tuple[Notice, ...]
    durations_h: tuple[Decimal, ...]
    events_a_day: int | None
    hours_a_month: Decimal | None
    minimum_kw: Decimal | None
    bid_until: time | None
    grade: str
    source: str
    unverified: Mapping[str, tuple[str, ...]]

    def holds_on(self, day: date) -> bool:
        """Whether the text is known to hold on a day."""
        if self.first is None or day < self.first:
            return False
        return self.last is None or day <= self.last
