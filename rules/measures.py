"""What a retrofit is said to save, what that is worth, and what a sub-meter says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import fsum

DAYS_A_YEAR = 365
LEAST_DAYS = 28
"""So many known days on either side: four whole weeks, each weekday alike."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One retrofit, as its ledger has it.

    Attributes
    ----------
    quantity : how many pieces.
    old_w, new_w : what each drew and draws, W; None where nobody said, as of faucets.
    hours_a_year : how long each is on; None likewise.
    start : the day on which it was done; None where nobody said.
    priced_on : the day whose price says what the saving is worth; the day on which it was done when None.
    meter : a sub-meter that sees it, or empty.
    """

    id: str
    commodity: str
    name_zh_tw: str
    name_en: str
    quantity: int
    old_w: float | None
    new_w: float | None
    hours_a_year: float | None
    start: date | None
    priced_on: date | None
    meter: str
    source: str


def stated_kwh_a_year(measure: Measure) -> Fraction | None:
    """Saving by the labels: quantity times the watts less, times the hours; None where one is not known.

    Examples
    --------
    >>> led = Measure("b1-5f", "electricity", "", "", 93, 26.0, 10.0, 5000.0, None, None, "", "")
    >>> stated_kwh_a_year(led)
    Fraction(7440, 1)
    """
    if measure.old_w is None or measure.new_w is None or measure.hours_a_year is None:
        return None
    old, new, hours = (Fraction(repr(float(x))) for x in (measure.old_w, measure.new_w, measure.hours_a_year))
    return measure.quantity * (old - new) / 1000 * hours


def worth(saving: Fraction, price: float) -> int:
    """A saving at a price a unit, in whole units of money, half up.

    Examples
    --------
    >>> worth(Fraction(7440), 3.79), worth(Fraction(13143), 3.79)
    (28198, 49812)
    """
    exact = saving * Fraction(repr(float(price)))
    sign = 1 if exact >= 0 else -1
    return sign * int(abs(exact) + Fraction(1, 2))


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """A price from a day on, until the next one's."""

    start: date
    price: float


def price_on(prices: Sequence[DatedPrice], day: date) -> DatedPrice | None:
    """The price in force on a day; None before the first."""
    valid = [one for one in prices if one.start <= day]
    return max(valid, key=lambda one: one.start) if valid else None


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """A sub-meter before and after a retrofit, over the known days of both sides.

    Attributes
    ----------
    before, after : mean use of a day.
    days_before, days_after : how many known days each is the mean of.
    """

    before: float
    after: float
    days_before: int
    days_after: int

    @property
    def a_year(self) -> float:
        """What the difference comes to in 365 days; positive is a saving. Weather and use are in it."""
        return (self.before - self.after) * DAYS_A_YEAR


def before_and_after(before: Sequence[float | None], after: Sequence[float | None]) -> BeforeAfter | None:
    """Hold a sub-meter's days before a retrofit against those after it; None = not known.

    Returns
    -------
    None where either side knows fewer than ``LEAST_DAYS`` days.
    """
    known_before = [one for one in before if one is not None]
    known_after = [one for one in after if one is not None]
    if min(len(known_before), len(known_after)) < LEAST_DAYS:
        return None
    means = [fsum(known) / len(known) for known in (known_before, known_after)]
    return BeforeAfter(means[0], means[1], len(known_before), len(known_after))
