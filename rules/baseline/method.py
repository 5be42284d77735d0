"""What a baseline method is made of: which days, which of them, what of a day, what the event day says."""

from dataclasses import dataclass
from enum import StrEnum

DAY_HOURS = 24


class Statistic(StrEnum):
    """What of a window counts."""

    MEAN = "mean"
    MAXIMUM = "maximum"


class Anchor(StrEnum):
    """What the hours of a span are counted from."""

    START = "start"
    """of the event"""
    END = "end"
    """of the event"""
    NOTICE = "notice"
    """the instant at which the event was announced"""
    MIDNIGHT = "midnight"
    """the beginning of the event's day, so that 22 to 24 are its last two hours"""


class DayKinds(StrEnum):
    """Which days a method looks at."""

    WORKDAYS = "workdays"
    """neither Saturdays, Sundays nor off-peak days"""
    LIKE = "like"
    """workdays for an event on a workday, the other days for an event on one of those"""


class Selection(StrEnum):
    """Which of the days count."""

    ALL = "all"
    HIGH = "high"
    """those with the highest window"""
    MIDDLE = "middle"
    """those that are left without the highest and the lowest, as many above as below"""


class AdjustmentKind(StrEnum):
    """How the event day moves the baseline."""

    ADDITIVE = "additive"
    """by the difference between the event day's hours and those of the days"""
    MULTIPLICATIVE = "multiplicative"
    """by the ratio of the two"""


@dataclass(frozen=True, slots=True)
class Span:
    """Hours from ``from_h`` to ``to_h`` after an anchor; negative is before it. [h]"""

    anchor: Anchor
    from_h: float
    to_h: float

    def __post_init__(self) -> None:
        """Refuse a span without hours, or one that leads further than a day away."""
        if not -DAY_HOURS <= self.from_h < self.to_h <= 2 * DAY_HOURS:
            raise ValueError(f"no span of hours: {self.from_h} to {self.to_h}")


@dataclass(frozen=True, slots=True)
class Days:
    """Days before the event that a baseline is made of.

    Attributes
    ----------
    wanted : how many are taken, the latest first.
    kinds : which may be among them; days with an event never are.
    lookback_days : how many calendar days before the event's day are looked at; None where the rules
        set no limit.
    select, count : which of the ``wanted`` count, and how many.
    drop_below : share of the mean of the days' windows; a day below it makes room for an earlier one. None
        keeps all.
    """

    wanted: int
    kinds: DayKinds = DayKinds.WORKDAYS
    lookback_days: int | None = None
    select: Selection = Selection.ALL
    count: int | None = None
    drop_below: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no day could fulfil."""
        if self.wanted < 1 or (self.lookback_days is not None and self.lookback_days < self.wanted):
            raise ValueError(f"{self.wanted} days within {self.lookback_days} cannot be found")
        if (self.select is Selection.ALL) != (self.count is None):
            raise ValueError("a count belongs to the highest or the middle days, and to those alone")
        if self.count is not None and not 1 <= self.count <= self.wanted:
            raise ValueError(f"{self.count} of {self.wanted} days cannot be chosen")
        if self.select is Selection.MIDDLE and (self.wanted - (self.count or 0)) % 2:
            raise ValueError(f"the middle {self.count} of {self.wanted} days are not in the middle")


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What hours of the event's own day say about it.

    Attributes
    ----------
    span : those hours; the same hours of the days are held against them.
    low, high : limits of a ratio (multiplicative) or of a difference in kW (additive); None is no limit.
    upward_only : a lower event day leaves the baseline as it is.
    """

    kind: AdjustmentKind
    span: Span
    low: float | None = None
    high: float | None = None
    upward_only: bool = False

    def __post_init__(self) -> None:
        """Refuse limits that cross."""
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"no amount is between {self.low} and {self.high}")


@dataclass(frozen=True, slots=True)
class Method:
    """A baseline method.

    Attributes
    ----------
    days : the days before that it is made of; None where it is made of hours of the event's own day.
    same_day : those hours, all counting alike.
    statistic : what of the window counts.
    adjustment : by the event's own day; None leaves the baseline alone.
    contract_cap : it is never more than the regular contract capacity.
    """

    days: Days | None = None
    same_day: tuple[Span, ...] = ()
    statistic: Statistic = Statistic.MEAN
    adjustment: Adjustment | None = None
    contract_cap: bool = False

    def __post_init__(self) -> None:
        """Refuse a method of both kinds or of none."""
        if (self.days is None) == (not self.same_day):
            raise ValueError("a baseline is made of days before the event, or of hours of its own day")
        if self.days is None and (self.adjustment or self.statistic is not Statistic.MEAN):
            raise ValueError("a baseline of the event's own day is a mean, and has nothing to be adjusted by")
