"""What a register that a person reads says: what was used between two readings, and when that counts."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

from rules.savings import ONE_DAY, Days


class Read(Protocol):
    """A register as it stood at the beginning of a day."""

    @property
    def day(self) -> date:
        """The day, local to the site."""

    @property
    def reading(self) -> float:
        """In the commodity's unit."""


@dataclass(frozen=True, slots=True)
class Span:
    """What was used between two consecutive readings.

    Attributes
    ----------
    at : position of the earlier reading among those that were given; the later one is the next.
    start, end : the days, both inclusive: that of the earlier reading, and the last before the later one.
    quantity : the register's advance.
    """

    at: int
    start: date
    end: date
    quantity: Fraction


def spans_between(readings: Sequence[Read]) -> tuple[Span, ...]:
    """What was used between each reading and the next.

    Parameters
    ----------
    readings : of one register, in the order of their days, none of which stands twice.

    Returns
    -------
    One span less than there are readings; they lie end to end and add up to the last less the first.

    Raises
    ------
    ValueError : the days do not ascend, or the register goes back.
    """
    spans = []
    for at, (before, after) in enumerate(pairwise(readings)):
        # A reading is decimal: its shortest text is what was written.
        quantity = Fraction(repr(float(after.reading))) - Fraction(repr(float(before.reading)))
        if after.day <= before.day or quantity < 0:
            raise ValueError(
                f"{before.day}: {before.reading} cannot be followed by {after.day}: {after.reading}"
            )
        spans.append(Span(at, before.day, after.day - ONE_DAY, quantity))
    return tuple(spans)


def split_by_ledger(
    spans: Sequence[Span], booked: Sequence[Days]
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Part spans into those that count beside a ledger, and those that are left out.

    A span that shares a day with the ledger is left out as a whole: how much of it fell on the other days
    nobody wrote down.

    Parameters
    ----------
    booked : days of the ledger's rows, which share none among them.

    Returns
    -------
    counting, left out : each in the order given.
    """
    ordered = sorted(booked)
    counting: list[Span] = []
    left_out: list[Span] = []
    for span in spans:
        before = bisect_right(ordered, span.end, key=lambda days: days[0])
        shares = before > 0 and ordered[before - 1][1] >= span.start
        (left_out if shares else counting).append(span)
    return tuple(counting), tuple(left_out)
