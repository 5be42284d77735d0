"""Which values of a scan can be believed at all: one comparison with the limits, nothing else."""

from collections.abc import Sequence

import numpy as np

from rules.quality import Quality
from rules.scan import Layout, Scan

FEW = 48
"""So many values are held against their limits one by one in less time than a vector takes to begin."""

Limits = tuple[tuple[float, float], ...]


def all_plausible(values: Sequence[float], limits: Limits) -> bool:
    """Whether every value lies within its limits; NaN never does. The vector's rule, for a few values."""
    for value, (low, high) in zip(values, limits, strict=True):  # noqa: SIM110  a generator takes twice as long
        if not low <= value <= high:
            return False
    return True


class Validator:
    """Grades the scans of one layout.

    A value that is not a finite number is MISSING; one outside its point's plausible range is SUSPECT.
    """

    def __init__(self, layout: Layout) -> None:
        self._low = np.array([point.low for point in layout.points])
        self._high = np.array([point.high for point in layout.points])
        limits = tuple((point.low, point.high) for point in layout.points)
        self._limits: Limits | None = limits if len(limits) <= FEW else None

    def grade(self, scan: Scan) -> None:
        """Raise ``scan.quality`` in place to what each value deserves; never lowers it.

        Parameters
        ----------
        scan : of this validator's layout; its ``quality`` array is written.
        """
        if self._limits is not None and all_plausible(scan.values.tolist(), self._limits):
            return
        values, quality = scan.values, scan.quality
        # Written so that NaN fails both comparisons: one pass tells whether anything is wrong.
        plausible = (values >= self._low) & (values <= self._high)
        if plausible.all():
            return
        worse = np.where(np.isfinite(values), Quality.SUSPECT, Quality.MISSING).astype(np.uint8)
        np.maximum(quality, np.where(plausible, Quality.GOOD, worse), out=quality, casting="unsafe")
