"""Dated changes of a figure that no meter and no weather explains: more staff, a large event, a new office.

Two ledgers are kept of them. Those of the ``base`` correct a base year that is locked; the ``non_routine``
ones are what the period's use is adjusted for, and stand beside the plain and the weather-adjusted answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from math import sqrt


class Book(StrEnum):
    """Which figure an adjustment belongs to."""

    BASE = "base"
    NON_ROUTINE = "non_routine"


class Per(StrEnum):
    """What the quantity of an adjustment is of: all of its days together, or each of them."""

    EVENT = "event"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class NonRoutineAdjustment:
    """One entry of the ledger, with everything that an auditor asks for.

    Attributes
    ----------
    id : its number in the store; it is withdrawn by this number.
    book : the base year's figure, or the period's.
    commodity : as ``electricity``.
    start : first day.
    end : last day, inclusive; None while it goes on, which only an adjustment per day may do.
    quantity : in ``unit``, positive where more is used because of it, negative where less: 300 more
        people are +, a floor that stands empty is -. To avoided energy it is added with its sign.
    uncertainty : half of the width of its 90 % band, in the unit and per what ``quantity`` is; 0 where it
        was measured.
    per : whether ``quantity`` is of all the days together, or of each.
    reason, evidence, author : why, where that is written, and who answers for it.
    text_zh_tw, text_en : the sentence that goes into the report; the reason where there is none.
    """

    id: int
    book: Book
    commodity: str
    start: date
    end: date | None
    quantity: float
    unit: str
    uncertainty: float
    per: Per
    reason: str
    evidence: str
    author: str
    text_zh_tw: str = ""
    text_en: str = ""

    def text(self, language: str) -> str:
        """The sentence for the report, in one language."""
        return (self.text_en if language == "en" else self.text_zh_tw) or self.reason


@dataclass(frozen=True, slots=True)
class AdjustmentShare:
    """The part of an adjustment that falls into a period.

    Attributes
    ----------
    adjustment : the whole of it.
    start, end : its days in the period, inclusive.
    quantity, uncertainty : of these days, in the adjustment's unit. Days alike: an event that lies only
        partly in the period gives its quantity by the number of days, and is marked.
    apportioned : it was given by the number of days.
    """

    adjustment: NonRoutineAdjustment
    start: date
    end: date
    quantity: Fraction
    uncertainty: float
    apportioned: bool

    @property
    def days(self) -> int:
        """How many days of it lie in the period."""
        return (self.end - self.start).days + 1


def shares_within(
    adjustments: Iterable[NonRoutineAdjustment], start: date, end: date
) -> tuple[AdjustmentShare, ...]:
    """Take the shares that fall on the days from ``start`` to ``end``, inclusive, in the order given.

    Examples
    --------
    >>> staff = NonRoutineAdjustment(
    ...     1, Book.NON_ROUTINE, "water", date(2017, 3, 1), None, 9.0, "m3", 2.0, Per.DAY, "300 more", "", ""
    ... )
    >>> share = shares_within([staff], date(2017, 7, 1), date(2017, 12, 31))[0]
    >>> share.quantity, share.uncertainty
    (Fraction(1656, 1), 368.0)
    """
    found = []
    for one in adjustments:
        first, last = max(one.start, start), min(one.end or end, end)
        if first > last:
            continue
        days = (last - first).days + 1
        part = Fraction(days)
        apportioned = False
        if one.per is Per.EVENT:
            whole = ((one.end or last) - one.start).days + 1
            part, apportioned = Fraction(days, whole), days < whole
        # What a person wrote is decimal: its shortest text is what was written.
        quantity = Fraction(repr(float(one.quantity))) * part
        found.append(AdjustmentShare(one, first, last, quantity, float(one.uncertainty * part), apportioned))
    return tuple(found)


def sum_of_shares(shares: Sequence[AdjustmentShare]) -> tuple[Fraction, float]:
    """Sum of quantities, and half of the width of its 90 % band.

    Different events are taken as independent: their bands add in quadrature. Shares of one event that lie
    in one period are one share.
    """
    quantity = sum((share.quantity for share in shares), Fraction(0))
    return quantity, sqrt(sum(share.uncertainty**2 for share in shares))


def by_day(shares: Sequence[AdjustmentShare], start: date, end: date) -> tuple[Fraction, ...]:
    """What the shares give to each day from ``start`` to ``end``, inclusive; each of its days alike."""
    of_days = [Fraction(0)] * ((end - start).days + 1)
    for share in shares:
        each = share.quantity / share.days
        first, last = max(share.start, start), min(share.end, end)
        for at in range((first - start).days, (last - start).days + 1):
            of_days[at] += each
    return tuple(of_days)
