"""What people write down of a meter or a tank: whether it can be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plausible:
    """The mean use a day that can be, in the unit of what is logged: between these, both included."""

    least_a_day: float
    most_a_day: float


def a_day(quantity: float, days: int) -> float:
    """Mean use a day.

    Parameters
    ----------
    days : how many days the quantity is of, the first and the last included; at least one.
    """
    return quantity / days


def implausible(quantity: float, days: int, limits: Plausible | None) -> float | None:
    """The limit that a quantity breaks, as a mean a day; None where it breaks none.

    Examples
    --------
    >>> implausible(5000.0, 10, Plausible(0.0, 200.0))
    200.0
    >>> implausible(1500.0, 10, Plausible(0.0, 200.0)) is None
    True
    """
    if limits is None:
        return None
    mean = a_day(quantity, days)
    if mean > limits.most_a_day:
        return limits.most_a_day
    return limits.least_a_day if mean < limits.least_a_day else None
