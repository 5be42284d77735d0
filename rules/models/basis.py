"""How use may answer to temperature: a line, hinges at change points, or bins between knots."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rules.models.observations import Conditions, Floats


@dataclass(frozen=True, slots=True)
class Basis:
    """Columns that are made from the weather; what none of them says is the level.

    Attributes
    ----------
    linear : the temperature itself (2P).
    heating_below : T1, adds max(T1 - T, 0).
    cooling_above : T2, adds max(T - T2, 0).
    knots : rising temperatures; add the continuous piecewise line of Mathieu et al. [1]_: min(T, k1), the
    part
        of T between each two knots, and max(T - k_last, 0).
    moisture : adds the second driver.

    References
    ----------
    .. [1] Mathieu, Price, Kiliccote, Piette (2011), Quantifying Changes in Building Electricity Use, with
       Application to Demand Response, IEEE Trans. Smart Grid 2(3), 507-518.
    """

    linear: bool = False
    heating_below: float | None = None
    cooling_above: float | None = None
    knots: tuple[float, ...] = ()
    moisture: bool = False

    @property
    def searched(self) -> int:
        """How many change points were looked for; the two of a 4P are one."""
        return len({self.heating_below, self.cooling_above} - {None})

    @property
    def width(self) -> int:
        """Number of columns."""
        hinges = (self.heating_below is not None) + (self.cooling_above is not None)
        bins = len(self.knots) + 1 if self.knots else 0
        return self.linear + hinges + bins + self.moisture

    def columns(self, conditions: Conditions) -> Floats:
        """(n, width) columns; NaN where the weather is missing."""
        t = np.where(np.isfinite(conditions.temperature), conditions.temperature, np.nan)
        made: list[Floats] = []
        if self.linear:
            made.append(t)
        if self.heating_below is not None:
            made.append(np.maximum(self.heating_below - t, 0.0))
        if self.cooling_above is not None:
            made.append(np.maximum(t - self.cooling_above, 0.0))
        if self.knots:
            made += _bins(t, self.knots)
        if self.moisture:
            if conditions.moisture is None:
                raise ValueError("the model has a second driver, the conditions have none")
            made.append(np.where(np.isfinite(conditions.moisture), conditions.moisture, np.nan))
        return np.stack(made, axis=1) if made else np.empty((len(t), 0))


def _bins(t: Floats, knots: tuple[float, ...]) -> list[Floats]:
    inner = [np.clip(t - low, 0.0, high - low) for low, high in pairwise(knots)]
    return [np.minimum(t, knots[0]), *inner, np.maximum(t - knots[-1], 0.0)]
