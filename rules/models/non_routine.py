"""Avoided energy with what neither meter nor weather explains: more staff, an office that moved in."""

from dataclasses import dataclass
from math import hypot


@dataclass(frozen=True, slots=True)
class FurtherAdjusted:
    """Avoided energy after non-routine adjustments. [use]

    Attributes
    ----------
    adjustment : sum of the adjustments, positive where they made the building use more.
    avoided : avoided energy with them.
    half_width : of its band; the model's and the adjustments' own, in quadrature.
    """

    adjustment: float
    avoided: float
    half_width: float


def further_adjusted(
    avoided: float, half_width: float, adjustment: float, uncertainty: float
) -> FurtherAdjusted:
    """Add adjustments to an avoided energy; both bands are of the same confidence.

    What 300 more people use is no loss of the engineers': it is added to what would have been used.

    References
    ----------
    .. [1] EVO 10000-1:2022, IPMVP Core Concepts: savings = adjusted baseline - reporting use +- non-routine
       adjustments.

    Examples
    --------
    >>> further_adjusted(100.0, 30.0, 50.0, 40.0)
    FurtherAdjusted(adjustment=50.0, avoided=150.0, half_width=50.0)
    """
    return FurtherAdjusted(adjustment, avoided + adjustment, hypot(half_width, uncertainty))
