"""The open demand window: what it is so far, what it will be, and what has to go to stay under a limit."""

from dataclasses import dataclass

SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class DemandWindow:
    """A clock-aligned window that has not closed yet.

    Attributes
    ----------
    start_s, duration_s : [start, start + duration), seconds since 1970 UTC.
    elapsed_s : how much of it is behind us, 0 to ``duration_s``.
    mean_kw : mean power over the elapsed part. [kW]
    power_kw : power now. [kW]

    References
    ----------
    .. [1] Niagara kitControl, ElectricalDemandLimit: projection and shed of a fixed window.
    """

    start_s: int
    duration_s: int
    elapsed_s: float
    mean_kw: float
    power_kw: float

    def __post_init__(self) -> None:
        """Refuse a window that cannot be."""
        if not 0 <= self.elapsed_s <= self.duration_s:
            raise ValueError(f"{self.elapsed_s} s have passed of a window of {self.duration_s} s")

    @property
    def left_s(self) -> float:
        """Seconds until it closes."""
        return self.duration_s - self.elapsed_s

    @property
    def energy_kwh(self) -> float:
        """Energy of the elapsed part. [kWh]"""
        return self.mean_kw * self.elapsed_s / SECONDS_AN_HOUR

    @property
    def projected_kw(self) -> float:
        """Mean of the whole window if the power stays as it is. [kW]

        >>> DemandWindow(0, 900, 600, mean_kw=1050, power_kw=1020).projected_kw
        1040.0
        """
        return (self.mean_kw * self.elapsed_s + self.power_kw * self.left_s) / self.duration_s

    def headroom_kw(self, limit_kw: float) -> float:
        """What the projection leaves under a limit; negative means over it. [kW]"""
        return limit_kw - self.projected_kw

    def shed_kw(self, limit_kw: float) -> float:
        """Power to take off now, for the rest of the window, so that it closes at the limit. [kW]

        Negative where that much more could be taken on; NaN when no time is left to change anything.

        >>> DemandWindow(0, 900, 600, mean_kw=1050, power_kw=1020).shed_kw(1000)
        120.0
        """
        if self.left_s <= 0:
            return float("nan")
        return self.power_kw - (limit_kw * self.duration_s - self.mean_kw * self.elapsed_s) / self.left_s


def window_start_s(now_s: float, duration_s: int) -> int:
    """Start of the clock-aligned window that holds an instant, seconds since 1970 UTC.

    The windows of a zone whose offset is a multiple of the duration are those of UTC.
    """
    return int(now_s // duration_s) * duration_s
