"""Running sums over days in the order of temperature: the squared error at any change point in a few
additions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rules.models.observations import Floats, Ints

INDEPENDENT = 1e-12
"""Two columns whose 1 - r^2 is below this are one."""


@dataclass(frozen=True, slots=True)
class Side:
    """Sums over the days on one side of each of some temperatures; t, y and w are away from their means."""

    n: Floats
    t: Floats
    tt: Floats
    y: Floats
    ty: Floats
    yy: Floats
    w: Floats
    tw: Floats

    @property
    def mean_error(self) -> Floats:
        """Sum of squares about the mean."""
        return self.yy - _ratio(self.y * self.y, self.n)

    @property
    def line(self) -> "Line":
        """The lines through the days; flat where they have one temperature."""
        along = self.tt - _ratio(self.t * self.t, self.n)
        across = self.ty - _ratio(self.t * self.y, self.n)
        slope = _ratio(across, along)
        return Line(slope, _ratio(self.y - slope * self.t, self.n), self.mean_error - slope * across)


@dataclass(frozen=True, slots=True)
class Line:
    """Lines through the days on one side of each of some temperatures, and the squares about them."""

    slope: Floats
    intercept: Floats
    error: Floats

    def at(self, index: Ints | slice) -> "Line":
        """Return some of the lines."""
        return Line(self.slope[index], self.intercept[index], self.error[index])


@dataclass(frozen=True, slots=True)
class Hinge:
    """Sums of the column max(+-(t - tau), 0) at each of some temperatures tau.

    Attributes
    ----------
    days : how many days have it above 0.
    total : its sum, in degree days.
    own, with_y : its squares and its products with y, mean (and second driver) taken out.
    with_w : its products with the second driver.
    """

    days: Floats
    total: Floats
    own: Floats
    with_y: Floats
    with_w: Floats

    def at(self, index: Ints) -> "Hinge":
        """Return the sums at some of the temperatures."""
        return Hinge(*(getattr(self, name)[index] for name in self.__slots__))


class TemperatureOrder:
    """Days sorted by temperature, with the running sums that closed forms need.

    Parameters
    ----------
    temperature, use : (n,) finite.
    moisture : (n,) a second driver that is fitted along, or None.
    """

    def __init__(self, temperature: Floats, use: Floats, moisture: Floats | None = None) -> None:
        order = np.argsort(temperature, kind="stable")
        self.t_mean, y = float(temperature.mean()), use - use.mean()
        t = (temperature - self.t_mean)[order]
        y = y[order]
        w = np.zeros(len(t)) if moisture is None else (moisture - moisture.mean())[order]
        first = np.flatnonzero(np.r_[True, t[1:] != t[:-1]])
        self.t = t[first]
        """Distinct temperatures, rising, away from their mean."""
        terms = np.stack([np.ones(len(t)), t, t * t, y, t * y, y * y, w, t * w])
        by_value = np.add.reduceat(terms, first, axis=1)
        self._up_to = np.concatenate([np.zeros((8, 1)), np.cumsum(by_value, axis=1)], axis=1)
        self._from = np.concatenate([np.cumsum(by_value[:, ::-1], axis=1)[:, ::-1], np.zeros((8, 1))], axis=1)
        self.n = len(t)
        self.ww, self.wy = float(w @ w), float(w @ y)
        self.yy = float(y @ y) - (self.wy**2 / self.ww if self.ww > 0 else 0.0)
        self.plain = moisture is None

    @cached_property
    def below(self) -> Side:
        """Sums of the days up to and with each distinct temperature."""
        return Side(*self._up_to[:, 1:])

    @cached_property
    def above(self) -> Side:
        """Sums of the days from each distinct temperature on."""
        return Side(*self._from[:, :-1])

    @cached_property
    def lines_below(self) -> Line:
        """Lines through the days up to and with each distinct temperature."""
        return self.below.line

    @cached_property
    def lines_above(self) -> Line:
        """Lines through the days from each distinct temperature on."""
        return self.above.line

    @cached_property
    def cooling_on_days(self) -> Hinge:
        """Sums of max(t - tau, 0) for tau on each distinct temperature."""
        return self.cooling(self.t)

    @cached_property
    def heating_on_days(self) -> Hinge:
        """Sums of max(tau - t, 0) for tau on each distinct temperature."""
        return self.heating(self.t)

    def cooling(self, tau: Floats) -> Hinge:
        """Sums of max(t - tau, 0)."""
        side = Side(*self._from[:, np.searchsorted(self.t, tau, side="right")])
        return self._hinge(side, tau, 1.0)

    def heating(self, tau: Floats) -> Hinge:
        """Sums of max(tau - t, 0)."""
        side = Side(*self._up_to[:, np.searchsorted(self.t, tau, side="left")])
        return self._hinge(side, tau, -1.0)

    def _hinge(self, side: Side, tau: Floats, sign: float) -> Hinge:
        total = sign * (side.t - tau * side.n)
        with_w = sign * (side.tw - tau * side.w)
        own = side.tt - 2 * tau * side.t + tau * tau * side.n - total * total / self.n
        with_y = sign * (side.ty - tau * side.y)
        if self.ww > 0:
            own = own - with_w * with_w / self.ww
            with_y = with_y - with_w * (self.wy / self.ww)
        return Hinge(side.n, total, own, with_y, with_w)

    def one_error(self, hinge: Hinge) -> Floats:
        """Squared error with one hinge."""
        return self.yy - _ratio(hinge.with_y**2, hinge.own)

    def pair_errors(self, heating: Hinge, cooling: Hinge) -> Floats:
        """(h, c) squared error of each heating hinge with each cooling hinge, where they share no day.

        With columns of length 1 the two together explain (a^2 - 2 a c r + c^2) / (1 - r^2), a and c what each
        explains alone and r their correlation. Worked in place: the matrix is large, and built once a meter.
        """
        a, c, r = self._scaled(heating, cooling, np.multiply.outer)
        gain = np.multiply.outer(a, c)
        gain *= r
        gain *= -2.0
        gain += (a * a)[:, None]
        gain += (c * c)[None, :]
        r *= r
        np.subtract(1.0, r, out=r)
        r[r < INDEPENDENT] = np.inf
        gain /= r
        return np.subtract(self.yy, gain, out=gain)

    def both_errors(self, heating: Hinge, cooling: Hinge) -> Floats:
        """(k,) squared error of each heating hinge with the cooling hinge of the same place."""
        return self.both_slopes(heating, cooling)[2]

    def both_slopes(self, heating: Hinge, cooling: Hinge) -> tuple[Floats, Floats, Floats]:
        """(k,) slopes of two hinges fitted together, and their squared error; 0 and all where they are
        one.
        """
        a, c, r = self._scaled(heating, cooling, np.multiply)
        apart = 1.0 - r * r
        apart = np.where(apart < INDEPENDENT, np.inf, apart)
        slope_h, slope_c = (a - c * r) / apart, (c - a * r) / apart
        error = self.yy - (slope_h * a + slope_c * c)
        return slope_h * _inverse_root(heating.own), slope_c * _inverse_root(cooling.own), error

    def _scaled(
        self, heating: Hinge, cooling: Hinge, product: Callable[[Floats, Floats], Floats]
    ) -> tuple[Floats, Floats, Floats]:
        """What each hinge explains alone, and the correlation of each with each."""
        h, c = _inverse_root(heating.own), _inverse_root(cooling.own)
        cross = product(heating.total * h, cooling.total * c * (-1.0 / self.n))
        if self.ww > 0:
            cross = cross - product(heating.with_w * h, cooling.with_w * c / self.ww)
        return heating.with_y * h, cooling.with_y * c, cross


def meeting(level: Floats, line: Line) -> Floats:
    """Where lines reach levels; NaN where they are flat."""
    flat = line.slope == 0
    return np.where(flat, np.nan, (level - line.intercept) / np.where(flat, 1.0, line.slope))


def _inverse_root(squares: Floats) -> Floats:
    some = squares > 0
    return np.where(some, 1.0 / np.sqrt(np.where(some, squares, 1.0)), 0.0)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; 0 where there is nothing to divide by."""
    some = below > 1e-12 * np.max(below, initial=0.0)
    return np.where(some, above / np.where(some, below, 1.0), 0.0)
