"""Which values of a scan can be believed at all: a vector comparison a scan, nothing else."""

import numpy as np

from rules.quality import Quality
from rules.scan import Layout, Scan


class Validator:
    """Grades the scans of one layout.

    A value that is not a finite number is MISSING; one outside its point's plausible range is SUSPECT.
    """

    def __init__(self, layout: Layout) -> None:
        self._low = np.array([point.low for point in layout.points])
        self._high = np.array([point.high for point in layout.points])

    def grade(self, scan: Scan) -> None:
        """Raise ``scan.quality`` in place to what each value deserves; never lowers it.

        Parameters
        ----------
        scan : of this validator's layout; its ``quality`` array is written.
        """
        values, quality = scan.values, scan.quality
        # Written so that NaN fails both comparisons: one pass tells whether anything is wrong.
        plausible = (values >= self._low) & (values <= self._high)
        if plausible.all():
            return
        worse = np.where(np.isfinite(values), Quality.SUSPECT, Quality.MISSING).astype(np.uint8)
        np.maximum(quality, np.where(plausible, Quality.GOOD, worse), out=quality, casting="unsafe")
