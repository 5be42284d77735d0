"""Why a value is not good: what a person is told beside it."""

import math
from enum import StrEnum

from rules.quality import Quality
from rules.scan import PointSpec


class Doubt(StrEnum):
    """What speaks against a value."""

    NO_VALUE = "no_value"
    """There is none, or what came is no number."""
    BELOW = "below"
    """It is less than its point can plausibly be."""
    ABOVE = "above"
    """It is more than its point can plausibly be."""
    TOLD = "told"
    """Its own source doubts it."""


def doubt_of(point: PointSpec, value: float, quality: int) -> Doubt | None:
    """What speaks against one value of a scan that was graded; None where nothing does.

    Parameters
    ----------
    value : in the point's unit, NaN = missing. quality : ``Quality`` of it.

    Examples
    --------
    >>> from rules.quantities import Kind
    >>> doubt_of(PointSpec("voltage", "V", Kind.GAUGE, low=0.0, high=500.0), 65535.0, Quality.SUSPECT)
    <Doubt.ABOVE: 'above'>
    """
    if not math.isfinite(value):
        return Doubt.NO_VALUE
    if value < point.low:
        return Doubt.BELOW
    if value > point.high:
        return Doubt.ABOVE
    return Doubt.TOLD if quality >= Quality.SUSPECT else None
